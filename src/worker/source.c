/* SPDX-License-Identifier: Apache-2.0 */
/* A stream whose publisher is a worker process. Each failure, of the worker or of what it plays, ends this
 * source; the stream starts another one after its back-off. */
#include "worker/source.h"

#include "base/log.h"
#include "rtp/describe.h"
#include "worker/supervisor.h"

#include <string.h>

enum { FIRST_DYNAMIC_PAYLOAD_TYPE = 96 };

typedef struct {
  Stream *stream;
  WorkerSourceKind kind;
  char *url;
  bool loop;
  bool tls_verify;
  unsigned connect_timeout_ms;
  uint64_t memory;
  char *username, *password;
  SourceEvents events;
  void *events_data;
  Worker *worker;
  Ingest *ingest;
  unsigned n_tracks;
  GstCaps *caps[WORKER_TRACKS_MAX];
  bool caps_changed[WORKER_TRACKS_MAX];
  GError *failure; /* to be told on a turn of its own */
  LoopTimer *tell;
  bool over;
} Source;

static void
clear_caps (Source *source)
{
  for (unsigned i = 0; i < WORKER_TRACKS_MAX; i++)
    gst_clear_caps (&source->caps[i]);
  source->n_tracks = 0;
}

/* Ends the source and says so; @error NULL is a regular end. The stream closes (frees) the source in here. */
static void
finish (Source *source, const GError *error)
{
  if (source->over)
    return;
  source->over = true;
  g_autoptr (GError) why =
      error ? g_error_copy (error)
            : g_error_new_literal (SLUICE_ERROR, SLUICE_ERROR_CANCELLED, "the source has ended");
  if (source->ingest)
    ingest_end (g_steal_pointer (&source->ingest), error);
  source->events.on_failed (source->events_data, why);
}

static void
on_tell (void *data)
{
  Source *source = data;
  g_autoptr (GError) failure = g_steal_pointer (&source->failure);
  finish (source, failure);
}

/* For failures found inside a call of the stream's: it hears of them on the next turn. Takes over @error. */
static void
finish_later (Source *source, GError *error)
{
  if (source->failure || source->over) {
    g_clear_error (&error);
    return;
  }
  source->failure = error;
  loop_timer_start (source->tell, 0, 0);
}

/* --- as a publisher ------------------------------------------------------------------------------------ */

static void
on_request_keyframe (void *data, unsigned track)
{
  Source *source = data;
  WorkerMessage message = {WORKER_KEYFRAME, .track = track};
  if (source->worker && track < source->n_tracks)
    worker_send (source->worker, &message);
}

static void
on_ingest_ended (void *data, const GError *why)
{
  Source *source = data;
  source->ingest = NULL;
  g_clear_pointer (&source->worker, worker_free);
  finish_later (source,
                why ? g_error_copy (why)
                    : g_error_new_literal (SLUICE_ERROR, SLUICE_ERROR_CANCELLED, "the stream let go of it"));
}

static const IngestOps ingest_ops = {on_request_keyframe, on_ingest_ended};

/* The words of the URL's kind; static as IngestInfo wants them. */
static const char *const protocols[WORKER_SOURCE_LAST] = {
    [WORKER_SOURCE_TEST] = "test",         [WORKER_SOURCE_FILE] = "file", [WORKER_SOURCE_V4L2] = "v4l2",
    [WORKER_SOURCE_HTTP] = "http",         [WORKER_SOURCE_SRT] = "srt",   [WORKER_SOURCE_UDP] = "udp",
    [WORKER_SOURCE_PIPELINE] = "pipeline",
};

static bool
describe_tracks (const WorkerMessage *message, TrackSpec *specs, GError **error)
{
  for (unsigned i = 0; i < message->tracks.n; i++) {
    if (rtp_describe_units (message->tracks.caps[i], (uint8_t)(FIRST_DYNAMIC_PAYLOAD_TYPE + i), &specs[i],
                            error))
      continue;
    return false;
  }
  return true;
}

static void
take_tracks (Source *source, const WorkerMessage *message)
{
  g_autoptr (GError) error = NULL;
  TrackSpec specs[WORKER_TRACKS_MAX] = {0};
  IngestInfo info = {.protocol = protocols[source->kind]};
  if (source->ingest) {
    g_set_error (&error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "the worker told its tracks twice");
    finish (source, error);
    return;
  }
  if (describe_tracks (message, specs, &error))
    source->ingest = ingest_begin (source->stream, specs, message->tracks.n, INGEST_UNITS, &ingest_ops,
                                   source, &info, &error);
  if (!source->ingest) {
    for (unsigned i = 0; i < message->tracks.n; i++)
      track_spec_clear (&specs[i]);
    finish (source, error);
    return;
  }
  clear_caps (source);
  source->n_tracks = message->tracks.n;
  for (unsigned i = 0; i < message->tracks.n; i++) {
    source->caps[i] = gst_caps_ref (message->tracks.caps[i]);
    source->caps_changed[i] = true;
  }
}

/* Parameter sets may change under way, the kind of media may not. */
static void
take_caps (Source *source, const WorkerMessage *message)
{
  unsigned track = message->caps.track;
  if (track < source->n_tracks &&
      gst_structure_has_name (gst_caps_get_structure (message->caps.caps, 0),
                              gst_structure_get_name (gst_caps_get_structure (source->caps[track], 0)))) {
    gst_caps_replace (&source->caps[track], message->caps.caps);
    source->caps_changed[track] = true;
    return;
  }
  g_autoptr (GError) error = g_error_new (SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED,
                                          "track %u changed into another kind of media", track);
  finish (source, error);
}

