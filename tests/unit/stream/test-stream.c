/* SPDX-License-Identifier: Apache-2.0 */
/* The stream core as publishers, readers and operators meet it. */
#include "base/error.h"
#include "rig.h"

#include <string.h>

enum { SEI = 0x06, DELIMITER = 0x09, IDR = 0x65, PICTURE = 0x41, SPS = 0x67, PPS = 0x68 };

typedef struct {
  RigReader *reader;
  unsigned n;
} CountWait;

static bool
has_count (void *data)
{
  CountWait *wait = data;
  return rig_count (wait->reader) >= wait->n;
}

static void
expect_count (RigReader *reader, unsigned n)
{
  CountWait wait = {reader, n};
  rig_wait (has_count, &wait);
  g_assert_cmpuint (rig_count (reader), ==, n);
}

static uint16_t
sequence (RigReader *reader, unsigned index)
{
  return g_array_index (reader->sequences, uint16_t, index);
}

static uint32_t
batch_time (RigReader *reader, unsigned index)
{
  return g_array_index (reader->times, uint32_t, index);
}

static StreamCounters
counters (Rig *rig, const char *id)
{
  g_autoptr (StreamStatus) status = registry_get_status (rig->registry, id);
  StreamCounters c;
  stream_get_counters (status->stream, &c);
  return c;
}

/* --- packets -----------------------------------------------------------------------------------------------
 */

static void
test_reader_starts_with_the_group_of_pictures (Rig *rig)
{
  for (unsigned loop = 0; loop < 2; loop++) {
    RigPublisher publisher;
    rig_publish (rig, &publisher, "cam", false);
    g_assert_no_error (publisher.error);
    rig_send (&publisher, (RigPacket){.sequence = 9, .timestamp = 0, .nal = PICTURE, .marker = true});
    rig_send (&publisher, (RigPacket){.sequence = 10, .timestamp = 3000, .nal = IDR});
    rig_send (&publisher, (RigPacket){.sequence = 11, .timestamp = 3000, .nal = IDR, .marker = true});
    rig_send (&publisher, (RigPacket){.sequence = 12, .timestamp = 6000, .nal = PICTURE, .marker = true});

    RigReader reader;
    rig_open (rig, &reader, "cam");
    g_assert_no_error (reader.error);
    rig_play (rig, &reader, loop, true);
    expect_count (&reader, 3);
    g_assert_cmpuint (sequence (&reader, 0), ==, 10);
    rig_send (&publisher, (RigPacket){.sequence = 13, .timestamp = 9000, .nal = PICTURE, .marker = true});
    expect_count (&reader, 4);
    g_assert_cmpuint (sequence (&reader, 3), ==, 13);
    rig_reader_clear (&reader);
    rig_publisher_clear (&publisher);
    rig_settle (rig);
  }
}

static void
test_reader_without_cache_waits_for_a_key_frame (Rig *rig)
{
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", true);
  rig_send (&publisher, (RigPacket){.sequence = 1, .timestamp = 0, .nal = IDR, .marker = true});
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 1, false);
  g_assert_cmpuint (publisher.keyframe_requests, ==, 1);
  rig_send (&publisher, (RigPacket){.sequence = 2, .timestamp = 3000, .nal = PICTURE, .marker = true});
  rig_send (&publisher, (RigPacket){.track = 1, .sequence = 50, .timestamp = 0, .marker = true});
  rig_settle (rig);
  g_assert_cmpuint (rig_count (&reader), ==, 0);
  rig_send (&publisher, (RigPacket){.sequence = 3, .timestamp = 6000, .nal = IDR, .marker = true});
  rig_send (&publisher, (RigPacket){.track = 1, .sequence = 51, .timestamp = 160, .marker = true});
  expect_count (&reader, 2);
  g_assert_cmpuint (sequence (&reader, 0), ==, 3);
  g_assert_cmpuint (sequence (&reader, 1), ==, 51);
  rig_reader_clear (&reader);
  rig_publisher_clear (&publisher);
}

static void
test_frames_are_cut_at_marker_and_time (Rig *rig)
{
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", false);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 0, false);
  rig_send (&publisher, (RigPacket){.sequence = 1, .timestamp = 0, .nal = IDR, .marker = true});
  rig_send (&publisher, (RigPacket){.sequence = 2, .timestamp = 3000, .nal = PICTURE});
  /* Without a marker the deadline flushes what is there, and the next time stamp begins a new frame. */
  expect_count (&reader, 2);
  rig_send (&publisher, (RigPacket){.sequence = 3, .timestamp = 6000, .nal = PICTURE, .marker = true});
  expect_count (&reader, 3);
  g_assert_cmpstr (reader.flags->str, ==, "kse1 s1 se1 ");
  g_assert_cmpuint (counters (rig, "cam").frames_in, ==, 3);
  g_assert_cmpuint (counters (rig, "cam").key_frames_in, ==, 1);
  rig_reader_clear (&reader);
  rig_publisher_clear (&publisher);
}

