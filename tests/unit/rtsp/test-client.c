/* SPDX-License-Identifier: Apache-2.0 */
/* RTSP pull against servers that answer right, oddly or not at all; through a real stream. */
#include "rtsp/client.h"

#include "../base/certificate.h"
#include "fake-server.h"
#include "stream/registry.h"

#include <string.h>

enum {
  DEADLINE_S = 10,
  PACKETS_WANTED = 20,
  EXPECTED_MAX = 4,
};

typedef struct {
  FakeBehavior behavior;
  /* the source */
  const char *url; /* %u: port; NULL: rtsp://127.0.0.1:%u/stream */
  SettingsTransport transport;
  const char *user, *password;
  unsigned connect_timeout_ms; /* 0: 5 s */
  /* what must come of it */
  const char *error;               /* code; NULL: online with packets */
  const char *message;             /* part of the error's message, or NULL */
  const char *lines[EXPECTED_MAX]; /* beginnings of lines of requests; %u: port */
  const char *absent;              /* beginning of a line that must not come */
  unsigned n_tracks;               /* 0: 2 */
} Case;

typedef struct {
  Loop *control;
  LoopPool *pool;
  Registry *registry;
  FakeServer *server;
  bool shut_down;
} Fixture;

static void
on_event (void *data, const StreamEvent *event)
{
}

static void
fixture_start (Fixture *f, const FakeBehavior *behavior, const TestCertificate *certificate)
{
  g_autoptr (GError) error = NULL;
  *f = (Fixture){0};
  f->server = fake_server_new (behavior, certificate ? certificate->certificate_file : NULL,
                               certificate ? certificate->key_file : NULL);
  f->control = loop_new_control ();
  f->pool = loop_pool_new (1, &error);
  g_assert_no_error (error);
  f->registry = registry_new (f->control, f->pool, NULL, on_event, f);
  registry_add_source_factory (f->registry, rtsp_source_factory ());
  g_autoptr (Settings) settings = settings_new_default ();
  registry_apply (f->registry, settings);
}

static void
on_shut_down (void *data)
{
  ((Fixture *)data)->shut_down = true;
}

static void
fixture_stop (Fixture *f)
{
  registry_shutdown (f->registry, on_shut_down, f);
  while (!f->shut_down)
    g_main_context_iteration (NULL, TRUE);
  registry_free (f->registry);
  loop_pool_free (f->pool);
  loop_free (f->control);
  fake_server_free (f->server);
}

static char *
with_port (Fixture *f, const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "%u", 2);
  return parts[1] ? g_strdup_printf ("%s%u%s", parts[0], fake_server_port (f->server), parts[1])
                  : g_strdup (text);
}

static void
replace (char **target, const char *value)
{
  g_free (*target);
  *target = g_strdup (value);
}

static void
create_stream (Fixture *f, const Case *c, const char *fingerprint, bool verify)
{
  g_autoptr (StreamSettings) settings = stream_settings_new_default ("camera");
  g_autofree char *url = with_port (f, c->url ? c->url : "rtsp://127.0.0.1:%u/stream");
  g_strfreev (settings->source);
  settings->source = g_new0 (char *, 2);
  settings->source[0] = g_steal_pointer (&url);
  settings->transport = c->transport;
  settings->connect_timeout_ms = c->connect_timeout_ms ? c->connect_timeout_ms : 5000;
  settings->retry_min_ms = settings->retry_max_ms = 60 * 1000;
  settings->on_demand = false;
  settings->tls_verify = verify;
  replace (&settings->username, c->user);
  replace (&settings->password, c->password);
  replace (&settings->tls_fingerprint, fingerprint);
  g_autoptr (GError) error = NULL;
  g_assert_true (registry_create (f->registry, settings, &error));
  g_assert_no_error (error);
}

static StreamStatus *
get_status (Fixture *f)
{
  StreamStatus *status = registry_get_status (f->registry, "camera");
  g_assert_nonnull (status);
  return status;
}

static bool
has_packets (Fixture *f)
{
  g_autoptr (StreamStatus) status = get_status (f);
  StreamCounters counters;
  stream_get_counters (status->stream, &counters);
  return status->state == STREAM_RUNNING && counters.packets_in >= PACKETS_WANTED;
}

static bool
has_failed (Fixture *f)
{
  g_autoptr (StreamStatus) status = get_status (f);
  return status->last_error != NULL;
}

