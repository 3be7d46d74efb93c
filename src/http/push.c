/* SPDX-License-Identifier: Apache-2.0 */
/* Pushed answers. libmicrohttpd asks for bytes; when there are none its connection is suspended, and the next
 * piece resumes it, so a silent feed costs no wake-up. */
#include "http/push.h"

#include <microhttpd.h>
#include <string.h>

enum { READ_BLOCK_BYTES = 16 * 1024 };

struct HttpPush {
  gatomicrefcount ref;
  Loop *control;
  const char *content_type;
  LoopFunc on_gone;
  void *data;
  size_t max_queued_bytes;

  GMutex lock;
  struct MHD_Connection *connection; /* NULL before and after the answer */
  GQueue pieces;                     /* of GBytes */
  size_t head_offset;                /* sent bytes of the first piece */
  size_t queued_bytes;
  bool suspended;
  bool closed;
  bool gone;
};

HttpPush *
http_push_new (Loop *control, const char *content_type, size_t max_queued_bytes, LoopFunc on_gone, void *data)
{
  HttpPush *push = g_new0 (HttpPush, 1);
  g_atomic_ref_count_init (&push->ref);
  g_mutex_init (&push->lock);
  g_queue_init (&push->pieces);
  push->control = control;
  push->content_type = content_type;
  push->max_queued_bytes = max_queued_bytes;
  push->on_gone = on_gone;
  push->data = data;
  return push;
}

HttpPush *
http_push_ref (HttpPush *push)
{
  g_atomic_ref_count_inc (&push->ref);
  return push;
}

void
http_push_unref (HttpPush *push)
{
  if (!push || !g_atomic_ref_count_dec (&push->ref))
    return;
  g_queue_clear_full (&push->pieces, (GDestroyNotify)g_bytes_unref);
  g_mutex_clear (&push->lock);
  g_free (push);
}

const char *
http_push_content_type (const HttpPush *push)
{
  return push->content_type;
}

static void
wake_reader (HttpPush *push)
{
  if (!push->suspended)
    return;
  push->suspended = false;
  MHD_resume_connection (push->connection);
}

bool
http_push_send (HttpPush *push, GBytes *piece)
{
  g_mutex_lock (&push->lock);
  bool open = !push->closed && !push->gone;
  if (open && push->queued_bytes + g_bytes_get_size (piece) > push->max_queued_bytes) {
    push->closed = true;
    open = false;
    wake_reader (push);
  }
  if (open && g_bytes_get_size (piece) > 0) {
    g_queue_push_tail (&push->pieces, g_bytes_ref (piece));
    push->queued_bytes += g_bytes_get_size (piece);
    wake_reader (push);
  }
  g_mutex_unlock (&push->lock);
  return open;
}

void
http_push_close (HttpPush *push)
{
  g_mutex_lock (&push->lock);
  push->closed = true;
  wake_reader (push);
  g_mutex_unlock (&push->lock);
}

static size_t
copy_pieces (HttpPush *push, char *buffer, size_t max)
{
  size_t n_copied = 0;
  while (n_copied < max && !g_queue_is_empty (&push->pieces)) {
    GBytes *head = g_queue_peek_head (&push->pieces);
    size_t n_head = 0;
    const char *bytes = g_bytes_get_data (head, &n_head);
    size_t n = MIN (n_head - push->head_offset, max - n_copied);
    memcpy (buffer + n_copied, bytes + push->head_offset, n);
    n_copied += n;
    push->head_offset += n;
    if (push->head_offset == n_head) {
      g_bytes_unref (g_queue_pop_head (&push->pieces));
      push->head_offset = 0;
    }
  }
  push->queued_bytes -= n_copied;
  return n_copied;
}

static ssize_t
on_read (void *data, uint64_t position, char *buffer, size_t max)
{
  HttpPush *push = data;
  g_mutex_lock (&push->lock);
  ssize_t n = (ssize_t)copy_pieces (push, buffer, max);
  if (n == 0 && push->closed) {
    n = MHD_CONTENT_READER_END_OF_STREAM;
  } else if (n == 0) {
    push->suspended = true;
    MHD_suspend_connection (push->connection);
  }
  g_mutex_unlock (&push->lock);
  return n;
}

static void
report_gone (void *data)
{
  HttpPush *push = data;
  push->on_gone (push->data);
  http_push_unref (push);
}

void
http_push_drop (HttpPush *push)
{
  g_mutex_lock (&push->lock);
  bool first = !push->gone;
  push->gone = true;
  push->suspended = false;
  push->connection = NULL;
  g_mutex_unlock (&push->lock);
  if (first)
    loop_post (push->control, report_gone, push);
  else
    http_push_unref (push);
}

static void
on_response_freed (void *data)
{
  http_push_drop (data);
}

struct MHD_Response *
http_push_make_response (HttpPush *push, struct MHD_Connection *connection)
{
  push->connection = connection;
  return MHD_create_response_from_callback (MHD_SIZE_UNKNOWN, READ_BLOCK_BYTES, on_read, push,
                                            on_response_freed);
}
