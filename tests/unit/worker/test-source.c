/* SPDX-License-Identifier: Apache-2.0 */
/* Workers as sources of real streams: what happens to a worker is seen on its own stream only, as one failure
 * and a new start, and readers stay. */
#include "base/log.h"
#include "rtp/bridge.h"
#include "stream/registry.h"
#include "worker/process.h"
#include "worker/source.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define SMALL "test:size=320x180&fps=30&bitrate=200&gop=15"

typedef struct {
  Loop *control;
  LoopPool *pool;
  Registry *registry;
  GString *events; /* "type stream;" each */
  bool shut;
} Fixture;

/* Units as a reader gets them, on its loop; the test reads the counters. */
typedef struct {
  Fixture *fixture;
  Lease *lease;
  GError *error;
  bool done;
  Loop *loop;
  Reader *reader;
  guint units, key_units, out_of_order, gone;
  GstClockTime last[2];
} TestReader;

static void
on_event (void *data, const StreamEvent *event)
{
  Fixture *f = data;
  g_string_append_printf (f->events, "%s %s;", event->type, event->stream);
  if (event->error)
    g_test_message ("%s %s: %s", event->type, event->stream, event->error->message);
}

static void
setup (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  f->control = loop_new_control ();
  f->pool = loop_pool_new (2, &error);
  g_assert_no_error (error);
  f->events = g_string_new (NULL);
  f->registry = registry_new (f->control, f->pool, rtp_bridge_ops (), on_event, f);
  registry_add_source_factory (f->registry, worker_source_factory ());
}

static void
wait_until (bool (*done) (void *), void *data)
{
  int64_t deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  while (!done (data)) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
  }
}

static void
on_shut (void *data)
{
  ((Fixture *)data)->shut = true;
}

static bool
is_shut (void *data)
{
  return ((Fixture *)data)->shut;
}

/* Numbers of our own worker processes. */
static GArray *
find_workers (void)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (int));
  DIR *dir = opendir ("/proc");
  struct dirent *entry;
  while ((entry = readdir (dir))) {
    g_autofree char *path = g_strdup_printf ("/proc/%s/stat", entry->d_name);
    g_autofree char *text = NULL;
    if (!g_ascii_isdigit (entry->d_name[0]) || !g_file_get_contents (path, &text, NULL, NULL))
      continue;
    const char *behind_name = strrchr (text, ')');
    int pid = (int)g_ascii_strtoll (entry->d_name, NULL, 10);
    if (behind_name && g_ascii_strtoll (behind_name + 4, NULL, 10) == getpid ())
      g_array_append_val (found, pid);
  }
  closedir (dir);
  return found;
}

static bool
no_worker_left (void *data)
{
  g_autoptr (GArray) workers = find_workers ();
  return workers->len == 0;
}

static void
teardown (Fixture *f, gconstpointer data)
{
  registry_shutdown (f->registry, on_shut, f);
  wait_until (is_shut, f);
  registry_free (f->registry);
  wait_until (no_worker_left, NULL);
  loop_pool_free (f->pool);
  loop_free (f->control);
  g_string_free (f->events, TRUE);
}

static void
create (Fixture *f, const char *name, const char *source, int64_t hang_timeout_ms)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Settings) settings = settings_new_default ();
  StreamSettings *stream = settings->defaults;
  g_free (stream->name);
  g_strfreev (stream->source);
  stream->name = g_strdup (name);
  stream->source = g_strsplit (source, "\n", 2);
  stream->retry_min_ms = 200;
  stream->retry_max_ms = 1000;
  stream->worker_hang_timeout_ms = hang_timeout_ms;
  registry_create (f->registry, stream, &error);
  g_assert_no_error (error);
}

static void
on_unit (void *data, unsigned track, GstBuffer *unit, GstCaps *caps)
{
  TestReader *reader = data;
  GstClockTime time = GST_BUFFER_DTS_OR_PTS (unit);
  if (track < 2 && time < reader->last[track])
    g_atomic_int_inc (&reader->out_of_order);
  if (track < 2)
    reader->last[track] = time;
  if (track == 0 && !GST_BUFFER_FLAG_IS_SET (unit, GST_BUFFER_FLAG_DELTA_UNIT))
    g_atomic_int_inc (&reader->key_units);
  g_atomic_int_inc (&reader->units);
}

static void
on_gone (void *data, ReaderGone why)
{
  g_atomic_int_set (&((TestReader *)data)->gone, why + 1);
}

static const ReaderOps reader_ops = {.on_unit = on_unit, .on_gone = on_gone};

static void
on_lease (void *data, Lease *lease, const GError *error)
{
  TestReader *reader = data;
  reader->lease = lease;
  reader->error = error ? g_error_copy (error) : NULL;
  reader->done = true;
}

static bool
reader_done (void *data)
{
  return ((TestReader *)data)->done;
}

static void
start_reader (void *data)
{
  TestReader *reader = data;
  ReaderInfo info = {.protocol = "test", .transport = "test", .peer = (char *)"test"};
  reader->reader =
      reader_new (lease_stream (reader->lease), reader->loop, READER_UNITS, &reader_ops, reader, &info);
  reader_start (reader->reader, true);
}

static void
open_reader (Fixture *f, TestReader *reader, const char *name)
{
  *reader = (TestReader){.fixture = f};
  registry_open_read (f->registry, name, f->control, NULL, on_lease, reader);
  wait_until (reader_done, reader);
  g_assert_no_error (reader->error);
  reader->loop = loop_pool_get (f->pool, 1);
  loop_call (reader->loop, start_reader, reader);
}

static void
stop_reader (void *data)
{
  reader_free (((TestReader *)data)->reader, NULL);
}

