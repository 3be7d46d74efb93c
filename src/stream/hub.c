/* SPDX-License-Identifier: Apache-2.0 */
/* The hub of a stream on its home loop: caches, branches, the running source, statistics and the watchdog. */
#include "base/error.h"
#include "base/log.h"
#include "stream/hub-private.h"

static void on_tick (void *data);
static void on_flush_timer (void *data);

enum { TICK_MS = 1000 };

Hub *
hub_new (Stream *stream, StreamSettings *settings)
{
  Hub *hub = g_new0 (Hub, 1);
  hub->stream = stream;
  hub->settings = stream_settings_ref (settings);
  hub->packet_gop = gop_cache_new ((size_t)settings->gop_cache_bytes);
  hub->unit_gop = gop_cache_new ((size_t)settings->gop_cache_bytes);
  hub->branches = g_array_new (FALSE, FALSE, sizeof (BranchSlot));
  return hub;
}

void
hub_free (Hub *hub)
{
  track_set_unref (hub->tracks);
  gop_cache_free (hub->packet_gop);
  gop_cache_free (hub->unit_gop);
  stream_settings_unref (hub->settings);
  g_array_unref (hub->branches);
  g_free (hub);
}

void
hub_open (Stream *stream)
{
  Hub *hub = stream->hub;
  loop_assert (stream->home);
  hub->tick = loop_timer_new (stream->home, on_tick, hub);
  hub->flush_timer = loop_timer_new (stream->home, on_flush_timer, hub);
  loop_timer_start (hub->tick, TICK_MS, TICK_MS);
}

void
hub_close (Stream *stream)
{
  Hub *hub = stream->hub;
  loop_assert (stream->home);
  g_autoptr (GError) why =
      g_error_new_literal (SLUICE_ERROR, SLUICE_ERROR_CANCELLED, "the stream was removed");
  hub_close_source (stream, why);
  hub_end_ingest (stream, why);
  hub->closed = true;
  g_clear_pointer (&hub->tick, loop_timer_free);
  g_clear_pointer (&hub->flush_timer, loop_timer_free);
  units_clear (hub);
  packets_clear (hub);
  gop_cache_clear (hub->packet_gop);
  gop_cache_clear (hub->unit_gop);
  for (unsigned i = 0; i < hub->branches->len; i++) {
    Branch *branch = g_array_index (hub->branches, BranchSlot, i).branch;
    branch_send_gone (branch, READER_GONE_STREAM_REMOVED);
    branch_send_free (branch);
  }
  g_array_set_size (hub->branches, 0);
}

void
hub_set_settings (Stream *stream, StreamSettings *settings)
{
  Hub *hub = stream->hub;
  stream_settings_ref (settings);
  stream_settings_unref (hub->settings);
  hub->settings = settings;
  if (!settings->gop_cache) {
    /* Switched on again it must not go on behind a gap. */
    gop_cache_clear (hub->packet_gop);
    gop_cache_clear (hub->unit_gop);
  }
  g_mutex_lock (&stream->lock);
  StreamSettings *old = stream->settings;
  stream->settings = stream_settings_ref (settings);
  g_mutex_unlock (&stream->lock);
  stream_settings_unref (old);
}

/* --- the running source ------------------------------------------------------------------------------------
 */

typedef struct {
  Stream *stream;
  unsigned incarnation;
} SourceMessage;

static void
close_failed_source (void *data)
{
  SourceMessage *message = data;
  Hub *hub = message->stream->hub;
  if (hub->source && hub->incarnation == message->incarnation)
    hub_close_source (message->stream, NULL);
  stream_unref (message->stream);
  g_free (message);
}

/* The source is in the middle of a callback of its own: it is closed on the next turn, before any new one can
 * be opened, since that is posted to this loop only after this failure has reached the control loop. */
static void
fail_source (Hub *hub, const GError *error)
{
  if (!hub->source || hub->source_failed)
    return;
  hub->source_failed = true;
  SourceMessage *message = g_new (SourceMessage, 1);
  *message = (SourceMessage){stream_ref (hub->stream), hub->incarnation};
  loop_post (hub->stream->home, close_failed_source, message);
  life_post_source_failed (hub->stream, hub->incarnation, error);
}

