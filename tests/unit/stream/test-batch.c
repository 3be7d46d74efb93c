/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/batch.h"

#include <string.h>

static void
add_packet (BatchBuilder *builder, size_t n_bytes, uint16_t sequence, unsigned flags)
{
  uint8_t *room = batch_builder_reserve (builder, n_bytes);
  memset (room, 0, n_bytes);
  room[0] = 0x80;
  room[2] = (uint8_t)(sequence >> 8);
  room[3] = (uint8_t)sequence;
  room[7] = 42;
  batch_builder_commit (builder, n_bytes, flags, 1000 + sequence, 5000);
}

static void
test_slab_is_ready_for_interleaving (void)
{
  BatchBuilder *builder = batch_builder_new (1);
  g_assert_null (batch_builder_finish (builder));
  add_packet (builder, 100, 7, BATCH_FRAME_START);
  add_packet (builder, 60, 8, BATCH_FRAME_END);
  g_autoptr (Batch) batch = batch_builder_finish (builder);

  static const uint8_t first[] = {'$', 2, 0, 100, 0x80};
  static const uint8_t second[] = {'$', 2, 0, 60, 0x80};
  g_assert_cmpuint (batch->n_bytes, ==, 4 + 100 + 4 + 60);
  g_assert_cmpmem (batch->slab, 5, first, 5);
  g_assert_cmpmem (batch->slab + 104, 5, second, 5);
  g_assert_cmpuint (batch->n_packets, ==, 2);
  g_assert_true (batch->packets[1].iov_base == batch->slab + 108);
  g_assert_cmpuint (batch->packets[1].iov_len, ==, 60);
  g_assert_cmpuint (batch->first_sequence, ==, 7);
  g_assert_cmpuint (batch->rtp_time, ==, 42);
  g_assert_cmpuint (batch->payload_bytes, ==, 88 + 48);
  g_assert_cmpint (batch->arrival_us, ==, 1007);
  g_assert_cmpuint (batch->flags, ==, BATCH_FRAME_START | BATCH_FRAME_END);
  g_assert_cmpuint (batch_builder_count (builder), ==, 0);
  batch_builder_free (builder);
}

static void
test_runs_have_equal_segments (void)
{
  /* GSO wants equal sizes; only the last packet of a run may be shorter. */
  static const size_t sizes[] = {30, 40, 1400, 1400, 1400, 700, 1400, 1400, 1401};
  static const BatchRun expected[] = {{0, 1, 30}, {1, 1, 40}, {2, 4, 1400}, {6, 2, 1400}, {8, 1, 1401}};
  BatchBuilder *builder = batch_builder_new (0);
  for (unsigned i = 0; i < G_N_ELEMENTS (sizes); i++)
    add_packet (builder, sizes[i], (uint16_t)i, 0);
  g_autoptr (Batch) batch = batch_builder_finish (builder);
  g_assert_cmpuint (batch->n_runs, ==, G_N_ELEMENTS (expected));
  for (unsigned i = 0; i < batch->n_runs; i++) {
    g_assert_cmpuint (batch->runs[i].first, ==, expected[i].first);
    g_assert_cmpuint (batch->runs[i].count, ==, expected[i].count);
    g_assert_cmpuint (batch->runs[i].segment, ==, expected[i].segment);
  }
  batch_builder_free (builder);
}

static void
test_limits (void)
{
  BatchBuilder *builder = batch_builder_new (0);
  for (unsigned i = 0; i < BATCH_MAX_PACKETS; i++) {
    g_assert_false (batch_builder_full (builder, 12));
    add_packet (builder, 12, (uint16_t)i, 0);
  }
  g_assert_true (batch_builder_full (builder, 12));
  batch_unref (batch_builder_finish (builder));

  size_t fits = BATCH_MAX_BYTES - 2 * BATCH_HEADER_BYTES - 1000;
  add_packet (builder, 1000, 0, 0);
  g_assert_false (batch_builder_full (builder, fits));
  g_assert_true (batch_builder_full (builder, fits + 1));
  batch_unref (batch_builder_finish (builder));

  /* One packet alone may be larger than a batch otherwise gets: it must go somewhere. */
  g_assert_false (batch_builder_full (builder, RTP_MAX_BYTES));
  add_packet (builder, RTP_MAX_BYTES, 0, 0);
  g_autoptr (Batch) batch = batch_builder_finish (builder);
  g_assert_cmpuint (batch->packets[0].iov_len, ==, RTP_MAX_BYTES);
  batch_builder_free (builder);
}

static void
test_unfinished_builder_is_freed (void)
{
  BatchBuilder *builder = batch_builder_new (0);
  add_packet (builder, 100, 0, 0);
  batch_builder_free (builder);
  batch_builder_free (NULL);
  batch_unref (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/batch/slab-is-ready-for-interleaving", test_slab_is_ready_for_interleaving);
  g_test_add_func ("/batch/runs-have-equal-segments", test_runs_have_equal_segments);
  g_test_add_func ("/batch/limits", test_limits);
  g_test_add_func ("/batch/unfinished-builder-is-freed", test_unfinished_builder_is_freed);
  return g_test_run ();
}
