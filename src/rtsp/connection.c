/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: bytes in through the parser, answers and media out through one queue, its deadlines, its
 * end.
 *
 * A callback may close the connection it is called for: every entry raises `depth`, and the struct is freed
 * when the last one leaves. */
#include "base/error.h"
#include "base/log.h"
#include "rtsp/server-private.h"

#include <unistd.h>

enum { MAX_IOV = 64 };

static const ReaderQueueLimits control_limits = {
    .bytes = READER_QUEUE_CONTROL_BYTES, .age_us = G_MAXINT64 / 2, .slow_us = G_MAXINT64 / 2};

static void
free_closed (RtspConnection *c)
{
  RtspServer *server = c->server;
  rtsp_parser_free (c->parser);
  if (c->stash)
    g_byte_array_unref (c->stash);
  request_free (c->request);
  settings_unref (c->settings);
  listener_unref (c->listener);
  g_object_unref (c->cancellable);
  g_free (c->peer);
  g_free (c->user_agent);
  g_free (c->user);
  g_free (c->allowed[0]);
  g_free (c->allowed[1]);
  g_free (c->lease_path);
  g_free (c);
  server_unref (server);
}

static void
enter (RtspConnection *c)
{
  c->depth++;
}

/* False when the connection is gone. */
static bool
leave (RtspConnection *c)
{
  bool gone = c->closed;
  if (--c->depth == 0 && gone)
    free_closed (c);
  return !gone;
}

void
connection_close (RtspConnection *c, const char *reason)
{
  if (c->closed)
    return;
  enter (c);
  c->closed = true;
  g_cancellable_cancel (c->cancellable);
  if (c->session)
    session_free (g_steal_pointer (&c->session), reason, NULL);
  g_clear_pointer (&c->lease, lease_free);
  tunnel_free (g_steal_pointer (&c->tunnel));
  publish_forget (g_steal_pointer (&c->announcing));
  if (c->home) {
    g_queue_unlink (&c->home->connections, &c->link);
    loop_defer_cancel (c->home->loop, &c->flush);
  }
  /* A POST half has given its socket away. */
  if (c->conn)
    listener_connection_closed (c->listener, conn_peer (c->conn));
  g_clear_pointer (&c->conn, conn_free);
  g_clear_pointer (&c->queue, reader_queue_free);
  LOG (LOG_RTSP, LOG_DEBUG, "connection-closed", (&(LogFields){.peer = c->peer}), "connection closed%s%s",
       reason ? ": " : "", reason ? reason : "");
  leave (c);
}

/* --- out ---------------------------------------------------------------------------------------------------
 */

bool
connection_flush (RtspConnection *c)
{
  if (c->closed)
    return false;
  while (!reader_queue_is_empty (c->queue)) {
    struct iovec iov[MAX_IOV];
    size_t n_want = 0;
    unsigned n_iov = reader_queue_peek (c->queue, iov, MAX_IOV);
    for (unsigned i = 0; i < n_iov; i++)
      n_want += iov[i].iov_len;
    ssize_t n = conn_writev (c->conn, iov, (int)n_iov);
    if (n < 0)
      return true; /* on_closed follows */
    reader_queue_consume (c->queue, (size_t)n, loop_now_us ());
    if ((size_t)n < n_want) {
      if (!c->writable_wanted)
        conn_want_write (c->conn, true);
      c->writable_wanted = true;
      return true;
    }
  }
  if (c->writable_wanted)
    conn_want_write (c->conn, false);
  c->writable_wanted = false;
  if (!c->closing)
    return true;
  connection_close (c, c->closing_reason);
  return false;
}

static void
on_deferred_flush (void *data)
{
  RtspConnection *c = data;
  enter (c);
  connection_flush (c);
  leave (c);
}

void
connection_flush_later (RtspConnection *c)
{
  if (!c->writable_wanted)
    loop_defer (c->home->loop, &c->flush);
}

bool
connection_send (RtspConnection *c, GBytes *bytes)
{
  if (c->closed) {
    g_bytes_unref (bytes);
    return false;
  }
  bool idle = reader_queue_is_empty (c->queue);
  if (!reader_queue_push_control (c->queue, bytes)) {
    connection_close (c, "answers are not read");
    return false;
  }
  return idle ? connection_flush (c) : true;
}

