/* SPDX-License-Identifier: Apache-2.0 */
/* sluice probe: plays any source for a few seconds with the server's own machinery and tells what it is. */
#include "cli/cli.h"

#include "base/error.h"
#include "base/log.h"
#include "rtp/bridge.h"
#include "rtsp/client.h"
#include "stream/inspect.h"
#include "stream/registry.h"
#include "worker/source.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define PROBE_STREAM "probe"

typedef struct {
  const char *url;
  double seconds;
  gboolean json;
  GMainLoop *main_loop;
  Loop *control;
  LoopPool *pool;
  Registry *registry;
  Lease *lease;
  Reader *reader;
  GError *error;
  int64_t started_us;
  int64_t tracks_us;      /* tracks known */
  int64_t first_frame_us; /* by the reader, on its loop */
  int64_t first_key_us;
} Probe;

/* --- reading -----------------------------------------------------------------------------------------------
 */

static void
note_once (int64_t *slot)
{
  if (*slot == 0)
    *slot = loop_now_us ();
}

static void
on_batch (void *data, Batch *batch)
{
  Probe *probe = data;
  note_once (&probe->first_frame_us);
  if (batch->flags & BATCH_KEY)
    note_once (&probe->first_key_us);
}

static void
on_gone (void *data, ReaderGone why)
{
}

static const ReaderOps reader_ops = {.on_batch = on_batch, .on_gone = on_gone};

static void
open_reader (void *data)
{
  Probe *probe = data;
  ReaderInfo info = {.protocol = "probe", .transport = "memory"};
  probe->reader = reader_new (lease_stream (probe->lease), loop_pool_get (probe->pool, 0), READER_PACKETS,
                              &reader_ops, probe, &info);
  reader_start (probe->reader, true);
}

static void
close_reader (void *data)
{
  Probe *probe = data;
  reader_free (g_steal_pointer (&probe->reader), NULL);
}

static gboolean
on_time_is_up (void *data)
{
  g_main_loop_quit (((Probe *)data)->main_loop);
  return G_SOURCE_REMOVE;
}

static void
on_lease (void *data, Lease *lease, const GError *error)
{
  Probe *probe = data;
  if (!lease) {
    probe->error = g_error_copy (error);
    g_main_loop_quit (probe->main_loop);
    return;
  }
  probe->lease = lease;
  probe->tracks_us = loop_now_us ();
  loop_call (loop_pool_get (probe->pool, 0), open_reader, probe);
  g_timeout_add ((guint)(probe->seconds * 1000), on_time_is_up, probe);
}

static void
on_event (void *data, const StreamEvent *event)
{
}

/* --- answers -----------------------------------------------------------------------------------------------
 */

static double
ms_since_start (const Probe *probe, int64_t when_us)
{
  return when_us ? (double)(when_us - probe->started_us) / 1000 : NAN;
}

static void
add_ms (JsonBuilder *builder, const char *name, double ms)
{
  json_builder_set_member_name (builder, name);
  if (isnan (ms))
    json_builder_add_null_value (builder);
  else
    json_builder_add_double_value (builder, round (ms * 10) / 10);
}

static void
add_track (JsonBuilder *builder, const Track *track, const StreamRates *rates, bool is_main)
{
  const TrackSpec *spec = &track->spec;
  static const char *const kinds[] = {
      [TRACK_VIDEO] = "video", [TRACK_AUDIO] = "audio", [TRACK_DATA] = "data"};
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "kind");
  json_builder_add_string_value (builder, kinds[spec->kind]);
  json_builder_set_member_name (builder, "codec");
  json_builder_add_string_value (builder, spec->codec == CODEC_UNKNOWN ? spec->encoding_name
                                                                       : codec_name (spec->codec));
  json_builder_set_member_name (builder, "clock_rate");
  json_builder_add_int_value (builder, spec->clock_rate);
  if (spec->channels) {
    json_builder_set_member_name (builder, "channels");
    json_builder_add_int_value (builder, spec->channels);
  }
  if (is_main && rates->width) {
    json_builder_set_member_name (builder, "width");
    json_builder_add_int_value (builder, rates->width);
    json_builder_set_member_name (builder, "height");
    json_builder_add_int_value (builder, rates->height);
  }
  if (is_main && rates->profile[0]) {
    json_builder_set_member_name (builder, "profile");
    json_builder_add_string_value (builder, rates->profile);
  }
  json_builder_end_object (builder);
}

