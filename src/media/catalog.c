/* SPDX-License-Identifier: Apache-2.0 */
/* Names of elements and the Debian packages that have them. A missing plugin is the most common reason for a
 * source that does not start; the error should be all that an operator needs to read. */
#include "media/catalog.h"

#include <string.h>

#define BASE  "gstreamer1.0-plugins-base"
#define GOOD  "gstreamer1.0-plugins-good"
#define BAD   "gstreamer1.0-plugins-bad"
#define UGLY  "gstreamer1.0-plugins-ugly"
#define LIBAV "gstreamer1.0-libav"

static const struct {
  const char *package;
  const char *elements; /* separated by spaces; one that ends in * stands for all that begin so */
} packages[] = {
    {"libgstreamer1.0-0", "appsink appsrc capsfilter concat dataurisrc downloadbuffer fakesink fakesrc "
                          "fdsink fdsrc filesink filesrc funnel "
                          "identity input-selector multiqueue output-selector queue queue2 streamiddemux tee "
                          "typefind valve clocksync"},
    {BASE,
     "adder app* audioconvert audiomixer audiorate audioresample audiotestsrc compositor decodebin* "
     "encodebin* gio* "
     "giosrc multifdsink oggdemux oggmux opusdec opusenc parsebin playbin* streamsynchronizer subparse "
     "tcpclientsrc "
     "tcpserversrc theora* uridecodebin* urisourcebin videoconvert videoconvertscale videorate videoscale "
     "videotestsrc volume vorbis* rawaudioparse rawvideoparse"},
    {"gstreamer1.0-x", "clockoverlay textoverlay textrender timeoverlay ximagesrc ximagesink xvimagesink"},
    {"gstreamer1.0-alsa", "alsasrc alsasink alsamidisrc"},
    {"gstreamer1.0-pulseaudio", "pulsesrc pulsesink"},
    {"gstreamer1.0-pipewire", "pipewiresrc pipewiresink pipewiredeviceprovider"},
    {"gstreamer1.0-gl", "gl*"},
    {"gstreamer1.0-nice", "nicesrc nicesink"},
    {"gstreamer1.0-rtsp", "rtspclientsink"},
    {"gstreamer1.0-vaapi", "vaapi*"},
    {GOOD,
     "aacparse ac3parse amrparse audioparsers autoaudiosrc autovideosrc avidemux avimux cairooverlay "
     "deinterlace "
     "dcaparse dv* flac* flvdemux flvmux gamma gdkpixbuf* goom* icydemux id3demux imagefreeze interleave "
     "deinterleave jack* jpegdec jpegenc lame* level matroskademux matroskamux webmmux mpegaudioparse "
     "mpg123* "
     "mulawenc mulawdec alawenc alawdec multifilesrc multipartdemux multipartmux png* qtdemux qtmux mp4mux "
     "rtp*pay rtp*depay rtpbin rtpjitterbuffer rtspsrc sbcparse souphttpsrc speex* splitfilesrc taginject "
     "udpsrc "
     "udpsink v4l2* videobalance videobox videocrop videoflip vp8dec vp8enc vp9dec vp9enc wavparse wavenc "
     "wavpack* hlsdemux2 dashdemux2 mssdemux2 shout2send"},
    {BAD,
     "av1dec av1enc av1parse autovideoconvert curl* dashdemux dashsink dc1394src decklink* dtlsdec dtlsenc "
     "dvbsrc "
     "dvbbasebin faac faad fdkaac* fpsdisplaysink h263parse h264parse h265parse h264timestamper "
     "h265timestamper "
     "hlsdemux hlssink* id3mux inter* jpegparse jpeg2000parse kms* mms* mpeg4videoparse mpegvideoparse "
     "mpegpsdemux "
     "mpegpsmux mpegtsmux mssdemux mxfdemux mxfmux nv* openh264* openjpeg* opusparse pngparse proxysrc qsv* "
     "rist* rsvg* rtmpsrc rtmp2src rtmpsink rtmp2sink sctp* sdpdemux srtp* srtsrc srtsink srtclientsrc "
     "srtserversrc "
     "svt* tsdemux tsparse va* vc1parse voaacenc voamrwbenc vp9parse wayland* webrtcbin webp* x265enc zbar "
     "zxing"},
    {UGLY, "a52dec amr* asfdemux cdiosrc dvdreadsrc mpeg2dec rmdemux rademux rtspreal sid* x264enc"},
    {LIBAV, "av*_* avdeinterlace"},
};

