/* SPDX-License-Identifier: Apache-2.0 */
/* The object: layers of settings, start, and what others ask of it. Changes of streams are in
 * manager_change.c, the reload in manager_reload.c. */
#include "control/manager.h"

#include "base/error.h"
#include "base/log.h"
#include "control/manager_private.h"
#include "control/patch.h"

#include <string.h>

#define GENERATION_NAME "config-generation"

/* --- entries
 * --------------------------------------------------------------------------------------------------- */

ManagerEntry *
manager_entry_new (const StateStream *record, JsonObject *patch)
{
  ManagerEntry *entry = g_new0 (ManagerEntry, 1);
  entry->record = *record;
  entry->record.id = g_strdup (record->id);
  entry->record.settings = g_strdup (record->settings);
  entry->patch = json_object_ref (patch);
  return entry;
}

void
manager_entry_free (void *data)
{
  ManagerEntry *entry = data;
  state_stream_clear (&entry->record);
  json_object_unref (entry->patch);
  stream_settings_unref (entry->settings);
  g_free (entry);
}

/* --- layers
 * ---------------------------------------------------------------------------------------------------- */

/* Sources of patterns may hold {name}. */
static void
expand_sources (StreamSettings *settings)
{
  for (char **source = settings->source; source && *source; source++) {
    g_auto (GStrv) parts = g_strsplit (*source, "{name}", -1);
    g_free (*source);
    *source = g_strjoinv (settings->name, parts);
  }
}

StreamSettings *
manager_base (const Settings *file, const char *id)
{
  StreamSettings *found = settings_find_stream (file, id);
  StreamSettings *base = stream_settings_copy (found ? found : file->defaults, id);
  if (found && !g_str_equal (found->name, id))
    expand_sources (base);
  return base;
}

void
manager_check_sources (Manager *manager, const StreamSettings *settings, const char *prefix,
                       GPtrArray *problems)
{
  for (char **source = settings->source; source && *source; source++) {
    g_autoptr (GError) error = NULL;
    if (!registry_check_source (manager->options.registry, *source, &error))
      g_ptr_array_add (problems, g_strdup_printf ("%ssource: %s", prefix, error->message));
  }
}

StreamSettings *
manager_build (Manager *manager, const Settings *file, const char *id, JsonObject *patch, GPtrArray *problems)
{
  g_autoptr (StreamSettings) base = manager_base (file, id);
  g_autoptr (StreamSettings) settings = patch_apply (patch, base, problems);
  if (!settings)
    return NULL;
  unsigned before = problems->len;
  manager_check_sources (manager, settings, "", problems);
  return problems->len == before ? g_steal_pointer (&settings) : NULL;
}

static void
warn_left_out (Manager *manager, const char *id, GPtrArray *problems)
{
  g_ptr_array_add (problems, NULL);
  g_autofree char *text = g_strjoinv ("; ", (char **)problems->pdata);
  g_autofree char *message = g_strdup_printf (
      "what was set at run time for stream %s does not fit any more and is left out: %s", id, text);
  LOG (LOG_CONTROL, LOG_WARNING, "stored-change-left-out", (&(LogFields){.stream = id}), "%s", message);
  journal_add (manager->options.journal, "system.warning", id, message, NULL);
}

static void
index_file_streams (Manager *manager)
{
  g_hash_table_remove_all (manager->file_streams);
  for (unsigned i = 0; i < manager->file->streams->len; i++) {
    StreamSettings *stream = manager->file->streams->pdata[i];
    g_hash_table_insert (manager->file_streams, stream->name, stream);
  }
}

static void
build_entries (Manager *manager)
{
  GHashTableIter iter;
  ManagerEntry *entry;
  g_hash_table_iter_init (&iter, manager->entries);
  while (g_hash_table_iter_next (&iter, NULL, (void **)&entry)) {
    g_clear_pointer (&entry->settings, stream_settings_unref);
    if (!entry->record.created && !g_hash_table_contains (manager->file_streams, entry->record.id))
      continue;
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    entry->settings = manager_build (manager, manager->file, entry->record.id, entry->patch, problems);
    if (!entry->settings)
      warn_left_out (manager, entry->record.id, problems);
  }
}

