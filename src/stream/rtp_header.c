/* SPDX-License-Identifier: Apache-2.0 */
/* RTP headers (RFC 3550 §5.1): checked once on the way in, rewritten once on the way out. */
#include "stream/rtp_header.h"

enum {
  RTP_VERSION = 2,
  EXTENSION_HEADER_BYTES = 4,
  PAYLOAD_OFFSET_MAX = UINT16_MAX,
};

static inline uint32_t
read_16 (const uint8_t *p)
{
  return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t
read_32 (const uint8_t *p)
{
  return read_16 (p) << 16 | read_16 (p + 2);
}

static inline void
write_16 (uint8_t *p, uint32_t value)
{
  p[0] = value >> 8 & 0xff;
  p[1] = value & 0xff;
}

static inline void
write_32 (uint8_t *p, uint32_t value)
{
  write_16 (p, value >> 16);
  write_16 (p + 2, value & 0xffff);
}

bool
rtp_header_parse (const uint8_t *bytes, size_t n_bytes, RtpHeader *ret)
{
  if (n_bytes < RTP_HEADER_BYTES || bytes[0] >> 6 != RTP_VERSION)
    return false;
  size_t offset = RTP_HEADER_BYTES + 4 * (bytes[0] & 0x0f);
  if (bytes[0] & 0x10) {
    if (n_bytes < offset + EXTENSION_HEADER_BYTES)
      return false;
    offset += EXTENSION_HEADER_BYTES + 4 * (size_t)read_16 (bytes + offset + 2);
  }
  if (offset > n_bytes || offset > PAYLOAD_OFFSET_MAX || n_bytes > UINT32_MAX)
    return false;
  size_t padding = 0;
  if (bytes[0] & 0x20) {
    padding = bytes[n_bytes - 1];
    if (padding == 0 || padding > n_bytes - offset)
      return false;
  }
  ret->marker = bytes[1] & 0x80;
  ret->payload_type = bytes[1] & 0x7f;
  ret->sequence = (uint16_t)read_16 (bytes + 2);
  ret->timestamp = read_32 (bytes + 4);
  ret->ssrc = read_32 (bytes + 8);
  ret->payload_offset = (uint16_t)offset;
  ret->payload_bytes = (uint32_t)(n_bytes - offset - padding);
  return true;
}

void
rtp_header_rewrite (uint8_t *bytes, uint8_t payload_type, uint16_t sequence, uint32_t timestamp,
                    uint32_t ssrc)
{
  bytes[1] = (bytes[1] & 0x80) | (payload_type & 0x7f);
  write_16 (bytes + 2, sequence);
  write_32 (bytes + 4, timestamp);
  write_32 (bytes + 8, ssrc);
}
