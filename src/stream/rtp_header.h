/* SPDX-License-Identifier: Apache-2.0 */
/* RTP headers (RFC 3550 §5.1) on untrusted bytes. Any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { RTP_HEADER_BYTES = 12 };

typedef struct {
  bool marker;
  uint8_t payload_type;
  uint16_t sequence;
  uint32_t timestamp;
  uint32_t ssrc;
  uint16_t payload_offset; /* behind CSRCs and extension */
  uint32_t payload_bytes;  /* without padding */
} RtpHeader;

/* False when the bytes are not one whole RTP packet of version 2. */
bool rtp_header_parse (const uint8_t *bytes, size_t n_bytes, RtpHeader *ret);

/* In place, on a packet that rtp_header_parse() accepted. */
void rtp_header_rewrite (uint8_t *bytes, uint8_t payload_type, uint16_t sequence, uint32_t timestamp,
                         uint32_t ssrc);

/* a - b in sequence-number space (RFC 1982). */
static inline int16_t
rtp_sequence_diff (uint16_t a, uint16_t b)
{
  return (int16_t)(uint16_t)(a - b);
}
