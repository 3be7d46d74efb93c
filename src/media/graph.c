/* SPDX-License-Identifier: Apache-2.0 */
/* Building and running one pipeline. Streaming threads post application messages on the bus and, where they
 * have to, wait on a condition; the main thread reads the bus and does everything else. */
#include "media/graph.h"

#include "media/catalog.h"
#include "worker/protocol.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <stdio.h>

enum {
  DETECT_MS = 3000, /* for a track that has been declared and does not come */
  QUIET_MS = 500,   /* for a demuxer that does not say whether more tracks will come */
};

/* A track that is slow to show itself must not stop the demuxer; five seconds are more than DETECT_MS. */
#define QUEUE "queue max-size-buffers=0 max-size-time=5000000000 max-size-bytes=33554432"

#define MESSAGE_NEW_PAD "sluice-new-pad"
#define MESSAGE_PAD     "sluice-pad"
#define MESSAGE_NO_MORE "sluice-no-more-pads"
#define MESSAGE_READY   "sluice-outlet-ready"

typedef struct {
  MediaGraph *graph;
  unsigned index;
  MediaPlugKind kind;
  GstElement *queue;
  GstElement *sink;
  bool has_segment; /* streaming thread */
  GstCaps *caps;    /* under the lock; of its last unit */
} Outlet;

struct MediaGraph {
  MediaEncoding encoding;
  const MediaGraphOps *ops;
  void *data;
  GstElement *pipeline;
  guint bus_watch;
  guint detect_timer;
  unsigned detect_ms;
  unsigned n_expected;
  int64_t started_us;
  GPtrArray *outlets;
  unsigned pending_pads;     /* not plugged yet */
  unsigned pending_elements; /* which may show more pads */
  unsigned traits;           /* of all demuxers */
  bool announced;
  bool ended;
  GString *ignored; /* media types that we cannot stream */
  char *missing;    /* what an element said it lacks */
  GMutex lock;      /* leaf: the flags below and caps of outlets */
  GCond changed;
  bool open;
  bool stopping;
};

static void
post (GstElement *pipeline, GstObject *source, const char *name)
{
  gst_element_post_message (pipeline, gst_message_new_application (source, gst_structure_new_empty (name)));
}

static void
end (MediaGraph *graph, const GError *error)
{
  if (graph->ended)
    return;
  graph->ended = true;
  graph->ops->on_end (graph->data, error);
}

/* --- outlets ------------------------------------------------------------------------------------------- */

static int64_t
running_time (const GstSegment *segment, GstClockTime time)
{
  guint64 running;
  if (!GST_CLOCK_TIME_IS_VALID (time))
    return G_MININT64;
  int sign = gst_segment_to_running_time_full (segment, GST_FORMAT_TIME, time, &running);
  return sign == 0 || running > (guint64)G_MAXINT64 ? G_MININT64 : (int64_t)running * sign;
}

/* Waits until the graph is open. False: it is being freed. */
static bool
note_caps (Outlet *outlet, GstCaps *caps, bool *ret_changed)
{
  MediaGraph *graph = outlet->graph;
  g_mutex_lock (&graph->lock);
  *ret_changed = !outlet->caps || (outlet->caps != caps && !gst_caps_is_equal (outlet->caps, caps));
  bool first = !outlet->caps;
  if (*ret_changed)
    gst_caps_replace (&outlet->caps, caps);
  if (first)
    post (graph->pipeline, GST_OBJECT (outlet->sink), MESSAGE_READY);
  while (!graph->open && !graph->stopping)
    g_cond_wait (&graph->changed, &graph->lock);
  bool go_on = !graph->stopping;
  g_mutex_unlock (&graph->lock);
  return go_on;
}