static void
test_parameter_sets_stay_with_their_key_frame (Rig *rig)
{
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", false);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 0, true);
  /* A camera with markers on its parameter sets, and one that gives them another time stamp. */
  for (unsigned i = 0; i < 2; i++) {
    uint32_t time = 9000 * i;
    rig_send (
        &publisher,
        (RigPacket){.sequence = (uint16_t)(1 + 3 * i), .timestamp = time, .nal = SPS, .marker = i == 0});
    rig_send (
        &publisher,
        (RigPacket){.sequence = (uint16_t)(2 + 3 * i), .timestamp = time, .nal = PPS, .marker = i == 0});
    rig_send (
        &publisher,
        (RigPacket){.sequence = (uint16_t)(3 + 3 * i), .timestamp = time + i, .nal = IDR, .marker = true});
    expect_count (&reader, 3 + 3 * i);
  }
  g_assert_cmpstr (reader.flags->str, ==, "ksep3 ksep3 ");
  g_assert_cmpuint (counters (rig, "cam").frames_in, ==, 2);
  g_assert_cmpuint (counters (rig, "cam").key_frames_in, ==, 2);
  /* One that sends everything in packets of its own, and a delimiter first. */
  static const uint8_t nals[] = {DELIMITER, SPS, PPS, SEI, IDR};
  for (unsigned i = 0; i < G_N_ELEMENTS (nals); i++)
    rig_send (&publisher, (RigPacket){.sequence = (uint16_t)(7 + i),
                                      .timestamp = 18000,
                                      .nal = nals[i],
                                      .marker = nals[i] == IDR});
  expect_count (&reader, 11);
  g_assert_cmpstr (reader.flags->str, ==, "ksep3 ksep3 ksep5 ");
  g_assert_cmpuint (counters (rig, "cam").frames_in, ==, 3);
  g_assert_cmpuint (counters (rig, "cam").key_frames_in, ==, 3);
  rig_reader_clear (&reader);
  rig_publisher_clear (&publisher);
}

static void
test_losses_stay_gaps_and_are_counted (Rig *rig)
{
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", false);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 1, true);
  static const uint16_t in[] = {65534, 65535, 2, 2, 1, 3};
  for (unsigned i = 0; i < G_N_ELEMENTS (in); i++)
    rig_send (&publisher, (RigPacket){.sequence = in[i], .timestamp = 3000 * i, .nal = IDR, .marker = true});
  expect_count (&reader, 4);
  static const uint16_t out[] = {65534, 65535, 2, 3};
  for (unsigned i = 0; i < G_N_ELEMENTS (out); i++)
    g_assert_cmpuint (sequence (&reader, i), ==, out[i]);
  g_assert_cmpuint (counters (rig, "cam").packets_lost, ==, 2);
  g_assert_cmpuint (counters (rig, "cam").packets_reordered, ==, 1);
  rig_send (&publisher, (RigPacket){.sequence = 4, .payload_type = 97, .nal = IDR});
  g_assert_cmpuint (counters (rig, "cam").packets_invalid, ==, 1);
  rig_reader_clear (&reader);
  rig_publisher_clear (&publisher);
}

static void
test_a_new_publisher_continues_the_old_one (Rig *rig)
{
  RigPublisher first, second;
  rig_publish (rig, &first, "cam", false);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 1, true);
  rig_send (&first, (RigPacket){.sequence = 100, .timestamp = 5000, .ssrc = 1, .nal = IDR, .marker = true});
  rig_publish (rig, &second, "cam", false);
  g_assert_cmpstr (first.ended, !=, NULL);
  rig_send (&second,
            (RigPacket){
                .sequence = 9, .timestamp = 77, .ssrc = 2, .nal = IDR, .marker = true, .later_us = 1000000});
  rig_send (
      &second,
      (RigPacket){
          .sequence = 10, .timestamp = 3077, .ssrc = 2, .nal = PICTURE, .marker = true, .later_us = 1000000});
  expect_count (&reader, 3);
  g_assert_cmpuint (sequence (&reader, 1), ==, 101);
  g_assert_cmpuint (sequence (&reader, 2), ==, 102);
  /* A second and the little that the test took later. */
  uint32_t step = batch_time (&reader, 1) - batch_time (&reader, 0);
  g_assert_cmpuint (step, >=, 90000);
  g_assert_cmpuint (step, <, 90000 * 4);
  g_assert_cmpuint (batch_time (&reader, 2) - batch_time (&reader, 1), ==, 3000);
  g_assert_cmpint (reader.gone, ==, 0);
  rig_reader_clear (&reader);
  rig_publisher_clear (&first);
  rig_publisher_clear (&second);
}

static void
test_jumps_of_time_and_sequence_are_smoothed (Rig *rig)
{
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", false);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 0, true);
  rig_send (&publisher, (RigPacket){.sequence = 1, .timestamp = 1000, .nal = IDR, .marker = true});
  rig_send (&publisher,
            (RigPacket){.sequence = 2, .timestamp = 1000 + 90000u * 3600, .nal = IDR, .marker = true});
  rig_send (&publisher,
            (RigPacket){.sequence = 30000, .timestamp = 4000 + 90000u * 3600, .nal = IDR, .marker = true});
  expect_count (&reader, 3);
  g_assert_cmpuint (batch_time (&reader, 1) - batch_time (&reader, 0), <, 90000 * 4);
  g_assert_cmpuint (sequence (&reader, 2), ==, 3);
  g_assert_cmpuint (counters (rig, "cam").packets_lost, ==, 0);
  rig_reader_clear (&reader);
  rig_publisher_clear (&publisher);
}

static void
test_tracks_are_in_step_of_their_sender_reports (Rig *rig)
{
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", true);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 1, true);
  rig_send (&publisher, (RigPacket){.sequence = 1, .timestamp = 1000, .nal = IDR, .marker = true});
  rig_send (&publisher, (RigPacket){.track = 1, .sequence = 7, .timestamp = 160, .marker = true});
  expect_count (&reader, 2);
  ReaderTrackPosition position;
  g_assert_true (reader_get_position (reader.reader, 0, &position));
  g_assert_cmpuint (position.next_sequence, ==, 2);
  g_assert_cmpuint (position.rtp_time, ==, 1000);
  g_assert_cmpuint (position.packets_sent, ==, 1);
  g_assert_cmpint (ABS (position.ntp_us - g_get_real_time ()), <, 5 * G_USEC_PER_SEC);
  g_assert_true (reader_get_position (reader.reader, 1, &position));
  g_assert_cmpuint (position.next_sequence, ==, 8);
  g_assert_false (reader_get_position (reader.reader, 2, &position));
  rig_reader_clear (&reader);
  rig_publisher_clear (&publisher);
}

