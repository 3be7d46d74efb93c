/* SPDX-License-Identifier: Apache-2.0 */
/* The API on a real registry and manager: requests in a row, event feeds that go on where they broke off, and
 * the document that describes it all. */
#include "api-fixture.h"
#include "http/sluice-data.h"

#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

#define HOST "Host: 127.0.0.1\r\n"

static void
run (FixtureFunc func)
{
  ApiFixture fixture;
  api_fixture_set_up (&fixture);
  fixture_run (&fixture.http, func);
  api_fixture_tear_down (&fixture);
}

/* --- requests in a row
 * --------------------------------------------------------------------------------------- */

static const struct {
  const char *method, *path, *body;
  unsigned status;
  const char *contains;
} steps[] = {
    {"GET", "/api/v1/streams", NULL, 200, "{\"streams\":[],\"total_count\":0"},
    {"POST", "/api/v1/streams", "{\"id\":\"live/a\"}", 201, "Location: /api/v1/streams/live%2Fa\r\n"},
    {"POST", "/api/streams", "{\"id\":\"cam\",\"source_url\":\"fake:silent\",\"name\":\"Door\"}", 201,
     "\"status\":\"initializing\""},
    {"POST", "/api/v1/streams", "{\"id\":\"cam\"}", 409, "STREAM_ALREADY_EXISTS"},
    {"POST", "/api/v1/streams", "{\"id\":\"x\",\"sorce\":\"fake:online\"}", 400, "did you mean"},
    {"POST", "/api/v1/streams", "{\"id\":\"x\",\"transport\":\"pigeon\"}", 400, "INVALID_CONFIGURATION"},
    {"POST", "/api/v1/streams", "{\"id\":\"../x\"}", 400, "INVALID_CONFIGURATION"},
    {"PUT", "/api/v1/streams/cam", "{\"recording\":{\"enabled\":true}}", 200,
     "\"warnings\":[\"recording.enabled: recording is not available"},
    {"POST", "/api/v1/streams", "{}", 400, "id: is missing"},
    {"POST", "/api/v1/streams", "nonsense", 400, "not JSON"},
    {"POST", "/api/v1/streams", NULL, 400, "must be a JSON object"},
    {"GET", "/api/v1/streams/live%2Fa", NULL, 200, "\"id\":\"live/a\""},
    {"GET", "/api/v1/streams/live%252Fa", NULL, 404, "STREAM_NOT_FOUND"},
    {"GET", "/api/v1/streams/cam", NULL, 200, "\"name\":\"Door\""},
    {"GET", "/api/v1/streams/none", NULL, 404, "STREAM_NOT_FOUND"},
    {"GET", "/api/v1/streams", NULL, 200, "\"total_count\":2"},
    {"GET", "/api/v1/streams?status=inactive", NULL, 200, "\"total_count\":1"},
    {"GET", "/api/v1/streams?state=starting", NULL, 200, "\"total_count\":1"},
    {"GET", "/api/v1/streams?search=DOOR", NULL, 200, "\"total_count\":1"},
    {"GET", "/api/v1/streams?source=fake", NULL, 200, "\"total_count\":1"},
    {"GET", "/api/v1/streams?recording=true", NULL, 200, "\"total_count\":0"},
    {"GET", "/api/v1/streams?recording=false", NULL, 200, "\"total_count\":2"},
    {"GET", "/api/v1/streams?page=2&items_per_page=1", NULL, 200,
     "\"page\":2,\"items_per_page\":1,\"page_count\":2"},
    {"GET", "/api/v1/streams?offset=1&limit=1", NULL, 200, "\"streams\":[{\"id\":\"live/a\""},
    {"GET", "/api/v1/streams?page=9", NULL, 200, "{\"streams\":[],\"total_count\":2"},
    {"GET", "/api/v1/streams?page=0", NULL, 400, "page: must be"},
    {"GET", "/api/v1/streams?limit=x", NULL, 400, "limit: must be"},
    {"PATCH", "/api/v1/streams/cam", "{\"title\":\"Gate\",\"reconnect\":{\"backoff_ms\":2500}}", 200,
     "\"backoff_ms\":2500"},
    {"PUT", "/api/v1/streams/cam", "{\"recording\":{\"enabled\":false}}", 200, "\"name\":\"Gate\""},
    {"PATCH", "/api/v1/streams/cam", "{\"id\":\"other\"}", 400, "id: cannot be changed"},
    {"PATCH", "/api/v1/streams/cam", "{\"retry_min\":\"soon\"}", 400, "INVALID_CONFIGURATION"},
    {"PATCH", "/api/v1/streams/none", "{}", 404, "STREAM_NOT_FOUND"},
    {"POST", "/api/v1/streams/cam/stop", NULL, 200, "\"status\":\"stopping\""},
    {"POST", "/api/v1/streams/cam/start", NULL, 200, "\"status\":\"starting\""},
    {"POST", "/api/v1/streams/cam/restart", NULL, 200, "\"status\":\"restarting\""},
    {"POST", "/api/v1/streams/none/start", NULL, 404, "STREAM_NOT_FOUND"},
    {"GET", "/api/v1/streams/cam/start", NULL, 405, "Allow: POST, OPTIONS\r\n"},
    {"GET", "/api/v1/streams/cam/metrics", NULL, 200,
     "\"packets\":{\"received\":0,\"lost\":0,\"recovered\":0}"},
    {"GET", "/api/v1/streams/none/metrics", NULL, 404, "STREAM_NOT_FOUND"},
    {"GET", "/api/v1/streams/cam/readers", NULL, 200, "{\"readers\":[],\"total_count\":0}"},
    {"GET", "/api/v1/streams/none/readers", NULL, 404, "STREAM_NOT_FOUND"},
    {"DELETE", "/api/v1/streams/cam/readers/r1", NULL, 404, "READER_NOT_FOUND"},
    {"DELETE", "/api/v1/streams/none/readers/r1", NULL, 404, "STREAM_NOT_FOUND"},
    {"DELETE", "/api/v1/streams/live%2Fa", NULL, 204, NULL},
    {"DELETE", "/api/v1/streams/live%2Fa", NULL, 404, "STREAM_NOT_FOUND"},
    {"GET", "/health", NULL, 200, "\"service\":\"sluice\""},
    {"GET", "/health/live", NULL, 200, "{\"status\":\"alive\"}"},
    {"GET", "/health/ready", NULL, 200, "{\"status\":\"ready\"}"},
    {"GET", "/api/v1/health", NULL, 200, "\"streams\":[{\"id\":\"cam\""},
    {"GET", "/api/status", NULL, 200, "\"total_streams\":1"},
    {"GET", "/metrics", NULL, 200, "\nsluice_http_requests_total{status=\"2xx\"}"},
    {"GET", "/api/v1/metrics", NULL, 200, "# TYPE"},
    {"GET", "/api/v1/config", NULL, 200, "\"http\":{"},
    {"POST", "/api/v1/config/reload", NULL, 400, "rtsp.listen: nonsense"},
    {"GET", "/api/v1/config/reload/status", NULL, 200, "\"applied\":false"},
    {"GET", "/api/v1/openapi.json", NULL, 200, "\"openapi\": \"3.1.0\""},
    {"GET", "/api/v1/openapi.yaml", NULL, 200, "Content-Type: application/yaml"},
    {"GET", "/api/v1/events?cursor=x", NULL, 400, "cursor: must be"},
};

