/* SPDX-License-Identifier: Apache-2.0 */
/* One connection, used by the caller while opening and by the writer thread alone afterwards. The thread
 * takes all waiting changes at once and commits them as one transaction; should that fail, it tries them one
 * by one, so that one bad change does not take its neighbors along. */
#include "control/state.h"

#include "base/error.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCHEMA_VERSION = 1, BATCH_MAX = 256 };

typedef enum { CHANGE_PUT_STREAM, CHANGE_REMOVE_STREAM, CHANGE_PUT_NUMBER, CHANGE_QUIT } ChangeKind;

typedef struct {
  ChangeKind kind;
  StateStream stream; /* the id alone for a removal; the name for a number */
  int64_t number;
  StateFunc func;
  void *data;
  GError *error;
} Change;

struct State {
  Loop *control;
  char *directory;
  char *path;
  char *damaged;
  int lock_fd;
  sqlite3 *db;
  sqlite3_stmt *put_stream, *remove_stream, *put_number;
  GThread *thread;
  GAsyncQueue *queue;  /* of Change */
  GAsyncQueue *done;   /* of Change: to be answered */
  gatomicrefcount ref; /* the owner's and one for each post under way */
  GMutex lock;         /* leaf: stats */
  StateStats stats;
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS streams ("
    " id TEXT PRIMARY KEY, settings TEXT NOT NULL, created INTEGER NOT NULL, stopped INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;";

void
state_stream_clear (StateStream *stream)
{
  g_clear_pointer (&stream->id, g_free);
  g_clear_pointer (&stream->settings, g_free);
}

void
state_stream_free (StateStream *stream)
{
  if (!stream)
    return;
  state_stream_clear (stream);
  g_free (stream);
}

/* --- opening
 * --------------------------------------------------------------------------------------------------- */

static void
set_db_error (State *state, GError **error, const char *what)
{
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_IO, "%s: cannot %s: %s", state->path, what,
               state->db ? sqlite3_errmsg (state->db) : "out of memory");
}

static bool
make_directory (const char *directory, GError **error)
{
  if (g_mkdir_with_parents (directory, 0700) == 0)
    return true;
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_IO,
               "cannot make the state directory %s: %s; set [state] path to a directory that can be written",
               directory, g_strerror (errno));
  return false;
}

/* A second daemon on the same state would undo the first one's changes. */
static bool
lock_directory (State *state, GError **error)
{
  g_autofree char *path = g_build_filename (state->directory, "state.lock", NULL);
  state->lock_fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (state->lock_fd < 0) {
    g_set_error (
        error, SLUICE_ERROR, SLUICE_ERROR_IO,
        "cannot write in the state directory %s: %s; set [state] path to a directory that can be written",
        state->directory, g_strerror (errno));
    return false;
  }
  if (flock (state->lock_fd, LOCK_EX | LOCK_NB) == 0)
    return true;
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_BUSY,
               "%s is in use by another sluice; stop that one, or set [state] path to another directory",
               state->directory);
  return false;
}