typedef struct {
  Ingest *ingest;
  int64_t ntp_us;
} Report;

static void
report_at_home (void *data)
{
  Report *report = data;
  ingest_sender_report (report->ingest, 0, report->ntp_us, 0);
}

/* One report at the beginning, and then hours of pictures: the time stamps come round after 13 hours. */
static void
test_a_report_holds_for_hours (Rig *rig)
{
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", false);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 0, false);
  rig_send (&publisher, (RigPacket){.nal = IDR, .marker = true});
  Report report = {publisher.ingest, G_GINT64_CONSTANT (1700000000) * G_USEC_PER_SEC};
  loop_call (stream_home (publisher.stream), report_at_home, &report);
  unsigned n = 14 * 3600 / 9;
  for (unsigned i = 1; i <= n; i++)
    rig_send (&publisher, (RigPacket){.sequence = (uint16_t)i,
                                      .timestamp = i * 9 * 90000,
                                      .nal = IDR,
                                      .marker = true,
                                      .later_us = (int64_t)i * 9 * G_USEC_PER_SEC});
  expect_count (&reader, n + 1);
  int64_t last_us = g_array_index (reader.captures, int64_t, n);
  g_assert_cmpint (ABS (last_us - report.ntp_us - (int64_t)n * 9 * G_USEC_PER_SEC), <, 10);
  rig_reader_clear (&reader);
  rig_publisher_clear (&publisher);
}

/* --- readers -----------------------------------------------------------------------------------------------
 */

static void
test_other_tracks_send_readers_away (Rig *rig)
{
  RigPublisher first, second;
  rig_publish (rig, &first, "cam", false);
  RigReader playing, paused;
  rig_open (rig, &playing, "cam");
  rig_open (rig, &paused, "cam");
  rig_play (rig, &playing, 0, true);
  rig_play (rig, &paused, 1, true);
  rig_stop (&paused);
  rig_publish (rig, &second, "cam", true);
  rig_settle (rig);
  g_assert_cmpint (playing.gone, ==, READER_GONE_TRACKS_CHANGED + 1);
  g_assert_cmpint (paused.gone, ==, READER_GONE_TRACKS_CHANGED + 1);
  rig_send (&second, (RigPacket){.sequence = 1, .nal = IDR, .marker = true});
  rig_settle (rig);
  g_assert_cmpuint (rig_count (&playing), ==, 0);
  rig_reader_clear (&playing);
  rig_reader_clear (&paused);
  rig_publisher_clear (&first);
  rig_publisher_clear (&second);
}

/* It asked for the stream when the tracks were others, and has not begun to read. */
static void
test_other_tracks_before_the_start (Rig *rig)
{
  RigPublisher first, second;
  rig_publish (rig, &first, "cam", false);
  RigReader late, fresh;
  rig_open (rig, &late, "cam");
  rig_publish (rig, &second, "cam", true);
  rig_open (rig, &fresh, "cam");
  rig_play (rig, &fresh, 1, true);
  rig_play (rig, &late, 1, true);
  rig_send (&second, (RigPacket){.sequence = 1, .nal = IDR, .marker = true});
  expect_count (&fresh, 1);
  rig_settle (rig);
  g_assert_cmpint (late.gone, ==, READER_GONE_TRACKS_CHANGED + 1);
  g_assert_cmpuint (rig_count (&late), ==, 0);
  rig_reader_clear (&late);
  rig_settle (rig);
  /* It took nobody else's place with it. */
  rig_send (&second, (RigPacket){.sequence = 2, .timestamp = 3000, .nal = IDR, .marker = true});
  expect_count (&fresh, 2);
  rig_reader_clear (&fresh);
  rig_publisher_clear (&first);
  rig_publisher_clear (&second);
}

static void
test_paused_reader_gets_nothing (Rig *rig)
{
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", false);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 1, true);
  rig_stop (&reader);
  rig_send (&publisher, (RigPacket){.sequence = 1, .nal = IDR, .marker = true});
  rig_settle (rig);
  g_assert_cmpuint (rig_count (&reader), ==, 0);
  rig_play (rig, &reader, 1, true);
  expect_count (&reader, 1);
  rig_reader_clear (&reader);
  rig_publisher_clear (&publisher);
}

