/* SPDX-License-Identifier: Apache-2.0 */
/* Connections over loopback: both ends are ours, each on a loop of its own. */
#include "base/conn.h"
#include "base/error.h"
#include "base/listener.h"
#include "certificate.h"

#include <string.h>
#include <unistd.h>

enum { DEADLINE_S = 10 };

typedef enum {
  ON_DATA_KEEP,
  ON_DATA_FREE,    /* conn_free() inside on_data */
  ON_DATA_MIGRATE, /* conn_release() inside on_data, conn_adopt() on the other loop */
  ON_DATA_ECHO,
} OnData;

typedef struct {
  Loop *loop, *other_loop;
  Conn *conn;
  TlsServer *tls;
  OnData behavior;
  bool free_when_connected;
  bool fill; /* writes whenever there is room */
  bool start_paused;
  GMutex lock; /* the rest */
  GByteArray *received;
  size_t sent;
  unsigned connected, bursts, closed, adopted, blocked;
  bool on_wrong_loop;
  GError *error;
  NetAddress peer;
} End;

typedef struct {
  LoopPool *pool;
  Listener *listener;
  End client, server;
  TestCertificate *certificate;
  unsigned n_dialed;
} Fixture;

#define WAIT_FOR(end, condition)                                                                             \
  G_STMT_START                                                                                               \
  {                                                                                                          \
    gint64 deadline_ = g_get_monotonic_time () + DEADLINE_S * G_USEC_PER_SEC;                                \
    for (bool ok_ = false; !ok_;) {                                                                          \
      g_mutex_lock (&(end)->lock);                                                                           \
      ok_ = (condition);                                                                                     \
      g_mutex_unlock (&(end)->lock);                                                                         \
      if (!ok_ && g_get_monotonic_time () > deadline_)                                                       \
        g_error ("waited in vain for " #condition);                                                          \
      if (!ok_)                                                                                              \
        g_usleep (500);                                                                                      \
    }                                                                                                        \
  }                                                                                                          \
  G_STMT_END

static void
adopt (void *data)
{
  End *end = data;
  g_autoptr (GError) error = NULL;
  g_assert_true (conn_adopt (end->conn, end->loop, &error));
  g_assert_no_error (error);
  g_mutex_lock (&end->lock);
  end->adopted++;
  g_mutex_unlock (&end->lock);
}

static ssize_t
write_bytes (End *end, const uint8_t *bytes, size_t n_bytes)
{
  /* In two pieces: both kinds of connection must gather. */
  struct iovec iov[2] = {{(void *)bytes, n_bytes / 2},
                         {(void *)(bytes + n_bytes / 2), n_bytes - n_bytes / 2}};
  ssize_t n = conn_writev (end->conn, iov, 2);
  g_mutex_lock (&end->lock);
  if (n > 0)
    end->sent += (size_t)n;
  if (n == 0)
    end->blocked++;
  g_mutex_unlock (&end->lock);
  return n;
}

static void
on_connected (void *data)
{
  End *end = data;
  g_mutex_lock (&end->lock);
  end->connected++;
  end->peer = *conn_peer (end->conn);
  g_mutex_unlock (&end->lock);
  if (end->free_when_connected)
    g_clear_pointer (&end->conn, conn_free);
}

static void
on_data (void *data, const uint8_t *bytes, size_t n_bytes)
{
  End *end = data;
  g_mutex_lock (&end->lock);
  g_byte_array_append (end->received, bytes, (guint)n_bytes);
  end->on_wrong_loop |= !loop_is_current (end->loop);
  g_mutex_unlock (&end->lock);
  switch (end->behavior) {
  case ON_DATA_KEEP:
    break;
  case ON_DATA_FREE:
    g_clear_pointer (&end->conn, conn_free);
    break;
  case ON_DATA_MIGRATE:
    conn_release (end->conn);
    Loop *next = end->other_loop;
    end->other_loop = end->loop;
    end->loop = next;
    loop_post (next, adopt, end);
    break;
  case ON_DATA_ECHO:
    write_bytes (end, bytes, n_bytes);
    break;
  }
}

static void
on_burst_end (void *data)
{
  End *end = data;
  g_mutex_lock (&end->lock);
  end->bursts++;
  g_mutex_unlock (&end->lock);
}

static void
on_writable (void *data)
{
  End *end = data;
  static const uint8_t block[40000];
  while (end->fill && write_bytes (end, block, sizeof block) > 0)
    continue;
}

static void
on_closed (void *data, const GError *error)
{
  End *end = data;
  g_clear_pointer (&end->conn, conn_free);
  g_mutex_lock (&end->lock);
  end->closed++;
  end->error = error ? g_error_copy (error) : NULL;
  g_mutex_unlock (&end->lock);
}

static const ConnOps end_ops = {
    .on_connected = on_connected,
    .on_data = on_data,
    .on_burst_end = on_burst_end,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

static void
on_accepted (void *data, int fd, const NetAddress *peer)
{
  End *end = data;
  g_autoptr (GError) error = NULL;
  end->conn = conn_new_accepted (end->loop, fd, end->tls, &end_ops, end, &error);
  g_assert_no_error (error);
  if (end->start_paused)
    conn_pause_reading (end->conn, true);
  g_mutex_lock (&end->lock);
  end->connected++;
  g_mutex_unlock (&end->lock);
}

static void
setup (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  f->pool = loop_pool_new (2, &error);
  g_assert_no_error (error);
  f->client.loop = f->server.other_loop = loop_pool_get (f->pool, 0);
  f->server.loop = f->client.other_loop = loop_pool_get (f->pool, 1);
  f->client.received = g_byte_array_new ();
  f->server.received = g_byte_array_new ();
  f->certificate = test_certificate_new ("camera.test");
  if (GPOINTER_TO_INT (data)) {
    f->server.tls = tls_server_new (f->certificate->certificate_file, f->certificate->key_file, &error);
    g_assert_no_error (error);
  }
  NetAddress address;
  g_assert_true (net_address_parse ("127.0.0.1:0", &address, NULL));
  f->listener =
      listener_new (f->server.loop, &address, &(ListenerLimits){0}, on_accepted, &f->server, &error);
  g_assert_no_error (error);
}

static void
close_end (void *data)
{
  End *end = data;
  g_clear_pointer (&end->conn, conn_free);
}

static void
close_listener (void *data)
{
  listener_close (data);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  loop_call (f->server.loop, close_end, &f->server);
  loop_call (f->client.loop, close_end, &f->client);
  loop_call (loop_pool_get (f->pool, 1), close_listener, f->listener);
  listener_unref (f->listener);
  loop_pool_free (f->pool);
  g_byte_array_unref (f->client.received);
  g_byte_array_unref (f->server.received);
  g_clear_error (&f->client.error);
  g_clear_error (&f->server.error);
  tls_server_unref (f->server.tls);
  test_certificate_free (f->certificate);
}

typedef struct {
  End *end;
  const char *host;
  uint16_t port;
  const TlsClientOptions *tls;
  unsigned timeout_ms;
} Dialing;

static void
dial_on_loop (void *data)
{
  Dialing *dialing = data;
  dialing->end->conn = conn_connect (dialing->end->loop, dialing->host, dialing->port, dialing->tls,
                                     dialing->timeout_ms, &end_ops, dialing->end);
  /* Never before the return. */
  g_assert_cmpuint (dialing->end->closed, ==, 0);
}

static void
dial (Fixture *f, const char *host, const TlsClientOptions *tls)
{
  Dialing dialing = {&f->client, host, net_address_port (listener_address (f->listener)), tls, 5000};
  loop_call (f->client.loop, dial_on_loop, &dialing);
}

/* Connects the way the fixture's server wants it. */
static void
dial_matching (Fixture *f)
{
  TlsClientOptions options = {.fingerprint = f->certificate->fingerprint};
  dial (f, "127.0.0.1", f->server.tls ? &options : NULL);
  WAIT_FOR (&f->client, f->client.connected == 1);
  /* The kernel completes connections before they are accepted. */
  f->n_dialed++;
  WAIT_FOR (&f->server, f->server.connected == f->n_dialed);
}

static void
write_hello (void *data)
{
  write_bytes (data, (const uint8_t *)"hello", 5);
}

static void
check_tls (void *data)
{
  Fixture *f = data;
  g_assert_cmpint (conn_is_tls (f->client.conn), ==, f->server.tls != NULL);
}

static void
test_exchange (Fixture *f, gconstpointer data)
{
  f->server.behavior = ON_DATA_ECHO;
  dial_matching (f);
  g_assert_true (net_address_equal (&f->client.peer, listener_address (f->listener)));
  loop_call (f->client.loop, write_hello, &f->client);
  WAIT_FOR (&f->client, f->client.received->len == 5 && f->client.bursts == 1);
  g_assert_cmpmem (f->client.received->data, 5, "hello", 5);
  loop_call (f->client.loop, check_tls, f);

  loop_call (f->server.loop, close_end, &f->server);
  WAIT_FOR (&f->client, f->client.closed == 1);
  g_assert_no_error (f->client.error);
}

static void
test_by_name (Fixture *f, gconstpointer data)
{
  dial (f, "localhost", NULL);
  WAIT_FOR (&f->client, f->client.connected == 1);
}

static void
start_filling (void *data)
{
  End *end = data;
  end->fill = true;
  conn_want_write (end->conn, true);
}

static void
stop_filling (void *data)
{
  End *end = data;
  end->fill = false;
  conn_want_write (end->conn, false);
}

static void
resume_reading (void *data)
{
  conn_pause_reading (((End *)data)->conn, false);
}

static void
get_unsent (void *data)
{
  End *end = data;
  g_assert_cmpuint (conn_unsent (end->conn), >, 0);
}

/* The peer does not read: writes are taken in part, then not at all; what was taken arrives, nothing else. */
static void
test_partial_writes (Fixture *f, gconstpointer data)
{
  f->server.start_paused = true;
  dial_matching (f);
  loop_call (f->client.loop, start_filling, &f->client);
  WAIT_FOR (&f->client, f->client.blocked > 0);
  loop_call (f->client.loop, get_unsent, &f->client);
  g_assert_cmpuint (f->server.received->len, ==, 0);
  loop_call (f->client.loop, stop_filling, &f->client);
  loop_call (f->server.loop, resume_reading, &f->server);
  WAIT_FOR (&f->server, f->server.received->len == f->client.sent);
}

static void
check_freed (void *data)
{
  g_assert_null (((End *)data)->conn);
}

static void
test_free_inside (Fixture *f, gconstpointer data)
{
  f->server.behavior = ON_DATA_FREE;
  dial_matching (f);
  loop_call (f->client.loop, write_hello, &f->client);
  WAIT_FOR (&f->client, f->client.closed == 1);
  loop_call (f->server.loop, check_freed, &f->server);
  g_assert_cmpuint (f->server.closed, ==, 0);
  g_assert_cmpuint (f->server.bursts, ==, 0);
}

static void
test_free_when_connected (Fixture *f, gconstpointer data)
{
  f->client.free_when_connected = true;
  dial_matching (f);
  WAIT_FOR (&f->server, f->server.closed == 1);
  g_assert_cmpuint (f->client.closed, ==, 0);
}

static void
test_migration (Fixture *f, gconstpointer data)
{
  f->server.behavior = ON_DATA_MIGRATE;
  dial_matching (f);
  for (unsigned i = 1; i <= 20; i++) {
    loop_call (f->client.loop, write_hello, &f->client);
    WAIT_FOR (&f->server, f->server.received->len == i * 5 && f->server.adopted == i);
  }
  g_assert_false (f->server.on_wrong_loop);
}

static void
test_refused (Fixture *f, gconstpointer data)
{
  NetAddress address;
  g_assert_true (net_address_parse ("127.0.0.1:0", &address, NULL));
  int fd = net_bind_udp (&address, NULL);
  g_assert_true (net_local_address (fd, &address));
  /* Nobody listens on TCP where we hold the UDP port. */
  Dialing dialing = {&f->client, "127.0.0.1", net_address_port (&address), NULL, 5000};
  loop_call (f->client.loop, dial_on_loop, &dialing);
  WAIT_FOR (&f->client, f->client.closed == 1);
  g_assert_error (f->client.error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE);
  g_assert_nonnull (strstr (f->client.error->message, "refused"));
  close (fd);
}

static void
test_no_such_name (Fixture *f, gconstpointer data)
{
  dial (f, "no-such-host.invalid", NULL);
  WAIT_FOR (&f->client, f->client.closed == 1);
  g_assert_error (f->client.error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE);
  g_assert_nonnull (strstr (f->client.error->message, "no-such-host.invalid"));
}

/* The backlog of a listener that never accepts is full: the handshake of TCP is not answered. */
static void
test_connect_timeout (Fixture *f, gconstpointer data)
{
  NetAddress address;
  g_assert_true (net_address_parse ("127.0.0.1:0", &address, NULL));
  int fd = net_listen_tcp (&address, 0, NULL);
  g_assert_true (net_local_address (fd, &address));
  int clients[4];
  for (unsigned i = 0; i < G_N_ELEMENTS (clients); i++) {
    clients[i] = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)connect (clients[i], &address.sa, address.len);
  }
  Dialing dialing = {&f->client, "127.0.0.1", net_address_port (&address), NULL, 50};
  loop_call (f->client.loop, dial_on_loop, &dialing);
  WAIT_FOR (&f->client, f->client.closed == 1);
  g_assert_error (f->client.error, SLUICE_ERROR, SLUICE_ERROR_TIMEOUT);
  for (unsigned i = 0; i < G_N_ELEMENTS (clients); i++)
    close (clients[i]);
  close (fd);
}

/* A TCP server that says nothing, asked for TLS. */
static void
test_handshake_timeout (Fixture *f, gconstpointer data)
{
  TlsClientOptions options = {.fingerprint = f->certificate->fingerprint};
  Dialing dialing = {&f->client, "127.0.0.1", net_address_port (listener_address (f->listener)), &options,
                     50};
  loop_call (f->client.loop, dial_on_loop, &dialing);
  WAIT_FOR (&f->client, f->client.closed == 1);
  g_assert_error (f->client.error, SLUICE_ERROR, SLUICE_ERROR_TIMEOUT);
  g_assert_nonnull (strstr (f->client.error->message, "TLS"));
}

static void
write_nonsense (void *data)
{
  static const char text[] = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
  write_bytes (data, (const uint8_t *)text, strlen (text));
}

static void
test_not_tls (Fixture *f, gconstpointer data)
{
  /* A plain client at a TLS server. */
  dial (f, "127.0.0.1", NULL);
  WAIT_FOR (&f->client, f->client.connected == 1);
  loop_call (f->client.loop, write_nonsense, &f->client);
  WAIT_FOR (&f->server, f->server.closed == 1);
  g_assert_error (f->server.error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL);
}

static void
test_certificates (Fixture *f, gconstpointer data)
{
  static const char wrong[] = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                              "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
  const char *ca = f->certificate->certificate_file;
  g_autofree char *bare = g_ascii_strdown (f->certificate->fingerprint, -1);
  g_auto (GStrv) parts = g_strsplit (bare, ":", -1);
  g_autofree char *joined = g_strjoinv ("", parts);
  const struct {
    const char *what;
    TlsClientOptions options;
    int error; /* -1: accepted */
  } cases[] = {
      {"right name", {.server_name = "camera.test", .verify = true, .ca_file = ca}, -1},
      {"right address", {.server_name = "127.0.0.1", .verify = true, .ca_file = ca}, -1},
      {"host by default", {.verify = true, .ca_file = ca}, -1},
      {"wrong name",
       {.server_name = "other.test", .verify = true, .ca_file = ca},
       SLUICE_ERROR_UNAUTHENTICATED},
      {"wrong address",
       {.server_name = "127.0.0.2", .verify = true, .ca_file = ca},
       SLUICE_ERROR_UNAUTHENTICATED},
      {"unknown authority", {.server_name = "camera.test", .verify = true}, SLUICE_ERROR_UNAUTHENTICATED},
      {"no check", {.server_name = "other.test"}, -1},
      {"fingerprint", {.server_name = "other.test", .verify = true, .fingerprint = joined}, -1},
      {"wrong fingerprint",
       {.verify = true, .ca_file = ca, .fingerprint = wrong},
       SLUICE_ERROR_UNAUTHENTICATED},
      {"bad fingerprint", {.fingerprint = "12:34"}, SLUICE_ERROR_INVALID_ARGUMENT},
      {"missing authorities", {.verify = true, .ca_file = "/nonexistent"}, SLUICE_ERROR_INVALID_ARGUMENT},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_test_message ("%s", cases[i].what);
    f->client.connected = f->client.closed = 0;
    f->server.closed = 0;
    g_clear_error (&f->client.error);
    dial (f, "127.0.0.1", &cases[i].options);
    WAIT_FOR (&f->client, f->client.connected + f->client.closed == 1);
    if (cases[i].error < 0)
      g_assert_no_error (f->client.error);
    else
      g_assert_error (f->client.error, SLUICE_ERROR, cases[i].error);
    loop_call (f->client.loop, close_end, &f->client);
    WAIT_FOR (&f->server, f->server.closed == 1);
    g_clear_error (&f->server.error);
  }
}

static void
test_server_files (void)
{
  g_autoptr (TestCertificate) one = test_certificate_new ("one.test");
  g_autoptr (TestCertificate) two = test_certificate_new ("two.test");
  const char *const cases[][2] = {
      {"/nonexistent", one->key_file},
      {one->certificate_file, "/nonexistent"},
      {one->certificate_file, two->key_file},
      {one->key_file, one->key_file},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (tls_server_new (cases[i][0], cases[i][1], &error));
    g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
  }
}

/* Bytes in the same segments as the end of the handshake must not wait for more bytes. */
static void
test_write_when_connected (Fixture *f, gconstpointer data)
{
  f->server.behavior = ON_DATA_ECHO;
  for (unsigned i = 0; i < 20; i++) {
    f->client.connected = 0;
    f->server.closed = 0;
    g_byte_array_set_size (f->client.received, 0);
    dial_matching (f);
    loop_call (f->client.loop, write_hello, &f->client);
    WAIT_FOR (&f->client, f->client.received->len == 5);
    loop_call (f->client.loop, close_end, &f->client);
    WAIT_FOR (&f->server, f->server.closed == 1);
    g_assert_no_error (f->server.error);
  }
}

static void
add (const char *path, bool tls, void (*test) (Fixture *, gconstpointer))
{
  g_test_add (path, Fixture, GINT_TO_POINTER (tls), setup, test, teardown);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* A bundle of authorities is slow to read with sanitizers. */
  g_unsetenv ("SSL_CERT_FILE");
  add ("/conn/exchange", false, test_exchange);
  add ("/conn/by-name", false, test_by_name);
  add ("/conn/partial-writes", false, test_partial_writes);
  add ("/conn/free-inside", false, test_free_inside);
  add ("/conn/free-when-connected", false, test_free_when_connected);
  add ("/conn/migration", false, test_migration);
  add ("/conn/refused", false, test_refused);
  add ("/conn/no-such-name", false, test_no_such_name);
  add ("/conn/connect-timeout", false, test_connect_timeout);
  add ("/conn/handshake-timeout", false, test_handshake_timeout);
  add ("/conn/tls/exchange", true, test_exchange);
  add ("/conn/tls/partial-writes", true, test_partial_writes);
  add ("/conn/tls/free-inside", true, test_free_inside);
  add ("/conn/tls/free-when-connected", true, test_free_when_connected);
  add ("/conn/tls/migration", true, test_migration);
  add ("/conn/tls/not-tls", true, test_not_tls);
  add ("/conn/tls/certificates", true, test_certificates);
  add ("/conn/tls/write-when-connected", true, test_write_when_connected);
  g_test_add_func ("/conn/tls/server-files", test_server_files);
  return g_test_run ();
}
