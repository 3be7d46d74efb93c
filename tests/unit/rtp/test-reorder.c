/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/reorder.h"

#include <string.h>

enum { PACKET_BYTES = 16, WAIT_MS = 50 };

typedef struct {
  Reorder *reorder;
  GString *out; /* sequence numbers handed on, "1 2 3 " */
  const uint8_t *in;
  unsigned copies; /* handed on from elsewhere than `in` */
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  f->reorder = reorder_new (WAIT_MS);
  f->out = g_string_new (NULL);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  reorder_free (f->reorder);
  g_string_free (f->out, TRUE);
}

static void
on_packet (void *data, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us)
{
  Fixture *f = data;
  g_string_append_printf (f->out, "%u ", (unsigned)bytes[2] << 8 | bytes[3]);
  f->copies += bytes != f->in;
}

static void
push_large (Fixture *f, unsigned sequence, uint32_t ssrc, int64_t now_us, size_t n_bytes)
{
  g_autofree uint8_t *bytes = g_malloc0 (n_bytes);
  bytes[0] = 0x80;
  bytes[1] = 96;
  bytes[2] = sequence >> 8 & 0xff;
  bytes[3] = sequence & 0xff;
  bytes[11] = (uint8_t)ssrc;
  f->in = bytes;
  g_assert_true (reorder_push (f->reorder, bytes, n_bytes, now_us, on_packet, f));
}

static void
push (Fixture *f, unsigned sequence)
{
  push_large (f, sequence, 1, 1000, PACKET_BYTES);
}

static void
push_all (Fixture *f, const char *sequences)
{
  g_auto (GStrv) words = g_strsplit (sequences, " ", 0);
  for (unsigned i = 0; words[i]; i++)
    push (f, (unsigned)g_ascii_strtoull (words[i], NULL, 10));
}

static void
test_table (void)
{
  static const struct {
    const char *what, *in, *out;
    unsigned reordered, duplicates, late;
  } rows[] = {
      {"in order", "1 2 3", "1 2 3 ", 0, 0, 0},
      {"two swapped", "1 3 2 4", "1 2 3 4 ", 1, 0, 0},
      {"one late by three", "1 3 4 5 2 6", "1 2 3 4 5 6 ", 1, 0, 0},
      {"backwards", "1 5 4 3 2 6", "1 2 3 4 5 6 ", 3, 0, 0},
      {"over the wrap", "65534 0 65535 1", "65534 65535 0 1 ", 1, 0, 0},
      {"doubled", "1 2 2 1 3", "1 2 3 ", 0, 2, 0},
      {"doubled while held", "1 3 3 2", "1 2 3 ", 1, 1, 0},
      {"before the first", "10 9 11", "10 11 ", 0, 0, 1},
      {"a gap holds", "1 3 4", "1 ", 0, 0, 0},
      {"a stray packet", "1 2 30000 3 4", "1 2 3 4 ", 0, 0, 1},
      {"a new run", "1 2 30000 30001 30002", "1 2 30000 30001 30002 ", 0, 0, 0},
      {"a new run, swapped", "1 2 30001 30000 30002", "1 2 30000 30001 30002 ", 1, 0, 0},
      {"a new run behind a gap", "1 3 30000 30001", "1 3 30000 30001 ", 0, 0, 0},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    Fixture f = {0};
    g_test_message ("%s", rows[i].what);
    setup (&f, NULL);
    push_all (&f, rows[i].in);
    const ReorderCounters *counters = reorder_counters (f.reorder);
    g_assert_cmpstr (f.out->str, ==, rows[i].out);
    g_assert_cmpuint (counters->reordered, ==, rows[i].reordered);
    g_assert_cmpuint (counters->duplicates, ==, rows[i].duplicates);
    g_assert_cmpuint (counters->late, ==, rows[i].late);
    teardown (&f, NULL);
  }
}

static void
test_in_order_is_not_copied (Fixture *f, gconstpointer data)
{
  for (unsigned i = 0; i < 100; i++)
    push (f, i);
  g_assert_cmpuint (f->copies, ==, 0);
  g_assert_cmpint (reorder_deadline_us (f->reorder), ==, INT64_MAX);
}

