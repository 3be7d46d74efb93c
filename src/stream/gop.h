/* SPDX-License-Identifier: Apache-2.0 */
/* The GOP cache: everything since the last key frame, by reference, so that a new reader starts at once with
 * a picture. Bounded in bytes: a group of pictures that outgrows the bound is given up until the next key
 * frame. Home loop. */
#pragma once

#include "stream/batch.h"

#include <gst/gst.h>

/* One entry: a batch of the packet plane or a unit of the unit plane. */
typedef struct {
  Batch *batch;
  GstBuffer *unit;
  GstCaps *caps; /* of the unit */
  unsigned track;
} GopEntry;

typedef struct GopCache GopCache;
GopCache *gop_cache_new (size_t max_bytes);
void gop_cache_free (GopCache *cache); /* NULL-safe */
void gop_cache_clear (GopCache *cache);

/* @starts: a key frame of the video track begins here. Before the first one nothing is kept. */
void gop_cache_add_batch (GopCache *cache, Batch *batch, bool starts);
void gop_cache_add_unit (GopCache *cache, unsigned track, GstBuffer *unit, GstCaps *caps, bool starts);

unsigned gop_cache_count (const GopCache *cache);
size_t gop_cache_bytes (const GopCache *cache);
const GopEntry *gop_cache_get (const GopCache *cache, unsigned index);

/* A copy by reference, to be read on another loop; freed by g_array_unref(). (transfer full) */
GArray *gop_cache_snapshot (const GopCache *cache);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GopCache, gop_cache_free)
