/* SPDX-License-Identifier: Apache-2.0 */
/* A stream as JSON: our own members, and beside them those that clients of the documented contract of stream
 * managers read. What does not exist is said to be off, never made up. */
#include "config/json.h"
#include "http/api/api_private.h"
#include "stream/source.h"

#include <string.h>

const char *
api_stream_status_word (const StreamStatus *status)
{
  switch (status->state) {
  case STREAM_STOPPED:
    return "inactive";
  case STREAM_STARTING:
    return status->last_connected_unix_us ? "starting" : "initializing";
  case STREAM_RUNNING:
    return "active";
  case STREAM_RECONNECTING:
    return "restarting";
  case STREAM_STOPPING:
    return "stopping";
  case STREAM_ERROR:
    return "error";
  }
  return "error";
}

static const char *
pipeline_word (StreamState state)
{
  switch (state) {
  case STREAM_RUNNING:
    return "playing";
  case STREAM_STARTING:
  case STREAM_RECONNECTING:
    return "paused";
  case STREAM_STOPPED:
  case STREAM_STOPPING:
  case STREAM_ERROR:
    break;
  }
  return "stopped";
}

/* --- parts
 * --------------------------------------------------------------------------------------------------- */

static JsonArray *
make_tracks (const TrackSet *set)
{
  static const char *const kinds[] = {"video", "audio", "data"};
  JsonArray *tracks = json_array_new ();
  for (unsigned i = 0; set && i < set->n_tracks; i++) {
    const TrackSpec *spec = &set->tracks[i].spec;
    JsonObject *track = json_object_new ();
    json_object_set_int_member (track, "index", i);
    json_object_set_string_member (track, "kind", kinds[spec->kind]);
    bool known = spec->codec != CODEC_UNKNOWN;
    api_set_string (track, "codec", known ? codec_name (spec->codec) : spec->encoding_name);
    json_object_set_int_member (track, "clock_rate", spec->clock_rate);
    if (spec->kind == TRACK_AUDIO)
      json_object_set_int_member (track, "channels", spec->channels);
    json_object_set_int_member (track, "payload_type", spec->payload_type);
    json_array_add_object_element (tracks, track);
  }
  return tracks;
}

static JsonObject *
make_stats (const StreamStatus *status, const StreamCounters *counters, const StreamRates *rates)
{
  JsonObject *stats = json_object_new ();
  json_object_set_double_member (stats, "bitrate_bps", rates->bitrate_bps);
  json_object_set_double_member (stats, "frame_rate", rates->frame_rate);
  json_object_set_int_member (stats, "gop_frames", rates->gop_frames);
  json_object_set_double_member (stats, "gop_seconds", (double)rates->gop_us / 1e6);
  if (rates->width) {
    json_object_set_int_member (stats, "width", rates->width);
    json_object_set_int_member (stats, "height", rates->height);
  }
  if (*rates->profile)
    api_set_string (stats, "profile", rates->profile);
  const struct {
    const char *name;
    uint64_t value;
  } numbers[] = {
      {"bytes_in", counters->bytes_in},
      {"packets_in", counters->packets_in},
      {"frames_in", counters->frames_in},
      {"key_frames_in", counters->key_frames_in},
      {"packets_lost", counters->packets_lost},
      {"packets_reordered", counters->packets_reordered},
      {"packets_invalid", counters->packets_invalid},
      {"bytes_out", counters->bytes_out},
      {"packets_out", counters->packets_out},
      {"reader_skips", counters->reader_skips},
      {"readers_evicted", counters->readers_evicted},
      {"source_starts", counters->source_starts},
      {"source_failures", counters->source_failures},
      {"stalls", counters->stalls},
      {"attempts", status->attempts},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (numbers); i++)
    json_object_set_int_member (stats, numbers[i].name, (gint64)numbers[i].value);
  return stats;
}

static void
set_resolution (JsonObject *metrics, const StreamRates *rates)
{
  g_autofree char *resolution = rates->width ? g_strdup_printf ("%ux%u", rates->width, rates->height) : NULL;
  api_set_string (metrics, "resolution", resolution);
}

