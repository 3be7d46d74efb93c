/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/dts.h"

enum { FRAMES_MAX = 16 };

#define FRAME (40 * GST_MSECOND)

typedef struct {
  const char *what;
  int depth;
  unsigned n;
  unsigned pts[FRAMES_MAX]; /* in frames, decoding order */
  unsigned dts[FRAMES_MAX];
} Row;

static const Row rows[] = {
    {"no reordering", 0, 4, {25, 26, 27, 28}, {25, 26, 27, 28}},
    {"I P B B, two deep", 2, 7, {25, 29, 27, 26, 28, 33, 31}, {23, 24, 25, 26, 27, 28, 29}},
    {"I P B, one deep", 1, 5, {25, 27, 26, 29, 28}, {24, 25, 26, 27, 28}},
    {"frames lost", 1, 5, {25, 27, 26, 59, 58}, {24, 25, 26, 27, 58}},
    {"back to the start", 1, 4, {100, 102, 25, 27}, {99, 100, 24, 25}},
};

static void
test_table (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s", rows[i].what);
    DtsMaker maker = {0};
    dts_set_depth (&maker, rows[i].depth);
    for (unsigned k = 0; k < rows[i].n; k++)
      g_assert_cmpuint (dts_next (&maker, rows[i].pts[k] * FRAME, FRAME), ==, rows[i].dts[k] * FRAME);
  }
}

/* Without a word about the depth, decoding times rise all the same, and come to lie before presentation. */
static void
test_depth_is_learnt (void)
{
  static const unsigned pts[] = {25, 29, 27, 26, 28, 33, 31, 30, 32, 37, 35, 34, 36};
  DtsMaker maker = {0};
  GstClockTime last = 0;
  dts_set_depth (&maker, -1);
  for (unsigned i = 0; i < G_N_ELEMENTS (pts); i++) {
    GstClockTime dts = dts_next (&maker, pts[i] * FRAME, FRAME);
    g_assert_cmpuint (dts, >, last);
    if (i > 4)
      g_assert_cmpuint (dts, <=, pts[i] * FRAME);
    last = dts;
  }
}

static void
test_start_at_zero (void)
{
  DtsMaker maker = {0};
  dts_set_depth (&maker, 4);
  GstClockTime last = dts_next (&maker, 0, FRAME);
  for (unsigned i = 1; i < 20; i++) {
    GstClockTime dts = dts_next (&maker, i * FRAME, FRAME);
    g_assert_cmpuint (dts, >, last);
    g_assert_cmpuint (dts, <=, i * FRAME);
    last = dts;
  }
}

static void
test_same_time_twice (void)
{
  DtsMaker maker = {0};
  dts_set_depth (&maker, 0);
  GstClockTime first = dts_next (&maker, FRAME, FRAME);
  g_assert_cmpuint (dts_next (&maker, FRAME, FRAME), >, first);
}

/* Any order, any change of depth: always rising. */
static void
test_always_rising (void)
{
  DtsMaker maker = {0};
  GstClockTime last = 0;
  dts_set_depth (&maker, 3);
  for (unsigned i = 0; i < 10000; i++) {
    if (i % 100 == 99)
      dts_set_depth (&maker, g_test_rand_int_range (-1, 20));
    GstClockTime dts = dts_next (&maker, (100 + i + (unsigned)g_test_rand_int_range (0, 10)) * FRAME, FRAME);
    g_assert_cmpuint (dts, >, last);
    last = dts;
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtp/dts/table", test_table);
  g_test_add_func ("/rtp/dts/depth-is-learnt", test_depth_is_learnt);
  g_test_add_func ("/rtp/dts/start-at-zero", test_start_at_zero);
  g_test_add_func ("/rtp/dts/same-time-twice", test_same_time_twice);
  g_test_add_func ("/rtp/dts/always-rising", test_always_rising);
  return g_test_run ();
}