static bool
run_sql (State *state, const char *sql)
{
  return sqlite3_exec (state->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static int64_t
query_number (State *state, const char *sql, int64_t fallback)
{
  sqlite3_stmt *statement = NULL;
  int64_t value = fallback;
  if (sqlite3_prepare_v2 (state->db, sql, -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step (statement) == SQLITE_ROW)
    value = sqlite3_column_int64 (statement, 0);
  sqlite3_finalize (statement);
  return value;
}

static bool
is_intact (State *state)
{
  sqlite3_stmt *statement = NULL;
  bool intact = sqlite3_prepare_v2 (state->db, "PRAGMA quick_check(1)", -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_step (statement) == SQLITE_ROW &&
                g_strcmp0 ((const char *)sqlite3_column_text (statement, 0), "ok") == 0;
  sqlite3_finalize (statement);
  return intact;
}

static bool
prepare_statements (State *state)
{
  static const char put[] = "INSERT INTO streams (id, settings, created, stopped, created_us, updated_us)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE SET settings = ?2,"
                            " created = ?3, stopped = ?4, created_us = ?5, updated_us = ?6";
  static const char number[] = "INSERT INTO numbers (name, value) VALUES (?1, ?2)"
                               " ON CONFLICT (name) DO UPDATE SET value = ?2";
  return sqlite3_prepare_v2 (state->db, put, -1, &state->put_stream, NULL) == SQLITE_OK &&
         sqlite3_prepare_v2 (state->db, "DELETE FROM streams WHERE id = ?1", -1, &state->remove_stream,
                             NULL) == SQLITE_OK &&
         sqlite3_prepare_v2 (state->db, number, -1, &state->put_number, NULL) == SQLITE_OK;
}

static void
close_database (State *state)
{
  g_clear_pointer (&state->put_stream, sqlite3_finalize);
  g_clear_pointer (&state->remove_stream, sqlite3_finalize);
  g_clear_pointer (&state->put_number, sqlite3_finalize);
  g_clear_pointer (&state->db, sqlite3_close);
}

typedef enum { OPENED, DAMAGED, FAILED } Opening;

/* What SQLite says of a file that is not, or no longer, a database of ours. */
static Opening
judge_failure (State *state, GError **error, const char *what)
{
  int code = sqlite3_errcode (state->db) & 0xff;
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
    return DAMAGED;
  set_db_error (state, error, what);
  return FAILED;
}

static Opening
open_database (State *state, GError **error)
{
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2 (state->path, &state->db, flags, NULL) != SQLITE_OK)
    return judge_failure (state, error, "open it");
  sqlite3_busy_timeout (state->db, 2000);
  if (!run_sql (state, "PRAGMA journal_mode = WAL") || !run_sql (state, "PRAGMA synchronous = FULL") ||
      !run_sql (state, "PRAGMA trusted_schema = OFF"))
    return judge_failure (state, error, "open it");
  if (!is_intact (state))
    return DAMAGED;

  int64_t version = query_number (state, "PRAGMA user_version", -1);
  if (version > SCHEMA_VERSION) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED,
                 "%s was written by a newer version of sluice (its format is %d, this one knows %d); run "
                 "that version, "
                 "or set [state] path to another directory",
                 state->path, (int)version, SCHEMA_VERSION);
    return FAILED;
  }
  g_autofree char *set_version = g_strdup_printf ("PRAGMA user_version = %d", SCHEMA_VERSION);
  if (!run_sql (state, schema) || (version != SCHEMA_VERSION && !run_sql (state, set_version)))
    return judge_failure (state, error, "write to it");
  /* Tables of these names with other columns: not ours. */
  if (!prepare_statements (state))
    return DAMAGED;
  return OPENED;
}

static bool
move_aside (State *state, GError **error)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y%m%dT%H%M%S");
  g_autofree char *damaged =
      g_strdup_printf ("%s.damaged-%s-%06d", state->path, stamp, g_date_time_get_microsecond (now));
  if (g_rename (state->path, damaged) != 0) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_IO, "%s is damaged and cannot be moved aside: %s",
                 state->path, g_strerror (errno));
    return false;
  }
  static const char *const companions[] = {"-wal", "-shm"};
  for (unsigned i = 0; i < G_N_ELEMENTS (companions); i++) {
    g_autofree char *from = g_strconcat (state->path, companions[i], NULL);
    g_autofree char *to = g_strconcat (damaged, companions[i], NULL);
    g_rename (from, to);
  }
  state->damaged = g_steal_pointer (&damaged);
  LOG (LOG_CONTROL, LOG_ERROR, "state-damaged", NULL,
       "%s is damaged; moved to %s, going on with an empty one", state->path, state->damaged);
  return true;
}

static void *run_writer (void *data);

State *
state_open (const char *directory, Loop *control, GError **error)
{
  if (!make_directory (directory, error))
    return NULL;
  State *state = g_new0 (State, 1);
  state->control = control;
  state->directory = g_strdup (directory);
  state->path = g_build_filename (directory, "state.db", NULL);
  state->queue = g_async_queue_new ();
  state->done = g_async_queue_new ();
  g_atomic_ref_count_init (&state->ref);
  state->lock_fd = -1;
  g_mutex_init (&state->lock);

  bool opened = lock_directory (state, error);
  if (opened) {
    mode_t mask = umask (0077);
    Opening opening = open_database (state, error);
    if (opening == DAMAGED) {
      close_database (state);
      opening = move_aside (state, error) ? open_database (state, error) : FAILED;
      if (opening == DAMAGED)
        set_db_error (state, error, "write to it");
    }
    umask (mask);
    opened = opening == OPENED;
  }
  if (opened)
    state->thread = g_thread_try_new ("state", run_writer, state, error);
  if (!state->thread) {
    state_free (state);
    return NULL;
  }
  return state;
}

const char *
state_damaged_file (const State *state)
{
  return state->damaged;
}

/* --- the writer thread
 * ----------------------------------------------------------------------------------------- */

