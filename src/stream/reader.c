/* SPDX-License-Identifier: Apache-2.0 */
/* Readers: the object of a session on its own loop. The struct is refcounted because messages between loops
 * hold it; the owner sees a plain new and free. */
#include "stream/stream-private.h"

#include <string.h>

static char *
make_id (void)
{
  static atomic_uint_fast64_t counter;
  return g_strdup_printf ("r%" G_GUINT64_FORMAT, (guint64)atomic_fetch_add (&counter, 1) + 1);
}

Reader *
reader_ref (Reader *reader)
{
  g_atomic_ref_count_inc (&reader->ref);
  return reader;
}

void
reader_unref (Reader *reader)
{
  if (!g_atomic_ref_count_dec (&reader->ref))
    return;
  stream_unref (reader->stream);
  track_set_unref (reader->tracks);
  g_free (reader->id);
  g_free (reader->protocol);
  g_free (reader->peer);
  g_free (reader->user);
  g_free (reader->user_agent);
  g_free (reader);
}

Reader *
reader_new (Stream *stream, Loop *loop, ReaderPlane plane, const ReaderOps *ops, void *data,
            const ReaderInfo *info)
{
  loop_assert (loop);
  Reader *reader = g_new0 (Reader, 1);
  g_atomic_ref_count_init (&reader->ref);
  reader->stream = stream_ref (stream);
  reader->loop = loop;
  reader->plane = plane;
  reader->ops = ops;
  reader->data = data;
  reader->id = make_id ();
  reader->opened_unix_us = g_get_real_time ();
  reader->video = -1;
  reader->protocol = g_strdup (info->protocol);
  atomic_store (&reader->transport, info->transport);
  reader->peer = g_strdup (info->peer);
  reader->user = g_strdup (info->user);
  reader->user_agent = g_strdup (info->user_agent);
  life_post_reader_opened (reader);
  return reader;
}

void
reader_expect_tracks (Reader *reader, TrackSet *tracks)
{
  loop_assert (reader->loop);
  g_clear_pointer (&reader->tracks, track_set_unref);
  reader->tracks = track_set_ref (tracks);
}

/* --- messages to the home loop -----------------------------------------------------------------------------
 */

typedef struct {
  Reader *reader;
  unsigned epoch;
  bool with_gop_cache;
} Attach;

static void
attach_at_home (void *data)
{
  Attach *attach = data;
  hub_attach (attach->reader->stream, attach->reader, attach->epoch, attach->with_gop_cache);
  reader_unref (attach->reader);
  g_free (attach);
}

static void
detach_at_home (void *data)
{
  Reader *reader = data;
  hub_detach (reader->stream, reader->loop, reader->plane);
  reader_unref (reader);
}

static void
request_keyframe_at_home (void *data)
{
  hub_request_keyframe (data);
  stream_unref (data);
}

void
reader_start (Reader *reader, bool with_gop_cache)
{
  loop_assert (reader->loop);
  if (reader->started || reader->gone)
    return;
  reader->started = true;
  Attach *attach = g_new (Attach, 1);
  *attach =
      (Attach){.reader = reader_ref (reader), .epoch = ++reader->epoch, .with_gop_cache = with_gop_cache};
  loop_post (reader->stream->home, attach_at_home, attach);
}

void
reader_stop (Reader *reader)
{
  loop_assert (reader->loop);
  if (!reader->started)
    return;
  reader->started = false;
  reader->epoch++;
  if (reader->branch)
    branch_remove_reader (g_steal_pointer (&reader->branch), reader);
  loop_post (reader->stream->home, detach_at_home, reader_ref (reader));
}

void
reader_set_transport (Reader *reader, const char *transport)
{
  atomic_store (&reader->transport, transport);
}

void
reader_free (Reader *reader, const char *reason)
{
  if (!reader)
    return;
  loop_assert (reader->loop);
  reader_stop (reader);
  reader->freed = true;
  if (reason && strcmp (reason, READER_TOO_SLOW) == 0)
    COUNT (reader->stream->counters.readers_evicted, 1);
  life_post_reader_closed (reader, reason);
  reader_unref (reader);
}

void
reader_tell_gone (Reader *reader, ReaderGone why)
{
  loop_assert (reader->loop);
  if (reader->freed || reader->gone)
    return;
  reader->gone = true;
  reader_stop (reader);
  reader->ops->on_gone (reader->data, why);
}

typedef struct {
  Reader *reader;
  ReaderGone why;
} GoneMessage;

static void
take_gone (void *data)
{
  GoneMessage *message = data;
  reader_tell_gone (message->reader, message->why);
  reader_unref (message->reader);
  g_free (message);
}

void
reader_post_gone (Reader *reader, ReaderGone why)
{
  GoneMessage *message = g_new (GoneMessage, 1);
  *message = (GoneMessage){reader_ref (reader), why};
  loop_post (reader->loop, take_gone, message);
}

const char *
reader_id (const Reader *reader)
{
  return reader->id;
}

Stream *
reader_stream (const Reader *reader)
{
  return reader->stream;
}

/* --- accounting --------------------------------------------------------------------------------------------
 */

void
reader_account_sent (Reader *reader, const Batch *batch, int64_t now_us)
{
  AtomicCounters *counters = &reader->stream->counters;
  int64_t dwell_us = MAX (0, now_us - batch->arrival_us);
  unsigned bucket = 0;
  while (dwell_us > stream_dwell_bounds_us[bucket])
    bucket++;
  COUNT (counters->dwell[bucket], 1);
  COUNT (counters->dwell_sum_us, (uint64_t)dwell_us);
  COUNT (counters->bytes_out, batch->n_bytes);
  COUNT (counters->packets_out, batch->n_packets);
  COUNT (reader->bytes, batch->n_bytes);
  COUNT (reader->packets, batch->n_packets);
}

void
reader_account_skip (Reader *reader, uint64_t dropped_batches)
{
  COUNT (reader->stream->counters.reader_skips, 1);
  COUNT (reader->skips, 1);
  COUNT (reader->dropped_batches, dropped_batches);
}

void
reader_account_report (Reader *reader, uint32_t packets_lost, double jitter_ms)
{
  atomic_store_explicit (&reader->reported_lost, packets_lost, memory_order_relaxed);
  atomic_store_explicit (&reader->jitter_us, (uint64_t)(jitter_ms * 1000), memory_order_relaxed);
}

void
reader_request_keyframe (Reader *reader)
{
  loop_post (reader->stream->home, request_keyframe_at_home, stream_ref (reader->stream));
}

bool
reader_get_position (Reader *reader, unsigned track, ReaderTrackPosition *ret)
{
  if (reader->branch && branch_get_position (reader->branch, track, ret))
    return true;
  if (track >= TRACKS_MAX)
    return false;
  Stream *stream = reader->stream;
  g_mutex_lock (&stream->lock);
  JoinPoint join = stream->join[track];
  g_mutex_unlock (&stream->lock);
  if (!join.valid)
    return false;
  *ret = (ReaderTrackPosition){
      .ssrc = join.ssrc, .next_sequence = join.sequence, .rtp_time = join.rtp_time, .ntp_us = join.ntp_us};
  return true;
}