/* Wall clock of the last frame, from its monotonic arrival. */
static int64_t
last_frame_unix_us (const StreamRates *rates)
{
  return rates->last_frame_us ? g_get_real_time () - (loop_now_us () - rates->last_frame_us) : 0;
}

static int64_t
uptime_us (const StreamStatus *status)
{
  return status->state == STREAM_RUNNING && status->running_since_mono_us
             ? MAX (0, loop_now_us () - status->running_since_mono_us)
             : 0;
}

static void
add_contract_members (JsonObject *object, const StreamStatus *status, const StreamCounters *counters,
                      const StreamRates *rates)
{
  JsonObject *metrics = json_object_new ();
  json_object_set_int_member (metrics, "bitrate", (gint64)rates->bitrate_bps);
  json_object_set_double_member (metrics, "framerate", rates->frame_rate);
  set_resolution (metrics, rates);
  json_object_set_int_member (metrics, "packets_received", (gint64)counters->packets_in);
  json_object_set_int_member (metrics, "packets_lost", (gint64)counters->packets_lost);
  json_object_set_object_member (object, "metrics", metrics);

  JsonObject *recording = json_object_new ();
  json_object_set_boolean_member (recording, "enabled", FALSE);
  json_object_set_boolean_member (recording, "is_recording", FALSE);
  json_object_set_string_member (recording, "status", "stopped");
  json_object_set_object_member (object, "recording", recording);
  JsonObject *inference = json_object_new ();
  json_object_set_boolean_member (inference, "enabled", FALSE);
  json_object_set_object_member (object, "inference", inference);

  const StreamSettings *settings = status->settings;
  JsonObject *reconnect = json_object_new ();
  json_object_set_boolean_member (reconnect, "enabled", settings->max_attempts != 1);
  json_object_set_int_member (reconnect, "max_attempts",
                              settings->max_attempts ? settings->max_attempts : -1);
  json_object_set_int_member (reconnect, "backoff_ms", settings->retry_min_ms);
  json_object_set_object_member (object, "reconnect", reconnect);

  JsonObject *pipeline = json_object_new ();
  json_object_set_string_member (pipeline, "state", pipeline_word (status->state));
  json_object_set_object_member (object, "pipeline", pipeline);

  JsonObject *health = json_object_new ();
  json_object_set_boolean_member (health, "is_healthy",
                                  status->state == STREAM_RUNNING ||
                                      (status->state == STREAM_STOPPED && !status->last_error));
  api_set_time (health, "last_frame_time", last_frame_unix_us (rates));
  json_object_set_int_member (health, "frames_received", (gint64)counters->frames_in);
  json_object_set_double_member (health, "bitrate_mbps", rates->bitrate_bps / 1e6);
  json_object_set_object_member (object, "health", health);

  JsonArray *errors = json_array_new ();
  if (status->last_error) {
    g_autofree char *valid = g_utf8_make_valid (status->last_error, -1);
    json_array_add_string_element (errors, valid);
  }
  json_object_set_array_member (object, "errors", errors);
}

static void
add_sources (JsonObject *object, const StreamStatus *status)
{
  JsonArray *sources = json_array_new ();
  char **configured = status->settings->source;
  for (char **source = configured; source && *source; source++) {
    g_autofree char *redacted = source_url_redact (*source);
    json_array_add_string_element (sources, redacted);
  }
  g_autofree char *first = configured && *configured ? source_url_redact (*configured) : NULL;
  const char *active = status->source ? status->source : first;
  api_set_string (object, "source", active);
  json_object_set_array_member (object, "sources", sources);
  api_set_string (object, "source_type", status->source_type);
  json_object_set_int_member (object, "source_index", status->source_index);
  api_set_string (object, "publisher", status->publisher_peer);
  api_set_string (object, "source_url", active);
  api_set_string (object, "uri", active);
}