static void
on_source_failed (void *data, const GError *error)
{
  fail_source (data, error);
}

static void
on_source_progress (void *data, const char *what)
{
  Hub *hub = data;
  LOG (LOG_STREAM, LOG_DEBUG, "source-progress", (&(LogFields){.stream = hub->stream->id}), "source: %s",
       what);
}

static const SourceEvents source_events = {.on_failed = on_source_failed, .on_progress = on_source_progress};

void
hub_open_source (Stream *stream, const SourceFactory *factory, const char *url, unsigned incarnation)
{
  Hub *hub = stream->hub;
  if (hub->closed)
    return;
  hub_close_source (stream, NULL);
  hub->factory = factory;
  hub->incarnation = incarnation;
  hub->source_failed = false;
  COUNT (stream->counters.source_starts, 1);
  hub->source = factory->open (factory->data, stream, url, hub->settings, &source_events, hub);
}

void
hub_close_source (Stream *stream, const GError *why)
{
  Hub *hub = stream->hub;
  if (!hub->source)
    return;
  /* Nothing it still reports counts as a failure. */
  hub->source_failed = true;
  void *source = g_steal_pointer (&hub->source);
  hub->factory->close (source);
  /* A source ends its own ingest; one that was cut off before has none. */
  hub_end_ingest (stream, why);
}

/* --- fan-out -----------------------------------------------------------------------------------------------
 */

/* The other tracks begin at the same instant of the wall clock, whatever packet of theirs is next. */
static JoinPoint
join_beside (const Hub *hub, unsigned track, const Batch *starts)
{
  const PacketTrack *t = &hub->packets[track];
  const Track *info = &hub->tracks->tracks[track];
  if (!t->has_out || !t->has_clock)
    return (JoinPoint){0};
  /* Both clocks are what senders claim: their distance can be anything. */
  __int128 later_us = (__int128)starts->ntp_us - t->clock_ntp_us;
  return (JoinPoint){.valid = true,
                     .ssrc = info->ssrc,
                     .sequence = (uint16_t)(t->last_out_sequence + 1),
                     .rtp_time =
                         t->clock_rtp_time + (uint32_t)(later_us * info->spec.clock_rate / G_USEC_PER_SEC),
                     .ntp_us = starts->ntp_us};
}

static void
set_join_point (Hub *hub, const Batch *starts)
{
  Stream *stream = hub->stream;
  g_mutex_lock (&stream->lock);
  stream->join[starts->track] = (JoinPoint){.valid = true,
                                            .ssrc = hub->tracks->tracks[starts->track].ssrc,
                                            .sequence = starts->first_sequence,
                                            .rtp_time = starts->rtp_time,
                                            .ntp_us = starts->ntp_us};
  for (unsigned i = 0; i < hub->tracks->n_tracks; i++)
    if (i != starts->track)
      stream->join[i] = join_beside (hub, i, starts);
  g_mutex_unlock (&stream->lock);
}

void
hub_forget_join_point (Hub *hub)
{
  g_mutex_lock (&hub->stream->lock);
  for (unsigned i = 0; i < TRACKS_MAX; i++)
    hub->stream->join[i].valid = false;
  g_mutex_unlock (&hub->stream->lock);
}

/* Other loops first: they work while this one serves its own readers. */
static void
send_to_branches (Hub *hub, Batch *batch)
{
  const BranchSlot *own = NULL;
  for (unsigned i = 0; i < hub->branches->len; i++) {
    const BranchSlot *slot = &g_array_index (hub->branches, BranchSlot, i);
    if (slot->n_readers[READER_PACKETS] == 0)
      continue;
    if (branch_loop (slot->branch) == hub->stream->home)
      own = slot;
    else
      branch_send_batch (slot->branch, batch);
  }
  if (own)
    branch_send_batch (own->branch, batch);
}