static bool
matches (const char *pattern, const char *element)
{
  return g_pattern_match_simple (pattern, element);
}

const char *
media_catalog_package (const char *element)
{
  for (guint i = 0; i < G_N_ELEMENTS (packages); i++) {
    g_auto (GStrv) names = g_strsplit (packages[i].elements, " ", -1);
    for (char **name = names; *name; name++) {
      if (matches (*name, element))
        return packages[i].package;
    }
  }
  return NULL;
}

void
media_catalog_set_missing (GError **error, const char *element)
{
  const char *package = media_catalog_package (element);
  if (package)
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE,
                 "there is no GStreamer element \"%s\"; the Debian package %s has it", element, package);
  else
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE,
                 "there is no GStreamer element \"%s\", and no package of Debian's is known to have it",
                 element);
}

GstElement *
media_catalog_make (const char *element, GError **error)
{
  GstElement *made = gst_element_factory_make (element, NULL);
  if (!made)
    media_catalog_set_missing (error, element);
  return made;
}

const char *
media_catalog_first (const char *const *elements, GError **error)
{
  for (const char *const *name = elements; *name; name++) {
    g_autoptr (GstElementFactory) factory = gst_element_factory_find (*name);
    if (factory)
      return *name;
  }
  media_catalog_set_missing (error, elements[0]);
  return NULL;
}

GError *
media_catalog_parse_error (const GError *error, GstParseContext *context)
{
  g_auto (GStrv) missing = gst_parse_context_get_missing_elements (context);
  GError *ours = NULL;
  if (missing && missing[0] && g_error_matches (error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT))
    media_catalog_set_missing (&ours, missing[0]);
  else
    g_set_error (&ours, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "the pipeline description is wrong: %s",
                 error->message);
  return ours;
}

static SluiceErrorCode
resource_code (int code)
{
  switch (code) {
  case GST_RESOURCE_ERROR_NOT_FOUND:
    return SLUICE_ERROR_NOT_FOUND;
  case GST_RESOURCE_ERROR_NOT_AUTHORIZED:
    return SLUICE_ERROR_UNAUTHENTICATED;
  case GST_RESOURCE_ERROR_BUSY:
    return SLUICE_ERROR_BUSY;
  case GST_RESOURCE_ERROR_SETTINGS:
    return SLUICE_ERROR_INVALID_ARGUMENT;
  default:
    return SLUICE_ERROR_IO;
  }
}

static SluiceErrorCode
code_of (const GError *error)
{
  if (error->domain == GST_RESOURCE_ERROR)
    return resource_code (error->code);
  if (error->domain == GST_CORE_ERROR)
    return error->code == GST_CORE_ERROR_MISSING_PLUGIN ? SLUICE_ERROR_UNAVAILABLE : SLUICE_ERROR_UNSUPPORTED;
  if (error->domain == GST_STREAM_ERROR)
    return error->code == GST_STREAM_ERROR_FAILED ? SLUICE_ERROR_IO : SLUICE_ERROR_UNSUPPORTED;
  return SLUICE_ERROR_UNAVAILABLE;
}

/* The last line of the debug text often is the only one that says what happened ("not-negotiated", "Address
 * already in use"); its first line is a place in a source file. URLs may hold passwords. */
static const char *
last_line (const char *debug)
{
  const char *newline = debug ? strrchr (debug, '\n') : NULL;
  return newline && newline[1] && !strstr (newline, "://") ? newline + 1 : NULL;
}

GError *
media_catalog_bus_error (GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;
  gst_message_parse_error (message, &error, &debug);
  const char *detail = last_line (debug);
  return g_error_new (SLUICE_ERROR, (int)code_of (error), "%s: %s%s%s", GST_MESSAGE_SRC_NAME (message),
                      error->message, detail ? " " : "", detail ? detail : "");
}
