/* SPDX-License-Identifier: Apache-2.0 */
/* The GOP cache: an array of references that is emptied at each key frame. */
#include "stream/gop.h"

struct GopCache {
  size_t max_bytes;
  size_t n_bytes;
  GArray *entries; /* of GopEntry */
  bool open;       /* a key frame has come and the bound was not passed since */
};

static void
entry_clear (void *data)
{
  GopEntry *entry = data;
  g_clear_pointer (&entry->batch, batch_unref);
  gst_clear_buffer (&entry->unit);
  gst_clear_caps (&entry->caps);
}

static GArray *
new_entries (unsigned reserve)
{
  GArray *entries = g_array_sized_new (FALSE, FALSE, sizeof (GopEntry), reserve);
  g_array_set_clear_func (entries, entry_clear);
  return entries;
}

GopCache *
gop_cache_new (size_t max_bytes)
{
  GopCache *cache = g_new0 (GopCache, 1);
  cache->max_bytes = max_bytes;
  cache->entries = new_entries (0);
  return cache;
}

void
gop_cache_free (GopCache *cache)
{
  if (!cache)
    return;
  g_array_unref (cache->entries);
  g_free (cache);
}

void
gop_cache_clear (GopCache *cache)
{
  g_array_set_size (cache->entries, 0);
  cache->n_bytes = 0;
  cache->open = false;
}

static void
add (GopCache *cache, GopEntry entry, size_t n_bytes, bool starts)
{
  if (starts) {
    gop_cache_clear (cache);
    cache->open = true;
  }
  if (cache->open && cache->n_bytes + n_bytes > cache->max_bytes)
    gop_cache_clear (cache);
  if (!cache->open) {
    entry_clear (&entry);
    return;
  }
  g_array_append_val (cache->entries, entry);
  cache->n_bytes += n_bytes;
}

void
gop_cache_add_batch (GopCache *cache, Batch *batch, bool starts)
{
  add (cache, (GopEntry){.batch = batch_ref (batch), .track = batch->track}, batch->n_bytes, starts);
}

void
gop_cache_add_unit (GopCache *cache, unsigned track, GstBuffer *unit, GstCaps *caps, bool starts)
{
  GopEntry entry = {.unit = gst_buffer_ref (unit), .caps = gst_caps_ref (caps), .track = track};
  add (cache, entry, gst_buffer_get_size (unit), starts);
}

unsigned
gop_cache_count (const GopCache *cache)
{
  return cache->entries->len;
}

size_t
gop_cache_bytes (const GopCache *cache)
{
  return cache->n_bytes;
}

const GopEntry *
gop_cache_get (const GopCache *cache, unsigned index)
{
  return &g_array_index (cache->entries, GopEntry, index);
}

GArray *
gop_cache_snapshot (const GopCache *cache)
{
  GArray *snapshot = new_entries (cache->entries->len);
  for (unsigned i = 0; i < cache->entries->len; i++) {
    GopEntry entry = *gop_cache_get (cache, i);
    if (entry.batch)
      batch_ref (entry.batch);
    if (entry.unit)
      gst_buffer_ref (entry.unit);
    if (entry.caps)
      gst_caps_ref (entry.caps);
    g_array_append_val (snapshot, entry);
  }
  return snapshot;
}
