/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the stream core share. A Stream has three parts: what never changes and what is atomic
 * (any thread), the hub (home loop only), and the life (control loop only). */
#pragma once

#include "stream/bridge.h"
#include "stream/gop.h"
#include "stream/ingest.h"
#include "stream/reader.h"
#include "stream/registry.h"
#include "stream/source.h"

#include <stdatomic.h>

enum {
  FLUSH_DEADLINE_MS = 2,          /* a started frame waits this long for its end */
  PARAMETERS_DEADLINE_US = 50000, /* parameter sets alone wait this long for their key frame */
  KEYFRAME_REQUEST_INTERVAL_US = 500000,
  KEYLESS_AFTER_US = 10000000, /* no key frame for this long: every frame counts as one */
  CLOCK_RATE_MAX = 1000000,    /* Hz; media use up to 192000, and products with times must fit 64 bits */
  SEQUENCE_JUMP = 3000,        /* a larger step of sequence numbers is a new beginning, not loss */
  TIME_JUMP_US = 10000000,     /* so is a time stamp this far from where the clock says it should be */
  VANISHED_PUBLISHER_HOLD_MS =
      10000,                 /* readers of an unconfigured stream wait this long for it to come back */
  PUBLISH_TICKET_MS = 10000, /* ANNOUNCE without RECORD */
};

typedef struct Hub Hub;
typedef struct Life Life;

typedef struct {
  atomic_uint_fast64_t bytes_in, packets_in, frames_in, key_frames_in;
  atomic_uint_fast64_t packets_lost, packets_reordered, packets_invalid;
  atomic_uint_fast64_t bytes_out, packets_out, reader_skips, readers_evicted;
  atomic_uint_fast64_t source_starts, source_failures, stalls;
  atomic_uint_fast64_t dwell[STREAM_DWELL_BUCKETS], dwell_sum_us;
} AtomicCounters;

#define COUNT(counter, n) atomic_fetch_add_explicit (&(counter), (n), memory_order_relaxed)
#define COUNTED(counter)  atomic_load_explicit (&(counter), memory_order_relaxed)

/* Where a reader that joins now would begin: kept for RTP-Info, which is asked for on any loop. */
typedef struct {
  bool valid;
  uint32_t ssrc;
  uint16_t sequence;
  uint32_t rtp_time;
  int64_t ntp_us;
} JoinPoint;

struct Stream {
  gatomicrefcount ref;
  char *id;
  Loop *home;
  Loop *control;
  Registry *registry; /* control loop only */
  const BridgeOps *bridges;
  AtomicCounters counters;
  GMutex lock; /* leaf: rates, join points, settings */
  StreamSettings *settings;
  StreamRates rates;
  JoinPoint join[TRACKS_MAX];
  Hub *hub;   /* home loop */
  Life *life; /* control loop */
};

/* stream.c */
Stream *stream_new (Registry *registry, const char *id, Loop *home, Loop *control, const BridgeOps *bridges,
                    StreamSettings *settings);

/* hub.c: home loop */
Hub *hub_new (Stream *stream, StreamSettings *settings); /* any thread, before the stream is shared */
void hub_free (Hub *hub);                                /* any thread, after hub_close() */
void hub_open (Stream *stream);
void hub_open_source (Stream *stream, const SourceFactory *factory, const char *url, unsigned incarnation);
void hub_close_source (Stream *stream, const GError *why);
/* Ends whatever publishes, tells readers nothing. */
void hub_end_ingest (Stream *stream, const GError *why);
/* Lets go of everything; the hub takes nothing any more. */
void hub_close (Stream *stream);
void hub_set_settings (Stream *stream, StreamSettings *settings);
void hub_attach (Stream *stream, Reader *reader, unsigned epoch, bool with_gop_cache);
void hub_detach (Stream *stream, Loop *loop, ReaderPlane plane);
void hub_request_keyframe (Stream *stream);

/* branch.c: the readers of a stream on one loop. Made on the home loop, lives on its own. */
typedef struct Branch Branch;
Branch *branch_new (Stream *stream, Loop *loop); /* home loop */
Loop *branch_loop (const Branch *branch);
void branch_send_batch (Branch *branch, Batch *batch);
void branch_send_unit (Branch *branch, unsigned track, GstBuffer *unit, GstCaps *caps);
/* @video: the track whose key frames count, or -1. @gop (nullable, transfer full): what the reader gets
 * first. */
void branch_send_attach (Branch *branch, Reader *reader, unsigned epoch, int video, GArray *gop);
void branch_send_gone (Branch *branch, ReaderGone why);
void branch_send_free (Branch *branch); /* the home loop sends nothing after it */

/* On the branch's loop. */
void branch_remove_reader (Branch *branch, Reader *reader);
bool branch_get_position (const Branch *branch, unsigned track, ReaderTrackPosition *ret);

/* reader.c: the struct is shared with branch.c and life.c. */
struct Reader {
  gatomicrefcount ref;
  Stream *stream;
  Loop *loop;
  ReaderPlane plane;
  TrackSet
      *tracks; /* it can go on with these and compatible ones only; NULL: with any. Set before its start */
  const ReaderOps *ops;
  void *data;
  char *id;
  int64_t opened_unix_us;
  char *protocol, *peer, *user, *user_agent;
  _Atomic (const char *) transport; /* static strings */
  atomic_uint_fast64_t bytes, packets, skips, dropped_batches;
  atomic_uint_fast64_t jitter_us;
  atomic_uint_fast32_t reported_lost;
  /* on its loop */
  Branch *branch;   /* attached to, or NULL */
  unsigned epoch;   /* counts starts and stops: late messages of older ones are void */
  bool started;     /* asked home for an attachment not yet given back */
  int video;        /* the track whose key frames count, or -1 */
  bool waiting_key; /* nothing before the next key frame */
  bool gone;        /* on_gone has been called */
  bool freed;
};
Reader *reader_ref (Reader *reader);
void reader_unref (Reader *reader);
void reader_post_gone (Reader *reader, ReaderGone why); /* any thread */
void reader_tell_gone (Reader *reader, ReaderGone why); /* its loop; at most one call reaches the owner */

/* life.c: control loop, except where said */
/* From the home loop (they post). */
void life_post_online (Stream *stream, unsigned incarnation, TrackSet *tracks, const IngestInfo *info);
void life_post_offline (Stream *stream, const GError *why);
void life_post_tracks_changed (Stream *stream);
void life_post_source_failed (Stream *stream, unsigned incarnation, const GError *error);
/* From a reader's loop (they post). */
void life_post_reader_opened (Reader *reader);
void life_post_reader_closed (Reader *reader, const char *reason);
