/* SPDX-License-Identifier: Apache-2.0 */
/* A stream connection: dialing, TLS and reading in bursts through the loop's scratch buffer.
 *
 * An owner may free or release the connection inside a callback, and after a release another thread may
 * already be at work on it. So every callback runs under a flag on our stack that conn_free() and
 * conn_release() raise, and nothing of the connection is touched once it is up. */
#include "base/conn.h"

#include "base/dial.h"
#include "base/error.h"
#include "base/tls_session.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
  READ_ROUNDS = 4, /* full buffers of one connection before others get their turn */
  KEEPALIVE_IDLE_S = 30,
  KEEPALIVE_INTERVAL_S = 10,
  KEEPALIVE_PROBES = 3,
};

typedef enum { STAGE_DIALING, STAGE_HANDSHAKE, STAGE_OPEN, STAGE_CLOSED } Stage;

struct Conn {
  Loop *loop; /* NULL while released */
  const ConnOps *ops;
  void *data;
  Stage stage;
  int fd;
  LoopPoll *poll;
  bool want_write;
  bool paused;
  bool is_client;
  bool *gone;           /* on the stack of the callback that runs now */
  LoopDeferred failing; /* reports broken_errno */
  int broken_errno;
  TlsSession *tls;
  LoopTimer *resume; /* reads on what TLS holds: the socket may never become readable again */
  NetAddress peer, local;

  /* while connecting */
  Dial *dial;
  LoopTimer *deadline;
  unsigned timeout_ms;
  char *target; /* host:port */
  bool use_tls;
  TlsClientOptions tls_options; /* strings owned */
};

/* --- callbacks ---------------------------------------------------------------------------------------------
 */

/* Each returns false when the connection is not ours to touch any more. */

static bool
leave_callback (Conn *conn, const bool *gone)
{
  if (*gone)
    return false;
  conn->gone = NULL;
  return true;
}

static bool
notify (Conn *conn, void (*func) (void *data))
{
  if (!func)
    return true;
  bool gone = false;
  conn->gone = &gone;
  func (conn->data);
  return leave_callback (conn, &gone);
}

static bool
notify_data (Conn *conn, const uint8_t *bytes, size_t n_bytes)
{
  bool gone = false;
  conn->gone = &gone;
  conn->ops->on_data (conn->data, bytes, n_bytes);
  return leave_callback (conn, &gone);
}

static void
stop (Conn *conn)
{
  g_clear_pointer (&conn->poll, loop_poll_free);
  g_clear_pointer (&conn->dial, dial_free);
  g_clear_pointer (&conn->deadline, loop_timer_free);
  g_clear_pointer (&conn->resume, loop_timer_free);
  if (conn->loop)
    loop_defer_cancel (conn->loop, &conn->failing);
}

static void
report_closed (Conn *conn, const GError *error)
{
  if (conn->stage == STAGE_CLOSED)
    return;
  conn->stage = STAGE_CLOSED;
  stop (conn);
  bool gone = false;
  conn->gone = &gone;
  conn->ops->on_closed (conn->data, error);
  (void)leave_callback (conn, &gone);
}

static void
report_errno (Conn *conn, int failure)
{
  g_autoptr (GError) error = NULL;
  sluice_error_set_errno (&error, failure, "connection lost");
  report_closed (conn, error);
}

static void
on_failing (void *data)
{
  Conn *conn = data;
  report_errno (conn, conn->broken_errno);
}

/* --- readiness ---------------------------------------------------------------------------------------------
 */

static void
update_poll (Conn *conn)
{
  if (!conn->poll)
    return;
  unsigned events = 0;
  if (!conn->paused || conn->stage == STAGE_HANDSHAKE)
    events |= LOOP_READ;
  if ((conn->want_write && conn->stage == STAGE_OPEN) || (conn->tls && tls_session_unsent (conn->tls)))
    events |= LOOP_WRITE;
  loop_poll_set (conn->poll, events);
}

static void schedule_resume (Conn *conn);

typedef enum { FILL_FULL, FILL_EMPTY, FILL_CLOSED, FILL_FAILED } FillResult;

