/* SPDX-License-Identifier: Apache-2.0 */
/* The send time in an SEI, and what a reader makes of packets. */
#include "bench/reception.h"

#include "bench/stamp.h"

#include <string.h>

static const uint64_t times[] = {0, 1, 0x7f, 0x80, 0x0000030000000003u, 1234567890123456789u, G_MAXUINT64};

static void
test_stamp_comes_back (void)
{
  uint8_t unit[1400];
  for (size_t n = BENCH_STAMP_MIN_BYTES; n <= sizeof unit; n++) {
    size_t size = bench_stamp_write_unit (unit, n);
    g_assert_true (size == n || size == n - 1);
    /* The size that it tells fits: header, type, size, message, trailing bits. */
    size_t at = 2, message = 0;
    while (unit[at] == 255)
      message += unit[at++];
    message += unit[at++];
    g_assert_cmpuint (at + message + 1, ==, size);
    g_assert_cmphex (unit[size - 1], ==, 0x80);
    uint8_t *place = bench_stamp_find (unit, size);
    g_assert_nonnull (place);
    for (unsigned i = 0; i < G_N_ELEMENTS (times); i++) {
      bench_stamp_set (place, times[i]);
      g_assert_cmphex (bench_stamp_get (place), ==, times[i]);
      /* Two zeros in a row would need emulation prevention. */
      g_assert_null (memmem (unit, size, "\0", 2));
    }
  }
}

static void
test_stamp_in_an_aggregate (void)
{
  uint8_t unit[64], payload[128] = {24, 0, 3, 0x67, 1, 2, 0};
  size_t n = bench_stamp_write_unit (unit, 40);
  payload[7] = (uint8_t)n;
  memcpy (payload + 8, unit, n);
  g_assert_true (bench_stamp_find (payload, 8 + n) == payload + 8 + 3 + 16);
  for (size_t cut = 0; cut < 8 + n; cut++) {
    g_autofree uint8_t *exact = g_memdup2 (payload, cut);
    g_assert_null (bench_stamp_find (exact, cut));
  }
  payload[8 + 3] ^= 1;
  g_assert_null (bench_stamp_find (payload, 8 + n));
}

typedef struct {
  uint16_t sequence;
  uint32_t ssrc;
} Arrival;

static void
add (BenchReception *reception, uint16_t sequence, uint32_t ssrc, const uint8_t *payload, size_t n_bytes,
     bool marker, uint64_t now_ns)
{
  uint8_t packet[256] = {0x80, (uint8_t)(marker ? 0x80 | 96 : 96), (uint8_t)(sequence >> 8),
                         (uint8_t)sequence};
  packet[11] = (uint8_t)ssrc;
  memcpy (packet + 12, payload, n_bytes);
  bench_reception_add (reception, packet, 12 + n_bytes, now_ns);
}

static void
test_loss (void)
{
  static const struct {
    const char *what;
    Arrival arrivals[8];
    unsigned n;
    int64_t lost;
  } rows[] = {
      {"in order", {{1, 1}, {2, 1}, {3, 1}}, 3, 0},
      {"one gap", {{1, 1}, {2, 1}, {5, 1}}, 3, 2},
      {"late, not lost", {{1, 1}, {3, 1}, {2, 1}, {4, 1}}, 4, 0},
      {"over the end", {{65534, 1}, {65535, 1}, {1, 1}}, 3, 1},
      {"another sender begins anew", {{1, 1}, {3, 1}, {900, 2}, {901, 2}}, 4, 1},
      {"a jump begins anew", {{1, 1}, {20000, 1}, {20002, 1}}, 3, 1},
      {"twice", {{1, 1}, {2, 1}, {2, 1}}, 3, -1},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    BenchReception reception = {0};
    BenchReceived received;
    for (unsigned k = 0; k < rows[i].n; k++)
      add (&reception, rows[i].arrivals[k].sequence, rows[i].arrivals[k].ssrc, (const uint8_t[]){0x41}, 1,
           true, 1);
    bench_reception_since_mark (&reception, &received);
    g_test_message ("%s", rows[i].what);
    g_assert_cmpint (received.lost, ==, rows[i].lost);
    g_assert_cmpuint (received.packets, ==, rows[i].n);
    g_assert_cmpuint (received.bytes, ==, 13 * rows[i].n);
    bench_reception_mark (&reception);
    bench_reception_since_mark (&reception, &received);
    g_assert_cmpint (received.lost, ==, 0);
    g_assert_cmpuint (received.packets, ==, 0);
  }
}

static void
test_latency_and_first_frames (void)
{
  g_autoptr (BenchHistogram) latency = bench_histogram_new ();
  BenchReception reception = {.latency = latency};
  uint8_t unit[64];
  size_t n = bench_stamp_write_unit (unit, BENCH_STAMP_MIN_BYTES);
  bench_stamp_set (bench_stamp_find (unit, n), 1000000);
  add (&reception, 1, 1, unit, n, false, 1200000);
  g_assert_cmpuint (reception.first_frame_ns, ==, 0);
  add (&reception, 2, 1, (const uint8_t[]){0x41, 1}, 2, true, 3000000);
  g_assert_cmpuint (reception.first_frame_ns, ==, 3000000);
  g_assert_cmpuint (reception.first_key_ns, ==, 0);
  g_assert_cmpint (bench_histogram_quantile (latency, 1), ==, 2000);
  /* A frame whose send time was lost counts no latency. */
  add (&reception, 3, 1, (const uint8_t[]){0x65, 0x88}, 2, true, 9000000);
  g_assert_cmpuint (reception.first_key_ns, ==, 9000000);
  g_assert_cmpuint (bench_histogram_count (latency), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bench/stamp/comes-back", test_stamp_comes_back);
  g_test_add_func ("/bench/stamp/aggregate", test_stamp_in_an_aggregate);
  g_test_add_func ("/bench/reception/loss", test_loss);
  g_test_add_func ("/bench/reception/latency", test_latency_and_first_frames);
  return g_test_run ();
}
