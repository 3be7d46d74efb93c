/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a VP9 payload (RFC 9628), which both inspectors have to get past. */
#pragma once

#include "stream/bits.h"

enum { VP9_DESCRIPTOR_REFERENCES_MAX = 3 };

/* Where the frame begins behind the payload descriptor (RFC 9628 §4.2); 0 when cut off. */
static inline size_t
vp9_skip_descriptor (const uint8_t *payload, size_t n_bytes)
{
  BitReader r = {.bytes = payload, .n_bytes = n_bytes};
  unsigned flags = bits_get (&r, 8);
  bool flexible = flags & 0x10, predicted = flags & 0x40;
  if ((flags & 0x80) && bits_get_1 (&r))
    bits_skip (&r, 15);
  else if (flags & 0x80)
    bits_skip (&r, 7);
  if (flags & 0x20)
    bits_skip (&r, flexible ? 8 : 16);
  if (flexible && predicted)
    for (unsigned i = 0; i < VP9_DESCRIPTOR_REFERENCES_MAX; i++)
      if (!(bits_get (&r, 8) & 1))
        break;
  if (flags & 0x02) {
    unsigned layers = bits_get (&r, 3) + 1;
    bool sizes = bits_get_1 (&r), pictures = bits_get_1 (&r);
    bits_skip (&r, 3);
    if (sizes)
      bits_skip (&r, 32 * layers);
    unsigned n = pictures ? bits_get (&r, 8) : 0;
    for (unsigned i = 0; i < n && !r.failed; i++) {
      bits_skip (&r, 4);
      unsigned references = bits_get (&r, 2);
      bits_skip (&r, 2 + 8 * references);
    }
  }
  return r.failed || r.at >= n_bytes ? 0 : r.at;
}

/* The first bits of the uncompressed header (VP9 bitstream §6.2). False when they are not there, or the frame
 * shows another one again. */
typedef struct {
  unsigned profile;
  bool key;
} Vp9FrameStart;

static inline bool
vp9_read_frame_start (BitReader *r, Vp9FrameStart *ret)
{
  if (bits_get (r, 2) != 2)
    return false;
  ret->profile = bits_get_1 (r);
  ret->profile |= bits_get_1 (r) << 1;
  if (ret->profile == 3)
    bits_get_1 (r);
  bool shows_existing = bits_get_1 (r);
  ret->key = !bits_get_1 (r);
  return !shows_existing && !r->failed;
}
