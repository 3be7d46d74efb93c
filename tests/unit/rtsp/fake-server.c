/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted server: reads requests line by line, answers by its behavior, sends small RTP packets. */
#include "fake-server.h"

#include "base/net.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum {
  PACKET_BYTES = 60,
  TRACKS = 2,
  PACKET_INTERVAL_MS = 2,
  LINE_MAX_BYTES = 4096,
};

typedef struct {
  char method[32];
  char url[1024];
  char cseq[32];
  char transport[256];
  char authorization[2048];
  bool has_range;
} Request;

struct FakeServer {
  FakeBehavior behavior;
  int listener;
  unsigned port;
  GThread *thread;
  gint stop;
  SSL_CTX *tls_context;

  /* the session */
  int fd;
  int in;           /* fd, or the POST connection of a tunnel */
  uint8_t plain[3]; /* of a tunnel: decoded, not taken yet */
  unsigned n_plain, n_taken;
  char peeked; /* first byte of the next line, or 0 */
  SSL *tls;
  bool playing, udp;
  uint8_t channels[TRACKS];
  NetAddress client[TRACKS];
  int udp_rtp[TRACKS], udp_rtcp[TRACKS];
  unsigned n_set_up;
  uint16_t sequence;
  unsigned n_sent;
  unsigned n_redirected;
  unsigned nonce;
  bool authorized;

  GMutex lock; /* the rest */
  GPtrArray *lines;
  bool saw_report;
};

/* --- bytes -------------------------------------------------------------------------------------------------
 */

static bool
is_stopping (FakeServer *server)
{
  return g_atomic_int_get (&server->stop) != 0;
}

static bool
send_bytes (FakeServer *server, const void *bytes, size_t n_bytes)
{
  if (server->tls)
    return SSL_write (server->tls, bytes, (int)n_bytes) > 0;
  return send (server->fd, bytes, n_bytes, MSG_NOSIGNAL) == (ssize_t)n_bytes;
}

static bool
is_readable (FakeServer *server, int timeout_ms)
{
  if ((server->tls && SSL_pending (server->tls) > 0) || server->n_taken < server->n_plain)
    return true;
  struct pollfd poll_fd = {.fd = server->in, .events = POLLIN};
  return poll (&poll_fd, 1, timeout_ms) > 0;
}

/* The next four digits of base64 in a tunnel. */
static bool
decode_quad (FakeServer *server)
{
  char quad[5] = "";
  if (recv (server->in, quad, 4, MSG_WAITALL) != 4)
    return false;
  gsize n;
  g_autofree uint8_t *bytes = g_base64_decode (quad, &n);
  memcpy (server->plain, bytes, MIN (n, sizeof server->plain));
  server->n_plain = (unsigned)n;
  server->n_taken = 0;
  return true;
}

static bool
read_byte (FakeServer *server, uint8_t *ret)
{
  while (!is_readable (server, 20))
    if (is_stopping (server))
      return false;
  if (server->tls)
    return SSL_read (server->tls, ret, 1) == 1;
  if (server->in == server->fd)
    return recv (server->fd, ret, 1, 0) == 1;
  if (server->n_taken == server->n_plain && !decode_quad (server))
    return false;
  *ret = server->plain[server->n_taken++];
  return true;
}

static bool
read_line (FakeServer *server, char line[LINE_MAX_BYTES])
{
  size_t n = 0;
  uint8_t byte;
  if (server->peeked)
    line[n++] = server->peeked;
  server->peeked = 0;
  while (read_byte (server, &byte)) {
    if (byte == '\n') {
      line[n] = '\0';
      g_strchomp (line);
      return true;
    }
    if (n + 1 < LINE_MAX_BYTES)
      line[n++] = (char)byte;
  }
  return false;
}

static void
note_line (FakeServer *server, const char *line)
{
  g_mutex_lock (&server->lock);
  g_ptr_array_add (server->lines, g_strdup (line));
  g_mutex_unlock (&server->lock);
}

static void
note_report (FakeServer *server, const uint8_t *bytes)
{
  g_mutex_lock (&server->lock);
  server->saw_report |= bytes[1] == 201;
  g_mutex_unlock (&server->lock);
}

/* An interleaved frame behind its "$". */
static bool
skip_frame (FakeServer *server)
{
  uint8_t head[3];
  for (unsigned i = 0; i < sizeof head; i++)
    if (!read_byte (server, &head[i]))
      return false;
  uint8_t body[4] = {0};
  unsigned length = (unsigned)head[1] << 8 | head[2];
  for (unsigned i = 0; i < length; i++) {
    uint8_t byte;
    if (!read_byte (server, &byte))
      return false;
    if (i < sizeof body)
      body[i] = byte;
  }
  note_report (server, body);
  return true;
}