static GstFlowReturn
on_new_sample (GstAppSink *sink, gpointer data)
{
  Outlet *outlet = data;
  g_autoptr (GstSample) sample = gst_app_sink_pull_sample (sink);
  GstCaps *caps = sample ? gst_sample_get_caps (sample) : NULL;
  GstBuffer *buffer = sample ? gst_sample_get_buffer (sample) : NULL;
  bool changed;
  if (!caps || !buffer || gst_buffer_get_size (buffer) == 0)
    return GST_FLOW_OK;
  if (!note_caps (outlet, caps, &changed))
    return GST_FLOW_FLUSHING;
  const GstSegment *segment = gst_sample_get_segment (sample);
  MediaUnit unit = {
      .outlet = outlet->index,
      .buffer = buffer,
      .new_caps = changed ? caps : NULL,
      .pts = running_time (segment, GST_BUFFER_PTS (buffer)),
      .dts = running_time (segment, GST_BUFFER_DTS (buffer)),
  };
  if (outlet->graph->traits & MEDIA_TRAIT_ARRIVAL)
    unit.pts = unit.dts = (g_get_monotonic_time () - outlet->graph->started_us) * 1000;
  outlet->graph->ops->on_unit (outlet->graph->data, &unit);
  return GST_FLOW_OK;
}

/* matroskademux begins with a segment at the first time stamp it meets and corrects it when a lower one
 * comes, without telling how the two belong together. Its time stamps count from one zero anyway: one segment
 * from there is all that is let through. */
static GstPadProbeReturn
on_outlet_event (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Outlet *outlet = data;
  GstSegment segment;
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_SEGMENT)
    return GST_PAD_PROBE_OK;
  if (outlet->has_segment)
    return GST_PAD_PROBE_DROP;
  outlet->has_segment = true;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_event_unref (GST_PAD_PROBE_INFO_EVENT (info));
  GST_PAD_PROBE_INFO_DATA (info) = gst_event_new_segment (&segment);
  return GST_PAD_PROBE_OK;
}

static void
free_outlet (gpointer data)
{
  Outlet *outlet = data;
  gst_clear_caps (&outlet->caps);
  g_free (outlet);
}

static bool
add_outlet (MediaGraph *graph, GstPad *pad, const MediaPlug *plug, GError **error)
{
  g_autofree char *description =
      g_strdup_printf (QUEUE " name=in ! %s ! appsink name=out sync=false async=false qos=false "
                             "enable-last-sample=false max-buffers=2",
                       plug->chain);
  g_autoptr (GError) parse_error = NULL;
  GstElement *bin = gst_parse_bin_from_description (description, TRUE, &parse_error);
  if (!bin) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "%s", parse_error->message);
    return false;
  }
  gst_bin_add (GST_BIN (graph->pipeline), bin);
  Outlet *outlet = g_new0 (Outlet, 1);
  outlet->graph = graph;
  outlet->index = graph->outlets->len;
  outlet->kind = plug->kind;
  outlet->queue = gst_bin_get_by_name (GST_BIN (bin), "in");
  outlet->sink = gst_bin_get_by_name (GST_BIN (bin), "out");
  gst_object_unref (outlet->queue); /* the bin holds both as long as the outlet lives */
  gst_object_unref (outlet->sink);
  g_ptr_array_add (graph->outlets, outlet);
  GstAppSinkCallbacks callbacks = {.new_sample = on_new_sample};
  gst_app_sink_set_callbacks (GST_APP_SINK (outlet->sink), &callbacks, outlet, NULL);
  /* Priming samples and leading pictures lie before the segment; whoever plays decides about them. */
  gst_base_sink_set_drop_out_of_segment (GST_BASE_SINK (outlet->sink), FALSE);
  g_autoptr (GstPad) queue_sink = gst_element_get_static_pad (outlet->queue, "sink");
  if (graph->traits & MEDIA_TRAIT_FLAT_TIME)
    gst_pad_add_probe (queue_sink, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_outlet_event, outlet, NULL);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (bin, "sink");
  gst_element_sync_state_with_parent (bin);
  if (gst_pad_link (pad, sink) != GST_PAD_LINK_OK) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED, "a track does not fit its parser");
    return false;
  }
  return true;
}

/* --- pads ---------------------------------------------------------------------------------------------- */

/* Streaming thread. Lets the events before the caps pass (they stick to the pad), and blocks on what comes
 * next. */
