/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: everything that happened, numbered, kept in a bounded ring. WebSocket, server-sent events,
 * logs and metrics are readers of it; none of them can slow it down or make it grow.
 *
 * Threads: all functions from any thread.
 * Locks:   a leaf lock around the ring; one around the list of subscriptions, held while inline wake-ups run.
 * Limits:  JOURNAL_MAX_EVENTS and JOURNAL_MAX_BYTES; the oldest events go first. */
#pragma once

#include "base/loop.h"
#include "stream/registry.h"

typedef struct Journal Journal;
typedef struct JournalSubscription JournalSubscription;

enum {
  JOURNAL_MAX_EVENTS = 10000,
  JOURNAL_MAX_BYTES = 8 * 1024 * 1024,
  JOURNAL_MESSAGE_BYTES = 1024,   /* longer messages are cut at a character */
  JOURNAL_DATA_BYTES = 64 * 1024, /* larger data is left out */
};

/* Immutable and refcounted; any thread may hold one.
 *
 * Types: stream.created .updated .removed .starting .started .reconnecting .stopped .error, source.failed,
 * reader.opened .closed, publisher.connected .disconnected, config.reloaded .rejected, system.started
 * .stopping .warning .error; and whatever else the stream core reports. */
typedef struct {
  uint64_t seq; /* grows by one; begins anew above all numbers of earlier runs of the program */
  int64_t unix_us;
  char *type;
  char *stream_id; /* or NULL */
  char *message;   /* for people, or NULL */
  char *data;      /* a JSON object as text, never NULL: "{}" */
  /*< private >*/
  size_t n_bytes;
  gatomicrefcount ref;
} JournalEvent;

JournalEvent *journal_event_ref (JournalEvent *event);
void journal_event_unref (JournalEvent *event); /* NULL-safe */
/* "2026-03-01T12:00:00.123456Z" (RFC 3339, UTC). (transfer full) */
char *journal_event_time (const JournalEvent *event);
char *journal_format_time (int64_t unix_us);

/* Events are numbered from @first_seq; 0: from the clock, so that numbers of an earlier run are never met
 * again. */
Journal *journal_new (uint64_t first_seq);
/* After every subscription has ended. */
void journal_free (Journal *journal); /* NULL-safe */

/* @data: pairs of key and value, ended by NULL; values are strings, NULL ones are left out. Returns the
 * number. */
uint64_t journal_add (Journal *journal, const char *type, const char *stream_id, const char *message,
                      ...) G_GNUC_NULL_TERMINATED;
/* The same with @data as JSON text of an object, or NULL. Text that is no object is left out. */
uint64_t journal_add_json (Journal *journal, const char *type, const char *stream_id, const char *message,
                           const char *data);
/* What registry_new() takes; @journal is the data. */
void journal_on_stream_event (void *journal, const StreamEvent *event);

/* Which events; NULL or empty lists mean all. Entries are names or globs with "*". An event without a stream
 * passes every list of streams. */
typedef struct {
  const char *const *types;
  const char *const *streams;
} JournalFilter;
bool journal_filter_match (const JournalFilter *filter, const JournalEvent *event); /* NULL filter: all */

typedef struct {
  GPtrArray *events; /* of JournalEvent, oldest first; free with g_ptr_array_unref() */
  uint64_t next;     /* cursor for the next read: pass it as @after */
  bool gap; /* events between @after and the first one here are gone (or @after was never a number of ours) */
  bool more; /* stopped at @max */
} JournalPage;

/* Events with numbers above @after, at most @max of them. @after 0: from the oldest one kept, without a gap.
 */
void journal_read (Journal *journal, uint64_t after, unsigned max, const JournalFilter *filter,
                   JournalPage *ret);
void journal_page_clear (JournalPage *page);
uint64_t journal_last_seq (Journal *journal); /* cursor for "from now on" */
/* The newest @max events of @filter, oldest first. */
void journal_read_last (Journal *journal, unsigned max, const JournalFilter *filter, JournalPage *ret);

typedef struct {
  uint64_t total;   /* since the start */
  uint64_t evicted; /* gone from the ring */
  unsigned kept;
  size_t bytes;
} JournalStats;
void journal_get_stats (Journal *journal, JournalStats *ret);

/* "There is something new": @func runs once for any number of events, then journal_read() tells which.
 *
 * With @loop it runs there (several events before it ran: one call), and never after journal_unsubscribe()
 * has returned when that was called on @loop. Without @loop (NULL) it runs inline on the thread that added
 * the event: it may only wake somebody (resume a connection, write an eventfd), must not block, and must not
 * call the journal; after journal_unsubscribe() has returned it does not run any more, whatever the thread.
 */
JournalSubscription *journal_subscribe (Journal *journal, Loop *loop, LoopFunc func, void *data);
void journal_unsubscribe (JournalSubscription *subscription); /* NULL-safe */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Journal, journal_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JournalEvent, journal_event_unref)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (JournalPage, journal_page_clear)