static bool
run_statement (State *state, sqlite3_stmt *statement)
{
  bool done = sqlite3_step (statement) == SQLITE_DONE;
  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  return done;
}

static bool
write_change (State *state, const Change *change)
{
  const StateStream *stream = &change->stream;
  switch (change->kind) {
  case CHANGE_PUT_STREAM:
    sqlite3_bind_text (state->put_stream, 1, stream->id, -1, SQLITE_STATIC);
    sqlite3_bind_text (state->put_stream, 2, stream->settings, -1, SQLITE_STATIC);
    sqlite3_bind_int (state->put_stream, 3, stream->created);
    sqlite3_bind_int (state->put_stream, 4, stream->stopped);
    sqlite3_bind_int64 (state->put_stream, 5, stream->created_unix_us);
    sqlite3_bind_int64 (state->put_stream, 6, stream->updated_unix_us);
    return run_statement (state, state->put_stream);
  case CHANGE_REMOVE_STREAM:
    sqlite3_bind_text (state->remove_stream, 1, stream->id, -1, SQLITE_STATIC);
    return run_statement (state, state->remove_stream);
  case CHANGE_PUT_NUMBER:
    sqlite3_bind_text (state->put_number, 1, stream->id, -1, SQLITE_STATIC);
    sqlite3_bind_int64 (state->put_number, 2, change->number);
    return run_statement (state, state->put_number);
  case CHANGE_QUIT:
    break;
  }
  return true;
}

/* All of them or none; the error of the first that failed. */
static bool
commit (State *state, GPtrArray *changes, unsigned first, unsigned n, GError **error)
{
  bool done = run_sql (state, "BEGIN IMMEDIATE");
  for (unsigned i = first; done && i < first + n; i++)
    done = write_change (state, changes->pdata[i]);
  if (done)
    done = run_sql (state, "COMMIT");
  if (!done) {
    set_db_error (state, error, "save a change");
    /* After some failures SQLite has rolled back by itself; then this does nothing. */
    run_sql (state, "ROLLBACK");
  }
  return done;
}

static void
book_commit (State *state, unsigned n_changes, int64_t took_us, bool failed)
{
  g_mutex_lock (&state->lock);
  if (failed) {
    state->stats.failures++;
  } else {
    state->stats.commits++;
    state->stats.changes += n_changes;
  }
  state->stats.failing = failed;
  state->stats.last_commit_us = took_us;
  state->stats.max_commit_us = MAX (state->stats.max_commit_us, took_us);
  g_mutex_unlock (&state->lock);
}

static bool
commit_measured (State *state, GPtrArray *changes, unsigned first, unsigned n, GError **error)
{
  int64_t start_us = loop_now_us ();
  bool done = commit (state, changes, first, n, error);
  book_commit (state, n, loop_now_us () - start_us, !done);
  return done;
}

static void
commit_batch (State *state, GPtrArray *changes)
{
  g_autoptr (GError) error = NULL;
  if (commit_measured (state, changes, 0, changes->len, &error))
    return;
  for (unsigned i = 0; i < changes->len; i++) {
    Change *change = changes->pdata[i];
    if (changes->len == 1)
      change->error = g_steal_pointer (&error);
    else
      commit_measured (state, changes, i, 1, &change->error);
  }
}

static void
free_change (Change *change)
{
  state_stream_clear (&change->stream);
  g_clear_error (&change->error);
  g_free (change);
}

/* On the control loop, as the next two. */
static void
answer_change (Change *change)
{
  if (change->error)
    LOG (LOG_CONTROL, LOG_ERROR, "state-write-failed",
         (&(LogFields){.error = sluice_error_name (change->error)}), "%s", change->error->message);
  if (change->func)
    change->func (change->data, change->error);
  free_change (change);
}

static void
answer_all (State *state)
{
  Change *change;
  while ((change = g_async_queue_try_pop (state->done)))
    answer_change (change);
}

static void
unref_state (State *state)
{
  if (!g_atomic_ref_count_dec (&state->ref))
    return;
  g_async_queue_unref (state->queue);
  g_async_queue_unref (state->done);
  g_mutex_clear (&state->lock);
  g_free (state->damaged);
  g_free (state->path);
  g_free (state->directory);
  g_free (state);
}

static void
on_done (void *data)
{
  answer_all (data);
  unref_state (data);
}