static void
close_reader (TestReader *reader)
{
  loop_call (reader->loop, stop_reader, reader);
  lease_free (reader->lease);
}

static bool
has_units (void *data)
{
  return (guint)g_atomic_int_get (&((TestReader *)data)->units) >= 30;
}

static bool
is_gone (void *data)
{
  return g_atomic_int_get (&((TestReader *)data)->gone) != 0;
}

static guint
count (Fixture *f, const char *event)
{
  g_auto (GStrv) parts = g_strsplit (f->events->str, event, -1);
  return g_strv_length (parts) - 1;
}

static void
test_reader_gets_units (Fixture *f, gconstpointer data)
{
  TestReader reader;
  create (f, "one", SMALL, 5000);
  open_reader (f, &reader, "one");
  TrackSet *tracks = lease_tracks (reader.lease);
  g_assert_cmpuint (tracks->n_tracks, ==, 2);
  g_assert_cmpint (tracks->tracks[0].spec.codec, ==, CODEC_H264);
  g_assert_cmpint (tracks->tracks[1].spec.codec, ==, CODEC_AAC);
  wait_until (has_units, &reader);
  g_assert_cmpuint (reader.key_units, >, 0);
  close_reader (&reader);
}

static void
test_killed_worker_comes_back (Fixture *f, gconstpointer data)
{
  TestReader reader;
  TestReader other;
  create (f, "one", SMALL, 5000);
  open_reader (f, &reader, "one");
  wait_until (has_units, &reader);
  g_autoptr (GArray) workers = find_workers ();
  g_assert_cmpuint (workers->len, ==, 1);
  create (f, "two", SMALL, 5000);
  open_reader (f, &other, "two");
  wait_until (has_units, &other);

  kill (g_array_index (workers, int, 0), SIGKILL);
  wait_until (has_units, &reader);
  g_atomic_int_set (&reader.units, 0);
  wait_until (has_units, &reader);
  g_assert_cmpuint (count (f, "source.failed one;"), ==, 1);
  g_assert_cmpuint (count (f, "stream.started one;"), ==, 2);
  g_assert_cmpuint (count (f, "source.failed two;"), ==, 0);
  g_assert_cmpint (g_atomic_int_get (&reader.gone), ==, 0);
  g_assert_cmpint (g_atomic_int_get (&reader.out_of_order), ==, 0);
  close_reader (&reader);
  close_reader (&other);
}

static bool
failed_once (void *data)
{
  return count (data, "source.failed one;") >= 1;
}

static void
test_hanging_worker_comes_back (Fixture *f, gconstpointer data)
{
  TestReader reader;
  create (f, "one", SMALL, 1500);
  open_reader (f, &reader, "one");
  wait_until (has_units, &reader);
  g_autoptr (GArray) workers = find_workers ();
  kill (g_array_index (workers, int, 0), SIGSTOP);
  wait_until (failed_once, f);
  g_atomic_int_set (&reader.units, 0);
  wait_until (has_units, &reader);
  close_reader (&reader);
}

static void
test_next_source_of_the_list (Fixture *f, gconstpointer data)
{
  TestReader reader;
  create (f, "one", "pipeline: nosuchelement name=video\n" SMALL, 5000);
  open_reader (f, &reader, "one");
  wait_until (has_units, &reader);
  g_assert_cmpuint (count (f, "source.failed one;"), ==, 1);
  close_reader (&reader);
}

static void
test_end_of_file_is_no_failure (Fixture *f, gconstpointer data)
{
  TestReader reader;
  g_autofree char *folder = g_dir_make_tmp ("sluice-test-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "a.mkv", NULL);
  g_autofree char *source = g_strdup_printf ("file://%s?loop=false", path);
  g_autofree char *command = g_strdup_printf (
      "ffmpeg -v error -f lavfi -i testsrc=duration=2:size=160x120 -c:v libx264 -g 10 %s", path);
  g_autoptr (GError) error = NULL;
  int status;
  g_assert_true (g_spawn_sync (NULL, (char *[]){(char *)"/bin/sh", (char *)"-c", command, NULL}, NULL,
                               G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL, &status, &error));
  g_assert_cmpint (status, ==, 0);
  create (f, "one", source, 5000);
  open_reader (f, &reader, "one");
  wait_until (is_gone, &reader);
  g_assert_cmpuint (count (f, "source.failed one;"), ==, 0);
  g_assert_cmpuint (count (f, "stream.stopped one;"), ==, 1);
  close_reader (&reader);
  unlink (path);
  rmdir (folder);
}

static void
test_wrong_urls_are_refused (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_assert_false (registry_check_source (f->registry, "test:patern=ball", &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "patern"));
}

#define ADD(name, func) g_test_add ("/worker/source/" name, Fixture, NULL, setup, func, teardown)

int
main (int argc, char **argv)
{
  const char *program = g_getenv ("SLUICE_TEST_BINARY");
  g_assert_nonnull (program);
  worker_process_set_program (program);
  gst_init (NULL, NULL);
  log_install (LOG_FORMAT_PRETTY);
  g_test_init (&argc, &argv, NULL);
  ADD ("reader-gets-units", test_reader_gets_units);
  ADD ("killed-worker-comes-back", test_killed_worker_comes_back);
  ADD ("hanging-worker-comes-back", test_hanging_worker_comes_back);
  ADD ("next-source-of-the-list", test_next_source_of_the_list);
  ADD ("end-of-file-is-no-failure", test_end_of_file_is_no_failure);
  ADD ("wrong-urls-are-refused", test_wrong_urls_are_refused);
  return g_test_run ();
}
