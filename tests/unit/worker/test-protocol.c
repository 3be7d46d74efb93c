/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/protocol.h"

#include <string.h>

static GstCaps *
make_h264_caps (void)
{
  return gst_caps_from_string ("video/x-h264, stream-format=(string)avc, alignment=(string)au, "
                               "codec_data=(buffer)0164001effe100, width=(int)640, height=(int)360, "
                               "framerate=(fraction)24/1, profile=(string)high");
}

/* Appends, peeks and parses @in; @frame keeps the bytes that the result points into. */
static void
round_trip (const WorkerMessage *in, GByteArray *frame, WorkerMessage *out)
{
  g_autoptr (GError) error = NULL;
  uint16_t type;
  size_t n_bytes;
  worker_message_append (in, frame);
  if (in->type == WORKER_UNIT)
    g_byte_array_append (frame, in->unit.bytes, in->unit.n_bytes);
  g_assert_cmpint (worker_frame_peek (frame->data, frame->len, &type, &n_bytes, &error), ==, 1);
  g_assert_cmpuint (n_bytes, ==, frame->len - WORKER_FRAME_HEADER_BYTES);
  g_assert_true (worker_message_parse (type, frame->data + WORKER_FRAME_HEADER_BYTES, n_bytes, out, &error));
  g_assert_no_error (error);
  g_assert_cmpint (out->type, ==, in->type);
}

static void
test_unit_survives (void)
{
  static const uint8_t payload[] = {0, 0, 0, 1, 0x65};
  g_autoptr (GByteArray) frame = g_byte_array_new ();
  WorkerMessage in = {WORKER_UNIT, .unit = {.track = 2,
                                            .flags = WORKER_UNIT_DISCONT,
                                            .pts = 10 * GST_SECOND,
                                            .dts = WORKER_TIME_NONE,
                                            .duration = 40 * GST_MSECOND,
                                            .captured_us = 1700000000000000,
                                            .bytes = payload,
                                            .n_bytes = sizeof payload}};
  g_auto (WorkerMessage) out = {0};
  round_trip (&in, frame, &out);
  g_assert_cmpuint (out.unit.track, ==, 2);
  g_assert_cmpuint (out.unit.flags, ==, WORKER_UNIT_DISCONT);
  g_assert_cmpint (out.unit.pts, ==, 10 * GST_SECOND);
  g_assert_cmpint (out.unit.dts, ==, WORKER_TIME_NONE);
  g_assert_cmpint (out.unit.duration, ==, 40 * GST_MSECOND);
  g_assert_cmpint (out.unit.captured_us, ==, 1700000000000000);
  g_assert_cmpmem (out.unit.bytes, out.unit.n_bytes, payload, sizeof payload);
}

static void
test_caps_survive (void)
{
  static const char *const texts[] = {
      "video/x-h264, stream-format=(string)avc, alignment=(string)au, codec_data=(buffer)0164001effe100, "
      "width=(int)640, height=(int)360, framerate=(fraction)24/1",
      "audio/mpeg, mpegversion=(int)4, framed=(boolean)true, stream-format=(string)raw, rate=(int)44100, "
      "channels=(int)2, codec_data=(buffer)1210",
      "audio/x-opus, rate=(int)48000, channels=(int)6, channel-mapping-family=(int)1, stream-count=(int)4, "
      "coupled-count=(int)2, channel-mapping=(int)<0,4,1,2,3,5>, streamheader=(buffer)<4f70,5461>",
      "audio/x-mulaw, rate=(int)8000, channels=(int)1",
  };
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GByteArray) frame = g_byte_array_new ();
    g_autoptr (GstCaps) caps = gst_caps_from_string (texts[i]);
    g_assert_nonnull (caps);
    WorkerMessage in = {WORKER_TRACKS, .tracks = {.n = 1, .caps = {caps}}};
    g_auto (WorkerMessage) out = {0};
    round_trip (&in, frame, &out);
    g_assert_cmpuint (out.tracks.n, ==, 1);
    g_assert_true (gst_caps_is_equal (out.tracks.caps[0], caps));
  }
}

