/* SPDX-License-Identifier: Apache-2.0 */
/* Name to stream: exact names, then patterns; makes and removes on-demand streams. Owned by the control loop;
 * functions marked (any) may be called from any thread. */
#pragma once

#include "stream/reader.h"
#include "stream/source.h"

#include <gio/gio.h>

typedef struct Registry Registry;

/* Everything that happens, for the control plane's journal; called on the control loop. */
typedef struct {
  const char *type;       /* "stream.started", "reader.opened", ...; static */
  const char *stream;     /* stream id */
  const char *message;    /* or NULL */
  const GError *error;    /* or NULL */
  const char *reader;     /* reader id or NULL */
  const char *detail_key; /* one more pair, or NULL */
  const char *detail_value;
} StreamEvent;
typedef void (*StreamEventFunc) (void *data, const StreamEvent *event);

typedef struct BridgeOps BridgeOps; /* stream/bridge.h */

Registry *registry_new (Loop *control, LoopPool *pool, const BridgeOps *bridges, StreamEventFunc on_event,
                        void *data);
/* Stops every stream; @done runs on the control loop when all have let go. Then registry_free(). */
void registry_shutdown (Registry *registry, LoopFunc done, void *data);
bool registry_is_closing (const Registry *registry); /* some stream has not yet let go */
void registry_free (Registry *registry);

void registry_add_source_factory (Registry *registry, const SourceFactory *factory); /* before any stream */
/* True when some factory takes this URL; the error names the known schemes. (any, after start-up) */
bool registry_check_source (const Registry *registry, const char *url, GError **error);

/* Applies a whole configuration: streams that are gone are removed, new ones made and (unless on demand)
 * started, changed ones restarted only when what changed needs it. Streams made by registry_create() stay. */
void registry_apply (Registry *registry, Settings *settings);

/* One stream at run time. ALREADY_EXISTS, INVALID_ARGUMENT, LIMIT. */
bool registry_create (Registry *registry, StreamSettings *settings, GError **error);
bool registry_update (Registry *registry, StreamSettings *settings, GError **error);
bool registry_remove (Registry *registry, const char *id, GError **error);

/* Operators' commands. stop holds until start, also over on-demand readers. */
bool registry_start (Registry *registry, const char *id, GError **error);
bool registry_stop (Registry *registry, const char *id, GError **error);
bool registry_restart (Registry *registry, const char *id, GError **error);
bool registry_kick (Registry *registry, const char *stream_id, const char *reader_id, GError **error);

/* What operators see of a stream. Control loop; strings are copies. */
typedef struct {
  char *id;
  char *protocol, *transport, *peer, *user, *user_agent;
  int64_t opened_unix_us;
  uint64_t bytes, packets, skips, dropped_batches;
  uint32_t reported_lost;
  double jitter_ms;
} ReaderStatus;

typedef struct {
  Stream *stream;
  StreamSettings *settings;
  bool configured; /* from the file or the API, not made by a publisher or a pattern */
  StreamState state;
  TrackSet *tracks;      /* or NULL */
  char *source;          /* active source's URL, redacted; "publisher"; or NULL */
  char *source_type;     /* "rtsp", "test", ... or NULL */
  char *publisher_peer;  /* or NULL */
  unsigned source_index; /* which of the list */
  unsigned attempts;     /* failed ones since it last ran */
  int64_t created_unix_us, running_since_unix_us /* 0 */, running_since_mono_us, last_connected_unix_us;
  char *last_error;      /* message or NULL */
  char *last_error_code; /* or NULL */
  int64_t last_error_unix_us;
  GPtrArray *readers; /* of ReaderStatus */
} StreamStatus;

void stream_status_free (StreamStatus *status);                         /* NULL-safe */
StreamStatus *registry_get_status (Registry *registry, const char *id); /* NULL: no such stream */
GPtrArray *registry_list (Registry *registry); /* of StreamStatus, by id; (transfer full) */
unsigned registry_count (const Registry *registry);

/* A lease is a wish to read: it keeps an on-demand stream alive. */
typedef struct Lease Lease;
Stream *lease_stream (const Lease *lease);
TrackSet *lease_tracks (const Lease *lease); /* (transfer none) */
void lease_free (Lease *lease);              /* (any); NULL-safe */

/* (any) Wants to read @name: @func runs on @loop with a lease, or an error: NOT_FOUND, LIMIT (max_readers),
 * TIMEOUT or UNAVAILABLE (the source did not come within on_demand_start_timeout; held until then).
 * @cancellable (nullable): after cancelling on @loop the func is not run. */
typedef void (*LeaseFunc) (void *data, Lease *lease, const GError *error);
void registry_open_read (Registry *registry, const char *name, Loop *loop, GCancellable *cancellable,
                         LeaseFunc func, void *data);

/* (any) Wants to publish @name: @func runs on the stream's home loop with the stream, reserved for the caller
 * until publish_end() or 10 s without ingest_begin(). Errors: NOT_FOUND, FORBIDDEN (has a source, or publish
 * = false), BUSY (somebody publishes and override_publisher is off; else that one is ended first). The errors
 * come on @error_loop. */
typedef struct PublishTicket PublishTicket;
typedef void (*PublishFunc) (void *data, PublishTicket *ticket, Stream *stream, const GError *error);
void registry_open_publish (Registry *registry, const char *name, Loop *error_loop, GCancellable *cancellable,
                            PublishFunc func, void *data);
void publish_ticket_free (PublishTicket *ticket); /* (any) gives the stream back; NULL-safe */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Lease, lease_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PublishTicket, publish_ticket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (StreamStatus, stream_status_free)