static void
test_kick_and_remove_end_readers (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", "fake:online");
  g_assert_true (registry_create (rig->registry, settings, NULL));
  RigReader kicked, removed;
  rig_open (rig, &kicked, "cam");
  rig_open (rig, &removed, "cam");
  rig_play (rig, &kicked, 0, true);
  rig_play (rig, &removed, 1, true);
  g_autoptr (GError) error = NULL;
  g_assert_false (registry_kick (rig->registry, "cam", "nobody", &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND);
  g_assert_true (registry_kick (rig->registry, "cam", reader_id (kicked.reader), NULL));
  rig_settle (rig);
  g_assert_cmpint (kicked.gone, ==, READER_GONE_KICKED + 1);
  g_assert_cmpint (removed.gone, ==, 0);
  g_assert_true (registry_remove (rig->registry, "cam", NULL));
  rig_settle (rig);
  g_assert_cmpint (removed.gone, ==, READER_GONE_STREAM_REMOVED + 1);
  g_assert_null (registry_get_status (rig->registry, "cam"));
  g_assert_cmpuint (rig_source_closed, ==, 1);
  rig_reader_clear (&kicked);
  rig_reader_clear (&removed);
}

static void
test_max_readers (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", "fake:online");
  settings->max_readers = 2;
  registry_create (rig->registry, settings, NULL);
  RigReader readers[4];
  for (unsigned i = 0; i < 3; i++)
    rig_open (rig, &readers[i], "cam");
  g_assert_no_error (readers[1].error);
  g_assert_error (readers[2].error, SLUICE_ERROR, SLUICE_ERROR_LIMIT);
  lease_free (g_steal_pointer (&readers[0].lease));
  rig_settle (rig);
  rig_open (rig, &readers[3], "cam");
  g_assert_no_error (readers[3].error);
  for (unsigned i = 0; i < 4; i++)
    rig_reader_clear (&readers[i]);
}

static void
on_forgotten_answer (void *data, Lease *lease, const GError *error)
{
  g_assert_not_reached ();
}

static void
test_who_went_away_takes_no_place (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", "fake:silent");
  settings->on_demand = true;
  settings->max_readers = 1;
  registry_create (rig->registry, settings, NULL);
  g_autoptr (GCancellable) gone = g_cancellable_new ();
  registry_open_read (rig->registry, "cam", rig->control, gone, on_forgotten_answer, NULL);
  rig_settle (rig);
  g_cancellable_cancel (gone);
  RigReader reader;
  rig_ask (rig, &reader, "cam");
  rig_settle (rig);
  g_assert_false (reader.done);
  registry_remove (rig->registry, "cam", NULL);
  rig_settle (rig);
  g_assert_error (reader.error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND);
  rig_reader_clear (&reader);
}

/* --- publishers --------------------------------------------------------------------------------------------
 */

static void
test_who_may_publish (Rig *rig)
{
  g_autoptr (StreamSettings) pulled = rig_settings (rig, "pulled", "fake:silent");
  g_autoptr (StreamSettings) closed = rig_settings (rig, "closed", NULL);
  g_autoptr (StreamSettings) first_come = rig_settings (rig, "first-come", NULL);
  closed->publish = false;
  first_come->override_publisher = false;
  registry_create (rig->registry, pulled, NULL);
  registry_create (rig->registry, closed, NULL);
  registry_create (rig->registry, first_come, NULL);

  RigPublisher refused, first, second;
  rig_publish (rig, &refused, "pulled", false);
  g_assert_error (refused.error, SLUICE_ERROR, SLUICE_ERROR_FORBIDDEN);
  rig_publisher_clear (&refused);
  rig_publish (rig, &refused, "closed", false);
  g_assert_error (refused.error, SLUICE_ERROR, SLUICE_ERROR_FORBIDDEN);
  rig_publisher_clear (&refused);
  rig_publish (rig, &refused, "../etc", false);
  g_assert_error (refused.error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
  rig_publisher_clear (&refused);

  rig_publish (rig, &first, "first-come", false);
  rig_publish (rig, &second, "first-come", false);
  g_assert_no_error (first.error);
  g_assert_error (second.error, SLUICE_ERROR, SLUICE_ERROR_BUSY);
  g_assert_null (first.ended);
  rig_publisher_clear (&first);
  rig_publisher_clear (&second);
}

static void
test_what_a_publisher_made_goes_with_it (Rig *rig)
{
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", false);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 0, true);
  rig_end (&publisher, NULL);
  rig_publisher_clear (&publisher);
  rig_settle (rig);
  g_assert_null (registry_get_status (rig->registry, "cam"));
  g_assert_cmpint (reader.gone, ==, READER_GONE_STREAM_REMOVED + 1);
  rig_reader_clear (&reader);
  rig_open (rig, &reader, "cam");
  g_assert_error (reader.error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND);
  rig_reader_clear (&reader);
}

static void
test_readers_wait_for_a_vanished_publisher (Rig *rig)
{
  RigPublisher first, second;
  rig_publish (rig, &first, "cam", false);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 0, true);
  rig_end (&first, "connection reset");
  rig_publisher_clear (&first);
  rig_settle (rig);
  g_autoptr (StreamStatus) status = registry_get_status (rig->registry, "cam");
  g_assert_cmpint (status->state, ==, STREAM_RECONNECTING);
  rig_publish (rig, &second, "cam", false);
  rig_send (&second, (RigPacket){.sequence = 1, .nal = IDR, .marker = true});
  expect_count (&reader, 1);
  g_assert_cmpint (reader.gone, ==, 0);
  rig_reader_clear (&reader);
  rig_publisher_clear (&second);
}

/* --- sources -----------------------------------------------------------------------------------------------
 */

typedef struct {
  Rig *rig;
  const char *id;
  StreamState state;
} StateWait;

static bool
has_state (void *data)
{
  StateWait *wait = data;
  g_autoptr (StreamStatus) status = registry_get_status (wait->rig->registry, wait->id);
  return status && status->state == wait->state;
}

static void
expect_state (Rig *rig, const char *id, StreamState state)
{
  StateWait wait = {rig, id, state};
  rig_wait (has_state, &wait);
}

static void
test_fails_over_to_the_next_source (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", "fake:fail fake:online");
  registry_create (rig->registry, settings, NULL);
  expect_state (rig, "cam", STREAM_RUNNING);
  g_autoptr (StreamStatus) status = registry_get_status (rig->registry, "cam");
  g_assert_cmpuint (status->source_index, ==, 1);
  g_assert_cmpstr (status->source, ==, "fake:online");
  g_assert_cmpstr (status->last_error, ==, "told to fail");
  g_assert_cmpuint (rig_source_opened, ==, 2);
  rig_settle (rig);
  g_assert_cmpuint (rig_source_closed, ==, 1);
}

static bool
opened_often (void *data)
{
  return g_atomic_int_get (&rig_source_opened) >= 5;
}

static void
test_backs_off_and_gives_up_at_max_attempts (Rig *rig)
{
  g_autoptr (StreamSettings) for_ever = rig_settings (rig, "for-ever", "fake:fail");
  registry_create (rig->registry, for_ever, NULL);
  int64_t begun = g_get_monotonic_time ();
  rig_wait (opened_often, NULL);
  /* 10, 20, 40, 40 ms, each a quarter less at the least. */
  g_assert_cmpint (g_get_monotonic_time () - begun, >=, 82000);
  expect_state (rig, "for-ever", STREAM_RECONNECTING);
  registry_remove (rig->registry, "for-ever", NULL);

  g_autoptr (StreamSettings) thrice = rig_settings (rig, "thrice", "fake:fail");
  thrice->max_attempts = 3;
  rig_settle (rig);
  rig_source_opened = 0;
  registry_create (rig->registry, thrice, NULL);
  expect_state (rig, "thrice", STREAM_ERROR);
  g_assert_cmpuint (rig_source_opened, ==, 3);
  g_assert_true (registry_restart (rig->registry, "thrice", NULL));
  expect_state (rig, "thrice", STREAM_ERROR);
  g_assert_cmpuint (rig_source_opened, ==, 6);
  registry_stop (rig->registry, "thrice", NULL);
  expect_state (rig, "thrice", STREAM_STOPPED);
}

static void
test_a_source_without_frames_is_restarted (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", "fake:online");
  settings->stall_timeout_ms = 500;
  registry_create (rig->registry, settings, NULL);
  expect_state (rig, "cam", STREAM_RUNNING);
  expect_state (rig, "cam", STREAM_RECONNECTING);
  g_assert_cmpuint (counters (rig, "cam").stalls, ==, 1);
  expect_state (rig, "cam", STREAM_RUNNING);
  g_assert_cmpuint (rig_source_opened, ==, 2);
}

static void
test_on_demand_source_lives_as_long_as_its_readers (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", "fake:online");
  settings->on_demand = true;
  registry_create (rig->registry, settings, NULL);
  rig_settle (rig);
  g_assert_cmpuint (rig_source_opened, ==, 0);
  for (unsigned round = 1; round <= 2; round++) {
    RigReader reader;
    rig_open (rig, &reader, "cam");
    g_assert_no_error (reader.error);
    g_assert_cmpuint (lease_tracks (reader.lease)->n_tracks, ==, 1);
    g_assert_cmpuint (rig_source_opened, ==, round);
    rig_reader_clear (&reader);
    expect_state (rig, "cam", STREAM_STOPPED);
    rig_settle (rig);
    g_assert_cmpuint (rig_source_closed, ==, round);
  }
}

static void
test_wish_for_a_silent_source_times_out (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", "fake:silent");
  settings->on_demand = true;
  settings->on_demand_start_timeout_ms = 100;
  registry_create (rig->registry, settings, NULL);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  g_assert_error (reader.error, SLUICE_ERROR, SLUICE_ERROR_TIMEOUT);
  rig_reader_clear (&reader);
  expect_state (rig, "cam", STREAM_STOPPED);
}

static void
test_a_source_that_ends_is_not_restarted (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "film", "fake:end");
  registry_create (rig->registry, settings, NULL);
  expect_state (rig, "film", STREAM_STOPPED);
  rig_settle (rig);
  g_assert_cmpuint (rig_source_opened, ==, 1);
  registry_start (rig->registry, "film", NULL);
  rig_settle (rig);
  expect_state (rig, "film", STREAM_STOPPED);
  g_assert_cmpuint (rig_source_opened, ==, 2);
}

