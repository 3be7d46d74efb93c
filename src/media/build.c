/* SPDX-License-Identifier: Apache-2.0 */
/* Builders of pipelines. Properties are set one by one, never pasted into a description: only what an
 * operator writes behind pipeline: is a description. */
#include "media/build.h"

#include "media/catalog.h"

#include <gio/gio.h>
#include <gst/base/gsttypefindhelper.h>
#include <stdio.h>
#include <string.h>

#define HTTP_SOURCE "sluice-http-source"

enum { SNIFF_BYTES = 256 * 1024, UDP_BUFFER_BYTES = 4 * 1024 * 1024 };

MediaManner
media_build_manner (const WorkerUrl *url)
{
  static const MediaManner manners[WORKER_SOURCE_LAST] = {
      [WORKER_SOURCE_FILE] = {.paced = true},
      [WORKER_SOURCE_HTTP] = {.paced = true, .waiting = true},
      [WORKER_SOURCE_SRT] = {.waiting = true},
      [WORKER_SOURCE_UDP] = {.waiting = true},
  };
  return manners[url->kind];
}

void
media_build_encoding (const WorkerUrl *url, MediaEncoding *ret)
{
  const char *audio = worker_url_text (url, "audio", "true");
  ret->video_codec = worker_url_text (url, "codec", "h264");
  ret->audio_codec = g_str_equal (audio, "true") || g_str_equal (audio, "false") ? "aac" : audio;
  ret->bitrate_kbps = worker_url_int (url, "bitrate", 0);
  ret->gop_frames = worker_url_int (url, "gop", 0);
  ret->cheap = url->kind == WORKER_SOURCE_TEST;
}

static GstElement *
add_filter (MediaGraph *graph, GstElement *from, GstCaps *caps, GError **error)
{
  GstElement *filter = media_graph_add (graph, "capsfilter", error);
  if (filter)
    g_object_set (filter, "caps", caps, NULL);
  return filter && media_graph_link (from, filter, error) ? filter : NULL;
}

/* The media types that @pad may carry, in plain memory and with nothing beside it; NULL: anything. */
static GstCaps *
plain_caps (GstPad *pad)
{
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);
  if (gst_caps_is_any (caps) || gst_caps_is_empty (caps))
    return NULL;
  GstCaps *plain = gst_caps_new_empty ();
  for (guint i = 0; i < gst_caps_get_size (caps); i++)
    plain = gst_caps_merge (
        plain, gst_caps_new_empty_simple (gst_structure_get_name (gst_caps_get_structure (caps, i))));
  return plain;
}

/* Puts something behind the last @element of ours before its pad is taken. Encoders do not like to negotiate
 * with nobody; overlays, which would rather send their text along than draw it, need to hear that nobody
 * takes that. */
static bool
take_last (MediaGraph *graph, GstElement *element, GstPad *pad, GError **error)
{
  g_autoptr (GstCaps) plain = plain_caps (pad);
  GstElement *last = media_graph_add (graph, "capsfilter", error);
  if (!last)
    return false;
  if (plain)
    g_object_set (last, "caps", plain, NULL);
  media_graph_take_element (graph, last);
  return media_graph_link (element, last, error);
}

/* --- test: --------------------------------------------------------------------------------------------- */

/* The picture is of use without its clock, so that a missing overlay is no failure. */
static GstElement *
add_overlay (MediaGraph *graph, GstElement *from, const char *factory, const char *text, int height,
             const char *halign)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *font = g_strdup_printf ("Sans %d", MAX (height / 30, 8));
  GstElement *overlay = media_graph_add (graph, factory, &error);
  if (!overlay) {
    fprintf (stderr, "<4>the test picture goes without text: %s\n", error->message);
    return from;
  }
  g_object_set (overlay, "font-desc", font, "auto-resize", FALSE, "shaded-background", TRUE, NULL);
  gst_util_set_object_arg (G_OBJECT (overlay), "halignment", halign);
  gst_util_set_object_arg (G_OBJECT (overlay), "valignment", text ? "top" : "bottom");
  if (text)
    g_object_set (overlay, "text", text, NULL);
  return media_graph_link (from, overlay, NULL) ? overlay : from;
}

