/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets against a raw client: the handshake, frames in pieces, pings, limits, closing from both ends. */
#include "fixture.h"

#include <string.h>
#include <unistd.h>

enum { FIN_TEXT = 0x81, FIN_BINARY = 0x82, FIN_CLOSE = 0x88, FIN_PING = 0x89, FIN_PONG = 0x8a };

static const char handshake[] = "GET /socket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static int
open_socket (Fixture *fixture)
{
  int fd = client_connect (fixture);
  client_send (fd, handshake, strlen (handshake));
  g_autofree char *answer = client_read_answer (fd);
  g_assert_cmpuint (client_status (answer), ==, 101);
  /* RFC 6455 §1.3 */
  g_assert_nonnull (strstr (answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  return fd;
}

/* Masked, as clients must (RFC 6455 §5.3). (transfer full) */
static GByteArray *
make_frame (uint8_t head, const char *payload, size_t n)
{
  static const uint8_t mask[4] = {1, 2, 3, 4};
  GByteArray *frame = g_byte_array_new ();
  uint8_t header[10] = {head, (uint8_t)(0x80 | MIN (n, 126))};
  size_t n_header = 2;
  if (n >= 126) {
    bool large = n > 0xffff;
    header[1] = (uint8_t)(0x80 | (large ? 127 : 126));
    n_header += large ? 8 : 2;
    for (size_t i = 0; i < n_header - 2; i++)
      header[n_header - 1 - i] = (uint8_t)(n >> (8 * i));
  }
  g_byte_array_append (frame, header, (guint)n_header);
  g_byte_array_append (frame, mask, sizeof mask);
  for (size_t i = 0; i < n; i++) {
    uint8_t byte = (uint8_t)payload[i] ^ mask[i % 4];
    g_byte_array_append (frame, &byte, 1);
  }
  return frame;
}

static void
send_frame (int fd, uint8_t head, const char *payload, size_t n)
{
  g_autoptr (GByteArray) frame = make_frame (head, payload, n);
  client_send (fd, (const char *)frame->data, frame->len);
}

static void
expect_frame (int fd, uint8_t head, const char *payload, size_t n)
{
  uint8_t header[2];
  g_assert_true (client_read_exact (fd, header, 2));
  g_assert_cmphex (header[0], ==, head);
  size_t n_read = header[1];
  if (header[1] == 126) {
    uint8_t length[2];
    g_assert_true (client_read_exact (fd, length, 2));
    n_read = (size_t)length[0] << 8 | length[1];
  } else if (header[1] == 127) {
    uint8_t length[8];
    g_assert_true (client_read_exact (fd, length, 8));
    n_read = 0;
    for (unsigned i = 0; i < 8; i++)
      n_read = n_read << 8 | length[i];
  }
  g_assert_cmpuint (n_read, <=, 1024 * 1024);
  g_autofree char *bytes = g_malloc (n_read + 1);
  g_assert_true (client_read_exact (fd, bytes, n_read));
  if (payload)
    g_assert_cmpmem (bytes, n_read, payload, n);
  else if (n)
    g_assert_cmpuint ((unsigned)(uint8_t)bytes[0] << 8 | (uint8_t)bytes[1], ==, n); /* a close code */
}

static void
run (FixtureFunc func, unsigned n_closed)
{
  Fixture fixture;
  fixture_set_up (&fixture, NULL);
  fixture_run (&fixture, func);
  fixture_wait (&fixture.n_closed, n_closed);
  fixture_tear_down (&fixture);
  g_assert_cmpuint (fixture.n_closed, ==, n_closed);
}

/* --- frames
 * -------------------------------------------------------------------------------------------------- */

static void
echo_some (Fixture *fixture)
{
  int fd = open_socket (fixture);
  static const size_t sizes[] = {0, 1, 125, 126, 1000, WEBSOCKET_MESSAGE_BYTES};
  for (unsigned i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *text = g_strnfill (sizes[i], 'x');
    send_frame (fd, FIN_TEXT, text, sizes[i]);
    expect_frame (fd, FIN_TEXT, text, sizes[i]);
  }
  send_frame (fd, FIN_TEXT, "ping", 4);
  expect_frame (fd, FIN_TEXT, "pong", 4);
  send_frame (fd, FIN_PING, "abc", 3);
  expect_frame (fd, FIN_PONG, "abc", 3);
  /* A message in two fragments, with a ping between them. */
  send_frame (fd, 0x01, "hel", 3);
  send_frame (fd, FIN_PING, "", 0);
  send_frame (fd, 0x80, "lo", 2);
  expect_frame (fd, FIN_PONG, "", 0);
  expect_frame (fd, FIN_TEXT, "hello", 5);
  send_frame (fd, FIN_CLOSE, "\x03\xe8", 2);
  expect_frame (fd, FIN_CLOSE, NULL, 1000);
  client_wait_closed (fd);
  close (fd);
}

static void
test_echo (void)
{
  run (echo_some, 1);
}

static void
send_with_handshake (Fixture *fixture)
{
  g_autoptr (GByteArray) frame = make_frame (FIN_TEXT, "early", 5);
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_byte_array_append (all, (const guint8 *)handshake, strlen (handshake));
  g_byte_array_append (all, frame->data, frame->len);
  int fd = client_connect (fixture);
  client_send (fd, (const char *)all->data, all->len);
  g_autofree char *answer = client_read_answer (fd);
  g_assert_cmpuint (client_status (answer), ==, 101);
  expect_frame (fd, FIN_TEXT, "early", 5);
  close (fd);
}

static void
test_early_frame (void)
{
  run (send_with_handshake, 1);
}

static void
send_byte_by_byte (Fixture *fixture)
{
  int fd = open_socket (fixture);
  g_autoptr (GByteArray) frame = make_frame (FIN_TEXT, "slow", 4);
  for (unsigned i = 0; i < frame->len; i++) {
    client_send (fd, (const char *)&frame->data[i], 1);
    g_usleep (1000);
  }
  expect_frame (fd, FIN_TEXT, "slow", 4);
  close (fd);
}

static void
test_byte_by_byte (void)
{
  run (send_byte_by_byte, 1);
}

/* --- what is refused
 * ----------------------------------------------------------------------------------------- */

static const struct {
  uint8_t head;
  const char *payload;
  size_t n;
  unsigned code;
} refused[] = {
    {FIN_BINARY, "abc", 3, 1003},
    {FIN_TEXT, "\xff\xfe", 2, 1007},
    {FIN_TEXT, NULL, WEBSOCKET_MESSAGE_BYTES + 1, 1009},
    {0x83, "reserved", 8, 1002},
    {0x80, "nothing to continue", 19, 1002},
    {0xc1, "reserved bit", 12, 1002},
};

static void
send_refused (Fixture *fixture)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_test_message ("case %u", i);
    int fd = open_socket (fixture);
    g_autofree char *payload =
        refused[i].payload ? g_memdup2 (refused[i].payload, refused[i].n) : g_strnfill (refused[i].n, 'x');
    send_frame (fd, refused[i].head, payload, refused[i].n);
    expect_frame (fd, FIN_CLOSE, NULL, refused[i].code);
    client_wait_closed (fd);
    close (fd);
  }
}

