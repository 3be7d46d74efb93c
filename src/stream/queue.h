/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded queue of one reader that sends over a byte stream (RTSP/TCP now): batches wait here for a full
 * socket. Too full or too old: what has not begun to be sent is dropped up to the next key frame (a skip).
 * Too slow for too long: the reader must go.
 *
 * Threads: the reader's loop. Limits: bytes, age and time of being slow, from ReaderQueueLimits. Failure:
 * never blocks, never grows beyond its bytes (but for control bytes, at most READER_QUEUE_CONTROL_BYTES). */
#pragma once

#include "stream/batch.h"

typedef struct {
  size_t bytes;    /* more waiting than this: skip */
  int64_t age_us;  /* the oldest waits longer than this: skip */
  int64_t slow_us; /* skipping or full without a break for this long: evict */
} ReaderQueueLimits;

enum { READER_QUEUE_CONTROL_BYTES = 256 * 1024 };

typedef enum {
  READER_QUEUE_QUEUED,  /* kept a reference */
  READER_QUEUE_SKIPPED, /* waiting for the next key frame; nothing kept */
  READER_QUEUE_EVICT,   /* too slow for too long: close the reader */
} ReaderQueueResult;

typedef struct ReaderQueue ReaderQueue;

/* @key_track: the track whose BATCH_KEY ends a skip (TrackSet.video), or -1: every batch does. */
ReaderQueue *reader_queue_new (const ReaderQueueLimits *limits, int key_track);
void reader_queue_free (ReaderQueue *queue); /* NULL-safe */

/* Interleaved channel of @track when it is not 2 * track. */
void reader_queue_set_channel (ReaderQueue *queue, unsigned track, uint8_t channel);

/* Told of each batch that has gone out whole, by reader_queue_consume(); must not touch the queue. NULL:
 * nobody. */
typedef void (*ReaderQueueSentFunc) (void *data, const Batch *batch, int64_t now_us);
void reader_queue_set_sent_func (ReaderQueue *queue, ReaderQueueSentFunc func, void *data);

ReaderQueueResult reader_queue_push (ReaderQueue *queue, Batch *batch, int64_t now_us);

/* Bytes that must go out whole and in order (RTCP, RTSP answers): never dropped by a skip. False when more
 * than READER_QUEUE_CONTROL_BYTES of them wait: close the reader. (transfer full) */
bool reader_queue_push_control (ReaderQueue *queue, GBytes *bytes);

/* What to send next; valid until the next call on the queue. */
unsigned reader_queue_peek (ReaderQueue *queue, struct iovec *iov, unsigned max);
void reader_queue_consume (ReaderQueue *queue, size_t n_bytes, int64_t now_us);

bool reader_queue_is_empty (const ReaderQueue *queue);
size_t reader_queue_bytes (const ReaderQueue *queue);

/* Drops all batches not begun, without counting a skip (PAUSE). */
void reader_queue_flush (ReaderQueue *queue);

typedef struct {
  uint64_t skips;           /* times it began to skip */
  uint64_t dropped_batches; /* all that was not sent */
  uint64_t dropped_bytes;
} ReaderQueueStats;
const ReaderQueueStats *reader_queue_stats (const ReaderQueue *queue);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ReaderQueue, reader_queue_free)
