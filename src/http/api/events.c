/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/events: the journal as a page of JSON, as server-sent events, and over a WebSocket. All three take
 * a cursor (?cursor=N, or Last-Event-ID of a browser that reconnects) and go on behind that number; without
 * one, feeds begin with what happens next and a page shows the newest events.
 *
 * A feed that reads too slowly is closed by its own bound; its client comes back with the last number it saw.
 */
#include "base/error.h"
#include "http/api/api_private.h"
#include "http/json.h"

#include <string.h>

enum {
  PAGE_EVENTS = 100,
  PAGE_EVENTS_MAX = 1000,
  READ_EVENTS = 256, /* of the journal at a time */
  PUSH_QUEUE_BYTES = 1024 * 1024,
  HEARTBEAT_S = 15, /* shows a client that has vanished, and keeps proxies from giving up */
  FILTER_WORDS_MAX = 64,
};

typedef struct {
  Api *api; /* NULL: the API has gone; nothing is sent any more */
  JournalSubscription *subscription;
  uint64_t cursor;
  char **types, **streams;
  guint heartbeat;
  HttpPush *push;       /* either */
  Websocket *websocket; /* or */
} Feed;

/* --- events as text
 * ------------------------------------------------------------------------------------------ */

static JsonObject *
event_to_json (const JournalEvent *event)
{
  JsonObject *object = json_object_new ();
  g_autofree char *time = journal_event_time (event);
  json_object_set_int_member (object, "seq", (gint64)event->seq);
  json_object_set_string_member (object, "type", event->type);
  json_object_set_string_member (object, "timestamp", time);
  api_set_string (object, "stream_id", event->stream_id);
  api_set_string (object, "message", event->message);
  g_autoptr (JsonNode) data = json_from_string (event->data, NULL);
  if (data && JSON_NODE_HOLDS_OBJECT (data))
    json_object_set_object_member (object, "data", json_node_dup_object (data));
  else
    json_object_set_object_member (object, "data", json_object_new ());
  return object;
}

static char *
object_to_text (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, object);
  return json_to_string (node, FALSE);
}

static JsonObject *
make_gap (uint64_t cursor)
{
  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "type", "journal.gap");
  json_object_set_string_member (object, "message", "events before this place are not kept any more");
  json_object_set_int_member (object, "cursor", (gint64)cursor);
  return object;
}

/* --- feeds
 * --------------------------------------------------------------------------------------------------- */

static JournalFilter
feed_filter (const Feed *feed)
{
  return (JournalFilter){.types = (const char *const *)feed->types,
                         .streams = (const char *const *)feed->streams};
}

/* @seq 0: not an event of the journal. @text: taken over. */
static bool
send_text (Feed *feed, uint64_t seq, char *plain)
{
  g_autofree char *text = plain;
  if (feed->websocket) {
    g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));
    return websocket_send (feed->websocket, bytes);
  }
  g_autoptr (GString) piece = g_string_new (NULL);
  if (seq)
    g_string_append_printf (piece, "id: %" G_GUINT64_FORMAT "\n", seq);
  g_string_append_printf (piece, "data: %s\n\n", text);
  g_autoptr (GBytes) bytes = g_bytes_new (piece->str, piece->len);
  return http_push_send (feed->push, bytes);
}

static void
stop_feed (Feed *feed)
{
  if (!feed->api)
    return;
  g_ptr_array_remove_fast (feed->api->feeds, feed);
  journal_unsubscribe (g_steal_pointer (&feed->subscription));
  g_clear_handle_id (&feed->heartbeat, g_source_remove);
  feed->api = NULL;
}

