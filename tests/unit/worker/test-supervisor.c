/* SPDX-License-Identifier: Apache-2.0 */
/* Real worker processes, and everything that can become of them. */
#include "rig.h"

#include "base/log.h"
#include "worker/process.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SMALL "test:size=320x180&fps=30&bitrate=200"

static void
test_units_come (void)
{
  g_autoptr (Rig) rig = rig_new (SMALL "&gop=15");
  rig_start (rig);
  rig_wait_units (rig, 0, 40);
  rig_wait_units (rig, 1, 10);
  g_assert_cmpuint (rig->caps->len, ==, 2);
  const GstStructure *video = gst_caps_get_structure (g_ptr_array_index (rig->caps, 0), 0);
  const GstStructure *audio = gst_caps_get_structure (g_ptr_array_index (rig->caps, 1), 0);
  g_assert_true (gst_structure_has_name (video, "video/x-h264"));
  g_assert_cmpstr (gst_structure_get_string (video, "stream-format"), ==, "avc");
  g_assert_true (gst_structure_has_field (video, "codec_data"));
  g_assert_true (gst_structure_has_name (audio, "audio/mpeg"));
  g_assert_true (gst_structure_has_field (audio, "codec_data"));

  g_autoptr (GPtrArray) units = rig_units (rig, 0);
  int64_t last = -1;
  for (guint i = 0; i < 40; i++) {
    const RigUnit *unit = g_ptr_array_index (units, i);
    g_assert_cmpint (unit->pts, >, last);
    last = unit->pts;
    g_assert_cmpint ((unit->flags & WORKER_UNIT_DELTA) == 0, ==, i % 15 == 0);
    g_assert_cmpint (ABS (unit->captured_us - g_get_real_time ()), <, 10 * G_USEC_PER_SEC);
  }
}

static void
test_key_frame_on_request (void)
{
  g_autoptr (Rig) rig = rig_new (SMALL "&gop=100000&audio=false");
  rig_start (rig);
  rig_wait_units (rig, 0, 5);
  rig_send_keyframe (rig, 0);
  unsigned asked_at = rig_n_units (rig, 0);
  rig_wait_units (rig, 0, asked_at + 15);
  g_autoptr (GPtrArray) units = rig_units (rig, 0);
  unsigned n_keys = 0;
  for (guint i = 1; i < units->len; i++)
    n_keys += !(((RigUnit *)g_ptr_array_index (units, i))->flags & WORKER_UNIT_DELTA);
  g_assert_cmpuint (n_keys, ==, 1);
}

static void
test_killed_worker_is_noticed (void)
{
  g_autoptr (Rig) rig = rig_new (SMALL);
  rig_start (rig);
  rig_wait_units (rig, 0, 1);
  kill (rig_pid (rig), SIGKILL);
  g_autoptr (GError) error = rig_wait_error (rig);
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE);
  g_assert_nonnull (strstr (error->message, "signal 9"));
}

static void
test_stopped_worker_is_killed (void)
{
  g_autoptr (Rig) rig = rig_new (SMALL);
  rig->limits.hang_timeout_ms = 1500;
  rig_start (rig);
  rig_wait_units (rig, 0, 1);
  kill (rig_pid (rig), SIGSTOP);
  g_autoptr (GError) error = rig_wait_error (rig);
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_TIMEOUT);
  g_assert_nonnull (strstr (error->message, "no sign of life"));
}

static void
test_hanging_pipeline_is_killed (void)
{
  g_autoptr (Rig) rig = rig_new ("pipeline: videotestsrc num-buffers=100 ! video/x-raw,width=64,height=64 ! "
                                 "identity sleep-time=60000000 ! x264enc name=video");
  rig->limits.hang_timeout_ms = 1500;
  rig_start (rig);
  g_autoptr (GError) error = rig_wait_error (rig);
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_TIMEOUT);
  g_assert_nonnull (strstr (error->message, "nothing came out"));
}

