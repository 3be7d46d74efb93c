/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: numbers, cursors, gaps, filters, bounds, wake-ups, many threads. */
#include "base/error.h"
#include "control/events.h"

#include <string.h>

static uint64_t
add (Journal *journal, const char *type, const char *stream)
{
  return journal_add (journal, type, stream, "message", NULL);
}

static void
test_content (void)
{
  g_autoptr (Journal) journal = journal_new (7);
  g_assert_cmpuint (journal_last_seq (journal), ==, 6);
  g_assert_cmpuint (journal_add (journal, "config.reloaded", NULL, "said \"so\"", "added", "1", "none", NULL,
                                 "odd", "a\"b\\c\n\xff", NULL),
                    ==, 7);
  journal_add_json (journal, "system.warning", NULL, NULL, "{ \"a\" : [1, 2] }");
  journal_add_json (journal, "system.warning", NULL, NULL, "[1, 2]");
  journal_add_json (journal, "system.warning", NULL, NULL, "{ broken");

  g_auto (JournalPage) page;
  journal_read (journal, 0, 100, NULL, &page);
  g_assert_cmpuint (page.events->len, ==, 4);
  g_assert_false (page.gap);
  g_assert_false (page.more);
  g_assert_cmpuint (page.next, ==, 10);
  const JournalEvent *event = page.events->pdata[0];
  g_assert_cmpuint (event->seq, ==, 7);
  g_assert_cmpstr (event->type, ==, "config.reloaded");
  g_assert_null (event->stream_id);
  g_assert_cmpstr (event->message, ==, "said \"so\"");
  g_assert_cmpstr (event->data, ==, "{\"added\":\"1\",\"odd\":\"a\\\"b\\\\c\\n\xef\xbf\xbd\"}");
  g_assert_cmpstr (((JournalEvent *)page.events->pdata[1])->data, ==, "{\"a\":[1,2]}");
  g_assert_cmpstr (((JournalEvent *)page.events->pdata[2])->data, ==, "{}");
  g_assert_cmpstr (((JournalEvent *)page.events->pdata[3])->data, ==, "{}");
}

static void
test_time (void)
{
  g_autofree char *time = journal_format_time (1772366400123456);
  g_assert_cmpstr (time, ==, "2026-03-01T12:00:00.123456Z");
  g_autofree char *epoch = journal_format_time (0);
  g_assert_cmpstr (epoch, ==, "1970-01-01T00:00:00.000000Z");
}

static void
test_long_message (void)
{
  g_autoptr (Journal) journal = journal_new (1);
  g_autofree char *text = g_malloc (3000);
  /* Two bytes a character, beginning at an odd offset: the cut must not halve one. */
  memset (text, 0, 3000);
  text[0] = 'x';
  for (unsigned i = 1; i < 2990; i += 2)
    memcpy (text + i, "\xc3\xa9", 2);
  journal_add (journal, "system.warning", NULL, text, NULL);
  g_auto (JournalPage) page;
  journal_read (journal, 0, 1, NULL, &page);
  const JournalEvent *event = page.events->pdata[0];
  g_assert_cmpuint (strlen (event->message), <=, JOURNAL_MESSAGE_BYTES);
  g_assert_cmpuint (strlen (event->message), >=, JOURNAL_MESSAGE_BYTES - 4);
  g_assert_true (g_utf8_validate (event->message, -1, NULL));
}

static void
test_stream_event (void)
{
  g_autoptr (Journal) journal = journal_new (1);
  g_autoptr (GError) error = g_error_new (SLUICE_ERROR, SLUICE_ERROR_TIMEOUT, "no answer");
  StreamEvent stream_event = {.type = "source.failed",
                              .stream = "cam/1",
                              .error = error,
                              .reader = "r1",
                              .detail_key = "peer",
                              .detail_value = "192.0.2.1:554"};
  journal_on_stream_event (journal, &stream_event);
  g_auto (JournalPage) page;
  journal_read (journal, 0, 1, NULL, &page);
  const JournalEvent *event = page.events->pdata[0];
  g_assert_cmpstr (event->stream_id, ==, "cam/1");
  g_assert_cmpstr (event->message, ==, "no answer");
  g_assert_cmpstr (
      event->data, ==,
      "{\"code\":\"TIMEOUT\",\"error\":\"no answer\",\"reader\":\"r1\",\"peer\":\"192.0.2.1:554\"}");
}