void
hub_emit_batch (Hub *hub, Batch *batch)
{
  bool starts = (int)batch->track == hub_video (hub) && (batch->flags & BATCH_KEY);
  if (starts || hub_video (hub) < 0)
    set_join_point (hub, batch);
  if (hub->settings->gop_cache && hub_video (hub) >= 0)
    gop_cache_add_batch (hub->packet_gop, batch, starts);
  send_to_branches (hub, batch);
  units_take_batch (hub, batch);
  batch_unref (batch);
}

void
hub_emit_unit (Hub *hub, unsigned track, GstBuffer *unit, GstCaps *caps)
{
  bool starts = (int)track == hub_video (hub) && !GST_BUFFER_FLAG_IS_SET (unit, GST_BUFFER_FLAG_DELTA_UNIT);
  if (hub->settings->gop_cache && hub_video (hub) >= 0)
    gop_cache_add_unit (hub->unit_gop, track, unit, caps, starts);
  for (unsigned i = 0; i < hub->branches->len; i++) {
    const BranchSlot *slot = &g_array_index (hub->branches, BranchSlot, i);
    if (slot->n_readers[READER_UNITS] > 0)
      branch_send_unit (slot->branch, track, unit, caps);
  }
}

/* --- readers -----------------------------------------------------------------------------------------------
 */

static BranchSlot *
find_branch (Hub *hub, const Loop *loop, unsigned *ret_index)
{
  for (unsigned i = 0; i < hub->branches->len; i++) {
    BranchSlot *slot = &g_array_index (hub->branches, BranchSlot, i);
    if (branch_loop (slot->branch) == loop) {
      if (ret_index)
        *ret_index = i;
      return slot;
    }
  }
  return NULL;
}

void
hub_attach (Stream *stream, Reader *reader, unsigned epoch, bool with_gop_cache)
{
  Hub *hub = stream->hub;
  loop_assert (stream->home);
  if (hub->closed) {
    reader_post_gone (reader, READER_GONE_STREAM_REMOVED);
    return;
  }
  BranchSlot *slot = find_branch (hub, reader->loop, NULL);
  if (!slot) {
    g_array_append_val (hub->branches, ((BranchSlot){.branch = branch_new (stream, reader->loop)}));
    slot = &g_array_index (hub->branches, BranchSlot, hub->branches->len - 1);
  }
  hub->demand[reader->plane]++;
  units_update_bridges (hub);

  /* Bridges that came to life have filled their cache from the other plane's; only now is it whole. */
  GopCache *cache = reader->plane == READER_PACKETS ? hub->packet_gop : hub->unit_gop;
  bool strange = reader->tracks && hub->tracks && !track_set_compatible (reader->tracks, hub->tracks);
  bool use_cache = !strange && with_gop_cache && hub->settings->gop_cache && gop_cache_count (cache) > 0;
  branch_send_attach (slot->branch, reader, epoch, hub_video (hub),
                      use_cache ? gop_cache_snapshot (cache) : NULL);
  slot->n_readers[reader->plane]++;
  /* Behind the attachment, which is given back in turn, and ahead of any batch. */
  if (strange)
    reader_post_gone (reader, READER_GONE_TRACKS_CHANGED);
  else if (!use_cache && hub_video (hub) >= 0)
    hub_request_keyframe (stream);
}

void
hub_detach (Stream *stream, Loop *loop, ReaderPlane plane)
{
  Hub *hub = stream->hub;
  unsigned index = 0;
  BranchSlot *slot = find_branch (hub, loop, &index);
  if (!slot || slot->n_readers[plane] == 0)
    return;
  slot->n_readers[plane]--;
  hub->demand[plane]--;
  if (slot->n_readers[READER_PACKETS] + slot->n_readers[READER_UNITS] == 0) {
    branch_send_free (slot->branch);
    g_array_remove_index_fast (hub->branches, index);
  }
  units_update_bridges (hub);
}

void
hub_request_keyframe (Stream *stream)
{
  Hub *hub = stream->hub;
  int64_t now_us = loop_now_us ();
  Ingest *ingest = hub->ingest;
  if (!ingest || !ingest->ops->request_keyframe || hub_video (hub) < 0 ||
      now_us - hub->keyframe_requested_us < KEYFRAME_REQUEST_INTERVAL_US)
    return;
  hub->keyframe_requested_us = now_us;
  ingest->ops->request_keyframe (ingest->publisher, (unsigned)hub_video (hub));
}