/* Sends what is new. When the client does not take it, its connection ends, and on_feed_gone() follows. */
static void
pump_feed (void *data)
{
  Feed *feed = data;
  bool more = true;
  while (more && feed->api) {
    g_auto (JournalPage) page = {0};
    const JournalFilter filter = feed_filter (feed);
    journal_read (feed->api->options.journal, feed->cursor, READ_EVENTS, &filter, &page);
    bool open = !page.gap || send_text (feed, 0, object_to_text (make_gap (page.next)));
    for (unsigned i = 0; open && i < page.events->len; i++) {
      const JournalEvent *event = page.events->pdata[i];
      open = send_text (feed, event->seq, object_to_text (event_to_json (event)));
    }
    feed->cursor = page.next;
    more = page.more && open;
    if (!open)
      stop_feed (feed);
  }
}

static void
on_feed_gone (void *data)
{
  Feed *feed = data;
  stop_feed (feed);
  http_push_unref (feed->push);
  websocket_unref (feed->websocket);
  g_strfreev (feed->types);
  g_strfreev (feed->streams);
  g_free (feed);
}

static gboolean
on_heartbeat (gpointer data)
{
  Feed *feed = data;
  g_autoptr (GBytes) comment = g_bytes_new_static (":\n\n", 3);
  if (http_push_send (feed->push, comment))
    return G_SOURCE_CONTINUE;
  feed->heartbeat = 0;
  stop_feed (feed);
  return G_SOURCE_REMOVE;
}

void
api_feeds_free (Api *api)
{
  while (api->feeds->len > 0)
    stop_feed (api->feeds->pdata[0]);
}

/* --- what a WebSocket client may say
 * ------------------------------------------------------------------------- */

/* A list of words, or of objects with the word in "type". */
static char **
read_words (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  if (!node || !JSON_NODE_HOLDS_ARRAY (node))
    return NULL;
  JsonArray *array = json_node_get_array (node);
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();
  for (unsigned i = 0; i < MIN (json_array_get_length (array), FILTER_WORDS_MAX); i++) {
    JsonNode *element = json_array_get_element (array, i);
    if (JSON_NODE_HOLDS_OBJECT (element))
      element = json_object_get_member (json_node_get_object (element), "type");
    if (element && JSON_NODE_HOLDS_VALUE (element) && json_node_get_value_type (element) == G_TYPE_STRING)
      g_strv_builder_add (words, json_node_get_string (element));
  }
  return g_strv_builder_end (words);
}

static void
set_words (JsonObject *object, const char *name, char *const *words)
{
  JsonArray *array = json_array_new ();
  for (; words && *words; words++)
    json_array_add_string_element (array, *words);
  json_object_set_array_member (object, name, array);
}

/* {"event_types": [...], "stream_ids": [...]} narrows the feed from now on; empty lists mean all. */
static void
on_feed_text (void *data, const char *text)
{
  Feed *feed = data;
  if (!feed->api)
    return;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) wish = http_json_parse_object (text, strlen (text), &error);
  JsonObject *answer = json_object_new ();
  if (wish) {
    pump_feed (feed); /* what happened before goes by the old filter */
    g_strfreev (feed->types);
    g_strfreev (feed->streams);
    feed->types = read_words (wish, "event_types");
    feed->streams = read_words (wish, "stream_ids");
    json_object_set_string_member (answer, "type", "subscription.updated");
    set_words (answer, "event_types", feed->types);
    set_words (answer, "stream_ids", feed->streams);
  } else {
    json_object_set_string_member (answer, "type", "error");
    json_object_set_string_member (answer, "message", error->message);
  }
  send_text (feed, 0, object_to_text (answer));
}

/* --- requests
 * ------------------------------------------------------------------------------------------------ */

static char **
split_words (const char *list)
{
  return list && *list ? g_strsplit (list, ",", FILTER_WORDS_MAX) : NULL;
}

/* False and an answer given when it is no number. *@ret_given: whether there was one. */
static bool
read_cursor (HttpCall *call, uint64_t *ret, bool *ret_given)
{
  const char *header = http_call_header (call, "last-event-id");
  const char *names[] = {"cursor", "since"};
  *ret_given = false;
  /* A browser that reconnects sends the header together with its first, older query. */
  if (header && g_ascii_string_to_unsigned (header, 10, 0, G_MAXINT64, ret, NULL)) {
    *ret_given = true;
    return true;
  }
  for (unsigned i = 0; i < G_N_ELEMENTS (names); i++) {
    if (!http_call_query (call, names[i]))
      continue;
    *ret_given = true;
    return api_query_number (call, names[i], 0, G_MAXINT64, 0, ret);
  }
  return true;
}

