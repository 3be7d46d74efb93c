/* SPDX-License-Identifier: Apache-2.0 */
/* A stream: a named path with at most one publisher and any number of readers.
 *
 * A stream lives on two loops. Its life cycle (state, list of sources, retries, list of readers for
 * operators) belongs to the control loop. Its media (ingest, GOP cache, fan-out, bridges) belongs to its home
 * loop, an I/O loop chosen when the stream is made and kept for life; publishers run there, readers anywhere.
 * The handle is refcounted; any thread may hold it. */
#pragma once

#include "base/loop.h"
#include "config/settings.h"
#include "stream/batch.h"
#include "stream/track.h"

typedef struct Stream Stream;

Stream *stream_ref (Stream *stream);
void stream_unref (Stream *stream); /* NULL-safe; any thread */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Stream, stream_unref)

const char *stream_id (const Stream *stream); /* any thread */
Loop *stream_home (const Stream *stream);     /* any thread */

/* The settings in force now. Any thread. (transfer full) */
StreamSettings *stream_dup_settings (const Stream *stream);

typedef enum {
  STREAM_STOPPED,
  STREAM_STARTING,
  STREAM_RUNNING,
  STREAM_RECONNECTING,
  STREAM_STOPPING,
  STREAM_ERROR,
} StreamState;
const char *stream_state_name (StreamState state); /* "running"; static */

/* Counters, written by the home loop (readers' ones by their loops), read by anybody with relaxed loads. They
 * only grow. */
typedef struct {
  uint64_t bytes_in, packets_in, frames_in, key_frames_in;
  uint64_t packets_lost;      /* gaps in sequence numbers of the source */
  uint64_t packets_reordered; /* came late and were put right */
  uint64_t packets_invalid;   /* not RTP, wrong payload type */
  uint64_t bytes_out, packets_out;
  uint64_t reader_skips;    /* times a reader jumped to the next key frame */
  uint64_t readers_evicted; /* readers closed for being slow */
  uint64_t source_starts, source_failures, stalls;
} StreamCounters;
void stream_get_counters (const Stream *stream, StreamCounters *ret); /* any thread */

/* Rates of the last full second and of the current group of pictures, by the home loop's clock. */
typedef struct {
  double bitrate_bps;
  double frame_rate;
  unsigned gop_frames; /* length of the last whole group of pictures; 0 unknown */
  int64_t gop_us;
  int64_t last_frame_us;  /* monotonic arrival of the last frame; 0 none yet */
  unsigned width, height; /* 0 unknown */
  char profile[32];
} StreamRates;
void stream_get_rates (const Stream *stream, StreamRates *ret); /* any thread */

/* From the arrival of a batch's first packet to its hand-over to a reader's socket; upper bounds in
 * microseconds, the last one is infinity. */
enum { STREAM_DWELL_BUCKETS = 12 };
extern const int64_t stream_dwell_bounds_us[STREAM_DWELL_BUCKETS];
void stream_get_dwell (const Stream *stream, uint64_t ret[STREAM_DWELL_BUCKETS], uint64_t *ret_sum_us);