static void
walk (Fixture *fixture)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (steps); i++) {
    const char *body = steps[i].body ? steps[i].body : "";
    g_autofree char *request = g_strdup_printf ("%s %s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s",
                                                steps[i].method, steps[i].path, strlen (body), body);
    g_autofree char *answer = client_exchange (fixture, request);
    g_test_message ("%s %s %s\n%s", steps[i].method, steps[i].path, body, answer);
    g_assert_cmpuint (client_status (answer), ==, steps[i].status);
    if (steps[i].contains)
      g_assert_nonnull (strstr (answer, steps[i].contains));
  }
}

static void
test_steps (void)
{
  run (walk);
}

/* --- events
 * -------------------------------------------------------------------------------------------------- */

static int
request_events (Fixture *fixture, const char *query, const char *header)
{
  int fd = client_connect (fixture);
  g_autofree char *request =
      g_strdup_printf ("GET /api/v1/events%s HTTP/1.1\r\n" HOST "%s\r\n", query, header);
  client_send (fd, request, strlen (request));
  g_autofree char *answer = client_read_answer (fd);
  g_assert_cmpuint (client_status (answer), ==, 200);
  return fd;
}

/* The first line from here on that begins with @prefix. */
static char *
read_line (int fd, const char *prefix)
{
  g_autoptr (GString) line = g_string_new (NULL);
  char c;
  while (client_read_exact (fd, &c, 1)) {
    if (c != '\n') {
      g_string_append_c (line, c);
      continue;
    }
    g_test_message ("%s", line->str);
    if (g_str_has_prefix (line->str, prefix))
      return g_string_free (g_steal_pointer (&line), FALSE);
    g_string_truncate (line, 0);
  }
  g_test_message ("never came: %s", prefix);
  g_test_fail ();
  return g_strdup ("");
}

static void
expect_event (int fd, const char *type)
{
  g_autofree char *line = read_line (fd, "data: ");
  g_autofree char *wanted = g_strdup_printf ("\"type\":\"%s\"", type);
  g_assert_nonnull (strstr (line, wanted));
}

