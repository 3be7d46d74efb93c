/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the manager. Control loop.
 *
 * Three layers of settings: @file is what the configuration says; @applied is that with the patches of its
 * streams, and what the registry has; @effective is @applied with the streams made at run time, and what
 * everybody else sees. */
#pragma once

#include "control/manager.h"

#include <json-glib/json-glib.h>

/* What the state holds of a stream. */
typedef struct {
  StateStream record;
  JsonObject *patch;        /* never NULL; not changed any more */
  StreamSettings *settings; /* @patch on the file of now; NULL: not built yet, or does not fit */
} ManagerEntry;

struct Manager {
  ManagerOptions options;
  char *config_file;
  unsigned ref; /* the owner's and one for each change under way */
  bool closed;  /* nobody waits for answers, and nothing may be touched any more */

  Settings *booted; /* what the program started with: keys for a restart are compared with it */
  Settings *file;
  Settings *applied;
  GHashTable *file_streams; /* name -> StreamSettings, both of file */
  GHashTable *entries;      /* id -> ManagerEntry */
  GHashTable *waiting;      /* id of a stream with a change under way -> GQueue of the next ones */
  ManagerReload *last_reload;
  int64_t last_reload_us;

  GMutex lock; /* leaf: effective, generation */
  Settings *effective;
  uint64_t generation;
};

/* Frees the changes that have not begun. */
void manager_drop_waiting (Manager *manager);

Manager *manager_ref (Manager *manager);
void manager_unref (Manager *manager);

ManagerEntry *manager_entry_new (const StateStream *record, JsonObject *patch); /* copies, refs */
void manager_entry_free (void *data);

/* What @id stands on: its section of @file, or a pattern, or the defaults. (transfer full) */
StreamSettings *manager_base (const Settings *file, const char *id);
/* patch_apply() on the base, and each source checked by who will run it. (transfer full) (nullable) */
StreamSettings *manager_build (Manager *manager, const Settings *file, const char *id, JsonObject *patch,
                               GPtrArray *problems);

/* Adds "@prefix@key: reason" for each source that nobody can run. */
void manager_check_sources (Manager *manager, const StreamSettings *settings, const char *prefix,
                            GPtrArray *problems);

/* Makes @applied and @effective anew from @file and the entries. Patches that do not fit are left out; when
 * @file is new, all are laid over it again, and those get a warning. */
void manager_rebuild (Manager *manager, bool new_file);
/* Counts one applied change, and keeps the number. */
void manager_bump_generation (Manager *manager);
/* The registry gets streams made at run time that it lacks or that changed, and stops what was stopped. */
void manager_sync_created (Manager *manager);
