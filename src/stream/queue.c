/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded queue of one byte-stream reader: a ring of batches and control bytes, of which only the first
 * may be partly sent. */
#include "stream/queue.h"

#include "stream/track.h"

#include <string.h>

typedef struct {
  Batch *batch;  /* or */
  GBytes *bytes; /* control */
  int64_t since_us;
} Item;

struct ReaderQueue {
  ReaderQueueLimits limits;
  int key_track;
  uint8_t channels[TRACKS_MAX];
  Item *items; /* ring; NULL until something has to wait */
  unsigned head, count, capacity;
  size_t sent;        /* bytes of the first item that are gone */
  size_t batch_bytes; /* waiting, whole first item included */
  size_t control_bytes;
  bool skipping;
  int64_t slow_since_us; /* 0: not slow */
  ReaderQueueStats stats;
  ReaderQueueSentFunc sent_func;
  void *sent_data;
  uint8_t header[BATCH_MAX_PACKETS][BATCH_HEADER_BYTES]; /* of the batch being peeked, other channels only */
};

enum { FIRST_CAPACITY = 16 };

ReaderQueue *
reader_queue_new (const ReaderQueueLimits *limits, int key_track)
{
  ReaderQueue *queue = g_new0 (ReaderQueue, 1);
  queue->limits = *limits;
  queue->key_track = key_track;
  for (unsigned i = 0; i < TRACKS_MAX; i++)
    queue->channels[i] = (uint8_t)(2 * i);
  return queue;
}

static Item *
item_at (const ReaderQueue *queue, unsigned index)
{
  return &queue->items[(queue->head + index) % queue->capacity];
}

static size_t
item_bytes (const Item *item)
{
  return item->batch ? item->batch->n_bytes : g_bytes_get_size (item->bytes);
}

static void
item_clear (Item *item)
{
  g_clear_pointer (&item->batch, batch_unref);
  g_clear_pointer (&item->bytes, g_bytes_unref);
}

void
reader_queue_free (ReaderQueue *queue)
{
  if (!queue)
    return;
  for (unsigned i = 0; i < queue->count; i++)
    item_clear (item_at (queue, i));
  g_free (queue->items);
  g_free (queue);
}

void
reader_queue_set_channel (ReaderQueue *queue, unsigned track, uint8_t channel)
{
  g_return_if_fail (track < TRACKS_MAX);
  queue->channels[track] = channel;
}

void
reader_queue_set_sent_func (ReaderQueue *queue, ReaderQueueSentFunc func, void *data)
{
  queue->sent_func = func;
  queue->sent_data = data;
}

static void
append (ReaderQueue *queue, Item item)
{
  if (queue->count == queue->capacity) {
    unsigned capacity = queue->capacity ? queue->capacity * 2 : FIRST_CAPACITY;
    Item *items = g_new (Item, capacity);
    for (unsigned i = 0; i < queue->count; i++)
      items[i] = *item_at (queue, i);
    g_free (queue->items);
    queue->items = items;
    queue->capacity = capacity;
    queue->head = 0;
  }
  *item_at (queue, queue->count) = item;
  queue->count++;
}

/* Drops every batch that has not begun to be sent; control bytes keep their order. */
static void
drop_batches (ReaderQueue *queue, bool count_them)
{
  unsigned kept = 0;
  for (unsigned i = 0; i < queue->count; i++) {
    Item *item = item_at (queue, i);
    bool begun = i == 0 && queue->sent > 0;
    if (item->batch && !begun) {
      queue->batch_bytes -= item->batch->n_bytes;
      if (count_them) {
        queue->stats.dropped_batches++;
        queue->stats.dropped_bytes += item->batch->n_bytes;
      }
      item_clear (item);
    } else {
      Item moved = *item;
      *item_at (queue, kept++) = moved;
    }
  }
  queue->count = kept;
}

static bool
is_key (const ReaderQueue *queue, const Batch *batch)
{
  return queue->key_track < 0 || (batch->track == queue->key_track && (batch->flags & BATCH_KEY));
}

static bool
is_behind (const ReaderQueue *queue, const Batch *batch, int64_t now_us)
{
  if (queue->batch_bytes + batch->n_bytes > queue->limits.bytes && queue->batch_bytes > 0)
    return true;
  return queue->count > 0 && now_us - item_at (queue, 0)->since_us > queue->limits.age_us;
}

