/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: names, configuration, operators' commands. */
#include "stream/registry.h"

#include "base/error.h"
#include "base/log.h"
#include "stream/life-private.h"

#include <string.h>

Registry *
registry_new (Loop *control, LoopPool *pool, const BridgeOps *bridges, StreamEventFunc on_event, void *data)
{
  Registry *registry = g_new0 (Registry, 1);
  *registry = (Registry){.control = control,
                         .pool = pool,
                         .bridges = bridges,
                         .on_event = on_event,
                         .event_data = data,
                         .factories = g_ptr_array_new (),
                         .settings = settings_new_default ()};
  registry->streams = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify)stream_unref);
  return registry;
}

void
registry_free (Registry *registry)
{
  if (!registry)
    return;
  g_return_if_fail (registry->closing == 0 && g_hash_table_size (registry->streams) == 0);
  g_hash_table_unref (registry->streams);
  g_ptr_array_unref (registry->factories);
  settings_unref (registry->settings);
  g_free (registry);
}

bool
registry_is_closing (const Registry *registry)
{
  return registry->closing > 0;
}

/* --- factories ---------------------------------------------------------------------------------------------
 */

void
registry_add_source_factory (Registry *registry, const SourceFactory *factory)
{
  g_ptr_array_add (registry->factories, (void *)factory);
}

const SourceFactory *
registry_find_factory (const Registry *registry, const char *url)
{
  g_autofree char *scheme = source_url_scheme (url);
  for (unsigned i = 0; scheme && i < registry->factories->len; i++) {
    const SourceFactory *factory = registry->factories->pdata[i];
    if (g_strv_contains (factory->schemes, scheme))
      return factory;
  }
  return NULL;
}

bool
registry_check_source (const Registry *registry, const char *url, GError **error)
{
  const SourceFactory *factory = registry_find_factory (registry, url);
  if (factory)
    return factory->check (url, error);
  g_autoptr (GString) known = g_string_new (NULL);
  for (unsigned i = 0; i < registry->factories->len; i++) {
    const SourceFactory *each = registry->factories->pdata[i];
    for (unsigned j = 0; each->schemes[j]; j++)
      g_string_append_printf (known, "%s%s:", known->len ? ", " : "", each->schemes[j]);
  }
  g_autofree char *redacted = source_url_redact (url);
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "%s: not a source; one begins with %s",
               redacted, known->str);
  return false;
}

static bool
check_sources (const Registry *registry, const StreamSettings *settings, GError **error)
{
  for (unsigned i = 0; settings->source && settings->source[i]; i++)
    if (!registry_check_source (registry, settings->source[i], error))
      return false;
  return true;
}

/* --- adding and dropping -----------------------------------------------------------------------------------
 */

Stream *
registry_find (Registry *registry, const char *id)
{
  return g_hash_table_lookup (registry->streams, id);
}

static Stream *
find_or_error (Registry *registry, const char *id, GError **error)
{
  Stream *stream = registry_find (registry, id);
  if (!stream)
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND, "no such stream: %s", id);
  return stream;
}

static void
open_hub (void *data)
{
  hub_open (data);
  stream_unref (data);
}

Stream *
registry_add (Registry *registry, StreamSettings *settings, LifeOrigin origin, GError **error)
{
  if (g_hash_table_size (registry->streams) >= (unsigned)registry->settings->max_streams) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT,
                 "there are %" G_GINT64_FORMAT " streams (limits.max_streams)",
                 registry->settings->max_streams);
    return NULL;
  }
  Stream *stream = stream_new (registry, settings->name, loop_pool_next (registry->pool), registry->control,
                               registry->bridges, settings);
  stream->life = life_new (stream, settings, origin);
  g_hash_table_insert (registry->streams, stream->id, stream);
  loop_post (stream->home, open_hub, stream_ref (stream));
  life_emit (stream->life, "stream.created", NULL, NULL);
  life_reconcile (stream->life);
  return stream;
}

static void
finish_shutdown_if_done (Registry *registry)
{
  if (registry->shutting_down && registry->closing == 0 && registry->shutdown_done) {
    LoopFunc done = registry->shutdown_done;
    registry->shutdown_done = NULL;
    done (registry->shutdown_data);
  }
}

static void
note_closed (void *data)
{
  Stream *stream = data;
  Registry *registry = stream->registry;
  registry->closing--;
  stream_unref (stream);
  finish_shutdown_if_done (registry);
}