static GstPadProbeReturn
on_first_data (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  MediaGraph *graph = data;
  if (info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
    GstEventType type = GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info));
    if (type != GST_EVENT_CAPS && type != GST_EVENT_GAP && type != GST_EVENT_EOS)
      return GST_PAD_PROBE_PASS;
  }
  if (!g_object_get_data (G_OBJECT (pad), "sluice-seen")) {
    g_object_set_data (G_OBJECT (pad), "sluice-seen", GINT_TO_POINTER (1));
    post (graph->pipeline, GST_OBJECT (pad), MESSAGE_PAD);
  }
  return GST_PAD_PROBE_OK;
}

static void
block_pad (MediaGraph *graph, GstPad *pad)
{
  gulong probe = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, on_first_data, graph, NULL);
  g_object_set_data (G_OBJECT (pad), "sluice-probe", GSIZE_TO_POINTER (probe));
}

void
media_graph_take_pad (MediaGraph *graph, GstPad *pad)
{
  graph->pending_pads++;
  block_pad (graph, pad);
}

/* Streaming thread. The element itself is pending until it says that there are no more, which it may do
 * before the first data of a pad. */
static void
on_pad_added (GstElement *element, GstPad *pad, gpointer data)
{
  MediaGraph *graph = data;
  if (!GST_PAD_IS_SRC (pad) || gst_pad_is_linked (pad))
    return;
  post (graph->pipeline, GST_OBJECT (pad), MESSAGE_NEW_PAD);
  block_pad (graph, pad);
}

static void
on_no_more_pads (GstElement *element, gpointer data)
{
  MediaGraph *graph = data;
  post (graph->pipeline, GST_OBJECT (element), MESSAGE_NO_MORE);
}

void
media_graph_take_element (MediaGraph *graph, GstElement *element)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "src");
  if (pad) {
    media_graph_take_pad (graph, pad);
    return;
  }
  graph->pending_elements++;
  g_signal_connect (element, "pad-added", G_CALLBACK (on_pad_added), graph);
  g_signal_connect (element, "no-more-pads", G_CALLBACK (on_no_more_pads), graph);
}

static bool
add_demuxer (MediaGraph *graph, GstPad *pad, const MediaPlug *plug, GError **error)
{
  GstElement *demuxer = media_graph_add (graph, plug->demuxer, error);
  if (!demuxer)
    return false;
  graph->traits |= plug->traits;
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (demuxer), "single-stream"))
    g_object_set (demuxer, "single-stream", TRUE, NULL);
  media_graph_take_element (graph, demuxer);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (demuxer, "sink");
  if (gst_pad_link (pad, sink) != GST_PAD_LINK_OK) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED, "%s does not take this", plug->demuxer);
    return false;
  }
  gst_element_sync_state_with_parent (demuxer);
  return true;
}

static bool
ignore_pad (MediaGraph *graph, GstPad *pad, const GstCaps *caps, GError **error)
{
  const char *name = caps && gst_caps_get_size (caps) > 0
                         ? gst_structure_get_name (gst_caps_get_structure (caps, 0))
                         : "an empty track";
  g_string_append_printf (graph->ignored, "%s%s", graph->ignored->len ? ", " : "", name);
  GstElement *sink = media_graph_add (graph, "fakesink", error);
  if (!sink)
    return false;
  g_object_set (sink, "sync", FALSE, "async", FALSE, "enable-last-sample", FALSE, NULL);
  g_autoptr (GstPad) sink_pad = gst_element_get_static_pad (sink, "sink");
  gst_pad_link (pad, sink_pad);
  gst_element_sync_state_with_parent (sink);
  return true;
}

static bool
plug_pad (MediaGraph *graph, GstPad *pad, const GstCaps *caps, GError **error)
{
  MediaPlug plug = {.kind = MEDIA_PLUG_NOTHING};
  if (caps && !media_codecs_plug (caps, &graph->encoding, graph->traits & MEDIA_TRAIT_NO_DTS, &plug, error))
    return false;
  g_autofree char *chain = plug.chain;
  if (plug.kind == MEDIA_PLUG_DEMUXER)
    return add_demuxer (graph, pad, &plug, error);
  if (plug.kind == MEDIA_PLUG_NOTHING || graph->announced || graph->outlets->len == WORKER_TRACKS_MAX)
    return ignore_pad (graph, pad, caps, error);
  return add_outlet (graph, pad, &plug, error);
}

