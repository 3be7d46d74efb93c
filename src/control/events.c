/* SPDX-License-Identifier: Apache-2.0 */
/* The ring holds consecutive numbers, so that a cursor is found by subtraction. */
#include "control/events.h"

#include "base/error.h"
#include "base/log.h"

#include <json-glib/json-glib.h>
#include <stdarg.h>
#include <string.h>

struct Journal {
  GMutex lock; /* leaf: the ring */
  JournalEvent *ring[JOURNAL_MAX_EVENTS];
  uint64_t first_seq; /* of the oldest one kept */
  uint64_t next_seq;
  size_t n_bytes;
  uint64_t total;

  GMutex wake_lock; /* subscriptions; held while inline wake-ups run; never taken with @lock held */
  GPtrArray *subscriptions;
};

struct JournalSubscription {
  Journal *journal;
  Loop *loop;
  LoopFunc func;
  void *data;
  gatomicrefcount ref;
  int posted; /* atomic */
  int closed; /* atomic */
};

/* --- events
 * ---------------------------------------------------------------------------------------------------- */

JournalEvent *
journal_event_ref (JournalEvent *event)
{
  g_atomic_ref_count_inc (&event->ref);
  return event;
}

void
journal_event_unref (JournalEvent *event)
{
  if (!event || !g_atomic_ref_count_dec (&event->ref))
    return;
  g_free (event->type);
  g_free (event->stream_id);
  g_free (event->message);
  g_free (event->data);
  g_free (event);
}

char *
journal_format_time (int64_t unix_us)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (unix_us / G_USEC_PER_SEC);
  if (!time)
    return g_strdup ("1970-01-01T00:00:00.000000Z");
  g_autofree char *seconds = g_date_time_format (time, "%Y-%m-%dT%H:%M:%S");
  return g_strdup_printf ("%s.%06dZ", seconds, (int)(unix_us % G_USEC_PER_SEC));
}

char *
journal_event_time (const JournalEvent *event)
{
  return journal_format_time (event->unix_us);
}

/* Valid UTF-8 of at most JOURNAL_MESSAGE_BYTES: messages quote what peers sent. */
static char *
clean_message (const char *message)
{
  if (!message)
    return NULL;
  char *clean = g_utf8_make_valid (message, (gssize)strnlen (message, JOURNAL_MESSAGE_BYTES + 4));
  if (strlen (clean) > JOURNAL_MESSAGE_BYTES)
    *g_utf8_find_prev_char (clean, clean + JOURNAL_MESSAGE_BYTES + 1) = '\0';
  return clean;
}

static JournalEvent *
make_event (const char *type, const char *stream_id, const char *message, char *data)
{
  JournalEvent *event = g_new0 (JournalEvent, 1);
  g_atomic_ref_count_init (&event->ref);
  event->unix_us = g_get_real_time ();
  event->type = g_strdup (type);
  event->stream_id = g_strdup (stream_id);
  event->message = clean_message (message);
  event->data = data;
  event->n_bytes = sizeof *event + strlen (type) + (stream_id ? strlen (stream_id) : 0) +
                   (event->message ? strlen (event->message) : 0) + strlen (data);
  return event;
}

/* --- the ring
 * -------------------------------------------------------------------------------------------------- */

Journal *
journal_new (uint64_t first_seq)
{
  Journal *journal = g_new0 (Journal, 1);
  g_mutex_init (&journal->lock);
  g_mutex_init (&journal->wake_lock);
  journal->subscriptions = g_ptr_array_new ();
  /* A million numbers for each second since 1970: an earlier run cannot have come so far, and the result
   * stays below 2^53, which is all that JavaScript can count. */
  journal->next_seq = first_seq ? first_seq : (uint64_t)(g_get_real_time () / G_USEC_PER_SEC) << 20;
  journal->first_seq = journal->next_seq;
  return journal;
}

static JournalEvent **
slot (Journal *journal, uint64_t seq)
{
  return &journal->ring[seq % JOURNAL_MAX_EVENTS];
}