/* The daemon learns no name that it does not know, and no field of an unexpected type. */
static void
test_caps_are_filtered (void)
{
  g_autoptr (GByteArray) frame = g_byte_array_new ();
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-h264, alignment=(string)au, width=(string)wide, "
                                                   "surprise=(structure)\"a, b=(int)1;\"");
  g_autoptr (GstCaps) expected = gst_caps_from_string ("video/x-h264, alignment=(string)au");
  WorkerMessage in = {WORKER_CAPS, .caps = {.track = 1, .caps = caps}};
  g_auto (WorkerMessage) out = {0};
  round_trip (&in, frame, &out);
  g_assert_cmpuint (out.caps.track, ==, 1);
  g_assert_true (gst_caps_is_equal (out.caps.caps, expected));

  g_autoptr (GByteArray) unknown = g_byte_array_new ();
  g_autoptr (GstCaps) theora = gst_caps_from_string ("video/x-theora");
  in.caps.caps = theora;
  worker_message_append (&in, unknown);
  g_auto (WorkerMessage) refused = {0};
  g_autoptr (GError) error = NULL;
  g_assert_false (worker_message_parse (WORKER_CAPS, unknown->data + WORKER_FRAME_HEADER_BYTES,
                                        unknown->len - WORKER_FRAME_HEADER_BYTES, &refused, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL);
}

static void
test_texts_are_cut_and_mended (void)
{
  g_autofree char *text = g_strnfill (2 * WORKER_TEXT_BYTES_MAX, 'x');
  memcpy (text, "a\xff", 2);
  memcpy (text + WORKER_TEXT_BYTES_MAX - 4, "\xe2\x82\xac",
          3); /* a character across the bound, once \xff is three */
  g_autoptr (GByteArray) frame = g_byte_array_new ();
  WorkerMessage in = {WORKER_FAILED, .failed = {SLUICE_ERROR_NOT_FOUND, text}};
  g_auto (WorkerMessage) out = {0};
  round_trip (&in, frame, &out);
  g_assert_cmpint (out.failed.code, ==, SLUICE_ERROR_NOT_FOUND);
  g_assert_cmpuint (strlen (out.failed.text), <, WORKER_TEXT_BYTES_MAX);
  g_assert_cmpuint (strlen (out.failed.text), >, WORKER_TEXT_BYTES_MAX - 5);
  g_assert_true (g_utf8_validate (out.failed.text, -1, NULL));
}

static void
test_commands_survive (void)
{
  g_autoptr (GByteArray) frame = g_byte_array_new ();
  WorkerMessage in = {
      WORKER_OPEN, .open = {.url = "test:", .loop = true, .connect_timeout_ms = 5000, .memory = 1ull << 32}};
  g_auto (WorkerMessage) out = {0};
  round_trip (&in, frame, &out);
  g_assert_cmpstr (out.open.url, ==, "test:");
  g_assert_true (out.open.loop);
  g_assert_false (out.open.tls_verify);
  g_assert_cmpuint (out.open.connect_timeout_ms, ==, 5000);
  g_assert_cmpuint (out.open.memory, ==, 1ull << 32);
  g_assert_cmpstr (out.open.username, ==, "");
}

