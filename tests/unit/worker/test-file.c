/* SPDX-License-Identifier: Apache-2.0 */
/* Files come out as they went in: access units bit-exact, with their time stamps, at their pace, round after
 * round. */
#include "rig.h"

#include "base/log.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  char *folder;
  char *movie; /* 2 s of H.264 with B-frames and AAC, in MP4 */
} Fixture;

typedef struct {
  int64_t dts, pts, size;
  char hash[33];
} Packet;

static void
setup (Fixture *f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("sluice-test-XXXXXX", NULL);
  f->movie = g_build_filename (f->folder, "movie 1.mp4", NULL);
  const char *argv[] = {"ffmpeg",
                        "-v",
                        "error",
                        "-f",
                        "lavfi",
                        "-i",
                        "testsrc=duration=2:size=320x180:rate=25",
                        "-f",
                        "lavfi",
                        "-i",
                        "sine=duration=2:sample_rate=44100",
                        "-c:v",
                        "libx264",
                        "-preset",
                        "veryfast",
                        "-bf",
                        "2",
                        "-g",
                        "25",
                        "-pix_fmt",
                        "yuv420p",
                        "-c:a",
                        "aac",
                        f->movie,
                        NULL};
  rig_run (argv);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);
  const char *name;
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (f->folder, name, NULL);
    g_unlink (path);
  }
  g_rmdir (f->folder);
  g_free (f->folder);
  g_free (f->movie);
}

static char *
remux (Fixture *f, const char *name)
{
  char *path = g_build_filename (f->folder, name, NULL);
  const char *argv[] = {"ffmpeg", "-v", "error", "-i", f->movie, "-c", "copy", path, NULL};
  rig_run (argv);
  return path;
}

static char *
url_of (const char *path, const char *query)
{
  g_autofree char *escaped = g_uri_escape_string (path, "/", FALSE);
  return g_strdup_printf ("file://%s%s", escaped, query);
}

/* What ffmpeg finds in stream @index of @path: one line of framemd5 a packet. */
static GArray *
read_packets (Fixture *f, const char *path, int index)
{
  g_autofree char *list = g_build_filename (f->folder, "list", NULL);
  g_autofree char *map = g_strdup_printf ("0:%d", index);
  const char *argv[] = {"ffmpeg", "-y", "-v",   "error", "-i",       path, "-map",
                        map,      "-c", "copy", "-f",    "framemd5", list, NULL};
  g_autofree char *text = NULL;
  rig_run (argv);
  g_assert_true (g_file_get_contents (list, &text, NULL, NULL));
  GArray *packets = g_array_new (FALSE, TRUE, sizeof (Packet));
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line; line++) {
    g_auto (GStrv) fields = g_strsplit (*line, ",", -1);
    if (**line == '#' || g_strv_length (fields) < 6)
      continue;
    Packet packet = {.dts = g_ascii_strtoll (fields[1], NULL, 10),
                     .pts = g_ascii_strtoll (fields[2], NULL, 10),
                     .size = g_ascii_strtoll (fields[4], NULL, 10)};
    g_strlcpy (packet.hash, g_strstrip (fields[5]), sizeof packet.hash);
    g_array_append_val (packets, packet);
  }
  return packets;
}

/* qtdemux (as of 1.22) compares the time of a sample before its edit list with the end of the segment behind
 * it, and so loses the last few milliseconds of sound of a file whose encoder primed. */
static void
drop_tail (GArray *audio_packets)
{
  g_array_set_size (audio_packets, audio_packets->len - 1);
}

static void
assert_same_packets (GPtrArray *units, GArray *packets, guint first)
{
  g_assert_cmpuint (units->len, >=, first + packets->len);
  for (guint i = 0; i < packets->len; i++) {
    const RigUnit *unit = g_ptr_array_index (units, first + i);
    const Packet *packet = &g_array_index (packets, Packet, i);
    g_autofree char *hash = g_compute_checksum_for_bytes (G_CHECKSUM_MD5, unit->bytes);
    g_assert_cmpint (g_bytes_get_size (unit->bytes), ==, packet->size);
    g_assert_cmpstr (hash, ==, packet->hash);
  }
}

