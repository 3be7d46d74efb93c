/* SPDX-License-Identifier: Apache-2.0 */
/* The life cycle of one stream: which source runs, when the next attempt comes, what operators see. Control
 * loop; the life_post_ functions carry news from the I/O loops to it. */
#include "stream/life-private.h"

#include "base/error.h"
#include "base/log.h"

#include <string.h>

enum {
  STEADY_AFTER_US = 10 * 1000000, /* a source that ran this long starts with a clean record */
  FAIL_OVER_DELAY_MS = 100,       /* to the next source of the list, in the first round */
  BACK_OFF_MAX_SHIFT = 16,
};

Life *
life_new (Stream *stream, StreamSettings *settings, LifeOrigin origin)
{
  Life *life = g_new0 (Life, 1);
  life->stream = stream;
  life->registry = stream->registry;
  life->settings = stream_settings_ref (settings);
  life->origin = origin;
  life->readers = g_ptr_array_new_with_free_func ((GDestroyNotify)reader_unref);
  life->created_unix_us = g_get_real_time ();
  g_queue_init (&life->waiting);
  return life;
}

void
life_free (Life *life)
{
  g_clear_handle_id (&life->retry_timer, g_source_remove);
  g_clear_handle_id (&life->close_timer, g_source_remove);
  g_clear_handle_id (&life->hold_timer, g_source_remove);
  g_ptr_array_unref (life->readers);
  track_set_unref (life->tracks);
  stream_settings_unref (life->settings);
  g_free (life->source);
  g_free (life->publisher_peer);
  g_free (life->last_error);
  g_free (life->last_error_code);
  g_free (life);
}

void
life_emit (Life *life, const char *type, const char *message, const GError *error)
{
  Registry *registry = life->registry;
  StreamEvent event = {.type = type, .stream = life->stream->id, .message = message, .error = error};
  registry->on_event (registry->event_data, &event);
}

static void
emit_pair (Life *life, const char *type, const char *reader, const char *message, const char *key,
           const char *value)
{
  Registry *registry = life->registry;
  StreamEvent event = {.type = type,
                       .stream = life->stream->id,
                       .message = message,
                       .reader = reader,
                       .detail_key = key,
                       .detail_value = value};
  registry->on_event (registry->event_data, &event);
}

static void
set_state (Life *life, StreamState state, const char *message, const GError *error)
{
  static const char *const types[] = {
      [STREAM_STOPPED] = "stream.stopped",   [STREAM_STARTING] = "stream.starting",
      [STREAM_RUNNING] = "stream.started",   [STREAM_RECONNECTING] = "stream.reconnecting",
      [STREAM_STOPPING] = "stream.stopping", [STREAM_ERROR] = "stream.error",
  };
  if (life->state == state)
    return;
  life->state = state;
  life_emit (life, types[state], message, error);
}

static void
record_error (Life *life, const GError *error)
{
  g_free (life->last_error);
  g_free (life->last_error_code);
  life->last_error = g_strdup (error->message);
  life->last_error_code = g_strdup (sluice_error_name (error));
  life->last_error_unix_us = g_get_real_time ();
}

bool
life_has_source (const Life *life)
{
  return life->settings->source && life->settings->source[0];
}

/* --- messages to the home loop -----------------------------------------------------------------------------
 */

typedef struct {
  Stream *stream;
  const SourceFactory *factory;
  char *url;
  unsigned incarnation;
  StreamSettings *settings;
  GError *why;
} HomeMessage;

static void
send_home (Life *life, LoopFunc func, HomeMessage message)
{
  message.stream = stream_ref (life->stream);
  loop_post (life->stream->home, func, g_memdup2 (&message, sizeof message));
}

static void
home_message_free (HomeMessage *message)
{
  stream_unref (message->stream);
  g_free (message->url);
  stream_settings_unref (message->settings);
  g_clear_error (&message->why);
  g_free (message);
}

static void
open_source_at_home (void *data)
{
  HomeMessage *m = data;
  hub_open_source (m->stream, m->factory, m->url, m->incarnation);
  home_message_free (m);
}

static void
close_source_at_home (void *data)
{
  HomeMessage *m = data;
  hub_close_source (m->stream, m->why);
  hub_end_ingest (m->stream, m->why);
  home_message_free (m);
}

static void
end_publisher_at_home (void *data)
{
  HomeMessage *m = data;
  hub_end_ingest (m->stream, m->why);
  home_message_free (m);
}

