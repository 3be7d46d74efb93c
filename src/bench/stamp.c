/* SPDX-License-Identifier: Apache-2.0 */
/* Seven bits of the time a byte, each with its top bit set: no byte is ever zero. */
#include "bench/stamp.h"

#include <string.h>
#include <time.h>

enum {
  NAL_SEI = 6,
  NAL_STAP_A = 24,
  SEI_USER_DATA_UNREGISTERED = 5,
  UUID_BYTES = 16,
  TIME_BYTES = 10,
  FILL = 0x55,
};

static const uint8_t identifier[UUID_BYTES] = {0x9c, 0x5e, 0x41, 0x7b, 0xd2, 0x0a, 0x4f, 0x36,
                                               0xa1, 0x88, 0x53, 0x6c, 0x75, 0x69, 0x63, 0x65};

size_t
bench_stamp_write_unit (uint8_t *unit, size_t n_bytes)
{
  g_return_val_if_fail (n_bytes >= BENCH_STAMP_MIN_BYTES && n_bytes <= 1400, 0);
  /* A message's size is a row of 255 and a rest (§7.3.2.3.1); around it stand NAL header, type and trailing
   * bits. */
  size_t message = n_bytes - 3;
  size_t size_bytes = 1;
  while ((message - size_bytes) / 255 + 1 > size_bytes)
    size_bytes++;
  size_t size = message - size_bytes;
  if (size / 255 + 1 < size_bytes)
    size = --size_bytes * 255 - 1;
  uint8_t *at = unit;
  *at++ = NAL_SEI;
  *at++ = SEI_USER_DATA_UNREGISTERED;
  for (size_t i = 1; i < size_bytes; i++)
    *at++ = 255;
  *at++ = (uint8_t)(size % 255);
  memset (at, FILL, size);
  memcpy (at, identifier, UUID_BYTES);
  bench_stamp_set (at + UUID_BYTES, 0);
  at += size;
  *at++ = 0x80;
  return (size_t)(at - unit);
}

static uint8_t *
find_in_unit (const uint8_t *unit, size_t n_bytes)
{
  if (n_bytes < BENCH_STAMP_MIN_BYTES || (unit[0] & 0x1f) != NAL_SEI || unit[1] != SEI_USER_DATA_UNREGISTERED)
    return NULL;
  size_t at = 2;
  while (at < n_bytes && unit[at] == 255)
    at++;
  at++;
  if (at + UUID_BYTES + TIME_BYTES > n_bytes || memcmp (unit + at, identifier, UUID_BYTES) != 0)
    return NULL;
  return (uint8_t *)unit + at + UUID_BYTES;
}

uint8_t *
bench_stamp_find (const uint8_t *payload, size_t n_bytes)
{
  if (n_bytes < 1 || (payload[0] & 0x1f) != NAL_STAP_A)
    return find_in_unit (payload, n_bytes);
  size_t at = 1;
  while (at + 2 <= n_bytes) {
    size_t size = (size_t)payload[at] << 8 | payload[at + 1];
    at += 2;
    if (size > n_bytes - at)
      return NULL;
    uint8_t *place = find_in_unit (payload + at, size);
    if (place)
      return place;
    at += size;
  }
  return NULL;
}

void
bench_stamp_set (uint8_t *place, uint64_t ns)
{
  for (unsigned i = 0; i < TIME_BYTES; i++)
    place[i] = (uint8_t)(0x80 | (ns >> (7 * i) & 0x7f));
}

uint64_t
bench_stamp_get (const uint8_t *place)
{
  uint64_t ns = 0;
  for (unsigned i = 0; i < TIME_BYTES; i++)
    ns |= (uint64_t)(place[i] & 0x7f) << (7 * i);
  return ns;
}

uint64_t
bench_now_ns (void)
{
  struct timespec now;
  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
