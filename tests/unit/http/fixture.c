/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { CLIENT_TIMEOUT_S = 10, RUN_TIMEOUT_S = 20 };

/* --- routes
 * -------------------------------------------------------------------------------------------------- */

static void
on_echo (HttpCall *call)
{
  GBytes *body = http_call_body (call);
  g_autoptr (GString) text = g_string_new (NULL);
  g_string_append_printf (text, "%s %s %s ", http_call_method (call), http_call_parameter (call, "id"),
                          http_call_query (call, "q") ? http_call_query (call, "q") : "-");
  g_string_append_len (text, g_bytes_get_data (body, NULL), (gssize)g_bytes_get_size (body));
  HttpResponse *response =
      http_response_new_text (200, "text/plain", g_string_free (g_steal_pointer (&text), FALSE));
  http_response_add_header (response, "X-Split", "a\r\nX-Evil: b");
  http_response_add_header (response, "X-Good", "c");
  http_call_respond (call, response);
}

static void
on_held (HttpCall *call)
{
  Fixture *fixture = http_call_app (call);
  fixture->held = call;
}

static void
on_push_gone (void *data)
{
  ((Fixture *)data)->n_gone++;
}

static void
on_push (HttpCall *call)
{
  Fixture *fixture = http_call_app (call);
  http_push_unref (fixture->push);
  HttpPush *push = http_call_start_push (call, "text/event-stream", 1000, on_push_gone, fixture);
  g_atomic_pointer_set (&fixture->push, push); /* the client's thread waits for it */
  fixture->n_pushes++;
}

static void
on_socket_text (void *data, const char *text)
{
  Fixture *fixture = data;
  g_autoptr (GBytes) echo = g_bytes_new (text, strlen (text));
  websocket_send (fixture->socket, echo);
}

static void
on_socket_closed (void *data)
{
  ((Fixture *)data)->n_closed++;
}

static void
on_socket (HttpCall *call)
{
  static const WebsocketOps ops = {.on_text = on_socket_text, .on_closed = on_socket_closed};
  Fixture *fixture = http_call_app (call);
  websocket_unref (fixture->socket);
  fixture->socket = http_call_accept_websocket (call, &ops, fixture);
}

static const HttpRoute routes[] = {
    {"GET", "/api/v1/echo/{id}", ACTION_API, on_echo, 0},
    {"POST", "/api/v1/echo/{id}", ACTION_API, on_echo, 0},
    {"GET", "/held", 0, on_held, 0},
    {"GET", "/push", 0, on_push, 0},
    {"GET", "/socket", ACTION_API, on_socket, HTTP_ROUTE_WEBSOCKET},
};

/* --- the server
 * ---------------------------------------------------------------------------------------------- */

void
fixture_begin_on (Fixture *fixture, Settings *settings, Loop *control, LoopPool *pool)
{
  *fixture =
      (Fixture){.settings = settings ? settings : settings_new_default (), .control = control, .pool = pool};
  g_strfreev (fixture->settings->http_listen);
  fixture->settings->http_listen = g_strsplit ("127.0.0.1:0", ",", -1);
  fixture->settings->http_threads = 2;
  fixture->auth = auth_new (fixture->settings);
  fixture->router = router_new ();
}

void
fixture_serve (Fixture *fixture, void *app)
{
  g_autoptr (GError) error = NULL;
  fixture->server = http_server_new (&(HttpServerOptions){.control = fixture->control,
                                                          .pool = fixture->pool,
                                                          .auth = fixture->auth,
                                                          .settings = fixture->settings,
                                                          .router = fixture->router,
                                                          .app = app},
                                     &error);
  g_assert_no_error (error);
  fixture->port = net_address_port (http_server_address (fixture->server, 0));
}

void
fixture_set_up (Fixture *fixture, Settings *settings)
{
  g_autoptr (GError) error = NULL;
  LoopPool *pool = loop_pool_new (2, &error);
  g_assert_no_error (error);
  fixture_begin_on (fixture, settings, loop_new_control (), pool);
  router_add (fixture->router, routes, G_N_ELEMENTS (routes));
  fixture_serve (fixture, fixture);
}

void
fixture_stop_serving (Fixture *fixture)
{
  g_clear_pointer (&fixture->server, http_server_free);
  /* What was held has got its 503 already. */
  if (fixture->held)
    http_call_respond (g_steal_pointer (&fixture->held), http_response_new (200));
  http_push_unref (g_steal_pointer (&fixture->push));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  websocket_unref (g_steal_pointer (&fixture->socket));
}

