/* SPDX-License-Identifier: Apache-2.0 */
/* The packet plane: makes one continuous RTP stream of whatever publishers send, finds frames in it, and cuts
 * it into batches. Readers never see that a source restarted, changed its SSRC or jumped in time, but for the
 * gap. */
#include "stream/hub-private.h"

#include <string.h>

enum {
  LATE_MEANS_RESTART = 32,
  /* A source that sends no more reports is told by its last one; well before its time stamps come round. */
  CLOCK_TICKS_MAX = 1 << 30,
};

static uint32_t
clock_rate (const Hub *hub, unsigned track)
{
  return hub->tracks->tracks[track].spec.clock_rate;
}

static int64_t
ticks_to_us (int64_t ticks, uint32_t rate)
{
  return ticks * G_USEC_PER_SEC / rate;
}

static int64_t
us_to_ticks (int64_t us, uint32_t rate)
{
  return us * rate / G_USEC_PER_SEC;
}

void
packets_begin (Hub *hub)
{
  for (unsigned i = 0; i < hub->tracks->n_tracks; i++) {
    PacketTrack *t = &hub->packets[i];
    t->has_source = false;
    t->has_clock = false;
    t->frame_open = false;
    t->late_in_a_row = 0;
    if (!t->builder)
      t->builder = batch_builder_new ((uint8_t)i);
  }
}

/* --- cutting into batches ----------------------------------------------------------------------------------
 */

static void
flush (Hub *hub, PacketTrack *t)
{
  Batch *batch = batch_builder_finish (t->builder);
  t->no_picture = false;
  if (batch)
    hub_emit_batch (hub, batch);
}

void
packets_end (Hub *hub)
{
  for (unsigned i = 0; hub->tracks && i < hub->tracks->n_tracks; i++)
    if (hub->packets[i].builder)
      flush (hub, &hub->packets[i]);
}

void
packets_clear (Hub *hub)
{
  for (unsigned i = 0; i < TRACKS_MAX; i++) {
    batch_builder_free (hub->packets[i].builder);
    hub->packets[i] = (PacketTrack){0};
  }
}

bool
packets_flush_due (Hub *hub, int64_t now_us)
{
  bool left = false;
  for (unsigned i = 0; hub->tracks && i < hub->tracks->n_tracks; i++) {
    PacketTrack *t = &hub->packets[i];
    if (!t->builder || batch_builder_count (t->builder) == 0)
      continue;
    int64_t age_us = now_us - batch_builder_started_us (t->builder);
    int64_t deadline_us = t->no_picture ? PARAMETERS_DEADLINE_US : FLUSH_DEADLINE_MS * 1000;
    if (age_us >= deadline_us || !inspect_marker_ends_frame (hub->tracks->tracks[i].spec.codec))
      flush (hub, t);
    else
      left = true;
  }
  return left;
}

/* --- continuity --------------------------------------------------------------------------------------------
 */

/* Lets the source go on where the last one ended: the next sequence number, and a time stamp as much later as
 * the clock on the wall says. */
static void
rebase (Hub *hub, unsigned track, const RtpHeader *header, const InspectResult *found, int64_t arrival_us)
{
  PacketTrack *t = &hub->packets[track];
  uint32_t rate = clock_rate (hub, track);
  flush (hub, t);
  if (t->has_out) {
    int64_t ticks = MAX (1, us_to_ticks (arrival_us - t->last_out_us, rate));
    t->sequence_offset = (uint16_t)(t->last_out_sequence + 1 - header->sequence);
    t->time_offset = t->last_out_time + (uint32_t)ticks - header->timestamp;
  } else {
    t->sequence_offset = 0;
    t->time_offset = 0;
  }
  t->has_source = true;
  t->source_ssrc = header->ssrc;
  t->late_in_a_row = 0;
  t->frame_open = false;
  /* It may begin in the middle of a frame. */
  t->frame_partial = found->continuation;
  /* A report told the clock of the old time stamps. */
  t->has_clock = false;
}

