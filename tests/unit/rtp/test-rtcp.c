/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/rtcp.h"

#include <string.h>

static void
test_ntp (void)
{
  static const struct {
    int64_t unix_us;
    uint64_t ntp;
  } rows[] = {
      {0, 2208988800ull << 32},
      {500000, 2208988800ull << 32 | 0x80000000u},
      {-500000, 2208988799ull << 32 | 0x80000000u},
      {1700000000000000, 3908988800ull << 32},
      /* 2036-02-07T06:28:16Z: the second era begins. */
      {2085978496000000, 0},
      {2085978496250000, 0x40000000},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_assert_cmphex (rtcp_ntp_from_unix_us (rows[i].unix_us), ==, rows[i].ntp);
    g_assert_cmpint (rtcp_ntp_to_unix_us (rows[i].ntp), ==, rows[i].unix_us);
  }
  for (int64_t us = 1699999999999000; us < 1700000000001000; us++)
    g_assert_cmpint (rtcp_ntp_to_unix_us (rtcp_ntp_from_unix_us (us)), ==, us);
  g_assert_cmpint (rtcp_ntp_to_unix_us (0xffffffffffffffffull), ==, 2085978496000000);
}

static void
test_sender_report_comes_back (void)
{
  uint8_t bytes[RTCP_BUILD_BYTES];
  RtcpSenderInfo info = {rtcp_ntp_from_unix_us (1700000000123456), 90000, 12, 3456};
  RtcpReportBlock blocks[] = {{7, 64, -5, 0x10002, 33, 0xaabbccdd, 65536}, {8, 0, 0x7fffff, 5, 6, 0, 0}};
  size_t n = rtcp_build_sender_report (bytes, 0x01020304, &info, blocks, 2, "camera@host");
  g_assert_cmpuint (n % 4, ==, 0);
  RtcpReader reader = {bytes, n};
  RtcpPacket packet;
  g_assert_true (rtcp_reader_next (&reader, &packet));
  g_assert_cmpint (packet.kind, ==, RTCP_SENDER_REPORT);
  g_assert_cmphex (packet.ssrc, ==, 0x01020304);
  g_assert_cmphex (packet.sender.ntp, ==, info.ntp);
  g_assert_cmpuint (packet.sender.rtp_time, ==, 90000);
  g_assert_cmpuint (packet.sender.packets, ==, 12);
  g_assert_cmpuint (packet.sender.bytes, ==, 3456);
  g_assert_cmpuint (packet.n_blocks, ==, 2);
  for (unsigned i = 0; i < 2; i++) {
    g_assert_cmpuint (packet.blocks[i].ssrc, ==, blocks[i].ssrc);
    g_assert_cmpuint (packet.blocks[i].fraction_lost, ==, blocks[i].fraction_lost);
    g_assert_cmpint (packet.blocks[i].cumulative_lost, ==, blocks[i].cumulative_lost);
    g_assert_cmphex (packet.blocks[i].highest_sequence, ==, blocks[i].highest_sequence);
    g_assert_cmpuint (packet.blocks[i].jitter, ==, blocks[i].jitter);
    g_assert_cmphex (packet.blocks[i].lsr, ==, blocks[i].lsr);
    g_assert_cmpuint (packet.blocks[i].delay_lsr, ==, blocks[i].delay_lsr);
  }
  g_assert_true (rtcp_reader_next (&reader, &packet));
  g_assert_cmpint (packet.kind, ==, RTCP_SDES);
  g_assert_cmphex (packet.ssrc, ==, 0x01020304);
  g_assert_false (rtcp_reader_next (&reader, &packet));
  g_assert_cmpuint (reader.n_bytes, ==, 0);
}

/* Bytes written out by hand from RFC 3550 §6.4.2 and §6.5. */
static void
test_receiver_report_bytes (void)
{
  static const uint8_t expected[] = {
      0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 202, 0, 3, 0, 0, 0, 9, 1, 3, 'a', 'b', 'c', 0, 0, 0,
  };
  uint8_t bytes[RTCP_BUILD_BYTES];
  size_t n = rtcp_build_receiver_report (bytes, 9, NULL, 0, "abc");
  g_assert_cmpmem (bytes, n, expected, sizeof expected);
  /* The list of items ends with at least one NUL, also where it would end at a boundary. */
  n = rtcp_build_receiver_report (bytes, 9, NULL, 0, "ab");
  g_assert_cmpuint (n, ==, 8 + 8 + 8);
}

