/* SPDX-License-Identifier: Apache-2.0 */
/* The state store: what was acknowledged is there after anything, a damaged file is moved aside, errors say
 * what to do. */
#include "base/error.h"
#include "control/state.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  Loop *control;
  char *directory;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->control = loop_new_control ();
  fixture->directory = g_dir_make_tmp ("sluice-state-XXXXXX", NULL);
}

static void
remove_tree (const char *path)
{
  GDir *folder = g_dir_open (path, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name (folder))) {
    g_autofree char *child = g_build_filename (path, name, NULL);
    if (g_file_test (child, G_FILE_TEST_IS_DIR))
      remove_tree (child);
    else
      g_unlink (child);
  }
  if (folder)
    g_dir_close (folder);
  g_rmdir (path);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  remove_tree (fixture->directory);
  g_free (fixture->directory);
  loop_free (fixture->control);
}

static State *
open_state (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  State *state = state_open (fixture->directory, fixture->control, &error);
  g_assert_no_error (error);
  return state;
}

typedef struct {
  unsigned done, failed;
} Answers;

static void
on_answer (void *data, const GError *error)
{
  Answers *answers = data;
  answers->done++;
  answers->failed += error != NULL;
}

static void
wait_for (const Answers *answers, unsigned n)
{
  int64_t deadline = loop_now_us () + 20 * G_USEC_PER_SEC;
  while (answers->done < n && loop_now_us () < deadline)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (200);
  g_assert_cmpuint (answers->done, >=, n);
}

static StateStream
make_stream (const char *id, const char *settings)
{
  return (StateStream){.id = (char *)id,
                       .settings = (char *)settings,
                       .created = true,
                       .created_unix_us = 11,
                       .updated_unix_us = 12};
}

static void
test_round_trip (Fixture *fixture, gconstpointer data)
{
  State *state = open_state (fixture);
  Answers answers = {0};
  StateStream one = make_stream ("cam/1", "{\"source\":\"test:\"}"), two = make_stream ("b", "{}");
  two.created = false;
  two.stopped = true;
  state_put_stream (state, &one, on_answer, &answers);
  state_put_stream (state, &two, on_answer, &answers);
  one.settings = (char *)"{\"title\":\"Tür\"}";
  state_put_stream (state, &one, on_answer, &answers);
  StateStream gone = make_stream ("gone", "{}");
  state_put_stream (state, &gone, on_answer, &answers);
  state_remove_stream (state, "gone", on_answer, &answers);
  state_put_number (state, "generation", 42);
  wait_for (&answers, 5);
  g_assert_cmpuint (answers.failed, ==, 0);
  StateStats stats;
  state_get_stats (state, &stats);
  g_assert_cmpuint (stats.changes, >=, 5);
  g_assert_false (stats.failing);
  state_free (state);

  state = open_state (fixture);
  g_autoptr (GPtrArray) streams = state_load_streams (state, NULL);
  g_assert_cmpuint (streams->len, ==, 2);
  const StateStream *first = streams->pdata[0], *second = streams->pdata[1];
  g_assert_cmpstr (first->id, ==, "b");
  g_assert_false (first->created);
  g_assert_true (first->stopped);
  g_assert_cmpstr (second->id, ==, "cam/1");
  g_assert_cmpstr (second->settings, ==, "{\"title\":\"Tür\"}");
  g_assert_true (second->created);
  g_assert_cmpint (second->created_unix_us, ==, 11);
  g_assert_cmpint (state_get_number (state, "generation", -1), ==, 42);
  g_assert_cmpint (state_get_number (state, "other", -1), ==, -1);
  g_assert_null (state_damaged_file (state));
  state_free (state);
}

