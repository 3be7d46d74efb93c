/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a stream on the control loop, and the registry that holds them all: life.c is the state machine
 * of one stream, registry.c names, configuration and operators, access.c the wishes to read and to publish.
 */
#pragma once

#include "stream/stream-private.h"

typedef enum { ORIGIN_FILE, ORIGIN_API, ORIGIN_DYNAMIC /* made by a publisher or a pattern */ } LifeOrigin;

typedef struct ReadRequest ReadRequest;

struct Life {
  Stream *stream; /* the registry holds the reference */
  Registry *registry;
  StreamSettings *settings;
  LifeOrigin origin;
  StreamState state;
  TrackSet *tracks; /* of the last publisher */
  bool online;
  bool stopped_by_operator;
  bool source_open;
  bool ended; /* the source reached its regular end */
  unsigned incarnation;
  unsigned source_index;
  unsigned attempts;
  unsigned n_leases;
  GQueue waiting;        /* of ReadRequest */
  PublishTicket *ticket; /* who may publish, or NULL */
  GPtrArray *readers;    /* of Reader, with a reference */
  guint retry_timer;
  guint close_timer; /* on demand: the last reader has left */
  guint hold_timer;  /* an unconfigured stream whose publisher vanished */
  char *source;
  const char *protocol;
  char *publisher_peer;
  int64_t created_unix_us, running_since_unix_us, running_since_mono_us, last_connected_unix_us;
  char *last_error, *last_error_code;
  int64_t last_error_unix_us;
};

struct Registry {
  Loop *control;
  LoopPool *pool;
  const BridgeOps *bridges;
  StreamEventFunc on_event;
  void *event_data;
  GPtrArray *factories; /* of SourceFactory, not owned */
  GHashTable *streams;  /* id -> Stream */
  Settings *settings;
  unsigned closing; /* hubs that have not yet let go */
  bool shutting_down;
  LoopFunc shutdown_done;
  void *shutdown_data;
};

/* registry.c */
Stream *registry_find (Registry *registry, const char *id);
Stream *registry_add (Registry *registry, StreamSettings *settings, LifeOrigin origin, GError **error);
void registry_drop (Registry *registry, Stream *stream, ReaderGone why);
const SourceFactory *registry_find_factory (const Registry *registry, const char *url);
/* Settings for a name that has no entry: from the first matching pattern, else the defaults; {name} in
 * sources is replaced. (transfer full) */
StreamSettings *registry_derive_settings (Registry *registry, const char *name);

/* life.c */
Life *life_new (Stream *stream, StreamSettings *settings, LifeOrigin origin);
void life_free (Life *life);
void life_emit (Life *life, const char *type, const char *message, const GError *error);
bool life_has_source (const Life *life);
/* Starts or stops the source so that it fits what is wanted now. */
void life_reconcile (Life *life);
void life_close_source (Life *life);
/* Nobody publishes it now: waits for a publisher as long as its origin allows. */
void life_await_publisher (Life *life);
void life_set_settings (Life *life, StreamSettings *settings);
void life_tell_readers_gone (Life *life, ReaderGone why);
void life_schedule_close (Life *life);
void life_fill_status (Life *life, StreamStatus *status);

/* access.c */
void access_grant_waiting (Life *life);
void access_fail_waiting (Life *life, const GError *error);
