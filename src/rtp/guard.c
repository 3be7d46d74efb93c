/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/guard.h"

enum {
  H264_FU_A = 28,
  H264_FU_B = 29,
  H265_FU = 49,
};

bool
guard_payload (Codec codec, const uint8_t *payload, size_t n_bytes)
{
  switch (codec) {
  case CODEC_H264:
    /* rtph264depay takes the size of a fragment's headers off its length unchecked, and copies 4 GB. */
    if (n_bytes > 0 && (payload[0] & 0x1f) == H264_FU_A)
      return n_bytes > 2;
    return n_bytes > 0 && (payload[0] & 0x1f) != H264_FU_B;
  case CODEC_H265:
    /* rtph265depay does the same, and reads the two bytes of a header without looking. */
    if (n_bytes >= 2 && (payload[0] >> 1 & 0x3f) == H265_FU)
      return n_bytes > 3;
    return n_bytes > 2;
  case CODEC_MPEG4:
    /* rtpmp4vdepay takes 0 bytes out of its adapter: a critical warning. */
    return n_bytes > 0;
  default:
    return true;
  }
}