static void
close_hub (void *data)
{
  Stream *stream = data;
  hub_close (stream);
  loop_post (stream->control, note_closed, stream);
}

void
registry_drop (Registry *registry, Stream *stream, ReaderGone why)
{
  Life *life = stream->life;
  life_emit (life, "stream.removed", NULL, NULL);
  g_autoptr (GError) error = g_error_new (SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND, "the stream was removed");
  access_fail_waiting (life, error);
  life_tell_readers_gone (life, why);
  registry->closing++;
  loop_post (stream->home, close_hub, stream_ref (stream));
  stream->life = NULL;
  life_free (life);
  g_hash_table_remove (registry->streams, stream->id);
}

void
registry_shutdown (Registry *registry, LoopFunc done, void *data)
{
  registry->shutting_down = true;
  registry->shutdown_done = done;
  registry->shutdown_data = data;
  g_autoptr (GList) streams = g_hash_table_get_values (registry->streams);
  for (GList *l = streams; l; l = l->next)
    registry_drop (registry, l->data, READER_GONE_SHUTDOWN);
  finish_shutdown_if_done (registry);
}

/* --- configuration -----------------------------------------------------------------------------------------
 */

static char *
expand_name (const char *source, const char *name)
{
  g_auto (GStrv) parts = g_strsplit (source, "{name}", -1);
  return g_strjoinv (name, parts);
}

StreamSettings *
registry_derive_settings (Registry *registry, const char *name)
{
  StreamSettings *pattern = settings_find_stream (registry->settings, name);
  StreamSettings *derived = stream_settings_copy (pattern ? pattern : registry->settings->defaults, name);
  for (unsigned i = 0; derived->source && derived->source[i]; i++) {
    char *expanded = expand_name (derived->source[i], name);
    g_free (derived->source[i]);
    derived->source[i] = expanded;
    /* What a reader's wish made, the last reader's leaving ends. */
    derived->on_demand = true;
  }
  return derived;
}

static bool
is_configured_in (const Settings *settings, const char *id)
{
  for (unsigned i = 0; i < settings->streams->len; i++)
    if (strcmp (((StreamSettings *)settings->streams->pdata[i])->name, id) == 0)
      return true;
  return false;
}

static void
drop_unconfigured (Registry *registry)
{
  g_autoptr (GList) streams = g_hash_table_get_values (registry->streams);
  for (GList *l = streams; l; l = l->next) {
    Stream *stream = l->data;
    if (stream->life->origin == ORIGIN_FILE && !is_configured_in (registry->settings, stream->id))
      registry_drop (registry, stream, READER_GONE_STREAM_REMOVED);
  }
}

/* What a publisher or a pattern made stays from now on. */
static void
adopt (Life *life, LifeOrigin origin)
{
  life->origin = origin;
  if (life->hold_timer)
    life_await_publisher (life);
}

static void
apply_stream (Registry *registry, StreamSettings *settings)
{
  Stream *stream = registry_find (registry, settings->name);
  if (stream) {
    if (stream->life->origin == ORIGIN_DYNAMIC)
      adopt (stream->life, ORIGIN_FILE);
    life_set_settings (stream->life, settings);
    return;
  }
  g_autoptr (GError) error = NULL;
  if (!registry_add (registry, settings, ORIGIN_FILE, &error))
    LOG (LOG_STREAM, LOG_ERROR, "stream-refused", (&(LogFields){.stream = settings->name}), "%s",
         error->message);
}

static void
rederive_dynamic (Registry *registry)
{
  GHashTableIter iter;
  Stream *stream;
  g_hash_table_iter_init (&iter, registry->streams);
  while (g_hash_table_iter_next (&iter, NULL, (void **)&stream)) {
    if (stream->life->origin != ORIGIN_DYNAMIC)
      continue;
    g_autoptr (StreamSettings) settings = registry_derive_settings (registry, stream->id);
    life_set_settings (stream->life, settings);
  }
}

void
registry_apply (Registry *registry, Settings *settings)
{
  settings_ref (settings);
  settings_unref (registry->settings);
  registry->settings = settings;
  drop_unconfigured (registry);
  for (unsigned i = 0; i < settings->streams->len; i++)
    apply_stream (registry, settings->streams->pdata[i]);
  rederive_dynamic (registry);
}

