/* SPDX-License-Identifier: Apache-2.0 */
/* Batches and their builder. The builder collects in a slab of its own that it keeps; finishing copies it
 * into a batch that is one block with its tables. One allocation of the right size and one copy of warm bytes
 * cost a fraction of growing and shrinking a slab for each batch, and leave no holes in the heap between the
 * batches that a cached group of pictures keeps. */
#include "stream/batch.h"

#include <string.h>

struct BatchBuilder {
  uint8_t track;
  uint8_t *slab;
  size_t n_bytes;
  size_t capacity;
  unsigned n_packets;
  unsigned flags;
  uint32_t offsets[BATCH_MAX_PACKETS];
  uint16_t lengths[BATCH_MAX_PACKETS];
  int64_t arrival_us;
  int64_t ntp_us;
};

enum {
  SLAB_FIRST_BYTES = 16 * 1024,
  SLAB_KEPT_BYTES = 32 * 1024, /* a builder that has grown beyond it gives its slab back */
  BLOCK_STEP_BYTES = 256,      /* blocks of like sizes take each other's places */
};

Batch *
batch_ref (Batch *batch)
{
  g_atomic_ref_count_inc (&batch->ref);
  return batch;
}

void
batch_unref (Batch *batch)
{
  if (!batch || !g_atomic_ref_count_dec (&batch->ref))
    return;
  g_free (batch);
}

BatchBuilder *
batch_builder_new (uint8_t track)
{
  BatchBuilder *builder = g_new0 (BatchBuilder, 1);
  builder->track = track;
  return builder;
}

void
batch_builder_free (BatchBuilder *builder)
{
  if (!builder)
    return;
  g_free (builder->slab);
  g_free (builder);
}

bool
batch_builder_full (const BatchBuilder *builder, size_t n_bytes)
{
  return builder->n_packets == BATCH_MAX_PACKETS ||
         (builder->n_packets > 0 && builder->n_bytes + BATCH_HEADER_BYTES + n_bytes > BATCH_MAX_BYTES);
}

unsigned
batch_builder_count (const BatchBuilder *builder)
{
  return builder->n_packets;
}

int64_t
batch_builder_started_us (const BatchBuilder *builder)
{
  return builder->n_packets ? builder->arrival_us : 0;
}

uint8_t *
batch_builder_reserve (BatchBuilder *builder, size_t n_bytes)
{
  size_t needed = builder->n_bytes + BATCH_HEADER_BYTES + n_bytes;
  if (needed > builder->capacity) {
    builder->capacity = MAX (needed, MAX (SLAB_FIRST_BYTES, builder->capacity * 2));
    builder->slab = g_realloc (builder->slab, builder->capacity);
  }
  return builder->slab + builder->n_bytes + BATCH_HEADER_BYTES;
}

void
batch_builder_commit (BatchBuilder *builder, size_t n_bytes, unsigned flags, int64_t arrival_us,
                      int64_t ntp_us)
{
  uint8_t *header = builder->slab + builder->n_bytes;
  header[0] = '$';
  header[1] = (uint8_t)(2 * builder->track);
  header[2] = (uint8_t)(n_bytes >> 8);
  header[3] = (uint8_t)n_bytes;
  if (builder->n_packets == 0) {
    builder->arrival_us = arrival_us;
    builder->ntp_us = ntp_us;
    builder->flags = 0;
  }
  builder->flags |= flags;
  builder->offsets[builder->n_packets] = (uint32_t)(builder->n_bytes + BATCH_HEADER_BYTES);
  builder->lengths[builder->n_packets] = (uint16_t)n_bytes;
  builder->n_packets++;
  builder->n_bytes += BATCH_HEADER_BYTES + n_bytes;
}

/* Cuts the packets into runs for UDP_SEGMENT: equal sizes, the last of a run may be shorter. */
static unsigned
make_runs (const uint16_t *lengths, unsigned n_packets, BatchRun *runs)
{
  unsigned n_runs = 0;
  for (unsigned i = 0; i < n_packets;) {
    unsigned end = i + 1;
    while (end < n_packets && lengths[end] == lengths[i])
      end++;
    if (end < n_packets && lengths[end] < lengths[i])
      end++;
    runs[n_runs++] = (BatchRun){.first = (uint8_t)i, .count = (uint8_t)(end - i), .segment = lengths[i]};
    i = end;
  }
  return n_runs;
}

static unsigned
rtp_payload_bytes (const uint8_t *packet, size_t n_bytes)
{
  size_t header = 12 + 4 * (size_t)(packet[0] & 0x0f);
  return n_bytes > header ? (unsigned)(n_bytes - header) : 0;
}

Batch *
batch_builder_finish (BatchBuilder *builder)
{
  unsigned n = builder->n_packets;
  if (n == 0)
    return NULL;

  BatchRun runs[BATCH_MAX_PACKETS];
  unsigned n_runs = make_runs (builder->lengths, n, runs);
  size_t tables = n * sizeof (struct iovec) + n_runs * sizeof (BatchRun);
  size_t block = sizeof (Batch) + tables + builder->n_bytes;
  Batch *batch = g_malloc ((block + BLOCK_STEP_BYTES - 1) / BLOCK_STEP_BYTES * BLOCK_STEP_BYTES);
  *batch = (Batch){.track = builder->track,
                   .flags = (uint8_t)builder->flags,
                   .n_packets = (uint8_t)n,
                   .n_runs = (uint8_t)n_runs,
                   .n_bytes = (uint32_t)builder->n_bytes,
                   .arrival_us = builder->arrival_us,
                   .ntp_us = builder->ntp_us};
  g_atomic_ref_count_init (&batch->ref);
  batch->packets = (struct iovec *)(batch + 1);
  batch->runs = (BatchRun *)(batch->packets + n);
  memcpy (batch->runs, runs, n_runs * sizeof (BatchRun));
  batch->slab = (uint8_t *)(batch->runs + n_runs);
  memcpy (batch->slab, builder->slab, builder->n_bytes);
  for (unsigned i = 0; i < n; i++) {
    batch->packets[i].iov_base = batch->slab + builder->offsets[i];
    batch->packets[i].iov_len = builder->lengths[i];
    batch->payload_bytes += rtp_payload_bytes (batch->packets[i].iov_base, builder->lengths[i]);
  }
  const uint8_t *first = batch->packets[0].iov_base;
  if (builder->lengths[0] >= 12) {
    batch->first_sequence = (uint16_t)(first[2] << 8 | first[3]);
    batch->rtp_time =
        (uint32_t)first[4] << 24 | (uint32_t)first[5] << 16 | (uint32_t)first[6] << 8 | first[7];
  }

  if (builder->capacity > SLAB_KEPT_BYTES) {
    g_clear_pointer (&builder->slab, g_free);
    builder->capacity = 0;
  }
  builder->n_bytes = 0;
  builder->n_packets = 0;
  return batch;
}
