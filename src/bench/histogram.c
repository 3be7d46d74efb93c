/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets of equal width below 64, then 64 of them for each power of two. */
#include "bench/histogram.h"

#include <math.h>
#include <string.h>

enum {
  STEP_BITS = 6,
  STEPS = 1 << STEP_BITS,
  POWERS = 36, /* up to 2^41 us: 25 days */
};

struct BenchHistogram {
  uint64_t buckets[(POWERS + 1) * STEPS];
  uint64_t count;
  int64_t max;
};

BenchHistogram *
bench_histogram_new (void)
{
  return g_new0 (BenchHistogram, 1);
}

void
bench_histogram_free (BenchHistogram *histogram)
{
  g_free (histogram);
}

static unsigned
bucket_of (uint64_t us)
{
  if (us < STEPS)
    return (unsigned)us;
  unsigned power = g_bit_storage (us) - 1 - STEP_BITS;
  if (power >= POWERS)
    return (POWERS + 1) * STEPS - 1;
  return (power + 1) * STEPS + (unsigned)((us >> power) - STEPS);
}

/* The largest value that goes into it. */
static int64_t
bucket_end (unsigned bucket)
{
  if (bucket < STEPS)
    return bucket;
  unsigned power = bucket / STEPS - 1;
  return ((int64_t)(STEPS + bucket % STEPS + 1) << power) - 1;
}

void
bench_histogram_add (BenchHistogram *histogram, int64_t us)
{
  us = MAX (us, 0);
  histogram->buckets[bucket_of ((uint64_t)us)]++;
  histogram->count++;
  histogram->max = MAX (histogram->max, us);
}

void
bench_histogram_clear (BenchHistogram *histogram)
{
  memset (histogram, 0, sizeof *histogram);
}

uint64_t
bench_histogram_count (const BenchHistogram *histogram)
{
  return histogram->count;
}

int64_t
bench_histogram_quantile (const BenchHistogram *histogram, double quantile)
{
  if (histogram->count == 0)
    return -1;
  uint64_t rank = (uint64_t)ceil (CLAMP (quantile, 0, 1) * (double)histogram->count);
  uint64_t seen = 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (histogram->buckets); i++) {
    seen += histogram->buckets[i];
    if (seen >= MAX (rank, 1))
      return i + 1 < G_N_ELEMENTS (histogram->buckets) ? MIN (bucket_end (i), histogram->max)
                                                       : histogram->max;
  }
  return histogram->max;
}
