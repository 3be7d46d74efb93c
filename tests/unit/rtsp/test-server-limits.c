/* SPDX-License-Identifier: Apache-2.0 */
/* What must not hurt the server: slow, silent, senseless and greedy peers, wrong credentials, other people's
 * sessions; and the HTTP tunnel. */
#include "server-fixture.h"

#include "rtsp/message.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void
allow_everybody (Settings *settings)
{
  SettingsPermission *permission = g_new0 (SettingsPermission, 1);
  permission->actions = ACTION_ALL;
  permission->path = g_strdup ("*");
  g_ptr_array_add (settings->anonymous, permission);
}

static void
configure_short_requests (Settings *settings)
{
  allow_everybody (settings);
  settings->rtsp_request_timeout_ms = 500;
}

/* A fresh connection that says nothing, one that never ends its request, one that dribbles. */
static void
test_slow_requests (void)
{
  static const char *const starts[] = {"", "OPTIONS * RT", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n",
                                       "ANNOUNCE rtsp://h/x RTSP/1.0\r\nContent-Length: 100\r\n\r\nv=0",
                                       "$\1\0\12ab"};
  Fixture f;
  fixture_open (&f, configure_short_requests);
  for (unsigned i = 0; i < G_N_ELEMENTS (starts); i++) {
    int fd = client_connect (&f);
    int64_t start = g_get_monotonic_time ();
    if (i == G_N_ELEMENTS (starts) - 1)
      client_send_bytes (fd, starts[i], 6);
    else
      client_send (fd, starts[i]);
    g_assert_null (client_receive_message (&f, fd));
    g_assert_cmpint (g_get_monotonic_time () - start, >, 400 * 1000);
    close (fd);
  }
  /* A byte now and then does not extend the time. */
  int fd = client_connect (&f);
  RtspServerStats stats;
  int64_t start = g_get_monotonic_time ();
  client_send (fd, "OPTIONS * RTSP/1.0\r\nX: ");
  do {
    client_send (fd, "a");
    g_usleep (50000);
    rtsp_server_get_stats (f.server, &stats);
    g_assert_cmpint (g_get_monotonic_time () - start, <, 5 * G_USEC_PER_SEC);
  } while (stats.timeouts < G_N_ELEMENTS (starts) + 1);
  close (fd);
  fixture_close (&f);
}

