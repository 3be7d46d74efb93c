/* SPDX-License-Identifier: Apache-2.0 */
/* Sources on the network, against ffmpeg and Python's HTTP server on loopback. */
#include "rig.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  char *folder;
  char *movie; /* 1 s */
  GSubprocess *peer;
} Fixture;

/* Of a socket that was bound a moment ago and is no more. */
static unsigned
free_port (int type)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket (AF_INET, type | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *)&address, &length), ==, 0);
  close (fd);
  return ntohs (address.sin_port);
}

/* Without B-frames: fed by a server, qtdemux (as of 1.22) takes the presentation time of a reordered picture
 * for the end of its edit list and drops the last few. */
static void
setup (Fixture *f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("sluice-test-XXXXXX", NULL);
  f->movie = g_build_filename (f->folder, "movie.mp4", NULL);
  const char *argv[] = {"ffmpeg",
                        "-v",
                        "error",
                        "-f",
                        "lavfi",
                        "-i",
                        "testsrc=duration=1:size=320x180:rate=25",
                        "-f",
                        "lavfi",
                        "-i",
                        "sine=duration=1",
                        "-c:v",
                        "libx264",
                        "-preset",
                        "veryfast",
                        "-bf",
                        "0",
                        "-g",
                        "10",
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
  if (f->peer) {
    g_subprocess_force_exit (f->peer);
    g_subprocess_wait (f->peer, NULL, NULL);
    g_object_unref (f->peer);
  }
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

static void
start_peer (Fixture *f, const char *const *argv)
{
  g_autoptr (GError) error = NULL;
  f->peer =
      g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error);
  g_assert_no_error (error);
}

/* ffmpeg sends the movie over and over as MPEG-TS. */
static void
send_to (Fixture *f, const char *url)
{
  const char *argv[] = {"ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i",
                        f->movie, "-c", "copy",  "-f",  "mpegts",       url,  NULL};
  start_peer (f, argv);
}

static void
assert_times_rise (Rig *rig, unsigned track)
{
  g_autoptr (GPtrArray) units = rig_units (rig, track);
  for (guint i = 1; i < units->len; i++) {
    const RigUnit *before = g_ptr_array_index (units, i - 1);
    const RigUnit *unit = g_ptr_array_index (units, i);
    g_assert_cmpint (unit->dts, >=, before->dts);
    g_assert_cmpint (unit->dts - before->dts, <, 500 * (int64_t)GST_MSECOND);
  }
}

static void
test_udp (Fixture *f, gconstpointer data)
{
  unsigned port = free_port (SOCK_DGRAM);
  g_autofree char *target = g_strdup_printf ("udp://127.0.0.1:%u?pkt_size=1316", port);
  g_autofree char *url = g_strdup_printf ("udp://127.0.0.1:%u", port);
  send_to (f, target);
  g_autoptr (Rig) rig = rig_new (url);
  rig_start (rig);
  rig_wait_units (rig, 0, 30);
  rig_wait_units (rig, 1, 30);
  assert_times_rise (rig, 0);
  assert_times_rise (rig, 1);
}

static void
test_udp_port_is_taken (Fixture *f, gconstpointer data)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *)&address, &length), ==, 0);
  g_autofree char *url = g_strdup_printf ("udp://127.0.0.1:%u", ntohs (address.sin_port));
  g_autoptr (Rig) rig = rig_new (url);
  rig_start (rig);
  g_autoptr (GError) error = rig_wait_error (rig);
  g_assert_nonnull (strstr (error->message, "already in use"));
  close (fd);
}

/* A source that waits for its peer is no hang. */
static void
test_srt_listener_waits (Fixture *f, gconstpointer data)
{
  unsigned port = free_port (SOCK_DGRAM);
  g_autofree char *target = g_strdup_printf ("srt://127.0.0.1:%u?passphrase=0123456789", port);
  g_autofree char *url = g_strdup_printf ("srt://127.0.0.1:%u?mode=listener&passphrase=0123456789", port);
  g_autoptr (Rig) rig = rig_new (url);
  rig->limits.hang_timeout_ms = 1000;
  rig_start (rig);
  g_usleep (1500 * 1000); /* longer than the hang time-out: nothing must happen */
  send_to (f, target);
  rig_wait_units (rig, 0, 30);
  assert_times_rise (rig, 0);
  g_subprocess_force_exit (f->peer);
  g_autoptr (GError) error = rig_wait_error (rig);
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE);
}

