/* SPDX-License-Identifier: Apache-2.0 */
/* The reorder buffer: each four bytes are a packet (a sequence number, a step of time, an SSRC). Nothing is
 * handed on that was not pushed, nothing twice in one run, and nothing is left behind a flush. */
#include "rtp/reorder.h"

#include "stream/rtp_header.h"

enum { RECORD_BYTES = 4 };

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

typedef struct {
  const Reorder *reorder;
  uint64_t restarts;
  bool any;
  uint16_t last;
  uint32_t last_ssrc;
  unsigned out;
} Check;

static void
on_packet (void *data, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us)
{
  Check *check = data;
  RtpHeader header;
  g_assert_true (rtp_header_parse (bytes, n_bytes, &header));
  uint64_t restarts = reorder_counters (check->reorder)->restarts;
  if (check->any && restarts == check->restarts && header.ssrc == check->last_ssrc)
    g_assert_cmpint (rtp_sequence_diff (header.sequence, check->last), >, 0);
  check->any = true;
  check->last = header.sequence;
  check->last_ssrc = header.ssrc;
  check->restarts = restarts;
  check->out++;
}

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  g_autoptr (Reorder) reorder = reorder_new (20);
  Check check = {.reorder = reorder};
  int64_t now_us = 0;
  unsigned in = 0;
  for (size_t at = 0; at + RECORD_BYTES <= n_bytes; at += RECORD_BYTES) {
    /* Large now and then, for the limit of bytes held. */
    size_t n_packet = bytes[at + 3] & 0x80 ? 60000 : RTP_HEADER_BYTES;
    g_autofree uint8_t *packet = g_malloc0 (n_packet);
    packet[0] = 0x80;
    rtp_header_rewrite (packet, 96, (uint16_t)(bytes[at] << 8 | bytes[at + 1]), 0, bytes[at + 3] & 1);
    now_us += bytes[at + 2] * 100;
    g_assert_true (reorder_push (reorder, packet, n_packet, now_us, on_packet, &check));
    in++;
    reorder_flush_due (reorder, now_us, on_packet, &check);
    g_assert_cmpint (reorder_deadline_us (reorder), >, now_us);
  }
  reorder_flush (reorder, on_packet, &check);
  g_assert_cmpint (reorder_deadline_us (reorder), ==, INT64_MAX);
  const ReorderCounters *counters = reorder_counters (reorder);
  g_assert_cmpuint (check.out + counters->duplicates + counters->late, ==, in);
  return 0;
}
