/* SPDX-License-Identifier: Apache-2.0 */
/* What one reader got: packets, loss by gaps in the sequence numbers, frames and their time under way, from
 * the send time that bench/stamp.h put in. Embed the struct. One thread. */
#pragma once

#include "bench/histogram.h"

#include <stdbool.h>

typedef struct {
  uint64_t packets, bytes, frames; /* whole RTP packets count */
  int64_t lost;                    /* below 0: duplicates */
} BenchReceived;

typedef struct {
  BenchHistogram *latency; /* the caller's; NULL: not now */
  uint64_t first_frame_ns; /* when it was whole; 0 not yet */
  uint64_t first_key_ns;
  /*< private >*/
  BenchReceived total, mark;
  bool begun, key_seen;
  uint32_t ssrc;
  uint16_t first_sequence;
  uint32_t highest; /* extended by its rounds (RFC 3550 §A.1) */
  uint64_t received;
  int64_t lost_before; /* of sequences that have ended */
  uint64_t sent_ns;    /* of the frame that is coming in; 0 unknown */
} BenchReception;

/* One RTP packet of H.264; one that makes no sense is left out. */
void bench_reception_add (BenchReception *reception, const uint8_t *packet, size_t n_bytes, uint64_t now_ns);
/* bench_reception_since_mark() counts from here. */
void bench_reception_mark (BenchReception *reception);
void bench_reception_since_mark (const BenchReception *reception, BenchReceived *ret);