static void
set_settings_at_home (void *data)
{
  HomeMessage *m = data;
  hub_set_settings (m->stream, m->settings);
  home_message_free (m);
}

/* --- starting and stopping ---------------------------------------------------------------------------------
 */

static bool
is_held (const Life *life)
{
  return !life->settings->enabled || life->stopped_by_operator;
}

static bool
should_run (const Life *life)
{
  return !is_held (life) && !life->ended && life_has_source (life) &&
         (!life->settings->on_demand || life->n_leases > 0 || life->waiting.length > 0);
}

static GError *
stopped_error (void)
{
  return g_error_new_literal (SLUICE_ERROR, SLUICE_ERROR_CANCELLED, "the stream was stopped");
}

/* The news that it has left settle the rest. */
static void
end_publisher (Life *life)
{
  send_home (life, end_publisher_at_home, (HomeMessage){.why = stopped_error ()});
}

static void
note_publisher_left (Life *life, const GError *why)
{
  emit_pair (life, "publisher.disconnected", NULL, why ? why->message : NULL, "peer", life->publisher_peer);
  g_clear_pointer (&life->publisher_peer, g_free);
}

static void
open_source (Life *life)
{
  unsigned n_sources = g_strv_length (life->settings->source);
  life->source_index %= n_sources;
  const char *url = life->settings->source[life->source_index];
  const SourceFactory *factory = registry_find_factory (life->registry, url);
  g_free (life->source);
  life->source = source_url_redact (url);
  if (!factory) {
    g_autoptr (GError) error = NULL;
    registry_check_source (life->registry, url, &error);
    record_error (life, error);
    set_state (life, STREAM_ERROR, error->message, error);
    access_fail_waiting (life, error);
    return;
  }
  life->source_open = true;
  life->incarnation++;
  set_state (life, life->attempts ? STREAM_RECONNECTING : STREAM_STARTING, life->source, NULL);
  send_home (life, open_source_at_home,
             (HomeMessage){.factory = factory, .url = g_strdup (url), .incarnation = life->incarnation});
}

void
life_close_source (Life *life)
{
  g_clear_handle_id (&life->retry_timer, g_source_remove);
  g_clear_handle_id (&life->close_timer, g_source_remove);
  /* Reports of the old source that are under way count no more. */
  life->incarnation++;
  life->source_open = false;
  life->online = false;
  life->running_since_unix_us = 0;
  life->attempts = 0;
  life->source_index = 0;
  send_home (life, close_source_at_home, (HomeMessage){.why = stopped_error ()});
}

void
life_reconcile (Life *life)
{
  if (should_run (life)) {
    g_clear_handle_id (&life->close_timer, g_source_remove);
    if (!life->source_open && !life->retry_timer)
      open_source (life);
  } else if (life->source_open || life->retry_timer) {
    life_close_source (life);
    set_state (life, STREAM_STOPPED, NULL, NULL);
  } else if (life_has_source (life) && (life->state != STREAM_ERROR || is_held (life))) {
    set_state (life, STREAM_STOPPED, NULL, NULL);
  } else if (!life_has_source (life) && is_held (life)) {
    if (life->online)
      end_publisher (life);
    if (life->stopped_by_operator)
      g_clear_handle_id (&life->hold_timer, g_source_remove);
    set_state (life, STREAM_STOPPED, NULL, NULL);
  }
}

static gboolean
on_close_timer (void *data)
{
  Life *life = data;
  life->close_timer = 0;
  life_reconcile (life);
  /* A stop holds until the start: it would be forgotten with the stream. */
  if (life->origin == ORIGIN_DYNAMIC && life->n_leases == 0 && !life->source_open && !life->online &&
      !life->ticket && !life->hold_timer && !life->stopped_by_operator)
    registry_drop (life->registry, life->stream, READER_GONE_STREAM_REMOVED);
  return G_SOURCE_REMOVE;
}

void
life_schedule_close (Life *life)
{
  if (life->n_leases > 0 || life->waiting.length > 0 || !life->settings->on_demand || life->close_timer)
    return;
  life->close_timer = g_timeout_add ((guint)life->settings->on_demand_close_after_ms, on_close_timer, life);
}

static gboolean
on_hold_timer (void *data)
{
  Life *life = data;
  life->hold_timer = 0;
  registry_drop (life->registry, life->stream, READER_GONE_STREAM_REMOVED);
  return G_SOURCE_REMOVE;
}

