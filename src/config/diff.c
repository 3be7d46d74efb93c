/* SPDX-License-Identifier: Apache-2.0 */
/* What changes from one configuration to another, key by key and stream by stream. */
#include "config/diff.h"

#include "config/value.h"

static void
free_change (void *data)
{
  ConfigChange *change = data;
  g_free (change->key);
  g_free (change);
}

static void
compare_keys (ConfigDiff *diff, const Settings *from, const Settings *to)
{
  static const char *const sections[] = {"log", "http", "rtsp", "limits", "state", "auth"};
  for (size_t i = 0; i < G_N_ELEMENTS (sections); i++) {
    for (const Key *key = keys_next (sections[i], NULL); key; key = keys_next (sections[i], key)) {
      if (key_equal (key, from, to))
        continue;
      ConfigChange *change = g_new0 (ConfigChange, 1);
      change->key = g_strdup_printf ("%s.%s", key->section, key->name);
      change->hot = key->apply != APPLY_RESTART;
      diff->needs_restart = diff->needs_restart || !change->hot;
      g_ptr_array_add (diff->changes, change);
    }
  }
}

static GHashTable *
index_streams (const GPtrArray *streams)
{
  GHashTable *index = g_hash_table_new (g_str_hash, g_str_equal);
  for (unsigned i = 0; i < streams->len; i++) {
    StreamSettings *stream = streams->pdata[i];
    g_hash_table_insert (index, stream->name, stream);
  }
  return index;
}

static void
compare_streams (ConfigDiff *diff, const GPtrArray *from, const GPtrArray *to)
{
  g_autoptr (GHashTable) old_streams = index_streams (from);
  g_autoptr (GHashTable) new_streams = index_streams (to);
  for (unsigned i = 0; i < from->len; i++) {
    const StreamSettings *old = from->pdata[i];
    if (!g_hash_table_contains (new_streams, old->name))
      g_ptr_array_add (diff->removed, g_strdup (old->name));
  }
  for (unsigned i = 0; i < to->len; i++) {
    const StreamSettings *new = to->pdata[i];
    const StreamSettings *old = g_hash_table_lookup (old_streams, new->name);
    if (!old)
      g_ptr_array_add (diff->added, g_strdup (new->name));
    else if (!stream_settings_equal_source (old, new))
      g_ptr_array_add (diff->restarted, g_strdup (new->name));
    else if (!stream_settings_equal (old, new))
      g_ptr_array_add (diff->changed, g_strdup (new->name));
  }
}

ConfigDiff *
config_diff (const Settings *from, const Settings *to)
{
  ConfigDiff *diff = g_new0 (ConfigDiff, 1);
  diff->changes = g_ptr_array_new_with_free_func (free_change);
  diff->added = g_ptr_array_new_with_free_func (g_free);
  diff->removed = g_ptr_array_new_with_free_func (g_free);
  diff->restarted = g_ptr_array_new_with_free_func (g_free);
  diff->changed = g_ptr_array_new_with_free_func (g_free);
  diff->defaults = !stream_settings_equal (from->defaults, to->defaults);
  compare_keys (diff, from, to);
  compare_streams (diff, from->streams, to->streams);
  compare_streams (diff, from->patterns, to->patterns);
  return diff;
}

bool
config_diff_is_empty (const ConfigDiff *diff)
{
  return diff->changes->len + diff->added->len + diff->removed->len + diff->restarted->len +
                 diff->changed->len ==
             0 &&
         !diff->defaults;
}

void
config_diff_free (ConfigDiff *diff)
{
  if (!diff)
    return;
  g_ptr_array_unref (diff->changes);
  g_ptr_array_unref (diff->added);
  g_ptr_array_unref (diff->removed);
  g_ptr_array_unref (diff->restarted);
  g_ptr_array_unref (diff->changed);
  g_free (diff);
}
