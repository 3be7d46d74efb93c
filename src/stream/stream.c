/* SPDX-License-Identifier: Apache-2.0 */
/* The handle of a stream: what any thread may hold and read. */
#include "stream/stream.h"

#include "stream/stream-private.h"

const int64_t stream_dwell_bounds_us[STREAM_DWELL_BUCKETS] = {
    100, 250, 500, 1000, 2000, 4000, 8000, 16000, 33000, 100000, 1000000, INT64_MAX,
};

Stream *
stream_new (Registry *registry, const char *id, Loop *home, Loop *control, const BridgeOps *bridges,
            StreamSettings *settings)
{
  Stream *stream = g_new0 (Stream, 1);
  g_atomic_ref_count_init (&stream->ref);
  stream->id = g_strdup (id);
  stream->home = home;
  stream->control = control;
  stream->registry = registry;
  stream->bridges = bridges;
  g_mutex_init (&stream->lock);
  stream->settings = stream_settings_ref (settings);
  stream->hub = hub_new (stream, settings);
  return stream;
}

Stream *
stream_ref (Stream *stream)
{
  g_atomic_ref_count_inc (&stream->ref);
  return stream;
}

void
stream_unref (Stream *stream)
{
  if (!stream || !g_atomic_ref_count_dec (&stream->ref))
    return;
  hub_free (stream->hub);
  g_mutex_clear (&stream->lock);
  stream_settings_unref (stream->settings);
  g_free (stream->id);
  g_free (stream);
}

const char *
stream_id (const Stream *stream)
{
  return stream->id;
}

Loop *
stream_home (const Stream *stream)
{
  return stream->home;
}

StreamSettings *
stream_dup_settings (const Stream *stream)
{
  Stream *mutable = (Stream *)stream;
  g_mutex_lock (&mutable->lock);
  StreamSettings *settings = stream_settings_ref (mutable->settings);
  g_mutex_unlock (&mutable->lock);
  return settings;
}

const char *
stream_state_name (StreamState state)
{
  static const char *const names[] = {
      [STREAM_STOPPED] = "stopped",           [STREAM_STARTING] = "starting", [STREAM_RUNNING] = "running",
      [STREAM_RECONNECTING] = "reconnecting", [STREAM_STOPPING] = "stopping", [STREAM_ERROR] = "error",
  };
  return names[state];
}

void
stream_get_counters (const Stream *stream, StreamCounters *ret)
{
  const AtomicCounters *c = &stream->counters;
  *ret = (StreamCounters){
      .bytes_in = COUNTED (c->bytes_in),
      .packets_in = COUNTED (c->packets_in),
      .frames_in = COUNTED (c->frames_in),
      .key_frames_in = COUNTED (c->key_frames_in),
      .packets_lost = COUNTED (c->packets_lost),
      .packets_reordered = COUNTED (c->packets_reordered),
      .packets_invalid = COUNTED (c->packets_invalid),
      .bytes_out = COUNTED (c->bytes_out),
      .packets_out = COUNTED (c->packets_out),
      .reader_skips = COUNTED (c->reader_skips),
      .readers_evicted = COUNTED (c->readers_evicted),
      .source_starts = COUNTED (c->source_starts),
      .source_failures = COUNTED (c->source_failures),
      .stalls = COUNTED (c->stalls),
  };
}

void
stream_get_rates (const Stream *stream, StreamRates *ret)
{
  Stream *mutable = (Stream *)stream;
  g_mutex_lock (&mutable->lock);
  *ret = mutable->rates;
  g_mutex_unlock (&mutable->lock);
}

void
stream_get_dwell (const Stream *stream, uint64_t ret[STREAM_DWELL_BUCKETS], uint64_t *ret_sum_us)
{
  for (unsigned i = 0; i < STREAM_DWELL_BUCKETS; i++)
    ret[i] = COUNTED (stream->counters.dwell[i]);
  *ret_sum_us = COUNTED (stream->counters.dwell_sum_us);
}