/* Every prefix of a good body and every body with a byte too many is refused. */
static void
test_wrong_lengths_are_refused (void)
{
  g_autoptr (GstCaps) caps = make_h264_caps ();
  const WorkerMessage messages[] = {
      {WORKER_HELLO, .hello = {WORKER_PROTOCOL_VERSION, "1.22.0"}},
      {WORKER_TRACKS, .tracks = {.n = 2, .caps = {caps, caps}}},
      {WORKER_UNIT_SHARED,
       .unit = {.pts = 1, .dts = 1, .duration = 1, .captured_us = 1, .n_bytes = 100000, .slot = 3}},
      {WORKER_CAPS, .caps = {0, caps}},
      {WORKER_FAILED, .failed = {SLUICE_ERROR_IO, "broken"}},
      {WORKER_PROGRESS, .step = WORKER_STEP_CONNECTING},
      {WORKER_HEARTBEAT, .heartbeat = {.units = 7}},
      {WORKER_OPEN, .open = {.url = "test:"}},
      {WORKER_KEYFRAME, .track = 1},
      {WORKER_RELEASE, .slot = 1},
  };
  for (guint i = 0; i < G_N_ELEMENTS (messages); i++) {
    g_autoptr (GByteArray) frame = g_byte_array_new ();
    worker_message_append (&messages[i], frame);
    size_t whole = frame->len - WORKER_FRAME_HEADER_BYTES;
    g_byte_array_append (frame, (const uint8_t *)"x", 1);
    for (size_t n_bytes = 0; n_bytes <= whole + 1; n_bytes++) {
      g_autofree uint8_t *body = g_memdup2 (frame->data + WORKER_FRAME_HEADER_BYTES, n_bytes);
      g_auto (WorkerMessage) out = {0};
      g_assert_cmpint (worker_message_parse (messages[i].type, body, n_bytes, &out, NULL), ==,
                       n_bytes == whole);
    }
  }
}

static void
test_wild_units_are_refused (void)
{
  static const WorkerUnit units[] = {
      {.track = WORKER_TRACKS_MAX, .n_bytes = 1},
      {.flags = 4, .n_bytes = 1},
      {.pts = -1, .n_bytes = 1},
      {.pts = WORKER_TIME_MAX, .n_bytes = 1},
      {.dts = G_MININT64, .n_bytes = 1},
      {.duration = -2, .n_bytes = 1},
      {.slot = WORKER_ARENA_SLOTS, .n_bytes = 1},
      {.n_bytes = WORKER_ARENA_SLOT_BYTES + 1},
      {.n_bytes = 0},
  };
  for (guint i = 0; i < G_N_ELEMENTS (units); i++) {
    g_autoptr (GByteArray) frame = g_byte_array_new ();
    WorkerMessage in = {WORKER_UNIT_SHARED, .unit = units[i]};
    worker_message_append (&in, frame);
    g_auto (WorkerMessage) out = {0};
    g_assert_false (worker_message_parse (WORKER_UNIT_SHARED, frame->data + WORKER_FRAME_HEADER_BYTES,
                                          frame->len - WORKER_FRAME_HEADER_BYTES, &out, NULL));
  }
}

static void
test_frames_are_bounded (void)
{
  g_autoptr (GError) error = NULL;
  uint16_t type;
  size_t n_bytes;
  uint32_t header[2] = {WORKER_MESSAGE_BYTES_MAX, WORKER_UNIT};
  const uint8_t *bytes = (const uint8_t *)header;
  for (size_t n = 0; n < WORKER_FRAME_HEADER_BYTES; n++)
    g_assert_cmpint (worker_frame_peek (bytes, n, &type, &n_bytes, NULL), ==, 0);
  g_assert_cmpint (worker_frame_peek (bytes, sizeof header, &type, &n_bytes, NULL), ==, 1);
  header[0]++;
  g_assert_cmpint (worker_frame_peek (bytes, sizeof header, &type, &n_bytes, &error), ==, -1);
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL);
  header[0] = 1;
  header[1] = 0x10000;
  g_assert_cmpint (worker_frame_peek (bytes, sizeof header, &type, &n_bytes, NULL), ==, -1);
}

int
main (int argc, char **argv)
{
  gst_init (NULL, NULL);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/protocol/unit-survives", test_unit_survives);
  g_test_add_func ("/worker/protocol/caps-survive", test_caps_survive);
  g_test_add_func ("/worker/protocol/caps-are-filtered", test_caps_are_filtered);
  g_test_add_func ("/worker/protocol/texts-are-cut-and-mended", test_texts_are_cut_and_mended);
  g_test_add_func ("/worker/protocol/commands-survive", test_commands_survive);
  g_test_add_func ("/worker/protocol/wrong-lengths-are-refused", test_wrong_lengths_are_refused);
  g_test_add_func ("/worker/protocol/wild-units-are-refused", test_wild_units_are_refused);
  g_test_add_func ("/worker/protocol/frames-are-bounded", test_frames_are_bounded);
  return g_test_run ();
}