/* Nobody publishes it. What a publisher made by itself waits a while for one to come back. */
void
life_await_publisher (Life *life)
{
  bool waits = life->origin == ORIGIN_DYNAMIC && !life->stopped_by_operator;
  g_clear_handle_id (&life->hold_timer, g_source_remove);
  if (waits)
    life->hold_timer = g_timeout_add (VANISHED_PUBLISHER_HOLD_MS, on_hold_timer, life);
  set_state (life, waits && !is_held (life) ? STREAM_RECONNECTING : STREAM_STOPPED, NULL, NULL);
}

void
life_set_settings (Life *life, StreamSettings *settings)
{
  bool same_source = stream_settings_equal_source (life->settings, settings);
  bool had_source = life_has_source (life);
  stream_settings_ref (settings);
  stream_settings_unref (life->settings);
  life->settings = settings;
  send_home (life, set_settings_at_home, (HomeMessage){.settings = stream_settings_ref (settings)});
  /* Where there is no source, before and after, what says how to play it is no reason to end a publisher. */
  if (!same_source && (had_source || life_has_source (life))) {
    bool published = life->online && !had_source;
    life->ended = false;
    life_close_source (life);
    if (published)
      note_publisher_left (life, NULL);
    if (life->state == STREAM_ERROR)
      life->state = STREAM_STOPPED;
    if (life_has_source (life))
      g_clear_handle_id (&life->hold_timer, g_source_remove);
    else
      life_await_publisher (life);
  }
  life_reconcile (life);
  life_schedule_close (life);
}

/* --- retries -----------------------------------------------------------------------------------------------
 */

static gboolean
on_retry_timer (void *data)
{
  Life *life = data;
  life->retry_timer = 0;
  life_reconcile (life);
  return G_SOURCE_REMOVE;
}

/* Doubling from retry_min to retry_max, a quarter up or down at random so that a hundred cameras behind one
 * switch do not come back in step. The other sources of a list are tried without delay first. */
static unsigned
retry_delay_ms (const Life *life)
{
  unsigned n_sources = g_strv_length (life->settings->source);
  if (life->attempts < n_sources)
    return FAIL_OVER_DELAY_MS;
  unsigned rounds = MIN (life->attempts / n_sources - 1, BACK_OFF_MAX_SHIFT);
  double delay = (double)MIN (life->settings->retry_min_ms << rounds, life->settings->retry_max_ms);
  return (unsigned)(delay * g_random_double_range (0.75, 1.25));
}

static void
handle_regular_end (Life *life)
{
  life->ended = true;
  set_state (life, STREAM_STOPPED, "the source has ended", NULL);
  life_tell_readers_gone (life, READER_GONE_STREAM_REMOVED);
  g_autoptr (GError) error =
      g_error_new_literal (SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "the source has ended");
  access_fail_waiting (life, error);
}

static void
handle_source_failed (Life *life, const GError *error)
{
  if (life->running_since_mono_us && loop_now_us () - life->running_since_mono_us > STEADY_AFTER_US)
    life->attempts = 0;
  life->source_open = false;
  life->online = false;
  life->running_since_unix_us = life->running_since_mono_us = 0;
  if (g_error_matches (error, SLUICE_ERROR, SLUICE_ERROR_CANCELLED)) {
    handle_regular_end (life);
    return;
  }
  COUNT (life->stream->counters.source_failures, 1);
  record_error (life, error);
  life->attempts++;
  LOG (LOG_STREAM, life->attempts == 1 ? LOG_WARNING : LOG_INFO, "source-failed",
       (&(LogFields){.stream = life->stream->id, .error = sluice_error_name (error)}), "%s: %s", life->source,
       error->message);
  life_emit (life, "source.failed", error->message, error);
  int64_t max_attempts = life->settings->max_attempts;
  if (max_attempts > 0 && life->attempts >= max_attempts) {
    set_state (life, STREAM_ERROR, error->message, error);
    access_fail_waiting (life, error);
    return;
  }
  life->source_index++;
  life->retry_timer = g_timeout_add (retry_delay_ms (life), on_retry_timer, life);
  set_state (life, STREAM_RECONNECTING, error->message, error);
}

/* --- publishers --------------------------------------------------------------------------------------------
 */

/* A publisher has left. What it made by itself goes with it: at once when it said good-bye, after a while
 * when it vanished and may come back. */