static void
test_stop_holds_until_start (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", "fake:online");
  registry_create (rig->registry, settings, NULL);
  expect_state (rig, "cam", STREAM_RUNNING);
  registry_stop (rig->registry, "cam", NULL);
  expect_state (rig, "cam", STREAM_STOPPED);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  g_assert_error (reader.error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE);
  rig_reader_clear (&reader);
  registry_start (rig->registry, "cam", NULL);
  expect_state (rig, "cam", STREAM_RUNNING);
}

/* --- planes ------------------------------------------------------------------------------------------------
 */

static int64_t
capture (RigReader *reader, unsigned index)
{
  return g_array_index (reader->captures, int64_t, index);
}

static void
test_units_are_payloaded_while_somebody_wants_packets (Rig *rig)
{
  RigPublisher publisher;
  rig_publish_units (rig, &publisher, "film");
  rig_send_unit (&publisher, PICTURE, 0);
  rig_send_unit (&publisher, IDR, 4 * GST_SECOND);
  rig_send_unit (&publisher, PICTURE, 5 * GST_SECOND);
  g_assert_cmpuint (rig_bridges, ==, 0);
  for (unsigned round = 0; round < 2; round++) {
    RigReader reader;
    rig_open (rig, &reader, "film");
    rig_play (rig, &reader, round, true);
    expect_count (&reader, 2);
    g_assert_cmpuint (rig_bridges, ==, 1);
    rig_send_unit (&publisher, PICTURE, (6 + round) * GST_SECOND);
    expect_count (&reader, 3);
    /* The cached frames keep their age, on the RTP clock and on the wall clock alike. */
    g_assert_cmpuint (batch_time (&reader, 1) - batch_time (&reader, 0), ==, 90000);
    g_assert_cmpint (capture (&reader, 1) - capture (&reader, 0), ==, G_USEC_PER_SEC);
    g_assert_cmpint (capture (&reader, 2) - capture (&reader, 0), ==, (2 + round) * G_USEC_PER_SEC);
    rig_reader_clear (&reader);
    rig_settle (rig);
    g_assert_cmpuint (rig_bridges, ==, 0);
    rig_send_unit (&publisher, IDR, 4 * GST_SECOND);
    rig_send_unit (&publisher, PICTURE, 5 * GST_SECOND);
  }
  rig_publisher_clear (&publisher);
}