static void
patch_file_streams (Manager *manager, Settings *applied)
{
  for (unsigned i = 0; i < applied->streams->len; i++) {
    StreamSettings *stream = applied->streams->pdata[i];
    const ManagerEntry *entry = g_hash_table_lookup (manager->entries, stream->name);
    if (entry && entry->settings) {
      applied->streams->pdata[i] = stream_settings_ref (entry->settings);
      stream_settings_unref (stream);
    }
  }
}

static void
add_created (Manager *manager, Settings *effective)
{
  GHashTableIter iter;
  const char *id;
  const ManagerEntry *entry;
  g_hash_table_iter_init (&iter, manager->entries);
  while (g_hash_table_iter_next (&iter, (void **)&id, (void **)&entry))
    if (entry->settings && !g_hash_table_contains (manager->file_streams, id))
      g_ptr_array_add (effective->streams, stream_settings_ref (entry->settings));
}

void
manager_rebuild (Manager *manager, bool new_file)
{
  if (new_file) {
    index_file_streams (manager);
    build_entries (manager);
  }
  Settings *applied = settings_copy (manager->file);
  patch_file_streams (manager, applied);
  Settings *effective = settings_copy (applied);
  add_created (manager, effective);

  settings_unref (manager->applied);
  manager->applied = applied;
  g_mutex_lock (&manager->lock);
  Settings *old = manager->effective;
  manager->effective = effective;
  g_mutex_unlock (&manager->lock);
  settings_unref (old);
}

void
manager_bump_generation (Manager *manager)
{
  g_mutex_lock (&manager->lock);
  uint64_t generation = ++manager->generation;
  g_mutex_unlock (&manager->lock);
  if (manager->options.state)
    state_put_number (manager->options.state, GENERATION_NAME, (int64_t)generation);
}

/* Streams behind those of @applied in @effective are the ones made at run time. */
void
manager_sync_created (Manager *manager)
{
  Registry *registry = manager->options.registry;
  for (unsigned i = manager->applied->streams->len; i < manager->effective->streams->len; i++) {
    StreamSettings *settings = manager->effective->streams->pdata[i];
    g_autoptr (StreamStatus) status = registry_get_status (registry, settings->name);
    g_autoptr (GError) error = NULL;
    bool fine = true;
    if (!status || !status->configured)
      fine = registry_create (registry, settings, &error);
    else if (!stream_settings_equal (status->settings, settings))
      fine = registry_update (registry, settings, &error);
    if (!fine)
      LOG (LOG_CONTROL, LOG_ERROR, "stored-stream-refused", (&(LogFields){.stream = settings->name}), "%s",
           error->message);
  }
  GHashTableIter iter;
  const ManagerEntry *entry;
  g_hash_table_iter_init (&iter, manager->entries);
  /* NOT_FOUND is fine: what it belonged to is not in the file just now. */
  while (g_hash_table_iter_next (&iter, NULL, (void **)&entry))
    if (entry->record.stopped)
      registry_stop (registry, entry->record.id, NULL);
}

/* --- life
 * ------------------------------------------------------------------------------------------------------ */

static void
free_queue (void *queue)
{
  g_queue_free (queue);
}

Manager *
manager_new (const ManagerOptions *options, Settings *settings)
{
  Manager *manager = g_new0 (Manager, 1);
  manager->options = *options;
  manager->config_file = g_strdup (options->config_file);
  manager->ref = 1;
  manager->booted = settings_ref (settings);
  manager->file = settings_ref (settings);
  manager->applied = settings_ref (settings);
  manager->effective = settings_ref (settings);
  manager->file_streams = g_hash_table_new (g_str_hash, g_str_equal);
  manager->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, manager_entry_free);
  manager->waiting = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_queue);
  g_mutex_init (&manager->lock);
  return manager;
}

Manager *
manager_ref (Manager *manager)
{
  manager->ref++;
  return manager;
}

