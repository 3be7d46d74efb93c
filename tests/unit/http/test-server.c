/* SPDX-License-Identifier: Apache-2.0 */
/* The server against a raw client: limits at -1, exact and +1, slow and vanishing clients, what browsers must
 * not do, and stopping in the middle of everything. */
#include "fixture.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: 127.0.0.1\r\n"

static void
run (Settings *settings, FixtureFunc func)
{
  Fixture fixture;
  fixture_set_up (&fixture, settings);
  fixture_run (&fixture, func);
  fixture_tear_down (&fixture);
}

/* --- requests
 * ------------------------------------------------------------------------------------------------ */

static const struct {
  const char *request;
  unsigned status;
  const char *contains;
} exchanges[] = {
    {"GET /api/v1/echo/a HTTP/1.1\r\n" HOST "\r\n", 200, "GET a - "},
    {"GET /api/echo/a?q=1+2%2b HTTP/1.1\r\n" HOST "\r\n", 200, "GET a 1 2+ "},
    {"GET /api/v1/echo/live%2Fcam/ HTTP/1.1\r\n" HOST "\r\n", 200, "GET live/cam - "},
    {"GET http://elsewhere/api/v1/echo/a HTTP/1.1\r\n" HOST "\r\n", 200, "GET a - "},
    {"POST /api/v1/echo/a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 200, "POST a - hello"},
    {"POST /api/v1/echo/a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200,
     "POST a - hello"},
    {"GET /api/v1/echo/a HTTP/1.1\r\n" HOST "\r\n", 200, "X-Content-Type-Options: nosniff"},
    {"GET /api/v1/echo/a HTTP/1.1\r\n" HOST "\r\n", 200, "Cache-Control: no-store"},
    {"GET /api/v1/echo/a HTTP/1.1\r\n" HOST "\r\n", 200, "X-Good: c"},
    {"GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, "\"code\":\"NOT_FOUND\""},
    {"GET /api/v1/echo/ HTTP/1.1\r\n" HOST "\r\n", 404, "NOT_FOUND"},
    {"GET /api/v1/echo/a/b HTTP/1.1\r\n" HOST "\r\n", 404, "NOT_FOUND"},
    {"DELETE /api/v1/echo/a HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET, HEAD, POST, OPTIONS"},
    {"OPTIONS /api/v1/echo/a HTTP/1.1\r\n" HOST "\r\n", 204, "Allow: GET, HEAD, POST, OPTIONS"},
    {"GET /api/v1/echo/%zz HTTP/1.1\r\n" HOST "\r\n", 400, "BAD_REQUEST"},
    {"GET /api/v1/echo/%2 HTTP/1.1\r\n" HOST "\r\n", 400, "BAD_REQUEST"},
    {"GET /api/v1/echo/%00 HTTP/1.1\r\n" HOST "\r\n", 400, "BAD_REQUEST"},
    {"GET /api/v1/echo/%0d%0aX:1 HTTP/1.1\r\n" HOST "\r\n", 400, "BAD_REQUEST"},
    {"GET /api/v1/echo/%ff HTTP/1.1\r\n" HOST "\r\n", 400, "BAD_REQUEST"},
    {"GET /api/v1/echo/a?q=%00 HTTP/1.1\r\n" HOST "\r\n", 400, "BAD_REQUEST"},
    {"GET /api/v1/echo/a?%=1 HTTP/1.1\r\n" HOST "\r\n", 400, "BAD_REQUEST"},
    {"POST /api/v1/echo/a HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", 413, NULL},
    {"POST /api/v1/echo/a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, NULL},
    {"garbage\r\n\r\n", 0, NULL}, /* no HTTP at all: closed */
    {"GET /api/v1/echo/a HTTP/1.1\r\n\r\n", 400, NULL},
};

static void
exchange_all (Fixture *fixture)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (exchanges); i++) {
    g_autofree char *answer = client_exchange (fixture, exchanges[i].request);
    g_test_message ("%s -> %s", exchanges[i].request, answer);
    g_assert_cmpuint (client_status (answer), ==, exchanges[i].status);
    if (exchanges[i].contains)
      g_assert_nonnull (strstr (answer, exchanges[i].contains));
    g_assert_null (strstr (answer, "X-Evil"));
  }
}

static void
test_exchanges (void)
{
  run (NULL, exchange_all);
}