static GstCaps *
unix_time_caps (void)
{
  static GstCaps *caps;
  if (g_once_init_enter (&caps))
    g_once_init_leave (&caps, gst_caps_new_empty_simple ("timestamp/x-unix"));
  return caps;
}

static void
take_unit (Source *source, const WorkerUnit *unit)
{
  /* Between the end of an ingest and the news of it; or a worker that sends units of no track. */
  if (!source->ingest || unit->track >= source->n_tracks)
    return;
  GstBuffer *buffer = gst_buffer_new_memdup (unit->bytes, unit->n_bytes);
  GST_BUFFER_PTS (buffer) = (GstClockTime)unit->pts;
  GST_BUFFER_DTS (buffer) = (GstClockTime)unit->dts;
  GST_BUFFER_DURATION (buffer) = (GstClockTime)unit->duration;
  if (unit->flags & WORKER_UNIT_DELTA)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if (unit->flags & WORKER_UNIT_DISCONT)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  if (unit->captured_us >= 0 && unit->captured_us < G_MAXINT64 / 1000)
    gst_buffer_add_reference_timestamp_meta (buffer, unix_time_caps (),
                                             (GstClockTime)unit->captured_us * 1000, GST_CLOCK_TIME_NONE);
  GstCaps *caps = source->caps_changed[unit->track] ? source->caps[unit->track] : NULL;
  source->caps_changed[unit->track] = false;
  ingest_unit (source->ingest, unit->track, buffer, caps);
}
G_STATIC_ASSERT ((GstClockTime)WORKER_TIME_NONE == GST_CLOCK_TIME_NONE);

/* --- as the owner of a worker -------------------------------------------------------------------------- */

static void
on_ready (void *data)
{
  Source *source = data;
  WorkerMessage message = {WORKER_OPEN, .open = {.url = source->url,
                                                 .loop = source->loop,
                                                 .tls_verify = source->tls_verify,
                                                 .connect_timeout_ms = source->connect_timeout_ms,
                                                 .memory = source->memory,
                                                 .username = source->username,
                                                 .password = source->password}};
  worker_send (source->worker, &message);
}

static void
on_message (void *data, WorkerMessage *message)
{
  Source *source = data;
  if (source->over)
    return;
  switch (message->type) {
  case WORKER_TRACKS:
    take_tracks (source, message);
    break;
  case WORKER_CAPS:
    take_caps (source, message);
    break;
  case WORKER_UNIT:
    take_unit (source, &message->unit);
    break;
  case WORKER_PROGRESS:
    source->events.on_progress (source->events_data, worker_step_name (message->step));
    break;
  case WORKER_EOS:
    finish (source, NULL);
    break;
  case WORKER_FAILED: {
    g_autoptr (GError) error =
        g_error_new_literal (SLUICE_ERROR, (int)message->failed.code, message->failed.text);
    finish (source, error);
    break;
  }
  default:
    break;
  }
}

static void
on_worker_failed (void *data, const GError *error)
{
  finish (data, error);
}

static const WorkerOps worker_ops = {on_ready, on_message, on_worker_failed};

/* --- the factory --------------------------------------------------------------------------------------- */

static bool
check_url (const char *url, GError **error)
{
  g_autoptr (WorkerUrl) parsed = worker_url_parse (url, error);
  return parsed != NULL;
}

static void *
open_source (void *factory_data, Stream *stream, const char *url, const StreamSettings *settings,
             const SourceEvents *events, void *events_data)
{
  GError *error = NULL;
  Source *source = g_new0 (Source, 1);
  source->stream = stream_ref (stream);
  source->url = g_strdup (url);
  source->loop = settings->loop;
  source->tls_verify = settings->tls_verify;
  source->connect_timeout_ms = (unsigned)CLAMP (settings->connect_timeout_ms, 0, G_MAXINT);
  source->memory = (uint64_t)MAX (settings->worker_memory, 0);
  source->username = g_strdup (settings->username);
  source->password = g_strdup (settings->password);
  source->events = *events;
  source->events_data = events_data;
  source->tell = loop_timer_new (stream_home (stream), on_tell, source);
  g_autoptr (WorkerUrl) parsed = worker_url_parse (url, &error);
  if (parsed) {
    WorkerLimits limits = {
        .memory = source->memory,
        .cpu_percent = (unsigned)CLAMP (settings->worker_cpu, 0, G_MAXINT),
        .hang_timeout_ms = (unsigned)CLAMP (settings->worker_hang_timeout_ms, 0, G_MAXINT),
        .start_timeout_ms = source->connect_timeout_ms,
    };
    source->kind = parsed->kind;
    source->worker =
        worker_start (stream_home (stream), stream_id (stream), &limits, &worker_ops, source, &error);
  }
  if (error)
    finish_later (source, error);
  return source;
}

static void
close_source (void *data)
{
  Source *source = data;
  source->over = true;
  if (source->ingest)
    ingest_end (g_steal_pointer (&source->ingest), NULL);
  g_clear_pointer (&source->worker, worker_free);
  loop_timer_free (source->tell);
  g_clear_error (&source->failure);
  clear_caps (source);
  g_free (source->url);
  g_free (source->username);
  if (source->password)
    explicit_bzero (source->password, strlen (source->password));
  g_free (source->password);
  stream_unref (source->stream);
  g_free (source);
}

const SourceFactory *
worker_source_factory (void)
{
  static const SourceFactory factory = {
      .schemes = worker_url_schemes,
      .check = check_url,
      .open = open_source,
      .close = close_source,
  };
  return &factory;
}
