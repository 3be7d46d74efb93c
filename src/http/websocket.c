/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets: wslay makes and reads the frames, this file moves bytes, keeps the limits and crosses threads.
 */
#include "http/websocket.h"

#include "base/log.h"

#include <errno.h>
#include <glib-unix.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

enum {
  LINGER_MS = 2000, /* for the peer's half of the closing handshake */
  QUEUED_MAX = 64,  /* answers (pongs) that wait for a client before we stop reading from it */
};

struct Websocket {
  gatomicrefcount ref;
  Loop *io, *control;
  WebsocketOps ops;
  void *data;

  GMutex lock;           /* leaf */
  GQueue outgoing;       /* of GBytes */
  size_t outgoing_bytes; /* of outgoing, and of what wslay holds */
  bool flush_posted;
  bool opened;
  bool dropped;  /* the server stops */
  bool closing;  /* nothing is taken any more */
  bool reported; /* on_closed is on its way */
  unsigned close_code;
  char close_reason[64];

  /* I/O loop only */
  int fd;
  struct MHD_UpgradeResponseHandle *handle;
  wslay_event_context_ptr frames;
  LoopPoll *poll;
  LoopTimer *timer;
  GBytes *extra; /* bytes that came with the handshake */
  size_t extra_offset;
  int64_t last_heard_us;
  bool close_queued;
  unsigned pending; /* messages the owner has not seen yet */
};

typedef struct {
  Websocket *websocket;
  char *text;
} Message;

static void serve (Websocket *websocket);

Websocket *
websocket_new (Loop *io, Loop *control, const WebsocketOps *ops, void *data)
{
  Websocket *websocket = g_new0 (Websocket, 1);
  g_atomic_ref_count_init (&websocket->ref);
  g_mutex_init (&websocket->lock);
  g_queue_init (&websocket->outgoing);
  websocket->io = io;
  websocket->control = control;
  websocket->ops = *ops;
  websocket->data = data;
  websocket->fd = -1;
  return websocket;
}

Websocket *
websocket_ref (Websocket *websocket)
{
  g_atomic_ref_count_inc (&websocket->ref);
  return websocket;
}

void
websocket_unref (Websocket *websocket)
{
  if (!websocket || !g_atomic_ref_count_dec (&websocket->ref))
    return;
  g_queue_clear_full (&websocket->outgoing, (GDestroyNotify)g_bytes_unref);
  g_clear_pointer (&websocket->extra, g_bytes_unref);
  g_mutex_clear (&websocket->lock);
  g_free (websocket);
}

Loop *
websocket_loop (Websocket *websocket)
{
  return websocket->io;
}

char *
websocket_accept_key (const char *key)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA1);
  g_checksum_update (checksum, (const guchar *)key, -1);
  g_checksum_update (checksum, (const guchar *)"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", -1);
  guint8 digest[20];
  gsize n_digest = sizeof digest;
  g_checksum_get_digest (checksum, digest, &n_digest);
  return g_base64_encode (digest, n_digest);
}

/* --- towards the owner
 * --------------------------------------------------------------------------------------- */

static void
run_on_closed (void *data)
{
  Websocket *websocket = data;
  websocket->ops.on_closed (websocket->data);
  websocket_unref (websocket);
}

/* Lock held. */
static void
report_closed (Websocket *websocket)
{
  websocket->closing = true;
  if (websocket->reported)
    return;
  websocket->reported = true;
  loop_post (websocket->control, run_on_closed, websocket_ref (websocket));
}

static void
on_message_seen (void *data)
{
  Websocket *websocket = data;
  websocket->pending--;
  if (websocket->frames)
    serve (websocket);
  websocket_unref (websocket);
}

static void
run_on_text (void *data)
{
  Message *message = data;
  message->websocket->ops.on_text (message->websocket->data, message->text);
  loop_post (message->websocket->io, on_message_seen, message->websocket);
  g_free (message->text);
  g_free (message);
}

static void
deliver (Websocket *websocket, const uint8_t *text, size_t n_text)
{
  Message *message = g_new (Message, 1);
  message->websocket = websocket_ref (websocket);
  /* An empty message has no address. */
  message->text = n_text ? g_strndup ((const char *)text, n_text) : g_strdup ("");
  websocket->pending++;
  loop_post (websocket->control, run_on_text, message);
}

/* --- the connection, on the I/O loop
 * ------------------------------------------------------------------------- */

/* Gives the descriptor back and drops the connection's reference. */
static void
refuse (Websocket *websocket)
{
  MHD_upgrade_action (websocket->handle, MHD_UPGRADE_ACTION_CLOSE);
  websocket->handle = NULL;
  g_mutex_lock (&websocket->lock);
  report_closed (websocket);
  g_mutex_unlock (&websocket->lock);
  websocket_unref (websocket);
}

static void
tear_down (Websocket *websocket)
{
  g_clear_pointer (&websocket->poll, loop_poll_free);
  g_clear_pointer (&websocket->timer, loop_timer_free);
  wslay_event_context_free (g_steal_pointer (&websocket->frames));
  refuse (websocket);
}

