/* SPDX-License-Identifier: Apache-2.0 */
/* RTCP (RFC 3550 §6, feedback of RFC 4585 and RFC 5104): reading compound packets from untrusted bytes,
 * writing our own, and the receiver's statistics of RFC 3550 appendix A. Plain values without ownership; any
 * thread, one at a time. Nothing here allocates or fails loudly: what is malformed is not returned. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
  RTCP_MAX_BLOCKS = 31, /* report blocks of one packet: a five-bit count */
  RTCP_MAX_NACKS = 64,  /* NACK entries read of one packet; the rest is left out */
  RTCP_BUILD_BYTES =
      8 + 20 + 24 * RTCP_MAX_BLOCKS + 12 + 256, /* room that is enough for any rtcp_build_*() */
};

typedef enum {
  RTCP_SENDER_REPORT = 200,
  RTCP_RECEIVER_REPORT = 201,
  RTCP_SDES = 202,
  RTCP_BYE = 203,
  RTCP_APP = 204,
  RTCP_NACK = 205 | 1 << 8, /* transport feedback, format 1 */
  RTCP_PLI = 206 | 1 << 8,  /* payload feedback, format 1 */
  RTCP_FIR = 206 | 4 << 8,
  RTCP_OTHER = 0, /* well-formed, but nothing that we read */
} RtcpKind;

typedef struct {
  uint32_t ssrc; /* of the stream that the block is about */
  uint8_t fraction_lost;
  int32_t cumulative_lost; /* 24 bits, signed */
  uint32_t highest_sequence;
  uint32_t jitter;    /* in units of the RTP clock */
  uint32_t lsr;       /* middle 32 bits of the last sender report's NTP time; 0 none */
  uint32_t delay_lsr; /* 1/65536 s since then */
} RtcpReportBlock;

typedef struct {
  uint64_t ntp; /* 32.32 since 1900 */
  uint32_t rtp_time;
  uint32_t packets;
  uint32_t bytes; /* of payload */
} RtcpSenderInfo;

typedef struct {
  RtcpKind kind;
  uint32_t ssrc;         /* of the sender of this packet; of the first chunk or source for SDES and BYE */
  RtcpSenderInfo sender; /* RTCP_SENDER_REPORT */
  unsigned n_blocks;     /* reports */
  RtcpReportBlock blocks[RTCP_MAX_BLOCKS];
  uint32_t media_ssrc; /* NACK and PLI, and the first entry of FIR */
  unsigned n_nacks;
  struct {
    uint16_t sequence;
    uint16_t following; /* bit n: sequence + n + 1 is missing, too */
  } nacks[RTCP_MAX_NACKS];
} RtcpPacket;

/* A walk over a compound packet. Packets behind a malformed one are not reached. Reduced-size packets
 * (RFC 5506) are fine. */
typedef struct {
  const uint8_t *bytes;
  size_t n_bytes;
} RtcpReader;

/* False at the end or where the rest is malformed (then reader->n_bytes is not 0). */
bool rtcp_reader_next (RtcpReader *reader, RtcpPacket *ret);

/* Each writes one compound packet into @ret, which has room for RTCP_BUILD_BYTES, and returns its length.
 * @cname: at most 255 bytes count. @n_blocks: at most RTCP_MAX_BLOCKS count. */
size_t rtcp_build_sender_report (uint8_t *ret, uint32_t ssrc, const RtcpSenderInfo *info,
                                 const RtcpReportBlock *blocks, unsigned n_blocks, const char *cname);
size_t rtcp_build_receiver_report (uint8_t *ret, uint32_t ssrc, const RtcpReportBlock *blocks,
                                   unsigned n_blocks, const char *cname);
/* A receiver report without blocks, then the picture loss indication (RFC 4585 §6.3.1). */
size_t rtcp_build_pli (uint8_t *ret, uint32_t ssrc, uint32_t media_ssrc, const char *cname);
/* A receiver report without blocks, then BYE. */
size_t rtcp_build_bye (uint8_t *ret, uint32_t ssrc, const char *cname);

/* NTP time (32.32 since 1900, with the second era taken as starting in 2036) and microseconds since 1970. */
uint64_t rtcp_ntp_from_unix_us (int64_t unix_us);
int64_t rtcp_ntp_to_unix_us (uint64_t ntp);

/* What a receiver knows about one stream (RFC 3550 appendix A.1, A.3, A.8). */
typedef struct {
  uint32_t clock_rate;
  uint32_t ssrc;
  bool started;
  uint16_t max_sequence;
  uint32_t cycles; /* sequence number wraps, shifted by 16 */
  uint32_t base_sequence;
  uint32_t received;
  uint32_t expected_prior;
  uint32_t received_prior;
  uint32_t bad_sequence;
  uint32_t transit;
  uint32_t jitter_q4; /* sixteenths of a clock tick */
  uint32_t lsr;
  int64_t sr_arrival_us;
} RtcpReceiver;

void rtcp_receiver_init (RtcpReceiver *receiver, uint32_t clock_rate);
/* Each RTP packet as it came, out of order and doubled ones included. @arrival_us: monotonic. Another SSRC,
 * or a jump of the sequence numbers that a second packet confirms, starts the statistics anew. */
void rtcp_receiver_packet (RtcpReceiver *receiver, uint32_t ssrc, uint16_t sequence, uint32_t rtp_time,
                           int64_t arrival_us);
void rtcp_receiver_sender_report (RtcpReceiver *receiver, uint64_t ntp, int64_t arrival_us);
/* Lost since the start; may be negative when packets came twice. */
int64_t rtcp_receiver_lost (const RtcpReceiver *receiver);
/* The block to send now; fraction_lost is counted since the last call. False before the first packet. */
bool rtcp_receiver_report (RtcpReceiver *receiver, int64_t now_us, RtcpReportBlock *ret);
