/* SPDX-License-Identifier: Apache-2.0 */
/* Counts times in microseconds and tells their quantiles: constant memory whatever comes, and never more than
 * 1/64 too high. Owner: one thread. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct BenchHistogram BenchHistogram;

BenchHistogram *bench_histogram_new (void);
void bench_histogram_free (BenchHistogram *histogram); /* NULL-safe */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BenchHistogram, bench_histogram_free)

/* Below 0 counts as 0. */
void bench_histogram_add (BenchHistogram *histogram, int64_t us);
void bench_histogram_clear (BenchHistogram *histogram);
uint64_t bench_histogram_count (const BenchHistogram *histogram);

/* The value that @quantile (0 to 1) of all are at or below; 1: exactly the largest one. -1 when there are
 * none. */
int64_t bench_histogram_quantile (const BenchHistogram *histogram, double quantile);