static bool
build_test_video (MediaGraph *graph, const WorkerUrl *url, GError **error)
{
  int width = 1280;
  int height = 720;
  int num = 30;
  int den = 1;
  worker_url_size (url, "size", &width, &height);
  worker_url_rate (url, "fps", &num, &den);
  GstElement *source = media_graph_add (graph, "videotestsrc", error);
  if (!source)
    return false;
  g_object_set (source, "is-live", TRUE, "animation-mode", 0, NULL);
  gst_util_set_object_arg (G_OBJECT (source), "pattern", worker_url_text (url, "pattern", "smpte"));
  g_autoptr (GstCaps) caps =
      gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "I420", "width", G_TYPE_INT, width,
                           "height", G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION, num, den, NULL);
  GstElement *last = add_filter (graph, source, caps, error);
  if (!last)
    return false;
  if (worker_url_has (url, "text"))
    last = add_overlay (graph, last, "textoverlay", worker_url_text (url, "text", ""), height, "center");
  if (worker_url_bool (url, "clock", true)) {
    GstElement *with_clock = add_overlay (graph, last, "clockoverlay", NULL, height, "left");
    if (with_clock != last) {
      g_object_set (with_clock, "time-format", "%Y-%m-%d %H:%M:%S", NULL);
      last = add_overlay (graph, with_clock, "timeoverlay", NULL, height, "right");
    }
  }
  g_autoptr (GstPad) pad = gst_element_get_static_pad (last, "src");
  return take_last (graph, last, pad, error);
}

static bool
build_test_audio (MediaGraph *graph, const WorkerUrl *url, GError **error)
{
  GstElement *source = media_graph_add (graph, "audiotestsrc", error);
  if (!source)
    return false;
  g_object_set (source, "is-live", TRUE, "freq", (double)worker_url_int (url, "freq", 440), "volume", 0.1,
                "samplesperbuffer", 960, NULL);
  g_autoptr (GstCaps) caps =
      gst_caps_new_simple ("audio/x-raw", "rate", G_TYPE_INT, 48000, "channels", G_TYPE_INT, 2, NULL);
  GstElement *last = add_filter (graph, source, caps, error);
  if (last)
    media_graph_take_element (graph, last);
  return last != NULL;
}

static bool
build_test (MediaGraph *graph, const MediaBuild *build, GError **error)
{
  if (worker_url_bool (build->url, "video", true) && !build_test_video (graph, build->url, error))
    return false;
  return g_str_equal (worker_url_text (build->url, "audio", "true"), "false") ||
         build_test_audio (graph, build->url, error);
}

/* --- file: --------------------------------------------------------------------------------------------- */

/* Looks at the beginning of the file itself: a typefind element in front of a demuxer that wants to seek
 * would have to give up its thread while that thread waits for us. */
static GstCaps *
sniff_file (const char *path, GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GError) open_error = NULL;
  g_autoptr (GFileInputStream) stream = g_file_read (file, NULL, &open_error);
  g_autofree uint8_t *bytes = g_malloc (SNIFF_BYTES);
  gsize n_bytes = 0;
  if (!stream ||
      !g_input_stream_read_all (G_INPUT_STREAM (stream), bytes, SNIFF_BYTES, &n_bytes, NULL, &open_error)) {
    bool missing = g_error_matches (open_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
    g_set_error (error, SLUICE_ERROR, missing ? SLUICE_ERROR_NOT_FOUND : SLUICE_ERROR_IO, "%s",
                 open_error->message);
    return NULL;
  }
  const char *dot = strrchr (path, '.');
  GstCaps *caps =
      gst_type_find_helper_for_data_with_extension (NULL, bytes, n_bytes, dot ? dot + 1 : NULL, NULL);
  if (!caps)
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED, "%s: not a kind of media file that we know",
                 path);
  return caps;
}

static bool
build_file (MediaGraph *graph, const MediaBuild *build, GError **error)
{
  g_autoptr (GstCaps) caps = sniff_file (build->url->location, error);
  GstElement *source = caps ? media_graph_add (graph, "filesrc", error) : NULL;
  if (!source)
    return false;
  g_object_set (source, "location", build->url->location, NULL);
  return media_graph_take_known (graph, source, caps, error);
}