static void
test_feedback (void)
{
  uint8_t bytes[RTCP_BUILD_BYTES];
  RtcpPacket packet;
  RtcpReader reader = {bytes, rtcp_build_pli (bytes, 1, 2, "x")};
  g_assert_true (rtcp_reader_next (&reader, &packet));
  g_assert_true (rtcp_reader_next (&reader, &packet));
  g_assert_true (rtcp_reader_next (&reader, &packet));
  g_assert_cmpint (packet.kind, ==, RTCP_PLI);
  g_assert_cmpuint (packet.ssrc, ==, 1);
  g_assert_cmpuint (packet.media_ssrc, ==, 2);
  reader = (RtcpReader){bytes, rtcp_build_bye (bytes, 5, "x")};
  for (unsigned i = 0; i < 3; i++)
    g_assert_true (rtcp_reader_next (&reader, &packet));
  g_assert_cmpint (packet.kind, ==, RTCP_BYE);
  g_assert_cmpuint (packet.ssrc, ==, 5);
  static const uint8_t nack[] = {0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 10, 0x80, 1, 0xff, 0xff, 0, 0};
  reader = (RtcpReader){nack, sizeof nack};
  g_assert_true (rtcp_reader_next (&reader, &packet));
  g_assert_cmpint (packet.kind, ==, RTCP_NACK);
  g_assert_cmpuint (packet.n_nacks, ==, 2);
  g_assert_cmpuint (packet.nacks[0].sequence, ==, 10);
  g_assert_cmphex (packet.nacks[0].following, ==, 0x8001);
  g_assert_cmpuint (packet.nacks[1].sequence, ==, 65535);
  static const uint8_t fir[] = {0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 3, 0, 0, 0};
  reader = (RtcpReader){fir, sizeof fir};
  g_assert_true (rtcp_reader_next (&reader, &packet));
  g_assert_cmpint (packet.kind, ==, RTCP_FIR);
  g_assert_cmpuint (packet.media_ssrc, ==, 7);
}

static void
test_malformed (void)
{
  static const struct {
    const char *what;
    uint8_t bytes[32];
    size_t n_bytes;
  } rows[] = {
      {"nothing", {0}, 0},
      {"three bytes", {0x80, 201, 0}, 3},
      {"version 1", {0x40, 201, 0, 1, 0, 0, 0, 9}, 8},
      {"not RTCP", {0x80, 96, 0, 1, 0, 0, 0, 9}, 8},
      {"longer than it is", {0x80, 201, 0, 2, 0, 0, 0, 9}, 8},
      {"a block that is not there", {0x81, 201, 0, 1, 0, 0, 0, 9}, 8},
      {"sender report without information", {0x80, 200, 0, 1, 0, 0, 0, 9}, 8},
      {"padding of nothing", {0xa0, 201, 0, 1, 0, 0, 0, 0}, 8},
      {"padding longer than the packet", {0xa0, 201, 0, 1, 0, 0, 0, 9}, 8},
      {"padding in the middle", {0xa0, 201, 0, 2, 0, 0, 0, 9, 0, 0, 0, 4, 0x80, 201, 0, 1, 0, 0, 0, 9}, 20},
      {"bye without its source", {0x81, 203, 0, 0}, 4},
      {"feedback without media", {0x81, 206, 0, 1, 0, 0, 0, 9}, 8},
      {"FIR without entry", {0x84, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0}, 12},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s", rows[i].what);
    g_autofree uint8_t *exact = g_memdup2 (rows[i].bytes, rows[i].n_bytes);
    RtcpReader reader = {exact, rows[i].n_bytes};
    RtcpPacket packet;
    g_assert_false (rtcp_reader_next (&reader, &packet));
    g_assert_cmpuint (reader.n_bytes, ==, rows[i].n_bytes);
  }
}

static void
feed (RtcpReceiver *receiver, unsigned from, unsigned to)
{
  for (unsigned i = from; i < to; i++)
    rtcp_receiver_packet (receiver, 1, (uint16_t)i, i * 3000, (int64_t)i * 33333);
}