void
manager_unref (Manager *manager)
{
  if (--manager->ref > 0)
    return;
  manager_reload_free (manager->last_reload);
  g_hash_table_unref (manager->waiting);
  g_hash_table_unref (manager->entries);
  g_hash_table_unref (manager->file_streams);
  settings_unref (manager->effective);
  settings_unref (manager->applied);
  settings_unref (manager->file);
  settings_unref (manager->booted);
  g_mutex_clear (&manager->lock);
  g_free (manager->config_file);
  g_free (manager);
}

void
manager_free (Manager *manager)
{
  if (!manager)
    return;
  manager->closed = true;
  manager_drop_waiting (manager);
  manager_unref (manager);
}

static void
load_entry (Manager *manager, const StateStream *record)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) patch = patch_from_text (record->settings, &error);
  if (!patch) {
    LOG (LOG_CONTROL, LOG_ERROR, "stored-stream-unreadable", (&(LogFields){.stream = record->id}),
         "what was set at run time cannot be read: %s", error->message);
    return;
  }
  ManagerEntry *entry = manager_entry_new (record, patch);
  g_hash_table_insert (manager->entries, entry->record.id, entry);
}

static void
warn_of_damage (Manager *manager)
{
  const char *damaged = state_damaged_file (manager->options.state);
  if (!damaged)
    return;
  g_autofree char *message = g_strdup_printf (
      "the state database was damaged; what was set at run time is lost; the damaged file is %s", damaged);
  journal_add (manager->options.journal, "system.warning", NULL, message, "file", damaged, NULL);
}

bool
manager_start (Manager *manager, GError **error)
{
  State *state = manager->options.state;
  if (state) {
    g_autoptr (GPtrArray) records = state_load_streams (state, error);
    if (!records)
      return false;
    for (unsigned i = 0; i < records->len; i++)
      load_entry (manager, records->pdata[i]);
    manager->generation = (uint64_t)state_get_number (state, GENERATION_NAME, 0);
    warn_of_damage (manager);
  }
  manager_rebuild (manager, true);
  auth_set_settings (manager->options.auth, manager->effective);
  registry_apply (manager->options.registry, manager->applied);
  manager_sync_created (manager);
  manager_bump_generation (manager);
  journal_add (manager->options.journal, "system.started", NULL, NULL, "config", manager->config_file, NULL);
  return true;
}

/* --- questions
 * ------------------------------------------------------------------------------------------------- */

Settings *
manager_get_settings (Manager *manager)
{
  g_mutex_lock (&manager->lock);
  Settings *settings = settings_ref (manager->effective);
  g_mutex_unlock (&manager->lock);
  return settings;
}

uint64_t
manager_generation (Manager *manager)
{
  g_mutex_lock (&manager->lock);
  uint64_t generation = manager->generation;
  g_mutex_unlock (&manager->lock);
  return generation;
}

ManagerOrigin
manager_stream_origin (Manager *manager, const char *id)
{
  const ManagerEntry *entry = g_hash_table_lookup (manager->entries, id);
  if (g_hash_table_contains (manager->file_streams, id))
    return entry && json_object_get_size (entry->patch) > 0 ? MANAGER_ORIGIN_CHANGED : MANAGER_ORIGIN_FILE;
  return entry && entry->record.created ? MANAGER_ORIGIN_CREATED : MANAGER_ORIGIN_NONE;
}

const char *
manager_origin_name (ManagerOrigin origin)
{
  switch (origin) {
  case MANAGER_ORIGIN_NONE:
    break;
  case MANAGER_ORIGIN_FILE:
    return "file";
  case MANAGER_ORIGIN_CHANGED:
    return "changed";
  case MANAGER_ORIGIN_CREATED:
    return "created";
  }
  return "none";
}

char **
manager_stream_changed_keys (Manager *manager, const char *id)
{
  const ManagerEntry *entry = g_hash_table_lookup (manager->entries, id);
  g_autoptr (GList) names = entry ? json_object_get_members (entry->patch) : NULL;
  GPtrArray *keys = g_ptr_array_new ();
  for (GList *link = names; link; link = link->next)
    g_ptr_array_add (keys, g_strdup (link->data));
  g_ptr_array_add (keys, NULL);
  return (char **)g_ptr_array_free (keys, FALSE);
}