bool
media_graph_take_known (MediaGraph *graph, GstElement *element, const GstCaps *caps, GError **error)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "src");
  return plug_pad (graph, pad, caps, error);
}

/* --- detection ----------------------------------------------------------------------------------------- */

static unsigned
count_ready (MediaGraph *graph)
{
  unsigned n_ready = 0;
  g_mutex_lock (&graph->lock);
  for (guint i = 0; i < graph->outlets->len; i++)
    n_ready += ((Outlet *)g_ptr_array_index (graph->outlets, i))->caps != NULL;
  g_mutex_unlock (&graph->lock);
  return n_ready;
}

static void
announce (MediaGraph *graph)
{
  graph->announced = true;
  if (graph->ignored->len > 0)
    fprintf (stderr, "<5>left out, since it cannot be streamed: %s\n", graph->ignored->str);
  g_clear_handle_id (&graph->detect_timer, g_source_remove);
  graph->ops->on_ready (graph->data);
}

static gboolean
on_detect_timer (gpointer data)
{
  MediaGraph *graph = data;
  unsigned n_missing = graph->outlets->len + graph->pending_pads - count_ready (graph);
  graph->detect_timer = 0;
  if (n_missing > 0)
    fprintf (stderr, "<5>%u tracks have not shown themselves within %d ms and are left out\n", n_missing,
             DETECT_MS);
  announce (graph);
  return G_SOURCE_REMOVE;
}

static void
set_detect_timer (MediaGraph *graph, unsigned ms)
{
  if (graph->detect_timer && graph->detect_ms == ms)
    return;
  g_clear_handle_id (&graph->detect_timer, g_source_remove);
  graph->detect_ms = ms;
  graph->detect_timer = g_timeout_add (ms, on_detect_timer, graph);
}

static void
end_without_track (MediaGraph *graph)
{
  g_autoptr (GError) error = g_error_new (SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED,
                                          "there is no track in it that can be streamed (found: %s)",
                                          graph->ignored->len ? graph->ignored->str : "nothing");
  end (graph, error);
}

static void
check_ready (MediaGraph *graph)
{
  unsigned n_ready = count_ready (graph);
  if (graph->announced || graph->ended)
    return;
  bool all_ready = graph->pending_pads == 0 && n_ready == graph->outlets->len;
  bool as_expected = n_ready > 0 && n_ready == graph->n_expected;
  if (all_ready && (graph->pending_elements == 0 || as_expected)) {
    if (n_ready > 0)
      announce (graph);
    else
      end_without_track (graph);
  } else if (n_ready > 0) {
    set_detect_timer (graph, all_ready ? QUIET_MS : DETECT_MS);
  }
}

/* --- the bus ------------------------------------------------------------------------------------------- */

static void
take_pad_message (MediaGraph *graph, GstPad *pad)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) parent = gst_pad_get_parent_element (pad);
  graph->pending_pads--;
  if (!parent)
    return; /* went away again */
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  if (!plug_pad (graph, pad, caps, &error)) {
    end (graph, error);
    return;
  }
  gst_pad_remove_probe (pad, GPOINTER_TO_SIZE (g_object_get_data (G_OBJECT (pad), "sluice-probe")));
}

static void
take_application_message (MediaGraph *graph, GstMessage *message)
{
  if (gst_message_has_name (message, MESSAGE_NEW_PAD))
    graph->pending_pads++;
  else if (gst_message_has_name (message, MESSAGE_PAD))
    take_pad_message (graph, GST_PAD (GST_MESSAGE_SRC (message)));
  else if (gst_message_has_name (message, MESSAGE_NO_MORE) && graph->pending_elements > 0)
    graph->pending_elements--;
  if (!graph->ended)
    check_ready (graph);
}

