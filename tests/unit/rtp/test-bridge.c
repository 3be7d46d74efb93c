/* SPDX-License-Identifier: Apache-2.0 */
/* Real media through the payloading bridge, the inspectors and the depayloading bridge. */
#include "rtp/chain.h"
#include "rtp/describe.h"
#include "stream/inspect.h"
#include "trip.h"

#include "base/error.h"

#include <string.h>

static unsigned
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  unsigned n = 0;
  while (g_dir_read_name (dir))
    n++;
  return n;
}

/* RFC 2435 sends the scan only, and says what headers to make for it. */
static void
skip_jpeg_headers (GByteArray *bytes)
{
  unsigned at = 0;
  while (memcmp (bytes->data + at, "\xff\xda", 2) != 0)
    at++;
  g_byte_array_remove_range (bytes, 0, at + 14);
}

/* What has to come back of @unit: for H.264 and H.265 all NAL units but parameter sets and delimiters, which
 * the payloader may add or leave out; else the bytes. */
static GBytes *
essence (Codec codec, GstBuffer *unit, bool start_codes)
{
  GstMapInfo map;
  GByteArray *bytes = g_byte_array_new ();
  g_assert_true (gst_buffer_map (unit, &map, GST_MAP_READ));
  bool has_nals = codec == CODEC_H264 || codec == CODEC_H265;
  if (!has_nals)
    g_byte_array_append (bytes, map.data, (unsigned)map.size);
  if (codec == CODEC_MJPEG)
    skip_jpeg_headers (bytes);
  for (size_t at = 0; has_nals && at + 4 < map.size;) {
    size_t size = 0;
    if (start_codes) {
      while (memcmp (map.data + at, "\0\0\1", 3) != 0)
        at++;
      at += 3;
      size_t end = at;
      while (end + 3 <= map.size && memcmp (map.data + end, "\0\0\1", 3) != 0)
        end++;
      size = end + 3 > map.size ? map.size - at : end - at - (map.data[end - 1] == 0 ? 1 : 0);
    } else {
      for (unsigned i = 0; i < 4; i++)
        size = size << 8 | map.data[at + i];
      at += 4;
    }
    g_assert_cmpuint (size, <=, map.size - at);
    unsigned type = codec == CODEC_H264 ? map.data[at] & 0x1f : map.data[at] >> 1 & 0x3f;
    if (codec == CODEC_H264 ? type < 7 || type > 9 : type < 32 || type > 35) {
      g_byte_array_append (bytes, (const uint8_t *)&size, sizeof size);
      g_byte_array_append (bytes, map.data + at, (unsigned)size);
    }
    at += size;
  }
  gst_buffer_unmap (unit, &map);
  return g_byte_array_free_to_bytes (bytes);
}

static bool
is_start_code_format (GstCaps *caps)
{
  const char *format = gst_structure_get_string (gst_caps_get_structure (caps, 0), "stream-format");
  return format && strcmp (format, "byte-stream") == 0;
}

/* Codecs whose samples may be cut anew; the last units may wait for more when the stream ends. */
static void
assert_same_bytes (Trip *trip)
{
  GByteArray *all[2] = {g_byte_array_new (), g_byte_array_new ()};
  GPtrArray *units[2] = {trip->media->units, trip->units};
  for (unsigned side = 0; side < 2; side++)
    for (unsigned i = 0; i < units[side]->len; i++) {
      g_autoptr (GBytes) bytes = essence (trip->spec.codec, g_ptr_array_index (units[side], i), false);
      g_byte_array_append (all[side], g_bytes_get_data (bytes, NULL), (unsigned)g_bytes_get_size (bytes));
    }
  g_assert_cmpuint (all[1]->len, <=, all[0]->len);
  g_assert_cmpuint (all[1]->len, >, all[0]->len * 9 / 10);
  g_assert_cmpmem (all[0]->data, all[1]->len, all[1]->data, all[1]->len);
  g_byte_array_unref (all[0]);
  g_byte_array_unref (all[1]);
}

static bool
is_key (GstBuffer *unit)
{
  return !GST_BUFFER_FLAG_IS_SET (unit, GST_BUFFER_FLAG_DELTA_UNIT);
}