/* @ticks of ffmpeg's time base for MP4 in a second. */
static void
assert_same_times (GPtrArray *units, GArray *packets, int64_t ticks)
{
  const RigUnit *first_unit = g_ptr_array_index (units, 0);
  const Packet *first_packet = &g_array_index (packets, Packet, 0);
  for (guint i = 0; i < packets->len; i++) {
    const RigUnit *unit = g_ptr_array_index (units, i);
    const Packet *packet = &g_array_index (packets, Packet, i);
    int64_t dts = (packet->dts - first_packet->dts) * (int64_t)GST_SECOND / ticks;
    int64_t shift = (packet->pts - packet->dts) * (int64_t)GST_SECOND / ticks;
    g_assert_cmpint (ABS (unit->dts - first_unit->dts - dts), <, (int64_t)GST_MSECOND);
    g_assert_cmpint (ABS (unit->pts - unit->dts - shift), <, (int64_t)GST_MSECOND);
  }
}

static void
test_mp4_is_bit_exact_and_paced (Fixture *f, gconstpointer data)
{
  g_autofree char *url = url_of (f->movie, "");
  g_autoptr (Rig) rig = rig_new (url);
  rig_start (rig);
  rig_wait_end (rig);
  int64_t took_us = loop_now_us () - rig->tracks_us;
  g_autoptr (GPtrArray) video = rig_units (rig, 0);
  g_autoptr (GPtrArray) audio = rig_units (rig, 1);
  g_autoptr (GArray) video_packets = read_packets (f, f->movie, 0);
  g_autoptr (GArray) audio_packets = read_packets (f, f->movie, 1);
  g_assert_cmpuint (video->len, ==, 50);
  g_assert_cmpuint (video_packets->len, ==, 50);
  drop_tail (audio_packets);
  g_assert_cmpuint (audio->len, >=, audio_packets->len);
  assert_same_packets (video, video_packets, 0);
  assert_same_packets (audio, audio_packets, 0);
  assert_same_times (video, video_packets, 12800);
  g_assert_cmpint (took_us, >, 1800000);
  g_assert_cmpint (took_us, <, 4000000);
  unsigned n_reordered = 0;
  for (guint i = 0; i < video->len; i++) {
    const RigUnit *unit = g_ptr_array_index (video, i);
    n_reordered += unit->pts > unit->dts + 50 * (int64_t)GST_MSECOND;
    g_assert_cmpint (!(unit->flags & WORKER_UNIT_DELTA), ==, i % 25 == 0);
  }
  g_assert_cmpuint (n_reordered, >, 10);
  /* Sound and picture stay together. */
  const RigUnit *first_video = g_ptr_array_index (video, 0);
  const RigUnit *first_audio = g_ptr_array_index (audio, 0);
  g_assert_cmpint (ABS (first_video->pts - first_audio->pts), <, 50 * (int64_t)GST_MSECOND);
}

/* Slices of an access unit in AVC format: what no container may change. */
static GBytes *
slices_of (GBytes *unit)
{
  gsize n_bytes;
  const uint8_t *bytes = g_bytes_get_data (unit, &n_bytes);
  g_autoptr (GByteArray) slices = g_byte_array_new ();
  for (gsize at = 0; at + 4 < n_bytes;) {
    gsize length = (gsize)bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
    g_assert_cmpuint (length, <=, n_bytes - at - 4);
    unsigned type = bytes[at + 4] & 0x1f;
    if (type == 1 || type == 5)
      g_byte_array_append (slices, bytes + at + 4, (guint)length);
    at += 4 + length;
  }
  g_assert_cmpuint (slices->len, >, 0);
  return g_byte_array_free_to_bytes (g_steal_pointer (&slices));
}

static void
test_containers_agree (Fixture *f, gconstpointer data)
{
  static const char *const names[] = {"a.mkv", "b.ts", "c.flv", "d.mov"};
  g_autofree char *reference_url = url_of (f->movie, "");
  g_autoptr (Rig) reference = rig_new (reference_url);
  rig_start (reference);
  rig_wait_end (reference);
  g_autoptr (GPtrArray) expected = rig_units (reference, 0);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = remux (f, names[i]);
    g_autofree char *url = url_of (path, "");
    g_autoptr (Rig) rig = rig_new (url);
    rig_start (rig);
    rig_wait_end (rig);
    g_assert_cmpuint (rig->caps->len, ==, 2);
    g_autoptr (GPtrArray) units = rig_units (rig, 0);
    g_test_message ("%s", names[i]);
    g_assert_cmpuint (units->len, ==, expected->len);
    for (guint j = 0; j < units->len; j++) {
      const RigUnit *a = g_ptr_array_index (expected, j);
      const RigUnit *b = g_ptr_array_index (units, j);
      const RigUnit *a0 = g_ptr_array_index (expected, 0);
      const RigUnit *b0 = g_ptr_array_index (units, 0);
      g_autoptr (GBytes) a_slices = slices_of (a->bytes);
      g_autoptr (GBytes) b_slices = slices_of (b->bytes);
      g_assert_true (g_bytes_equal (a_slices, b_slices));
      g_assert_cmpint (ABS (a->pts - a0->pts - (b->pts - b0->pts)), <, 2 * (int64_t)GST_MSECOND);
      g_assert_cmpint (b->dts, !=, WORKER_TIME_NONE);
      g_assert_cmpint (b->dts, <=, b->pts);
    }
  }
}

