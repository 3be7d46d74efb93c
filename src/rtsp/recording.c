/* SPDX-License-Identifier: Apache-2.0 */
/* Media from a publisher: packets into the stream, sender reports, and our receiver reports and picture loss
 * indications back. All on the home loop of the stream. */
#include "rtsp/server-private.h"
#include "stream/rtp_header.h"

#include <string.h>
#include <sys/random.h>

static void
request_keyframe (void *publisher, unsigned index)
{
  RtspSession *session = publisher;
  for (unsigned i = 0; i < session->n_tracks; i++) {
    SessionTrack *track = &session->tracks[i];
    if (!track->setup || track->index != index || !track->receiver->started)
      continue;
    uint8_t packet[RTCP_BUILD_BYTES];
    size_t n = rtcp_build_pli (packet, session->ssrc, track->receiver->ssrc, RTSP_SERVER_NAME);
    (void)session_send_rtcp (track, packet, n);
    return;
  }
}

static void
on_ended (void *publisher, const GError *why)
{
  RtspSession *session = publisher;
  session->ingest = NULL;
  connection_close (session->c, why ? why->message : "the stream was stopped");
}

static const IngestOps ingest_ops = {.request_keyframe = request_keyframe, .on_ended = on_ended};

bool
recording_start (RtspSession *session, GError **error)
{
  RtspConnection *c = session->c;
  if (session->ingest) {
    session_set_state (session, SESSION_RECORDING);
    return true;
  }
  TrackSpec specs[TRACKS_MAX];
  unsigned n_specs = 0;
  for (unsigned i = 0; i < session->n_tracks; i++)
    if (session->tracks[i].setup)
      specs[n_specs++] = session->sdp->media[i].spec;
  IngestInfo info = {
      .protocol = "rtsp", .transport = session_transport_name (session), .peer = c->peer, .user = c->user};
  session->ingest =
      ingest_begin (session->stream, specs, n_specs, INGEST_PACKETS, &ingest_ops, session, &info, error);
  if (!session->ingest)
    return false;
  while (getrandom (&session->ssrc, sizeof session->ssrc, 0) != sizeof session->ssrc)
    continue;
  n_specs = 0;
  for (unsigned i = 0; i < session->n_tracks; i++) {
    SessionTrack *track = &session->tracks[i];
    if (!track->setup)
      continue;
    track->receiver = g_new0 (RtcpReceiver, 1);
    rtcp_receiver_init (track->receiver, session->sdp->media[i].spec.clock_rate);
    track->index = n_specs++;
    /* The stream has them now. */
    memset (&session->sdp->media[i].spec, 0, sizeof session->sdp->media[i].spec);
  }
  g_clear_pointer (&session->ticket, publish_ticket_free);
  session_set_state (session, SESSION_RECORDING);
  return true;
}

static void
on_ordered (void *data, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us)
{
  SessionTrack *track = data;
  if (track->session->ingest)
    ingest_packet (track->session->ingest, track->index, bytes, n_bytes, arrival_us);
}

void
recording_rtp (SessionTrack *track, const uint8_t *bytes, size_t n_bytes, int64_t now_us)
{
  RtspSession *session = track->session;
  RtpHeader header;
  if (!rtp_header_parse (bytes, n_bytes, &header)) {
    ingest_account_invalid (session->ingest, 1);
    return;
  }
  rtcp_receiver_packet (track->receiver, header.ssrc, header.sequence, header.timestamp, now_us);
  if (!track->reorder) {
    ingest_packet (session->ingest, track->index, bytes, n_bytes, now_us);
    return;
  }
  uint64_t before = reorder_counters (track->reorder)->reordered;
  reorder_push (track->reorder, bytes, n_bytes, now_us, on_ordered, track);
  uint64_t after = reorder_counters (track->reorder)->reordered;
  if (after > before)
    ingest_account_reordered (session->ingest, (unsigned)(after - before));
}

void
recording_rtcp (SessionTrack *track, const uint8_t *bytes, size_t n_bytes, int64_t now_us)
{
  RtcpReader reader = {bytes, n_bytes};
  RtcpPacket packet;
  while (rtcp_reader_next (&reader, &packet)) {
    if (packet.kind != RTCP_SENDER_REPORT)
      continue;
    rtcp_receiver_sender_report (track->receiver, packet.sender.ntp, now_us);
    ingest_sender_report (track->session->ingest, track->index, rtcp_ntp_to_unix_us (packet.sender.ntp),
                          packet.sender.rtp_time);
  }
}

void
recording_report (RtspSession *session, int64_t now_us)
{
  for (unsigned i = 0; i < session->n_tracks; i++) {
    SessionTrack *track = &session->tracks[i];
    RtcpReportBlock block;
    if (!track->receiver || !rtcp_receiver_report (track->receiver, now_us, &block))
      continue;
    uint8_t packet[RTCP_BUILD_BYTES];
    size_t n = rtcp_build_receiver_report (packet, session->ssrc, &block, 1, RTSP_SERVER_NAME);
    if (!session_send_rtcp (track, packet, n))
      return;
  }
}

void
recording_flush_reorder (RtspSession *session, int64_t now_us)
{
  for (unsigned i = 0; i < session->n_tracks; i++) {
    SessionTrack *track = &session->tracks[i];
    if (track->reorder)
      reorder_flush_due (track->reorder, now_us, on_ordered, track);
  }
}