static void
ask_by_head (Fixture *fixture)
{
  int fd = client_connect (fixture);
  const char *request = "HEAD /api/v1/echo/abc HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
  client_send (fd, request, strlen (request));
  g_autofree char *answer = client_read_all (fd);
  g_assert_cmpuint (client_status (answer), ==, 200);
  g_assert_true (g_str_has_suffix (answer, "\r\n\r\n"));
  close (fd);
}

static void
test_head (void)
{
  run (NULL, ask_by_head);
}

static void
ask_twice (Fixture *fixture)
{
  int fd = client_connect (fixture);
  const char *two =
      "GET /api/v1/echo/one HTTP/1.1\r\n" HOST "\r\nGET /api/v1/echo/two HTTP/1.1\r\n" HOST "\r\n";
  client_send (fd, two, strlen (two));
  g_autofree char *first = client_read_answer (fd);
  g_autofree char *second = client_read_answer (fd);
  g_assert_nonnull (strstr (first, "GET one"));
  g_assert_nonnull (strstr (second, "GET two"));
  close (fd);
}

static void
test_pipelining (void)
{
  run (NULL, ask_twice);
}

/* --- limits
 * -------------------------------------------------------------------------------------------------- */

enum { BODY_LIMIT = 100, HEADER_LIMIT = 1000 };

static unsigned
post_body (Fixture *fixture, size_t n, bool chunked)
{
  g_autoptr (GString) request = g_string_new ("POST /api/v1/echo/a HTTP/1.1\r\n" HOST);
  g_autofree char *body = g_strnfill (n, 'b');
  if (chunked)
    g_string_append_printf (request, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n", n, body);
  else
    g_string_append_printf (request, "Content-Length: %zu\r\n\r\n%s", n, body);
  g_autofree char *answer = client_exchange (fixture, request->str);
  if (client_status (answer) == 413)
    g_assert_nonnull (strstr (answer, "http.body_bytes"));
  return client_status (answer);
}

static void
try_body_limits (Fixture *fixture)
{
  for (unsigned chunked = 0; chunked < 2; chunked++) {
    g_assert_cmpuint (post_body (fixture, BODY_LIMIT - 1, chunked), ==, 200);
    g_assert_cmpuint (post_body (fixture, BODY_LIMIT, chunked), ==, 200);
    g_assert_cmpuint (post_body (fixture, BODY_LIMIT + 1, chunked), ==, 413);
  }
  /* A peer that goes on for ever is cut off. */
  int fd = client_connect (fixture);
  const char *head = "POST /api/v1/echo/a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
  client_send (fd, head, strlen (head));
  char byte;
  unsigned n_sent = 0;
  for (; n_sent < 100000 && recv (fd, &byte, 1, MSG_DONTWAIT) != 0; n_sent++)
    client_send (fd, "10\r\n0123456789abcdef\r\n", 22);
  g_assert_cmpuint (n_sent, <, 100000);
  close (fd);
}

static void
test_body_limits (void)
{
  Settings *settings = settings_new_default ();
  settings->http_body_bytes = BODY_LIMIT;
  run (settings, try_body_limits);
}

static unsigned
send_header (Fixture *fixture, size_t n)
{
  const char *begin = "GET /api/v1/echo/a HTTP/1.1\r\n" HOST "X-Long: ";
  g_autofree char *value = g_strnfill (n - strlen (begin) - 4, 'h');
  g_autofree char *request = g_strconcat (begin, value, "\r\n\r\n", NULL);
  g_assert_cmpuint (strlen (request), ==, n);
  g_autofree char *answer = client_exchange (fixture, request);
  return client_status (answer);
}

static void
try_header_limits (Fixture *fixture)
{
  g_assert_cmpuint (send_header (fixture, HEADER_LIMIT - 1), ==, 200);
  g_assert_cmpuint (send_header (fixture, HEADER_LIMIT), ==, 200);
  g_assert_cmpuint (send_header (fixture, HEADER_LIMIT + 1), ==, 431);
  g_assert_cmpuint (send_header (fixture, 100 * 1000), ==, 431);
}

static void
test_header_limits (void)
{
  Settings *settings = settings_new_default ();
  settings->http_header_bytes = HEADER_LIMIT;
  run (settings, try_header_limits);
}

static unsigned
send_target (Fixture *fixture, size_t n)
{
  g_autofree char *id = g_strnfill (n - strlen ("/api/v1/echo/"), 't');
  g_autofree char *request = g_strdup_printf ("GET /api/v1/echo/%s HTTP/1.1\r\n" HOST "\r\n", id);
  g_autofree char *answer = client_exchange (fixture, request);
  return client_status (answer);
}

static void
try_target_limits (Fixture *fixture)
{
  g_assert_cmpuint (send_target (fixture, HTTP_TARGET_BYTES_MAX - 1), ==, 200);
  g_assert_cmpuint (send_target (fixture, HTTP_TARGET_BYTES_MAX), ==, 200);
  g_assert_cmpuint (send_target (fixture, HTTP_TARGET_BYTES_MAX + 1), ==, 414);
}

static void
test_target_limits (void)
{
  Settings *settings = settings_new_default ();
  settings->http_header_bytes = 32 * 1024;
  run (settings, try_target_limits);
}

/* --- time
 * ---------------------------------------------------------------------------------------------------- */

enum { TIMEOUT_MS = 600 };

/* A byte now and then keeps an idle time-out from striking. */
static int64_t
drip (Fixture *fixture, const char *begin)
{
  int fd = client_connect (fixture);
  client_send (fd, begin, strlen (begin));
  int64_t begin_us = g_get_monotonic_time ();
  char byte;
  while (recv (fd, &byte, 1, MSG_DONTWAIT) != 0 && g_get_monotonic_time () - begin_us < 8 * G_USEC_PER_SEC) {
    client_send (fd, "x", 1);
    struct timeval pause = {.tv_usec = 50000};
    setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof pause);
    if (recv (fd, &byte, 1, 0) == 0)
      break;
  }
  close (fd);
  return (g_get_monotonic_time () - begin_us) / 1000;
}