/* --- statistics and watchdog -------------------------------------------------------------------------------
 */

void
hub_note_frame (Hub *hub, bool key, int64_t arrival_us)
{
  Stream *stream = hub->stream;
  COUNT (stream->counters.frames_in, 1);
  hub->window_frames++;
  hub->last_frame_us = arrival_us;
  if (!key) {
    hub->gop_frames++;
    return;
  }
  COUNT (stream->counters.key_frames_in, 1);
  hub->key_seen = true;
  g_mutex_lock (&stream->lock);
  if (hub->gop_start_us) {
    stream->rates.gop_frames = hub->gop_frames;
    stream->rates.gop_us = arrival_us - hub->gop_start_us;
  }
  g_mutex_unlock (&stream->lock);
  hub->gop_frames = 1;
  hub->gop_start_us = arrival_us;
}

static void
update_picture_size (Hub *hub, StreamRates *rates)
{
  int video = hub_video (hub);
  if (video < 0)
    return;
  InspectVideoInfo info = {0};
  const TrackSpec *spec = &hub->tracks->tracks[video].spec;
  if (hub->picture_known)
    info = hub->picture;
  else if (!spec->fmtp || !inspect_video_fmtp (spec->codec, spec->fmtp, &info))
    return;
  rates->width = info.width;
  rates->height = info.height;
  g_strlcpy (rates->profile, info.profile, sizeof rates->profile);
}

static void
update_rates (Hub *hub, int64_t now_us)
{
  Stream *stream = hub->stream;
  double seconds = (double)MAX (1, now_us - hub->window_start_us) / G_USEC_PER_SEC;
  g_mutex_lock (&stream->lock);
  StreamRates *rates = &stream->rates;
  rates->bitrate_bps = (double)hub->window_bytes * 8 / seconds;
  rates->frame_rate = (double)hub->window_frames / seconds;
  rates->last_frame_us = hub->last_frame_us == hub->began_us ? 0 : hub->last_frame_us;
  if (!hub->ingest)
    rates->gop_frames = 0;
  else
    update_picture_size (hub, rates);
  g_mutex_unlock (&stream->lock);
  hub->window_start_us = now_us;
  hub->window_bytes = hub->window_frames = 0;
}

static void
check_stall (Hub *hub, int64_t now_us)
{
  int64_t limit_us = hub->settings->stall_timeout_ms * 1000;
  if (!hub->ingest || limit_us == 0 || now_us - hub->last_frame_us < limit_us)
    return;
  COUNT (hub->stream->counters.stalls, 1);
  g_autoptr (GError) why =
      g_error_new (SLUICE_ERROR, SLUICE_ERROR_TIMEOUT, "no frame for %.1f s (stall_timeout)",
                   (double)(now_us - hub->last_frame_us) / G_USEC_PER_SEC);
  if (hub->source)
    fail_source (hub, why);
  hub_end_ingest (hub->stream, why);
}

static void
on_tick (void *data)
{
  Hub *hub = data;
  int64_t now_us = loop_now_us ();
  update_rates (hub, now_us);
  if (hub->ingest && hub_video (hub) >= 0 && !hub->key_seen && now_us - hub->began_us > KEYLESS_AFTER_US &&
      !hub->keyless) {
    hub->keyless = true;
    LOG (LOG_STREAM, LOG_INFO, "no-key-frames", (&(LogFields){.stream = hub->stream->id}),
         "no key frame in %d s: readers start with any frame", KEYLESS_AFTER_US / 1000000);
  }
  check_stall (hub, now_us);
}

void
hub_burst_end (Hub *hub)
{
  if (packets_flush_due (hub, loop_now_us ()) && !loop_timer_active (hub->flush_timer))
    loop_timer_start (hub->flush_timer, FLUSH_DEADLINE_MS, 0);
}

static void
on_flush_timer (void *data)
{
  Hub *hub = data;
  if (packets_flush_due (hub, loop_now_us ()))
    loop_timer_start (hub->flush_timer, FLUSH_DEADLINE_MS, 0);
}