static void
test_srt_caller (Fixture *f, gconstpointer data)
{
  unsigned port = free_port (SOCK_DGRAM);
  g_autofree char *target = g_strdup_printf ("srt://127.0.0.1:%u?mode=listener", port);
  g_autofree char *url = g_strdup_printf ("srt://127.0.0.1:%u?latency=50", port);
  send_to (f, target);
  g_autoptr (Rig) rig = rig_new (url);
  rig_start (rig);
  rig_wait_units (rig, 0, 30);
  rig_wait_units (rig, 1, 30);
  assert_times_rise (rig, 0);
}

static unsigned
serve_folder (Fixture *f)
{
  unsigned port = free_port (SOCK_STREAM);
  g_autofree char *text = g_strdup_printf ("%u", port);
  const char *argv[] = {"python3",     "-m",      "http.server", "--bind", "127.0.0.1",
                        "--directory", f->folder, text,          NULL};
  start_peer (f, argv);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons ((uint16_t)port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
  int64_t deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  for (;;) {
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = connect (fd, (struct sockaddr *)&address, sizeof address);
    close (fd);
    if (result == 0)
      return port;
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_usleep (10 * 1000);
  }
}

static void
make_hls (Fixture *f, const char *name, const char *type)
{
  g_autofree char *playlist = g_build_filename (f->folder, name, NULL);
  const char *argv[] = {"ffmpeg", "-v",
                        "error",  "-stream_loop",
                        "2",      "-i",
                        f->movie, "-c",
                        "copy",   "-f",
                        "hls",    "-hls_time",
                        "1",      "-hls_list_size",
                        "0",      "-hls_segment_type",
                        type,     playlist,
                        NULL};
  rig_run (argv);
}

static void
test_http (Fixture *f, gconstpointer data)
{
  static const struct {
    const char *name;
    unsigned units;
  } files[] = {{"movie.ts", 25}, {"movie.mp4", 25}, {"a.m3u8", 75}, {"b.m3u8", 75}};
  g_autofree char *ts = g_build_filename (f->folder, "movie.ts", NULL);
  const char *argv[] = {"ffmpeg", "-v", "error", "-i", f->movie, "-c", "copy", ts, NULL};
  rig_run (argv);
  make_hls (f, "a.m3u8", "mpegts");
  make_hls (f, "b.m3u8", "fmp4");
  unsigned port = serve_folder (f);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u/%s", port, files[i].name);
    g_autoptr (Rig) rig = rig_new (url);
    g_test_message ("%s", files[i].name);
    rig_start (rig);
    rig_wait_end (rig);
    g_assert_cmpuint (rig->caps->len, ==, 2);
    g_assert_cmpuint (rig_n_units (rig, 0), >=, files[i].units - 1);
    g_assert_cmpuint (rig_n_units (rig, 0), <=, files[i].units);
    assert_times_rise (rig, 0);
    assert_times_rise (rig, 1);
  }
}

static void
test_http_not_found (Fixture *f, gconstpointer data)
{
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u/nothing.ts", serve_folder (f));
  g_autoptr (Rig) rig = rig_new (url);
  rig_start (rig);
  g_autoptr (GError) error = rig_wait_error (rig);
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND);
}

#define ADD(name, func) g_test_add ("/worker/network/" name, Fixture, NULL, setup, func, teardown)

int
main (int argc, char **argv)
{
  rig_init ();
  log_install (LOG_FORMAT_PRETTY);
  g_test_init (&argc, &argv, NULL);
  ADD ("udp", test_udp);
  ADD ("udp-port-is-taken", test_udp_port_is_taken);
  ADD ("srt-listener-waits", test_srt_listener_waits);
  ADD ("srt-caller", test_srt_caller);
  ADD ("http", test_http);
  ADD ("http-not-found", test_http_not_found);
  return g_test_run ();
}