void
connection_close_after_flush (RtspConnection *c, const char *reason)
{
  if (c->closed)
    return;
  c->closing = true;
  c->closing_reason = reason;
  c->deadline_us = loop_now_us () + RTSP_LINGER_MS * 1000;
  connection_flush (c);
}

void
connection_set_queue (RtspConnection *c, ReaderQueue *queue)
{
  struct iovec iov[MAX_IOV];
  unsigned n;
  if (!queue)
    queue = reader_queue_new (&control_limits, -1);
  reader_queue_set_sent_func (c->queue, NULL, NULL);
  while ((n = reader_queue_peek (c->queue, iov, MAX_IOV)) > 0) {
    size_t n_bytes = 0;
    for (unsigned i = 0; i < n; i++) {
      reader_queue_push_control (queue, g_bytes_new (iov[i].iov_base, iov[i].iov_len));
      n_bytes += iov[i].iov_len;
    }
    reader_queue_consume (c->queue, n_bytes, 0);
  }
  reader_queue_free (c->queue);
  c->queue = queue;
}

static void
on_writable (void *data)
{
  RtspConnection *c = data;
  enter (c);
  connection_flush (c);
  leave (c);
}

/* --- in ----------------------------------------------------------------------------------------------------
 */

static void
keep_for_later (RtspConnection *c, const uint8_t *bytes, size_t n_bytes)
{
  if (n_bytes == 0)
    return;
  if (!c->stash)
    c->stash = g_byte_array_new ();
  /* The POST halves of a tunnel cannot be paused all at once. */
  if (c->stash->len + n_bytes > RTSP_STASH_MAX_BYTES) {
    connection_close (c, "too many bytes while a request waits");
    return;
  }
  g_byte_array_append (c->stash, bytes, (guint)n_bytes);
  if (c->stash->len > RTSP_STASH_BYTES)
    conn_pause_reading (c->conn, true);
}

static void
refuse_bytes (RtspConnection *c, const GError *error)
{
  atomic_fetch_add (&c->server->protocol_errors, 1);
  LOG (LOG_RTSP, LOG_INFO, "protocol-error", (&(LogFields){.peer = c->peer}), "connection closed: %s",
       error->message);
  g_autoptr (RtspMessage) response = rtsp_message_new_response (rtsp_parser_error_status (c->parser), NULL);
  rtsp_message_add (response, "Server", RTSP_SERVER_NAME);
  rtsp_message_add (response, "Connection", "close");
  if (connection_send (c, rtsp_message_serialize (response)))
    connection_close_after_flush (c, "protocol error");
}

static void
process (RtspConnection *c, const uint8_t *bytes, size_t n_bytes)
{
  bool progress = false;
  while (!c->closed && !c->closing) {
    if (c->busy) {
      keep_for_later (c, bytes, n_bytes);
      break;
    }
    RtspEvent event;
    g_autoptr (GError) error = NULL;
    RtspEventType type = rtsp_parser_next (c->parser, &bytes, &n_bytes, &event, &error);
    if (type == RTSP_EVENT_NONE)
      break;
    progress = true;
    if (type == RTSP_EVENT_ERROR) {
      refuse_bytes (c, error);
      return;
    }
    if (type == RTSP_EVENT_FRAME) {
      if (c->session)
        session_frame (c->session, event.channel, event.frame, event.n_frame);
    } else if (event.message->protocol == RTSP_PROTOCOL_HTTP) {
      if (tunnel_request (c, event.message, bytes, n_bytes))
        return;
      n_bytes = 0;
    } else {
      c->life_us = loop_now_us ();
      request_handle (c, event.message);
    }
  }
  if (c->closed || c->closing)
    return;
  if (progress)
    c->deadline_us = 0;
  if (c->deadline_us == 0 && rtsp_parser_pending (c->parser))
    c->deadline_us = loop_now_us () + c->settings->rtsp_request_timeout_ms * 1000;
}

void
connection_feed (RtspConnection *c, const uint8_t *bytes, size_t n_bytes)
{
  enter (c);
  if (c->busy)
    keep_for_later (c, bytes, n_bytes);
  else
    process (c, bytes, n_bytes);
  leave (c);
}

void
connection_burst_end (RtspConnection *c)
{
  if (!c->closed && c->session)
    session_burst_end (c->session);
}

static void
on_data (void *data, const uint8_t *bytes, size_t n_bytes)
{
  RtspConnection *c = data;
  /* Of a tunnel, requests come by its POST half. */
  if (!c->tunnel)
    connection_feed (c, bytes, n_bytes);
}

