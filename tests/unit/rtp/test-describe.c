/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/describe.h"

#include "base/error.h"

#include <string.h>

static const struct {
  const char *caps;
  const char *encoding_name;
  unsigned payload_type, clock_rate, channels;
  const char *fmtp; /* NULL: none */
  const char *attribute;
} rows[] = {
    {"video/x-h264, stream-format=avc, alignment=au, framerate=25/1, codec_data=(buffer)"
     "01640014ffe1001d67640014acb20283f602d418181a94000003000400000300ca3c50a92001000568ebccb22c",
     "H264", 98, 90000, 0,
     "packetization-mode=1;sprop-parameter-sets=Z2QAFKyyAoP2AtQYGBqUAAADAAQAAAMAyjxQqSA=,aOvMsiw=;"
     "profile-level-id=640014",
     "framerate:25"},
    {"video/x-h264, stream-format=byte-stream, alignment=au", "H264", 98, 90000, 0, "packetization-mode=1"},
    {"video/x-h265, stream-format=byte-stream, alignment=au", "H265", 98, 90000, 0, NULL},
    {"video/x-vp8", "VP8", 98, 90000, 0, NULL},
    {"video/x-vp9", "VP9", 98, 90000, 0, NULL},
    {"image/jpeg, width=320, height=240", "JPEG", 26, 90000, 0, NULL},
    {"audio/mpeg, mpegversion=4, stream-format=raw, rate=48000, channels=2, codec_data=(buffer)1190",
     "mpeg4-generic", 98, 48000, 2,
     "streamtype=5;profile-level-id=2;mode=AAC-hbr;config=1190;sizelength=13;indexlength=3;indexdeltalength="
     "3"},
    {"audio/x-opus, channel-mapping-family=0, channels=1, rate=48000", "opus", 98, 48000, 2,
     "sprop-stereo=0;sprop-maxcapturerate=48000"},
    {"audio/mpeg, mpegversion=1, layer=3, rate=44100, channels=2", "MPA", 14, 90000, 1, NULL},
    {"audio/x-ac3, rate=48000, channels=6", "AC3", 98, 48000, 6, NULL},
    {"audio/x-mulaw, rate=8000, channels=1", "PCMU", 0, 8000, 1, NULL},
    {"audio/x-alaw, rate=8000, channels=1", "PCMA", 8, 8000, 1, NULL},
    {"audio/G722, rate=16000, channels=1", "G722", 9, 8000, 1, NULL},
    {"audio/x-adpcm, layout=g726, rate=8000, channels=1, bitrate=32000", "G726-32", 98, 8000, 1, NULL},
    {"audio/x-raw, format=S16BE, layout=interleaved, rate=44100, channels=2", "L16", 10, 44100, 2, NULL},
    {"audio/x-raw, format=S16BE, layout=interleaved, rate=48000, channels=1", "L16", 98, 48000, 1, NULL},
};

static void
test_table (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (rows[i].caps);
    g_auto (TrackSpec) spec = {0};
    g_autoptr (GError) error = NULL;
    g_test_message ("%s", rows[i].caps);
    bool ok = rtp_describe_units (caps, 98, &spec, &error);
    g_assert_no_error (error);
    g_assert_true (ok);
    g_assert_cmpstr (spec.encoding_name, ==, rows[i].encoding_name);
    g_assert_cmpint (spec.codec, ==, codec_from_encoding_name (rows[i].encoding_name));
    g_assert_cmpuint (spec.payload_type, ==, rows[i].payload_type);
    g_assert_cmpuint (spec.clock_rate, ==, rows[i].clock_rate);
    g_assert_cmpuint (spec.channels, ==, rows[i].channels);
    g_assert_cmpstr (spec.media, ==, spec.kind == TRACK_VIDEO ? "video" : "audio");
    g_assert_true (spec.unit_caps == caps);
    if (rows[i].fmtp)
      g_assert_cmpstr (spec.fmtp, ==, rows[i].fmtp);
    else
      g_assert_null (spec.fmtp);
    if (rows[i].attribute)
      g_assert_cmpstr (g_ptr_array_index (spec.attributes, 0), ==, rows[i].attribute);
  }
}

static void
test_refused (void)
{
  static const struct {
    const char *caps;
    SluiceErrorCode code;
    const char *word;
  } table[] = {
      {"video/x-raw", SLUICE_ERROR_UNSUPPORTED, "video/x-raw"},
      {"video/mpeg, mpegversion=2", SLUICE_ERROR_UNSUPPORTED, "video/mpeg"},
      {"audio/x-mulaw, rate=16000, channels=1", SLUICE_ERROR_INVALID_ARGUMENT, "rtppcmupay"},
      {"audio/x-raw, format=F32LE", SLUICE_ERROR_INVALID_ARGUMENT, "rtpL16pay"},
      {"audio/mpeg, mpegversion=4, stream-format=adts", SLUICE_ERROR_INVALID_ARGUMENT, "rtpmp4gpay"},
      {"audio/mpeg, mpegversion=4, stream-format=raw", SLUICE_ERROR_INVALID_ARGUMENT, "rtpmp4gpay"},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (table); i++) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (table[i].caps);
    TrackSpec spec = {.clock_rate = 7};
    g_autoptr (GError) error = NULL;
    g_assert_false (rtp_describe_units (caps, 98, &spec, &error));
    g_assert_error (error, SLUICE_ERROR, (int)table[i].code);
    g_assert_nonnull (strstr (error->message, table[i].word));
    g_assert_cmpuint (spec.clock_rate, ==, 7);
  }
}

static void
test_every_codec_has_elements (void)
{
  g_assert_null (rtp_elements (CODEC_UNKNOWN));
  for (unsigned codec = CODEC_UNKNOWN + 1; codec < CODEC_N; codec++) {
    const RtpElements *elements = rtp_elements ((Codec)codec);
    g_assert_nonnull (elements->payloader);
    g_assert_nonnull (elements->depayloader);
    g_assert_nonnull (elements->rtp_package);
    g_assert_true (!elements->parser == !elements->parser_package);
    g_autoptr (GstCaps) caps = gst_caps_from_string (elements->unit_caps);
    g_assert_nonnull (caps);
    g_assert_cmpint (rtp_codec_from_unit_caps (caps), ==, codec);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtp/describe/table", test_table);
  g_test_add_func ("/rtp/describe/refused", test_refused);
  g_test_add_func ("/rtp/describe/every-codec-has-elements", test_every_codec_has_elements);
  return g_test_run ();
}