static void
test_directory (Fixture *fixture, gconstpointer data)
{
  g_autofree char *deep = g_build_filename (fixture->directory, "a", "b", NULL);
  g_autoptr (GError) error = NULL;
  State *state = state_open (deep, fixture->control, &error);
  g_assert_no_error (error);
  struct stat info;
  g_assert_cmpint (stat (deep, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0700);
  g_autofree char *file = g_build_filename (deep, "state.db", NULL);
  g_assert_cmpint (stat (file, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);
  state_free (state);

  g_autofree char *blocked = g_build_filename (file, "below-a-file", NULL);
  g_assert_null (state_open (blocked, fixture->control, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_IO);
  g_assert_nonnull (strstr (error->message, blocked));
  g_assert_nonnull (strstr (error->message, "[state] path"));
}

static void
test_second_owner (Fixture *fixture, gconstpointer data)
{
  State *state = open_state (fixture);
  g_autoptr (GError) error = NULL;
  g_assert_null (state_open (fixture->directory, fixture->control, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_BUSY);
  state_free (state);
  state_free (open_state (fixture));
}

static char *
database_path (Fixture *fixture)
{
  return g_build_filename (fixture->directory, "state.db", NULL);
}

/* Some row, so that the file has pages to damage. */
static void
fill (Fixture *fixture)
{
  State *state = open_state (fixture);
  Answers answers = {0};
  for (unsigned i = 0; i < 200; i++) {
    g_autofree char *id = g_strdup_printf ("stream-%u", i);
    StateStream stream =
        make_stream (id, "{\"source\":\"rtsp://192.0.2.1/a-rather-long-name-to-fill-pages\"}");
    state_put_stream (state, &stream, on_answer, &answers);
  }
  wait_for (&answers, 200);
  state_free (state);
}

typedef struct {
  const char *name;
  size_t offset, length; /* overwritten with garbage */
  long truncate;         /* -1: not */
} Damage;

static const Damage damages[] = {
    {"garbage", 0, 100, -1},    {"header", 0, 16, -1},     {"first-page", 100, 3000, -1},
    {"a-page", 4096, 4096, -1}, {"truncated", 0, 0, 5000},
};

static void
test_damaged (Fixture *fixture, gconstpointer data)
{
  const Damage *damage = data;
  fill (fixture);
  g_autofree char *path = database_path (fixture);
  FILE *file = fopen (path, "r+");
  g_assert_nonnull (file);
  fseek (file, (long)damage->offset, SEEK_SET);
  for (size_t i = 0; i < damage->length; i++)
    fputc ((int)(i * 37 + 11) & 0xff, file);
  fclose (file);
  if (damage->truncate >= 0)
    g_assert_cmpint (truncate (path, damage->truncate), ==, 0);

  State *state = open_state (fixture);
  g_assert_nonnull (state_damaged_file (state));
  g_assert_true (g_file_test (state_damaged_file (state), G_FILE_TEST_EXISTS));
  g_autoptr (GPtrArray) streams = state_load_streams (state, NULL);
  g_assert_cmpuint (streams->len, ==, 0);
  /* The new one works. */
  Answers answers = {0};
  StateStream stream = make_stream ("new", "{}");
  state_put_stream (state, &stream, on_answer, &answers);
  wait_for (&answers, 1);
  g_assert_cmpuint (answers.failed, ==, 0);
  state_free (state);
}

static void
test_newer_format (Fixture *fixture, gconstpointer data)
{
  fill (fixture);
  g_autofree char *path = database_path (fixture);
  /* The user version is a big-endian word at offset 60 of the header. */
  FILE *file = fopen (path, "r+");
  fseek (file, 60, SEEK_SET);
  fwrite ("\0\0\0\x63", 1, 4, file);
  fclose (file);
  g_autoptr (GError) error = NULL;
  g_assert_null (state_open (fixture->directory, fixture->control, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "newer version"));
}

/* Changes that wait together share a commit: the control loop never waits for the disk, and the disk not for
 * each change. */
static void
test_commits_together (Fixture *fixture, gconstpointer data)
{
  State *state = open_state (fixture);
  Answers answers = {0};
  int64_t start_us = loop_now_us ();
  for (unsigned i = 0; i < 1000; i++) {
    g_autofree char *id = g_strdup_printf ("s%u", i);
    StateStream stream = make_stream (id, "{}");
    state_put_stream (state, &stream, on_answer, &answers);
  }
  int64_t asked_us = loop_now_us () - start_us;
  wait_for (&answers, 1000);
  StateStats stats;
  state_get_stats (state, &stats);
  g_test_message ("1000 changes: asked in %d us, done in %d us, %u commits", (int)asked_us,
                  (int)(loop_now_us () - start_us), (unsigned)stats.commits);
  g_assert_cmpuint (stats.commits, <, 200);
  state_free (state);
}

/* --- killed
 * ---------------------------------------------------------------------------------------------------- */

enum { KILLS = 12, KILL_STREAMS = 50 };

typedef struct {
  int fd;
  uint32_t value;
  unsigned answered;
} Writer;

static void
on_written (void *data, const GError *error)
{
  Writer *writer = data;
  g_assert_no_error ((GError *)error);
  writer->answered++;
  /* To the parent: this value is safe. */
  g_assert_cmpint (write (writer->fd, &writer->value, sizeof writer->value), ==, sizeof writer->value);
}

/* A process that writes values 1, 2, 3 ... and tells each that was acknowledged, until it is killed. */
static void
run_writer (const char *directory, int fd)
{
  Loop *control = loop_new_control ();
  State *state = state_open (directory, control, NULL);
  if (!state)
    _exit (1);
  uint32_t value = (uint32_t)state_get_number (state, "value", 0);
  Writer writer = {.fd = fd, .value = value};
  for (unsigned n = 1;; n++) {
    writer.value++;
    g_autofree char *id = g_strdup_printf ("s%u", writer.value % KILL_STREAMS);
    g_autofree char *settings = g_strdup_printf ("{\"value\":%u}", writer.value);
    StateStream stream = make_stream (id, settings);
    state_put_number (state, "value", writer.value);
    state_put_stream (state, &stream, on_written, &writer);
    while (writer.answered < n)
      g_main_context_iteration (NULL, TRUE);
  }
}

static uint32_t
read_last_value (int fd)
{
  uint32_t value, last = 0;
  while (read (fd, &value, sizeof value) == sizeof value)
    last = value;
  return last;
}

static void
test_killed (Fixture *fixture, gconstpointer data)
{
  GRand *random = g_rand_new_with_seed (20260301);
  uint32_t acknowledged = 0;
  for (unsigned i = 0; i < KILLS; i++) {
    int fds[2];
    g_assert_cmpint (pipe (fds), ==, 0);
    pid_t child = fork ();
    if (child == 0) {
      close (fds[0]);
      run_writer (fixture->directory, fds[1]);
    }
    close (fds[1]);
    /* The moment of the kill is the test itself: some milliseconds after the first acknowledgment. */
    uint32_t first;
    g_assert_cmpint (read (fds[0], &first, sizeof first), ==, sizeof first);
    g_assert_cmpuint (first, >, acknowledged);
    g_usleep ((gulong)g_rand_int_range (random, 0, 30000));
    kill (child, SIGKILL);
    waitpid (child, NULL, 0);
    uint32_t last = read_last_value (fds[0]);
    acknowledged = MAX (first, last);
    close (fds[0]);

    State *state = open_state (fixture);
    g_assert_null (state_damaged_file (state));
    int64_t kept = state_get_number (state, "value", 0);
    g_assert_cmpint (kept, >=, acknowledged);
    g_autoptr (GPtrArray) streams = state_load_streams (state, NULL);
    g_autofree char *id = g_strdup_printf ("s%u", acknowledged % KILL_STREAMS);
    g_autofree char *expected = g_strdup_printf ("{\"value\":%u}", acknowledged);
    bool found = false;
    for (unsigned s = 0; s < streams->len; s++) {
      const StateStream *stream = streams->pdata[s];
      found = found || (g_str_equal (stream->id, id) && g_str_equal (stream->settings, expected));
    }
    g_assert_true (found);
    state_free (state);
  }
  g_rand_free (random);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/control/state/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("killed", test_killed); /* first: it forks */
  ADD ("round-trip", test_round_trip);
  ADD ("directory", test_directory);
  ADD ("second-owner", test_second_owner);
  ADD ("newer-format", test_newer_format);
  ADD ("commits-together", test_commits_together);
  for (unsigned i = 0; i < G_N_ELEMENTS (damages); i++) {
    g_autofree char *path = g_strconcat ("/control/state/damaged/", damages[i].name, NULL);
    g_test_add (path, Fixture, &damages[i], set_up, test_damaged, tear_down);
  }
  return g_test_run ();
}
