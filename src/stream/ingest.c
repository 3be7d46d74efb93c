/* SPDX-License-Identifier: Apache-2.0 */
/* The face of the hub towards publishers. */
#include "base/error.h"
#include "base/log.h"
#include "stream/hub-private.h"

static bool
check_specs (const TrackSpec *specs, unsigned n_specs, GError **error)
{
  if (n_specs == 0 || n_specs > TRACKS_MAX) {
    g_set_error (error, SLUICE_ERROR, n_specs ? SLUICE_ERROR_LIMIT : SLUICE_ERROR_UNSUPPORTED,
                 "%u tracks: between 1 and %d are possible", n_specs, TRACKS_MAX);
    return false;
  }
  for (unsigned i = 0; i < n_specs; i++)
    if (specs[i].clock_rate == 0 || specs[i].clock_rate > CLOCK_RATE_MAX) {
      g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED,
                   "track %u has a clock rate of %u Hz: 1 to %d are possible", i, specs[i].clock_rate,
                   CLOCK_RATE_MAX);
      return false;
    }
  return true;
}

/* What readers know of the tracks stays (SSRC, numbering) when the new ones are compatible. */
static void
take_tracks (Hub *hub, TrackSpec *specs, unsigned n_specs)
{
  uint32_t ssrcs[TRACKS_MAX];
  bool keep = hub->tracks && hub->tracks->n_tracks == n_specs;
  for (unsigned i = 0; keep && i < n_specs; i++)
    ssrcs[i] = hub->tracks->tracks[i].ssrc;
  g_autoptr (TrackSet) tracks = track_set_new (specs, n_specs, keep ? ssrcs : NULL);
  if (hub->tracks && !track_set_compatible (hub->tracks, tracks)) {
    packets_clear (hub);
    for (unsigned i = 0; i < hub->branches->len; i++)
      branch_send_gone (g_array_index (hub->branches, BranchSlot, i).branch, READER_GONE_TRACKS_CHANGED);
    life_post_tracks_changed (hub->stream);
  }
  g_clear_pointer (&hub->tracks, track_set_unref);
  hub->tracks = g_steal_pointer (&tracks);
}

static void
begin_rates (Hub *hub)
{
  hub->began_us = hub->last_frame_us = hub->window_start_us = loop_now_us ();
  hub->window_bytes = hub->window_frames = 0;
  hub->gop_frames = 0;
  hub->gop_start_us = 0;
  hub->key_seen = false;
  hub->keyless = false;
  hub->picture_known = false;
}

Ingest *
ingest_begin (Stream *stream, TrackSpec *specs, unsigned n_specs, IngestPlane plane, const IngestOps *ops,
              void *publisher, const IngestInfo *info, GError **error)
{
  loop_assert (stream->home);
  Hub *hub = stream->hub;
  if (hub->closed || hub->ingest) {
    g_set_error (error, SLUICE_ERROR, hub->closed ? SLUICE_ERROR_CANCELLED : SLUICE_ERROR_BUSY,
                 hub->closed ? "stream %s has been removed" : "stream %s has a publisher already",
                 stream->id);
    return NULL;
  }
  if (!check_specs (specs, n_specs, error))
    return NULL;

  /* The caches hold the last publisher's pictures: no reader shall start with them. */
  gop_cache_clear (hub->packet_gop);
  gop_cache_clear (hub->unit_gop);
  units_clear (hub);
  take_tracks (hub, specs, n_specs);
  begin_rates (hub);

  Ingest *ingest = g_new0 (Ingest, 1);
  *ingest = (Ingest){.stream = stream_ref (stream),
                     .tracks = track_set_ref (hub->tracks),
                     .plane = plane,
                     .ops = ops,
                     .publisher = publisher};
  hub->ingest = ingest;
  packets_begin (hub);
  units_begin (hub);
  units_update_bridges (hub);
  life_post_online (stream, hub->source ? hub->incarnation : 0, hub->tracks, info);
  return ingest;
}

const TrackSet *
ingest_tracks (const Ingest *ingest)
{
  return ingest->tracks;
}

void
ingest_packet (Ingest *ingest, unsigned track, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us)
{
  Hub *hub = ingest->stream->hub;
  AtomicCounters *counters = &ingest->stream->counters;
  if (track >= ingest->tracks->n_tracks || n_bytes > RTP_MAX_BYTES) {
    COUNT (counters->packets_invalid, 1);
    return;
  }
  COUNT (counters->packets_in, 1);
  COUNT (counters->bytes_in, n_bytes);
  hub->window_bytes += n_bytes;
  packets_take (hub, track, bytes, n_bytes, arrival_us, 0);
}

void
ingest_burst_end (Ingest *ingest)
{
  hub_burst_end (ingest->stream->hub);
}

void
ingest_unit (Ingest *ingest, unsigned track, GstBuffer *unit, GstCaps *caps)
{
  Hub *hub = ingest->stream->hub;
  AtomicCounters *counters = &ingest->stream->counters;
  bool usable =
      track < ingest->tracks->n_tracks && (GST_BUFFER_PTS_IS_VALID (unit) || GST_BUFFER_DTS_IS_VALID (unit));
  if (!usable) {
    COUNT (counters->packets_invalid, 1);
    gst_buffer_unref (unit);
    return;
  }
  size_t n_bytes = gst_buffer_get_size (unit);
  COUNT (counters->bytes_in, n_bytes);
  hub->window_bytes += n_bytes;
  units_take (hub, track, unit, caps);
}

/* Clocks of cameras that were never set start at 1900 or 1970; an arrival time is better than that. */
static const int64_t plausible_ntp_us = G_GINT64_CONSTANT (946684800) * G_USEC_PER_SEC;

void
ingest_sender_report (Ingest *ingest, unsigned track, int64_t ntp_us, uint32_t rtp_time)
{
  if (track < ingest->tracks->n_tracks && ntp_us > plausible_ntp_us)
    packets_set_clock (ingest->stream->hub, track, ntp_us, rtp_time);
}

void
ingest_account_reordered (Ingest *ingest, unsigned n_packets)
{
  COUNT (ingest->stream->counters.packets_reordered, n_packets);
}

void
ingest_account_invalid (Ingest *ingest, unsigned n_packets)
{
  COUNT (ingest->stream->counters.packets_invalid, n_packets);
}

static void
ingest_free (Ingest *ingest)
{
  track_set_unref (ingest->tracks);
  stream_unref (ingest->stream);
  g_free (ingest);
}

static void
leave (Hub *hub, const GError *why)
{
  packets_end (hub);
  hub->ingest = NULL;
  life_post_offline (hub->stream, why);
}

void
ingest_end (Ingest *ingest, const GError *why)
{
  if (!ingest)
    return;
  loop_assert (ingest->stream->home);
  leave (ingest->stream->hub, why);
  ingest_free (ingest);
}

void
hub_end_ingest (Stream *stream, const GError *why)
{
  Hub *hub = stream->hub;
  Ingest *ingest = hub->ingest;
  if (!ingest)
    return;
  leave (hub, why);
  ingest->ops->on_ended (ingest->publisher, why);
  ingest_free (ingest);
}