static FillResult
fill_plain (Conn *conn, uint8_t *buffer, size_t *ret_n, GError **error)
{
  ssize_t n;
  do
    n = recv (conn->fd, buffer, LOOP_SCRATCH_BYTES, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n == 0)
    return FILL_CLOSED;
  if (n > 0) {
    *ret_n = (size_t)n;
    /* A short read means empty; an end behind it shows on the next turn. */
    return n == LOOP_SCRATCH_BYTES ? FILL_FULL : FILL_EMPTY;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK)
    return FILL_EMPTY;
  sluice_error_set_errno (error, errno, "connection lost");
  return FILL_FAILED;
}

static FillResult
fill_tls (Conn *conn, uint8_t *buffer, size_t *ret_n, GError **error)
{
  while (*ret_n < LOOP_SCRATCH_BYTES) {
    size_t n;
    TlsResult result = tls_session_read (conn->tls, buffer + *ret_n, LOOP_SCRATCH_BYTES - *ret_n, &n, error);
    if (result == TLS_FAILED)
      return FILL_FAILED;
    if (result == TLS_BLOCKED)
      return FILL_EMPTY;
    if (n == 0)
      return FILL_CLOSED;
    *ret_n += n;
  }
  return FILL_FULL;
}

static void
read_burst (Conn *conn)
{
  g_autoptr (GError) error = NULL;
  FillResult result = FILL_FULL;
  bool any = false;
  for (unsigned i = 0; i < READ_ROUNDS && result == FILL_FULL && !conn->paused; i++) {
    uint8_t *buffer = loop_scratch (conn->loop);
    size_t n = 0;
    result = conn->tls ? fill_tls (conn, buffer, &n, &error) : fill_plain (conn, buffer, &n, &error);
    if (n > 0) {
      any = true;
      if (!notify_data (conn, buffer, n))
        return;
    }
  }
  if (any && conn->ops->on_burst_end && !notify (conn, conn->ops->on_burst_end))
    return;
  if (result == FILL_CLOSED || result == FILL_FAILED) {
    report_closed (conn, error);
    return;
  }
  if (conn->tls)
    schedule_resume (conn);
  update_poll (conn);
}

static void
on_resume (void *data)
{
  Conn *conn = data;
  if (conn->stage == STAGE_OPEN && !conn->paused)
    read_burst (conn);
}

static void
schedule_resume (Conn *conn)
{
  if (conn->stage != STAGE_OPEN || conn->paused || !tls_session_has_pending (conn->tls))
    return;
  if (!conn->resume)
    conn->resume = loop_timer_new (conn->loop, on_resume, conn);
  loop_timer_start (conn->resume, 0, 0);
}

static void
become_open (Conn *conn)
{
  conn->stage = STAGE_OPEN;
  g_clear_pointer (&conn->deadline, loop_timer_free);
  update_poll (conn);
  if (conn->is_client && !notify (conn, conn->ops->on_connected))
    return;
  if (conn->tls && conn->loop)
    schedule_resume (conn);
}

static void
continue_handshake (Conn *conn)
{
  g_autoptr (GError) error = NULL;
  switch (tls_session_handshake (conn->tls, &error)) {
  case TLS_DONE:
    become_open (conn);
    break;
  case TLS_BLOCKED:
    update_poll (conn);
    break;
  case TLS_FAILED:
    report_closed (conn, error);
    break;
  }
}