static void
test_packets_are_depayloaded_while_somebody_wants_units (Rig *rig)
{
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", false);
  rig_send (&publisher, (RigPacket){.sequence = 1, .timestamp = 900000, .nal = IDR, .marker = true});
  rig_send (&publisher, (RigPacket){.sequence = 2, .timestamp = 990000, .nal = PICTURE, .marker = true});
  RigReader reader;
  rig_open (rig, &reader, "cam");
  reader.plane = READER_UNITS;
  rig_play (rig, &reader, 1, true);
  rig_send (&publisher, (RigPacket){.sequence = 3, .timestamp = 1080000, .nal = PICTURE, .marker = true});
  rig_settle (rig);
  g_assert_cmpstr (reader.flags->str, ==, "kdd");
  g_assert_cmpint (capture (&reader, 0), ==, G_USEC_PER_SEC);
  g_assert_cmpint (capture (&reader, 2), ==, 3 * G_USEC_PER_SEC);
  rig_reader_clear (&reader);
  rig_settle (rig);
  g_assert_cmpuint (rig_bridges, ==, 0);
  rig_publisher_clear (&publisher);
}

/* --- configuration -----------------------------------------------------------------------------------------
 */

static void
test_update_touches_only_what_it_must (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", "fake:online");
  registry_create (rig->registry, settings, NULL);
  expect_state (rig, "cam", STREAM_RUNNING);
  g_autoptr (StreamSettings) hot = stream_settings_copy (settings, "cam");
  hot->max_readers = 7;
  g_assert_true (registry_update (rig->registry, hot, NULL));
  rig_settle (rig);
  g_assert_cmpuint (rig_source_opened, ==, 1);
  g_autoptr (StreamSettings) moved = rig_settings (rig, "cam", "fake:silent");
  g_assert_true (registry_update (rig->registry, moved, NULL));
  rig_settle (rig);
  g_assert_cmpuint (rig_source_opened, ==, 2);
  g_assert_cmpuint (rig_source_closed, ==, 1);
}

static void
test_create_refuses (Rig *rig)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", "fake:online");
  g_assert_true (registry_create (rig->registry, settings, NULL));
  g_assert_false (registry_create (rig->registry, settings, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_ALREADY_EXISTS);
  g_clear_error (&error);
  g_autoptr (StreamSettings) unknown = rig_settings (rig, "other", "gopher://x");
  g_assert_false (registry_create (rig->registry, unknown, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "fake:"));
  g_clear_error (&error);
  g_assert_false (registry_remove (rig->registry, "nobody", &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND);
}

static void
test_pattern_makes_streams_on_demand (Rig *rig)
{
  g_autoptr (Settings) settings = settings_new_default ();
  StreamSettings *pattern = rig_settings (rig, "cam-*", "fake:{name}");
  g_ptr_array_add (settings->patterns, pattern);
  registry_apply (rig->registry, settings);
  RigReader reader;
  rig_open (rig, &reader, "cam-7");
  g_assert_no_error (reader.error);
  g_autoptr (StreamStatus) status = registry_get_status (rig->registry, "cam-7");
  g_assert_cmpstr (status->source, ==, "fake:cam-7");
  g_assert_false (status->configured);
  rig_reader_clear (&reader);
  int64_t deadline = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;
  while (registry_count (rig->registry) > 0) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_main_context_iteration (NULL, FALSE);
  }
}

/* --- publishers and operators ------------------------------------------------------------------------------
 */

static void
test_stop_ends_a_publisher (Rig *rig)
{
  static const char *const names[] = {"configured", "guest"};
  g_autoptr (StreamSettings) settings = rig_settings (rig, "configured", NULL);
  registry_create (rig->registry, settings, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (names); i++) {
    RigPublisher first, refused, second;
    rig_publish (rig, &first, names[i], false);
    expect_state (rig, names[i], STREAM_RUNNING);
    g_string_truncate (rig->events, 0);
    g_assert_true (registry_stop (rig->registry, names[i], NULL));
    rig_settle (rig);
    g_assert_nonnull (first.ended);
    expect_state (rig, names[i], STREAM_STOPPED);
    g_assert_nonnull (strstr (rig->events->str, "publisher.disconnected"));
    rig_publish (rig, &refused, names[i], false);
    g_assert_error (refused.error, SLUICE_ERROR, SLUICE_ERROR_FORBIDDEN);
    g_assert_true (registry_start (rig->registry, names[i], NULL));
    rig_publish (rig, &second, names[i], false);
    g_assert_no_error (second.error);
    expect_state (rig, names[i], STREAM_RUNNING);
    rig_publisher_clear (&first);
    rig_publisher_clear (&refused);
    rig_publisher_clear (&second);
  }
}

/* Between the permission and the first packet the operator changes his mind. */
static void
test_stop_and_source_win_over_a_late_publisher (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", NULL);
  registry_create (rig->registry, settings, NULL);
  RigPublisher publisher;
  rig_reserve (rig, &publisher, "cam");
  registry_stop (rig->registry, "cam", NULL);
  rig_begin (&publisher);
  rig_settle (rig);
  g_assert_nonnull (publisher.ended);
  expect_state (rig, "cam", STREAM_STOPPED);
  rig_publisher_clear (&publisher);
  registry_start (rig->registry, "cam", NULL);

  rig_reserve (rig, &publisher, "cam");
  g_autoptr (StreamSettings) pulled = rig_settings (rig, "cam", "fake:online");
  pulled->on_demand = true;
  g_assert_true (registry_update (rig->registry, pulled, NULL));
  rig_begin (&publisher);
  rig_settle (rig);
  g_assert_nonnull (publisher.ended);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  g_assert_no_error (reader.error);
  g_assert_cmpuint (rig_source_opened, ==, 1);
  rig_reader_clear (&reader);
  rig_publisher_clear (&publisher);
}