static bool
jumped_in_time (const Hub *hub, unsigned track, const RtpHeader *header, int64_t arrival_us)
{
  const PacketTrack *t = &hub->packets[track];
  int32_t ticks = (int32_t)(header->timestamp - t->last_source_time);
  int64_t moved_us = ticks_to_us (ticks, clock_rate (hub, track));
  int64_t passed_us = arrival_us - t->last_out_us;
  return moved_us - passed_us > TIME_JUMP_US || passed_us - moved_us > TIME_JUMP_US;
}

/* False: the packet came twice or far too late, and is not for the readers. */
static bool
place (Hub *hub, unsigned track, const RtpHeader *header, const InspectResult *found, int64_t arrival_us)
{
  PacketTrack *t = &hub->packets[track];
  AtomicCounters *counters = &hub->stream->counters;
  if (!t->has_source || header->ssrc != t->source_ssrc) {
    rebase (hub, track, header, found, arrival_us);
  } else {
    int step = (int16_t)(uint16_t)(header->sequence - t->last_source_sequence);
    if (step > SEQUENCE_JUMP || step < -SEQUENCE_JUMP || jumped_in_time (hub, track, header, arrival_us)) {
      rebase (hub, track, header, found, arrival_us);
    } else if (step <= 0) {
      if (++t->late_in_a_row < LATE_MEANS_RESTART) {
        COUNT (counters->packets_reordered, step < 0);
        return false;
      }
      rebase (hub, track, header, found, arrival_us);
    } else {
      COUNT (counters->packets_lost, (unsigned)step - 1);
    }
  }
  t->late_in_a_row = 0;
  t->last_source_sequence = header->sequence;
  t->last_source_time = header->timestamp;
  t->last_out_sequence = (uint16_t)(header->sequence + t->sequence_offset);
  t->last_out_time = header->timestamp + t->time_offset;
  t->last_out_us = arrival_us;
  t->has_out = true;
  return true;
}

/* --- clock -------------------------------------------------------------------------------------------------
 */

/* Without reports the capture time is taken as the arrival of the first packet, and again when the source's
 * clock has drifted a second away from ours. */
static int64_t
wall_clock (Hub *hub, unsigned track, int64_t arrival_us)
{
  PacketTrack *t = &hub->packets[track];
  uint32_t rate = clock_rate (hub, track);
  if (t->has_clock) {
    int32_t ticks = (int32_t)(t->last_out_time - t->clock_rtp_time);
    int64_t ntp_us = t->clock_ntp_us + ticks_to_us (ticks, rate);
    if (t->clock_from_report) {
      if (ticks > CLOCK_TICKS_MAX) {
        t->clock_ntp_us = ntp_us;
        t->clock_rtp_time = t->last_out_time;
      }
      return ntp_us;
    }
    int64_t arrived_us = g_get_real_time () - (loop_now_us () - arrival_us);
    if (ABS (arrived_us - ntp_us) < G_USEC_PER_SEC) {
      t->clock_ntp_us = ntp_us;
      t->clock_rtp_time = t->last_out_time;
      return ntp_us;
    }
  }
  t->has_clock = true;
  t->clock_from_report = false;
  t->clock_ntp_us = g_get_real_time () - (loop_now_us () - arrival_us);
  t->clock_rtp_time = t->last_out_time;
  return t->clock_ntp_us;
}

void
packets_set_clock (Hub *hub, unsigned track, int64_t ntp_us, uint32_t source_rtp_time)
{
  PacketTrack *t = &hub->packets[track];
  if (!t->has_source)
    return;
  t->has_clock = true;
  t->clock_from_report = true;
  t->clock_ntp_us = ntp_us;
  t->clock_rtp_time = source_rtp_time + t->time_offset;
}

/* --- frames ------------------------------------------------------------------------------------------------
 */

/* Frames of units are counted before they are payloaded. */
static void
count_frame (Hub *hub, unsigned track, bool key, int64_t arrival_us)
{
  if (track == hub_main_track (hub) && hub->ingest && hub->ingest->plane == INGEST_PACKETS)
    hub_note_frame (hub, key, arrival_us);
}