static void
assert_same_units (Trip *trip)
{
  /* Parsers of frames that tell their end only by the next one keep the last. */
  g_assert_cmpuint (trip->units->len + 1, >=, trip->media->units->len);
  bool start_codes = is_start_code_format (trip->media->caps);
  GstClockTime last_dts = 0;
  GstBuffer *first_in = g_ptr_array_index (trip->media->units, 0),
            *first = g_ptr_array_index (trip->units, 0);
  for (unsigned i = 0; i < trip->units->len; i++) {
    GstBuffer *in = g_ptr_array_index (trip->media->units, i), *out = g_ptr_array_index (trip->units, i);
    g_autoptr (GBytes) before = essence (trip->spec.codec, in, start_codes);
    g_autoptr (GBytes) after = essence (trip->spec.codec, out, false);
    g_assert_cmpmem (g_bytes_get_data (before, NULL), g_bytes_get_size (before),
                     g_bytes_get_data (after, NULL), g_bytes_get_size (after));
    g_assert_true (is_key (in) == is_key (out));
    int64_t distance_in = GST_CLOCK_DIFF (GST_BUFFER_PTS (first_in), GST_BUFFER_PTS (in));
    int64_t distance = GST_CLOCK_DIFF (GST_BUFFER_PTS (first), GST_BUFFER_PTS (out));
    g_assert_cmpint (ABS (distance - distance_in), <=, (int64_t)(2 * GST_SECOND / trip->spec.clock_rate));
    g_assert_true (GST_BUFFER_DTS_IS_VALID (out));
    if (i > 0)
      g_assert_cmpuint (GST_BUFFER_DTS (out), >, last_dts);
    last_dts = GST_BUFFER_DTS (out);
  }
}

static bool
is_cut_anew (Codec codec)
{
  return codec == CODEC_PCMU || codec == CODEC_PCMA || codec == CODEC_G722 || codec == CODEC_G726 ||
         codec == CODEC_L16;
}

static void
test_round_trip (gconstpointer data)
{
  g_auto (Trip) trip;
  if (!trip_start (&trip, data))
    return;
  unsigned threads = count_threads ();
  trip_payload (&trip);
  trip_depayload (&trip, 0);
  g_assert_cmpuint (count_threads (), <=, threads);
  if (is_cut_anew (trip.spec.codec))
    assert_same_bytes (&trip);
  else
    assert_same_units (&trip);
}

static void
test_packets (gconstpointer data)
{
  g_auto (Trip) trip;
  if (!trip_start (&trip, data))
    return;
  trip_payload (&trip);
  bool video = trip.spec.kind == TRACK_VIDEO;
  for (unsigned i = 0; i < trip.packets->len; i++) {
    Packet *packet = &g_array_index (trip.packets, Packet, i);
    g_assert_cmpuint (packet->header.ssrc, ==, TRIP_SSRC);
    g_assert_cmpuint (packet->header.payload_type, ==, trip.spec.payload_type);
    if (i == 0)
      continue;
    Packet *previous = packet - 1;
    g_assert_cmpint (rtp_sequence_diff (packet->header.sequence, previous->header.sequence), ==, 1);
    bool other_unit = packet->header.timestamp != previous->header.timestamp;
    if (video)
      g_assert_true (previous->last == other_unit);
  }
  g_assert_true (g_array_index (trip.packets, Packet, trip.packets->len - 1).last);
}