static void
queue_close (Websocket *websocket, unsigned code, const char *reason)
{
  if (websocket->close_queued)
    return;
  websocket->close_queued = true;
  wslay_event_queue_close (websocket->frames, (uint16_t)code, (const uint8_t *)reason, strlen (reason));
  loop_timer_start (websocket->timer, LINGER_MS, 0);
}

static bool
may_read (Websocket *websocket)
{
  return websocket->pending < WEBSOCKET_PENDING_MESSAGES &&
         wslay_event_get_queued_msg_count (websocket->frames) < QUEUED_MAX;
}

static ssize_t
on_frames_recv (wslay_event_context_ptr frames, uint8_t *buffer, size_t max, int flags, void *data)
{
  Websocket *websocket = data;
  if (!may_read (websocket)) {
    wslay_event_set_error (frames, WSLAY_ERR_WOULDBLOCK);
    return -1;
  }
  if (websocket->extra) {
    size_t n_extra = 0;
    const uint8_t *extra = g_bytes_get_data (websocket->extra, &n_extra);
    size_t n = MIN (max, n_extra - websocket->extra_offset);
    memcpy (buffer, extra + websocket->extra_offset, n);
    websocket->extra_offset += n;
    if (websocket->extra_offset == n_extra)
      g_clear_pointer (&websocket->extra, g_bytes_unref);
    return (ssize_t)n;
  }
  ssize_t n;
  do
    n = recv (websocket->fd, buffer, max, 0);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    websocket->last_heard_us = loop_now_us ();
    return n;
  }
  wslay_event_set_error (frames,
                         n < 0 && errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
  return -1;
}

