/* SPDX-License-Identifier: Apache-2.0 */
/* RTCP: compound packets in and out, and the arithmetic of RFC 3550 appendix A. */
#include "rtp/rtcp.h"

#include <string.h>

enum {
  VERSION = 2,
  HEADER_BYTES = 4,
  BLOCK_BYTES = 24,
  SENDER_INFO_BYTES = 20,
  CNAME_MAX = 255,
  SDES_CNAME = 1,
  TYPE_TRANSPORT_FEEDBACK = 205,
  TYPE_PAYLOAD_FEEDBACK = 206,
  FIRST_TYPE = 192,
  LAST_TYPE = 223,
};

/* RFC 3550 appendix A.1. */
enum {
  MAX_DROPOUT = 3000,
  MAX_MISORDER = 100,
  SEQUENCE_MODULUS = 1 << 16,
  BAD_SEQUENCE_NONE = SEQUENCE_MODULUS + 1,
};

#define UNIX_TO_NTP_S G_GUINT64_CONSTANT (2208988800)

static uint32_t
read_16 (const uint8_t *p)
{
  return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t
read_32 (const uint8_t *p)
{
  return read_16 (p) << 16 | read_16 (p + 2);
}

static uint8_t *
put_16 (uint8_t *p, uint32_t value)
{
  p[0] = value >> 8 & 0xff;
  p[1] = value & 0xff;
  return p + 2;
}

static uint8_t *
put_32 (uint8_t *p, uint32_t value)
{
  return put_16 (put_16 (p, value >> 16), value & 0xffff);
}

static void
read_block (const uint8_t *p, RtcpReportBlock *ret)
{
  uint32_t lost = read_32 (p + 4);
  ret->ssrc = read_32 (p);
  ret->fraction_lost = (uint8_t)(lost >> 24);
  ret->cumulative_lost = (int32_t)(lost << 8) >> 8;
  ret->highest_sequence = read_32 (p + 8);
  ret->jitter = read_32 (p + 12);
  ret->lsr = read_32 (p + 16);
  ret->delay_lsr = read_32 (p + 20);
}

/* @body: behind the sender's SSRC and information. */
static bool
read_blocks (const uint8_t *body, size_t n_bytes, unsigned count, RtcpPacket *ret)
{
  if (n_bytes < (size_t)count * BLOCK_BYTES)
    return false;
  ret->n_blocks = count;
  for (unsigned i = 0; i < count; i++)
    read_block (body + i * BLOCK_BYTES, &ret->blocks[i]);
  return true;
}

static bool
read_sender_report (const uint8_t *body, size_t n_bytes, unsigned count, RtcpPacket *ret)
{
  if (n_bytes < 4 + SENDER_INFO_BYTES)
    return false;
  ret->sender.ntp = (uint64_t)read_32 (body + 4) << 32 | read_32 (body + 8);
  ret->sender.rtp_time = read_32 (body + 12);
  ret->sender.packets = read_32 (body + 16);
  ret->sender.bytes = read_32 (body + 20);
  return read_blocks (body + 4 + SENDER_INFO_BYTES, n_bytes - 4 - SENDER_INFO_BYTES, count, ret);
}

static bool
read_feedback (const uint8_t *body, size_t n_bytes, RtcpPacket *ret)
{
  if (n_bytes < 8)
    return false;
  ret->media_ssrc = read_32 (body + 4);
  body += 8;
  n_bytes -= 8;
  if (ret->kind == RTCP_NACK) {
    ret->n_nacks = (unsigned)MIN (n_bytes / 4, RTCP_MAX_NACKS);
    for (unsigned i = 0; i < ret->n_nacks; i++) {
      ret->nacks[i].sequence = (uint16_t)read_16 (body + 4 * i);
      ret->nacks[i].following = (uint16_t)read_16 (body + 4 * i + 2);
    }
  } else if (ret->kind == RTCP_FIR) {
    if (n_bytes < 8)
      return false;
    ret->media_ssrc = read_32 (body);
  }
  return true;
}

static RtcpKind
kind_of (unsigned type, unsigned count)
{
  switch (type) {
  case RTCP_SENDER_REPORT:
  case RTCP_RECEIVER_REPORT:
  case RTCP_SDES:
  case RTCP_BYE:
  case RTCP_APP:
    return (RtcpKind)type;
  case TYPE_TRANSPORT_FEEDBACK:
    return count == 1 ? RTCP_NACK : RTCP_OTHER;
  case TYPE_PAYLOAD_FEEDBACK:
    return count == 1 ? RTCP_PLI : count == 4 ? RTCP_FIR : RTCP_OTHER;
  default:
    return RTCP_OTHER;
  }
}

static bool
read_body (const uint8_t *body, size_t n_bytes, unsigned count, RtcpPacket *ret)
{
  if (n_bytes >= 4)
    ret->ssrc = read_32 (body);
  switch (ret->kind) {
  case RTCP_SENDER_REPORT:
    return read_sender_report (body, n_bytes, count, ret);
  case RTCP_RECEIVER_REPORT:
    return n_bytes >= 4 && read_blocks (body + 4, n_bytes - 4, count, ret);
  case RTCP_NACK:
  case RTCP_PLI:
  case RTCP_FIR:
    return read_feedback (body, n_bytes, ret);
  case RTCP_BYE:
    return n_bytes >= 4 * (size_t)count;
  case RTCP_SDES:
  case RTCP_APP:
  case RTCP_OTHER:
    break;
  }
  return true;
}

bool
rtcp_reader_next (RtcpReader *reader, RtcpPacket *ret)
{
  const uint8_t *p = reader->bytes;
  if (reader->n_bytes < HEADER_BYTES || p[0] >> 6 != VERSION || p[1] < FIRST_TYPE || p[1] > LAST_TYPE)
    return false;
  size_t n_bytes = 4 * ((size_t)read_16 (p + 2) + 1);
  if (n_bytes > reader->n_bytes)
    return false;
  size_t n_body = n_bytes - HEADER_BYTES;
  if (p[0] & 0x20) {
    /* Only the last packet of a compound may be padded (§6.4.1). */
    size_t padding = p[n_bytes - 1];
    if (n_bytes != reader->n_bytes || padding == 0 || padding > n_body)
      return false;
    n_body -= padding;
  }
  unsigned count = p[0] & 0x1f;
  *ret = (RtcpPacket){.kind = kind_of (p[1], count)};
  if (!read_body (p + HEADER_BYTES, n_body, count, ret))
    return false;
  reader->bytes += n_bytes;
  reader->n_bytes -= n_bytes;
  return true;
}

static uint8_t *
put_header (uint8_t *p, unsigned count, unsigned type, size_t n_bytes)
{
  p[0] = (uint8_t)(VERSION << 6 | count);
  p[1] = (uint8_t)type;
  return put_16 (p + 2, (uint32_t)(n_bytes / 4 - 1));
}

static uint8_t *
put_blocks (uint8_t *p, const RtcpReportBlock *blocks, unsigned n)
{
  for (unsigned i = 0; i < n; i++) {
    p = put_32 (p, blocks[i].ssrc);
    p = put_32 (p,
                (uint32_t)blocks[i].fraction_lost << 24 | ((uint32_t)blocks[i].cumulative_lost & 0xffffff));
    p = put_32 (p, blocks[i].highest_sequence);
    p = put_32 (p, blocks[i].jitter);
    p = put_32 (p, blocks[i].lsr);
    p = put_32 (p, blocks[i].delay_lsr);
  }
  return p;
}

/* One chunk with a CNAME; it ends with one to four NULs at a 32-bit boundary (§6.5). */
static uint8_t *
put_sdes (uint8_t *p, uint32_t ssrc, const char *cname)
{
  size_t n_cname = strnlen (cname, CNAME_MAX);
  size_t n_items = (2 + n_cname + 4) & ~(size_t)3;
  p = put_header (p, 1, RTCP_SDES, HEADER_BYTES + 4 + n_items);
  p = put_32 (p, ssrc);
  memset (p, 0, n_items);
  p[0] = SDES_CNAME;
  p[1] = (uint8_t)n_cname;
  memcpy (p + 2, cname, n_cname);
  return p + n_items;
}

static uint8_t *
put_receiver_report (uint8_t *p, uint32_t ssrc, const RtcpReportBlock *blocks, unsigned n_blocks)
{
  n_blocks = MIN (n_blocks, RTCP_MAX_BLOCKS);
  p = put_header (p, n_blocks, RTCP_RECEIVER_REPORT, HEADER_BYTES + 4 + BLOCK_BYTES * n_blocks);
  return put_blocks (put_32 (p, ssrc), blocks, n_blocks);
}

size_t
rtcp_build_sender_report (uint8_t *ret, uint32_t ssrc, const RtcpSenderInfo *info,
                          const RtcpReportBlock *blocks, unsigned n_blocks, const char *cname)
{
  n_blocks = MIN (n_blocks, RTCP_MAX_BLOCKS);
  uint8_t *p = put_header (ret, n_blocks, RTCP_SENDER_REPORT,
                           HEADER_BYTES + 4 + SENDER_INFO_BYTES + BLOCK_BYTES * n_blocks);
  p = put_32 (p, ssrc);
  p = put_32 (p, (uint32_t)(info->ntp >> 32));
  p = put_32 (p, (uint32_t)info->ntp);
  p = put_32 (p, info->rtp_time);
  p = put_32 (p, info->packets);
  p = put_32 (p, info->bytes);
  p = put_blocks (p, blocks, n_blocks);
  return (size_t)(put_sdes (p, ssrc, cname) - ret);
}

size_t
rtcp_build_receiver_report (uint8_t *ret, uint32_t ssrc, const RtcpReportBlock *blocks, unsigned n_blocks,
                            const char *cname)
{
  uint8_t *p = put_receiver_report (ret, ssrc, blocks, n_blocks);
  return (size_t)(put_sdes (p, ssrc, cname) - ret);
}

size_t
rtcp_build_pli (uint8_t *ret, uint32_t ssrc, uint32_t media_ssrc, const char *cname)
{
  uint8_t *p = put_sdes (put_receiver_report (ret, ssrc, NULL, 0), ssrc, cname);
  p = put_header (p, 1, TYPE_PAYLOAD_FEEDBACK, HEADER_BYTES + 8);
  p = put_32 (put_32 (p, ssrc), media_ssrc);
  return (size_t)(p - ret);
}

size_t
rtcp_build_bye (uint8_t *ret, uint32_t ssrc, const char *cname)
{
  uint8_t *p = put_sdes (put_receiver_report (ret, ssrc, NULL, 0), ssrc, cname);
  p = put_header (p, 1, RTCP_BYE, HEADER_BYTES + 4);
  p = put_32 (p, ssrc);
  return (size_t)(p - ret);
}

uint64_t
rtcp_ntp_from_unix_us (int64_t unix_us)
{
  int64_t seconds = unix_us / G_USEC_PER_SEC, rest = unix_us % G_USEC_PER_SEC;
  if (rest < 0) {
    rest += G_USEC_PER_SEC;
    seconds--;
  }
  return ((uint64_t)seconds + UNIX_TO_NTP_S) << 32 | ((uint64_t)rest << 32) / G_USEC_PER_SEC;
}

int64_t
rtcp_ntp_to_unix_us (uint64_t ntp)
{
  uint64_t seconds = ntp >> 32, fraction = ntp & G_MAXUINT32;
  if (seconds < G_GUINT64_CONSTANT (1) << 31)
    seconds += G_GUINT64_CONSTANT (1) << 32;
  int64_t us = (int64_t)((fraction * G_USEC_PER_SEC + (G_GUINT64_CONSTANT (1) << 31)) >> 32);
  return ((int64_t)seconds - (int64_t)UNIX_TO_NTP_S) * G_USEC_PER_SEC + us;
}

void
rtcp_receiver_init (RtcpReceiver *receiver, uint32_t clock_rate)
{
  *receiver = (RtcpReceiver){.clock_rate = clock_rate};
}

static void
start_sequence (RtcpReceiver *r, uint16_t sequence)
{
  r->base_sequence = sequence;
  r->max_sequence = sequence;
  r->bad_sequence = BAD_SEQUENCE_NONE;
  r->cycles = 0;
  r->received = 0;
  r->received_prior = 0;
  r->expected_prior = 0;
}

/* False: not counted (§A.1). */
static bool
update_sequence (RtcpReceiver *r, uint16_t sequence)
{
  uint16_t delta = (uint16_t)(sequence - r->max_sequence);
  if (delta < MAX_DROPOUT) {
    if (sequence < r->max_sequence)
      r->cycles += SEQUENCE_MODULUS;
    r->max_sequence = sequence;
  } else if (delta <= SEQUENCE_MODULUS - MAX_MISORDER) {
    if (sequence != r->bad_sequence) {
      r->bad_sequence = (sequence + 1u) & (SEQUENCE_MODULUS - 1);
      return false;
    }
    start_sequence (r, sequence);
  }
  return true;
}

void
rtcp_receiver_packet (RtcpReceiver *receiver, uint32_t ssrc, uint16_t sequence, uint32_t rtp_time,
                      int64_t arrival_us)
{
  uint32_t arrival = (uint32_t)((uint64_t)arrival_us * receiver->clock_rate / G_USEC_PER_SEC);
  uint32_t transit = arrival - rtp_time;
  if (!receiver->started || ssrc != receiver->ssrc) {
    *receiver = (RtcpReceiver){.clock_rate = receiver->clock_rate, .ssrc = ssrc, .started = true};
    start_sequence (receiver, sequence);
    receiver->received = 1;
    receiver->transit = transit;
    return;
  }
  if (!update_sequence (receiver, sequence))
    return;
  receiver->received++;
  /* §A.8; the difference is taken modulo 2^32, so that it outlives the wrap of either clock. */
  int32_t difference = (int32_t)(transit - receiver->transit);
  receiver->transit = transit;
  uint32_t distance = difference < 0 ? 0u - (uint32_t)difference : (uint32_t)difference;
  receiver->jitter_q4 += distance - ((receiver->jitter_q4 + 8) >> 4);
}

void
rtcp_receiver_sender_report (RtcpReceiver *receiver, uint64_t ntp, int64_t arrival_us)
{
  receiver->lsr = (uint32_t)(ntp >> 16);
  receiver->sr_arrival_us = arrival_us;
}

static uint32_t
highest_sequence (const RtcpReceiver *r)
{
  return r->cycles + r->max_sequence;
}

int64_t
rtcp_receiver_lost (const RtcpReceiver *receiver)
{
  if (!receiver->started)
    return 0;
  return (int64_t)(highest_sequence (receiver) - receiver->base_sequence + 1) - receiver->received;
}

bool
rtcp_receiver_report (RtcpReceiver *receiver, int64_t now_us, RtcpReportBlock *ret)
{
  if (!receiver->started)
    return false;
  uint32_t expected = highest_sequence (receiver) - receiver->base_sequence + 1;
  uint32_t expected_now = expected - receiver->expected_prior;
  int64_t lost_now = (int64_t)expected_now - (int64_t)(receiver->received - receiver->received_prior);
  receiver->expected_prior = expected;
  receiver->received_prior = receiver->received;
  *ret = (RtcpReportBlock){
      .ssrc = receiver->ssrc,
      .fraction_lost =
          expected_now == 0 || lost_now <= 0 ? 0 : (uint8_t)MIN (255, (lost_now << 8) / expected_now),
      .cumulative_lost = (int32_t)CLAMP (rtcp_receiver_lost (receiver), -0x800000, 0x7fffff),
      .highest_sequence = highest_sequence (receiver),
      .jitter = receiver->jitter_q4 >> 4,
      .lsr = receiver->lsr,
  };
  if (receiver->lsr != 0)
    ret->delay_lsr = (uint32_t)((uint64_t)MAX (0, now_us - receiver->sr_arrival_us) * 65536 / G_USEC_PER_SEC);
  return true;
}
