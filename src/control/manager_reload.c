/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the configuration again. All that can be wrong with it is found before anything is touched. */
#include "base/log.h"
#include "config/value.h"
#include "control/manager_private.h"

#include <string.h>

/* Sections whose keys are members of Settings itself. */
static const char *const sections[] = {"log", "http", "rtsp", "limits", "state", "auth"};

void
manager_reload_free (ManagerReload *reload)
{
  if (!reload)
    return;
  g_ptr_array_unref (reload->problems);
  g_ptr_array_unref (reload->restart);
  g_free (reload);
}

static GPtrArray *
copy_strings (const GPtrArray *from)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func (g_free);
  for (unsigned i = 0; i < from->len; i++)
    g_ptr_array_add (copy, g_strdup (from->pdata[i]));
  return copy;
}

static ManagerReload *
copy_reload (const ManagerReload *reload)
{
  ManagerReload *copy = g_new (ManagerReload, 1);
  *copy = *reload;
  copy->problems = copy_strings (reload->problems);
  copy->restart = copy_strings (reload->restart);
  return copy;
}

/* --- the plan
 * -------------------------------------------------------------------------------------------------- */

static void
check_all_sources (Manager *manager, const Settings *fresh, GPtrArray *problems)
{
  for (unsigned i = 0; i < fresh->streams->len; i++) {
    const StreamSettings *stream = fresh->streams->pdata[i];
    g_autofree char *prefix =
        g_strdup_printf ("%s%sstreams.%s.", manager->config_file ? manager->config_file : "",
                         manager->config_file ? ": " : "", stream->name);
    manager_check_sources (manager, stream, prefix, problems);
  }
}

/* Names of keys that differ and wait for a restart; whether any key differs from what was in the file before.
 */
static bool
compare_keys (Manager *manager, const Settings *fresh, GPtrArray *restart)
{
  bool differs = !stream_settings_equal (manager->file->defaults, fresh->defaults);
  for (unsigned i = 0; i < G_N_ELEMENTS (sections); i++) {
    for (const Key *key = keys_next (sections[i], NULL); key; key = keys_next (sections[i], key)) {
      differs = differs || !key_equal (key, manager->file, fresh);
      if (key->apply == APPLY_RESTART && !key_equal (key, manager->booted, fresh))
        g_ptr_array_add (restart, g_strdup_printf ("%s.%s", key->section, key->name));
    }
  }
  return differs;
}

static bool
lists_equal (const GPtrArray *a, const GPtrArray *b)
{
  if (a->len != b->len)
    return false;
  for (unsigned i = 0; i < a->len; i++) {
    const StreamSettings *x = a->pdata[i], *y = b->pdata[i];
    if (!g_str_equal (x->name, y->name) || !stream_settings_equal (x, y))
      return false;
  }
  return true;
}

static void
count_streams (const Settings *before, const Settings *after, ManagerReload *reload)
{
  g_autoptr (GHashTable) old = g_hash_table_new (g_str_hash, g_str_equal);
  for (unsigned i = 0; i < before->streams->len; i++) {
    StreamSettings *stream = before->streams->pdata[i];
    g_hash_table_insert (old, stream->name, stream);
  }
  for (unsigned i = 0; i < after->streams->len; i++) {
    const StreamSettings *stream = after->streams->pdata[i];
    const StreamSettings *was = g_hash_table_lookup (old, stream->name);
    if (!was)
      reload->added++;
    else if (!stream_settings_equal (was, stream))
      reload->changed++;
    g_hash_table_remove (old, stream->name);
  }
  reload->removed = g_hash_table_size (old);
}

/* --- apply
 * ----------------------------------------------------------------------------------------------------- */

static void
apply_log_levels (const Settings *settings)
{
  LogLevel level;
  if (log_level_from_name (settings->log_level, &level))
    log_set_level_all (level);
  GHashTableIter iter;
  const char *module_name, *level_name;
  g_hash_table_iter_init (&iter, settings->log_modules);
  while (g_hash_table_iter_next (&iter, (void **)&module_name, (void **)&level_name)) {
    LogModule module;
    if (log_module_from_name (module_name, &module) && log_level_from_name (level_name, &level))
      log_set_level (module, level);
  }
}

