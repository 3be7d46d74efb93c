/* SPDX-License-Identifier: Apache-2.0 */
/* A batch: the RTP packets of one access unit of one track (or 2 ms of a large one) in one slab, laid out as
 * they go over RTSP/TCP: each packet behind its 4-byte interleaved header (RFC 2326 §10.12) with channel
 * 2 * track, so that a TCP reader is served with one contiguous send, and UDP and WebRTC with the iovec
 * table. Immutable once finished and refcounted; any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
  BATCH_HEADER_BYTES = 4,      /* "$", channel, length */
  BATCH_MAX_PACKETS = 64,      /* one GSO message holds no more segments (UDP_MAX_SEGMENTS) */
  BATCH_MAX_BYTES = 60 * 1024, /* nor more than 64 KB with headers */
  RTP_MAX_BYTES = 65535 - 28,
};

typedef enum {
  BATCH_KEY = 1 << 0,         /* a key frame begins in it (video), or every batch (other tracks) */
  BATCH_FRAME_START = 1 << 1, /* holds the first packet of an access unit */
  BATCH_FRAME_END = 1 << 2,   /* holds the last */
  BATCH_PARAMETERS = 1 << 3,  /* holds parameter sets */
} BatchFlags;

/* A run of packets that UDP_SEGMENT can send as one message: all of @segment bytes, the last one maybe less.
 */
typedef struct {
  uint8_t first;
  uint8_t count;
  uint16_t segment;
} BatchRun;

typedef struct Batch {
  uint8_t track;
  uint8_t flags; /* of BatchFlags */
  uint8_t n_packets;
  uint8_t n_runs;
  uint16_t first_sequence; /* of the first packet */
  uint32_t rtp_time;       /* of the first packet */
  uint32_t n_bytes;        /* of the slab, interleaved headers included */
  uint32_t payload_bytes;  /* RTP payloads only, for sender reports */
  int64_t arrival_us;      /* monotonic, of the first packet */
  int64_t ntp_us;          /* wall clock of the capture, microseconds since 1970; 0 unknown */
  uint8_t *slab;           /* n_bytes */
  struct iovec *packets;   /* n_packets RTP packets inside the slab, without interleaved headers */
  BatchRun *runs;
  /*< private >*/
  gatomicrefcount ref;
} Batch;

Batch *batch_ref (Batch *batch);
void batch_unref (Batch *batch); /* NULL-safe */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Batch, batch_unref)

/* Collects packets and makes batches of them. One builder a track, on one thread. */
typedef struct BatchBuilder BatchBuilder;
BatchBuilder *batch_builder_new (uint8_t track);
void batch_builder_free (BatchBuilder *builder); /* NULL-safe */

/* True when @n_bytes more do not fit: finish first. */
bool batch_builder_full (const BatchBuilder *builder, size_t n_bytes);
unsigned batch_builder_count (const BatchBuilder *builder);
int64_t
batch_builder_started_us (const BatchBuilder *builder); /* arrival of the first packet; 0 when empty */

/* Room for one RTP packet of @n_bytes; the caller fills it, and may shrink it by batch_builder_commit(). */
uint8_t *batch_builder_reserve (BatchBuilder *builder, size_t n_bytes);
void batch_builder_commit (BatchBuilder *builder, size_t n_bytes, unsigned flags, int64_t arrival_us,
                           int64_t ntp_us);

/* The batch of all committed packets, or NULL when there are none; the builder is empty afterwards.
 * (transfer full) */
Batch *batch_builder_finish (BatchBuilder *builder);