static bool
wait_until (Fixture *f, bool (*condition) (Fixture *f))
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_S * G_USEC_PER_SEC;
  while (!condition (f)) {
    if (g_get_monotonic_time () > deadline)
      return false;
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500);
  }
  return true;
}

static bool
is_settled (Fixture *f)
{
  return has_packets (f) || has_failed (f);
}

static void
check_outcome (Fixture *f, const Case *c)
{
  wait_until (f, is_settled);
  g_autofree char *transcript = fake_server_transcript (f->server);
  g_test_message ("requests:%s", transcript);
  g_autoptr (StreamStatus) status = get_status (f);
  g_assert_cmpstr (status->last_error_code, ==, c->error);
  if (c->message) {
    g_test_message ("error: %s", status->last_error);
    g_assert_nonnull (strstr (status->last_error, c->message));
  }
  if (!c->error) {
    g_assert_cmpint (status->state, ==, STREAM_RUNNING);
    g_assert_cmpuint (status->tracks->n_tracks, ==, c->n_tracks ? c->n_tracks : 2);
    StreamCounters counters;
    stream_get_counters (status->stream, &counters);
    g_assert_cmpuint (counters.packets_invalid, ==, 0);
    if (c->behavior.reverse_order)
      g_assert_cmpuint (counters.packets_reordered, >, 0);
    else if (!c->behavior.early_data)
      g_assert_cmpuint (counters.packets_lost, ==, 0);
  }
  for (unsigned i = 0; i < EXPECTED_MAX && c->lines[i]; i++) {
    g_autofree char *line = with_port (f, c->lines[i]);
    g_test_message ("wants: %s", line);
    g_assert_true (fake_server_saw_request (f->server, line));
  }
  if (c->absent)
    g_assert_false (fake_server_saw_request (f->server, c->absent));
}

#define METHODS "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"