static void
drip_everywhere (Fixture *fixture)
{
  static const char *const begins[] = {
      "",
      "G",
      "GET /api/v1/echo/a HTTP/1.1\r\nX-Slow: ",
      "POST /api/v1/echo/a HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n",
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (begins); i++) {
    g_test_message ("%s", begins[i]);
    int64_t ms = drip (fixture, begins[i]);
    g_assert_cmpint (ms, >=, TIMEOUT_MS - 50);
    g_assert_cmpint (ms, <, 5 * TIMEOUT_MS);
  }
}

static Settings *
make_quick_settings (void)
{
  Settings *settings = settings_new_default ();
  settings->http_header_timeout_ms = TIMEOUT_MS;
  settings->http_body_timeout_ms = TIMEOUT_MS;
  settings->http_idle_timeout_ms = 2 * TIMEOUT_MS;
  return settings;
}

static void
test_slow_clients (void)
{
  Fixture fixture;
  fixture_set_up (&fixture, make_quick_settings ());
  fixture_run (&fixture, drip_everywhere);
  HttpServerStats stats;
  http_server_get_stats (fixture.server, &stats);
  g_assert_cmpuint (stats.timeouts, ==, 4);
  fixture_tear_down (&fixture);
}

static void
say_nothing (Fixture *fixture)
{
  int fd = client_connect (fixture);
  g_assert_cmpint (client_wait_closed (fd), >=, TIMEOUT_MS - 50);
  close (fd);

  fd = client_connect (fixture);
  const char *request = "GET /api/v1/echo/a HTTP/1.1\r\n" HOST "\r\n";
  client_send (fd, request, strlen (request));
  g_autofree char *answer = client_read_answer (fd);
  g_assert_cmpuint (client_status (answer), ==, 200);
  int64_t ms = client_wait_closed (fd);
  g_assert_cmpint (ms, >=, 2 * TIMEOUT_MS - 50);
  g_assert_cmpint (ms, <, 5000);
  close (fd);
}

static void
test_silent_clients (void)
{
  run (make_quick_settings (), say_nothing);
}

/* --- requests that wait
 * -------------------------------------------------------------------------------------- */

static void
ask_and_leave (Fixture *fixture)
{
  int fd = client_connect (fixture);
  const char *request = "GET /held HTTP/1.1\r\n" HOST "\r\n";
  client_send (fd, request, strlen (request));
  HttpServerStats stats;
  do {
    g_usleep (1000);
    http_server_get_stats (fixture->server, &stats);
  } while (stats.waiting == 0);
  close (fd);
}

static void
test_client_vanishes (void)
{
  Fixture fixture;
  fixture_set_up (&fixture, NULL);
  fixture_run (&fixture, ask_and_leave);
  while (!fixture.held)
    g_main_context_iteration (NULL, TRUE);
  http_call_respond (g_steal_pointer (&fixture.held),
                     http_response_new_text (200, "text/plain", g_strdup ("late")));
  fixture_run (&fixture, exchange_all);
  fixture_tear_down (&fixture);
}