void
fixture_end (Fixture *fixture)
{
  router_free (fixture->router);
  auth_free (fixture->auth);
  settings_unref (fixture->settings);
}

void
fixture_tear_down (Fixture *fixture)
{
  fixture_stop_serving (fixture);
  fixture_end (fixture);
  loop_pool_free (fixture->pool);
  loop_free (fixture->control);
}

typedef struct {
  Fixture *fixture;
  FixtureFunc func;
  int done; /* atomic */
} Run;

static void *
run_client (void *data)
{
  Run *run = data;
  run->func (run->fixture);
  g_atomic_int_set (&run->done, 1);
  g_main_context_wakeup (NULL);
  return NULL;
}

void
fixture_run (Fixture *fixture, FixtureFunc func)
{
  Run run = {.fixture = fixture, .func = func};
  int64_t deadline_us = g_get_monotonic_time () + RUN_TIMEOUT_S * G_USEC_PER_SEC;
  GThread *thread = g_thread_new ("client", run_client, &run);
  while (!g_atomic_int_get (&run.done)) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
    g_main_context_iteration (NULL, TRUE);
  }
  g_thread_join (thread);
}

static gboolean
tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

void
fixture_wait (const unsigned *value, unsigned wanted)
{
  int64_t deadline_us = g_get_monotonic_time () + RUN_TIMEOUT_S * G_USEC_PER_SEC;
  guint ticker = g_timeout_add (50, tick, NULL);
  while (*value < wanted) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline_us);
    g_main_context_iteration (NULL, TRUE);
  }
  g_source_remove (ticker);
}

/* --- the client
 * ---------------------------------------------------------------------------------------------- */

int
client_connect (Fixture *fixture)
{
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (fd, >=, 0);
  const struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons (fixture->port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
  g_assert_cmpint (connect (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  return fd;
}

void
client_send (int fd, const char *bytes, size_t n_bytes)
{
  while (n_bytes) {
    ssize_t n = send (fd, bytes, n_bytes, MSG_NOSIGNAL);
    if (n <= 0)
      return; /* the server may have closed: the test looks at what it said */
    bytes += n;
    n_bytes -= (size_t)n;
  }
}

char *
client_read_all (int fd)
{
  GString *text = g_string_new (NULL);
  char block[4096];
  ssize_t n;
  while ((n = recv (fd, block, sizeof block, 0)) > 0)
    g_string_append_len (text, block, n);
  if (n < 0)
    g_assert_cmpint (errno, ==, ECONNRESET);
  return g_string_free (text, FALSE);
}

bool
client_read_exact (int fd, void *bytes, size_t n_bytes)
{
  char *cursor = bytes;
  while (n_bytes) {
    ssize_t n = recv (fd, cursor, n_bytes, 0);
    if (n <= 0)
      return false;
    cursor += n;
    n_bytes -= (size_t)n;
  }
  return true;
}

char *
client_read_answer (int fd)
{
  GString *text = g_string_new (NULL);
  char c;
  while (!g_str_has_suffix (text->str, "\r\n\r\n") && client_read_exact (fd, &c, 1))
    g_string_append_c (text, c);
  const char *length = strstr (text->str, "Content-Length: ");
  size_t n = length ? (size_t)g_ascii_strtoull (length + 16, NULL, 10) : 0;
  g_autofree char *body = g_malloc (n + 1);
  if (n && client_read_exact (fd, body, n))
    g_string_append_len (text, body, (gssize)n);
  return g_string_free (text, FALSE);
}

char *
client_exchange (Fixture *fixture, const char *request)
{
  int fd = client_connect (fixture);
  client_send (fd, request, strlen (request));
  char *answer = client_read_answer (fd);
  close (fd);
  return answer;
}

int64_t
client_wait_closed (int fd)
{
  int64_t begin_us = g_get_monotonic_time ();
  char block[4096];
  ssize_t n;
  while ((n = recv (fd, block, sizeof block, 0)) > 0)
    ;
  if (n < 0)
    g_assert_cmpint (errno, ==, ECONNRESET);
  return (g_get_monotonic_time () - begin_us) / 1000;
}

unsigned
client_status (const char *answer)
{
  if (!g_str_has_prefix (answer, "HTTP/1.1 "))
    return 0;
  return (unsigned)g_ascii_strtoull (answer + 9, NULL, 10);
}