static void
handle_publisher_left (Life *life, const GError *why)
{
  note_publisher_left (life, why);
  set_state (life, is_held (life) ? STREAM_STOPPED : STREAM_RECONNECTING,
             why ? why->message : "the publisher has left", why);
  if (life->ticket && !is_held (life))
    return; /* another one is about to take over */
  if (!why && life->origin == ORIGIN_DYNAMIC && !life->stopped_by_operator)
    registry_drop (life->registry, life->stream, READER_GONE_STREAM_REMOVED);
  else
    life_await_publisher (life);
}

static void
handle_offline (Life *life, const GError *why)
{
  if (!life->online)
    return;
  life->online = false;
  life->running_since_unix_us = 0;
  if (!life_has_source (life))
    handle_publisher_left (life, why);
  else if (life->source_open)
    set_state (life, STREAM_RECONNECTING, why ? why->message : NULL, why);
}

static void
handle_online (Life *life, unsigned incarnation, TrackSet *tracks, const IngestInfo *info)
{
  if (incarnation && incarnation != life->incarnation)
    return;
  /* Stopped, or given a source, between its permission and its first packet. */
  bool unwanted = !incarnation && (life_has_source (life) || is_held (life));
  if (unwanted) {
    life->ticket = NULL;
    end_publisher (life);
    if (!life_has_source (life))
      life_await_publisher (life);
    return;
  }
  g_clear_handle_id (&life->hold_timer, g_source_remove);
  g_clear_pointer (&life->tracks, track_set_unref);
  life->tracks = track_set_ref (tracks);
  life->online = true;
  life->protocol = info->protocol;
  life->running_since_unix_us = life->last_connected_unix_us = g_get_real_time ();
  life->running_since_mono_us = loop_now_us ();
  if (!life_has_source (life)) {
    /* The ticket has served: who publishes is guarded by the publisher itself now. */
    life->ticket = NULL;
    g_free (life->publisher_peer);
    life->publisher_peer = g_strdup (info->peer);
    emit_pair (life, "publisher.connected", NULL, NULL, "peer", info->peer);
  }
  LOG (LOG_STREAM, LOG_INFO, "stream-online", (&(LogFields){.stream = life->stream->id, .peer = info->peer}),
       "running from %s, %u track%s", life_has_source (life) ? life->source : "a publisher", tracks->n_tracks,
       tracks->n_tracks == 1 ? "" : "s");
  set_state (life, STREAM_RUNNING, NULL, NULL);
  access_grant_waiting (life);
}

/* --- readers -----------------------------------------------------------------------------------------------
 */

void
life_tell_readers_gone (Life *life, ReaderGone why)
{
  for (unsigned i = 0; i < life->readers->len; i++)
    reader_post_gone (life->readers->pdata[i], why);
}

/* --- posts from the I/O loops ------------------------------------------------------------------------------
 */

typedef struct {
  Stream *stream;
  unsigned incarnation;
  TrackSet *tracks;
  IngestInfo info;
  GError *error;
  Reader *reader;
  const char *reason;
  void (*handle) (Life *life, void *message);
} News;

static void
take_news (void *data)
{
  News *news = data;
  /* A stream that was removed has no life any more. */
  if (news->stream->life)
    news->handle (news->stream->life, news);
  track_set_unref (news->tracks);
  g_free (news->info.peer);
  g_free (news->info.user);
  g_clear_error (&news->error);
  if (news->reader)
    reader_unref (news->reader);
  stream_unref (news->stream);
  g_free (news);
}

static void
post_news (Stream *stream, News news)
{
  news.stream = stream_ref (stream);
  loop_post (stream->control, take_news, g_memdup2 (&news, sizeof news));
}

static void
news_online (Life *life, void *data)
{
  News *news = data;
  handle_online (life, news->incarnation, news->tracks, &news->info);
}

void
life_post_online (Stream *stream, unsigned incarnation, TrackSet *tracks, const IngestInfo *info)
{
  IngestInfo copy = *info;
  copy.peer = g_strdup (info->peer);
  copy.user = g_strdup (info->user);
  post_news (stream, (News){.incarnation = incarnation,
                            .tracks = track_set_ref (tracks),
                            .info = copy,
                            .handle = news_online});
}

static void
news_offline (Life *life, void *data)
{
  handle_offline (life, ((News *)data)->error);
}

void
life_post_offline (Stream *stream, const GError *why)
{
  post_news (stream, (News){.error = why ? g_error_copy (why) : NULL, .handle = news_offline});
}