/* The inspector's word on each packet against what the encoder or parser says of the unit. */
static void
test_inspector (gconstpointer data)
{
  g_auto (Trip) trip;
  if (!trip_start (&trip, data))
    return;
  trip_payload (&trip);
  bool key = false, parameters = false;
  unsigned starts = 0, keys = 0;
  InspectVideoInfo info = {0};
  for (unsigned i = 0; i < trip.packets->len; i++) {
    Packet *packet = &g_array_index (trip.packets, Packet, i);
    const uint8_t *bytes = g_bytes_get_data (packet->bytes, NULL);
    bool first = i == 0 || (packet - 1)->header.timestamp != packet->header.timestamp;
    InspectResult result;
    inspect_payload (trip.spec.codec, bytes + packet->header.payload_offset, packet->header.payload_bytes,
                     packet->header.marker, &result);
    if (trip.spec.kind == TRACK_AUDIO) {
      g_assert_true (result.key && result.frame_start);
      continue;
    }
    inspect_video_payload (trip.spec.codec, bytes + packet->header.payload_offset,
                           packet->header.payload_bytes, &info);
    g_assert_true (inspect_marker_ends_frame (trip.spec.codec));
    g_assert_true (first || !result.frame_start);
    if (first)
      key = false;
    key |= result.key;
    parameters |= result.parameters;
    starts += result.frame_start;
    if (packet->last) {
      g_assert_true (key == is_key (g_ptr_array_index (trip.media->units, packet->unit)));
      keys += key;
    }
  }
  Codec codec = trip.spec.codec;
  if (codec_kind (codec) == TRACK_AUDIO)
    return;
  g_assert_cmpuint (keys, >=, 2);
  g_assert_cmpuint (info.width, ==, 320);
  g_assert_cmpuint (info.height, ==, 240);
  if (codec == CODEC_VP8 || codec == CODEC_VP9 || codec == CODEC_MJPEG || codec == CODEC_MPEG4)
    g_assert_cmpuint (starts, ==, trip.media->units->len);
  if (codec == CODEC_H264 || codec == CODEC_H265 || codec == CODEC_MPEG4)
    g_assert_true (parameters);
  if (trip.spec.fmtp && strstr (trip.spec.fmtp, "=") && (codec == CODEC_H264 || codec == CODEC_H265) &&
      !is_start_code_format (trip.media->caps)) {
    InspectVideoInfo by_fmtp = {0};
    g_assert_true (inspect_video_fmtp (codec, trip.spec.fmtp, &by_fmtp));
    g_assert_cmpuint (by_fmtp.width, ==, 320);
    g_assert_cmpuint (by_fmtp.fps_num / by_fmtp.fps_den, ==, 25);
    g_assert_cmpstr (by_fmtp.profile, !=, "");
  }
}

static unsigned
count_broken (Trip *trip)
{
  unsigned broken = 0;
  bool start_codes = is_start_code_format (trip->media->caps);
  for (unsigned i = 0; i < trip->units->len; i++) {
    g_autoptr (GBytes) after = essence (trip->spec.codec, g_ptr_array_index (trip->units, i), false);
    bool found = false;
    for (unsigned k = 0; k < trip->media->units->len && !found; k++) {
      g_autoptr (GBytes) before =
          essence (trip->spec.codec, g_ptr_array_index (trip->media->units, k), start_codes);
      found = g_bytes_equal (before, after);
    }
    broken += !found;
  }
  return broken;
}

static void
test_loss (gconstpointer data)
{
  g_auto (Trip) trip;
  if (!trip_start (&trip, data))
    return;
  trip_payload (&trip);
  trip_depayload (&trip, trip.packets->len / 2);
  bool discont = false;
  for (unsigned i = 1; i < trip.units->len; i++)
    discont |=
        GST_BUFFER_FLAG_IS_SET ((GstBuffer *)g_ptr_array_index (trip.units, i), GST_BUFFER_FLAG_DISCONT);
  g_assert_true (discont);
  if (codec_kind (trip.spec.codec) == TRACK_VIDEO)
    g_test_message ("%u of %u units broken", count_broken (&trip), trip.units->len);
  g_ptr_array_set_size (trip.units, 0);
  trip_depayload (&trip, 7);
}

static void
push_packets (Trip *trip, Bridge *bridge, unsigned sequence_offset, uint32_t time_offset)
{
  for (unsigned i = 0; i < trip->packets->len; i++) {
    Packet *packet = &g_array_index (trip->packets, Packet, i);
    size_t n_bytes = g_bytes_get_size (packet->bytes);
    g_autofree uint8_t *bytes = g_memdup2 (g_bytes_get_data (packet->bytes, NULL), n_bytes);
    rtp_header_rewrite (bytes, packet->header.payload_type,
                        (uint16_t)(packet->header.sequence + sequence_offset),
                        packet->header.timestamp + time_offset, TRIP_SSRC);
    trip_push_bytes (trip, bridge, bytes, n_bytes);
  }
}

