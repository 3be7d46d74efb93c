/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of bits that never reads past its end: behind it all bits are 0 and `failed` is set. For NAL units
 * it leaves out emulation prevention bytes (H.264 §7.4.1, H.265 §7.4.2) on the way. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const uint8_t *bytes;
  size_t n_bytes;
  size_t at;       /* next byte */
  unsigned zeros;  /* of the bytes just before it */
  uint8_t current; /* bits left of the last byte, at the top */
  uint8_t left;    /* how many */
  bool escaped;    /* leave out emulation prevention bytes */
  bool failed;
} BitReader;

static inline unsigned
bits_get_1 (BitReader *reader)
{
  if (reader->left == 0) {
    if (reader->escaped && reader->zeros >= 2 && reader->at < reader->n_bytes &&
        reader->bytes[reader->at] == 3) {
      reader->at++;
      reader->zeros = 0;
    }
    if (reader->at >= reader->n_bytes) {
      reader->failed = true;
      return 0;
    }
    reader->current = reader->bytes[reader->at++];
    reader->zeros = reader->current == 0 ? reader->zeros + 1 : 0;
    reader->left = 8;
  }
  unsigned bit = reader->current >> 7;
  reader->current = (uint8_t)(reader->current << 1);
  reader->left--;
  return bit;
}

/* @n: at most 32. */
static inline uint32_t
bits_get (BitReader *reader, unsigned n)
{
  uint32_t value = 0;
  while (n-- > 0 && !reader->failed)
    value = value << 1 | bits_get_1 (reader);
  return value;
}

static inline void
bits_skip (BitReader *reader, unsigned n)
{
  while (n-- > 0 && !reader->failed)
    bits_get_1 (reader);
}

/* Exp-Golomb codes, ue(v) and se(v) (H.264 §9.1). */
static inline uint32_t
bits_get_ue (BitReader *reader)
{
  unsigned zeros = 0;
  while (!reader->failed && bits_get_1 (reader) == 0)
    if (++zeros > 31)
      reader->failed = true;
  if (reader->failed)
    return 0;
  return ((uint32_t)1 << zeros) - 1 + bits_get (reader, zeros);
}

static inline int32_t
bits_get_se (BitReader *reader)
{
  uint32_t code = bits_get_ue (reader);
  return code & 1 ? (int32_t)(code / 2 + 1) : -(int32_t)(code / 2);
}