bool
registry_create (Registry *registry, StreamSettings *settings, GError **error)
{
  if (!settings_check_stream_name (settings->name, error) || !check_sources (registry, settings, error))
    return false;
  Stream *stream = registry_find (registry, settings->name);
  if (stream && stream->life->origin == ORIGIN_DYNAMIC) {
    adopt (stream->life, ORIGIN_API);
    life_set_settings (stream->life, settings);
    return true;
  }
  if (stream) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_ALREADY_EXISTS, "stream %s exists already",
                 settings->name);
    return false;
  }
  return registry_add (registry, settings, ORIGIN_API, error) != NULL;
}

bool
registry_update (Registry *registry, StreamSettings *settings, GError **error)
{
  Stream *stream = find_or_error (registry, settings->name, error);
  if (!stream || !check_sources (registry, settings, error))
    return false;
  life_set_settings (stream->life, settings);
  life_emit (stream->life, "stream.updated", NULL, NULL);
  return true;
}

bool
registry_remove (Registry *registry, const char *id, GError **error)
{
  Stream *stream = find_or_error (registry, id, error);
  if (!stream)
    return false;
  registry_drop (registry, stream, READER_GONE_STREAM_REMOVED);
  return true;
}

/* --- operators ---------------------------------------------------------------------------------------------
 */

static void
set_stopped (Life *life, bool stopped)
{
  life->stopped_by_operator = stopped;
  life->ended = false;
  if (stopped || life->state == STREAM_ERROR)
    life->attempts = 0;
  life_reconcile (life);
  if (!stopped && !life_has_source (life) && !life->online && !life->ticket)
    life_await_publisher (life);
  life_schedule_close (life);
}

bool
registry_start (Registry *registry, const char *id, GError **error)
{
  Stream *stream = find_or_error (registry, id, error);
  if (!stream)
    return false;
  set_stopped (stream->life, false);
  return true;
}

bool
registry_stop (Registry *registry, const char *id, GError **error)
{
  Stream *stream = find_or_error (registry, id, error);
  if (!stream)
    return false;
  set_stopped (stream->life, true);
  return true;
}

bool
registry_restart (Registry *registry, const char *id, GError **error)
{
  return registry_stop (registry, id, error) && registry_start (registry, id, error);
}

bool
registry_kick (Registry *registry, const char *stream_id, const char *reader_id, GError **error)
{
  Stream *stream = find_or_error (registry, stream_id, error);
  if (!stream)
    return false;
  GPtrArray *readers = stream->life->readers;
  for (unsigned i = 0; i < readers->len; i++) {
    Reader *reader = readers->pdata[i];
    if (strcmp (reader->id, reader_id) == 0) {
      reader_post_gone (reader, READER_GONE_KICKED);
      return true;
    }
  }
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND, "stream %s has no reader %s", stream_id,
               reader_id);
  return false;
}

/* --- status ------------------------------------------------------------------------------------------------
 */

void
stream_status_free (StreamStatus *status)
{
  if (!status)
    return;
  stream_unref (status->stream);
  stream_settings_unref (status->settings);
  track_set_unref (status->tracks);
  g_free (status->source);
  g_free (status->source_type);
  g_free (status->publisher_peer);
  g_free (status->last_error);
  g_free (status->last_error_code);
  g_ptr_array_unref (status->readers);
  g_free (status);
}

StreamStatus *
registry_get_status (Registry *registry, const char *id)
{
  Stream *stream = registry_find (registry, id);
  if (!stream)
    return NULL;
  StreamStatus *status = g_new0 (StreamStatus, 1);
  life_fill_status (stream->life, status);
  return status;
}

static int
compare_ids (const void *a, const void *b)
{
  const StreamStatus *first = *(StreamStatus *const *)a;
  const StreamStatus *second = *(StreamStatus *const *)b;
  return strcmp (first->stream->id, second->stream->id);
}

GPtrArray *
registry_list (Registry *registry)
{
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify)stream_status_free);
  GHashTableIter iter;
  const char *id;
  g_hash_table_iter_init (&iter, registry->streams);
  while (g_hash_table_iter_next (&iter, (void **)&id, NULL))
    g_ptr_array_add (list, registry_get_status (registry, id));
  g_ptr_array_sort (list, compare_ids);
  return list;
}

unsigned
registry_count (const Registry *registry)
{
  return g_hash_table_size (registry->streams);
}