static void
test_filter (void)
{
  static const char *const types[] = {"stream.*", "source.failed", NULL};
  static const char *const streams[] = {"cam-*", NULL};
  static const char *const none[] = {NULL};
  static const struct {
    const char *const *types, *const *streams;
    const char *type, *stream;
    bool match;
  } rows[] = {
      {NULL, NULL, "stream.started", "cam-1", true},     {none, none, "stream.started", "cam-1", true},
      {types, NULL, "stream.started", "cam-1", true},    {types, NULL, "source.failed", "x", true},
      {types, NULL, "source.restarted", "cam-1", false}, {types, streams, "stream.started", "cam-1", true},
      {types, streams, "stream.started", "door", false}, {NULL, streams, "config.reloaded", NULL, true},
      {types, streams, "config.reloaded", NULL, false},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("row %u", i);
    g_autoptr (Journal) journal = journal_new (1);
    add (journal, rows[i].type, rows[i].stream);
    JournalFilter filter = {rows[i].types, rows[i].streams};
    g_auto (JournalPage) page, last;
    journal_read (journal, 0, 10, &filter, &page);
    g_assert_cmpuint (page.events->len, ==, rows[i].match);
    /* What the filter left out is behind the cursor all the same. */
    g_assert_cmpuint (page.next, ==, 1);
    journal_read_last (journal, 10, &filter, &last);
    g_assert_cmpuint (last.events->len, ==, rows[i].match);
  }
}

static void
test_cursor (void)
{
  g_autoptr (Journal) journal = journal_new (100);
  for (unsigned i = 0; i < 10; i++)
    add (journal, "stream.updated", "a");
  static const struct {
    uint64_t after;
    unsigned max, n;
    uint64_t first, next;
    bool gap, more;
  } rows[] = {
      {0, 100, 10, 100, 109, false, false},     {0, 3, 3, 100, 102, false, true},
      {102, 3, 3, 103, 105, false, true},       {105, 4, 4, 106, 109, false, false},
      {109, 4, 0, 0, 109, false, false},        {99, 1, 1, 100, 100, false, true},
      {98, 1, 1, 100, 100, true, true},         {5, 100, 10, 100, 109, true, false},
      {110, 100, 10, 100, 109, true, false}, /* a number of the future: not of this journal */
      {UINT64_MAX, 2, 2, 100, 101, true, true},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("row %u: after %" G_GUINT64_FORMAT, i, rows[i].after);
    g_auto (JournalPage) page;
    journal_read (journal, rows[i].after, rows[i].max, NULL, &page);
    g_assert_cmpuint (page.events->len, ==, rows[i].n);
    if (rows[i].n > 0)
      g_assert_cmpuint (((JournalEvent *)page.events->pdata[0])->seq, ==, rows[i].first);
    g_assert_cmpuint (page.next, ==, rows[i].next);
    g_assert_true (page.gap == rows[i].gap);
    g_assert_true (page.more == rows[i].more);
  }
  g_auto (JournalPage) last;
  journal_read_last (journal, 3, NULL, &last);
  g_assert_cmpuint (last.events->len, ==, 3);
  g_assert_cmpuint (((JournalEvent *)last.events->pdata[0])->seq, ==, 107);
}

