/* SPDX-License-Identifier: Apache-2.0 */
/* The test picture is what the measurements take it for: its bit rate, its packets, its key frames, its
 * times. */
#include "bench/film.h"

#include "bench/stamp.h"
#include "stream/inspect.h"
#include "stream/rtp_header.h"

static void
test_synthetic (void)
{
  g_autoptr (GError) error = NULL;
  BenchFilmOptions options = BENCH_FILM_DEFAULTS;
  g_autoptr (BenchFilm) film = bench_film_new_synthetic (&options, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (film->n_frames, ==, 120);
  g_assert_cmpint (film->duration_us, >=, 3999000);
  g_assert_cmpint (film->duration_us, <=, 4001000);
  uint64_t bytes = 0, packets = 0;
  for (unsigned i = 0; i < film->n_frames; i++) {
    const BenchFrame *frame = &film->frames[i];
    g_assert_true (frame->key == (i % 60 == 0));
    g_assert_cmpint (ABS (frame->send_us - (int64_t)i * 1000000 / 30), <=, 1);
    g_assert_cmpint (ABS ((int)frame->rtp_offset - (int)i * 3000), <=, 1);
    g_assert_nonnull (frame->stamp);
    bytes += frame->n_bytes;
    packets += frame->n_packets;
    bool key = false;
    for (unsigned k = 0; k < frame->n_packets; k++) {
      RtpHeader header;
      InspectResult result;
      g_assert_cmpuint (frame->packets[k].iov_len, <=, 1100);
      g_assert_true (rtp_header_parse (frame->packets[k].iov_base, frame->packets[k].iov_len, &header));
      g_assert_true (header.marker == (k + 1 == frame->n_packets));
      const uint8_t *payload = (const uint8_t *)frame->packets[k].iov_base + header.payload_offset;
      inspect_payload (CODEC_H264, payload, header.payload_bytes, header.marker, &result);
      key |= result.key;
      if (k > 0)
        continue;
      g_assert_true (result.parameters == frame->key);
      g_assert_true (bench_stamp_find (payload, header.payload_bytes) == frame->stamp);
      /* As large as those behind it: they can leave as one run. */
      g_assert_cmpuint (frame->packets[0].iov_len, >=, 1099);
    }
    g_assert_true (key == frame->key);
  }
  g_assert_cmpuint (bytes * 2, >=, 1950000);
  g_assert_cmpuint (bytes * 2, <=, 2050000);
  g_assert_cmpuint (packets, >=, 7 * 120);
  g_assert_cmpuint (packets, <=, 10 * 120);
}

static void
test_no_such_file (void)
{
  g_autoptr (GError) error = NULL;
  BenchFilm *film = bench_film_new_file ("/nonexistent.mp4", &error);
  g_assert_null (film);
  g_assert_nonnull (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/bench/film/synthetic", test_synthetic);
  g_test_add_func ("/bench/film/no-file", test_no_such_file);
  return g_test_run ();
}