static JsonNode *
describe (Probe *probe)
{
  StreamRates rates;
  StreamCounters counters;
  Stream *stream = lease_stream (probe->lease);
  stream_get_rates (stream, &rates);
  stream_get_counters (stream, &counters);
  const TrackSet *tracks = lease_tracks (probe->lease);
  double seconds = (double)(loop_now_us () - probe->tracks_us) / G_USEC_PER_SEC;

  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  g_autofree char *url = source_url_redact (probe->url);
  json_builder_set_member_name (builder, "url");
  json_builder_add_string_value (builder, url);
  json_builder_set_member_name (builder, "tracks");
  json_builder_begin_array (builder);
  unsigned main_track = tracks->video >= 0 ? (unsigned)tracks->video : 0;
  for (unsigned i = 0; i < tracks->n_tracks; i++)
    add_track (builder, &tracks->tracks[i], &rates, i == main_track);
  json_builder_end_array (builder);
  const struct {
    const char *name;
    double value;
  } numbers[] = {
      {"bitrate_bps", round ((double)counters.bytes_in * 8 / seconds)},
      {"frame_rate", round ((double)counters.frames_in / seconds * 100) / 100},
      {"gop_frames", rates.gop_frames},
      {"gop_seconds", round ((double)rates.gop_us / 10000) / 100},
      {"frames", (double)counters.frames_in},
      {"key_frames", (double)counters.key_frames_in},
      {"packets_lost", (double)counters.packets_lost},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (numbers); i++) {
    json_builder_set_member_name (builder, numbers[i].name);
    json_builder_add_double_value (builder, numbers[i].value);
  }
  add_ms (builder, "tracks_after_ms", ms_since_start (probe, probe->tracks_us));
  add_ms (builder, "first_frame_after_ms", ms_since_start (probe, probe->first_frame_us));
  add_ms (builder, "first_key_frame_after_ms", ms_since_start (probe, probe->first_key_us));
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}

static void
print_ms (const char *label, double ms)
{
  if (isnan (ms))
    printf ("  %-22s never\n", label);
  else
    printf ("  %-22s %.1f ms\n", label, ms);
}

static void
print_tracks (JsonObject *root)
{
  JsonArray *tracks = json_object_get_array_member (root, "tracks");
  for (unsigned i = 0; i < json_array_get_length (tracks); i++) {
    JsonObject *track = json_array_get_object_element (tracks, i);
    printf ("  track %-2u               %s %s, %" G_GINT64_FORMAT " Hz", i,
            json_object_get_string_member (track, "kind"), json_object_get_string_member (track, "codec"),
            json_object_get_int_member (track, "clock_rate"));
    if (json_object_has_member (track, "channels"))
      printf (", %" G_GINT64_FORMAT " channels", json_object_get_int_member (track, "channels"));
    if (json_object_has_member (track, "width"))
      printf (", %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT, json_object_get_int_member (track, "width"),
              json_object_get_int_member (track, "height"));
    if (json_object_has_member (track, "profile"))
      printf (", %s", json_object_get_string_member (track, "profile"));
    putchar ('\n');
  }
}

static void
print_answer (Probe *probe)
{
  g_autoptr (JsonNode) root = describe (probe);
  if (probe->json) {
    g_autofree char *text = json_to_string (root, TRUE);
    puts (text);
    return;
  }
  JsonObject *object = json_node_get_object (root);
  printf ("%s\n", json_object_get_string_member (object, "url"));
  print_tracks (object);
  printf ("  %-22s %.0f kbit/s\n", "bit rate", json_object_get_double_member (object, "bitrate_bps") / 1000);
  printf ("  %-22s %.2f frames/s\n", "frame rate", json_object_get_double_member (object, "frame_rate"));
  double gop_frames = json_object_get_double_member (object, "gop_frames");
  if (gop_frames > 0)
    printf ("  %-22s %.0f frames, %.2f s\n", "group of pictures", gop_frames,
            json_object_get_double_member (object, "gop_seconds"));
  else
    printf ("  %-22s unknown: fewer than two key frames seen\n", "group of pictures");
  printf ("  %-22s %.0f\n", "packets lost", json_object_get_double_member (object, "packets_lost"));
  print_ms ("tracks known after", ms_since_start (probe, probe->tracks_us));
  print_ms ("first frame after", ms_since_start (probe, probe->first_frame_us));
  print_ms ("first key frame after", ms_since_start (probe, probe->first_key_us));
}

/* --- running -----------------------------------------------------------------------------------------------
 */