/* --- v4l2: --------------------------------------------------------------------------------------------- */

/* What of @wanted the opened device offers. */
static bool
offers (GstElement *source, const GstCaps *wanted)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (source, "src");
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);
  return gst_caps_can_intersect (caps, wanted);
}

static GstCaps *
camera_caps (const WorkerUrl *url, const char *media)
{
  int width = 0;
  int height = 0;
  int num = 0;
  int den = 1;
  GstCaps *caps = gst_caps_new_empty_simple (media);
  worker_url_size (url, "size", &width, &height);
  worker_url_rate (url, "fps", &num, &den);
  if (width > 0)
    gst_caps_set_simple (caps, "width", G_TYPE_INT, width, "height", G_TYPE_INT, height, NULL);
  if (num > 0)
    gst_caps_set_simple (caps, "framerate", GST_TYPE_FRACTION, num, den, NULL);
  return caps;
}

static bool
build_v4l2 (MediaGraph *graph, const MediaBuild *build, GError **error)
{
  /* Coded by the camera first; pictures for us to encode before MJPEG, which few players take. */
  static const char *const formats[] = {"h264", "raw", "mjpeg"};
  static const char *const media[] = {"video/x-h264", "video/x-raw", "image/jpeg"};
  const char *format = worker_url_text (build->url, "format", "auto");
  GstElement *source = media_graph_add (graph, "v4l2src", error);
  if (!source)
    return false;
  g_object_set (source, "device", build->url->location, "do-timestamp", TRUE, NULL);
  if (gst_element_set_state (source, GST_STATE_READY) == GST_STATE_CHANGE_FAILURE) {
    bool there = g_file_test (build->url->location, G_FILE_TEST_EXISTS);
    g_set_error (error, SLUICE_ERROR, there ? SLUICE_ERROR_IO : SLUICE_ERROR_NOT_FOUND,
                 there ? "%s cannot be opened as a camera (is it one, may we read it, is it in use?)"
                       : "there is no device %s",
                 build->url->location);
    return false;
  }
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    if (!g_str_equal (format, "auto") && !g_str_equal (format, formats[i]))
      continue;
    g_autoptr (GstCaps) caps = camera_caps (build->url, media[i]);
    if (!offers (source, caps))
      continue;
    GstElement *filter = add_filter (graph, source, caps, error);
    if (filter)
      media_graph_take_element (graph, filter);
    return filter != NULL;
  }
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED, "%s does not offer that format, size and rate",
               build->url->location);
  return false;
}

/* --- the network --------------------------------------------------------------------------------------- */

static bool
build_http (MediaGraph *graph, const MediaBuild *build, GError **error)
{
  static const char *const elements[] = {"souphttpsrc", "curlhttpsrc", NULL};
  const char *factory = media_catalog_first (elements, error);
  GstElement *source = factory ? media_graph_add (graph, factory, error) : NULL;
  GstElement *finder = source ? media_graph_add (graph, "typefind", error) : NULL;
  if (!finder)
    return false;
  g_object_set_data (G_OBJECT (media_graph_pipeline (graph)), HTTP_SOURCE, source);
  unsigned timeout_s = CLAMP ((build->connect_timeout_ms + 999) / 1000, 1, 3600);
  g_object_set (source, "location", build->url->location, "timeout", timeout_s, "ssl-strict",
                build->tls_verify, "user-agent", "sluice", NULL);
  if (build->username[0] && !strstr (build->url->location, "@"))
    g_object_set (source, "user-id", build->username, "user-pw", build->password, NULL);
  media_graph_take_element (graph, finder);
  return media_graph_link (source, finder, error);
}

static bool
take_mpegts (MediaGraph *graph, GstElement *source, GError **error)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/mpegts,systemstream=(boolean)true");
  return media_graph_take_known (graph, source, caps, error);
}