static void
test_garbage (void)
{
  static const struct {
    const char *bytes;
    size_t n_bytes;
    unsigned status;
  } rows[] = {
      {"hello\r\n\r\n", 9, 400},
      {"\x16\3\1\2\0\1\0\1\xfc\3\3", 11, 400},
      {"OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", 32, 505},
      {"OPTIONS * RTSP/1.0\r\nContent-Length: 3000000000\r\n\r\n", 51, 413},
      {"OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 60, 400},
  };
  Fixture f;
  fixture_open (&f, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    int fd = client_connect (&f);
    client_send_bytes (fd, rows[i].bytes, rows[i].n_bytes);
    g_autofree char *answer = client_receive_message (&f, fd);
    g_assert_cmpuint (status_of (answer), ==, rows[i].status);
    g_assert_null (client_receive_message (&f, fd));
    close (fd);
  }
  g_autofree char *line = g_strnfill (20000, 'a');
  int fd = client_connect (&f);
  client_send (fd, line);
  g_autofree char *answer = client_receive_message (&f, fd);
  g_assert_cmpuint (status_of (answer), ==, 414);
  close (fd);
  fixture_close (&f);
}

/* Nothing of a request comes back as a line of its own. */
static void
test_injection (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  int publisher = publisher_open (&f, "live");
  int fd = client_connect (&f);
  g_autofree char *answer = client_ask (&f, fd, "DESCRIBE", "live%0d%0aX-Injected:%20yes", "");
  g_assert_cmpuint (status_of (answer), ==, 404);
  g_assert_null (strstr (answer, "X-Injected"));
  g_autofree char *required = client_ask (&f, fd, "OPTIONS", "live", "Require: a\tb\r\n");
  g_assert_cmpuint (status_of (required), ==, 551);
  close (fd);
  close (publisher);
  fixture_close (&f);
}

/* A session id is worth nothing on another connection. */
static void
test_foreign_session (void)
{
  static const char *const methods[] = {"PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "RECORD"};
  Fixture f;
  fixture_open (&f, NULL);
  int publisher = publisher_open (&f, "live");
  int victim = client_connect (&f);
  int thief = client_connect (&f);
  g_autofree char *session = player_setup (&f, victim, "live", "RTP/AVP/TCP;unicast;interleaved=0-1");
  for (unsigned i = 0; i < G_N_ELEMENTS (methods); i++) {
    g_autofree char *answer = client_ask (&f, thief, methods[i], "live", session);
    g_assert_cmpuint (status_of (answer), ==, 454);
  }
  g_autofree char *own = player_setup (&f, thief, "live", "RTP/AVP/TCP;unicast;interleaved=0-1");
  g_assert_cmpstr (own, !=, session);
  g_autofree char *stolen = client_ask (&f, thief, "TEARDOWN", "live", session);
  g_assert_cmpuint (status_of (stolen), ==, 454);
  g_autofree char *answer = client_ask (&f, victim, "PLAY", "live", session);
  g_assert_cmpuint (status_of (answer), ==, 200);
  close (victim);
  close (thief);
  close (publisher);
  fixture_close (&f);
}

/* Answers that are never read end the connection before they eat memory. */
static void
test_unread_answers (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  int fd = client_connect (&f);
  g_autoptr (GString) many = g_string_new (NULL);
  for (unsigned i = 0; i < 1000; i++)
    g_string_append (many, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
  int64_t deadline = g_get_monotonic_time () + FIXTURE_DEADLINE_MS * 1000;
  RtspServerStats stats;
  do {
    (void)!send (fd, many->str, many->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    rtsp_server_get_stats (f.server, &stats);
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  } while (stats.connections > 0);
  close (fd);
  fixture_close (&f);
}

/* The same while each answer comes from the control loop, with nothing of the connection on the stack. */
static void
test_unread_descriptions (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  int publisher = publisher_open (&f, "live");
  int fd = client_connect (&f);
  int small = 4096;
  g_assert_cmpint (setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), ==, 0);
  int64_t deadline = g_get_monotonic_time () + FIXTURE_DEADLINE_MS * 1000;
  /* The URL comes back as Content-Base: few answers are many bytes. */
  g_autofree char *host = g_strnfill (8000, 'h');
  g_autofree char *request = g_strdup_printf ("DESCRIBE rtsp://%s/live RTSP/1.0\r\nCSeq: 1\r\n\r\n", host);
  size_t sent = 0;
  RtspServerStats stats;
  do {
    ssize_t n;
    while ((n = send (fd, request + sent, strlen (request) - sent, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0)
      sent = (sent + (size_t)n) % strlen (request);
    g_main_context_iteration (NULL, FALSE);
    rtsp_server_get_stats (f.server, &stats);
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  } while (stats.connections > 1);
  g_assert_cmpuint (stats.protocol_errors, ==, 0);
  close (fd);
  close (publisher);
  fixture_close (&f);
}

/* --- credentials -------------------------------------------------------------------------------------------
 */

static void
configure_user (Settings *settings)
{
  SettingsUser *user = g_new0 (SettingsUser, 1);
  SettingsPermission *permission = g_new0 (SettingsPermission, 1);
  permission->actions = ACTION_READ | ACTION_PUBLISH;
  permission->path = g_strdup ("mine/*");
  user->name = g_strdup ("ann");
  user->password = g_strdup ("s3:cret");
  user->permissions = g_ptr_array_new ();
  g_ptr_array_add (user->permissions, permission);
  g_ptr_array_add (settings->users, user);
  SettingsToken *token = g_new0 (SettingsToken, 1);
  permission = g_new0 (SettingsPermission, 1);
  permission->actions = ACTION_READ;
  permission->path = g_strdup ("mine/*");
  token->name = g_strdup ("wall");
  token->token = g_strdup ("t0ken-of-the-wall");
  token->permissions = g_ptr_array_new ();
  g_ptr_array_add (token->permissions, permission);
  g_ptr_array_add (settings->tokens, token);
}

static char *
digest_field (const char *challenge, const char *path, const char *algorithm, const char *password)
{
  g_auto (GStrv) parts = g_strsplit (strstr (challenge, "nonce=\""), "\"", 3);
  g_autofree char *uri = g_strdup_printf ("rtsp://127.0.0.1/%s", path);
  g_autofree char *response = auth_digest_response (algorithm, "ann", "Sluice", password, parts[1],
                                                    "DESCRIBE", uri, NULL, NULL, NULL);
  return g_strdup_printf (
      "Authorization: Digest username=\"ann\", realm=\"Sluice\", nonce=\"%s\", uri=\"%s\", "
      "response=\"%s\", algorithm=%s\r\n",
      parts[1], uri, response, algorithm);
}

static void
test_credentials (void)
{
  static const struct {
    const char *path, *fields;
    unsigned status;
  } rows[] = {
      {"mine/a", "", 401},
      {"mine/a", "Authorization: Basic YW5uOnMzOmNyZXQ=\r\n", 404}, /* ann:s3:cret; nobody publishes */
      {"mine/a", "Authorization: Basic YW5uOndyb25n\r\n", 401},     /* ann:wrong */
      {"mine/a", "Authorization: Basic !!!!\r\n", 401},
      {"mine/a", "Authorization: Digest nonsense\r\n", 401},
      {"others/a", "Authorization: Basic YW5uOnMzOmNyZXQ=\r\n", 403},
      {"mine/a", "Authorization: Bearer t0ken-of-the-wall\r\n", 404},
      {"mine/a?token=t0ken-of-the-wall", "", 404},
      {"mine/a?x=1&token=t0ken-of-the-wall", "", 404},
      {"mine/a?token=wrong", "", 401},
      {"others/a?token=t0ken-of-the-wall", "", 403},
  };
  Fixture f;
  fixture_open (&f, configure_user);
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    int fd = client_connect (&f);
    g_autofree char *answer = client_ask (&f, fd, "DESCRIBE", rows[i].path, rows[i].fields);
    g_assert_cmpuint (status_of (answer), ==, rows[i].status);
    if (rows[i].status == 401) {
      g_assert_nonnull (strstr (answer, "WWW-Authenticate: Digest realm=\"Sluice\""));
      g_assert_nonnull (strstr (answer, "WWW-Authenticate: Basic realm=\"Sluice\""));
    }
    close (fd);
  }
  static const char *const algorithms[] = {"MD5", "SHA-256"};
  for (unsigned i = 0; i < G_N_ELEMENTS (algorithms); i++) {
    int fd = client_connect (&f);
    g_autofree char *challenge = client_ask (&f, fd, "DESCRIBE", "mine/a", "");
    g_autofree char *other = digest_field (challenge, "mine/b", algorithms[i], "s3:cret");
    g_autofree char *refused = client_ask (&f, fd, "DESCRIBE", "mine/a", other);
    g_assert_cmpuint (status_of (refused), ==, 401);
    g_autofree char *right = digest_field (challenge, "mine/a", algorithms[i], "s3:cret");
    g_autofree char *answer = client_ask (&f, fd, "DESCRIBE", "mine/a", right);
    g_assert_cmpuint (status_of (answer), ==, 404);
    close (fd);
  }
  fixture_close (&f);
}

/* --- tunnel ------------------------------------------------------------------------------------------------
 */

static void
send_tunneled (int fd, const char *text)
{
  g_autofree char *base64 = g_base64_encode ((const uint8_t *)text, strlen (text));
  /* In two pieces, cut in the middle of four digits. */
  client_send_bytes (fd, base64, 5);
  client_send (fd, base64 + 5);
}

/* An HTTP answer without body length. */
static void
expect_http (Fixture *f, int fd, const char *start)
{
  g_autofree char *answer = client_receive (f, fd, NULL);
  g_assert_nonnull (answer);
  g_assert_true (g_str_has_prefix (answer, start));
}

static void
test_tunnel (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  int publisher = publisher_open (&f, "live");
  int get = client_connect (&f);
  int post = client_connect (&f);
  client_send (post, "POST /live HTTP/1.0\r\nx-sessioncookie: abc\r\n\r\n");
  expect_http (&f, post, "HTTP/1.0 404");
  close (post);
  client_send (get, "GET /live HTTP/1.0\r\nx-sessioncookie: abc\r\n\r\n");
  expect_http (&f, get, "HTTP/1.0 200");
  post = client_connect (&f);
  client_send (post, "POST /live HTTP/1.0\r\nx-sessioncookie: abc\r\nContent-Length: 32767\r\n\r\n");
  send_tunneled (post, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
  g_autofree char *options = client_receive_message (&f, get);
  g_assert_cmpuint (status_of (options), ==, 200);
  /* The POST half may be another connection from then on. */
  close (post);
  post = client_connect (&f);
  client_send (post, "POST /live HTTP/1.0\r\nx-sessioncookie: abc\r\nContent-Length: 32767\r\n\r\n");
  send_tunneled (
      post,
      "SETUP rtsp://h/live/trackID=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n");
  g_autofree char *setup = client_receive_message (&f, get);
  g_assert_cmpuint (status_of (setup), ==, 200);
  g_autofree char *id = field_of (setup, "Session");
  g_autofree char *play =
      g_strdup_printf ("PLAY rtsp://h/live RTSP/1.0\r\nCSeq: 3\r\nSession: %.32s\r\n\r\n", id);
  send_tunneled (post, play);
  g_autofree char *playing = client_receive_message (&f, get);
  g_assert_cmpuint (status_of (playing), ==, 200);
  publisher_send_video (publisher, 1, 1, true);
  g_autofree char *frame = client_receive (&f, get, NULL);
  g_assert_true (*frame == '$');
  /* Garbage ends it. */
  client_send (post, "!!!!");
  g_assert_null (client_receive_message (&f, get));
  close (get);
  close (post);
  close (publisher);
  fixture_close (&f);
}

/* A request that waits (for a publisher that has announced itself only) keeps what comes behind it, but not
 * without end, and not through a tunnel either. */
static void
test_tunnel_behind_a_waiting_request (void)
{
  static const char sdp[] = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n";
  Fixture f;
  fixture_open (&f, NULL);
  int publisher = client_connect (&f);
  g_autofree char *announce =
      g_strdup_printf ("ANNOUNCE rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       strlen (sdp), sdp);
  client_send (publisher, announce);
  g_autofree char *announced = client_receive_message (&f, publisher);
  g_assert_cmpuint (status_of (announced), ==, 200);
  int get = client_connect (&f);
  client_send (get, "GET /live HTTP/1.0\r\nx-sessioncookie: abc\r\n\r\n");
  expect_http (&f, get, "HTTP/1.0 200");
  int post = client_connect (&f);
  client_send (post, "POST /live HTTP/1.0\r\nx-sessioncookie: abc\r\nContent-Length: 32767\r\n\r\n");
  send_tunneled (post, "DESCRIBE rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\n\r\n");
  g_autofree char *flood = g_strnfill (64 * 1024, 'A');
  int64_t deadline = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;
  RtspServerStats stats;
  do {
    (void)!send (post, flood, strlen (flood), MSG_NOSIGNAL | MSG_DONTWAIT);
    g_main_context_iteration (NULL, FALSE);
    rtsp_server_get_stats (f.server, &stats);
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
  } while (stats.connections > 1);
  close (get);
  close (post);
  close (publisher);
  fixture_close (&f);
}

static void
test_http (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  int fd = client_connect (&f);
  client_send (fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect_http (&f, fd, "HTTP/1.0 400");
  close (fd);
  fixture_close (&f);
}

/* --- start -------------------------------------------------------------------------------------------------
 */

static void
test_port_in_use (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  g_autoptr (GError) error = NULL;
  g_strfreev (f.settings->rtsp_listen);
  g_autofree char *address = g_strdup_printf ("127.0.0.1:%u", f.port);
  f.settings->rtsp_listen = g_strsplit (address, " ", 0);
  g_assert_null (rtsp_server_new (f.pool, f.registry, f.auth, f.settings, &error));
  g_assert_nonnull (strstr (error->message, "rtsp.listen: "));
  g_assert_nonnull (strstr (error->message, address));
  fixture_close (&f);
}

int
main (int argc, char **argv)
{
  gst_init (NULL, NULL);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtsp/server/slow-requests", test_slow_requests);
  g_test_add_func ("/rtsp/server/garbage", test_garbage);
  g_test_add_func ("/rtsp/server/injection", test_injection);
  g_test_add_func ("/rtsp/server/foreign-session", test_foreign_session);
  g_test_add_func ("/rtsp/server/unread-answers", test_unread_answers);
  g_test_add_func ("/rtsp/server/unread-descriptions", test_unread_descriptions);
  g_test_add_func ("/rtsp/server/credentials", test_credentials);
  g_test_add_func ("/rtsp/server/tunnel", test_tunnel);
  g_test_add_func ("/rtsp/server/tunnel-behind-a-waiting-request", test_tunnel_behind_a_waiting_request);
  g_test_add_func ("/rtsp/server/http", test_http);
  g_test_add_func ("/rtsp/server/port-in-use", test_port_in_use);
  return g_test_run ();
}