static void
test_update_of_a_published_stream (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", NULL);
  registry_create (rig->registry, settings, NULL);
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", false);
  /* What only a source needs does not touch it. */
  g_autoptr (StreamSettings) hot = stream_settings_copy (settings, "cam");
  hot->stall_timeout_ms += 1000;
  registry_update (rig->registry, hot, NULL);
  rig_settle (rig);
  g_assert_null (publisher.ended);
  expect_state (rig, "cam", STREAM_RUNNING);
  g_autoptr (StreamSettings) disabled = stream_settings_copy (settings, "cam");
  disabled->enabled = false;
  registry_update (rig->registry, disabled, NULL);
  rig_settle (rig);
  g_assert_nonnull (publisher.ended);
  expect_state (rig, "cam", STREAM_STOPPED);
  rig_publisher_clear (&publisher);
  /* A source comes and goes again. */
  g_autoptr (StreamSettings) pulled = rig_settings (rig, "cam", "fake:online");
  registry_update (rig->registry, pulled, NULL);
  expect_state (rig, "cam", STREAM_RUNNING);
  registry_update (rig->registry, settings, NULL);
  rig_settle (rig);
  expect_state (rig, "cam", STREAM_STOPPED);
  rig_publish (rig, &publisher, "cam", false);
  registry_update (rig->registry, pulled, NULL);
  rig_settle (rig);
  g_assert_nonnull (publisher.ended);
  g_assert_nonnull (strstr (rig->events->str, "publisher.disconnected"));
  expect_state (rig, "cam", STREAM_RUNNING);
  rig_publisher_clear (&publisher);
}

/* A stream that only waits for its publisher is dropped after a while, but not once it is configured. */
static void
test_configuring_a_stream_that_waits (Rig *rig)
{
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", false);
  rig_end (&publisher, "connection reset");
  rig_publisher_clear (&publisher);
  rig_settle (rig);
  expect_state (rig, "cam", STREAM_RECONNECTING);
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", NULL);
  g_assert_true (registry_create (rig->registry, settings, NULL));
  expect_state (rig, "cam", STREAM_STOPPED);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  g_assert_error (reader.error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND);
  rig_reader_clear (&reader);
}

static void
test_a_permission_given_back (Rig *rig)
{
  g_autoptr (StreamSettings) settings = rig_settings (rig, "cam", NULL);
  registry_create (rig->registry, settings, NULL);
  RigPublisher first, second;
  rig_publish (rig, &first, "cam", false);
  rig_reserve (rig, &second, "cam");
  g_assert_nonnull (first.ended);
  expect_state (rig, "cam", STREAM_RECONNECTING);
  rig_publisher_clear (&second);
  rig_settle (rig);
  expect_state (rig, "cam", STREAM_STOPPED);
  RigReader reader;
  rig_open (rig, &reader, "cam");
  g_assert_error (reader.error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND);
  rig_reader_clear (&reader);
  rig_publisher_clear (&first);
}

static bool
is_empty (void *data)
{
  return registry_count (((Rig *)data)->registry) == 0;
}

/* What a reader's wish made goes again, whatever became of the wish. */
static void
test_wishes_that_fail_leave_nothing (Rig *rig)
{
  for (unsigned i = 0; i < 3; i++) {
    g_autoptr (Settings) settings = settings_new_default ();
    StreamSettings *pattern = rig_settings (rig, "cam-*",
                                            i == 0   ? "fake:fail"
                                            : i == 1 ? "fake:silent"
                                                     : "gopher:x");
    pattern->max_attempts = 1;
    pattern->enabled = i != 1;
    g_ptr_array_add (settings->patterns, pattern);
    registry_apply (rig->registry, settings);
    RigReader reader;
    rig_open (rig, &reader, "cam-7");
    g_assert_nonnull (reader.error);
    rig_wait (is_empty, rig);
    rig_reader_clear (&reader);
  }
}

static void
test_stop_outlives_readers_of_a_pattern (Rig *rig)
{
  g_autoptr (Settings) settings = settings_new_default ();
  g_ptr_array_add (settings->patterns, rig_settings (rig, "cam-*", "fake:online"));
  registry_apply (rig->registry, settings);
  RigReader reader;
  rig_open (rig, &reader, "cam-7");
  registry_stop (rig->registry, "cam-7", NULL);
  rig_reader_clear (&reader);
  int64_t later = g_get_monotonic_time () + 150 * 1000;
  while (g_get_monotonic_time () < later)
    g_main_context_iteration (NULL, FALSE);
  rig_open (rig, &reader, "cam-7");
  g_assert_error (reader.error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE);
  rig_reader_clear (&reader);
  registry_start (rig->registry, "cam-7", NULL);
  rig_wait (is_empty, rig);
}

static void
test_cache_switched_off_and_on (Rig *rig)
{
  g_autoptr (StreamSettings) on = rig_settings (rig, "cam", NULL);
  g_autoptr (StreamSettings) off = stream_settings_copy (on, "cam");
  off->gop_cache = false;
  registry_create (rig->registry, on, NULL);
  RigPublisher publisher;
  rig_publish (rig, &publisher, "cam", false);
  rig_send (&publisher, (RigPacket){.sequence = 1, .timestamp = 0, .nal = IDR, .marker = true});
  registry_update (rig->registry, off, NULL);
  rig_settle (rig);
  rig_send (&publisher, (RigPacket){.sequence = 2, .timestamp = 3000, .nal = PICTURE, .marker = true});
  registry_update (rig->registry, on, NULL);
  rig_settle (rig);
  rig_send (&publisher, (RigPacket){.sequence = 3, .timestamp = 6000, .nal = PICTURE, .marker = true});
  RigReader reader;
  rig_open (rig, &reader, "cam");
  rig_play (rig, &reader, 0, true);
  rig_settle (rig);
  g_assert_cmpuint (rig_count (&reader), ==, 0);
  rig_reader_clear (&reader);
  rig_publisher_clear (&publisher);
}