static void
test_receiver_counts_losses (void)
{
  RtcpReceiver receiver;
  RtcpReportBlock block;
  rtcp_receiver_init (&receiver, 90000);
  g_assert_false (rtcp_receiver_report (&receiver, 0, &block));
  feed (&receiver, 65500, 65600);
  g_assert_true (rtcp_receiver_report (&receiver, 0, &block));
  g_assert_cmpuint (block.fraction_lost, ==, 0);
  g_assert_cmpuint (block.highest_sequence, ==, 65599);
  feed (&receiver, 65610, 65640);
  g_assert_true (rtcp_receiver_report (&receiver, 0, &block));
  /* 10 of 40. */
  g_assert_cmpuint (block.fraction_lost, ==, 64);
  g_assert_cmpint (block.cumulative_lost, ==, 10);
  g_assert_cmpint (rtcp_receiver_lost (&receiver), ==, 10);
  /* Late ones are not lost; doubled ones make it negative. */
  feed (&receiver, 65600, 65610);
  feed (&receiver, 65638, 65640);
  g_assert_true (rtcp_receiver_report (&receiver, 0, &block));
  g_assert_cmpint (block.cumulative_lost, ==, -2);
  g_assert_cmpuint (block.fraction_lost, ==, 0);
}

static void
test_receiver_starts_anew (void)
{
  RtcpReceiver receiver;
  rtcp_receiver_init (&receiver, 90000);
  feed (&receiver, 100, 200);
  /* One stray packet is nothing. */
  rtcp_receiver_packet (&receiver, 1, 30000, 0, 0);
  feed (&receiver, 200, 300);
  g_assert_cmpint (rtcp_receiver_lost (&receiver), ==, 0);
  g_assert_cmpuint (receiver.received, ==, 200);
  /* Two in a row are a new start. */
  feed (&receiver, 30000, 30010);
  g_assert_cmpint (rtcp_receiver_lost (&receiver), ==, 0);
  g_assert_cmpuint (receiver.received, ==, 9);
  rtcp_receiver_packet (&receiver, 2, 7, 0, 0);
  g_assert_cmpuint (receiver.received, ==, 1);
}

static void
test_receiver_jitter (void)
{
  RtcpReceiver receiver;
  RtcpReportBlock block;
  rtcp_receiver_init (&receiver, 90000);
  /* Every other packet is 10 ms late: the transit time differs by 900 ticks each time. */
  for (unsigned i = 0; i < 500; i++)
    rtcp_receiver_packet (&receiver, 1, (uint16_t)i, i * 3600u + 0xfffff000u,
                          (int64_t)i * 40000 + (i % 2 ? 10000 : 0));
  g_assert_true (rtcp_receiver_report (&receiver, 0, &block));
  g_assert_cmpuint (block.jitter, >=, 890);
  g_assert_cmpuint (block.jitter, <=, 901);
}

static void
test_receiver_delay_since_report (void)
{
  RtcpReceiver receiver;
  RtcpReportBlock block;
  rtcp_receiver_init (&receiver, 90000);
  feed (&receiver, 0, 2);
  g_assert_true (rtcp_receiver_report (&receiver, 5000000, &block));
  g_assert_cmpuint (block.lsr, ==, 0);
  g_assert_cmpuint (block.delay_lsr, ==, 0);
  rtcp_receiver_sender_report (&receiver, 0x1122334455667788ull, 5000000);
  g_assert_true (rtcp_receiver_report (&receiver, 6500000, &block));
  g_assert_cmphex (block.lsr, ==, 0x33445566);
  g_assert_cmpuint (block.delay_lsr, ==, 98304);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtp/rtcp/ntp", test_ntp);
  g_test_add_func ("/rtp/rtcp/sender-report-comes-back", test_sender_report_comes_back);
  g_test_add_func ("/rtp/rtcp/receiver-report-bytes", test_receiver_report_bytes);
  g_test_add_func ("/rtp/rtcp/feedback", test_feedback);
  g_test_add_func ("/rtp/rtcp/malformed", test_malformed);
  g_test_add_func ("/rtp/rtcp/receiver-counts-losses", test_receiver_counts_losses);
  g_test_add_func ("/rtp/rtcp/receiver-starts-anew", test_receiver_starts_anew);
  g_test_add_func ("/rtp/rtcp/receiver-jitter", test_receiver_jitter);
  g_test_add_func ("/rtp/rtcp/receiver-delay-since-report", test_receiver_delay_since_report);
  return g_test_run ();
}