static ssize_t
on_frames_send (wslay_event_context_ptr frames, const uint8_t *bytes, size_t n_bytes, int flags, void *data)
{
  Websocket *websocket = data;
  ssize_t n;
  do
    n = send (websocket->fd, bytes, n_bytes, MSG_NOSIGNAL | ((flags & WSLAY_MSG_MORE) ? MSG_MORE : 0));
  while (n < 0 && errno == EINTR);
  if (n < 0)
    wslay_event_set_error (frames, errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
  return n;
}

static void
on_frames_message (wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *message,
                   void *data)
{
  Websocket *websocket = data;
  if (message->opcode == WSLAY_BINARY_FRAME) {
    queue_close (websocket, WSLAY_CODE_UNSUPPORTED_DATA, "only text messages are understood");
  } else if (message->opcode == WSLAY_TEXT_FRAME && message->msg_length == 4 &&
             memcmp (message->msg, "ping", 4) == 0) {
    const struct wslay_event_msg pong = {WSLAY_TEXT_FRAME, (const uint8_t *)"pong", 4};
    wslay_event_queue_msg (frames, &pong);
  } else if (message->opcode == WSLAY_TEXT_FRAME && !websocket->close_queued) {
    deliver (websocket, message->msg, message->msg_length);
  } else if (message->opcode == WSLAY_CONNECTION_CLOSE) {
    g_mutex_lock (&websocket->lock);
    websocket->closing = true;
    g_mutex_unlock (&websocket->lock);
    websocket->close_queued = true; /* wslay answers by itself */
    loop_timer_start (websocket->timer, LINGER_MS, 0);
  }
}

static const struct wslay_event_callbacks frame_callbacks = {
    .recv_callback = on_frames_recv,
    .send_callback = on_frames_send,
    .on_msg_recv_callback = on_frames_message,
};

static void
take_outgoing (Websocket *websocket)
{
  g_mutex_lock (&websocket->lock);
  websocket->flush_posted = false;
  GQueue outgoing = websocket->outgoing;
  g_queue_init (&websocket->outgoing);
  unsigned code = websocket->close_code;
  g_mutex_unlock (&websocket->lock);
  for (GBytes *text; (text = g_queue_pop_head (&outgoing)); g_bytes_unref (text)) {
    gsize n_text = 0;
    const uint8_t *bytes = g_bytes_get_data (text, &n_text);
    const struct wslay_event_msg message = {WSLAY_TEXT_FRAME, bytes, n_text};
    if (!websocket->close_queued)
      wslay_event_queue_msg (websocket->frames, &message);
  }
  if (code)
    queue_close (websocket, code, websocket->close_reason);
}

/* Moves what can be moved now, then says what to wait for, or ends it. */
static void
serve (Websocket *websocket)
{
  if (wslay_event_recv (websocket->frames) != 0 || wslay_event_send (websocket->frames) != 0) {
    tear_down (websocket);
    return;
  }
  g_mutex_lock (&websocket->lock);
  websocket->outgoing_bytes = wslay_event_get_queued_msg_length (websocket->frames);
  for (GList *link = websocket->outgoing.head; link; link = link->next)
    websocket->outgoing_bytes += g_bytes_get_size (link->data);
  g_mutex_unlock (&websocket->lock);

  bool want_write = wslay_event_want_write (websocket->frames);
  bool want_read = wslay_event_want_read (websocket->frames);
  if (!want_write && !want_read) {
    tear_down (websocket);
    return;
  }
  unsigned events = want_write ? LOOP_WRITE : 0;
  if (want_read && may_read (websocket))
    events |= LOOP_READ;
  loop_poll_set (websocket->poll, events);
}

static void
on_ready (void *data, unsigned events)
{
  serve (data);
}

static void
on_timer (void *data)
{
  Websocket *websocket = data;
  if (websocket->close_queued ||
      loop_now_us () - websocket->last_heard_us > WEBSOCKET_SILENCE_MS * INT64_C (1000)) {
    tear_down (websocket);
    return;
  }
  const struct wslay_event_msg ping = {WSLAY_PING, NULL, 0};
  wslay_event_queue_msg (websocket->frames, &ping);
  serve (websocket);
}

static void
flush (void *data)
{
  Websocket *websocket = data;
  if (websocket->frames) {
    take_outgoing (websocket);
    serve (websocket);
  }
  websocket_unref (websocket);
}

static void
begin (void *data)
{
  Websocket *websocket = data;
  g_mutex_lock (&websocket->lock);
  bool dropped = websocket->dropped;
  g_mutex_unlock (&websocket->lock);
  if (dropped) {
    refuse (websocket);
    return;
  }
  g_autoptr (GError) error = NULL;
  websocket->poll = loop_poll_new (websocket->io, websocket->fd, on_ready, websocket, &error);
  bool ready = websocket->poll &&
               wslay_event_context_server_init (&websocket->frames, &frame_callbacks, websocket) == 0;
  if (!ready) {
    LOG (LOG_HTTP, LOG_ERROR, "websocket-failed", NULL, "cannot serve a WebSocket: %s",
         error ? error->message : "out of memory");
    g_clear_pointer (&websocket->poll, loop_poll_free);
    refuse (websocket);
    return;
  }
  wslay_event_config_set_max_recv_msg_length (websocket->frames, WEBSOCKET_MESSAGE_BYTES);
  websocket->last_heard_us = loop_now_us ();
  websocket->timer = loop_timer_new (websocket->io, on_timer, websocket);
  loop_timer_start (websocket->timer, WEBSOCKET_PING_MS, WEBSOCKET_PING_MS);
  take_outgoing (websocket);
  serve (websocket);
}

/* --- any thread
 * ---------------------------------------------------------------------------------------------- */

/* Lock held. */
static void
post_flush (Websocket *websocket)
{
  if (websocket->flush_posted || !websocket->opened)
    return;
  websocket->flush_posted = true;
  loop_post (websocket->io, flush, websocket_ref (websocket));
}

/* Lock held. */
static void
close_locked (Websocket *websocket, unsigned code, const char *reason)
{
  if (websocket->closing)
    return;
  websocket->closing = true;
  websocket->close_code = code;
  g_strlcpy (websocket->close_reason, reason, sizeof websocket->close_reason);
  post_flush (websocket);
}

bool
websocket_send (Websocket *websocket, GBytes *text)
{
  g_mutex_lock (&websocket->lock);
  bool open = !websocket->closing;
  if (open && websocket->outgoing_bytes + g_bytes_get_size (text) > WEBSOCKET_QUEUE_BYTES) {
    /* 1013: try again later */
    close_locked (websocket, 1013, "too slow");
    open = false;
  }
  if (open) {
    g_queue_push_tail (&websocket->outgoing, g_bytes_ref (text));
    websocket->outgoing_bytes += g_bytes_get_size (text);
    post_flush (websocket);
  }
  g_mutex_unlock (&websocket->lock);
  return open;
}

void
websocket_close (Websocket *websocket, unsigned code, const char *reason)
{
  g_mutex_lock (&websocket->lock);
  close_locked (websocket, code, reason);
  g_mutex_unlock (&websocket->lock);
}

void
websocket_open (Websocket *websocket, int fd, struct MHD_UpgradeResponseHandle *handle, const void *extra,
                size_t n_extra)
{
  websocket->fd = fd;
  websocket->handle = handle;
  if (n_extra)
    websocket->extra = g_bytes_new (extra, n_extra);
  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  g_mutex_lock (&websocket->lock);
  bool dropped = websocket->dropped;
  websocket->opened = !dropped;
  /* Under the lock: a drop that comes now finds the post in front of what follows it. */
  if (!dropped)
    loop_post (websocket->io, begin, websocket_ref (websocket));
  else
    report_closed (websocket);
  g_mutex_unlock (&websocket->lock);
  if (dropped)
    MHD_upgrade_action (handle, MHD_UPGRADE_ACTION_CLOSE);
}

void
websocket_abandon (Websocket *websocket)
{
  g_mutex_lock (&websocket->lock);
  if (!websocket->opened)
    report_closed (websocket);
  g_mutex_unlock (&websocket->lock);
}

void
websocket_drop (Websocket *websocket)
{
  g_mutex_lock (&websocket->lock);
  websocket->dropped = true;
  g_mutex_unlock (&websocket->lock);
  if (!websocket->frames)
    return;
  take_outgoing (websocket);
  queue_close (websocket, WSLAY_CODE_GOING_AWAY, "the server is stopping");
  wslay_event_send (websocket->frames);
  tear_down (websocket);
}