static void
on_burst_end (void *data)
{
  connection_burst_end (data);
}

static void
on_closed (void *data, const GError *error)
{
  RtspConnection *c = data;
  if (error)
    LOG (LOG_RTSP, LOG_DEBUG, "connection-lost", (&(LogFields){.peer = c->peer}), "%s", error->message);
  connection_close (c, error ? "connection lost" : "connection closed by the peer");
}

static const ConnOps conn_ops = {
    .on_data = on_data, .on_burst_end = on_burst_end, .on_writable = on_writable, .on_closed = on_closed};

/* Goes on with what came in while a request waited. */
static void
resume (RtspConnection *c)
{
  g_autoptr (GByteArray) stash = g_steal_pointer (&c->stash);
  c->busy = false;
  if (stash) {
    conn_pause_reading (c->conn, false);
    process (c, stash->data, stash->len);
  }
}

void
connection_answer (RtspConnection *c, GBytes *bytes)
{
  /* The answer may be one too many for a peer that reads none: it ends the connection. */
  enter (c);
  if (connection_send (c, bytes) && c->busy)
    resume (c);
  leave (c);
}

/* --- life --------------------------------------------------------------------------------------------------
 */

void
connection_accept (RtspLoop *home, int fd, TlsServer *tls, Listener *listener)
{
  g_autoptr (GError) error = NULL;
  NetAddress peer = {0};
  net_peer_address (fd, &peer);
  RtspConnection *c = g_new0 (RtspConnection, 1);
  Conn *conn = atomic_load (&home->server->stopping)
                   ? (close (fd), NULL)
                   : conn_new_accepted (home->loop, fd, tls, &conn_ops, c, &error);
  if (!conn) {
    listener_connection_closed (listener, &peer);
    g_free (c);
    return;
  }
  c->server = server_ref (home->server);
  c->home = home;
  c->link.data = c;
  c->conn = conn;
  c->listener = listener_ref (listener);
  c->settings = server_settings (home->server);
  c->peer = net_address_to_string (conn_peer (conn));
  c->parser = rtsp_parser_new (&(RtspLimits){.line_bytes = (size_t)c->settings->rtsp_request_line_bytes,
                                             .header_bytes = (size_t)c->settings->rtsp_header_bytes,
                                             .fields = (unsigned)c->settings->rtsp_header_fields,
                                             .body_bytes = (size_t)c->settings->rtsp_body_bytes});
  c->queue = reader_queue_new (&control_limits, -1);
  c->flush = (LoopDeferred){.func = on_deferred_flush, .data = c};
  c->cancellable = g_cancellable_new ();
  c->life_us = loop_now_us ();
  c->deadline_us = c->life_us + c->settings->rtsp_request_timeout_ms * 1000;
  g_queue_push_tail_link (&home->connections, &c->link);
  rtsp_loop_wake (home);
}

void
connection_leave (RtspConnection *c)
{
  g_queue_unlink (&c->home->connections, &c->link);
  loop_defer_cancel (c->home->loop, &c->flush);
  c->home = NULL;
  conn_release (c->conn);
  if (c->tunnel)
    tunnel_leave (c->tunnel);
}

bool
connection_arrive (RtspConnection *c, RtspLoop *home)
{
  g_autoptr (GError) error = NULL;
  enter (c);
  c->home = home;
  g_queue_push_tail_link (&home->connections, &c->link);
  if (c->tunnel)
    tunnel_arrive (c->tunnel, home);
  if (!conn_adopt (c->conn, home->loop, &error))
    connection_close (c, "cannot move to the home of its stream");
  else if (atomic_load (&home->server->stopping))
    connection_close (c, "server stopping");
  else
    rtsp_loop_wake (home);
  return leave (c);
}

static void
time_out (RtspConnection *c, const char *reason)
{
  atomic_fetch_add (&c->server->timeouts, 1);
  connection_close (c, reason);
}

void
connection_tick (RtspConnection *c, int64_t now_us)
{
  enter (c);
  if (c->session && !session_alive (c->session, now_us))
    time_out (c, "session timeout");
  else if (c->deadline_us && now_us > c->deadline_us)
    time_out (c, c->closing ? c->closing_reason : "request timeout");
  else if (!c->session && !c->busy && now_us - c->life_us > c->settings->rtsp_session_timeout_ms * 1000)
    time_out (c, "idle");
  leave (c);
}