/* A queue without bounds in front of a sink that never takes anything. */
static void
test_leaking_worker_is_killed (void)
{
  g_autoptr (Rig) rig = rig_new (
      "pipeline: videotestsrc is-live=true ! video/x-raw,width=64,height=64 ! x264enc tune=zerolatency "
      "name=video  videotestsrc pattern=black ! video/x-raw,width=1024,height=1024,framerate=1000/1 ! "
      "queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! identity sleep-time=100000000 ! fakesink");
  rig->limits.memory = 1ull << 30;
  rig_start (rig);
  g_autoptr (GError) error = rig_wait_error (rig);
  /* Either watch may be the faster one: the supervisor's eye on resident memory, or the limit on its data. */
  if (error->code != SLUICE_ERROR_UNAVAILABLE) {
    g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT);
    g_assert_nonnull (strstr (error->message, "worker_memory"));
  }
}

static void
test_greedy_worker_is_killed (void)
{
  g_autoptr (Rig) rig =
      rig_new ("pipeline: videotestsrc pattern=snow ! video/x-raw,width=1280,height=720 ! fakesink "
               "videotestsrc is-live=true ! video/x-raw,width=64,height=64 ! jpegenc name=video");
  rig->limits.cpu_percent = 1;
  rig_start (rig);
  g_autoptr (GError) error = rig_wait_error (rig);
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT);
  g_assert_nonnull (strstr (error->message, "worker_cpu"));
}

static void
test_flooding_worker_is_slowed (void)
{
  g_autoptr (Rig) rig =
      rig_new ("pipeline: audiotestsrc samplesperbuffer=8 ! audio/x-raw,rate=8000,channels=1 ! "
               "mulawenc name=audio");
  rig_start (rig);
  int64_t deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  do {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_usleep (20 * 1000);
    rig_update_usage (rig);
  } while (rig->usage.pauses < 2);
  unsigned n_units = rig_n_units (rig, 0);
  rig_wait_units (rig, 0, n_units + 1000);
}

/* Programs that are no workers at all. */
static void
test_impostors_are_ended (void)
{
  static const struct {
    const char *script;
    int code;
    const char *says;
  } impostors[] = {
      {"printf 'xxxxxxxxxxxxxxxx' >&3; exec sleep 100", SLUICE_ERROR_PROTOCOL, "broke the protocol"},
      /* an EOS before the greeting */
      {"printf '\\000\\000\\000\\000\\006\\000\\000\\000' >&3; exec sleep 100", SLUICE_ERROR_PROTOCOL,
       "out of turn"},
      {"exit 3", SLUICE_ERROR_UNAVAILABLE, "status 3"},
      {"exec 3>&-; exec sleep 100", SLUICE_ERROR_PROTOCOL, "closed its socket"},
      /* a child of its own goes with it */
      {"sleep 100 & kill -9 $$", SLUICE_ERROR_UNAVAILABLE, "signal 9"},
  };
  g_autofree char *folder = g_dir_make_tmp ("sluice-test-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "impostor", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (impostors); i++) {
    g_autofree char *text = g_strdup_printf ("#!/bin/sh\n%s\n", impostors[i].script);
    g_assert_true (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
    worker_process_set_program (path);
    g_autoptr (Rig) rig = rig_new ("test:");
    rig_start (rig);
    g_autoptr (GError) error = rig_wait_error (rig);
    g_test_message ("%s: %s", impostors[i].script, error->message);
    g_assert_nonnull (strstr (error->message, impostors[i].says));
    g_assert_error (error, SLUICE_ERROR, impostors[i].code);
    int64_t deadline = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;
    while (kill (-rig_pid (rig), 0) == 0)
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  }
  worker_process_set_program (g_getenv ("SLUICE_TEST_BINARY"));
  unlink (path);
  rmdir (folder);
}

/* Raw pictures as JPEG with hardly any compression: more than a slot of the arena and than the socket at
 * once. */
static void
test_large_units_survive (void)
{
  static const unsigned sizes[] = {512, 1024, 2560};
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *url =
        g_strdup_printf ("pipeline: videotestsrc pattern=snow ! video/x-raw,format=I420,width=%u,"
                         "height=%u,framerate=10/1 ! jpegenc quality=100 name=video",
                         sizes[i], sizes[i]);
    g_autoptr (Rig) rig = rig_new (url);
    rig_start (rig);
    rig_wait_units (rig, 0, 5);
    g_autoptr (GPtrArray) units = rig_units (rig, 0);
    for (guint j = 0; j < 5; j++) {
      gsize n_bytes;
      const uint8_t *bytes = g_bytes_get_data (((RigUnit *)g_ptr_array_index (units, j))->bytes, &n_bytes);
      g_assert_cmpuint (n_bytes, >, sizes[i] * sizes[i] / 2);
      g_assert_cmpuint (bytes[0] << 8 | bytes[1], ==, 0xffd8);
      g_assert_cmpuint (bytes[n_bytes - 2] << 8 | bytes[n_bytes - 1], ==, 0xffd9);
    }
  }
}