static void
take_error (MediaGraph *graph, GstMessage *message)
{
  g_autoptr (GError) error = media_catalog_bus_error (message);
  g_autofree char *debug = NULL;
  gst_message_parse_error (message, NULL, &debug);
  if (debug)
    fprintf (stderr, "<7>%s\n", g_strdelimit (debug, "\n", ' '));
  if (graph->missing)
    g_prefix_error (&error, "it needs %s, which no installed plugin has; ", graph->missing);
  end (graph, error);
}

static void
take_element_message (MediaGraph *graph, const GstStructure *structure)
{
  const char *name = structure ? gst_structure_get_string (structure, "name") : NULL;
  if (!structure || !gst_structure_has_name (structure, "missing-plugin") || !name)
    return;
  g_free (graph->missing);
  graph->missing = g_strdup (name);
}

static gboolean
on_bus (GstBus *bus, GstMessage *message, gpointer data)
{
  MediaGraph *graph = data;
  switch (GST_MESSAGE_TYPE (message)) {
  case GST_MESSAGE_APPLICATION:
    take_application_message (graph, message);
    break;
  case GST_MESSAGE_ERROR:
    take_error (graph, message);
    break;
  case GST_MESSAGE_EOS:
    if (graph->announced)
      end (graph, NULL);
    else
      end_without_track (graph);
    break;
  case GST_MESSAGE_ELEMENT:
    take_element_message (graph, gst_message_get_structure (message));
    break;
  case GST_MESSAGE_LATENCY:
    gst_bin_recalculate_latency (GST_BIN (graph->pipeline));
    break;
  case GST_MESSAGE_WARNING: {
    g_autoptr (GError) warning = NULL;
    gst_message_parse_warning (message, &warning, NULL);
    fprintf (stderr, "<4>%s: %s\n", GST_MESSAGE_SRC_NAME (message), warning->message);
    break;
  }
  default:
    break;
  }
  return G_SOURCE_CONTINUE;
}

static void
use_pipeline (MediaGraph *graph, GstElement *pipeline)
{
  graph->pipeline = gst_object_ref_sink (pipeline);
  /* hlsdemux2 works only where somebody is said to understand stream collections. */
  GST_OBJECT_FLAG_SET (pipeline, GST_BIN_FLAG_STREAMS_AWARE);
  g_autoptr (GstBus) bus = gst_pipeline_get_bus (GST_PIPELINE (pipeline));
  graph->bus_watch = gst_bus_add_watch (bus, on_bus, graph);
}

static void
drop_pipeline (MediaGraph *graph)
{
  g_clear_handle_id (&graph->bus_watch, g_source_remove);
  gst_element_set_state (graph->pipeline, GST_STATE_NULL);
  g_autoptr (GstBus) bus = gst_pipeline_get_bus (GST_PIPELINE (graph->pipeline));
  gst_bus_set_flushing (bus, TRUE);
  gst_clear_object (&graph->pipeline);
}

/* --- life ---------------------------------------------------------------------------------------------- */

MediaGraph *
media_graph_new (const MediaEncoding *encoding, const MediaGraphOps *ops, void *data)
{
  MediaGraph *graph = g_new0 (MediaGraph, 1);
  graph->encoding = *encoding;
  graph->ops = ops;
  graph->data = data;
  graph->outlets = g_ptr_array_new_with_free_func (free_outlet);
  graph->ignored = g_string_new (NULL);
  g_mutex_init (&graph->lock);
  g_cond_init (&graph->changed);
  use_pipeline (graph, gst_pipeline_new (NULL));
  return graph;
}

void
media_graph_free (MediaGraph *graph)
{
  if (!graph)
    return;
  g_mutex_lock (&graph->lock);
  graph->stopping = true;
  g_cond_broadcast (&graph->changed);
  g_mutex_unlock (&graph->lock);
  g_clear_handle_id (&graph->detect_timer, g_source_remove);
  drop_pipeline (graph);
  g_ptr_array_unref (graph->outlets);
  g_string_free (graph->ignored, TRUE);
  g_free (graph->missing);
  g_mutex_clear (&graph->lock);
  g_cond_clear (&graph->changed);
  g_free (graph);
}

