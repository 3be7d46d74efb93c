/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of an RTSP source on their way to its stream, and RTCP both ways. The stream goes online with the
 * first packet, whether it comes before the answer to PLAY or long after. */
#include "rtsp/client_private.h"

#include "base/error.h"
#include "stream/rtp_header.h"

#include <string.h>

/* --- going online ------------------------------------------------------------------------------------------
 */

static bool
offers_picture_loss (const TrackSpec *spec)
{
  for (unsigned i = 0; spec->attributes && i < spec->attributes->len; i++) {
    const char *attribute = g_ptr_array_index (spec->attributes, i);
    if (g_str_has_prefix (attribute, "rtcp-fb:") && g_strrstr (attribute, " pli"))
      return true;
  }
  return false;
}

static void
send_rtcp (ClientTrack *track, const uint8_t *bytes, size_t n_bytes)
{
  if (track->udp) {
    rtsp_client_udp_send_rtcp (track->udp, bytes, n_bytes);
    return;
  }
  uint8_t frame[4 + RTCP_BUILD_BYTES] = {'$', track->rtcp_channel, (uint8_t)(n_bytes >> 8), (uint8_t)n_bytes};
  memcpy (frame + 4, bytes, n_bytes);
  rtsp_client_send (track->client, frame, 4 + n_bytes, true);
}

static void
format_cname (RtspClient *client, char ret[24])
{
  g_snprintf (ret, 24, "sluice-%08x", client->ssrc);
}

/* RFC 4585: only where the description offers it; others may take it for nonsense. */
static void
on_keyframe_wanted (void *publisher, unsigned index)
{
  RtspClient *client = publisher;
  if (index >= client->n_tracks)
    return;
  ClientTrack *track = &client->tracks[index];
  if (!track->receiver.started || !offers_picture_loss (&client->sdp->media[track->media].spec))
    return;
  uint8_t bytes[RTCP_BUILD_BYTES];
  char cname[24];
  format_cname (client, cname);
  send_rtcp (track, bytes, rtcp_build_pli (bytes, client->ssrc, track->receiver.ssrc, cname));
}

static void
on_ingest_ended (void *publisher, const GError *why)
{
  RtspClient *client = publisher;
  client->ingest = NULL;
  rtsp_client_fail (client,
                    why ? g_error_copy (why)
                        : g_error_new_literal (SLUICE_ERROR, SLUICE_ERROR_CANCELLED, "the stream let go"));
}

static const IngestOps ingest_ops = {.request_keyframe = on_keyframe_wanted, .on_ended = on_ingest_ended};

static void
begin (RtspClient *client)
{
  TrackSpec specs[TRACKS_MAX] = {0};
  for (unsigned i = 0; i < client->n_tracks; i++)
    track_spec_copy (&client->sdp->media[client->tracks[i].media].spec, &specs[i]);
  g_autofree char *peer = net_address_to_string (conn_peer (client->conn));
  IngestInfo info = {.protocol = "rtsp", .transport = rtsp_client_transport_name (client), .peer = peer};
  GError *error = NULL;
  client->ingest = ingest_begin (client->stream, specs, client->n_tracks, INGEST_PACKETS, &ingest_ops, client,
                                 &info, &error);
  if (!client->ingest) {
    for (unsigned i = 0; i < client->n_tracks; i++)
      track_spec_clear (&specs[i]);
    rtsp_client_fail (client, error);
    return;
  }
  for (unsigned i = 0; i < client->n_tracks; i++) {
    ClientTrack *track = &client->tracks[i];
    if (track->has_report)
      ingest_sender_report (client->ingest, i, track->report_ntp_us, track->report_rtp_time);
  }
}

/* --- in ----------------------------------------------------------------------------------------------------
 */

/* False when it is no RTP. */
static bool
take_arrival (ClientTrack *track, const uint8_t *bytes, size_t n_bytes, int64_t now_us)
{
  RtpHeader header;
  RtspClient *client = track->client;
  if (!rtp_header_parse (bytes, n_bytes, &header))
    return false;
  rtcp_receiver_packet (&track->receiver, header.ssrc, header.sequence, header.timestamp, now_us);
  if (client->had_packet || client->state < CLIENT_PLAY)
    return true;
  client->had_packet = true;
  if (client->state == CLIENT_PLAYING)
    loop_timer_stop (client->deadline);
  begin (client);
  return true;
}

static void
on_udp_arrival (void *data, const uint8_t *bytes, size_t n_bytes, int64_t now_us)
{
  (void)take_arrival (data, bytes, n_bytes, now_us);
}

static void
take_packet (void *data, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us)
{
  ClientTrack *track = data;
  if (track->client->ingest)
    ingest_packet (track->client->ingest, track->index, bytes, n_bytes, arrival_us);
}

