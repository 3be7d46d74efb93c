/* SPDX-License-Identifier: Apache-2.0 */
/* One change of one stream: plan (nothing is touched), commit to disk, apply to the registry, answer. Changes
 * of one stream wait for each other; changes of different streams share a commit. */
#include "base/error.h"
#include "base/log.h"
#include "control/manager_private.h"
#include "control/patch.h"

#include <string.h>

typedef enum { DO_CREATE, DO_UPDATE, DO_REMOVE, DO_START, DO_STOP, DO_RESTART } ChangeKind;

typedef struct {
  Manager *manager;
  ChangeKind kind;
  char *id;
  GVariant *request; /* patch, or NULL */
  ManagerFunc func;
  void *data;
  GError *error;
  /* the plan */
  ManagerEntry *next;       /* what the state holds afterwards; NULL: nothing */
  StreamSettings *settings; /* new ones for the registry, or NULL */
  bool store;               /* the state is touched at all */
  Settings *planned_on;     /* the file that @settings were laid over */
} Change;

#define REFUSE(change, code, ...)                                                                            \
  g_set_error (&(change)->error, SLUICE_ERROR, SLUICE_ERROR_##code, __VA_ARGS__)

static void begin_change (Change *change);

/* --- the plan: fills in next, settings and store, or error
 * ----------------------------------------------------- */

static ManagerEntry *
find_entry (const Change *change)
{
  return g_hash_table_lookup (change->manager->entries, change->id);
}

static bool
is_configured (const Change *change)
{
  return manager_stream_origin (change->manager, change->id) != MANAGER_ORIGIN_NONE;
}

static void
refuse_problems (Change *change, GPtrArray *problems)
{
  GString *text = g_string_new (NULL);
  for (unsigned i = 0; i < problems->len; i++)
    g_string_append_printf (text, "%s%s", i > 0 ? "\n" : "", (const char *)problems->pdata[i]);
  REFUSE (change, INVALID_ARGUMENT, "%s", text->str);
  g_string_free (text, TRUE);
}

/* The record after the change. One that says nothing is not kept. */
static void
plan_record (Change *change, bool created, bool stopped, JsonObject *patch)
{
  const ManagerEntry *old = find_entry (change);
  change->store = true;
  if (!created && !stopped && json_object_get_size (patch) == 0)
    return;
  int64_t now = g_get_real_time ();
  g_autofree char *text = patch_to_text (patch);
  StateStream record = {.id = change->id,
                        .settings = text,
                        .created = created,
                        .stopped = stopped,
                        .created_unix_us = old ? old->record.created_unix_us : now,
                        .updated_unix_us = now};
  change->next = manager_entry_new (&record, patch);
  StreamSettings *settings = change->settings ? change->settings : old ? old->settings : NULL;
  change->next->settings = settings ? stream_settings_ref (settings) : NULL;
}

/* Lays the request over @old's keys. */
static void
plan_settings (Change *change, const ManagerEntry *old, bool created)
{
  Manager *manager = change->manager;
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  /* What the request is read against. Keys kept from before may not fit the file any more; then it is what
   * the file says. */
  g_autoptr (StreamSettings) current =
      old && old->settings ? stream_settings_ref (old->settings) : manager_base (manager->file, change->id);
  g_autoptr (JsonObject) patch = patch_merge (old ? old->patch : NULL, change->request, current, problems);
  if (patch)
    change->settings = manager_build (manager, manager->file, change->id, patch, problems);
  if (change->settings)
    plan_record (change, created, old && old->record.stopped, patch);
  else
    refuse_problems (change, problems);
}

static void
plan_create (Change *change)
{
  Manager *manager = change->manager;
  if (!settings_check_stream_name (change->id, &change->error))
    return;
  g_autoptr (StreamStatus) status = registry_get_status (manager->options.registry, change->id);
  if (is_configured (change) || (status && status->configured))
    REFUSE (change, ALREADY_EXISTS, "stream %s exists already", change->id);
  else if (!status && registry_count (manager->options.registry) >= (unsigned)manager->file->max_streams)
    REFUSE (change, LIMIT, "there are %d streams already (limits.max_streams)",
            (int)manager->file->max_streams);
  else
    plan_settings (change, NULL, true);
}

static void
plan_update (Change *change)
{
  const ManagerEntry *old = find_entry (change);
  if (is_configured (change))
    plan_settings (change, old, old && old->record.created);
  else
    REFUSE (change, NOT_FOUND, "no such stream: %s", change->id);
}

static void
plan_remove (Change *change)
{
  Manager *manager = change->manager;
  switch (manager_stream_origin (manager, change->id)) {
  case MANAGER_ORIGIN_NONE:
    REFUSE (change, NOT_FOUND, "no such stream: %s", change->id);
    return;
  case MANAGER_ORIGIN_FILE:
  case MANAGER_ORIGIN_CHANGED:
    REFUSE (change, FORBIDDEN,
            "stream %s is defined in %s: remove it there and reload, or set its key enabled to false",
            change->id, manager->config_file ? manager->config_file : "the configuration");
    return;
  case MANAGER_ORIGIN_CREATED:
    change->store = true;
    return;
  }
}

static void
plan_command (Change *change)
{
  g_autoptr (StreamStatus) status = registry_get_status (change->manager->options.registry, change->id);
  if (!status) {
    REFUSE (change, NOT_FOUND, "no such stream: %s", change->id);
    return;
  }
  const ManagerEntry *old = find_entry (change);
  bool stop = change->kind == DO_STOP, stopped = old && old->record.stopped;
  /* What a publisher or a pattern made is not kept, and neither is its being stopped. */
  if (stop == stopped || !is_configured (change))
    return;
  g_autoptr (JsonObject) patch = old ? json_object_ref (old->patch) : json_object_new ();
  plan_record (change, old && old->record.created, stop, patch);
}

static void
plan_change (Change *change)
{
  switch (change->kind) {
  case DO_CREATE:
    plan_create (change);
    break;
  case DO_UPDATE:
    plan_update (change);
    break;
  case DO_REMOVE:
    plan_remove (change);
    break;
  case DO_START:
  case DO_STOP:
  case DO_RESTART:
    plan_command (change);
    break;
  }
}

/* --- apply
 * ----------------------------------------------------------------------------------------------------- */

static bool
apply_settings (Change *change, GError **error)
{
  Manager *manager = change->manager;
  Registry *registry = manager->options.registry;
  g_autoptr (StreamStatus) status = registry_get_status (registry, change->id);
  if (status && status->configured)
    return registry_update (registry, change->settings, error);
  if (!g_hash_table_contains (manager->file_streams, change->id))
    return registry_create (registry, change->settings, error);
  /* A stream of the file that the registry had no room for. */
  registry_apply (registry, manager->applied);
  return true;
}

static bool
apply_to_registry (Change *change, GError **error)
{
  Registry *registry = change->manager->options.registry;
  switch (change->kind) {
  case DO_CREATE:
  case DO_UPDATE:
    return apply_settings (change, error);
  case DO_REMOVE:
    return registry_remove (registry, change->id, error);
  case DO_START:
    return registry_start (registry, change->id, error);
  case DO_STOP:
    return registry_stop (registry, change->id, error);
  case DO_RESTART:
    return registry_restart (registry, change->id, error);
  }
  return true;
}

static ManagerEntry *
steal_entry (Change *change)
{
  void *entry = NULL;
  g_hash_table_steal_extended (change->manager->entries, change->id, NULL, &entry);
  return entry;
}

static void
put_entry (Manager *manager, ManagerEntry *entry)
{
  if (entry)
    g_hash_table_insert (manager->entries, entry->record.id, entry);
}

static void
restore_state (Change *change, const ManagerEntry *old)
{
  State *state = change->manager->options.state;
  if (!state)
    return;
  if (old)
    state_put_stream (state, &old->record, NULL, NULL);
  else
    state_remove_stream (state, change->id, NULL, NULL);
}

/* The file may have been read again while the disk was busy. */
static bool
plan_again (Change *change)
{
  Manager *manager = change->manager;
  if (!change->settings || change->planned_on == manager->file)
    return true;
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (JsonObject) nothing = json_object_new ();
  JsonObject *patch = change->next ? change->next->patch : nothing;
  g_clear_pointer (&change->settings, stream_settings_unref);
  change->settings = manager_build (manager, manager->file, change->id, patch, problems);
  if (!change->settings) {
    refuse_problems (change, problems);
    return false;
  }
  if (change->next) {
    stream_settings_unref (change->next->settings);
    change->next->settings = stream_settings_ref (change->settings);
  }
  return true;
}

static void
apply_change (Change *change)
{
  Manager *manager = change->manager;
  if (!change->store) {
    apply_to_registry (change, &change->error);
    return;
  }
  if (!plan_again (change)) {
    restore_state (change, find_entry (change));
    return;
  }
  ManagerEntry *old = steal_entry (change);
  put_entry (manager, g_steal_pointer (&change->next));
  manager_rebuild (manager, false);
  if (apply_to_registry (change, &change->error)) {
    if (old)
      manager_entry_free (old);
    manager_bump_generation (manager);
    return;
  }
  /* The registry refused what was planned well: the world has changed while the disk was busy. */
  restore_state (change, old);
  g_hash_table_remove (manager->entries, change->id);
  put_entry (manager, old);
  manager_rebuild (manager, false);
}

/* --- the course of a change
 * ------------------------------------------------------------------------------------ */

static void
free_change (Change *change)
{
  if (change->next)
    manager_entry_free (change->next);
  g_clear_pointer (&change->request, g_variant_unref);
  stream_settings_unref (change->settings);
  settings_unref (change->planned_on);
  g_clear_error (&change->error);
  manager_unref (change->manager);
  g_free (change->id);
  g_free (change);
}

static void
start_next (Manager *manager, const char *id)
{
  GQueue *queue = g_hash_table_lookup (manager->waiting, id);
  Change *next = g_queue_pop_head (queue);
  if (next)
    begin_change (next);
  else
    g_hash_table_remove (manager->waiting, id);
}

static void
answer_change (void *data)
{
  Change *change = data;
  if (!change->manager->closed) {
    if (change->func)
      change->func (change->data, change->id, change->error);
    start_next (change->manager, change->id);
  }
  free_change (change);
}

static void
on_committed (void *data, const GError *error)
{
  Change *change = data;
  if (error)
    change->error = g_error_copy (error);
  else if (!change->manager->closed)
    apply_change (change);
  answer_change (change);
}

static void
apply_and_answer (void *data)
{
  on_committed (data, NULL);
}

static void
begin_change (Change *change)
{
  Manager *manager = change->manager;
  State *state = manager->options.state;
  change->planned_on = settings_ref (manager->file);
  plan_change (change);
  if (change->error)
    loop_post (manager->options.control, answer_change, change);
  else if (!change->store || !state)
    loop_post (manager->options.control, apply_and_answer, change);
  else if (change->next)
    state_put_stream (state, &change->next->record, on_committed, change);
  else
    state_remove_stream (state, change->id, on_committed, change);
}

void
manager_drop_waiting (Manager *manager)
{
  GHashTableIter iter;
  GQueue *queue;
  g_hash_table_iter_init (&iter, manager->waiting);
  while (g_hash_table_iter_next (&iter, NULL, (void **)&queue)) {
    Change *change;
    while ((change = g_queue_pop_head (queue)))
      free_change (change);
  }
}

static void
submit (Manager *manager, ChangeKind kind, const char *id, GVariant *patch, ManagerFunc func, void *data)
{
  loop_assert (manager->options.control);
  Change *change = g_new0 (Change, 1);
  change->manager = manager_ref (manager);
  change->kind = kind;
  change->id = g_strdup (id);
  change->request = patch ? g_variant_ref_sink (patch) : NULL;
  change->func = func;
  change->data = data;
  GQueue *queue = g_hash_table_lookup (manager->waiting, id);
  if (queue) {
    g_queue_push_tail (queue, change);
    return;
  }
  g_hash_table_insert (manager->waiting, g_strdup (id), g_queue_new ());
  begin_change (change);
}

void
manager_create_stream (Manager *manager, const char *id, GVariant *patch, ManagerFunc func, void *data)
{
  submit (manager, DO_CREATE, id, patch, func, data);
}

void
manager_update_stream (Manager *manager, const char *id, GVariant *patch, ManagerFunc func, void *data)
{
  submit (manager, DO_UPDATE, id, patch, func, data);
}

void
manager_remove_stream (Manager *manager, const char *id, ManagerFunc func, void *data)
{
  submit (manager, DO_REMOVE, id, NULL, func, data);
}

void
manager_start_stream (Manager *manager, const char *id, ManagerFunc func, void *data)
{
  submit (manager, DO_START, id, NULL, func, data);
}

void
manager_stop_stream (Manager *manager, const char *id, ManagerFunc func, void *data)
{
  submit (manager, DO_STOP, id, NULL, func, data);
}

void
manager_restart_stream (Manager *manager, const char *id, ManagerFunc func, void *data)
{
  submit (manager, DO_RESTART, id, NULL, func, data);
}
