/* SPDX-License-Identifier: Apache-2.0 */
/* A bad network on demand, for what one sender sends. Chances are the same in each run: they come from a
 * seed. On one thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
  double drop, reorder, duplicate, garbage; /* percent of the packets */
  int delay_ms, jitter_ms;
  double stall_after, close_after; /* seconds of playing; 0 never */
} BenchImpairments;

/* NULL when all is in range; else what is not. Static. */
const char *bench_impairments_problem (const BenchImpairments *impairments);
/* Whether packets need a BenchImpairer. */
bool bench_impairments_touch_packets (const BenchImpairments *impairments);

typedef void (*BenchImpairFunc) (void *data, const uint8_t *packet, size_t n_bytes);
typedef struct BenchImpairer BenchImpairer;

/* What is to be sent comes out of @func, in its time. @impairments must stay. */
BenchImpairer *bench_impairer_new (const BenchImpairments *impairments, uint64_t seed, BenchImpairFunc func,
                                   void *data);
void bench_impairer_free (BenchImpairer *impairer); /* NULL-safe; what waits is lost */
void bench_impairer_push (BenchImpairer *impairer, const uint8_t *bytes, size_t n_bytes, int64_t now_us);
/* Sends what is due; call it every few milliseconds. */
void bench_impairer_run (BenchImpairer *impairer, int64_t now_us);