/* --- answers -----------------------------------------------------------------------------------------------
 */

static void
add_field (FakeServer *server, GString *out, const char *name, const char *value)
{
  g_autofree char *text = server->behavior.lower_case ? g_ascii_strdown (name, -1) : g_strdup (name);
  g_string_append_printf (out, "%s:%s%s%s", text, server->behavior.lower_case ? "" : " ", value,
                          server->behavior.lf_only ? "\n" : "\r\n");
}

static GString *
begin_answer (FakeServer *server, const Request *request, unsigned status, const char *reason)
{
  GString *out = g_string_new (NULL);
  g_string_append_printf (out, "RTSP/1.0 %u %s%s", status, reason, server->behavior.lf_only ? "\n" : "\r\n");
  if (!server->behavior.no_cseq)
    add_field (server, out, "CSeq", request->cseq);
  return out;
}

/* Takes @out over. */
static bool
end_answer (FakeServer *server, GString *out, const char *body)
{
  if (body) {
    g_autofree char *length = g_strdup_printf ("%zu", strlen (body));
    add_field (server, out, "Content-Length", length);
  }
  g_string_append_printf (out, "%s%s", server->behavior.lf_only ? "\n" : "\r\n", body ? body : "");
  bool sent = send_bytes (server, out->str, out->len);
  g_string_free (out, TRUE);
  return sent;
}

static bool
answer_status (FakeServer *server, const Request *request, unsigned status, const char *reason)
{
  return end_answer (server, begin_answer (server, request, status, reason), NULL);
}

static void
add_session (FakeServer *server, GString *out)
{
  if (!server->behavior.no_session)
    add_field (server, out, "Session", server->behavior.session ? server->behavior.session : "12345678");
}

/* --- media -------------------------------------------------------------------------------------------------
 */

static void
send_packet (FakeServer *server, unsigned track, uint16_t sequence)
{
  uint8_t frame[4 + PACKET_BYTES] = {'$', server->channels[track], 0, PACKET_BYTES};
  uint8_t *rtp = frame + 4;
  rtp[0] = 0x80;
  rtp[1] = (uint8_t)(0x80 | (96 + track));
  rtp[2] = (uint8_t)(sequence >> 8);
  rtp[3] = (uint8_t)sequence;
  rtp[6] = (uint8_t)(sequence >> 4);
  rtp[11] = (uint8_t)(track + 1);
  rtp[12] = 0x65; /* an IDR slice */
  if (server->udp)
    (void)sendto (server->udp_rtp[track], rtp, PACKET_BYTES, 0, &server->client[track].sa,
                  server->client[track].len);
  else
    (void)send_bytes (server, frame, sizeof frame);
  server->n_sent++;
}

static void
send_media (FakeServer *server)
{
  if (server->behavior.mute)
    return;
  for (unsigned i = 0; i < server->n_set_up; i++) {
    uint16_t sequence = server->sequence;
    send_packet (server, i, server->behavior.reverse_order ? sequence ^ 1 : sequence);
  }
  server->sequence++;
}

static void
send_bye (FakeServer *server)
{
  for (unsigned i = 0; i < server->n_set_up; i++) {
    uint8_t frame[] = {'$',  (uint8_t)(server->channels[i] + 1),
                       0,    16,
                       0x80, 201,
                       0,    1,
                       0,    0,
                       0,    (uint8_t)(i + 1),
                       0x81, 203,
                       0,    1,
                       0,    0,
                       0,    (uint8_t)(i + 1)};
    (void)send_bytes (server, frame, sizeof frame);
  }
}