static bool
build_srt (MediaGraph *graph, const MediaBuild *build, GError **error)
{
  const WorkerUrl *url = build->url;
  bool listener = g_str_equal (worker_url_text (url, "mode", "caller"), "listener");
  GstElement *source = media_graph_add (graph, "srtsrc", error);
  if (!source)
    return false;
  bool ipv6 = strchr (url->location, ':') != NULL;
  g_autofree char *uri = g_strdup_printf ("srt://%s%s%s:%u?mode=%s", ipv6 ? "[" : "", url->location,
                                          ipv6 ? "]" : "", url->port, listener ? "listener" : "caller");
  g_object_set (source, "uri", uri, "wait-for-connection", TRUE, "latency",
                worker_url_int (url, "latency", 125), NULL);
  /* The daemon decides when to try again. */
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (source), "auto-reconnect"))
    g_object_set (source, "auto-reconnect", FALSE, NULL);
  if (worker_url_has (url, "passphrase"))
    g_object_set (source, "passphrase", worker_url_text (url, "passphrase", ""), NULL);
  if (worker_url_has (url, "pbkeylen"))
    g_object_set (source, "pbkeylen", worker_url_int (url, "pbkeylen", 16), NULL);
  if (worker_url_has (url, "streamid"))
    g_object_set (source, "streamid", worker_url_text (url, "streamid", ""), NULL);
  return take_mpegts (graph, source, error);
}

static bool
build_udp (MediaGraph *graph, const MediaBuild *build, GError **error)
{
  const WorkerUrl *url = build->url;
  GstElement *source = media_graph_add (graph, "udpsrc", error);
  if (!source)
    return false;
  g_object_set (source, "port", (int)url->port, "buffer-size", UDP_BUFFER_BYTES, NULL);
  if (url->location[0])
    g_object_set (source, "address", url->location, NULL);
  /* A group may have many listeners; a port of ours that is taken already shall be told. */
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (url->location);
  g_object_set (source, "reuse", address && g_inet_address_get_is_multicast (address), NULL);
  if (worker_url_has (url, "interface"))
    g_object_set (source, "multicast-iface", worker_url_text (url, "interface", ""), NULL);
  return take_mpegts (graph, source, error);
}

/* --- pipeline: ----------------------------------------------------------------------------------------- */

static bool
take_named (MediaGraph *graph, const char *name, bool *ret_found, GError **error)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (media_graph_pipeline (graph)), name);
  if (!element)
    return true;
  *ret_found = true;
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "src");
  if (!pad) {
    media_graph_take_element (graph, element);
    return true;
  }
  if (gst_pad_is_linked (pad)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
                 "something stands behind the element named \"%s\"; it must be the last one", name);
    return false;
  }
  return take_last (graph, element, pad, error);
}

static bool
build_description (MediaGraph *graph, const MediaBuild *build, GError **error)
{
  bool found = false;
  if (!media_graph_parse (graph, build->url->location, error) ||
      !take_named (graph, "video", &found, error) || !take_named (graph, "audio", &found, error))
    return false;
  if (!found)
    g_set_error (
        error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
        "the description has no element named \"video\" or \"audio\"; name the last element of each track, "
        "as in \"videotestsrc ! x264enc name=video\"");
  return found;
}

bool
media_build (MediaGraph *graph, const MediaBuild *build, GError **error)
{
  static bool (*const builders[WORKER_SOURCE_LAST]) (MediaGraph *, const MediaBuild *, GError **) = {
      [WORKER_SOURCE_TEST] = build_test,
      [WORKER_SOURCE_FILE] = build_file,
      [WORKER_SOURCE_V4L2] = build_v4l2,
      [WORKER_SOURCE_HTTP] = build_http,
      [WORKER_SOURCE_SRT] = build_srt,
      [WORKER_SOURCE_UDP] = build_udp,
      [WORKER_SOURCE_PIPELINE] = build_description,
  };
  return builders[build->url->kind](graph, build, error);
}

bool
media_build_has_end (MediaGraph *graph)
{
  gint64 n_bytes;
  GstElement *source = g_object_get_data (G_OBJECT (media_graph_pipeline (graph)), HTTP_SOURCE);
  return source && gst_element_query_duration (source, GST_FORMAT_BYTES, &n_bytes) && n_bytes > 0;
}