static void
expect_id (int fd, uint64_t id)
{
  g_autofree char *line = read_line (fd, "id: ");
  g_autofree char *wanted = g_strdup_printf ("id: %" G_GUINT64_FORMAT, id);
  g_assert_cmpstr (line, ==, wanted);
}

static void
follow (Fixture *fixture)
{
  Journal *journal = ((ApiFixture *)fixture)->journal;
  uint64_t first = journal_add (journal, "test.one", "cam", "message", "key", "value", NULL);

  /* From where the test's own events begin, then live. */
  g_autofree char *before = g_strdup_printf ("?cursor=%" G_GUINT64_FORMAT, first - 1);
  int fd = request_events (fixture, before, "");
  expect_id (fd, first);
  expect_event (fd, "test.one");
  uint64_t second = journal_add (journal, "test.two", "cam", NULL, NULL);
  expect_event (fd, "test.two");
  close (fd);

  /* What happened while nobody listened is not lost; the header wins over the older query. */
  uint64_t third = journal_add (journal, "test.three", NULL, NULL, NULL);
  g_autofree char *resume = g_strdup_printf ("Last-Event-ID: %" G_GUINT64_FORMAT "\r\n", second);
  fd = request_events (fixture, "?cursor=0", resume);
  expect_id (fd, third);
  expect_event (fd, "test.three");
  close (fd);

  /* A number that was never ours shows a gap. */
  fd = request_events (fixture, "?cursor=7&types=test.one", "");
  expect_event (fd, "journal.gap");
  expect_event (fd, "test.one");
  close (fd);

  /* Without a cursor: from now on, and only what was asked for. */
  fd = request_events (fixture, "?types=wanted.*&streams=cam", "");
  g_free (read_line (fd, "retry: 2000"));
  journal_add (journal, "unwanted", "cam", NULL, NULL);
  journal_add (journal, "wanted.a", "other", NULL, NULL);
  journal_add (journal, "wanted.b", "cam", NULL, NULL);
  expect_event (fd, "wanted.b");
  close (fd);
}

static void
test_sse (void)
{
  run (follow);
}

static void
read_pages (Fixture *fixture)
{
  Journal *journal = ((ApiFixture *)fixture)->journal;
  for (unsigned i = 0; i < 5; i++)
    journal_add (journal, "test.page", NULL, NULL, NULL);
  uint64_t last = journal_last_seq (journal);
  g_autofree char *newest_query = g_strdup ("limit=2&types=test.page");
  g_autofree char *older_query =
      g_strdup_printf ("limit=2&types=test.page&cursor=%" G_GUINT64_FORMAT, last - 5);
  const struct {
    const char *query;
    uint64_t first;
    bool more;
  } pages[] = {{newest_query, last - 1, false}, {older_query, last - 4, true}};
  for (unsigned i = 0; i < G_N_ELEMENTS (pages); i++) {
    g_autofree char *request = g_strdup_printf (
        "GET /api/v1/events?%s HTTP/1.1\r\n" HOST "Accept: application/json\r\n\r\n", pages[i].query);
    g_autofree char *answer = client_exchange (fixture, request);
    g_assert_cmpuint (client_status (answer), ==, 200);
    g_autoptr (JsonNode) node = json_from_string (strstr (answer, "\r\n\r\n"), NULL);
    JsonObject *page = json_node_get_object (node);
    JsonArray *events = json_object_get_array_member (page, "events");
    g_assert_cmpuint (json_array_get_length (events), ==, 2);
    g_assert_cmpuint (json_object_get_int_member (json_array_get_object_element (events, 0), "seq"), ==,
                      pages[i].first);
    g_assert_cmpint (json_object_get_boolean_member (page, "more"), ==, pages[i].more);
    g_assert_cmpint (json_object_get_int_member (page, "cursor"), >=, pages[i].first + 1);
  }
}

static void
test_pages (void)
{
  run (read_pages);
}

/* --- over a WebSocket
 * ---------------------------------------------------------------------------------------- */

static char *
read_text_frame (int fd)
{
  uint8_t header[4];
  g_assert_true (client_read_exact (fd, header, 2));
  g_assert_cmphex (header[0], ==, 0x81);
  size_t n = header[1];
  if (n == 126) {
    g_assert_true (client_read_exact (fd, header + 2, 2));
    n = (size_t)header[2] << 8 | header[3];
  }
  char *text = g_malloc0 (n + 1);
  g_assert_true (client_read_exact (fd, text, n));
  return text;
}

static void
send_text_frame (int fd, const char *text)
{
  size_t n = strlen (text);
  g_assert_cmpuint (n, <, 126);
  char frame[256] = {(char)0x81, (char)(0x80 | n)}; /* masked with zeros */
  memcpy (frame + 6, text, n);
  client_send (fd, frame, n + 6);
}