static void
test_refused (void)
{
  run (send_refused, G_N_ELEMENTS (refused));
}

static const struct {
  const char *header;
  unsigned status;
} handshakes[] = {
    {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426},
    {"Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426},
    {"Sec-WebSocket-Version: 13\r\n", 400},
    {"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n", 400},
};

static void
shake_wrong_hands (Fixture *fixture)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (handshakes); i++) {
    g_autofree char *request =
        g_strdup_printf ("GET /socket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\n%s\r\n",
                         handshakes[i].header);
    g_autofree char *answer = client_exchange (fixture, request);
    g_assert_cmpuint (client_status (answer), ==, handshakes[i].status);
  }
}

static void
test_handshakes (void)
{
  run (shake_wrong_hands, 0);
}

/* --- floods and silence
 * -------------------------------------------------------------------------------------- */

/* Pings whose pongs nobody reads must not pile up without bound: the server stops reading, so our writes
 * stall. */
static void
flood (Fixture *fixture)
{
  int fd = open_socket (fixture);
  g_autofree char *payload = g_strnfill (125, 'p');
  g_autoptr (GByteArray) frame = make_frame (FIN_PING, payload, 125);
  const struct timeval timeout = {.tv_usec = 300000};
  setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  uint64_t n_sent = 0;
  while (n_sent < 200 * 1000 * 1000 &&
         send (fd, frame->data, frame->len, MSG_NOSIGNAL) == (ssize_t)frame->len)
    n_sent += frame->len;
  g_assert_cmpuint (n_sent, <, 200 * 1000 * 1000);
  close (fd);
}

static void
test_flood (void)
{
  run (flood, 1);
}

/* A client that does not read is closed when its queue is full. */
static void
test_slow_reader (void)
{
  Fixture fixture;
  fixture_set_up (&fixture, NULL);
  int fd = client_connect (&fixture);
  client_send (fd, handshake, strlen (handshake));
  while (!fixture.socket)
    g_main_context_iteration (NULL, TRUE);
  g_autofree char *text = g_strnfill (100000, 'x');
  g_autoptr (GBytes) bytes = g_bytes_new (text, 100000);
  unsigned n = 0;
  while (websocket_send (fixture.socket, bytes))
    g_assert_cmpuint (++n, <, 10000);
  fixture_wait (&fixture.n_closed, 1);
  close (fd);
  fixture_tear_down (&fixture);
}

static void
leave (Fixture *fixture)
{
  close (open_socket (fixture));
}

static void
test_client_leaves (void)
{
  run (leave, 1);
}

static void
keep_open (Fixture *fixture)
{
  for (unsigned i = 0; i < 3; i++)
    open_socket (fixture);
}

static void
test_stop_while_open (void)
{
  Fixture fixture;
  fixture_set_up (&fixture, NULL);
  int fd = client_connect (&fixture);
  client_send (fd, handshake, strlen (handshake));
  while (!fixture.socket)
    g_main_context_iteration (NULL, TRUE);
  fixture_run (&fixture, keep_open);
  fixture_tear_down (&fixture);
  g_assert_cmpuint (fixture.n_closed, ==, 4);
  client_wait_closed (fd);
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/http/websocket/echo", test_echo);
  g_test_add_func ("/http/websocket/early-frame", test_early_frame);
  g_test_add_func ("/http/websocket/byte-by-byte", test_byte_by_byte);
  g_test_add_func ("/http/websocket/refused", test_refused);
  g_test_add_func ("/http/websocket/handshakes", test_handshakes);
  g_test_add_func ("/http/websocket/flood", test_flood);
  g_test_add_func ("/http/websocket/slow-reader", test_slow_reader);
  g_test_add_func ("/http/websocket/client-leaves", test_client_leaves);
  g_test_add_func ("/http/websocket/stop-while-open", test_stop_while_open);
  return g_test_run ();
}