/* What comes out at the end need not be what we send: raw media is encoded, with text drawn by an overlay. */
static void
test_descriptions_of_all_kinds (void)
{
  static const struct {
    const char *description;
    const char *types[2];
  } cases[] = {
      {"videotestsrc is-live=true ! timeoverlay name=video audiotestsrc is-live=true name=audio",
       {"video/x-h264", "audio/mpeg"}},
      {"videotestsrc is-live=true ! x264enc tune=zerolatency ! queue name=video", {"video/x-h264"}},
      {"videotestsrc is-live=true ! vp8enc deadline=1 name=video audiotestsrc is-live=true ! opusenc "
       "name=audio",
       {"video/x-vp8", "audio/x-opus"}},
      {"audiotestsrc is-live=true ! alawenc name=audio", {"audio/x-alaw"}},
      {"videotestsrc is-live=true ! jpegenc ! multipartmux ! multipartdemux single-stream=true name=video",
       {"image/jpeg"}},
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *url = g_strconcat ("pipeline:", cases[i].description, NULL);
    g_autoptr (Rig) rig = rig_new (url);
    g_test_message ("%s", url);
    rig_start (rig);
    unsigned n_tracks = cases[i].types[1] ? 2 : 1;
    for (unsigned track = 0; track < n_tracks; track++) {
      rig_wait_units (rig, track, 5);
      const GstCaps *caps = g_ptr_array_index (rig->caps, track);
      g_assert_cmpstr (gst_structure_get_name (gst_caps_get_structure (caps, 0)), ==, cases[i].types[track]);
    }
    g_assert_cmpuint (rig->caps->len, ==, n_tracks);
  }
}

static const struct {
  const char *url;
  int code;
  const char *says[2];
} failures[] = {
    {"pipeline: videotestsrc ! nosuchthing name=video",
     SLUICE_ERROR_UNAVAILABLE,
     {"nosuchthing", "no package"}},
    {"pipeline: videotestsrc ! vaapinosuchenc name=video",
     SLUICE_ERROR_UNAVAILABLE,
     {"vaapinosuchenc", "gstreamer1.0-vaapi"}},
    {"pipeline: videotestsrc ! ! fakesink", SLUICE_ERROR_INVALID_ARGUMENT, {"description", "syntax"}},
    {"pipeline: videotestsrc ! x264enc name=picture", SLUICE_ERROR_INVALID_ARGUMENT, {"named", "\"video\""}},
    {"pipeline: videotestsrc name=video ! fakesink", SLUICE_ERROR_INVALID_ARGUMENT, {"behind", "\"video\""}},
    {"pipeline: videotestsrc bogus=1 name=video", SLUICE_ERROR_INVALID_ARGUMENT, {"bogus", "description"}},
    {"pipeline: videotestsrc num-buffers=3 ! x264enc name=video",
     SLUICE_ERROR_UNAVAILABLE,
     {"end", "pipeline"}},
    {"pipeline: videotestsrc ! theoraenc name=video",
     SLUICE_ERROR_UNSUPPORTED,
     {"video/x-theora", "no track"}},
    {"file:/nonexistent/a.mp4", SLUICE_ERROR_NOT_FOUND, {"/nonexistent/a.mp4", ""}},
    {"file:/proc/self/status", SLUICE_ERROR_UNSUPPORTED, {"text/plain", "no track"}},
    {"v4l2:/dev/nonexistent", SLUICE_ERROR_NOT_FOUND, {"/dev/nonexistent", ""}},
    {"http://127.0.0.1:1/live.ts", SLUICE_ERROR_IO, {"", ""}},
    {"nonsense", SLUICE_ERROR_INVALID_ARGUMENT, {"scheme", ""}},
};

