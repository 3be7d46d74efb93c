/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/track.h"

#include <string.h>

static void
test_names (void)
{
  static const struct {
    const char *encoding_name;
    Codec codec;
    TrackKind kind;
  } rows[] = {
      {"H264", CODEC_H264, TRACK_VIDEO},
      {"h265", CODEC_H265, TRACK_VIDEO},
      {"AV1", CODEC_AV1, TRACK_VIDEO},
      {"vp8", CODEC_VP8, TRACK_VIDEO},
      {"VP9", CODEC_VP9, TRACK_VIDEO},
      {"JPEG", CODEC_MJPEG, TRACK_VIDEO},
      {"MP4V-ES", CODEC_MPEG4, TRACK_VIDEO},
      {"mpeg4-generic", CODEC_AAC, TRACK_AUDIO},
      {"MP4A-LATM", CODEC_AAC, TRACK_AUDIO},
      {"opus", CODEC_OPUS, TRACK_AUDIO},
      {"MPA", CODEC_MP3, TRACK_AUDIO},
      {"ac3", CODEC_AC3, TRACK_AUDIO},
      {"PCMU", CODEC_PCMU, TRACK_AUDIO},
      {"pcma", CODEC_PCMA, TRACK_AUDIO},
      {"G722", CODEC_G722, TRACK_AUDIO},
      {"G726-32", CODEC_G726, TRACK_AUDIO},
      {"AAL2-G726-40", CODEC_G726, TRACK_AUDIO},
      {"L16", CODEC_L16, TRACK_AUDIO},
      {"H264-SVC", CODEC_UNKNOWN, TRACK_DATA},
      {"", CODEC_UNKNOWN, TRACK_DATA},
      {"vnd.onvif.metadata", CODEC_UNKNOWN, TRACK_DATA},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_assert_cmpint (codec_from_encoding_name (rows[i].encoding_name), ==, rows[i].codec);
    g_assert_cmpint (codec_kind (rows[i].codec), ==, rows[i].kind);
  }
  g_assert_cmpint (codec_from_encoding_name (NULL), ==, CODEC_UNKNOWN);
  for (unsigned i = 0; i < CODEC_N; i++)
    g_assert_cmpstr (codec_name ((Codec)i), !=, "");
  g_assert_cmpstr (codec_name ((Codec)999), ==, "unknown");
}

static void
test_static_payload_types (void)
{
  Codec codec;
  uint32_t rate;
  uint8_t channels;
  const char *name;
  g_assert_true (codec_from_static_payload_type (0, &codec, &rate, &channels, &name));
  g_assert_cmpint (codec, ==, CODEC_PCMU);
  g_assert_cmpuint (rate, ==, 8000);
  g_assert_true (codec_from_static_payload_type (10, &codec, &rate, &channels, &name));
  g_assert_cmpint (codec, ==, CODEC_L16);
  g_assert_cmpuint (channels, ==, 2);
  g_assert_true (codec_from_static_payload_type (26, &codec, &rate, &channels, &name));
  g_assert_cmpstr (name, ==, "JPEG");
  g_assert_false (codec_from_static_payload_type (96, &codec, &rate, &channels, &name));
  g_assert_false (codec_from_static_payload_type (33, &codec, &rate, &channels, &name));
}

static TrackSpec
make_spec (Codec codec, const char *encoding_name, const char *fmtp)
{
  return (TrackSpec){
      .kind = codec_kind (codec),
      .codec = codec,
      .payload_type = 96,
      .clock_rate = 90000,
      .encoding_name = g_strdup (encoding_name),
      .fmtp = g_strdup (fmtp),
      .media = g_strdup ("video"),
  };
}

static const char *
field (GstCaps *caps, const char *name)
{
  return gst_structure_get_string (gst_caps_get_structure (caps, 0), name);
}