static const Case cases[] = {
    {.behavior = {.name = "right", .public_methods = METHODS},
     .lines = {"SETUP rtsp://127.0.0.1:%u/stream/trackID=1 RTSP/1.0",
               "PLAY rtsp://127.0.0.1:%u/stream RTSP/1.0", "Range: npt=0.000-", "Session: 12345678"}},
    {.behavior = {.name = "only LF, lower-case fields", .lf_only = true, .lower_case = true}},
    {.behavior = {.name = "no CSeq", .no_cseq = true}},
    {.behavior = {.name = "OPTIONS refused"}},
    {.behavior = {.name = "Content-Base", .content_base = "rtsp://127.0.0.1:%u/other/"},
     .lines = {"SETUP rtsp://127.0.0.1:%u/other/trackID=0 ", "PLAY rtsp://127.0.0.1:%u/other/ "}},
    {.behavior = {.name = "Content-Base without slash", .content_base = "rtsp://127.0.0.1:%u/other"},
     .lines = {"SETUP rtsp://127.0.0.1:%u/other/trackID=0 "}},
    {.behavior = {.name = "Content-Base is a path", .content_base = "/other/"},
     .lines = {"SETUP rtsp://127.0.0.1:%u/other/trackID=0 "}},
    {.behavior = {.name = "Content-Base is nonsense", .content_base = "camera"},
     .lines = {"SETUP rtsp://127.0.0.1:%u/stream/trackID=0 "}},
    {.behavior = {.name = "query"},
     .url = "rtsp://127.0.0.1:%u/stream?channel=1&stream=0",
     .lines = {"DESCRIBE rtsp://127.0.0.1:%u/stream?channel=1&stream=0 ",
               "SETUP rtsp://127.0.0.1:%u/stream?channel=1&stream=0/trackID=0 "}},
    {.behavior = {.name = "absolute controls",
                  .sdp = "v=0\no=- 0 0 IN IP4 0\ns=\nt=0 0\na=control:rtsp://camera.invalid/all\n"
                         "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:rtsp://camera.invalid/v\n"},
     .lines = {"SETUP rtsp://camera.invalid/v ", "PLAY rtsp://camera.invalid/all "},
     .n_tracks = 1},
    {.behavior = {.name = "no control, one track",
                  .sdp = "v=0\r\ns=x\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"},
     .lines = {"SETUP rtsp://127.0.0.1:%u/stream "},
     .n_tracks = 1},
    {.behavior = {.name = "wrong SDP lines",
                  .sdp_noise = "x\r\na=\r\n=\r\nb=AS:many\r\nc=IN\r\na=fmtp\r\n\r\na=framerate:abc\r\n"}},
    {.behavior = {.name = "talk-back track is left alone",
                  .sdp = "v=0\r\ns=x\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:v\r\n"
                         "a=recvonly\r\nm=audio 0 RTP/AVP 0\r\na=control:back\r\na=sendonly\r\n"},
     .absent = "SETUP rtsp://127.0.0.1/stream/back",
     .n_tracks = 1},
    {.behavior = {.name = "session with odd time-out", .session = " 12345678 ; timeout = 2 "},
     .lines = {"Session: 12345678"}},
    {.behavior = {.name = "session is any text", .session = "a/b c;timeout=x"}},
    {.behavior = {.name = "no session", .no_session = true}, .absent = "Session:"},
    {.behavior = {.name = "other channels than asked", .channel_shift = 7}},
    {.behavior = {.name = "no Transport in the answer", .no_transport = true}},
    {.behavior = {.name = "data before the answer to PLAY", .early_data = true}},
    {.behavior = {.name = "no Range allowed", .refuse_range = true}},
    {.behavior = {.name = "second track refused", .refuse_second_track = 404}, .n_tracks = 1},
    {.behavior = {.name = "redirects", .n_redirects = 3},
     .lines = {"DESCRIBE rtsp://localhost:%u/moved-3?a=b "}},
    {.behavior = {.name = "UDP"}, .transport = TRANSPORT_UDP},
    {.behavior = {.name = "UDP out of order", .reverse_order = true}, .transport = TRANSPORT_UDP},
    {.behavior = {.name = "TCP refused, UDP taken", .refuse_tcp = 461},
     .lines = {"Transport: RTP/AVP/TCP", "Transport: RTP/AVP;unicast;client_port="}},
    {.behavior = {.name = "answers UDP to TCP", .answer_udp = true},
     .lines = {"Transport: RTP/AVP;unicast;client_port="}},
    {.behavior = {.name = "Basic", .challenge = "Basic realm=\"fake\""},
     .user = "user",
     .password = "p@ss:word",
     .lines = {"Authorization: Basic dXNlcjpwQHNzOndvcmQ="}},
    {.behavior = {.name = "Basic from the URL", .challenge = "Basic realm=\"fake\""},
     .url = "rtsp://user:p@ss:word@127.0.0.1:%u/stream",
     .lines = {"DESCRIBE rtsp://127.0.0.1:%u/stream "}},
    {.behavior = {.name = "Basic, escaped in the URL", .challenge = "Basic realm=\"fake\""},
     .url = "rtsp://user:p%40ss%3Aword@127.0.0.1:%u/stream"},
    {.behavior = {.name = "Digest", .challenge = "Digest realm=\"fake\", nonce=\"%s\""},
     .user = "user",
     .password = "secret",
     .lines = {"Authorization: Digest username=\"user\", realm=\"fake\", nonce=\"nonce-0\", "
               "uri=\"rtsp://127.0.0.1:%u/stream\""}},
    {.behavior = {.name = "Digest is preferred",
                  .second_challenge = true,
                  .challenge = "Digest realm=\"fake\", nonce=\"%s\", algorithm=SHA-256, qop=\"auth\""},
     .user = "user",
     .password = "secret",
     .absent = "Authorization: Basic"},
    {.behavior = {.name = "stale nonce",
                  .stale_once = true,
                  .challenge = "Digest realm=\"fake\", nonce=\"%s\""},
     .user = "user",
     .password = "secret"},
    {.behavior = {.name = "ended by BYE", .public_methods = METHODS, .bye = true},
     .error = "UNAVAILABLE",
     .message = "BYE"},
    {.behavior = {.name = "closed after PLAY", .close_after_play = true},
     .error = "UNAVAILABLE",
     .message = "closed the connection"},
    {.behavior = {.name = "wrong user", .challenge = "Digest realm=\"fake\", nonce=\"%s\""},
     .user = "somebody",
     .password = "secret",
     .error = "UNAUTHENTICATED",
     .message = "refuses the user name or password"},
    {.behavior = {.name = "wrong password", .challenge = "Basic realm=\"fake\""},
     .user = "user",
     .password = "secret",
     .error = "UNAUTHENTICATED"},
    {.behavior = {.name = "no credentials", .challenge = "Basic realm=\"fake\""},
     .error = "UNAUTHENTICATED",
     .message = "none is configured",
     .absent = "Authorization"},
    {.behavior = {.name = "unknown authentication", .challenge = "Negotiate"},
     .user = "user",
     .error = "UNAUTHENTICATED",
     .message = "not supported"},
    {.behavior = {.name = "the password stays with its server",
                  .challenge = "Basic realm=\"fake\"",
                  .n_redirects = 1},
     .user = "user",
     .password = "p@ss:word",
     .error = "UNAUTHENTICATED"},
    {.behavior = {.name = "redirects for ever", .n_redirects = 100}, .error = "LIMIT"},
    {.behavior = {.name = "redirects nowhere", .n_redirects = 1, .redirect_to = "http://x/"},
     .error = "PROTOCOL"},
    {.behavior = {.name = "not found", .describe_status = 404},
     .error = "NOT_FOUND",
     .message = "404 Told So"},
    {.behavior = {.name = "broken", .describe_status = 500}, .error = "UNAVAILABLE"},
    {.behavior = {.name = "no RTP in the SDP", .sdp = "v=0\r\ns=x\r\n"}, .error = "PROTOCOL"},
    {.behavior = {.name = "no RTSP server", .garbage = true}, .error = "PROTOCOL"},
    {.behavior = {.name = "says nothing", .silent_method = "OPTIONS"},
     .connect_timeout_ms = 100,
     .error = "TIMEOUT"},
    {.behavior = {.name = "no answer to PLAY", .silent_method = "PLAY"},
     .connect_timeout_ms = 100,
     .error = "TIMEOUT"},
    {.behavior = {.name = "plays nothing", .mute = true},
     .connect_timeout_ms = 100,
     .error = "TIMEOUT",
     .message = "sends no packet"},
    {.behavior = {.name = "plays nothing over UDP", .mute = true},
     .transport = TRANSPORT_UDP,
     .connect_timeout_ms = 100,
     .error = "TIMEOUT",
     .message = "firewall"},
    {.behavior = {.name = "UDP refused", .refuse_udp = 461},
     .transport = TRANSPORT_UDP,
     .error = "UNSUPPORTED"},
    {.behavior = {.name = "every transport refused", .refuse_tcp = 461, .refuse_udp = 461},
     .error = "UNSUPPORTED"},
    {.behavior = {.name = "HTTP tunnel", .public_methods = METHODS},
     .url = "rtsp+http://127.0.0.1:%u/stream?a=b",
     .lines = {"GET /stream?a=b HTTP/1.0", "POST /stream?a=b HTTP/1.0",
               "Content-Type: application/x-rtsp-tunnelled",
               "DESCRIBE rtsp://127.0.0.1:%u/stream?a=b RTSP/1.0"}},
    {.behavior = {.name = "HTTP tunnel refused", .refuse_tunnel = 404},
     .url = "rtsp+http://127.0.0.1:%u/stream",
     .error = "UNAVAILABLE",
     .message = "404 Refused"},
    {.behavior = {.name = "UDP over a tunnel"},
     .url = "rtsp+http://127.0.0.1:%u/stream",
     .transport = TRANSPORT_UDP,
     .error = "UNSUPPORTED"},
    {.behavior = {.name = "UDP over TLS"},
     .url = "rtsps://127.0.0.1:%u/stream",
     .transport = TRANSPORT_UDP,
     .error = "UNSUPPORTED"},
};

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  Fixture f;
  fixture_start (&f, &c->behavior, NULL);
  create_stream (&f, c, NULL, true);
  check_outcome (&f, c);
  fixture_stop (&f);
}

