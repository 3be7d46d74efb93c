/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/queue.h"

#include <string.h>

static const ReaderQueueLimits limits = {.bytes = 1000, .age_us = 100, .slow_us = 500};

static Batch *
make_batch (unsigned track, bool key, size_t n_payload)
{
  BatchBuilder *builder = batch_builder_new ((uint8_t)track);
  size_t n_bytes = 12 + n_payload;
  uint8_t *room = batch_builder_reserve (builder, n_bytes);
  for (size_t i = 0; i < n_bytes; i++)
    room[i] = (uint8_t)i;
  batch_builder_commit (builder, n_bytes, key ? BATCH_KEY : 0, 0, 0);
  Batch *batch = batch_builder_finish (builder);
  batch_builder_free (builder);
  return batch;
}

static ReaderQueueResult
push (ReaderQueue *queue, unsigned track, bool key, size_t n_bytes, int64_t now_us)
{
  /* 16 bytes are headers. */
  g_autoptr (Batch) batch = make_batch (track, key, n_bytes - 16);
  return reader_queue_push (queue, batch, now_us);
}

static GString *
drain (ReaderQueue *queue, size_t step)
{
  GString *out = g_string_new (NULL);
  struct iovec iov[4];
  unsigned n;
  while ((n = reader_queue_peek (queue, iov, 4))) {
    size_t taken = 0;
    for (unsigned i = 0; i < n && taken < step; i++) {
      size_t part = MIN (step - taken, iov[i].iov_len);
      g_string_append_len (out, iov[i].iov_base, (gssize)part);
      taken += part;
    }
    reader_queue_consume (queue, taken, 0);
  }
  return out;
}

static void
test_every_way_of_cutting_gives_the_same_bytes (void)
{
  for (unsigned channel = 0; channel <= 7; channel += 7) {
    g_autoptr (GString) whole = NULL;
    for (size_t step = 1; step < 200; step += 3) {
      g_autoptr (ReaderQueue) queue = reader_queue_new (&limits, 0);
      reader_queue_set_channel (queue, 0, (uint8_t)channel);
      push (queue, 0, true, 100, 0);
      reader_queue_push_control (queue, g_bytes_new_static ("RTSP/1.0 200 OK\r\n\r\n", 19));
      push (queue, 0, false, 50, 0);
      push (queue, 1, false, 30, 0);
      GString *out = drain (queue, step);
      g_assert_cmpuint (out->len, ==, 199);
      g_assert_cmpuint ((uint8_t)out->str[1], ==, channel);
      g_assert_cmpuint ((uint8_t)out->str[170], ==, 2);
      if (whole)
        g_assert_cmpmem (whole->str, whole->len, out->str, out->len);
      else
        whole = g_steal_pointer (&out);
      if (out)
        g_string_free (out, TRUE);
      g_assert_true (reader_queue_is_empty (queue));
      g_assert_cmpuint (reader_queue_bytes (queue), ==, 0);
    }
  }
}

static void
test_skips_to_the_next_key_frame (void)
{
  g_autoptr (ReaderQueue) queue = reader_queue_new (&limits, 0);
  g_assert_cmpint (push (queue, 0, true, 600, 0), ==, READER_QUEUE_QUEUED);
  g_assert_cmpint (push (queue, 0, false, 400, 1), ==, READER_QUEUE_QUEUED);
  g_assert_cmpint (push (queue, 0, false, 16, 2), ==, READER_QUEUE_SKIPPED);
  g_assert_cmpuint (reader_queue_bytes (queue), ==, 0);
  g_assert_cmpuint (reader_queue_stats (queue)->dropped_batches, ==, 3);
  g_assert_cmpint (push (queue, 1, true, 100, 3), ==, READER_QUEUE_SKIPPED);
  g_assert_cmpint (push (queue, 0, true, 100, 4), ==, READER_QUEUE_QUEUED);
  g_assert_cmpint (push (queue, 1, true, 100, 5), ==, READER_QUEUE_QUEUED);
  g_assert_cmpuint (reader_queue_stats (queue)->skips, ==, 1);
}

static void
test_what_has_begun_goes_out_whole (void)
{
  g_autoptr (ReaderQueue) queue = reader_queue_new (&limits, 0);
  push (queue, 0, true, 600, 0);
  reader_queue_consume (queue, 10, 0);
  push (queue, 0, false, 400, 1);
  g_assert_cmpint (push (queue, 0, false, 100, 2), ==, READER_QUEUE_SKIPPED);
  g_assert_cmpuint (reader_queue_bytes (queue), ==, 590);
  GString *out = drain (queue, 1000);
  g_assert_cmpuint (out->len, ==, 590);
  g_string_free (out, TRUE);
}