static void
test_rtp_caps (void)
{
  g_auto (TrackSpec) spec =
      make_spec (CODEC_H264, "h264",
                 "packetization-mode=1; Profile-Level-Id = 42e01f;sprop-parameter-sets=Z0I=,aM4=;;flag;=x");
  spec.attributes = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (spec.attributes, g_strdup ("framesize:96 640-480"));
  g_ptr_array_add (spec.attributes, g_strdup ("x-dimensions:640,480"));
  g_ptr_array_add (spec.attributes, g_strdup ("recvonly"));
  g_autoptr (GstCaps) caps = track_spec_to_rtp_caps (&spec);
  g_assert_cmpstr (field (caps, "media"), ==, "video");
  g_assert_cmpstr (field (caps, "encoding-name"), ==, "H264");
  g_assert_cmpstr (field (caps, "packetization-mode"), ==, "1");
  g_assert_cmpstr (field (caps, "profile-level-id"), ==, "42e01f");
  g_assert_cmpstr (field (caps, "sprop-parameter-sets"), ==, "Z0I=,aM4=");
  g_assert_cmpstr (field (caps, "flag"), ==, "1");
  g_assert_cmpstr (field (caps, "a-framesize"), ==, "640-480");
  g_assert_cmpstr (field (caps, "x-dimensions"), ==, "640,480");
  int value;
  g_assert_true (gst_structure_get_int (gst_caps_get_structure (caps, 0), "payload", &value));
  g_assert_cmpint (value, ==, 96);
}

/* An SDP cannot change what its rtpmap says, nor bring in what caps cannot hold. */
static void
test_hostile_fmtp (void)
{
  g_auto (TrackSpec) spec = make_spec (
      CODEC_H264, "H264", "payload=7;clock-rate=x;media=y;encoding-name=z;a b=1;\xff=2;c=\xff\xfe;1a=3");
  g_autoptr (GstCaps) caps = track_spec_to_rtp_caps (&spec);
  int value;
  g_assert_true (gst_structure_get_int (gst_caps_get_structure (caps, 0), "clock-rate", &value));
  g_assert_cmpint (value, ==, 90000);
  g_assert_cmpstr (field (caps, "media"), ==, "video");
  g_assert_cmpint (gst_structure_n_fields (gst_caps_get_structure (caps, 0)), ==, 4);
}

static void
test_copy_is_deep (void)
{
  g_auto (TrackSpec) spec = make_spec (CODEC_VP8, "VP8", NULL);
  spec.attributes = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (spec.attributes, g_strdup ("framerate:25"));
  spec.unit_caps = gst_caps_new_empty_simple ("video/x-vp8");
  g_auto (TrackSpec) copy;
  track_spec_copy (&spec, &copy);
  track_spec_clear (&spec);
  g_assert_cmpstr (copy.encoding_name, ==, "VP8");
  g_assert_cmpstr (g_ptr_array_index (copy.attributes, 0), ==, "framerate:25");
  g_assert_true (GST_IS_CAPS (copy.unit_caps));
}

static void
test_set (void)
{
  TrackSpec specs[2] = {make_spec (CODEC_OPUS, "opus", NULL), make_spec (CODEC_H264, "H264", NULL)};
  TrackSpec other[2];
  for (unsigned i = 0; i < 2; i++)
    track_spec_copy (&specs[i], &other[i]);
  g_autoptr (TrackSet) a = track_set_new (specs, 2, NULL);
  g_assert_null (specs[0].encoding_name);
  g_assert_cmpuint (a->n_tracks, ==, 2);
  g_assert_cmpint (a->video, ==, 1);
  g_assert_cmpuint (a->tracks[1].index, ==, 1);
  g_assert_cmpuint (a->tracks[0].ssrc, !=, 0);
  g_assert_cmpuint (a->tracks[0].ssrc, !=, a->tracks[1].ssrc);
  uint32_t ssrcs[] = {7, 8};
  g_autoptr (TrackSet) b = track_set_new (other, 2, ssrcs);
  g_assert_cmpuint (b->tracks[1].ssrc, ==, 8);
  g_assert_true (track_set_compatible (a, b));
  b->tracks[1].spec.payload_type = 97;
  g_assert_false (track_set_compatible (a, b));
  g_autoptr (TrackSet) empty = track_set_new (NULL, 0, NULL);
  g_assert_cmpint (empty->video, ==, -1);
  g_assert_false (track_set_compatible (a, empty));
  track_set_unref (track_set_ref (a));
  track_set_unref (NULL);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stream/track/names", test_names);
  g_test_add_func ("/stream/track/static-payload-types", test_static_payload_types);
  g_test_add_func ("/stream/track/rtp-caps", test_rtp_caps);
  g_test_add_func ("/stream/track/hostile-fmtp", test_hostile_fmtp);
  g_test_add_func ("/stream/track/copy-is-deep", test_copy_is_deep);
  g_test_add_func ("/stream/track/set", test_set);
  return g_test_run ();
}