static void
listen_by_websocket (Fixture *fixture)
{
  Journal *journal = ((ApiFixture *)fixture)->journal;
  uint64_t first = journal_add (journal, "test.one", "cam", "message", "key", "value", NULL);
  int fd = client_connect (fixture);
  g_autofree char *request =
      g_strdup_printf ("GET /api/events?cursor=%" G_GUINT64_FORMAT " HTTP/1.1\r\n" HOST
                       "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       first - 1);
  client_send (fd, request, strlen (request));
  g_autofree char *answer = client_read_answer (fd);
  g_assert_cmpuint (client_status (answer), ==, 101);
  g_autofree char *event = read_text_frame (fd);
  g_assert_nonnull (strstr (event, "\"type\":\"test.one\""));
  g_assert_nonnull (strstr (event, "\"data\":{\"key\":\"value\"}"));

  send_text_frame (fd, "ping");
  g_autofree char *pong = read_text_frame (fd);
  g_assert_cmpstr (pong, ==, "pong");

  send_text_frame (fd, "nonsense");
  g_autofree char *refusal = read_text_frame (fd);
  g_assert_nonnull (strstr (refusal, "\"type\":\"error\""));

  send_text_frame (fd, "{\"event_types\":[{\"type\":\"wanted\"}],\"stream_ids\":[\"cam\"]}");
  g_autofree char *updated = read_text_frame (fd);
  g_assert_nonnull (strstr (updated, "\"event_types\":[\"wanted\"],\"stream_ids\":[\"cam\"]"));
  journal_add (journal, "unwanted", "cam", NULL, NULL);
  journal_add (journal, "wanted", "other", NULL, NULL);
  journal_add (journal, "wanted", NULL, "of no stream", NULL);
  g_autofree char *wanted = read_text_frame (fd);
  g_assert_nonnull (strstr (wanted, "of no stream"));
  close (fd);
}

static void
test_websocket (void)
{
  run (listen_by_websocket);
}

/* Feeds that are open when the server stops end, and nothing of them is left. */
static void
open_feeds (Fixture *fixture)
{
  for (unsigned i = 0; i < 3; i++)
    request_events (fixture, "", "");
}

static void
test_stop_with_feeds (void)
{
  run (open_feeds);
}

/* --- the document
 * -------------------------------------------------------------------------------------------- */

static bool
router_has (const Router *router, const char *method, const char *path)
{
  for (size_t i = 0; i < router_size (router); i++) {
    const HttpRoute *route = router_get (router, i);
    g_autofree char *lower = g_ascii_strdown (route->method, -1);
    if (strcmp (lower, method) == 0 && strcmp (route->pattern, path) == 0)
      return true;
  }
  return false;
}

static void
test_openapi (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes =
      g_resource_lookup_data (sluice_data_get_resource (), "/sluice/openapi.json", 0, &error);
  g_assert_no_error (error);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_assert_true (json_parser_load_from_data (parser, g_bytes_get_data (bytes, NULL),
                                             (gssize)g_bytes_get_size (bytes), &error));
  JsonObject *paths =
      json_object_get_object_member (json_node_get_object (json_parser_get_root (parser)), "paths");
  g_autoptr (Router) router = router_new ();
  api_add_routes (router);

  for (size_t i = 0; i < router_size (router); i++) {
    const HttpRoute *route = router_get (router, i);
    g_autofree char *method = g_ascii_strdown (route->method, -1);
    g_test_message ("%s %s", method, route->pattern);
    g_assert_true (json_object_has_member (paths, route->pattern));
    JsonObject *operations = json_object_get_object_member (paths, route->pattern);
    g_assert_true (json_object_has_member (operations, method));
    /* Whoever needs no permission is described so. */
    JsonObject *operation = json_object_get_object_member (operations, method);
    g_assert_cmpint (json_object_has_member (operation, "security"), ==, route->action == 0);
  }
  g_autoptr (GList) names = json_object_get_members (paths);
  for (GList *path = names; path; path = path->next) {
    g_autoptr (GList) methods = json_object_get_members (json_object_get_object_member (paths, path->data));
    for (GList *method = methods; method; method = method->next) {
      if (strcmp (method->data, "parameters") == 0)
        continue;
      g_test_message ("%s %s", (const char *)method->data, (const char *)path->data);
      g_assert_true (router_has (router, method->data, path->data));
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/http/api/steps", test_steps);
  g_test_add_func ("/http/api/sse", test_sse);
  g_test_add_func ("/http/api/pages", test_pages);
  g_test_add_func ("/http/api/websocket", test_websocket);
  g_test_add_func ("/http/api/stop-with-feeds", test_stop_with_feeds);
  g_test_add_func ("/http/api/openapi", test_openapi);
  return g_test_run ();
}