static void
take_sender_report (ClientTrack *track, const RtcpPacket *packet, int64_t now_us)
{
  if (track->receiver.started && track->receiver.ssrc != packet->ssrc)
    return;
  rtcp_receiver_sender_report (&track->receiver, packet->sender.ntp, now_us);
  int64_t ntp_us = rtcp_ntp_to_unix_us (packet->sender.ntp);
  if (track->client->ingest) {
    ingest_sender_report (track->client->ingest, track->index, ntp_us, packet->sender.rtp_time);
    return;
  }
  track->has_report = true;
  track->report_ntp_us = ntp_us;
  track->report_rtp_time = packet->sender.rtp_time;
}

static void
take_bye (ClientTrack *track, const RtcpPacket *packet)
{
  RtspClient *client = track->client;
  if (!track->receiver.started || track->receiver.ssrc != packet->ssrc || client->state != CLIENT_PLAYING)
    return;
  track->ended = true;
  for (unsigned i = 0; i < client->n_tracks; i++)
    if (!client->tracks[i].ended)
      return;
  rtsp_client_failf (client, SLUICE_ERROR_UNAVAILABLE, "the server ended the stream (RTCP BYE)");
}

static void
take_rtcp (void *data, const uint8_t *bytes, size_t n_bytes, int64_t now_us)
{
  RtcpReader reader = {bytes, n_bytes};
  RtcpPacket packet;
  while (rtcp_reader_next (&reader, &packet)) {
    if (packet.kind == RTCP_SENDER_REPORT)
      take_sender_report (data, &packet, now_us);
    else if (packet.kind == RTCP_BYE)
      take_bye (data, &packet);
  }
}

static void
on_udp_burst_end (void *data, unsigned n_reordered, unsigned n_invalid)
{
  Ingest *ingest = ((ClientTrack *)data)->client->ingest;
  if (!ingest)
    return;
  if (n_reordered)
    ingest_account_reordered (ingest, n_reordered);
  if (n_invalid)
    ingest_account_invalid (ingest, n_invalid);
  ingest_burst_end (ingest);
}

const RtspClientUdpOps rtsp_client_udp_ops = {
    .on_arrival = on_udp_arrival,
    .on_rtp = take_packet,
    .on_rtcp = take_rtcp,
    .on_burst_end = on_udp_burst_end,
};

void
rtsp_client_media_frame (RtspClient *client, uint8_t channel, const uint8_t *bytes, size_t n_bytes,
                         int64_t now_us)
{
  uint8_t target = client->channels[channel];
  /* Of a channel nobody asked for, or left over from before PLAY. */
  if (target == CLIENT_NO_CHANNEL)
    return;
  ClientTrack *track = &client->tracks[target / 2];
  if (target % 2)
    take_rtcp (track, bytes, n_bytes, now_us);
  else if (take_arrival (track, bytes, n_bytes, now_us))
    take_packet (track, bytes, n_bytes, now_us);
  else if (client->ingest)
    ingest_account_invalid (client->ingest, 1);
}

void
rtsp_client_media_burst_end (RtspClient *client)
{
  if (client->ingest)
    ingest_burst_end (client->ingest);
}

/* --- out ---------------------------------------------------------------------------------------------------
 */

void
rtsp_client_media_send_reports (RtspClient *client)
{
  uint8_t bytes[RTCP_BUILD_BYTES];
  char cname[24];
  format_cname (client, cname);
  for (unsigned i = 0; i < client->n_tracks; i++) {
    ClientTrack *track = &client->tracks[i];
    RtcpReportBlock block;
    bool known = rtcp_receiver_report (&track->receiver, loop_now_us (), &block);
    /* Over UDP an empty one still keeps the way open. */
    if (known || track->udp)
      send_rtcp (track, bytes,
                 rtcp_build_receiver_report (bytes, client->ssrc, &block, known ? 1 : 0, cname));
  }
}

/* --- life --------------------------------------------------------------------------------------------------
 */

ClientTrack *
rtsp_client_media_add (RtspClient *client, unsigned media, RtspClientUdp *udp)
{
  ClientTrack *track = &client->tracks[client->n_tracks];
  *track = (ClientTrack){.client = client, .media = media, .index = client->n_tracks, .udp = udp};
  rtcp_receiver_init (&track->receiver, client->sdp->media[media].spec.clock_rate);
  client->n_tracks++;
  return track;
}

void
rtsp_client_media_clear (RtspClient *client, const GError *why)
{
  if (client->ingest)
    ingest_end (g_steal_pointer (&client->ingest), why);
  for (unsigned i = 0; i < TRACKS_MAX; i++)
    g_clear_pointer (&client->tracks[i].udp, rtsp_client_udp_free);
  client->n_tracks = 0;
  client->had_packet = false;
  memset (client->channels, CLIENT_NO_CHANNEL, sizeof client->channels);
}
