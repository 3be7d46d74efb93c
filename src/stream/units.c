/* SPDX-License-Identifier: Apache-2.0 */
/* The unit plane, and the bridges between it and the packet plane. Bridges exist only while some reader wants
 * the plane that the publisher does not feed; one that comes to life is fed with the other plane's GOP cache
 * first. */
#include "base/log.h"
#include "stream/hub-private.h"

/* Unit time is the wall clock since about the stream's first unit, so that tracks of one publisher stay in
 * step and a new publisher goes on later than the last. */
static GstClockTime
unit_time (int64_t ns)
{
  return (GstClockTime)MAX (0, ns);
}

static int64_t
unit_ntp_us (const Hub *hub, const GstBuffer *unit)
{
  GstClockTime time = GST_BUFFER_PTS_IS_VALID (unit) ? GST_BUFFER_PTS (unit) : GST_BUFFER_DTS (unit);
  return hub->epoch_ntp_us + (int64_t)(time / 1000);
}

static void
check_key (Codec codec, GstBuffer *unit)
{
  GstMapInfo map;
  if (codec != CODEC_H264 || GST_BUFFER_FLAG_IS_SET (unit, GST_BUFFER_FLAG_DELTA_UNIT) ||
      !gst_buffer_map (unit, &map, GST_MAP_READ))
    return;
  bool key = inspect_h264_unit_is_key (map.data, map.size);
  gst_buffer_unmap (unit, &map);
  if (!key)
    GST_BUFFER_FLAG_SET (unit, GST_BUFFER_FLAG_DELTA_UNIT);
}

/* @unit with its place on the stream's time line, and with a key flag that means a place to start at. */
static GstBuffer *
place_unit (Hub *hub, unsigned track, GstBuffer *unit, int64_t offset_ns)
{
  unit = gst_buffer_make_writable (unit);
  check_key (hub->tracks->tracks[track].spec.codec, unit);
  if (GST_BUFFER_PTS_IS_VALID (unit))
    GST_BUFFER_PTS (unit) = unit_time ((int64_t)GST_BUFFER_PTS (unit) + offset_ns);
  if (GST_BUFFER_DTS_IS_VALID (unit))
    GST_BUFFER_DTS (unit) = unit_time ((int64_t)GST_BUFFER_DTS (unit) + offset_ns);
  static GstStaticCaps unix_time = GST_STATIC_CAPS ("timestamp/x-unix");
  g_autoptr (GstCaps) reference = gst_static_caps_get (&unix_time);
  if (!gst_buffer_get_reference_timestamp_meta (unit, reference))
    gst_buffer_add_reference_timestamp_meta (unit, reference, (GstClockTime)unit_ntp_us (hub, unit) * 1000,
                                             GST_CLOCK_TIME_NONE);
  return unit;
}

/* A second early, so that the decoding times before the first picture are no less than zero. */
static void
set_epoch (Hub *hub, int64_t ntp_us)
{
  if (hub->epoch_ntp_us == 0)
    hub->epoch_ntp_us = ntp_us - G_USEC_PER_SEC;
}

/* --- bridges' callbacks ------------------------------------------------------------------------------------
 */

static void
on_payloaded (void *data, const uint8_t *bytes, size_t n_bytes, bool last)
{
  UnitTrack *u = data;
  Hub *hub = u->stream->hub;
  packets_take (hub, u->index, bytes, n_bytes, u->unit_arrival_us, u->unit_ntp_us);
}

static void
on_depayloaded (void *data, GstBuffer *unit, GstCaps *caps)
{
  UnitTrack *u = data;
  Hub *hub = u->stream->hub;
  if (!u->has_offset) {
    set_epoch (hub, u->depayed_ntp_us);
    GstClockTime first = GST_BUFFER_PTS_IS_VALID (unit) ? GST_BUFFER_PTS (unit) : 0;
    u->pts_offset_ns = (u->depayed_ntp_us - hub->epoch_ntp_us) * 1000 - (int64_t)first;
    u->has_offset = true;
  }
  unit = place_unit (hub, u->index, unit, u->pts_offset_ns);
  hub_emit_unit (hub, u->index, unit, caps);
  gst_buffer_unref (unit);
}

/* --- feeding them ------------------------------------------------------------------------------------------
 */

static void
payload (Hub *hub, UnitTrack *u, GstBuffer *unit, GstCaps *new_caps)
{
  u->unit_ntp_us = unit_ntp_us (hub, unit);
  u->unit_arrival_us = loop_now_us ();
  hub->stream->bridges->push_unit (u->payloader, gst_buffer_ref (unit), new_caps);
}

void
units_take_batch (Hub *hub, const Batch *batch)
{
  UnitTrack *u = &hub->units[batch->track];
  if (!u->depayloader)
    return;
  u->depayed_ntp_us = batch->ntp_us;
  for (unsigned i = 0; i < batch->n_packets && u->depayloader; i++)
    hub->stream->bridges->push_packet (u->depayloader, batch->packets[i].iov_base, batch->packets[i].iov_len,
                                       batch->arrival_us, batch_ref ((Batch *)batch),
                                       (GDestroyNotify)batch_unref);
}