static void
test_bounds (void)
{
  g_autoptr (Journal) journal = journal_new (1);
  for (unsigned i = 0; i < JOURNAL_MAX_EVENTS + 5; i++)
    add (journal, "stream.updated", "a");
  JournalStats stats;
  journal_get_stats (journal, &stats);
  g_assert_cmpuint (stats.kept, ==, JOURNAL_MAX_EVENTS);
  g_assert_cmpuint (stats.evicted, ==, 5);
  g_assert_cmpuint (stats.total, ==, JOURNAL_MAX_EVENTS + 5);
  g_auto (JournalPage) page;
  journal_read (journal, 3, 1, NULL, &page);
  g_assert_true (page.gap);
  g_assert_cmpuint (((JournalEvent *)page.events->pdata[0])->seq, ==, 6);

  g_autofree char *value = g_strnfill (60000, 'x');
  for (unsigned i = 0; i < 300; i++)
    journal_add (journal, "system.warning", NULL, NULL, "value", value, NULL);
  journal_get_stats (journal, &stats);
  g_assert_cmpuint (stats.bytes, <=, JOURNAL_MAX_BYTES);
  g_assert_cmpuint (stats.kept, >, 100);
  g_assert_cmpuint (stats.kept, <, 300);

  g_autofree char *huge = g_strnfill (JOURNAL_DATA_BYTES, 'x');
  uint64_t seq = journal_add (journal, "system.warning", NULL, NULL, "value", huge, NULL);
  g_auto (JournalPage) last;
  journal_read (journal, seq - 1, 1, NULL, &last);
  g_assert_cmpstr (((JournalEvent *)last.events->pdata[0])->data, ==, "{}");
}

static void
test_numbers_of_runs (void)
{
  g_autoptr (Journal) journal = journal_new (0);
  g_assert_cmpuint (add (journal, "x", NULL), >, (uint64_t)1000 << 20);
  g_assert_cmpuint (add (journal, "x", NULL), <, (uint64_t)1 << 53);
}

static void
count_call (void *data)
{
  g_atomic_int_inc ((int *)data);
}

static void
test_subscription_on_loop (void)
{
  Loop *control = loop_new_control ();
  g_autoptr (Journal) journal = journal_new (1);
  int calls = 0;
  JournalSubscription *subscription = journal_subscribe (journal, control, count_call, &calls);
  for (unsigned i = 0; i < 5; i++)
    add (journal, "x", NULL);
  g_assert_cmpint (calls, ==, 0);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (calls, ==, 1);
  add (journal, "x", NULL);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (calls, ==, 2);
  /* A wake-up that is on its way is not delivered any more. */
  add (journal, "x", NULL);
  journal_unsubscribe (subscription);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (calls, ==, 2);
  loop_free (control);
}

typedef struct {
  Journal *journal;
  int wakes;
} Shared;

static void *
add_many (void *data)
{
  Shared *shared = data;
  for (unsigned i = 0; i < 2000; i++)
    journal_add (shared->journal, "stream.updated", "a", NULL, "n", "1", NULL);
  return NULL;
}

static void
test_threads (void)
{
  g_autoptr (Journal) journal = journal_new (1);
  Shared shared = {.journal = journal};
  JournalSubscription *inline_one = journal_subscribe (journal, NULL, count_call, &shared.wakes);
  GThread *threads[3];
  for (unsigned i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("adder", add_many, &shared);
  uint64_t after = 0, seen = 0;
  while (seen < 6000) {
    g_auto (JournalPage) page;
    journal_read (journal, after, 50, NULL, &page);
    for (unsigned i = 0; i < page.events->len; i++)
      g_assert_cmpuint (((JournalEvent *)page.events->pdata[i])->seq, ==, ++seen);
    after = page.next;
    if (page.events->len == 0)
      g_thread_yield ();
  }
  for (unsigned i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (shared.wakes, ==, 6000);
  journal_unsubscribe (inline_one);
  add (journal, "x", NULL);
  g_assert_cmpint (shared.wakes, ==, 6000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/events/content", test_content);
  g_test_add_func ("/control/events/time", test_time);
  g_test_add_func ("/control/events/long-message", test_long_message);
  g_test_add_func ("/control/events/stream-event", test_stream_event);
  g_test_add_func ("/control/events/filter", test_filter);
  g_test_add_func ("/control/events/cursor", test_cursor);
  g_test_add_func ("/control/events/bounds", test_bounds);
  g_test_add_func ("/control/events/numbers-of-runs", test_numbers_of_runs);
  g_test_add_func ("/control/events/subscription-on-loop", test_subscription_on_loop);
  g_test_add_func ("/control/events/threads", test_threads);
  return g_test_run ();
}
