/* SPDX-License-Identifier: Apache-2.0 */
/* The one transaction behind file, API and signals: validate, plan, commit, apply. A bad change is refused
 * whole, with every problem named, and touches nothing; a good one is on disk before it is answered, and
 * touches only what it changes.
 *
 * What a stream's settings are made of, from below: [defaults]; the first pattern that matches, or the
 * stream's own section of the file; the keys that were set at run time. Keys set at run time win over the
 * file until they are unset (a null in the patch). A stream of the file cannot be removed at run time, since
 * the file would bring it back: that is refused, and the answer says to remove it there or to set enabled =
 * false.
 *
 * Owner:   control loop; all functions there unless marked (any).
 * Answers: ManagerFunc on the control loop, never inline, once (not after manager_free()). Changes of one
 * stream run in order. */
#pragma once

#include "auth/auth.h"
#include "control/events.h"
#include "control/state.h"
#include "stream/registry.h"

typedef struct Manager Manager;

/* Reads the configuration from all its places. NULL when it is bad: then each problem is in @problems (of
 * char*, "file:line: section.key: reason"). (transfer full); nobody else may hold the result yet. */
typedef Settings *(*ManagerLoadFunc) (void *data, GPtrArray *problems);

typedef struct {
  Loop *control;
  Registry *registry;
  Auth *auth;
  Journal *journal;
  State *state; /* NULL: changes at run time are not kept (tests) */
  ManagerLoadFunc load;
  void *load_data;
  const char *config_file; /* for messages; NULL: none */
} ManagerOptions;

/* @settings: already loaded (the program needed them to start). manager_start() applies them together with
 * what the state holds, and publishes system.started. Stored changes that no longer fit are left out with a
 * warning, kept on disk. */
Manager *manager_new (const ManagerOptions *options, Settings *settings);
bool manager_start (Manager *manager, GError **error);
/* Before the state, registry, auth and journal are. A change that is just being written is kept, and not
 * answered. */
void manager_free (Manager *manager); /* NULL-safe */

/* The effective configuration. (any) (transfer full) */
Settings *manager_get_settings (Manager *manager);
/* Grows with each applied change, of the file or at run time; kept over restarts. (any) */
uint64_t manager_generation (Manager *manager);

/* @error: NULL when it was done. @id: the stream it was about. */
typedef void (*ManagerFunc) (void *data, const char *id, const GError *error);

/* Values of stream keys by name: GVariant a{sv}, as json_gvariant_deserialize() of a JSON object makes it: s,
 * b, x, d, av or as of strings; an empty maybe (null) unsets the key. Keys are those of [streams.NAME]
 * ("source" takes a string or a list). Unknown keys and bad values are INVALID_ARGUMENT with all problems in
 * the message, one a line. (transfer none, floating is fine; NULL: no key) */
void manager_create_stream (Manager *manager, const char *id, GVariant *patch, ManagerFunc func, void *data);
void manager_update_stream (Manager *manager, const char *id, GVariant *patch, ManagerFunc func, void *data);
void manager_remove_stream (Manager *manager, const char *id, ManagerFunc func, void *data);
/* Operators' commands. A stop holds over restarts until a start; a restart is also a start. */
void manager_start_stream (Manager *manager, const char *id, ManagerFunc func, void *data);
void manager_stop_stream (Manager *manager, const char *id, ManagerFunc func, void *data);
void manager_restart_stream (Manager *manager, const char *id, ManagerFunc func, void *data);

/* Where a stream comes from, for the API. */
typedef enum {
  MANAGER_ORIGIN_NONE,    /* not configured: made by a publisher or through a pattern, or not there */
  MANAGER_ORIGIN_FILE,    /* the file, unchanged */
  MANAGER_ORIGIN_CHANGED, /* the file, with keys set at run time */
  MANAGER_ORIGIN_CREATED, /* made at run time */
} ManagerOrigin;
ManagerOrigin manager_stream_origin (Manager *manager, const char *id);
const char *manager_origin_name (ManagerOrigin origin); /* "none", "file", "changed", "created"; static */
/* Names of the keys set at run time; empty when there are none. (transfer full) */
char **manager_stream_changed_keys (Manager *manager, const char *id);

typedef struct {
  bool applied;
  GPtrArray *problems; /* of char*: why it was refused; empty when applied */
  GPtrArray *restart;  /* of char*: keys that changed and take effect only after a restart of the program */
  unsigned added, removed, changed; /* streams */
  uint64_t generation;
} ManagerReload;

/* Reads the file again: applies it whole, or refuses it whole. Publishes config.reloaded or config.rejected.
 */
ManagerReload *manager_reload (Manager *manager); /* (transfer full) */
void manager_reload_free (ManagerReload *reload); /* NULL-safe */
/* The last one; NULL before the first. (transfer none) */
const ManagerReload *manager_last_reload (Manager *manager, int64_t *ret_unix_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Manager, manager_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ManagerReload, manager_reload_free)