static void *
run_writer (void *data)
{
  State *state = data;
  g_autoptr (GPtrArray) batch = g_ptr_array_new ();
  for (bool quit = false; !quit;) {
    Change *change = g_async_queue_pop (state->queue);
    while (change && change->kind != CHANGE_QUIT) {
      g_ptr_array_add (batch, change);
      change = batch->len < BATCH_MAX ? g_async_queue_try_pop (state->queue) : NULL;
    }
    if (change) {
      quit = true;
      free_change (change);
    }
    if (batch->len > 0)
      commit_batch (state, batch);
    for (unsigned i = 0; i < batch->len; i++)
      g_async_queue_push (state->done, batch->pdata[i]);
    if (batch->len > 0) {
      g_atomic_ref_count_inc (&state->ref);
      loop_post (state->control, on_done, state);
    }
    g_ptr_array_set_size (batch, 0);
  }
  return NULL;
}

void
state_free (State *state)
{
  if (!state)
    return;
  if (state->thread) {
    Change *quit = g_new0 (Change, 1);
    quit->kind = CHANGE_QUIT;
    g_async_queue_push (state->queue, quit);
    g_thread_join (state->thread);
  }
  answer_all (state);
  close_database (state);
  if (state->lock_fd >= 0)
    close (state->lock_fd);
  unref_state (state);
}

/* --- changes
 * --------------------------------------------------------------------------------------------------- */

static Change *
new_change (ChangeKind kind, const char *id, StateFunc func, void *data)
{
  Change *change = g_new0 (Change, 1);
  change->kind = kind;
  change->stream.id = g_strdup (id);
  change->func = func;
  change->data = data;
  return change;
}

void
state_put_stream (State *state, const StateStream *stream, StateFunc func, void *data)
{
  Change *change = new_change (CHANGE_PUT_STREAM, stream->id, func, data);
  char *id = change->stream.id;
  change->stream = *stream;
  change->stream.id = id;
  change->stream.settings = g_strdup (stream->settings);
  g_async_queue_push (state->queue, change);
}

void
state_remove_stream (State *state, const char *id, StateFunc func, void *data)
{
  g_async_queue_push (state->queue, new_change (CHANGE_REMOVE_STREAM, id, func, data));
}

void
state_put_number (State *state, const char *name, int64_t value)
{
  Change *change = new_change (CHANGE_PUT_NUMBER, name, NULL, NULL);
  change->number = value;
  g_async_queue_push (state->queue, change);
}

void
state_get_stats (State *state, StateStats *ret)
{
  g_mutex_lock (&state->lock);
  *ret = state->stats;
  g_mutex_unlock (&state->lock);
}

/* --- reading, before the first change
 * -------------------------------------------------------------------------- */

GPtrArray *
state_load_streams (State *state, GError **error)
{
  g_autoptr (GPtrArray) streams = g_ptr_array_new_with_free_func ((GDestroyNotify)state_stream_free);
  sqlite3_stmt *statement = NULL;
  int result = sqlite3_prepare_v2 (
      state->db, "SELECT id, settings, created, stopped, created_us, updated_us FROM streams ORDER BY id", -1,
      &statement, NULL);
  while (result == SQLITE_OK || result == SQLITE_ROW) {
    result = sqlite3_step (statement);
    if (result != SQLITE_ROW)
      break;
    StateStream *stream = g_new0 (StateStream, 1);
    stream->id = g_strdup ((const char *)sqlite3_column_text (statement, 0));
    stream->settings = g_strdup ((const char *)sqlite3_column_text (statement, 1));
    stream->created = sqlite3_column_int (statement, 2) != 0;
    stream->stopped = sqlite3_column_int (statement, 3) != 0;
    stream->created_unix_us = sqlite3_column_int64 (statement, 4);
    stream->updated_unix_us = sqlite3_column_int64 (statement, 5);
    g_ptr_array_add (streams, stream);
  }
  if (result != SQLITE_DONE)
    set_db_error (state, error, "read it");
  sqlite3_finalize (statement);
  return result == SQLITE_DONE ? g_steal_pointer (&streams) : NULL;
}

int64_t
state_get_number (State *state, const char *name, int64_t fallback)
{
  sqlite3_stmt *statement = NULL;
  int64_t value = fallback;
  if (sqlite3_prepare_v2 (state->db, "SELECT value FROM numbers WHERE name = ?1", -1, &statement, NULL) ==
      SQLITE_OK) {
    sqlite3_bind_text (statement, 1, name, -1, SQLITE_STATIC);
    if (sqlite3_step (statement) == SQLITE_ROW)
      value = sqlite3_column_int64 (statement, 0);
  }
  sqlite3_finalize (statement);
  return value;
}