/* A connection that is paused shows no error by reading. False when it has been reported closed. */
static bool
survives_hangup (Conn *conn)
{
  /* libuv has stopped watching by itself: make the next loop_poll_set() start anew. */
  loop_poll_set (conn->poll, 0);
  int failure = 0;
  socklen_t len = sizeof failure;
  if (conn->paused && getsockopt (conn->fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0 && failure) {
    report_errno (conn, failure);
    return false;
  }
  return true;
}

static void
on_ready (void *data, unsigned events)
{
  Conn *conn = data;
  if ((events & LOOP_HANGUP) && !survives_hangup (conn))
    return;
  if (conn->stage == STAGE_HANDSHAKE) {
    continue_handshake (conn);
    return;
  }
  if (events & LOOP_WRITE) {
    if (conn->tls && !tls_session_flush (conn->tls)) {
      report_errno (conn, EPIPE);
      return;
    }
    bool room = !conn->tls || tls_session_unsent (conn->tls) == 0;
    if (room && conn->want_write && !notify (conn, conn->ops->on_writable))
      return;
  }
  if ((events & (LOOP_READ | LOOP_HANGUP)) && conn->stage == STAGE_OPEN && !conn->paused)
    read_burst (conn);
  else
    update_poll (conn);
}

/* --- making ------------------------------------------------------------------------------------------------
 */

static void
set_socket_options (int fd)
{
  const struct {
    int level, name, value;
  } options[] = {
      {IPPROTO_TCP, TCP_NODELAY, 1},
      {SOL_SOCKET, SO_KEEPALIVE, 1},
      {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
      {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
      {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (options); i++)
    (void)setsockopt (fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

static Conn *
conn_alloc (Loop *loop, const ConnOps *ops, void *data)
{
  loop_assert (loop);
  Conn *conn = g_new0 (Conn, 1);
  conn->loop = loop;
  conn->ops = ops;
  conn->data = data;
  conn->fd = -1;
  conn->failing = (LoopDeferred){.func = on_failing, .data = conn};
  return conn;
}

/* @fd is the connection's from here on, also on failure. */
static bool
attach_socket (Conn *conn, int fd, GError **error)
{
  conn->fd = fd;
  set_socket_options (fd);
  if (net_peer_address (fd, &conn->peer))
    net_address_unmap (&conn->peer);
  if (net_local_address (fd, &conn->local))
    net_address_unmap (&conn->local);
  conn->poll = loop_poll_new (conn->loop, fd, on_ready, conn, error);
  return conn->poll != NULL;
}

Conn *
conn_new_accepted (Loop *loop, int fd, TlsServer *tls, const ConnOps *ops, void *data, GError **error)
{
  g_autoptr (Conn) conn = conn_alloc (loop, ops, data);
  if (!attach_socket (conn, fd, error))
    return NULL;
  if (tls)
    conn->tls = tls_session_new_server (tls, fd);
  conn->stage = tls ? STAGE_HANDSHAKE : STAGE_OPEN;
  update_poll (conn);
  return g_steal_pointer (&conn);
}

static void
on_deadline (void *data)
{
  Conn *conn = data;
  const char *what = conn->stage == STAGE_HANDSHAKE ? "did not complete the TLS handshake" : "did not answer";
  g_autoptr (GError) error = g_error_new (SLUICE_ERROR, SLUICE_ERROR_TIMEOUT, "%s %s within %u ms",
                                          conn->target, what, conn->timeout_ms);
  report_closed (conn, error);
}

static void
on_dialed (void *data, int fd, const GError *dial_error)
{
  Conn *conn = data;
  g_clear_pointer (&conn->dial, dial_free);
  if (fd < 0) {
    report_closed (conn, dial_error);
    return;
  }
  g_autoptr (GError) error = NULL;
  if (!attach_socket (conn, fd, &error)) {
    report_closed (conn, error);
    return;
  }
  if (!conn->use_tls) {
    become_open (conn);
    return;
  }
  conn->tls = tls_session_new_client (&conn->tls_options, fd, &error);
  if (!conn->tls) {
    report_closed (conn, error);
    return;
  }
  conn->stage = STAGE_HANDSHAKE;
  continue_handshake (conn);
}

Conn *
conn_connect (Loop *loop, const char *host, uint16_t port, const TlsClientOptions *tls, unsigned timeout_ms,
              const ConnOps *ops, void *data)
{
  Conn *conn = conn_alloc (loop, ops, data);
  conn->is_client = true;
  conn->stage = STAGE_DIALING;
  conn->timeout_ms = timeout_ms;
  conn->target = g_strdup_printf (strchr (host, ':') ? "[%s]:%u" : "%s:%u", host, port);
  if (tls) {
    conn->use_tls = true;
    conn->tls_options = (TlsClientOptions){
        .server_name = g_strdup (tls->server_name ? tls->server_name : host),
        .verify = tls->verify,
        .fingerprint = g_strdup (tls->fingerprint),
        .ca_file = g_strdup (tls->ca_file),
    };
  }
  if (timeout_ms) {
    conn->deadline = loop_timer_new (loop, on_deadline, conn);
    loop_timer_start (conn->deadline, timeout_ms, 0);
  }
  conn->dial = dial_new (loop, host, port, on_dialed, conn);
  return conn;
}

void
conn_free (Conn *conn)
{
  if (!conn)
    return;
  if (conn->gone)
    *conn->gone = true;
  stop (conn);
  tls_session_free (conn->tls);
  if (conn->fd >= 0)
    close (conn->fd);
  g_free ((char *)conn->tls_options.server_name);
  g_free ((char *)conn->tls_options.fingerprint);
  g_free ((char *)conn->tls_options.ca_file);
  g_free (conn->target);
  g_free (conn);
}

/* --- using -------------------------------------------------------------------------------------------------
 */

/* The owner learns of it on a later turn, never inside its own call. */
static ssize_t
fail_later (Conn *conn, int failure)
{
  if (!conn->broken_errno) {
    conn->broken_errno = failure;
    loop_defer (conn->loop, &conn->failing);
  }
  return -1;
}

ssize_t
conn_writev (Conn *conn, const struct iovec *iov, int n_iov)
{
  loop_assert (conn->loop);
  if (conn->stage == STAGE_CLOSED || conn->broken_errno)
    return -1;
  if (conn->stage != STAGE_OPEN)
    return 0;
  if (conn->tls) {
    ssize_t taken = tls_session_writev (conn->tls, iov, n_iov);
    update_poll (conn);
    return taken < 0 ? fail_later (conn, EPIPE) : taken;
  }

  struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)MIN (n_iov, IOV_MAX)};
  ssize_t n;
  do
    n = sendmsg (conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n >= 0)
    return n;
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
    return 0;
  return fail_later (conn, errno);
}

void
conn_want_write (Conn *conn, bool want)
{
  loop_assert (conn->loop);
  if (conn->want_write == want)
    return;
  conn->want_write = want;
  update_poll (conn);
}

void
conn_pause_reading (Conn *conn, bool pause)
{
  loop_assert (conn->loop);
  if (conn->paused == pause)
    return;
  conn->paused = pause;
  if (conn->tls && !pause)
    schedule_resume (conn);
  update_poll (conn);
}

void
conn_release (Conn *conn)
{
  loop_assert (conn->loop);
  g_return_if_fail (conn->stage != STAGE_DIALING);
  if (conn->gone)
    *conn->gone = true;
  conn->gone = NULL;
  stop (conn);
  conn->loop = NULL;
}

bool
conn_adopt (Conn *conn, Loop *loop, GError **error)
{
  loop_assert (loop);
  g_return_val_if_fail (!conn->loop, false);
  conn->poll = conn->stage == STAGE_CLOSED ? NULL : loop_poll_new (loop, conn->fd, on_ready, conn, error);
  if (!conn->poll && conn->stage != STAGE_CLOSED)
    return false;
  conn->loop = loop;
  if (conn->broken_errno && conn->stage != STAGE_CLOSED)
    loop_defer (loop, &conn->failing);
  if (conn->tls)
    schedule_resume (conn);
  update_poll (conn);
  return true;
}

void
conn_set_ops (Conn *conn, const ConnOps *ops, void *data)
{
  conn->ops = ops;
  conn->data = data;
}

const NetAddress *
conn_peer (const Conn *conn)
{
  return &conn->peer;
}

const NetAddress *
conn_local (const Conn *conn)
{
  return &conn->local;
}

bool
conn_is_tls (const Conn *conn)
{
  return conn->tls != NULL || conn->use_tls;
}

int
conn_fd (const Conn *conn)
{
  return conn->fd;
}

size_t
conn_unsent (const Conn *conn)
{
  int kernel = 0;
  if (conn->fd < 0 || ioctl (conn->fd, SIOCOUTQ, &kernel) < 0)
    kernel = 0;
  return (size_t)kernel + (conn->tls ? tls_session_unsent (conn->tls) : 0);
}