/* The RTP time wraps in the middle; frames are reordered over the wrap. */
static void
test_time_wraps (void)
{
  g_auto (Trip) trip;
  if (!trip_start (&trip, &media_kinds[1]))
    return;
  trip_payload (&trip);
  uint32_t middle = g_array_index (trip.packets, Packet, trip.packets->len / 2).header.timestamp;
  Bridge *bridge = trip_make_depayloader (&trip);
  push_packets (&trip, bridge, 0, 0u - middle);
  rtp_bridge_ops ()->free (bridge);
  assert_same_units (&trip);
  uint32_t first = g_array_index (trip.packets, Packet, 0).header.timestamp - middle;
  for (unsigned i = 0; i < trip.units->len; i++) {
    GstBuffer *unit = g_ptr_array_index (trip.units, i);
    uint64_t ticks = gst_util_uint64_scale_round (GST_BUFFER_PTS (unit) - GST_SECOND, 90000, GST_SECOND);
    g_assert_cmpuint (GST_BUFFER_OFFSET (unit), ==, (uint64_t)first + ticks);
  }
}

/* A camera that sets its clock back must not stop the time of its units. */
static void
test_time_falls_back (void)
{
  g_auto (Trip) trip;
  if (!trip_start (&trip, &media_kinds[0]))
    return;
  trip_payload (&trip);
  Bridge *bridge = trip_make_depayloader (&trip);
  push_packets (&trip, bridge, 0, 0);
  push_packets (&trip, bridge, trip.packets->len, 0u - 100 * 90000);
  rtp_bridge_ops ()->free (bridge);
  GstClockTime last = 0;
  for (unsigned i = 0; i < trip.units->len; i++) {
    GstBuffer *unit = g_ptr_array_index (trip.units, i);
    g_assert_cmpuint (GST_BUFFER_DTS (unit), >, last);
    last = GST_BUFFER_DTS (unit);
  }
  /* Twice two seconds, behind the first one. */
  g_assert_cmpuint (last, >, 4800 * GST_MSECOND);
  g_assert_cmpuint (last, <, 5200 * GST_MSECOND);
}

/* Many cameras send parameter sets in the stream only. */
static void
test_no_parameter_sets_in_sdp (void)
{
  g_auto (Trip) trip;
  if (!trip_start (&trip, &media_kinds[0]))
    return;
  trip_payload (&trip);
  g_clear_pointer (&trip.spec.fmtp, g_free);
  trip_depayload (&trip, 0);
  assert_same_units (&trip);
  g_assert_true (gst_structure_has_field (gst_caps_get_structure (trip.caps, 0), "codec_data"));
}

static void
test_caps_change (void)
{
  static const MediaKind small = {
      CODEC_H264, "small", "x264enc",
      "videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=160,height=96,framerate=25/1 ! x264enc "
      "threads=1 "
      "tune=zerolatency ! h264parse config-interval=-1 ! video/x-h264,stream-format=avc,alignment=au"};
  g_auto (Trip) trip;
  if (!trip_start (&trip, &media_kinds[0]))
    return;
  Bridge *bridge = rtp_bridge_ops ()->new_payloader (&trip.spec, TRIP_SSRC, trip_on_packet, &trip, NULL);
  g_autoptr (Media) other = media_make (&small);
  for (unsigned i = 0; i < 20; i++)
    rtp_bridge_ops ()->push_unit (bridge, gst_buffer_ref (g_ptr_array_index (trip.media->units, i)), NULL);
  for (unsigned i = 0; i < other->units->len; i++) {
    GstBuffer *unit = gst_buffer_copy (g_ptr_array_index (other->units, i));
    GST_BUFFER_PTS (unit) += 800 * GST_MSECOND;
    rtp_bridge_ops ()->push_unit (bridge, unit, i == 0 ? other->caps : NULL);
  }
  rtp_bridge_ops ()->free (bridge);
  trip_depayload (&trip, 0);
  int width = 0;
  g_assert_true (gst_structure_get_int (gst_caps_get_structure (trip.caps, 0), "width", &width));
  g_assert_cmpint (width, ==, 160);
  g_assert_cmpuint (trip.units->len, ==, 20 + other->units->len);
}