static void
test_gap_is_given_up_in_time (Fixture *f, gconstpointer data)
{
  push_all (f, "1");
  push_large (f, 3, 1, 10000, PACKET_BYTES);
  push_large (f, 6, 1, 30000, PACKET_BYTES);
  g_assert_cmpint (reorder_deadline_us (f->reorder), ==, 60000);
  reorder_flush_due (f->reorder, 59999, on_packet, f);
  g_assert_cmpstr (f->out->str, ==, "1 ");
  reorder_flush_due (f->reorder, 60000, on_packet, f);
  g_assert_cmpstr (f->out->str, ==, "1 3 ");
  g_assert_cmpint (reorder_deadline_us (f->reorder), ==, 80000);
  reorder_flush_due (f->reorder, 80000, on_packet, f);
  g_assert_cmpstr (f->out->str, ==, "1 3 6 ");
  g_assert_cmpint (reorder_deadline_us (f->reorder), ==, INT64_MAX);
  g_assert_cmpuint (reorder_counters (f->reorder)->lost, ==, 3);
  push_all (f, "2 7 3");
  g_assert_cmpstr (f->out->str, ==, "1 3 6 7 ");
  g_assert_cmpuint (reorder_counters (f->reorder)->late, ==, 1);
  g_assert_cmpuint (reorder_counters (f->reorder)->duplicates, ==, 1);
}

static void
test_lone_stray_waits_only_so_long (Fixture *f, gconstpointer data)
{
  push_all (f, "1 2");
  push_large (f, 40000, 1, 10000, PACKET_BYTES);
  g_assert_cmpint (reorder_deadline_us (f->reorder), ==, 60000);
  reorder_flush_due (f->reorder, 60000, on_packet, f);
  g_assert_cmpstr (f->out->str, ==, "1 2 40000 ");
  g_assert_cmpuint (reorder_counters (f->reorder)->restarts, ==, 1);
}

static void
test_other_ssrc_starts_anew (Fixture *f, gconstpointer data)
{
  push_all (f, "1 3");
  push_large (f, 2, 9, 1000, PACKET_BYTES);
  push_large (f, 3, 9, 1000, PACKET_BYTES);
  g_assert_cmpstr (f->out->str, ==, "1 3 2 3 ");
  g_assert_cmpuint (reorder_counters (f->reorder)->restarts, ==, 1);
}

static unsigned
count_words (const char *text)
{
  unsigned n = 0;
  for (; *text; text++)
    n += *text == ' ';
  return n;
}

static void
test_memory_is_bounded (Fixture *f, gconstpointer data)
{
  push (f, 0);
  /* 17 packets of 64 kB do not fit into 1 MB: the gap is given up. */
  for (unsigned i = 2; i < 19; i++)
    push_large (f, i, 1, 1000, 65000);
  g_assert_cmpuint (count_words (f->out->str), >, 1);
  g_string_truncate (f->out, 0);
  push_all (f, "19 21");
  for (unsigned i = 22; i < 22 + 2 * REORDER_MAX_PACKETS; i++)
    push (f, i);
  g_assert_cmpuint (count_words (f->out->str), >=, REORDER_MAX_PACKETS);
}

/* Whatever comes: what is handed on rises within a run, and nothing comes twice. */
static void
test_any_order (Fixture *f, gconstpointer data)
{
  unsigned order[256];
  for (unsigned round = 0; round < 50; round++) {
    Fixture g = {0};
    setup (&g, NULL);
    push (&g, 65400);
    for (unsigned i = 0; i < G_N_ELEMENTS (order); i++)
      order[i] = i;
    for (unsigned i = G_N_ELEMENTS (order) - 1; i > 0; i--) {
      unsigned k = (unsigned)g_test_rand_int_range (MAX (0, (int)i - 40), (int)i + 1), swap = order[i];
      order[i] = order[k];
      order[k] = swap;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS (order); i++)
      push (&g, (65401 + order[i]) & 0xffff);
    g_autoptr (GString) expected = g_string_new ("65400 ");
    for (unsigned i = 0; i < G_N_ELEMENTS (order); i++)
      g_string_append_printf (expected, "%u ", (65401 + i) & 0xffff);
    g_assert_cmpstr (g.out->str, ==, expected->str);
    teardown (&g, NULL);
  }
}

static void
test_not_rtp (Fixture *f, gconstpointer data)
{
  g_assert_false (reorder_push (f->reorder, (const uint8_t *)"RTSP/1.0 200 OK", 15, 0, on_packet, f));
  g_assert_cmpuint (f->out->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/rtp/reorder/" name, Fixture, NULL, setup, func, teardown)
  g_test_add_func ("/rtp/reorder/table", test_table);
  ADD ("in-order-is-not-copied", test_in_order_is_not_copied);
  ADD ("gap-is-given-up-in-time", test_gap_is_given_up_in_time);
  ADD ("lone-stray-waits-only-so-long", test_lone_stray_waits_only_so_long);
  ADD ("other-ssrc-starts-anew", test_other_ssrc_starts_anew);
  ADD ("memory-is-bounded", test_memory_is_bounded);
  ADD ("any-order", test_any_order);
  ADD ("not-rtp", test_not_rtp);
  return g_test_run ();
}