static bool
open_probe (Probe *probe, const char *transport, double timeout, GError **error)
{
  probe->control = loop_new_control ();
  probe->pool = loop_pool_new (1, error);
  if (!probe->pool)
    return false;
  probe->main_loop = g_main_loop_new (NULL, FALSE);
  probe->registry = registry_new (probe->control, probe->pool, rtp_bridge_ops (), on_event, probe);
  registry_add_source_factory (probe->registry, rtsp_source_factory ());
  registry_add_source_factory (probe->registry, worker_source_factory ());

  g_autoptr (Settings) defaults = settings_new_default ();
  g_autoptr (StreamSettings) settings = stream_settings_copy (defaults->defaults, PROBE_STREAM);
  static const char *const transports[] = {"auto", "udp", "tcp", "multicast", NULL};
  for (unsigned i = 0; transports[i]; i++)
    if (g_strcmp0 (transport, transports[i]) == 0)
      settings->transport = (SettingsTransport)i;
  g_strfreev (settings->source);
  settings->source = g_strsplit (probe->url, "\n", 1);
  settings->max_attempts = 1;
  settings->connect_timeout_ms = settings->on_demand_start_timeout_ms = (int64_t)(timeout * 1000);
  settings->tls_verify = false;
  probe->started_us = loop_now_us ();
  if (!registry_create (probe->registry, settings, error))
    return false;
  registry_open_read (probe->registry, PROBE_STREAM, probe->control, NULL, on_lease, probe);
  return true;
}

static void
quit (void *data)
{
  g_main_loop_quit (data);
}

static void
close_probe (Probe *probe)
{
  if (probe->reader)
    loop_call (loop_pool_get (probe->pool, 0), close_reader, probe);
  g_clear_pointer (&probe->lease, lease_free);
  if (probe->registry) {
    registry_shutdown (probe->registry, quit, probe->main_loop);
    if (registry_is_closing (probe->registry))
      g_main_loop_run (probe->main_loop);
    registry_free (probe->registry);
  }
  g_clear_pointer (&probe->pool, loop_pool_free);
  g_clear_pointer (&probe->control, loop_free);
  g_clear_pointer (&probe->main_loop, g_main_loop_unref);
}

static int
run (int argc, char **argv)
{
  Probe probe = {.seconds = 5};
  double timeout = 10;
  g_autofree char *transport = NULL;
  GOptionEntry entries[] = {
      {"seconds", 's', 0, G_OPTION_ARG_DOUBLE, &probe.seconds, "Watch for this long; default 5", "N"},
      {"timeout", 't', 0, G_OPTION_ARG_DOUBLE, &timeout, "Wait this long for the source; default 10", "N"},
      {"transport", 0, 0, G_OPTION_ARG_STRING, &transport, "auto, tcp, udp or multicast (RTSP)", "NAME"},
      {"json", 'j', 0, G_OPTION_ARG_NONE, &probe.json, "Answer as JSON", NULL},
      G_OPTION_ENTRY_NULL,
  };
  if (!cli_parse (&cli_probe, entries,
                  "Plays a source for a few seconds and tells its tracks, codecs, bit rate, group of "
                  "pictures and how\n"
                  "long the first frame took. Takes every URL that a stream's source can be.\n\n"
                  "Examples:\n"
                  "  sluice probe rtsp://user:password@camera.local/stream1\n"
                  "  sluice probe --transport udp --seconds 10 rtsp://localhost:8554/demo\n"
                  "  sluice probe --json file:film.mp4",
                  &argc, &argv))
    return 2;
  if (argc != 2 || probe.seconds <= 0 || probe.seconds > 3600) {
    fputs ("sluice probe: give one URL and up to 3600 seconds; 'sluice probe --help' shows how\n", stderr);
    return 2;
  }
  probe.url = argv[1];
  log_install (LOG_FORMAT_AUTO);
  log_set_level_all (LOG_ERROR);
  if (!gst_init_check (NULL, NULL, &probe.error) || !open_probe (&probe, transport, timeout, &probe.error)) {
    fprintf (stderr, "sluice probe: %s\n", probe.error->message);
  } else {
    g_main_loop_run (probe.main_loop);
    if (probe.error)
      fprintf (stderr, "sluice probe: %s\n", probe.error->message);
    else
      print_answer (&probe);
  }
  close_probe (&probe);
  int status = probe.error ? 1 : 0;
  g_clear_error (&probe.error);
  return status;
}

const CliCommand cli_probe = {"probe", "URL", "tell what a source is", run};
