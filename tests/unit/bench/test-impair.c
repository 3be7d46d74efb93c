/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/impair.h"

#include <math.h>
#include <string.h>

enum { PACKETS = 10000 };

typedef struct {
  unsigned n, n_garbage, n_backward;
  int last;
} Out;

static void
on_packet (void *data, const uint8_t *packet, size_t n_bytes)
{
  Out *out = data;
  int number = packet[0] << 8 | packet[1];
  g_assert_cmpuint (n_bytes, ==, 8);
  out->n++;
  if (memcmp (packet + 2, "media!", 6) != 0)
    out->n_garbage++;
  else if (number < out->last)
    out->n_backward++;
  else
    out->last = number;
}

/* One packet a millisecond, then time enough for all that waits. */
static Out
play (const BenchImpairments *impairments)
{
  Out out = {0};
  BenchImpairer *impairer = bench_impairer_new (impairments, 1, on_packet, &out);
  for (int i = 0; i < PACKETS; i++) {
    const uint8_t packet[8] = {(uint8_t)(i >> 8), (uint8_t)i, 'm', 'e', 'd', 'i', 'a', '!'};
    bench_impairer_push (impairer, packet, sizeof packet, i * 1000);
  }
  bench_impairer_run (impairer, (int64_t)PACKETS * 2000);
  bench_impairer_free (impairer);
  return out;
}

static void
test_chances (void)
{
  static const struct {
    BenchImpairments impairments;
    unsigned n_min, n_max, garbage_min, garbage_max, backward_min, backward_max;
  } rows[] = {
      {{0}, PACKETS, PACKETS, 0, 0, 0, 0},
      {{.delay_ms = 50}, PACKETS, PACKETS, 0, 0, 0, 0},
      {{.drop = 10}, 8800, 9200, 0, 0, 0, 0},
      {{.drop = 100}, 0, 0, 0, 0, 0, 0},
      {{.duplicate = 10}, 10800, 11200, 0, 0, 0, 0},
      {{.garbage = 10}, PACKETS, PACKETS, 800, 1200, 0, 0},
      {{.reorder = 10}, PACKETS, PACKETS, 0, 0, 800, 1200},
      {{.jitter_ms = 20}, PACKETS, PACKETS, 0, 0, 1000, PACKETS},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("row %u", i);
    g_assert_null (bench_impairments_problem (&rows[i].impairments));
    g_assert_true (bench_impairments_touch_packets (&rows[i].impairments) == (i > 0));
    Out out = play (&rows[i].impairments);
    g_assert_cmpuint (out.n, >=, rows[i].n_min);
    g_assert_cmpuint (out.n, <=, rows[i].n_max);
    g_assert_cmpuint (out.n_garbage, >=, rows[i].garbage_min);
    g_assert_cmpuint (out.n_garbage, <=, rows[i].garbage_max);
    g_assert_cmpuint (out.n_backward, >=, rows[i].backward_min);
    g_assert_cmpuint (out.n_backward, <=, rows[i].backward_max);
  }
}

static void
test_ranges (void)
{
  static const BenchImpairments bad[] = {{.drop = -1},         {.garbage = 100.1},   {.reorder = NAN},
                                         {.delay_ms = -1},     {.jitter_ms = 10001}, {.stall_after = -1},
                                         {.close_after = NAN}, {.duplicate = 1000}};
  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_nonnull (bench_impairments_problem (&bad[i]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bench/impair/chances", test_chances);
  g_test_add_func ("/bench/impair/ranges", test_ranges);
  return g_test_run ();
}
