/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and reading the worker's socket. A worker has no cause to live without its daemon: any failure of
 * the socket ends the process at once. */
#include "media/link.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct MediaLink {
  int socket;
  uint8_t *arena;
  GMutex lock; /* leaf: everything below, and the socket's write side; held over blocking writes on purpose */
  GByteArray *out;
  bool slot_busy[WORKER_ARENA_SLOTS];
  uint64_t units, bytes, arena_full;
  bool told_too_large;
  /* main thread only */
  GByteArray *in;
  MediaLinkFunc func;
  void *data;
};

static G_NORETURN void
leave (void)
{
  _exit (0);
}

MediaLink *
media_link_new (int socket, int arena, GError **error)
{
  struct stat info;
  if (fstat (arena, &info) < 0 || info.st_size != WORKER_ARENA_BYTES || fstat (socket, &info) < 0 ||
      !S_ISSOCK (info.st_mode)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
                 "a worker is started by the daemon only");
    return NULL;
  }
  void *memory = mmap (NULL, WORKER_ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, arena, 0);
  if (memory == MAP_FAILED) {
    sluice_error_set_errno (error, errno, "arena");
    return NULL;
  }
  close (arena);
  MediaLink *link = g_new0 (MediaLink, 1);
  link->socket = socket;
  link->arena = memory;
  link->out = g_byte_array_new ();
  link->in = g_byte_array_new ();
  return link;
}

static void
write_all (MediaLink *link, const uint8_t *payload, size_t n_payload)
{
  struct iovec parts[2] = {{link->out->data, link->out->len}, {(void *)payload, n_payload}};
  struct msghdr header = {.msg_iov = parts, .msg_iovlen = n_payload > 0 ? 2 : 1};
  while (header.msg_iovlen > 0) {
    ssize_t n_bytes = sendmsg (link->socket, &header, MSG_NOSIGNAL);
    if (n_bytes < 0 && errno == EINTR)
      continue;
    if (n_bytes < 0)
      leave ();
    while (header.msg_iovlen > 0 && (size_t)n_bytes >= header.msg_iov->iov_len) {
      n_bytes -= (ssize_t)header.msg_iov->iov_len;
      header.msg_iov++;
      header.msg_iovlen--;
    }
    if (header.msg_iovlen > 0) {
      header.msg_iov->iov_base = (uint8_t *)header.msg_iov->iov_base + n_bytes;
      header.msg_iov->iov_len -= (size_t)n_bytes;
    }
  }
}

static void
send_locked (MediaLink *link, const WorkerMessage *message)
{
  g_byte_array_set_size (link->out, 0);
  worker_message_append (message, link->out);
  bool inline_payload = message->type == WORKER_UNIT;
  write_all (link, inline_payload ? message->unit.bytes : NULL, inline_payload ? message->unit.n_bytes : 0);
}

void
media_link_send (MediaLink *link, const WorkerMessage *message)
{
  g_mutex_lock (&link->lock);
  send_locked (link, message);
  g_mutex_unlock (&link->lock);
}

/* The lowest free one, so that a stream that needs one slot keeps one slot's pages warm. */
static int
take_slot (MediaLink *link)
{
  for (int i = 0; i < WORKER_ARENA_SLOTS; i++) {
    if (!link->slot_busy[i]) {
      link->slot_busy[i] = true;
      return i;
    }
  }
  link->arena_full++;
  return -1;
}

void
media_link_send_unit (MediaLink *link, const WorkerUnit *unit)
{
  WorkerMessage message = {WORKER_UNIT, .unit = *unit};
  g_mutex_lock (&link->lock);
  if (unit->n_bytes > WORKER_UNIT_BYTES_MAX) {
    if (!link->told_too_large)
      fprintf (stderr, "<4>a unit of %zu bytes was dropped: at most %d are allowed\n", unit->n_bytes,
               WORKER_UNIT_BYTES_MAX);
    link->told_too_large = true;
    g_mutex_unlock (&link->lock);
    return;
  }
  int slot = -1;
  if (unit->n_bytes > WORKER_INLINE_BYTES && unit->n_bytes <= WORKER_ARENA_SLOT_BYTES)
    slot = take_slot (link);
  if (slot >= 0) {
    memcpy (link->arena + (size_t)slot * WORKER_ARENA_SLOT_BYTES, unit->bytes, unit->n_bytes);
    message.type = WORKER_UNIT_SHARED;
    message.unit.slot = (unsigned)slot;
  }
  send_locked (link, &message);
  link->units++;
  link->bytes += unit->n_bytes;
  g_mutex_unlock (&link->lock);
}

void
media_link_send_heartbeat (MediaLink *link, bool waiting, unsigned queued_ms)
{
  WorkerMessage message = {WORKER_HEARTBEAT, .heartbeat = {.waiting = waiting, .queued_ms = queued_ms}};
  g_mutex_lock (&link->lock);
  message.heartbeat.units = link->units;
  message.heartbeat.bytes = link->bytes;
  message.heartbeat.arena_full = link->arena_full;
  send_locked (link, &message);
  g_mutex_unlock (&link->lock);
}

void
media_link_send_end (MediaLink *link, const GError *error)
{
  WorkerMessage message = {.type = WORKER_EOS};
  if (error) {
    message.type = WORKER_FAILED;
    message.failed.code =
        error->domain == SLUICE_ERROR ? (SluiceErrorCode)error->code : SLUICE_ERROR_INTERNAL;
    message.failed.text = error->message;
  }
  media_link_send (link, &message);
}

static void
take_command (MediaLink *link, const WorkerMessage *message)
{
  if (message->type != WORKER_RELEASE) {
    link->func (link->data, message);
    return;
  }
  g_mutex_lock (&link->lock);
  link->slot_busy[message->slot] = false;
  g_mutex_unlock (&link->lock);
}

static gboolean
on_socket (int fd, GIOCondition condition, void *data)
{
  MediaLink *link = data;
  uint8_t bytes[4096];
  ssize_t n_bytes = recv (fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (n_bytes < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n_bytes <= 0)
    leave ();
  g_byte_array_append (link->in, bytes, (guint)n_bytes);
  for (;;) {
    g_auto (WorkerMessage) message = {0};
    uint16_t type;
    size_t n_body;
    int found = worker_frame_peek (link->in->data, link->in->len, &type, &n_body, NULL);
    if (found < 0)
      leave ();
    if (found == 0 || link->in->len - WORKER_FRAME_HEADER_BYTES < n_body)
      return G_SOURCE_CONTINUE;
    if (!worker_message_parse (type, link->in->data + WORKER_FRAME_HEADER_BYTES, n_body, &message, NULL))
      leave ();
    take_command (link, &message);
    g_byte_array_remove_range (link->in, 0, (guint)(WORKER_FRAME_HEADER_BYTES + n_body));
  }
}

void
media_link_watch (MediaLink *link, MediaLinkFunc func, void *data)
{
  link->func = func;
  link->data = data;
  g_unix_fd_add (link->socket, G_IO_IN | G_IO_HUP | G_IO_ERR, on_socket, link);
}