/* RFC 6416 audio (MP4A-LATM) is AAC, too; nobody pays it out but old cameras. */
static void
test_latm (void)
{
  const MediaKind *kind = media_kinds;
  while (kind->codec != CODEC_AAC)
    kind++;
  g_auto (Trip) trip;
  if (!trip_start (&trip, kind))
    return;
  GstElement *payloader = rtp_make_element ("rtpmp4apay", "gstreamer1.0-plugins-good", NULL);
  g_autoptr (Chain) chain = chain_new (&payloader, 1, "application/x-rtp", NULL);
  g_assert_true (chain_set_caps (chain, trip.media->caps));
  g_autoptr (GstCaps) caps = chain_dup_latest_caps (chain);
  const char *config = gst_structure_get_string (gst_caps_get_structure (caps, 0), "config");
  track_spec_clear (&trip.spec);
  trip.spec = (TrackSpec){.kind = TRACK_AUDIO,
                          .codec = CODEC_AAC,
                          .payload_type = 96,
                          .clock_rate = 48000,
                          .channels = 2,
                          .media = g_strdup ("audio"),
                          .encoding_name = g_strdup ("MP4A-LATM"),
                          .fmtp = g_strdup_printf ("cpresent=0;config=%s", config)};
  for (unsigned i = 0; i < trip.media->units->len; i++) {
    g_assert_cmpint (chain_push (chain, gst_buffer_ref (g_ptr_array_index (trip.media->units, i))), ==,
                     GST_FLOW_OK);
    GstBuffer *buffer;
    while ((buffer = chain_pull (chain))) {
      GstMapInfo map;
      gst_buffer_map (buffer, &map, GST_MAP_READ);
      trip_on_packet (&trip, map.data, map.size, true);
      gst_buffer_unmap (buffer, &map);
      gst_buffer_unref (buffer);
    }
  }
  trip_depayload (&trip, 0);
  g_ptr_array_remove_index (trip.media->units, 0);
  assert_same_units (&trip);
}

static void
test_missing_element_is_named (void)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (rtp_make_element ("rtpnosuchpay", "gstreamer1.0-nosuch", &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "rtpnosuchpay"));
  g_assert_nonnull (strstr (error->message, "gstreamer1.0-nosuch"));
}

static void
test_av1_without_its_elements (void)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find ("rtpav1depay");
  if (factory) {
    g_test_skip ("this system has rtpav1depay");
    return;
  }
  TrackSpec spec = {.kind = TRACK_VIDEO, .codec = CODEC_AV1, .payload_type = 96, .clock_rate = 90000};
  g_autoptr (GError) error = NULL;
  g_assert_null (rtp_bridge_ops ()->new_depayloader (&spec, trip_on_unit, NULL, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "rtpav1depay"));
}

static void
add_tests (const char *what, void (*func) (gconstpointer))
{
  for (const MediaKind *kind = media_kinds; kind->name; kind++) {
    g_autofree char *path = g_strdup_printf ("/rtp/bridge/%s/%s", what, kind->name);
    g_test_add_data_func (path, kind, func);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  add_tests ("round-trip", test_round_trip);
  add_tests ("packets", test_packets);
  add_tests ("inspector", test_inspector);
  add_tests ("loss", test_loss);
  g_test_add_func ("/rtp/bridge/time-wraps", test_time_wraps);
  g_test_add_func ("/rtp/bridge/time-falls-back", test_time_falls_back);
  g_test_add_func ("/rtp/bridge/no-parameter-sets-in-sdp", test_no_parameter_sets_in_sdp);
  g_test_add_func ("/rtp/bridge/caps-change", test_caps_change);
  g_test_add_func ("/rtp/bridge/latm", test_latm);
  g_test_add_func ("/rtp/bridge/missing-element-is-named", test_missing_element_is_named);
  g_test_add_func ("/rtp/bridge/av1-without-its-elements", test_av1_without_its_elements);
  return g_test_run ();
}