static void
test_stop_while_waiting (void)
{
  Fixture fixture;
  fixture_set_up (&fixture, NULL);
  int fd = client_connect (&fixture);
  const char *request = "GET /held HTTP/1.1\r\n" HOST "\r\n";
  client_send (fd, request, strlen (request));
  while (!fixture.held)
    g_main_context_iteration (NULL, TRUE);
  fixture_tear_down (&fixture);
  g_autofree char *answer = client_read_all (fd);
  /* Stopping does not wait for clients, so the 503 may or may not be out yet. */
  g_assert_true (*answer == '\0' || client_status (answer) == 503);
  close (fd);
}

/* A request that has reached the control loop's queue when the server stops is not handled any more: what its
 * handler needs may be gone. */
static void
test_stop_before_handler (void)
{
  Fixture fixture;
  fixture_set_up (&fixture, NULL);
  int fd = client_connect (&fixture);
  const char *request = "GET /held HTTP/1.1\r\n" HOST "\r\n";
  client_send (fd, request, strlen (request));
  HttpServerStats stats = {0};
  int64_t deadline_us = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  while (stats.waiting == 0 && g_get_monotonic_time () < deadline_us)
    http_server_get_stats (fixture.server, &stats);
  g_assert_cmpuint (stats.waiting, ==, 1);
  fixture_tear_down (&fixture);
  g_assert_null (fixture.held);
  close (fd);
}

/* --- pushed answers
 * ------------------------------------------------------------------------------------------ */

static void
read_push (Fixture *fixture)
{
  int fd = client_connect (fixture);
  const char *request = "GET /push HTTP/1.1\r\n" HOST "\r\n";
  client_send (fd, request, strlen (request));
  g_autofree char *header = client_read_answer (fd);
  g_assert_cmpuint (client_status (header), ==, 200);
  g_assert_nonnull (strstr (header, "text/event-stream"));
  while (!g_atomic_pointer_get (&fixture->push))
    g_usleep (1000);
  for (unsigned i = 0; i < 3; i++) {
    g_autoptr (GBytes) piece = g_bytes_new_static ("hello\n", 6);
    g_assert_true (http_push_send (fixture->push, piece));
    char chunk[11];
    g_assert_true (client_read_exact (fd, chunk, sizeof chunk));
    g_assert_cmpmem (chunk, sizeof chunk, "6\r\nhello\n\r\n", 11);
  }
  http_push_close (fixture->push);
  g_autofree char *rest = client_read_answer (fd);
  g_assert_cmpstr (rest, ==, "0\r\n\r\n");
  close (fd);
}

static void
test_push (void)
{
  Fixture fixture;
  fixture_set_up (&fixture, NULL);
  fixture_run (&fixture, read_push);
  fixture_wait (&fixture.n_gone, 1);
  g_autoptr (GBytes) piece = g_bytes_new_static ("late", 4);
  g_assert_false (http_push_send (fixture.push, piece));
  fixture_tear_down (&fixture);
  g_assert_cmpuint (fixture.n_gone, ==, 1);
}