void
units_begin (Hub *hub)
{
  hub->has_unit_base = false;
  for (unsigned i = 0; i < hub->tracks->n_tracks; i++) {
    UnitTrack *u = &hub->units[i];
    u->stream = hub->stream;
    u->index = i;
    gst_caps_replace (&u->caps, hub->tracks->tracks[i].spec.unit_caps);
  }
}

void
units_take (Hub *hub, unsigned track, GstBuffer *unit, GstCaps *caps)
{
  UnitTrack *u = &hub->units[track];
  if (caps)
    gst_caps_replace (&u->caps, caps);
  if (!hub->has_unit_base) {
    hub->has_unit_base = true;
    hub->unit_base_ntp_us = g_get_real_time ();
    hub->unit_base_pts_ns =
        (int64_t)(GST_BUFFER_DTS_IS_VALID (unit) ? GST_BUFFER_DTS (unit) : GST_BUFFER_PTS (unit));
    set_epoch (hub, hub->unit_base_ntp_us);
  }
  int64_t base_ns = (hub->unit_base_ntp_us - hub->epoch_ntp_us) * 1000;
  unit = place_unit (hub, track, unit, base_ns - hub->unit_base_pts_ns);
  if (track == hub_main_track (hub))
    hub_note_frame (hub, !GST_BUFFER_FLAG_IS_SET (unit, GST_BUFFER_FLAG_DELTA_UNIT), loop_now_us ());
  if (u->payloader) {
    payload (hub, u, unit, caps);
    hub_burst_end (hub);
  }
  if (u->caps)
    hub_emit_unit (hub, track, unit, u->caps);
  gst_buffer_unref (unit);
}

/* --- demand ------------------------------------------------------------------------------------------------
 */

static void
free_payloaders (Hub *hub)
{
  for (unsigned i = 0; i < TRACKS_MAX; i++)
    g_clear_pointer (&hub->units[i].payloader, hub->stream->bridges->free);
}

static void
free_depayloaders (Hub *hub)
{
  for (unsigned i = 0; i < TRACKS_MAX; i++) {
    g_clear_pointer (&hub->units[i].depayloader, hub->stream->bridges->free);
    hub->units[i].has_offset = false;
  }
}

void
units_clear (Hub *hub)
{
  if (hub->stream->bridges) {
    free_payloaders (hub);
    free_depayloaders (hub);
  }
  hub_forget_join_point (hub);
  for (unsigned i = 0; i < TRACKS_MAX; i++)
    gst_clear_caps (&hub->units[i].caps);
  hub->bridged = false;
}

static void
report_missing_bridge (Hub *hub, const Track *track, const GError *error)
{
  LOG (LOG_STREAM, LOG_WARNING, "bridge-failed", (&(LogFields){.stream = hub->stream->id}),
       "track %u (%s) cannot be converted for its readers: %s", track->index, codec_name (track->spec.codec),
       error->message);
}

static void
make_payloaders (Hub *hub)
{
  for (unsigned i = 0; i < hub->tracks->n_tracks; i++) {
    const Track *track = &hub->tracks->tracks[i];
    g_autoptr (GError) error = NULL;
    hub->units[i].payloader =
        hub->stream->bridges->new_payloader (&track->spec, track->ssrc, on_payloaded, &hub->units[i], &error);
    if (!hub->units[i].payloader)
      report_missing_bridge (hub, track, error);
    /* A payloader numbers from a beginning of its own. */
    hub->packets[i].has_source = false;
  }
  for (unsigned i = 0; i < gop_cache_count (hub->unit_gop); i++) {
    const GopEntry *entry = gop_cache_get (hub->unit_gop, i);
    UnitTrack *u = &hub->units[entry->track];
    if (u->payloader)
      payload (hub, u, entry->unit, entry->caps);
  }
  hub_burst_end (hub);
}

static void
make_depayloaders (Hub *hub)
{
  for (unsigned i = 0; i < hub->tracks->n_tracks; i++) {
    const Track *track = &hub->tracks->tracks[i];
    g_autoptr (GError) error = NULL;
    hub->units[i].depayloader =
        hub->stream->bridges->new_depayloader (&track->spec, on_depayloaded, &hub->units[i], &error);
    if (!hub->units[i].depayloader)
      report_missing_bridge (hub, track, error);
  }
  for (unsigned i = 0; i < gop_cache_count (hub->packet_gop); i++)
    units_take_batch (hub, gop_cache_get (hub->packet_gop, i)->batch);
}

void
units_update_bridges (Hub *hub)
{
  if (!hub->ingest)
    return;
  bool units_come_in = hub->ingest->plane == INGEST_UNITS;
  bool wanted = hub->demand[units_come_in ? READER_PACKETS : READER_UNITS] > 0;
  if (wanted == hub->bridged)
    return;
  hub->bridged = wanted;
  if (wanted && units_come_in) {
    make_payloaders (hub);
  } else if (wanted) {
    make_depayloaders (hub);
  } else {
    free_payloaders (hub);
    free_depayloaders (hub);
    gop_cache_clear (units_come_in ? hub->packet_gop : hub->unit_gop);
    if (units_come_in)
      hub_forget_join_point (hub);
  }
}
