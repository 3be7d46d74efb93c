/* SPDX-License-Identifier: Apache-2.0 */
#include "server-fixture.h"

#include "base/log.h"
#include "rtp/bridge.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void
set_flag (void *data)
{
  *(bool *)data = true;
}

static bool
flag_is_set (void *data)
{
  return *(bool *)data;
}

void
fixture_wait (Fixture *f, bool (*done) (void *data), void *data)
{
  int64_t deadline = g_get_monotonic_time () + FIXTURE_DEADLINE_MS * 1000;
  while (!done (data)) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500);
  }
}

static void
ignore_event (void *data, const StreamEvent *event)
{
}

static void
allow_everybody (Settings *settings)
{
  SettingsPermission *permission = g_new0 (SettingsPermission, 1);
  permission->actions = ACTION_ALL;
  permission->path = g_strdup ("*");
  g_ptr_array_add (settings->anonymous, permission);
}

void
fixture_open (Fixture *f, void (*configure) (Settings *settings))
{
  g_autoptr (GError) error = NULL;
  *f = (Fixture){0};
  f->control = loop_new_control ();
  f->pool = loop_pool_new (2, &error);
  g_assert_no_error (error);
  f->registry = registry_new (f->control, f->pool, rtp_bridge_ops (), ignore_event, NULL);
  f->settings = settings_new_default ();
  g_strfreev (f->settings->rtsp_listen);
  f->settings->rtsp_listen = g_strsplit ("127.0.0.1:0", " ", 0);
  f->settings->rtsp_udp_port_min = f->settings->rtsp_udp_port_max = 0;
  if (configure)
    configure (f->settings);
  else
    allow_everybody (f->settings);
  f->auth = auth_new (f->settings);
  registry_apply (f->registry, f->settings);
  f->server = rtsp_server_new (f->pool, f->registry, f->auth, f->settings, &error);
  g_assert_no_error (error);
  g_autofree char *address = rtsp_server_address (f->server, 0);
  f->port = (uint16_t)g_ascii_strtoull (strrchr (address, ':') + 1, NULL, 10);
}

void
fixture_close (Fixture *f)
{
  bool stopped = false;
  rtsp_server_stop (f->server, f->control, set_flag, &stopped);
  fixture_wait (f, flag_is_set, &stopped);
  rtsp_server_free (f->server);
  stopped = false;
  registry_shutdown (f->registry, set_flag, &stopped);
  fixture_wait (f, flag_is_set, &stopped);
  registry_free (f->registry);
  auth_free (f->auth);
  settings_unref (f->settings);
  loop_pool_free (f->pool);
  loop_free (f->control);
}

/* --- clients ----------------------------------------------------------------------------------------------
 */