static void
open_push_and_leave (Fixture *fixture)
{
  int fd = client_connect (fixture);
  const char *request = "GET /push HTTP/1.1\r\n" HOST "\r\n";
  client_send (fd, request, strlen (request));
  g_autofree char *header = client_read_answer (fd);
  g_assert_cmpuint (client_status (header), ==, 200);
  struct linger linger = {.l_onoff = 1};
  setsockopt (fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  close (fd);
}

/* A client that has gone is noticed by what is pushed; one that does not read is ended at the limit. */
static void
test_push_client_gone (void)
{
  Fixture fixture;
  fixture_set_up (&fixture, NULL);
  fixture_run (&fixture, open_push_and_leave);
  g_autoptr (GBytes) piece = g_bytes_new_static (":\n\n", 3);
  http_push_send (fixture.push, piece);
  fixture_wait (&fixture.n_gone, 1);

  int fd = client_connect (&fixture);
  const char *request = "GET /push HTTP/1.1\r\n" HOST "\r\n";
  client_send (fd, request, strlen (request));
  fixture_wait (&fixture.n_pushes, 2);
  g_autofree char *block = g_strnfill (900, 'x');
  g_autoptr (GBytes) large = g_bytes_new (block, 900);
  int64_t deadline_us = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  while (http_push_send (fixture.push, large))
    g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
  close (fd);
  fixture_tear_down (&fixture);
  g_assert_cmpuint (fixture.n_gone, ==, 2);
}

/* --- browsers
 * ------------------------------------------------------------------------------------------------ */

static const struct {
  const char *request;
  unsigned status;
} browser_cases[] = {
    {"POST /api/v1/echo/a HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\nContent-Length: 0\r\n\r\n", 403},
    {"POST /api/v1/echo/a HTTP/1.1\r\n" HOST "Origin: null\r\nContent-Length: 0\r\n\r\n", 403},
    {"POST /api/v1/echo/a HTTP/1.1\r\n" HOST "Origin: http://127.0.0.1\r\nContent-Length: 0\r\n\r\n", 200},
    {"POST /api/v1/echo/a HTTP/1.1\r\nHost: localhost:80\r\nOrigin: http://LOCALHOST\r\nContent-Length: "
     "0\r\n\r\n",
     200},
    {"POST /api/v1/echo/a HTTP/1.1\r\n" HOST "Origin: http://127.0.0.1:81\r\nContent-Length: 0\r\n\r\n", 403},
    {"POST /api/v1/echo/a HTTP/1.1\r\n" HOST "Origin: https://page.example\r\nContent-Length: 0\r\n\r\n",
     200},
    {"GET /api/v1/echo/a HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n", 200},
    {"GET /api/v1/echo/a HTTP/1.1\r\nHost: rebound.example\r\n\r\n", 403},
    {"GET /api/v1/echo/a HTTP/1.1\r\nHost: rebound.example:8080\r\n\r\n", 403},
    {"GET /api/v1/echo/a HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200},
    {"GET /api/v1/echo/a HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", 403},
    {"GET /socket HTTP/1.1\r\n" HOST
     "Origin: http://evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
     403},
};

static void
browse (Fixture *fixture)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (browser_cases); i++) {
    g_autofree char *answer = client_exchange (fixture, browser_cases[i].request);
    g_test_message ("%s", browser_cases[i].request);
    g_assert_cmpuint (client_status (answer), ==, browser_cases[i].status);
  }
  g_autofree char *preflight =
      client_exchange (fixture, "OPTIONS /api/v1/echo/a HTTP/1.1\r\n" HOST "Origin: https://page.example\r\n"
                                "Access-Control-Request-Method: POST\r\n\r\n");
  g_assert_nonnull (strstr (preflight, "Access-Control-Allow-Origin: https://page.example\r\n"));
  g_assert_nonnull (strstr (preflight, "Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n"));
  g_autofree char *foreign = client_exchange (fixture, "OPTIONS /api/v1/echo/a HTTP/1.1\r\n" HOST
                                                       "Origin: https://evil.example\r\n\r\n");
  g_assert_null (strstr (foreign, "Access-Control-Allow"));
}

static void
test_browsers (void)
{
  Settings *settings = settings_new_default ();
  g_strfreev (settings->http_cors_origins);
  settings->http_cors_origins = g_strsplit ("https://page.example", ",", -1);
  run (settings, browse);
}

/* --- access
 * -------------------------------------------------------------------------------------------------- */

static GPtrArray *
make_permissions (const char *path)
{
  GPtrArray *permissions = g_ptr_array_new ();
  SettingsPermission *permission = g_new0 (SettingsPermission, 1);
  permission->actions = ACTION_API;
  permission->path = g_strdup (path);
  g_ptr_array_add (permissions, permission);
  return permissions;
}

static const struct {
  const char *header; /* or query */
  const char *id;
  unsigned status;
} access_cases[] = {
    {"", "a", 401},
    {"Authorization: Bearer secret\r\n", "a", 200},
    {"Authorization: bearer secret\r\n", "a", 200},
    {"Authorization: Bearer wrong\r\n", "a", 401},
    {"Authorization: Basic dXNlcjpwYXNz\r\n", "cam-1", 200}, /* user:pass */
    {"Authorization: Basic dXNlcjpwYXNz\r\n", "other", 403},
    {"Authorization: Basic dXNlcjp3cm9uZw==\r\n", "cam-1", 401}, /* user:wrong */
    {"Authorization: Basic ////\r\n", "cam-1", 401},
    {"Authorization: Basic\r\n", "cam-1", 401},
    {"Authorization: Nonsense\r\n", "cam-1", 401},
    {"", "a?token=secret", 200},
    {"", "a?token=wrong", 401},
};

