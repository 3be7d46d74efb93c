/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/rtp_header.h"

typedef struct {
  const char *what;
  uint8_t bytes[32];
  size_t n_bytes;
  bool ok;
  unsigned offset, payload;
} Row;

#define FIXED(first, second) first, second, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8

static const Row rows[] = {
    {"bare", {FIXED (0x80, 96)}, 12, true, 12, 0},
    {"payload", {FIXED (0x80, 0xe0), 1, 2, 3}, 15, true, 12, 3},
    {"two sources", {FIXED (0x82, 96), 0, 0, 0, 1, 0, 0, 0, 2, 9}, 21, true, 20, 1},
    {"extension", {FIXED (0x90, 96), 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 9, 9}, 22, true, 20, 2},
    {"empty extension", {FIXED (0x90, 96), 0xbe, 0xde, 0, 0, 9}, 17, true, 16, 1},
    {"padding", {FIXED (0xa0, 96), 7, 0, 0, 3}, 16, true, 12, 1},
    {"all padding", {FIXED (0xa0, 96), 0, 2}, 14, true, 12, 0},
    {"short", {FIXED (0x80, 96)}, 11, false, 0, 0},
    {"version 1", {FIXED (0x40, 96)}, 12, false, 0, 0},
    {"version 3", {FIXED (0xc0, 96)}, 12, false, 0, 0},
    {"a source missing", {FIXED (0x82, 96), 0, 0, 0, 1}, 16, false, 0, 0},
    {"extension cut", {FIXED (0x90, 96), 0xbe, 0xde, 0}, 15, false, 0, 0},
    {"extension too long", {FIXED (0x90, 96), 0xbe, 0xde, 0, 2, 1, 2, 3, 4}, 20, false, 0, 0},
    {"extension far too long", {FIXED (0x90, 96), 0xbe, 0xde, 0xff, 0xff, 1}, 17, false, 0, 0},
    {"padding of 0", {FIXED (0xa0, 96), 7, 0}, 14, false, 0, 0},
    {"padding over the payload", {FIXED (0xa0, 96), 7, 3}, 14, false, 0, 0},
    {"padding without payload", {FIXED (0xa0, 96)}, 12, false, 0, 0},
};

static void
test_table (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s", rows[i].what);
    g_autofree uint8_t *exact = g_memdup2 (rows[i].bytes, rows[i].n_bytes);
    RtpHeader header;
    g_assert_true (rtp_header_parse (exact, rows[i].n_bytes, &header) == rows[i].ok);
    if (!rows[i].ok)
      continue;
    g_assert_cmpuint (header.payload_offset, ==, rows[i].offset);
    g_assert_cmpuint (header.payload_bytes, ==, rows[i].payload);
    g_assert_cmphex (header.sequence, ==, 0x1234);
    g_assert_cmphex (header.timestamp, ==, 0x01020304);
    g_assert_cmphex (header.ssrc, ==, 0x05060708);
    g_assert_cmpuint (header.payload_type, ==, 96);
    g_assert_true (header.marker == (rows[i].bytes[1] >= 0x80));
  }
}

static void
test_rewrite (void)
{
  uint8_t bytes[] = {FIXED (0x80, 0x80 | 96), 42};
  RtpHeader header;
  rtp_header_rewrite (bytes, 33, 0xfffe, 0xaabbccdd, 0x99887766);
  g_assert_true (rtp_header_parse (bytes, sizeof bytes, &header));
  g_assert_true (header.marker);
  g_assert_cmpuint (header.payload_type, ==, 33);
  g_assert_cmphex (header.sequence, ==, 0xfffe);
  g_assert_cmphex (header.timestamp, ==, 0xaabbccdd);
  g_assert_cmphex (header.ssrc, ==, 0x99887766);
  g_assert_cmpuint (bytes[0], ==, 0x80);
  g_assert_cmpuint (bytes[12], ==, 42);
}

static void
test_sequence_diff (void)
{
  g_assert_cmpint (rtp_sequence_diff (1, 65535), ==, 2);
  g_assert_cmpint (rtp_sequence_diff (65535, 1), ==, -2);
  g_assert_cmpint (rtp_sequence_diff (7, 7), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stream/rtp-header/table", test_table);
  g_test_add_func ("/stream/rtp-header/rewrite", test_rewrite);
  g_test_add_func ("/stream/rtp-header/sequence-diff", test_sequence_diff);
  return g_test_run ();
}