int
client_connect (Fixture *f)
{
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons (f->port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
  g_assert_cmpint (connect (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  return fd;
}

void
client_send_bytes (int fd, const void *bytes, size_t n_bytes)
{
  /* The server may have closed already: that shows when reading. */
  (void)!send (fd, bytes, n_bytes, MSG_NOSIGNAL);
}

void
client_send (int fd, const char *text)
{
  client_send_bytes (fd, text, strlen (text));
}

/* False at the end. */
static bool
read_exactly (Fixture *f, int fd, uint8_t *bytes, size_t n_bytes)
{
  int64_t deadline = g_get_monotonic_time () + FIXTURE_DEADLINE_MS * 1000;
  while (n_bytes > 0) {
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    while (g_main_context_iteration (NULL, FALSE))
      continue;
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    if (poll (&waiting, 1, 2) <= 0)
      continue;
    ssize_t n = recv (fd, bytes, n_bytes, 0);
    if (n <= 0)
      return false;
    bytes += n;
    n_bytes -= (size_t)n;
  }
  return true;
}

char *
client_receive (Fixture *f, int fd, GByteArray *frame)
{
  g_autoptr (GString) text = g_string_new (NULL);
  uint8_t byte;
  while (!g_str_has_suffix (text->str, "\r\n\r\n")) {
    if (!read_exactly (f, fd, &byte, 1))
      return NULL;
    g_string_append_c (text, (char)byte);
    if (text->len == 1 && byte == '$') {
      uint8_t head[3];
      g_assert_true (read_exactly (f, fd, head, 3));
      size_t n_bytes = (size_t)head[1] << 8 | head[2];
      g_autofree uint8_t *bytes = g_malloc (n_bytes + 1);
      g_assert_true (read_exactly (f, fd, bytes, n_bytes));
      if (frame) {
        g_byte_array_set_size (frame, 0);
        g_byte_array_append (frame, bytes, (guint)n_bytes);
      }
      return g_strdup_printf ("$%u %zu", head[0], n_bytes);
    }
  }
  g_autofree char *length = field_of (text->str, "Content-Length");
  for (guint64 n = length ? g_ascii_strtoull (length, NULL, 10) : 0; n > 0; n--) {
    g_assert_true (read_exactly (f, fd, &byte, 1));
    g_string_append_c (text, (char)byte);
  }
  return g_strdup (text->str);
}

char *
client_receive_message (Fixture *f, int fd)
{
  while (true) {
    char *got = client_receive (f, fd, NULL);
    if (!got || *got != '$')
      return got;
    g_free (got);
  }
}

char *
client_ask (Fixture *f, int fd, const char *method, const char *path, const char *fields)
{
  static unsigned cseq;
  g_autofree char *text = g_strdup_printf ("%s rtsp://127.0.0.1:%u/%s RTSP/1.0\r\nCSeq: %u\r\n%s\r\n", method,
                                           f->port, path, ++cseq, fields);
  client_send (fd, text);
  char *answer = client_receive_message (f, fd);
  g_assert_nonnull (answer);
  g_autofree char *echoed = field_of (answer, "CSeq");
  g_autofree char *expected = g_strdup_printf ("%u", cseq);
  if (g_strcmp0 (echoed, expected) != 0)
    g_error ("answer to %sis %s", text, answer);
  return answer;
}

unsigned
status_of (const char *answer)
{
  g_assert_true (g_str_has_prefix (answer, "RTSP/1.0 "));
  return (unsigned)g_ascii_strtoull (answer + strlen ("RTSP/1.0 "), NULL, 10);
}

char *
field_of (const char *answer, const char *name)
{
  g_autofree char *start = g_strdup_printf ("\r\n%s: ", name);
  const char *found = strstr (answer, start);
  if (!found)
    return NULL;
  found += strlen (start);
  return g_strndup (found, strcspn (found, "\r\n"));
}

/* --- publishers and players --------------------------------------------------------------------------------
 */

static const char sdp[] =
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    "a=control:streamid=0\r\nm=audio 0 RTP/AVP 8\r\na=control:streamid=1\r\n";

static char *
session_field (const char *answer)
{
  g_autofree char *value = field_of (answer, "Session");
  g_assert_nonnull (value);
  return g_strdup_printf ("Session: %.*s\r\n", (int)strcspn (value, ";"), value);
}

static void
expect_ok (char *answer)
{
  g_assert_cmpuint (status_of (answer), ==, 200);
  g_free (answer);
}

int
publisher_open (Fixture *f, const char *path)
{
  int fd = client_connect (f);
  g_autofree char *url = g_strdup_printf ("rtsp://127.0.0.1:%u/%s", f->port, path);
  g_autofree char *announce = g_strdup_printf (
      "ANNOUNCE %s RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
      url, strlen (sdp), sdp);
  client_send (fd, announce);
  g_autofree char *answer = client_receive_message (f, fd);
  g_assert_cmpuint (status_of (answer), ==, 200);
  g_autofree char *session = session_field (answer);
  for (unsigned i = 0; i < 2; i++) {
    g_autofree char *track = g_strdup_printf ("%s/streamid=%u", path, i);
    g_autofree char *fields = g_strdup_printf (
        "%sTransport: RTP/AVP/TCP;unicast;interleaved=%u-%u;mode=record\r\n", session, 2 * i, 2 * i + 1);
    expect_ok (client_ask (f, fd, "SETUP", track, fields));
  }
  expect_ok (client_ask (f, fd, "RECORD", path, session));
  return fd;
}

static void
send_rtp (int fd, uint8_t channel, uint8_t type, uint16_t sequence, uint32_t rtp_time, const uint8_t *payload,
          size_t n_payload)
{
  uint8_t frame[4 + 12 + 64] = {'$', channel, 0, (uint8_t)(12 + n_payload), 0x80, type};
  frame[6] = (uint8_t)(sequence >> 8);
  frame[7] = (uint8_t)sequence;
  for (unsigned i = 0; i < 4; i++) {
    frame[8 + i] = (uint8_t)(rtp_time >> (24 - 8 * i));
    frame[12 + i] = (uint8_t)(0x11 * (i + 1));
  }
  memcpy (frame + 16, payload, n_payload);
  client_send_bytes (fd, frame, 16 + n_payload);
}

void
publisher_send_video (int fd, uint16_t sequence, uint32_t rtp_time, bool key)
{
  uint8_t payload[40] = {key ? 0x65 : 0x41, 0x88};
  send_rtp (fd, 0, 0x80 | 96, sequence, rtp_time, payload, sizeof payload);
}

void
publisher_send_audio (int fd, uint16_t sequence, uint32_t rtp_time)
{
  uint8_t payload[40] = {0x55};
  send_rtp (fd, 2, 8, sequence, rtp_time, payload, sizeof payload);
}

char *
player_setup (Fixture *f, int fd, const char *path, const char *transport)
{
  g_autofree char *described = client_ask (f, fd, "DESCRIBE", path, "Accept: application/sdp\r\n");
  g_assert_cmpuint (status_of (described), ==, 200);
  g_autofree char *track = g_strdup_printf ("%s/trackID=0", path);
  g_autofree char *fields = g_strdup_printf ("Transport: %s\r\n", transport);
  g_autofree char *answer = client_ask (f, fd, "SETUP", track, fields);
  g_assert_cmpuint (status_of (answer), ==, 200);
  return session_field (answer);
}