static void
apply_log_format (const char *name)
{
  static const char *const names[] = {[LOG_FORMAT_AUTO] = "auto",
                                      [LOG_FORMAT_PRETTY] = "pretty",
                                      [LOG_FORMAT_JSON] = "json",
                                      [LOG_FORMAT_JOURNALD] = "journald"};
  for (unsigned i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (names[i], name))
      log_set_format ((LogFormat)i);
}

static void
apply_fresh (Manager *manager, Settings *fresh)
{
  apply_log_levels (fresh);
  if (!g_str_equal (manager->file->log_format, fresh->log_format))
    apply_log_format (fresh->log_format);
  settings_unref (manager->file);
  manager->file = settings_ref (fresh);
  manager_rebuild (manager, true);
  auth_set_settings (manager->options.auth, manager->effective);
  registry_apply (manager->options.registry, manager->applied);
  manager_sync_created (manager);
}

static char *
join (GPtrArray *strings, const char *separator)
{
  GString *text = g_string_new (NULL);
  for (unsigned i = 0; i < strings->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? separator : "", (const char *)strings->pdata[i]);
  return g_string_free (text, FALSE);
}

static void
publish_rejected (Manager *manager, const ManagerReload *reload)
{
  g_autofree char *problems = join (reload->problems, "\n");
  LOG (LOG_CONTROL, LOG_WARNING, "config-rejected", NULL,
       "the configuration has %u problems; the old one stays in force: %s", reload->problems->len, problems);
  journal_add (manager->options.journal, "config.rejected", NULL,
               "the configuration has problems; the old one stays in force", "problems", problems, NULL);
}

static void
publish_applied (Manager *manager, const ManagerReload *reload)
{
  g_autofree char *restart = join (reload->restart, ", ");
  g_autofree char *message =
      g_strdup_printf ("%u streams added, %u removed, %u changed%s%s", reload->added, reload->removed,
                       reload->changed, *restart ? "; a restart is needed for " : "", restart);
  LOG (LOG_CONTROL, LOG_INFO, "config-reloaded", NULL, "%s", message);
  g_autofree char *added = g_strdup_printf ("%u", reload->added);
  g_autofree char *removed = g_strdup_printf ("%u", reload->removed);
  g_autofree char *changed = g_strdup_printf ("%u", reload->changed);
  journal_add (manager->options.journal, "config.reloaded", NULL, message, "added", added, "removed", removed,
               "changed", changed, "restart_required", *restart ? restart : NULL, NULL);
}

ManagerReload *
manager_reload (Manager *manager)
{
  loop_assert (manager->options.control);
  ManagerReload *reload = g_new0 (ManagerReload, 1);
  reload->problems = g_ptr_array_new_with_free_func (g_free);
  reload->restart = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (Settings) fresh = manager->options.load (manager->options.load_data, reload->problems);
  if (fresh)
    check_all_sources (manager, fresh, reload->problems);

  if (!fresh || reload->problems->len > 0) {
    publish_rejected (manager, reload);
  } else {
    bool differs = compare_keys (manager, fresh, reload->restart) ||
                   !lists_equal (manager->file->patterns, fresh->patterns);
    g_autoptr (Settings) before = settings_ref (manager->effective);
    apply_fresh (manager, fresh);
    count_streams (before, manager->effective, reload);
    reload->applied = true;
    if (differs || reload->added + reload->removed + reload->changed > 0)
      manager_bump_generation (manager);
    publish_applied (manager, reload);
  }
  reload->generation = manager->generation;
  manager_reload_free (manager->last_reload);
  manager->last_reload = copy_reload (reload);
  manager->last_reload_us = g_get_real_time ();
  return reload;
}

const ManagerReload *
manager_last_reload (Manager *manager, int64_t *ret_unix_us)
{
  if (ret_unix_us)
    *ret_unix_us = manager->last_reload_us;
  return manager->last_reload;
}
