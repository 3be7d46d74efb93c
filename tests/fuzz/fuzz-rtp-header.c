/* SPDX-License-Identifier: Apache-2.0 */
/* RTP headers: what is accepted lies inside the packet, and survives a rewrite. */
#include "stream/rtp_header.h"

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  RtpHeader header, again;
  if (!rtp_header_parse (bytes, n_bytes, &header))
    return 0;
  g_assert_cmpuint (header.payload_offset, >=, RTP_HEADER_BYTES);
  g_assert_cmpuint ((size_t)header.payload_offset + header.payload_bytes, <=, n_bytes);
  g_autofree uint8_t *copy = g_memdup2 (bytes, n_bytes);
  rtp_header_rewrite (copy, 127, 1, 2, 3);
  g_assert_true (rtp_header_parse (copy, n_bytes, &again));
  g_assert_true (again.marker == header.marker && again.payload_type == 127 && again.sequence == 1 &&
                 again.timestamp == 2 && again.ssrc == 3);
  g_assert_true (again.payload_offset == header.payload_offset &&
                 again.payload_bytes == header.payload_bytes);
  return 0;
}