static void
end_frame (Hub *hub, unsigned track, int64_t arrival_us)
{
  PacketTrack *t = &hub->packets[track];
  if (t->frame_has_picture)
    count_frame (hub, track, t->frame_key, arrival_us);
  t->frame_open = false;
  t->frame_partial = false;
}

/* The flags that this packet adds to its batch. */
static unsigned
track_frame (Hub *hub, unsigned track, const RtpHeader *header, const InspectResult *found,
             int64_t arrival_us)
{
  PacketTrack *t = &hub->packets[track];
  unsigned flags = found->parameters ? BATCH_PARAMETERS : 0;

  if (!inspect_marker_ends_frame (hub->tracks->tracks[track].spec.codec)) {
    count_frame (hub, track, true, arrival_us);
    return flags | BATCH_KEY | BATCH_FRAME_START | BATCH_FRAME_END;
  }

  if (!t->frame_open) {
    flags |= BATCH_FRAME_START;
    t->frame_open = true;
    t->frame_has_picture = false;
    t->frame_key = false;
  }
  bool key = (found->key || hub->keyless) && !t->frame_partial;
  if (key && !t->frame_key) {
    t->frame_key = true;
    flags |= BATCH_KEY;
  }
  t->frame_has_picture |= found->picture;
  /* Some cameras set the marker on parameter sets too. */
  if (header->marker && t->frame_has_picture) {
    flags |= BATCH_FRAME_END;
    end_frame (hub, track, arrival_us);
  }
  return flags;
}

/* A new time stamp begins a new frame even when the last one had no marker bit. Parameter sets that some
 * cameras send ahead with a time stamp of their own stay with the key frame behind them. */
static void
close_old_frame (Hub *hub, unsigned track, const RtpHeader *header, int64_t arrival_us)
{
  PacketTrack *t = &hub->packets[track];
  if (t->frame_open && header->timestamp != t->frame_time) {
    if (!t->no_picture)
      flush (hub, t);
    end_frame (hub, track, arrival_us);
  }
  t->frame_time = header->timestamp;
}

void
packets_take (Hub *hub, unsigned track, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us,
              int64_t ntp_us)
{
  PacketTrack *t = &hub->packets[track];
  const Track *info = &hub->tracks->tracks[track];
  RtpHeader header;
  if (!rtp_header_parse (bytes, n_bytes, &header) || header.payload_type != info->spec.payload_type) {
    COUNT (hub->stream->counters.packets_invalid, 1);
    return;
  }
  InspectResult found;
  inspect_payload (info->spec.codec, bytes + header.payload_offset, header.payload_bytes, header.marker,
                   &found);
  if (!place (hub, track, &header, &found, arrival_us))
    return;
  if (ntp_us)
    packets_set_clock (hub, track, ntp_us, header.timestamp);
  close_old_frame (hub, track, &header, arrival_us);

  if (batch_builder_full (t->builder, n_bytes))
    flush (hub, t);
  unsigned flags = track_frame (hub, track, &header, &found, arrival_us);
  t->no_picture = !found.picture && (t->no_picture || batch_builder_count (t->builder) == 0);
  uint8_t *room = batch_builder_reserve (t->builder, n_bytes);
  memcpy (room, bytes, n_bytes);
  rtp_header_rewrite (room, header.payload_type, t->last_out_sequence, t->last_out_time, info->ssrc);
  if ((found.parameters || found.key) && !hub->picture_known && (int)track == hub_video (hub))
    hub->picture_known = inspect_video_payload (info->spec.codec, bytes + header.payload_offset,
                                                header.payload_bytes, &hub->picture);
  int64_t capture_us = batch_builder_count (t->builder) == 0 ? wall_clock (hub, track, arrival_us) : 0;
  batch_builder_commit (t->builder, n_bytes, flags, arrival_us, capture_us);
  if ((flags & BATCH_FRAME_END) && inspect_marker_ends_frame (info->spec.codec))
    flush (hub, t);
}