static void
test_failures_are_told (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_autoptr (Rig) rig = rig_new (failures[i].url);
    rig_start (rig);
    g_autoptr (GError) error = rig_wait_error (rig);
    g_test_message ("%s: %s", failures[i].url, error->message);
    for (guint j = 0; j < 2; j++)
      g_assert_nonnull (strstr (error->message, failures[i].says[j]));
    g_assert_error (error, SLUICE_ERROR, failures[i].code);
  }
}

/* A daemon (this program, started again) starts a worker, says its number and is killed. */
static void
test_no_worker_outlives_the_daemon (void)
{
  int pipe_fds[2];
  g_assert_cmpint (pipe (pipe_fds), ==, 0);
  pid_t daemon = fork ();
  if (daemon == 0) {
    dup2 (pipe_fds[1], STDOUT_FILENO);
    execl ("/proc/self/exe", "test", "--daemon", NULL);
    _exit (1);
  }
  close (pipe_fds[1]);
  int worker = 0;
  g_assert_cmpint (read (pipe_fds[0], &worker, sizeof worker), ==, sizeof worker);
  g_assert_true (rig_process_exists (worker));
  kill (daemon, SIGKILL);
  g_assert_cmpint (waitpid (daemon, NULL, 0), ==, daemon);
  int64_t deadline = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;
  while (rig_process_exists (worker)) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_usleep (2000);
  }
  close (pipe_fds[0]);
}

static int
run_daemon (void)
{
  Rig *rig = rig_new (SMALL);
  rig_start (rig);
  rig_wait_units (rig, 0, 1);
  int pid = rig_pid (rig);
  if (write (STDOUT_FILENO, &pid, sizeof pid) != sizeof pid)
    return 1;
  for (;;)
    pause ();
}

int
main (int argc, char **argv)
{
  rig_init ();
  log_install (LOG_FORMAT_PRETTY);
  if (argc > 1 && strcmp (argv[1], "--daemon") == 0)
    return run_daemon ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/supervisor/units-come", test_units_come);
  g_test_add_func ("/worker/supervisor/key-frame-on-request", test_key_frame_on_request);
  g_test_add_func ("/worker/supervisor/killed-worker-is-noticed", test_killed_worker_is_noticed);
  g_test_add_func ("/worker/supervisor/stopped-worker-is-killed", test_stopped_worker_is_killed);
  g_test_add_func ("/worker/supervisor/hanging-pipeline-is-killed", test_hanging_pipeline_is_killed);
  g_test_add_func ("/worker/supervisor/leaking-worker-is-killed", test_leaking_worker_is_killed);
  g_test_add_func ("/worker/supervisor/greedy-worker-is-killed", test_greedy_worker_is_killed);
  g_test_add_func ("/worker/supervisor/flooding-worker-is-slowed", test_flooding_worker_is_slowed);
  g_test_add_func ("/worker/supervisor/impostors-are-ended", test_impostors_are_ended);
  g_test_add_func ("/worker/supervisor/large-units-survive", test_large_units_survive);
  g_test_add_func ("/worker/supervisor/descriptions-of-all-kinds", test_descriptions_of_all_kinds);
  g_test_add_func ("/worker/supervisor/failures-are-told", test_failures_are_told);
  g_test_add_func ("/worker/supervisor/no-worker-outlives-the-daemon", test_no_worker_outlives_the_daemon);
  return g_test_run ();
}