void
journal_free (Journal *journal)
{
  if (!journal)
    return;
  for (uint64_t seq = journal->first_seq; seq < journal->next_seq; seq++)
    journal_event_unref (*slot (journal, seq));
  g_ptr_array_unref (journal->subscriptions);
  g_mutex_clear (&journal->wake_lock);
  g_mutex_clear (&journal->lock);
  g_free (journal);
}

static void
run_subscription (void *data)
{
  JournalSubscription *subscription = data;
  g_atomic_int_set (&subscription->posted, 0);
  if (!g_atomic_int_get (&subscription->closed))
    subscription->func (subscription->data);
  if (g_atomic_ref_count_dec (&subscription->ref))
    g_free (subscription);
}

static void
wake_all (Journal *journal)
{
  g_mutex_lock (&journal->wake_lock);
  for (unsigned i = 0; i < journal->subscriptions->len; i++) {
    JournalSubscription *subscription = journal->subscriptions->pdata[i];
    if (!subscription->loop) {
      subscription->func (subscription->data);
    } else if (g_atomic_int_compare_and_exchange (&subscription->posted, 0, 1)) {
      g_atomic_ref_count_inc (&subscription->ref);
      loop_post (subscription->loop, run_subscription, subscription);
    }
  }
  g_mutex_unlock (&journal->wake_lock);
}

static void
evict_oldest (Journal *journal)
{
  JournalEvent **oldest = slot (journal, journal->first_seq++);
  journal->n_bytes -= (*oldest)->n_bytes;
  journal_event_unref (*oldest);
  *oldest = NULL;
}

/* Takes @event over. */
static uint64_t
append (Journal *journal, JournalEvent *event)
{
  g_mutex_lock (&journal->lock);
  while (journal->next_seq > journal->first_seq &&
         (journal->next_seq - journal->first_seq >= JOURNAL_MAX_EVENTS ||
          journal->n_bytes + event->n_bytes > JOURNAL_MAX_BYTES))
    evict_oldest (journal);
  uint64_t seq = event->seq = journal->next_seq++;
  *slot (journal, seq) = event;
  journal->n_bytes += event->n_bytes;
  journal->total++;
  g_mutex_unlock (&journal->lock);
  wake_all (journal);
  return seq;
}

/* --- adding
 * ---------------------------------------------------------------------------------------------------- */

static void
set_member (JsonObject *object, const char *key, const char *value)
{
  if (!value)
    return;
  g_autofree char *valid = g_utf8_make_valid (value, -1);
  json_object_set_string_member (object, key, valid);
}

/* Frees @object. */
static char *
object_to_text (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);
  json_object_unref (object);
  g_autofree char *text = json_to_string (node, FALSE);
  return strlen (text) <= JOURNAL_DATA_BYTES ? g_steal_pointer (&text) : g_strdup ("{}");
}

uint64_t
journal_add (Journal *journal, const char *type, const char *stream_id, const char *message, ...)
{
  JsonObject *object = json_object_new ();
  va_list pairs;
  va_start (pairs, message);
  for (const char *key = va_arg (pairs, const char *); key; key = va_arg (pairs, const char *))
    set_member (object, key, va_arg (pairs, const char *));
  va_end (pairs);
  return append (journal, make_event (type, stream_id, message, object_to_text (object)));
}

uint64_t
journal_add_json (Journal *journal, const char *type, const char *stream_id, const char *message,
                  const char *data)
{
  g_autoptr (JsonNode) node = data ? json_from_string (data, NULL) : NULL;
  bool fits = node && JSON_NODE_HOLDS_OBJECT (node) && strlen (data) <= JOURNAL_DATA_BYTES;
  /* Written anew, so that it is one line without spaces whatever the caller's looked like. */
  char *text = fits ? json_to_string (node, FALSE) : g_strdup ("{}");
  return append (journal, make_event (type, stream_id, message, text));
}

void
journal_on_stream_event (void *journal, const StreamEvent *event)
{
  JsonObject *object = json_object_new ();
  if (event->error) {
    set_member (object, "code", sluice_error_name (event->error));
    set_member (object, "error", event->error->message);
  }
  set_member (object, "reader", event->reader);
  if (event->detail_key)
    set_member (object, event->detail_key, event->detail_value);
  const char *message = event->message;
  if (!message && event->error)
    message = event->error->message;
  append (journal, make_event (event->type, event->stream, message, object_to_text (object)));
}