static void
news_tracks_changed (Life *life, void *data)
{
  life_tell_readers_gone (life, READER_GONE_TRACKS_CHANGED);
}

void
life_post_tracks_changed (Stream *stream)
{
  post_news (stream, (News){.handle = news_tracks_changed});
}

static void
news_source_failed (Life *life, void *data)
{
  News *news = data;
  if (news->incarnation == life->incarnation && life->source_open)
    handle_source_failed (life, news->error);
}

void
life_post_source_failed (Stream *stream, unsigned incarnation, const GError *error)
{
  post_news (stream,
             (News){.incarnation = incarnation, .error = g_error_copy (error), .handle = news_source_failed});
}

static void
news_reader_opened (Life *life, void *data)
{
  Reader *reader = ((News *)data)->reader;
  g_ptr_array_add (life->readers, reader_ref (reader));
  emit_pair (life, "reader.opened", reader->id, NULL, "peer", reader->peer);
}

void
life_post_reader_opened (Reader *reader)
{
  post_news (reader->stream, (News){.reader = reader_ref (reader), .handle = news_reader_opened});
}

static void
news_reader_closed (Life *life, void *data)
{
  News *news = data;
  if (!g_ptr_array_find (life->readers, news->reader, NULL))
    return;
  emit_pair (life, "reader.closed", news->reader->id, news->reason, "peer", news->reader->peer);
  g_ptr_array_remove_fast (life->readers, news->reader);
}

void
life_post_reader_closed (Reader *reader, const char *reason)
{
  post_news (reader->stream,
             (News){.reader = reader_ref (reader), .reason = reason, .handle = news_reader_closed});
}

/* --- status ------------------------------------------------------------------------------------------------
 */

static ReaderStatus *
describe_reader (const Reader *reader)
{
  ReaderStatus *status = g_new0 (ReaderStatus, 1);
  *status = (ReaderStatus){
      .id = g_strdup (reader->id),
      .protocol = g_strdup (reader->protocol),
      .transport = g_strdup (atomic_load (&reader->transport)),
      .peer = g_strdup (reader->peer),
      .user = g_strdup (reader->user),
      .user_agent = g_strdup (reader->user_agent),
      .opened_unix_us = reader->opened_unix_us,
      .bytes = COUNTED (reader->bytes),
      .packets = COUNTED (reader->packets),
      .skips = COUNTED (reader->skips),
      .dropped_batches = COUNTED (reader->dropped_batches),
      .reported_lost = (uint32_t)COUNTED (reader->reported_lost),
      .jitter_ms = (double)COUNTED (reader->jitter_us) / 1000,
  };
  return status;
}

static void
reader_status_free (void *data)
{
  ReaderStatus *status = data;
  g_free (status->id);
  g_free (status->protocol);
  g_free (status->transport);
  g_free (status->peer);
  g_free (status->user);
  g_free (status->user_agent);
  g_free (status);
}

void
life_fill_status (Life *life, StreamStatus *status)
{
  bool pulls = life_has_source (life);
  *status = (StreamStatus){
      .stream = stream_ref (life->stream),
      .settings = stream_settings_ref (life->settings),
      .configured = life->origin != ORIGIN_DYNAMIC,
      .state = life->state,
      .tracks = life->tracks ? track_set_ref (life->tracks) : NULL,
      .source = pulls ? g_strdup (life->source) : g_strdup (life->online ? "publisher" : NULL),
      .source_type = life->protocol ? g_strdup (life->protocol) : NULL,
      .publisher_peer = g_strdup (life->publisher_peer),
      .source_index = life->source_index,
      .attempts = life->attempts,
      .created_unix_us = life->created_unix_us,
      .running_since_unix_us = life->running_since_unix_us,
      .running_since_mono_us = life->online ? life->running_since_mono_us : 0,
      .last_connected_unix_us = life->last_connected_unix_us,
      .last_error = g_strdup (life->last_error),
      .last_error_code = g_strdup (life->last_error_code),
      .last_error_unix_us = life->last_error_unix_us,
      .readers = g_ptr_array_new_with_free_func (reader_status_free),
  };
  if (pulls && !status->source)
    status->source = source_url_redact (life->settings->source[0]);
  for (unsigned i = 0; i < life->readers->len; i++)
    g_ptr_array_add (status->readers, describe_reader (life->readers->pdata[i]));
}