static void
test_tls (void)
{
  g_autoptr (TestCertificate) certificate = test_certificate_new ("camera.test");
  g_autoptr (TestCertificate) other = test_certificate_new ("other.test");
  const struct {
    const char *fingerprint;
    bool verify;
    const char *error;
  } variants[] = {
      {NULL, false, NULL},
      {certificate->fingerprint, true, NULL},
      {other->fingerprint, true, "UNAUTHENTICATED"},
      {NULL, true, "UNAUTHENTICATED"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (variants); i++) {
    Case c = {.behavior = {.name = "TLS"}, .url = "rtsps://127.0.0.1:%u/stream", .error = variants[i].error};
    if (!c.error)
      c.lines[0] = "DESCRIBE rtsps://127.0.0.1:%u/stream ";
    Fixture f;
    fixture_start (&f, &c.behavior, certificate);
    create_stream (&f, &c, variants[i].fingerprint, variants[i].verify);
    check_outcome (&f, &c);
    fixture_stop (&f);
  }
}

static bool
saw_report (Fixture *f)
{
  return fake_server_saw_report (f->server);
}

static bool
saw_keepalives (Fixture *f)
{
  return fake_server_count_requests (f->server, "GET_PARAMETER ") >= 2;
}

static bool
saw_options_again (Fixture *f)
{
  return fake_server_count_requests (f->server, "OPTIONS ") >= 3;
}

/* A session time-out of 2 s: a keep-alive each second. */
static void
test_keepalive (void)
{
  Case c = {.behavior = {.name = "keep-alive", .public_methods = METHODS, .session = "1;timeout=2"}};
  Fixture f;
  fixture_start (&f, &c.behavior, NULL);
  create_stream (&f, &c, NULL, true);
  g_assert_true (wait_until (&f, saw_keepalives));
  g_assert_true (wait_until (&f, saw_report));
  g_assert_true (has_packets (&f));
  fixture_stop (&f);
}

static void
test_keepalive_options (void)
{
  static const FakeBehavior behaviors[] = {
      {.name = "OPTIONS", .public_methods = "OPTIONS, DESCRIBE", .session = "1;timeout=2"},
      {.name = "GET_PARAMETER refused",
       .public_methods = METHODS,
       .session = "1;timeout=2",
       .refuse_get_parameter = true},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (behaviors); i++) {
    Case c = {.behavior = behaviors[i]};
    Fixture f;
    fixture_start (&f, &c.behavior, NULL);
    create_stream (&f, &c, NULL, true);
    g_assert_true (wait_until (&f, saw_options_again));
    g_assert_true (has_packets (&f));
    fixture_stop (&f);
  }
}

static bool
saw_teardown (Fixture *f)
{
  return fake_server_saw_request (f->server, "TEARDOWN rtsp://");
}

static void
test_stop (void)
{
  Case c = {.behavior = {.name = "stop", .public_methods = METHODS}};
  Fixture f;
  fixture_start (&f, &c.behavior, NULL);
  create_stream (&f, &c, NULL, true);
  g_assert_true (wait_until (&f, has_packets));
  g_autoptr (GError) error = NULL;
  g_assert_true (registry_stop (f.registry, "camera", &error));
  g_assert_true (wait_until (&f, saw_teardown));
  fixture_stop (&f);
}

static bool
is_udp_punched (Fixture *f)
{
  return fake_server_saw_report (f->server);
}

static void
test_udp_opens_the_way (void)
{
  Case c = {.behavior = {.name = "punch"}, .transport = TRANSPORT_UDP};
  Fixture f;
  fixture_start (&f, &c.behavior, NULL);
  create_stream (&f, &c, NULL, true);
  g_assert_true (wait_until (&f, is_udp_punched));
  fixture_stop (&f);
}

static void
test_check (void)
{
  static const struct {
    const char *url;
    bool ok;
  } urls[] = {
      {"rtsp://camera/path", true},
      {"RTSPS://[::1]:8322/", true},
      {"rtsp://u:p@w/d@camera:1/", true},
      {"rtsp://", false},
      {"rtsp://:554/", false},
      {"rtsp://camera:0/", false},
      {"rtsp://camera:99999/", false},
      {"rtsp://[::1/", false},
      {"http://camera/", false},
      {"rtsp://cam era/", false},
      {"rtsp:camera", false},
      {"rtsp+http://camera/", true},
      {"rtsp+https://camera:1/", true},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (urls); i++) {
    g_autoptr (GError) error = NULL;
    g_test_message ("%s", urls[i].url);
    g_assert_cmpint (rtsp_source_factory ()->check (urls[i].url, &error), ==, urls[i].ok);
    g_assert_cmpint (error == NULL, ==, urls[i].ok);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  /* A bundle of authorities is slow to read with sanitizers. */
  g_unsetenv ("SSL_CERT_FILE");
  g_test_add_func ("/client/check", test_check);
  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/client/case/%s", cases[i].behavior.name);
    g_test_add_data_func (path, &cases[i], test_case);
  }
  g_test_add_func ("/client/tls", test_tls);
  g_test_add_func ("/client/keepalive", test_keepalive);
  g_test_add_func ("/client/keepalive-options", test_keepalive_options);
  g_test_add_func ("/client/stop", test_stop);
  g_test_add_func ("/client/udp-opens-the-way", test_udp_opens_the_way);
  return g_test_run ();
}