static void
respond_page (HttpCall *call, uint64_t cursor, bool given)
{
  Api *api = http_call_app (call);
  uint64_t limit;
  if (!api_query_number (call, "limit", 1, PAGE_EVENTS_MAX, PAGE_EVENTS, &limit))
    return;
  g_auto (GStrv) types = split_words (http_call_query (call, "types"));
  g_auto (GStrv) streams = split_words (http_call_query (call, "streams"));
  const JournalFilter filter = {.types = (const char *const *)types, .streams = (const char *const *)streams};
  g_auto (JournalPage) page = {0};
  if (given)
    journal_read (api->options.journal, cursor, (unsigned)limit, &filter, &page);
  else
    journal_read_last (api->options.journal, (unsigned)limit, &filter, &page);
  JsonArray *events = json_array_new ();
  for (unsigned i = 0; i < page.events->len; i++)
    json_array_add_object_element (events, event_to_json (page.events->pdata[i]));
  JsonObject *object = json_object_new ();
  json_object_set_array_member (object, "events", events);
  json_object_set_int_member (object, "cursor", (gint64)page.next);
  json_object_set_boolean_member (object, "gap", page.gap);
  json_object_set_boolean_member (object, "more", page.more);
  api_respond_object (call, 200, object);
}

static void
start_feed (HttpCall *call, uint64_t cursor, bool given)
{
  static const WebsocketOps ops = {.on_text = on_feed_text, .on_closed = on_feed_gone};
  Api *api = http_call_app (call);
  Feed *feed = g_new0 (Feed, 1);
  feed->api = api;
  feed->cursor = given ? cursor : journal_last_seq (api->options.journal);
  feed->types = split_words (http_call_query (call, "types"));
  feed->streams = split_words (http_call_query (call, "streams"));
  g_ptr_array_add (api->feeds, feed);
  if (http_call_wants_websocket (call)) {
    feed->websocket = http_call_accept_websocket (call, &ops, feed);
    if (!feed->websocket) {
      on_feed_gone (feed); /* no WebSocket, no callback */
      return;
    }
  } else {
    feed->push = http_call_start_push (call, "text/event-stream", PUSH_QUEUE_BYTES, on_feed_gone, feed);
    feed->heartbeat = g_timeout_add_seconds (HEARTBEAT_S, on_heartbeat, feed);
    /* Shows clients and proxies at once that they are through. */
    g_autoptr (GBytes) hello = g_bytes_new_static ("retry: 2000\n\n", 13);
    http_push_send (feed->push, hello);
  }
  feed->subscription = journal_subscribe (api->options.journal, api->options.control, pump_feed, feed);
  pump_feed (feed);
}

static void
on_events (HttpCall *call)
{
  Api *api = http_call_app (call);
  uint64_t cursor = 0;
  bool given;
  if (!read_cursor (call, &cursor, &given))
    return;
  bool websocket = http_call_wants_websocket (call);
  const char *accept = http_call_header (call, "accept");
  bool wants_page =
      !websocket && accept && strstr (accept, "application/json") && !strstr (accept, "event-stream");
  if (wants_page || strcmp (http_call_method (call), "HEAD") == 0)
    respond_page (call, cursor, given);
  else if (api->feeds->len >= API_FEEDS_MAX)
    http_call_respond (call, http_response_new_error (429, "LIMIT", NULL, "there are %d event feeds already",
                                                      API_FEEDS_MAX));
  else
    start_feed (call, cursor, given);
}

static const HttpRoute api_events[] = {
    {"GET", "/api/v1/events", ACTION_API, on_events, HTTP_ROUTE_WEBSOCKET},
};
API_ROUTES (api_events);