static void
try_access (Fixture *fixture)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (access_cases); i++) {
    g_autofree char *request = g_strdup_printf ("GET /api/v1/echo/%s HTTP/1.1\r\nHost: any.example\r\n%s\r\n",
                                                access_cases[i].id, access_cases[i].header);
    g_autofree char *answer = client_exchange (fixture, request);
    g_test_message ("%s", request);
    g_assert_cmpuint (client_status (answer), ==, access_cases[i].status);
    if (access_cases[i].status == 401)
      g_assert_nonnull (strstr (answer, "WWW-Authenticate: Basic realm=\"sluice\""));
  }
  g_autofree char *body = client_exchange (fixture, "POST /api/v1/echo/cam-1 HTTP/1.1\r\n" HOST
                                                    "Authorization: Basic dXNlcjpwYXNz\r\n"
                                                    "Content-Length: 4\r\n\r\nbody");
  g_assert_nonnull (strstr (body, "POST cam-1 - body"));
}

static void
test_access (void)
{
  g_autoptr (GError) error = NULL;
  Settings *settings = settings_new_default ();
  SettingsUser *user = g_new0 (SettingsUser, 1);
  user->name = g_strdup ("user");
  user->password = auth_hash_password ("pass", &error); /* needs the slow way, on another thread */
  g_assert_no_error (error);
  user->permissions = make_permissions ("cam-*");
  g_ptr_array_add (settings->users, user);
  SettingsToken *token = g_new0 (SettingsToken, 1);
  token->name = g_strdup ("token");
  token->token = g_strdup ("secret");
  token->permissions = make_permissions ("*");
  g_ptr_array_add (settings->tokens, token);
  run (settings, try_access);
}

/* --- running out
 * --------------------------------------------------------------------------------------------- */

/* Out of descriptors, accepting pauses; when some are free again the clients that waited are served. */
static void
test_out_of_descriptors (void)
{
  Fixture fixture;
  fixture_set_up (&fixture, NULL);
  fixture_run (&fixture, ask_by_head);
  struct rlimit limit;
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  int fd = client_connect (&fixture);
  const char *request = "GET /api/v1/echo/first HTTP/1.1\r\n" HOST "\r\n";
  client_send (fd, request, strlen (request));
  g_autofree char *first = NULL;
  int probe = dup (0);
  struct rlimit low = {.rlim_cur = (rlim_t)probe + 2, .rlim_max = limit.rlim_max};
  close (probe);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &low), ==, 0);
  int waiting = client_connect (&fixture);
  client_send (waiting, request, strlen (request));
  ListenerStats stats = {0};
  int64_t deadline_us = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  while (stats.pauses == 0 && g_get_monotonic_time () < deadline_us) {
    g_main_context_iteration (NULL, FALSE);
    listener_get_stats (http_server_listener (fixture.server, 0), &stats);
    int more = socket (AF_INET, SOCK_STREAM, 0);
    if (more >= 0)
      close (more);
  }
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  g_assert_cmpuint (stats.pauses, >, 0);
  close (fd);
  fixture_run (&fixture, exchange_all);
  close (waiting);
  fixture_tear_down (&fixture);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/http/server/exchanges", test_exchanges);
  g_test_add_func ("/http/server/head", test_head);
  g_test_add_func ("/http/server/pipelining", test_pipelining);
  g_test_add_func ("/http/server/body-limits", test_body_limits);
  g_test_add_func ("/http/server/header-limits", test_header_limits);
  g_test_add_func ("/http/server/target-limits", test_target_limits);
  g_test_add_func ("/http/server/slow-clients", test_slow_clients);
  g_test_add_func ("/http/server/silent-clients", test_silent_clients);
  g_test_add_func ("/http/server/client-vanishes", test_client_vanishes);
  g_test_add_func ("/http/server/stop-while-waiting", test_stop_while_waiting);
  g_test_add_func ("/http/server/stop-before-handler", test_stop_before_handler);
  g_test_add_func ("/http/server/push", test_push);
  g_test_add_func ("/http/server/push-client-gone", test_push_client_gone);
  g_test_add_func ("/http/server/browsers", test_browsers);
  g_test_add_func ("/http/server/access", test_access);
  g_test_add_func ("/http/server/out-of-descriptors", test_out_of_descriptors);
  return g_test_run ();
}