/* --- reading
 * --------------------------------------------------------------------------------------------------- */

static bool
list_match (const char *const *list, const char *name)
{
  if (!list || !list[0])
    return true;
  for (unsigned i = 0; list[i]; i++)
    if (settings_glob_match (list[i], name))
      return true;
  return false;
}

bool
journal_filter_match (const JournalFilter *filter, const JournalEvent *event)
{
  if (!filter)
    return true;
  return list_match (filter->types, event->type) &&
         (!event->stream_id || list_match (filter->streams, event->stream_id));
}

static void
unref_event (void *event)
{
  journal_event_unref (event);
}

void
journal_read (Journal *journal, uint64_t after, unsigned max, const JournalFilter *filter, JournalPage *ret)
{
  *ret = (JournalPage){.events = g_ptr_array_new_with_free_func (unref_event)};
  g_mutex_lock (&journal->lock);
  uint64_t seq = after + 1;
  if (after == 0 || seq < journal->first_seq || seq > journal->next_seq) {
    ret->gap = after != 0;
    seq = journal->first_seq;
  }
  for (; seq < journal->next_seq; seq++) {
    JournalEvent *event = *slot (journal, seq);
    if (!journal_filter_match (filter, event))
      continue;
    if (ret->events->len == max) {
      ret->more = true;
      break;
    }
    g_ptr_array_add (ret->events, journal_event_ref (event));
  }
  ret->next = seq - 1;
  g_mutex_unlock (&journal->lock);
}

void
journal_read_last (Journal *journal, unsigned max, const JournalFilter *filter, JournalPage *ret)
{
  *ret = (JournalPage){.events = g_ptr_array_new_with_free_func (unref_event)};
  g_mutex_lock (&journal->lock);
  uint64_t seq = journal->next_seq;
  unsigned found = 0;
  while (seq > journal->first_seq && found < max)
    found += journal_filter_match (filter, *slot (journal, --seq));
  for (; seq < journal->next_seq; seq++) {
    JournalEvent *event = *slot (journal, seq);
    if (journal_filter_match (filter, event))
      g_ptr_array_add (ret->events, journal_event_ref (event));
  }
  ret->next = journal->next_seq - 1;
  g_mutex_unlock (&journal->lock);
}

void
journal_page_clear (JournalPage *page)
{
  g_clear_pointer (&page->events, g_ptr_array_unref);
}

uint64_t
journal_last_seq (Journal *journal)
{
  g_mutex_lock (&journal->lock);
  uint64_t seq = journal->next_seq - 1;
  g_mutex_unlock (&journal->lock);
  return seq;
}

void
journal_get_stats (Journal *journal, JournalStats *ret)
{
  g_mutex_lock (&journal->lock);
  unsigned kept = (unsigned)(journal->next_seq - journal->first_seq);
  *ret = (JournalStats){
      .total = journal->total, .evicted = journal->total - kept, .kept = kept, .bytes = journal->n_bytes};
  g_mutex_unlock (&journal->lock);
}

/* --- subscriptions
 * --------------------------------------------------------------------------------------------- */

JournalSubscription *
journal_subscribe (Journal *journal, Loop *loop, LoopFunc func, void *data)
{
  JournalSubscription *subscription = g_new0 (JournalSubscription, 1);
  *subscription = (JournalSubscription){.journal = journal, .loop = loop, .func = func, .data = data};
  g_atomic_ref_count_init (&subscription->ref);
  g_mutex_lock (&journal->wake_lock);
  g_ptr_array_add (journal->subscriptions, subscription);
  g_mutex_unlock (&journal->wake_lock);
  return subscription;
}

void
journal_unsubscribe (JournalSubscription *subscription)
{
  if (!subscription)
    return;
  Journal *journal = subscription->journal;
  g_mutex_lock (&journal->wake_lock);
  g_ptr_array_remove_fast (journal->subscriptions, subscription);
  g_atomic_int_set (&subscription->closed, 1);
  g_mutex_unlock (&journal->wake_lock);
  if (g_atomic_ref_count_dec (&subscription->ref))
    g_free (subscription);
}
