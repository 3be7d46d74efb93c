/* SPDX-License-Identifier: Apache-2.0 */
#include "media.h"

#include <gst/app/gstappsink.h>

#define VIDEO "videotestsrc num-buffers=50 ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! "
/* Noise, so that frames fill many packets. */
#define NOISE                                                                                                \
  "videotestsrc num-buffers=20 pattern=snow ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 "  \
  "! "
#define AUDIO(rate, channels)                                                                                \
  "audiotestsrc num-buffers=50 samplesperbuffer=960 ! audioconvert ! audioresample ! "                       \
  "audio/x-raw,rate=" #rate ",channels=" #channels " ! "
#define X264_OPTIONS(options) "x264enc threads=1 key-int-max=10 option-string=scenecut=0" options " "
#define X264                  X264_OPTIONS ("")
#define AVC                   " ! h264parse config-interval=-1 ! video/x-h264,stream-format=avc,alignment=au"

const MediaKind media_kinds[] = {
    {CODEC_H264, "h264", "x264enc", VIDEO X264 "tune=zerolatency" AVC},
    {CODEC_H264, "h264-bframes", "x264enc", VIDEO X264 "bframes=3 b-adapt=false" AVC},
    {CODEC_H264, "h264-large", "x264enc", NOISE X264 "tune=zerolatency bitrate=8000" AVC},
    {CODEC_H264, "h264-byte-stream", "x264enc",
     VIDEO X264 "aud=true ! video/x-h264,stream-format=byte-stream,alignment=au,profile=main"},
    {CODEC_H264, "h264-sliced", "x264enc", NOISE X264 "tune=zerolatency sliced-threads=true" AVC},
    {CODEC_H264, "h264-open-gop", "x264enc", VIDEO X264_OPTIONS (":open-gop=1:bframes=2") AVC},
    {CODEC_H264, "h264-intra-refresh", "x264enc", VIDEO X264_OPTIONS (":intra-refresh=1:bframes=0") AVC},
    {CODEC_H265, "h265", "x265enc",
     VIDEO "x265enc key-int-max=10 option-string=pools=1:bframes=3:scenecut=0:open-gop=0:log-level=none ! "
           "h265parse "
           "config-interval=-1 ! video/x-h265,stream-format=hvc1,alignment=au"},
    {CODEC_VP8, "vp8", "vp8enc", VIDEO "vp8enc deadline=1 keyframe-max-dist=10"},
    {CODEC_VP8, "vp8-large", "vp8enc", NOISE "vp8enc deadline=1 keyframe-max-dist=10 target-bitrate=4000000"},
    {CODEC_VP9, "vp9", "vp9enc", VIDEO "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=10 lag-in-frames=0"},
    {CODEC_MJPEG, "mjpeg", "jpegenc", VIDEO "jpegenc"},
    {CODEC_MPEG4, "mpeg4", "avenc_mpeg4",
     VIDEO "avenc_mpeg4 gop-size=10 ! mpeg4videoparse config-interval=-1"},
    {CODEC_MPEG4, "mpeg4-bframes", "avenc_mpeg4",
     VIDEO "avenc_mpeg4 gop-size=10 max-bframes=2 ! mpeg4videoparse config-interval=-1"},
    {CODEC_AAC, "aac", "avenc_aac", AUDIO (48000, 2) "avenc_aac ! aacparse ! audio/mpeg,stream-format=raw"},
    {CODEC_AAC, "aac-mono", "voaacenc",
     AUDIO (44100, 1) "voaacenc ! aacparse ! audio/mpeg,stream-format=raw"},
    {CODEC_OPUS, "opus", "opusenc", AUDIO (48000, 2) "opusenc ! opusparse"},
    {CODEC_MP3, "mp3", "lamemp3enc", AUDIO (44100, 2) "lamemp3enc ! mpegaudioparse"},
    {CODEC_AC3, "ac3", "avenc_ac3", AUDIO (48000, 2) "avenc_ac3 ! ac3parse"},
    {CODEC_PCMU, "pcmu", "mulawenc", AUDIO (8000, 1) "mulawenc"},
    {CODEC_PCMA, "pcma", "alawenc", AUDIO (8000, 1) "alawenc"},
    {CODEC_G722, "g722", "avenc_g722", AUDIO (16000, 1) "avenc_g722"},
    {CODEC_G726, "g726", "avenc_g726", AUDIO (8000, 1) "avenc_g726 ! audio/x-adpcm,layout=g726"},
    {CODEC_L16, "l16", "audioconvert", AUDIO (48000, 2) "audioconvert ! audio/x-raw,format=S16BE"},
    {.name = NULL},
};

Media *
media_make (const MediaKind *kind)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (kind->encoder);
  if (!factory)
    return NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strconcat (kind->pipeline, " ! appsink name=sink sync=false", NULL);
  g_autoptr (GstElement) pipeline = gst_parse_launch (text, &error);
  g_assert_no_error (error);
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  Media *media = g_new0 (Media, 1);
  media->units = g_ptr_array_new_with_free_func ((GDestroyNotify)gst_buffer_unref);
  GstSample *sample;
  while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink)))) {
    gst_caps_replace (&media->caps, gst_sample_get_caps (sample));
    /* Own memory: nothing is left of the pipeline. */
    GstBuffer *unit = gst_buffer_copy_deep (gst_sample_get_buffer (sample));
    GstClockTime start = gst_sample_get_segment (sample)->start;
    GST_BUFFER_PTS (unit) -= start;
    if (GST_BUFFER_DTS_IS_VALID (unit))
      GST_BUFFER_DTS (unit) -= MIN (start, GST_BUFFER_DTS (unit));
    /* avenc_mpeg4 of GStreamer 1.22 gives all frames one PTS. */
    if (kind->codec == CODEC_MPEG4)
      GST_BUFFER_PTS (unit) = media->units->len * GST_SECOND / 25;
    g_ptr_array_add (media->units, unit);
    gst_sample_unref (sample);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_cmpuint (media->units->len, >, 10);
  return media;
}

void
media_free (Media *media)
{
  gst_clear_caps (&media->caps);
  g_ptr_array_unref (media->units);
  g_free (media);
}