static void
test_url_helpers (Rig *rig)
{
  static const struct {
    const char *url, *scheme, *redacted;
  } rows[] = {
      {"rtsp://a/b", "rtsp", "rtsp://a/b"},
      {"RTSP://user:secret@a/b", "rtsp", "RTSP://***@a/b"},
      {"rtsp://user:se/cr@et@a:8554/b?x=1", "rtsp", "rtsp://***@a:8554/b?x=1"},
      {"srt://h:1?Passphrase=geheim&mode=caller", "srt", "srt://h:1?Passphrase=***&mode=caller"},
      {"http://u:p@h/x?a=1&token=t#f", "http", "http://***@h/x?a=1&token=***#f"},
      {"http://h/x?", "http", "http://h/x?"},
      {"test:pattern=ball", "test", "test:pattern=ball"},
      {"nothing", NULL, "nothing"},
      {":x", NULL, ":x"},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *scheme = source_url_scheme (rows[i].url);
    g_autofree char *redacted = source_url_redact (rows[i].url);
    g_assert_cmpstr (scheme, ==, rows[i].scheme);
    g_assert_cmpstr (redacted, ==, rows[i].redacted);
  }
}

static void
run (gconstpointer func)
{
  Rig *rig = rig_new ();
  ((void (*) (Rig *))func) (rig);
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
#define ADD(name, func) g_test_add_data_func ("/stream/" name, func, run)
  ADD ("reader-starts-with-the-group-of-pictures", test_reader_starts_with_the_group_of_pictures);
  ADD ("reader-without-cache-waits-for-a-key-frame", test_reader_without_cache_waits_for_a_key_frame);
  ADD ("frames-are-cut-at-marker-and-time", test_frames_are_cut_at_marker_and_time);
  ADD ("parameter-sets-stay-with-their-key-frame", test_parameter_sets_stay_with_their_key_frame);
  ADD ("losses-stay-gaps-and-are-counted", test_losses_stay_gaps_and_are_counted);
  ADD ("a-new-publisher-continues-the-old-one", test_a_new_publisher_continues_the_old_one);
  ADD ("jumps-of-time-and-sequence-are-smoothed", test_jumps_of_time_and_sequence_are_smoothed);
  ADD ("tracks-are-in-step-of-their-sender-reports", test_tracks_are_in_step_of_their_sender_reports);
  ADD ("a-report-holds-for-hours", test_a_report_holds_for_hours);
  ADD ("other-tracks-send-readers-away", test_other_tracks_send_readers_away);
  ADD ("other-tracks-before-the-start", test_other_tracks_before_the_start);
  ADD ("paused-reader-gets-nothing", test_paused_reader_gets_nothing);
  ADD ("kick-and-remove-end-readers", test_kick_and_remove_end_readers);
  ADD ("max-readers", test_max_readers);
  ADD ("who-went-away-takes-no-place", test_who_went_away_takes_no_place);
  ADD ("who-may-publish", test_who_may_publish);
  ADD ("what-a-publisher-made-goes-with-it", test_what_a_publisher_made_goes_with_it);
  ADD ("readers-wait-for-a-vanished-publisher", test_readers_wait_for_a_vanished_publisher);
  ADD ("fails-over-to-the-next-source", test_fails_over_to_the_next_source);
  ADD ("backs-off-and-gives-up-at-max-attempts", test_backs_off_and_gives_up_at_max_attempts);
  ADD ("a-source-without-frames-is-restarted", test_a_source_without_frames_is_restarted);
  ADD ("on-demand-source-lives-as-long-as-its-readers", test_on_demand_source_lives_as_long_as_its_readers);
  ADD ("wish-for-a-silent-source-times-out", test_wish_for_a_silent_source_times_out);
  ADD ("a-source-that-ends-is-not-restarted", test_a_source_that_ends_is_not_restarted);
  ADD ("stop-holds-until-start", test_stop_holds_until_start);
  ADD ("units-are-payloaded-while-somebody-wants-packets",
       test_units_are_payloaded_while_somebody_wants_packets);
  ADD ("packets-are-depayloaded-while-somebody-wants-units",
       test_packets_are_depayloaded_while_somebody_wants_units);
  ADD ("update-touches-only-what-it-must", test_update_touches_only_what_it_must);
  ADD ("stop-ends-a-publisher", test_stop_ends_a_publisher);
  ADD ("stop-and-source-win-over-a-late-publisher", test_stop_and_source_win_over_a_late_publisher);
  ADD ("update-of-a-published-stream", test_update_of_a_published_stream);
  ADD ("configuring-a-stream-that-waits", test_configuring_a_stream_that_waits);
  ADD ("a-permission-given-back", test_a_permission_given_back);
  ADD ("wishes-that-fail-leave-nothing", test_wishes_that_fail_leave_nothing);
  ADD ("stop-outlives-readers-of-a-pattern", test_stop_outlives_readers_of_a_pattern);
  ADD ("cache-switched-off-and-on", test_cache_switched_off_and_on);
  ADD ("create-refuses", test_create_refuses);
  ADD ("pattern-makes-streams-on-demand", test_pattern_makes_streams_on_demand);
  ADD ("url-helpers", test_url_helpers);
  return g_test_run ();
}