static void
test_loop_goes_on (Fixture *f, gconstpointer data)
{
  g_autofree char *url = url_of (f->movie, "");
  g_autoptr (Rig) rig = rig_new (url);
  rig->loop_file = true;
  rig_start (rig);
  rig_wait_units (rig, 0, 120);
  g_autoptr (GPtrArray) video = rig_units (rig, 0);
  g_autoptr (GPtrArray) audio = rig_units (rig, 1);
  g_autoptr (GArray) video_packets = read_packets (f, f->movie, 0);
  g_autoptr (GArray) audio_packets = read_packets (f, f->movie, 1);
  assert_same_packets (video, video_packets, 50);
  drop_tail (audio_packets);
  assert_same_packets (audio, audio_packets, audio_packets->len);
  g_assert_cmpuint (rig->caps->len, ==, 2);
  for (guint i = 1; i < 120; i++) {
    const RigUnit *before = g_ptr_array_index (video, i - 1);
    const RigUnit *unit = g_ptr_array_index (video, i);
    int64_t step = unit->dts - before->dts;
    /* The round is as long as its longest track: the sound is a little longer than the picture. */
    int64_t slack = i % 50 == 0 ? 50 * (int64_t)GST_MSECOND : (int64_t)GST_MSECOND;
    g_assert_cmpint (step, >, 39 * (int64_t)GST_MSECOND);
    g_assert_cmpint (step, <, 40 * (int64_t)GST_MSECOND + slack);
  }
  for (guint i = 1; i < audio->len; i++)
    g_assert_cmpint (((RigUnit *)g_ptr_array_index (audio, i))->pts, >,
                     ((RigUnit *)g_ptr_array_index (audio, i - 1))->pts);
}

/* The URL's own word holds over the setting. */
static void
test_url_forbids_loop (Fixture *f, gconstpointer data)
{
  g_autofree char *url = url_of (f->movie, "?loop=false");
  g_autoptr (Rig) rig = rig_new (url);
  rig->loop_file = true;
  rig_start (rig);
  rig_wait_end (rig);
  g_assert_cmpuint (rig_n_units (rig, 0), ==, 50);
}

static void
test_broken_files_fail (Fixture *f, gconstpointer data)
{
  g_autofree char *bytes = NULL;
  gsize n_bytes;
  g_assert_true (g_file_get_contents (f->movie, &bytes, &n_bytes, NULL));
  g_autofree char *path = g_build_filename (f->folder, "cut.mp4", NULL);
  static const gsize lengths[] = {0, 1, 40, 5000};
  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++) {
    g_assert_true (g_file_set_contents (path, bytes, (gssize)lengths[i], NULL));
    g_autofree char *url = url_of (path, "?loop=true");
    g_autoptr (Rig) rig = rig_new (url);
    rig_start (rig);
    g_autoptr (GError) error = rig_wait_error (rig);
    g_test_message ("%zu bytes: %s", lengths[i], error->message);
    g_assert_false (rig->gone);
  }
}

#define ADD(name, func) g_test_add ("/worker/file/" name, Fixture, NULL, setup, func, teardown)

int
main (int argc, char **argv)
{
  rig_init ();
  log_install (LOG_FORMAT_PRETTY);
  g_test_init (&argc, &argv, NULL);
  ADD ("mp4-is-bit-exact-and-paced", test_mp4_is_bit_exact_and_paced);
  ADD ("containers-agree", test_containers_agree);
  ADD ("loop-goes-on", test_loop_goes_on);
  ADD ("url-forbids-loop", test_url_forbids_loop);
  ADD ("broken-files-fail", test_broken_files_fail);
  return g_test_run ();
}
