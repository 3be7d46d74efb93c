/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/histogram.h"

static void
test_empty (void)
{
  g_autoptr (BenchHistogram) histogram = bench_histogram_new ();
  g_assert_cmpint (bench_histogram_quantile (histogram, 0.5), ==, -1);
  g_assert_cmpint (bench_histogram_quantile (histogram, 1), ==, -1);
}

/* 1 to 1000: quantiles are known, and never too low nor more than 1/64 too high. */
static void
test_quantiles (void)
{
  static const struct {
    double quantile;
    int64_t exact;
  } rows[] = {{0, 1}, {0.01, 10}, {0.05, 50}, {0.5, 500}, {0.9, 900}, {0.99, 990}, {1, 1000}};
  g_autoptr (BenchHistogram) histogram = bench_histogram_new ();
  for (int64_t us = 1000; us >= 1; us--)
    bench_histogram_add (histogram, us);
  g_assert_cmpuint (bench_histogram_count (histogram), ==, 1000);
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    int64_t us = bench_histogram_quantile (histogram, rows[i].quantile);
    g_assert_cmpint (us, >=, rows[i].exact);
    g_assert_cmpint (us, <=, rows[i].exact + rows[i].exact / 64);
  }
  bench_histogram_clear (histogram);
  g_assert_cmpint (bench_histogram_quantile (histogram, 1), ==, -1);
}

static void
test_each_size (void)
{
  for (unsigned bit = 0; bit < 63; bit++) {
    for (int64_t off = -1; off <= 1; off++) {
      int64_t us = (int64_t)((uint64_t)1 << bit) + off;
      g_autoptr (BenchHistogram) histogram = bench_histogram_new ();
      bench_histogram_add (histogram, us);
      g_assert_cmpint (bench_histogram_quantile (histogram, 0.5), ==, us);
    }
  }
  g_autoptr (BenchHistogram) histogram = bench_histogram_new ();
  bench_histogram_add (histogram, -5);
  g_assert_cmpint (bench_histogram_quantile (histogram, 1), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bench/histogram/empty", test_empty);
  g_test_add_func ("/bench/histogram/quantiles", test_quantiles);
  g_test_add_func ("/bench/histogram/each-size", test_each_size);
  return g_test_run ();
}