ReaderQueueResult
reader_queue_push (ReaderQueue *queue, Batch *batch, int64_t now_us)
{
  if (is_behind (queue, batch, now_us)) {
    if (!queue->skipping) {
      queue->skipping = true;
      queue->stats.skips++;
    }
    if (queue->slow_since_us == 0)
      queue->slow_since_us = now_us;
    drop_batches (queue, true);
  }
  if (queue->slow_since_us && now_us - queue->slow_since_us > queue->limits.slow_us)
    return READER_QUEUE_EVICT;
  if (queue->skipping) {
    /* What has begun to be sent must go out first; as long as it is stuck, nothing is kept behind it. */
    bool stuck = queue->count > 0 && now_us - item_at (queue, 0)->since_us > queue->limits.age_us;
    if (stuck || !is_key (queue, batch)) {
      queue->stats.dropped_batches++;
      queue->stats.dropped_bytes += batch->n_bytes;
      return READER_QUEUE_SKIPPED;
    }
    queue->skipping = false;
  }
  append (queue, (Item){.batch = batch_ref (batch), .since_us = now_us});
  queue->batch_bytes += batch->n_bytes;
  return READER_QUEUE_QUEUED;
}

bool
reader_queue_push_control (ReaderQueue *queue, GBytes *bytes)
{
  size_t n_bytes = g_bytes_get_size (bytes);
  if (n_bytes == 0) {
    g_bytes_unref (bytes);
    return true;
  }
  if (queue->control_bytes + n_bytes > READER_QUEUE_CONTROL_BYTES) {
    g_bytes_unref (bytes);
    return false;
  }
  /* Control bytes do not age: INT64_MAX never counts as too old. */
  append (queue, (Item){.bytes = bytes, .since_us = INT64_MAX});
  queue->control_bytes += n_bytes;
  return true;
}

/* Packets behind headers of another channel than the slab's: one iovec for the header, one for the packet.
 * Only one batch of a peek can use the scratch headers. */
static unsigned
peek_rechanneled (ReaderQueue *queue, const Batch *batch, size_t skip, struct iovec *iov, unsigned max)
{
  unsigned n = 0;
  for (unsigned i = 0; i < batch->n_packets && n + 2 <= max; i++) {
    size_t length = batch->packets[i].iov_len;
    if (skip >= BATCH_HEADER_BYTES + length) {
      skip -= BATCH_HEADER_BYTES + length;
      continue;
    }
    uint8_t *header = queue->header[i];
    header[0] = '$';
    header[1] = queue->channels[batch->track];
    header[2] = (uint8_t)(length >> 8);
    header[3] = (uint8_t)length;
    size_t into_packet = 0;
    if (skip < BATCH_HEADER_BYTES)
      iov[n++] = (struct iovec){header + skip, BATCH_HEADER_BYTES - skip};
    else
      into_packet = skip - BATCH_HEADER_BYTES;
    iov[n++] = (struct iovec){(uint8_t *)batch->packets[i].iov_base + into_packet, length - into_packet};
    skip = 0;
  }
  return n;
}

unsigned
reader_queue_peek (ReaderQueue *queue, struct iovec *iov, unsigned max)
{
  unsigned n = 0;
  for (unsigned i = 0; i < queue->count && n < max; i++) {
    const Item *item = item_at (queue, i);
    size_t skip = i == 0 ? queue->sent : 0;
    if (item->bytes) {
      size_t size;
      const uint8_t *bytes = g_bytes_get_data (item->bytes, &size);
      iov[n++] = (struct iovec){(void *)(bytes + skip), size - skip};
    } else if (queue->channels[item->batch->track] == 2 * item->batch->track) {
      iov[n++] = (struct iovec){item->batch->slab + skip, item->batch->n_bytes - skip};
    } else {
      return n == 0 ? peek_rechanneled (queue, item->batch, skip, iov, max) : n;
    }
  }
  return n;
}

void
reader_queue_consume (ReaderQueue *queue, size_t n_bytes, int64_t now_us)
{
  while (n_bytes > 0 && queue->count > 0) {
    Item *item = item_at (queue, 0);
    size_t left = item_bytes (item) - queue->sent;
    if (n_bytes < left) {
      queue->sent += n_bytes;
      break;
    }
    n_bytes -= left;
    queue->sent = 0;
    if (item->batch)
      queue->batch_bytes -= item->batch->n_bytes;
    else
      queue->control_bytes -= g_bytes_get_size (item->bytes);
    if (item->batch && queue->sent_func)
      queue->sent_func (queue->sent_data, item->batch, now_us);
    item_clear (item);
    queue->head = (queue->head + 1) % queue->capacity;
    queue->count--;
  }
  if (queue->count == 0) {
    /* All is out: the reader keeps up again. An idle reader keeps no ring. */
    if (!queue->skipping)
      queue->slow_since_us = 0;
    g_clear_pointer (&queue->items, g_free);
    queue->capacity = queue->head = 0;
  }
}

bool
reader_queue_is_empty (const ReaderQueue *queue)
{
  return queue->count == 0;
}

size_t
reader_queue_bytes (const ReaderQueue *queue)
{
  return queue->batch_bytes + queue->control_bytes - queue->sent;
}

void
reader_queue_flush (ReaderQueue *queue)
{
  drop_batches (queue, false);
  queue->skipping = false;
  queue->slow_since_us = 0;
}

const ReaderQueueStats *
reader_queue_stats (const ReaderQueue *queue)
{
  return &queue->stats;
}