static void
test_limits_at_the_edge (void)
{
  g_autoptr (ReaderQueue) queue = reader_queue_new (&limits, 0);
  push (queue, 0, true, 500, 0);
  g_assert_cmpint (push (queue, 0, false, 500, 0), ==, READER_QUEUE_QUEUED);
  g_assert_cmpuint (reader_queue_bytes (queue), ==, 1000);
  g_autoptr (ReaderQueue) over = reader_queue_new (&limits, 0);
  push (over, 0, true, 500, 0);
  g_assert_cmpint (push (over, 0, false, 501, 0), ==, READER_QUEUE_SKIPPED);

  g_autoptr (ReaderQueue) old = reader_queue_new (&limits, 0);
  push (old, 0, true, 100, 0);
  g_assert_cmpint (push (old, 0, false, 100, 100), ==, READER_QUEUE_QUEUED);
  g_assert_cmpint (push (old, 0, false, 100, 101), ==, READER_QUEUE_SKIPPED);
}

static void
test_a_reader_that_stopped_is_evicted (void)
{
  g_autoptr (ReaderQueue) queue = reader_queue_new (&limits, 0);
  push (queue, 0, true, 900, 0);
  reader_queue_consume (queue, 1, 0);
  ReaderQueueResult result = READER_QUEUE_QUEUED;
  int64_t now = 0;
  while (result != READER_QUEUE_EVICT) {
    now += 10;
    result = push (queue, 0, now % 50 == 0, 100, now);
    g_assert_cmpuint (reader_queue_bytes (queue), <=, 1000);
    g_assert_cmpint (now, <, 1000);
  }
  /* Too full from 20 on, and slow for more than 500 after that. */
  g_assert_cmpint (now, ==, 530);
}

static void
test_a_reader_that_caught_up_starts_afresh (void)
{
  g_autoptr (ReaderQueue) queue = reader_queue_new (&limits, 0);
  for (int64_t now = 0; now < 5000; now += 100) {
    push (queue, 0, true, 900, now);
    push (queue, 0, false, 900, now + 1);
    g_assert_cmpint (push (queue, 0, true, 100, now + 2), ==, READER_QUEUE_QUEUED);
    g_string_free (drain (queue, 100000), TRUE);
  }
  g_assert_cmpuint (reader_queue_stats (queue)->skips, ==, 50);
}

static void
test_control_bytes_survive_a_skip_and_are_bounded (void)
{
  g_autoptr (ReaderQueue) queue = reader_queue_new (&limits, 0);
  push (queue, 0, true, 600, 0);
  reader_queue_push_control (queue, g_bytes_new_static ("abc", 3));
  g_assert_cmpint (push (queue, 0, false, 500, 0), ==, READER_QUEUE_SKIPPED);
  GString *out = drain (queue, 1000);
  g_assert_cmpstr (out->str, ==, "abc");
  g_string_free (out, TRUE);

  g_autofree char *block = g_malloc0 (READER_QUEUE_CONTROL_BYTES);
  g_assert_true (reader_queue_push_control (queue, g_bytes_new (block, READER_QUEUE_CONTROL_BYTES - 1)));
  g_assert_true (reader_queue_push_control (queue, g_bytes_new_static ("x", 1)));
  g_assert_false (reader_queue_push_control (queue, g_bytes_new_static ("x", 1)));
}

static void
test_flush_is_no_skip (void)
{
  g_autoptr (ReaderQueue) queue = reader_queue_new (&limits, 0);
  push (queue, 0, true, 600, 0);
  push (queue, 0, false, 100, 0);
  reader_queue_flush (queue);
  g_assert_true (reader_queue_is_empty (queue));
  g_assert_cmpuint (reader_queue_stats (queue)->skips, ==, 0);
  g_assert_cmpuint (reader_queue_stats (queue)->dropped_batches, ==, 0);
}

static void
test_without_video_every_batch_ends_a_skip (void)
{
  g_autoptr (ReaderQueue) queue = reader_queue_new (&limits, -1);
  push (queue, 0, true, 900, 0);
  g_assert_cmpint (push (queue, 0, false, 200, 1), ==, READER_QUEUE_QUEUED);
  g_assert_cmpuint (reader_queue_stats (queue)->skips, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/queue/" name, func)
  ADD ("every-way-of-cutting-gives-the-same-bytes", test_every_way_of_cutting_gives_the_same_bytes);
  ADD ("skips-to-the-next-key-frame", test_skips_to_the_next_key_frame);
  ADD ("what-has-begun-goes-out-whole", test_what_has_begun_goes_out_whole);
  ADD ("limits-at-the-edge", test_limits_at_the_edge);
  ADD ("a-reader-that-stopped-is-evicted", test_a_reader_that_stopped_is_evicted);
  ADD ("a-reader-that-caught-up-starts-afresh", test_a_reader_that_caught_up_starts_afresh);
  ADD ("control-bytes-survive-a-skip-and-are-bounded", test_control_bytes_survive_a_skip_and_are_bounded);
  ADD ("flush-is-no-skip", test_flush_is_no_skip);
  ADD ("without-video-every-batch-ends-a-skip", test_without_video_every_batch_ends_a_skip);
  return g_test_run ();
}
