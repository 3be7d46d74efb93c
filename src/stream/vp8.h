/* SPDX-License-Identifier: Apache-2.0 */
/* The payload descriptor of VP8 (RFC 7741), which both inspectors have to get past. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Where the VP8 payload header begins (RFC 7741 §4.2); 0 when it is cut off. */
static inline size_t
vp8_skip_descriptor (const uint8_t *payload, size_t n_bytes)
{
  size_t at = 1;
  if (payload[0] & 0x80) {
    if (n_bytes < 2)
      return 0;
    unsigned extension = payload[1];
    at = 2;
    if (extension & 0x80) {
      if (at >= n_bytes)
        return 0;
      at += payload[at] & 0x80 ? 2 : 1;
    }
    at += extension & 0x40 ? 1 : 0;
    at += extension & 0x30 ? 1 : 0;
  }
  return at < n_bytes ? at : 0;
}