JsonObject *
api_stream_to_json (Api *api, const StreamStatus *status)
{
  StreamCounters counters;
  StreamRates rates;
  stream_get_counters (status->stream, &counters);
  stream_get_rates (status->stream, &rates);
  const char *id = stream_id (status->stream);
  const StreamSettings *settings = status->settings;

  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "id", id);
  api_set_string (object, "name", settings->title && *settings->title ? settings->title : id);
  api_set_string (object, "description", settings->description);
  json_object_set_string_member (object, "state", stream_state_name (status->state));
  json_object_set_string_member (object, "status", api_stream_status_word (status));
  add_sources (object, status);
  json_object_set_array_member (object, "tracks", make_tracks (status->tracks));
  json_object_set_int_member (object, "readers", status->readers->len);
  json_object_set_int_member (object, "uptime", uptime_us (status) / G_USEC_PER_SEC);
  json_object_set_object_member (object, "stats", make_stats (status, &counters, &rates));
  api_set_string (object, "last_error", status->last_error);
  api_set_string (object, "last_error_code", status->last_error_code);
  api_set_time (object, "last_error_at", status->last_error_unix_us);
  api_set_time (object, "created_at", status->created_unix_us);
  api_set_time (object, "last_connected", status->last_connected_unix_us);
  json_object_set_boolean_member (object, "configured", status->configured);
  json_object_set_string_member (object, "origin",
                                 manager_origin_name (manager_stream_origin (api->options.manager, id)));
  json_object_set_object_member (object, "settings", stream_settings_to_json (settings, false));
  add_contract_members (object, status, &counters, &rates);
  return object;
}

JsonObject *
api_reader_to_json (const ReaderStatus *reader)
{
  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "id", reader->id);
  api_set_string (object, "protocol", reader->protocol);
  api_set_string (object, "transport", reader->transport);
  api_set_string (object, "peer", reader->peer);
  api_set_string (object, "user", reader->user);
  api_set_string (object, "user_agent", reader->user_agent);
  api_set_time (object, "opened_at", reader->opened_unix_us);
  json_object_set_int_member (object, "bytes", (gint64)reader->bytes);
  json_object_set_int_member (object, "packets", (gint64)reader->packets);
  json_object_set_int_member (object, "skips", (gint64)reader->skips);
  json_object_set_int_member (object, "dropped_batches", (gint64)reader->dropped_batches);
  json_object_set_int_member (object, "reported_lost", reader->reported_lost);
  json_object_set_double_member (object, "jitter_ms", reader->jitter_ms);
  return object;
}

static double
mean_dwell_ms (const Stream *stream)
{
  uint64_t buckets[STREAM_DWELL_BUCKETS];
  uint64_t sum_us = 0;
  uint64_t n = 0;
  stream_get_dwell (stream, buckets, &sum_us);
  for (unsigned i = 0; i < STREAM_DWELL_BUCKETS; i++)
    n += buckets[i];
  return n ? (double)sum_us / (double)n / 1000.0 : 0;
}

JsonObject *
api_stream_metrics_to_json (const StreamStatus *status)
{
  StreamCounters counters;
  StreamRates rates;
  stream_get_counters (status->stream, &counters);
  stream_get_rates (status->stream, &rates);
  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "id", stream_id (status->stream));

  JsonObject *bitrate = json_object_new ();
  json_object_set_double_member (bitrate, "current", rates.bitrate_bps);
  json_object_set_object_member (object, "bitrate", bitrate);
  JsonObject *framerate = json_object_new ();
  json_object_set_double_member (framerate, "current", rates.frame_rate);
  json_object_set_object_member (object, "framerate", framerate);
  JsonObject *latency = json_object_new ();
  json_object_set_double_member (latency, "processing", mean_dwell_ms (status->stream));
  json_object_set_object_member (object, "latency", latency);
  JsonObject *packets = json_object_new ();
  json_object_set_int_member (packets, "received", (gint64)counters.packets_in);
  json_object_set_int_member (packets, "lost", (gint64)counters.packets_lost);
  json_object_set_int_member (packets, "recovered", (gint64)counters.packets_reordered);
  json_object_set_object_member (object, "packets", packets);
  JsonObject *errors = json_object_new ();
  json_object_set_int_member (errors, "network", (gint64)counters.source_failures);
  json_object_set_int_member (errors, "total", (gint64)(counters.source_failures + counters.stalls));
  json_object_set_object_member (object, "errors", errors);
  set_resolution (object, &rates);
  json_object_set_object_member (object, "stats", make_stats (status, &counters, &rates));
  json_object_set_int_member (object, "readers", status->readers->len);
  json_object_set_int_member (object, "uptime", uptime_us (status) / G_USEC_PER_SEC);
  return object;
}
