/* SPDX-License-Identifier: Apache-2.0 */
/* What was changed at run time, kept over restarts: SQLite (WAL, synchronous=FULL) in DIRECTORY/state.db. A
 * thread of its own writes; changes that wait together are committed together, with one fsync.
 *
 * Owner:   control loop; all functions there. Answers come there, in the order of the changes.
 * Failure: a damaged database is moved aside (state.db.damaged-TIME) and a new one begun:
 * state_damaged_file() says so. A commit that fails is answered with an error and leaves the database as it
 * was. */
#pragma once

#include "base/loop.h"

typedef struct State State;

/* One stream made or changed at run time. */
typedef struct {
  char *id;
  char *settings; /* JSON object: only the keys that were set at run time */
  bool created;   /* made at run time, not a change to one of the file */
  bool stopped;   /* stopped by an operator */
  int64_t created_unix_us;
  int64_t updated_unix_us;
} StateStream;
void state_stream_clear (StateStream *stream);
void state_stream_free (StateStream *stream); /* NULL-safe */

/* Makes @directory (0700) when it is missing. IO with the path and what to do about it; BUSY when another
 * process holds the database. Blocks: start-up only. */
State *state_open (const char *directory, Loop *control, GError **error);
/* Commits what waits, joins the thread, and answers all that has no answer yet before it returns. */
void state_free (State *state); /* NULL-safe */

/* Path of the damaged database that was moved aside on opening, or NULL. */
const char *state_damaged_file (const State *state);

/* All streams as of the opening. Blocks: start-up only. (transfer full) (element-type StateStream) */
GPtrArray *state_load_streams (State *state, GError **error);

/* Runs on the control loop after the change is on disk, or has failed (@error set). */
typedef void (*StateFunc) (void *data, const GError *error);
void state_put_stream (State *state, const StateStream *stream, StateFunc func, void *data); /* copies */
void state_remove_stream (State *state, const char *id, StateFunc func, void *data);

/* A whole number kept by name, such as the generation of the configuration; @fallback when it was never put.
 */
int64_t state_get_number (State *state, const char *name, int64_t fallback); /* blocks: start-up only */
void state_put_number (State *state, const char *name, int64_t value);       /* failures are logged only */

typedef struct {
  uint64_t commits, failures, changes;
  int64_t last_commit_us; /* how long the last commit took */
  int64_t max_commit_us;
  bool failing; /* the last commit failed */
} StateStats;
void state_get_stats (State *state, StateStats *ret); /* any thread */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (State, state_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (StateStream, state_stream_free)