GstElement *
media_graph_pipeline (MediaGraph *graph)
{
  return graph->pipeline;
}

GstElement *
media_graph_add (MediaGraph *graph, const char *factory, GError **error)
{
  GstElement *element = media_catalog_make (factory, error);
  if (element)
    gst_bin_add (GST_BIN (graph->pipeline), element);
  return element;
}

bool
media_graph_parse (MediaGraph *graph, const char *description, GError **error)
{
  g_autoptr (GError) parse_error = NULL;
  GstParseContext *context = gst_parse_context_new ();
  GstElement *parsed =
      gst_parse_launch_full (description, context, GST_PARSE_FLAG_FATAL_ERRORS, &parse_error);
  if (!parsed)
    g_propagate_error (error, media_catalog_parse_error (parse_error, context));
  gst_parse_context_free (context);
  if (parsed && GST_IS_PIPELINE (parsed)) {
    drop_pipeline (graph);
    use_pipeline (graph, parsed);
  } else if (parsed) {
    gst_bin_add (GST_BIN (graph->pipeline), parsed);
  }
  return parsed != NULL;
}

bool
media_graph_link (GstElement *from, GstElement *to, GError **error)
{
  if (gst_element_link (from, to))
    return true;
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED, "%s cannot be linked to %s",
               GST_OBJECT_NAME (from), GST_OBJECT_NAME (to));
  return false;
}

void
media_graph_expect (MediaGraph *graph, unsigned n_tracks)
{
  graph->n_expected = n_tracks;
}

/* A connecting source blocks its state change, so that it happens on a thread of GStreamer's pool. */
static void
start_pipeline (GstElement *pipeline, gpointer data)
{
  if (gst_element_set_state (pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    GST_ELEMENT_ERROR (pipeline, CORE, STATE_CHANGE, ("it could not be started"), (NULL));
}

void
media_graph_start (MediaGraph *graph)
{
  graph->started_us = g_get_monotonic_time ();
  gst_element_call_async (graph->pipeline, start_pipeline, NULL, NULL);
  check_ready (graph);
}

unsigned
media_graph_n_outlets (const MediaGraph *graph)
{
  return graph->outlets->len;
}

GstCaps *
media_graph_outlet_caps (const MediaGraph *graph, unsigned outlet)
{
  return ((Outlet *)g_ptr_array_index (graph->outlets, outlet))->caps;
}

void
media_graph_open (MediaGraph *graph)
{
  g_mutex_lock (&graph->lock);
  graph->open = true;
  g_cond_broadcast (&graph->changed);
  g_mutex_unlock (&graph->lock);
}

void
media_graph_force_key_unit (MediaGraph *graph, unsigned outlet)
{
  Outlet *entry = g_ptr_array_index (graph->outlets, outlet);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (entry->sink, "sink");
  gst_pad_push_event (pad, gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, TRUE, 0));
}

unsigned
media_graph_queued_ms (MediaGraph *graph)
{
  guint64 longest = 0;
  for (guint i = 0; i < graph->outlets->len; i++) {
    guint64 level = 0;
    g_object_get (((Outlet *)g_ptr_array_index (graph->outlets, i))->queue, "current-level-time", &level,
                  NULL);
    longest = MAX (longest, level);
  }
  return (unsigned)MIN (longest / GST_MSECOND, G_MAXUINT);
}

bool
media_graph_wait (MediaGraph *graph, int64_t until_us)
{
  g_mutex_lock (&graph->lock);
  while (!graph->stopping && g_cond_wait_until (&graph->changed, &graph->lock, until_us))
    ;
  bool go_on = !graph->stopping;
  g_mutex_unlock (&graph->lock);
  return go_on;
}

int64_t
media_graph_age_us (MediaGraph *graph, int64_t time)
{
  g_autoptr (GstClock) clock = gst_element_get_clock (graph->pipeline);
  if (!clock)
    return 0;
  int64_t now = (int64_t)(gst_clock_get_time (clock) - gst_element_get_base_time (graph->pipeline));
  return (now - time) / 1000;
}
