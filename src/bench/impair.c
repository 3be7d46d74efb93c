/* SPDX-License-Identifier: Apache-2.0 */
/* Packets wait in the order in which they are due. */
#include "bench/impair.h"

enum {
  REORDER_MS = 10, /* a packet out of order goes behind those of this time */
  MAX_WAITING = 20000,
};

typedef struct {
  int64_t due_us;
  GBytes *packet;
} Waiting;

struct BenchImpairer {
  const BenchImpairments *impairments;
  uint64_t random;
  BenchImpairFunc func;
  void *data;
  GQueue waiting; /* of Waiting */
};

const char *
bench_impairments_problem (const BenchImpairments *impairments)
{
  const double percents[] = {impairments->drop, impairments->reorder, impairments->duplicate,
                             impairments->garbage};
  for (unsigned i = 0; i < G_N_ELEMENTS (percents); i++)
    if (!(percents[i] >= 0 && percents[i] <= 100))
      return "drop, reorder, duplicate and garbage are percentages";
  if (impairments->delay_ms < 0 || impairments->jitter_ms < 0 || impairments->delay_ms > 10000 ||
      impairments->jitter_ms > 10000)
    return "delay and jitter are at most 10000 ms";
  if (!(impairments->stall_after >= 0 && impairments->close_after >= 0))
    return "a time to stall or to close after is not negative";
  return NULL;
}

bool
bench_impairments_touch_packets (const BenchImpairments *impairments)
{
  return impairments->drop > 0 || impairments->reorder > 0 || impairments->duplicate > 0 ||
         impairments->garbage > 0 || impairments->delay_ms > 0 || impairments->jitter_ms > 0;
}

BenchImpairer *
bench_impairer_new (const BenchImpairments *impairments, uint64_t seed, BenchImpairFunc func, void *data)
{
  BenchImpairer *impairer = g_new0 (BenchImpairer, 1);
  impairer->impairments = impairments;
  impairer->random = (seed + 1) * 0x9e3779b97f4a7c15u;
  impairer->func = func;
  impairer->data = data;
  g_queue_init (&impairer->waiting);
  return impairer;
}

static void
free_waiting (void *data)
{
  Waiting *waiting = data;
  g_bytes_unref (waiting->packet);
  g_free (waiting);
}

void
bench_impairer_free (BenchImpairer *impairer)
{
  if (!impairer)
    return;
  g_queue_clear_full (&impairer->waiting, free_waiting);
  g_free (impairer);
}

/* xorshift64*; below 1. */
static double
next_random (BenchImpairer *impairer)
{
  uint64_t x = impairer->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  impairer->random = x;
  return (double)((x * 0x2545f4914f6cdd1du) >> 11) / (double)((uint64_t)1 << 53);
}

static bool
happens (BenchImpairer *impairer, double percent)
{
  return percent > 0 && next_random (impairer) * 100 < percent;
}

static void
wait_for (BenchImpairer *impairer, GBytes *packet, int64_t due_us)
{
  if (g_queue_get_length (&impairer->waiting) >= MAX_WAITING)
    return;
  GList *before = impairer->waiting.tail;
  while (before && ((Waiting *)before->data)->due_us > due_us)
    before = before->prev;
  Waiting *waiting = g_new (Waiting, 1);
  *waiting = (Waiting){due_us, g_bytes_ref (packet)};
  if (before)
    g_queue_insert_after (&impairer->waiting, before, waiting);
  else
    g_queue_push_head (&impairer->waiting, waiting);
}

void
bench_impairer_push (BenchImpairer *impairer, const uint8_t *bytes, size_t n_bytes, int64_t now_us)
{
  const BenchImpairments *impairments = impairer->impairments;
  if (happens (impairer, impairments->drop))
    return;
  g_autofree uint8_t *copy = g_memdup2 (bytes, n_bytes);
  if (happens (impairer, impairments->garbage))
    for (size_t i = 0; i < n_bytes; i++)
      copy[i] = (uint8_t)(next_random (impairer) * 256);
  g_autoptr (GBytes) packet = g_bytes_new_take (g_steal_pointer (&copy), n_bytes);
  unsigned copies = happens (impairer, impairments->duplicate) ? 2 : 1;
  for (unsigned i = 0; i < copies; i++) {
    int64_t due_us = now_us + impairments->delay_ms * 1000;
    due_us += (int64_t)(next_random (impairer) * impairments->jitter_ms * 1000);
    if (happens (impairer, impairments->reorder))
      due_us += REORDER_MS * 1000;
    wait_for (impairer, packet, due_us);
  }
  bench_impairer_run (impairer, now_us);
}

void
bench_impairer_run (BenchImpairer *impairer, int64_t now_us)
{
  Waiting *waiting;
  while ((waiting = g_queue_peek_head (&impairer->waiting)) && waiting->due_us <= now_us) {
    g_queue_pop_head (&impairer->waiting);
    size_t n_bytes;
    const uint8_t *packet = g_bytes_get_data (waiting->packet, &n_bytes);
    impairer->func (impairer->data, packet, n_bytes);
    free_waiting (waiting);
  }
}
