/* SPDX-License-Identifier: Apache-2.0 */
/* Compound RTCP: reports that are read, written and read again are the same. */
#include "rtp/rtcp.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

static void
write_and_read (const RtcpPacket *packet)
{
  uint8_t bytes[RTCP_BUILD_BYTES];
  size_t n_bytes =
      packet->kind == RTCP_SENDER_REPORT
          ? rtcp_build_sender_report (bytes, packet->ssrc, &packet->sender, packet->blocks, packet->n_blocks,
                                      "fuzz")
          : rtcp_build_receiver_report (bytes, packet->ssrc, packet->blocks, packet->n_blocks, "fuzz");
  RtcpReader reader = {bytes, n_bytes};
  RtcpPacket again;
  g_assert_true (rtcp_reader_next (&reader, &again));
  g_assert_cmpint (again.kind, ==, packet->kind);
  g_assert_cmpuint (again.ssrc, ==, packet->ssrc);
  g_assert_cmpuint (again.n_blocks, ==, packet->n_blocks);
  g_assert_cmpint (memcmp (again.blocks, packet->blocks, packet->n_blocks * sizeof packet->blocks[0]), ==, 0);
  rtcp_ntp_to_unix_us (packet->sender.ntp);
}

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  RtcpReader reader = {bytes, n_bytes};
  RtcpPacket packet;
  while (rtcp_reader_next (&reader, &packet)) {
    g_assert_cmpuint (packet.n_blocks, <=, RTCP_MAX_BLOCKS);
    g_assert_cmpuint (packet.n_nacks, <=, RTCP_MAX_NACKS);
    if (packet.kind == RTCP_SENDER_REPORT || packet.kind == RTCP_RECEIVER_REPORT)
      write_and_read (&packet);
  }
  return 0;
}