static void
read_udp_reports (FakeServer *server)
{
  uint8_t bytes[1500] = {0};
  for (unsigned i = 0; server->udp && i < server->n_set_up; i++)
    if (recv (server->udp_rtcp[i], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
      note_report (server, bytes);
}

/* --- methods -----------------------------------------------------------------------------------------------
 */

static bool
answer_options (FakeServer *server, const Request *request)
{
  if (server->behavior.garbage) {
    static const char nonsense[] = "HELLO I AM A PRINTER\r\n\r\n";
    return send_bytes (server, nonsense, strlen (nonsense));
  }
  if (!server->behavior.public_methods)
    return answer_status (server, request, 501, "Not Implemented");
  GString *out = begin_answer (server, request, 200, "OK");
  add_field (server, out, "Public", server->behavior.public_methods);
  return end_answer (server, out, NULL);
}

static bool
answer_redirect (FakeServer *server, const Request *request)
{
  server->n_redirected++;
  GString *out = begin_answer (server, request, 302, "Moved Temporarily");
  g_autofree char *location =
      server->behavior.redirect_to
          ? g_strdup (server->behavior.redirect_to)
          : g_strdup_printf ("rtsp://localhost:%u/moved-%u?a=b", server->port, server->n_redirected);
  add_field (server, out, "Location", location);
  return end_answer (server, out, NULL);
}

static bool
answer_describe (FakeServer *server, const Request *request)
{
  if (server->behavior.describe_status)
    return answer_status (server, request, server->behavior.describe_status, "Told So");
  if (server->n_redirected < server->behavior.n_redirects)
    return answer_redirect (server, request);
  g_autofree char *sdp =
      g_strdup_printf ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=Fake\r\nt=0 0\r\n%s"
                       "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n"
                       "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/44100/2\r\na=control:trackID=1\r\n",
                       server->behavior.sdp_noise ? server->behavior.sdp_noise : "");
  GString *out = begin_answer (server, request, 200, "OK");
  if (server->behavior.content_base) {
    g_auto (GStrv) parts = g_strsplit (server->behavior.content_base, "%u", 2);
    g_autofree char *base =
        parts[1] ? g_strdup_printf ("%s%u%s", parts[0], server->port, parts[1]) : g_strdup (parts[0]);
    add_field (server, out, "Content-Base", base);
  }
  add_field (server, out, "Content-Type", "application/sdp");
  return end_answer (server, out, server->behavior.sdp ? server->behavior.sdp : sdp);
}

static unsigned
number_behind (const char *text, const char *key)
{
  const char *at = strstr (text, key);
  return at ? (unsigned)g_ascii_strtoull (at + strlen (key), NULL, 10) : 0;
}

static char *
set_up_udp (FakeServer *server, const Request *request, unsigned track)
{
  uint16_t port;
  NetAddress host;
  g_assert_true (net_address_parse ("127.0.0.1:0", &host, NULL));
  g_assert_true (
      net_bind_udp_pair (&host, 0, 0, &server->udp_rtp[track], &server->udp_rtcp[track], &port, NULL));
  server->udp = true;
  unsigned client_port = number_behind (request->transport, "client_port=");
  net_address_set_port (&host, (uint16_t)client_port);
  server->client[track] = host;
  return g_strdup_printf ("RTP/AVP;unicast;client_port=%u-%u;server_port=%u-%u", client_port, client_port + 1,
                          port, port + 1U);
}

static bool
answer_setup (FakeServer *server, const Request *request)
{
  const FakeBehavior *behavior = &server->behavior;
  bool tcp = strstr (request->transport, "TCP") != NULL;
  unsigned refused = tcp ? behavior->refuse_tcp : behavior->refuse_udp;
  if (server->n_set_up == 1 && behavior->refuse_second_track)
    refused = behavior->refuse_second_track;
  if (refused)
    return answer_status (server, request, refused, "Refused");
  unsigned track = server->n_set_up;
  g_assert_cmpuint (track, <, TRACKS);
  g_autofree char *transport = NULL;
  if (tcp && behavior->answer_udp) {
    transport = g_strdup ("RTP/AVP;unicast;client_port=5000-5001;server_port=5002-5003");
  } else if (tcp) {
    unsigned asked = number_behind (request->transport, "interleaved=");
    server->channels[track] = (uint8_t)(asked + behavior->channel_shift);
    transport = g_strdup_printf ("RTP/AVP/TCP;unicast;interleaved=%u-%u", server->channels[track],
                                 server->channels[track] + 1U);
  } else {
    transport = set_up_udp (server, request, track);
  }
  server->n_set_up++;
  GString *out = begin_answer (server, request, 200, "OK");
  add_session (server, out);
  if (!behavior->no_transport)
    add_field (server, out, "Transport", transport);
  return end_answer (server, out, NULL);
}

static bool
answer_play (FakeServer *server, const Request *request)
{
  if (server->behavior.refuse_range && request->has_range)
    return answer_status (server, request, 457, "Invalid Range");
  if (server->behavior.early_data)
    for (unsigned i = 0; i < 10; i++)
      send_media (server);
  GString *out = begin_answer (server, request, 200, "OK");
  add_session (server, out);
  server->playing = true;
  bool sent = end_answer (server, out, NULL);
  if (server->behavior.bye) {
    send_media (server);
    send_bye (server);
  }
  return sent && !server->behavior.close_after_play;
}

/* True when the request may pass; else a challenge has been sent. */
static bool
is_authorized (FakeServer *server, const Request *request)
{
  const char *challenge = server->behavior.challenge;
  if (!challenge)
    return true;
  g_autofree char *nonce = g_strdup_printf ("nonce-%u", server->nonce);
  bool digest = g_str_has_prefix (challenge, "Digest");
  bool right =
      digest ? strstr (request->authorization, nonce) && strstr (request->authorization, "username=\"user\"")
             : strcmp (request->authorization, "Basic dXNlcjpwQHNzOndvcmQ=") == 0;
  /* Digests themselves are checked by the answer to a fixed nonce, in a test of its own. */
  if (right && !(server->behavior.stale_once && server->authorized)) {
    server->authorized = true;
    return true;
  }
  const char *stale = "";
  if (right) {
    server->behavior.stale_once = false;
    g_free (nonce);
    nonce = g_strdup_printf ("nonce-%u", ++server->nonce);
    stale = ", stale=true";
  }
  g_auto (GStrv) parts = g_strsplit (challenge, "%s", 2);
  g_autofree char *value =
      g_strconcat (parts[0], parts[1] ? nonce : "", parts[1] ? parts[1] : "", stale, NULL);
  GString *out = begin_answer (server, request, 401, "Unauthorized");
  if (server->behavior.second_challenge)
    add_field (server, out, "WWW-Authenticate", "Basic realm=\"fake\"");
  add_field (server, out, "WWW-Authenticate", value);
  (void)end_answer (server, out, NULL);
  return false;
}

static bool read_request (FakeServer *server, Request *ret);

/* The answer to GET; then the POST connection becomes the way in. */
static bool
open_tunnel (FakeServer *server, const Request *request)
{
  static const char yes[] = "HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n";
  g_autofree char *no = g_strdup_printf ("HTTP/1.0 %u Refused\r\n\r\n", server->behavior.refuse_tunnel);
  const char *text = server->behavior.refuse_tunnel ? no : yes;
  if (!send_bytes (server, text, strlen (text)))
    return false;
  struct pollfd poll_fd = {.fd = server->listener, .events = POLLIN};
  if (server->behavior.refuse_tunnel || poll (&poll_fd, 1, 5000) <= 0)
    return false;
  int get = server->fd;
  server->in = server->fd = accept4 (server->listener, NULL, NULL, SOCK_CLOEXEC);
  Request post;
  bool right = read_request (server, &post) && strcmp (post.method, "POST") == 0;
  server->fd = get;
  return right;
}

static bool
answer (FakeServer *server, const Request *request)
{
  if (strcmp (request->method, "GET") == 0)
    return open_tunnel (server, request);
  const char *silent = server->behavior.silent_method;
  if (silent && strcmp (silent, request->method) == 0)
    return true;
  if (!is_authorized (server, request))
    return true;
  if (strcmp (request->method, "OPTIONS") == 0)
    return answer_options (server, request);
  if (strcmp (request->method, "DESCRIBE") == 0)
    return answer_describe (server, request);
  if (strcmp (request->method, "SETUP") == 0)
    return answer_setup (server, request);
  if (strcmp (request->method, "PLAY") == 0)
    return answer_play (server, request);
  if (strcmp (request->method, "TEARDOWN") == 0) {
    (void)answer_status (server, request, 200, "OK");
    return false;
  }
  if (server->behavior.refuse_get_parameter)
    return answer_status (server, request, 501, "Not Implemented");
  return answer_status (server, request, 200, "OK");
}

/* --- sessions ----------------------------------------------------------------------------------------------
 */

static bool
read_request (FakeServer *server, Request *ret)
{
  char line[LINE_MAX_BYTES];
  *ret = (Request){.cseq = "0"};
  if (!read_line (server, line))
    return false;
  note_line (server, line);
  g_auto (GStrv) parts = g_strsplit (line, " ", 3);
  if (g_strv_length (parts) != 3)
    return false;
  g_strlcpy (ret->method, parts[0], sizeof ret->method);
  g_strlcpy (ret->url, parts[1], sizeof ret->url);
  while (read_line (server, line) && line[0]) {
    note_line (server, line);
    if (g_str_has_prefix (line, "CSeq: "))
      g_strlcpy (ret->cseq, line + 6, sizeof ret->cseq);
    else if (g_str_has_prefix (line, "Transport: "))
      g_strlcpy (ret->transport, line + 11, sizeof ret->transport);
    else if (g_str_has_prefix (line, "Authorization: "))
      g_strlcpy (ret->authorization, line + 15, sizeof ret->authorization);
    ret->has_range |= g_str_has_prefix (line, "Range: ");
  }
  return true;
}

/* One frame or request; false when the session is over. */
static bool
serve_input (FakeServer *server)
{
  Request request;
  uint8_t first;
  if (!read_byte (server, &first))
    return false;
  if (first == '$')
    return skip_frame (server);
  server->peeked = (char)first;
  return read_request (server, &request) && answer (server, &request);
}

static void
serve_session (FakeServer *server)
{
  if (server->tls_context) {
    server->tls = SSL_new (server->tls_context);
    SSL_set_fd (server->tls, server->fd);
    if (SSL_accept (server->tls) != 1)
      return;
  }
  bool alive = true;
  while (alive && !is_stopping (server)) {
    if (is_readable (server, server->playing ? PACKET_INTERVAL_MS : 20))
      alive = serve_input (server);
    else if (server->playing)
      send_media (server);
    read_udp_reports (server);
  }
}

static void
end_session (FakeServer *server)
{
  if (server->tls)
    SSL_free (server->tls);
  server->tls = NULL;
  if (server->in != server->fd)
    close (server->in);
  close (server->fd);
  for (unsigned i = 0; server->udp && i < server->n_set_up; i++) {
    close (server->udp_rtp[i]);
    close (server->udp_rtcp[i]);
  }
  server->playing = server->udp = false;
  server->n_plain = server->n_taken = 0;
  server->n_set_up = 0;
}

static void *
run (void *data)
{
  FakeServer *server = data;
  /* In this thread only: the code under test must do without. */
  sigset_t signals;
  sigemptyset (&signals);
  sigaddset (&signals, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &signals, NULL);
  while (!is_stopping (server)) {
    struct pollfd poll_fd = {.fd = server->listener, .events = POLLIN};
    if (poll (&poll_fd, 1, 20) <= 0)
      continue;
    server->fd = accept4 (server->listener, NULL, NULL, SOCK_CLOEXEC);
    if (server->fd < 0)
      continue;
    server->in = server->fd;
    serve_session (server);
    end_session (server);
  }
  return NULL;
}

FakeServer *
fake_server_new (const FakeBehavior *behavior, const char *certificate_file, const char *key_file)
{
  FakeServer *server = g_new0 (FakeServer, 1);
  server->behavior = *behavior;
  server->lines = g_ptr_array_new_with_free_func (g_free);
  g_mutex_init (&server->lock);
  if (certificate_file) {
    server->tls_context = SSL_CTX_new (TLS_server_method ());
    g_assert_cmpint (SSL_CTX_use_certificate_chain_file (server->tls_context, certificate_file), ==, 1);
    g_assert_cmpint (SSL_CTX_use_PrivateKey_file (server->tls_context, key_file, SSL_FILETYPE_PEM), ==, 1);
  }
  NetAddress address;
  g_autoptr (GError) error = NULL;
  g_assert_true (net_address_parse ("127.0.0.1:0", &address, NULL));
  server->listener = net_listen_tcp (&address, 8, &error);
  g_assert_no_error (error);
  g_assert_true (net_local_address (server->listener, &address));
  server->port = net_address_port (&address);
  server->thread = g_thread_new ("fake-server", run, server);
  return server;
}

void
fake_server_free (FakeServer *server)
{
  g_atomic_int_set (&server->stop, 1);
  g_thread_join (server->thread);
  close (server->listener);
  SSL_CTX_free (server->tls_context);
  g_ptr_array_unref (server->lines);
  g_mutex_clear (&server->lock);
  g_free (server);
}

unsigned
fake_server_port (const FakeServer *server)
{
  return server->port;
}

unsigned
fake_server_count_requests (FakeServer *server, const char *start)
{
  unsigned n = 0;
  g_mutex_lock (&server->lock);
  for (guint i = 0; i < server->lines->len; i++)
    n += g_str_has_prefix (g_ptr_array_index (server->lines, i), start);
  g_mutex_unlock (&server->lock);
  return n;
}

bool
fake_server_saw_request (FakeServer *server, const char *start)
{
  return fake_server_count_requests (server, start) > 0;
}

bool
fake_server_saw_report (FakeServer *server)
{
  g_mutex_lock (&server->lock);
  bool saw = server->saw_report;
  g_mutex_unlock (&server->lock);
  return saw;
}

char *
fake_server_transcript (FakeServer *server)
{
  GString *text = g_string_new (NULL);
  g_mutex_lock (&server->lock);
  for (guint i = 0; i < server->lines->len; i++)
    g_string_append_printf (text, "\n    %s", (char *)g_ptr_array_index (server->lines, i));
  g_mutex_unlock (&server->lock);
  return g_string_free (text, FALSE);
}
