/* SPDX-License-Identifier: Apache-2.0 */
/* RTCP of players: sender reports, made once a stream, track and round and shared by all readers of a loop;
 * what their receiver reports say. */
#include "rtsp/server-private.h"

#include <string.h>

struct ReportRound {
  GHashTable *reports; /* key -> GBytes */
};

enum { FRAME_HEADER_BYTES = 4 };

bool
session_send_rtcp (SessionTrack *track, const uint8_t *bytes, size_t n_bytes)
{
  RtspSession *session = track->session;
  RtspConnection *c = session->c;
  if (session->delivery == DELIVERY_UDP) {
    udp_sender_send (udp_port_sender (c->home->udp, true), conn_local (c->conn), &track->to[1], bytes,
                     n_bytes);
    return true;
  }
  uint8_t *frame = g_malloc (FRAME_HEADER_BYTES + n_bytes);
  frame[0] = '$';
  frame[1] = track->channel[1];
  frame[2] = (uint8_t)(n_bytes >> 8);
  frame[3] = (uint8_t)n_bytes;
  memcpy (frame + FRAME_HEADER_BYTES, bytes, n_bytes);
  return connection_send (c, g_bytes_new_take (frame, FRAME_HEADER_BYTES + n_bytes));
}

/* --- sender reports ----------------------------------------------------------------------------------------
 */

ReportRound *
report_round_new (void)
{
  ReportRound *round = g_new (ReportRound, 1);
  round->reports = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)g_bytes_unref);
  return round;
}

void
report_round_free (ReportRound *round)
{
  g_hash_table_unref (round->reports);
  g_free (round);
}

GBytes *
report_get (ReportRound *round, Reader *reader, const TrackSet *set, unsigned index)
{
  /* Addresses need 48 bits. */
  gint64 key = (gint64)((uint64_t)(uintptr_t)reader_stream (reader) | (uint64_t)index << 56);
  GBytes *report = g_hash_table_lookup (round->reports, &key);
  ReaderTrackPosition position;
  if (report || !reader_get_position (reader, index, &position) || position.ntp_us == 0)
    return report;
  RtcpSenderInfo info = {.ntp = rtcp_ntp_from_unix_us (position.ntp_us),
                         .rtp_time = position.rtp_time,
                         .packets = position.packets_sent,
                         .bytes = position.octets_sent};
  uint8_t packet[RTCP_BUILD_BYTES];
  size_t n = rtcp_build_sender_report (packet, set->tracks[index].ssrc, &info, NULL, 0, RTSP_SERVER_NAME);
  report = g_bytes_new (packet, n);
  g_hash_table_insert (round->reports, g_memdup2 (&key, sizeof key), report);
  return report;
}

void
report_send_all (ReportRound *round, RtspSession *session)
{
  for (unsigned i = 0; i < session->n_tracks; i++) {
    SessionTrack *track = &session->tracks[i];
    GBytes *report = track->reported ? report_get (round, session->reader, session->set, i) : NULL;
    if (!report)
      continue;
    gsize n_bytes;
    const uint8_t *bytes = g_bytes_get_data (report, &n_bytes);
    if (!session_send_rtcp (track, bytes, n_bytes))
      return;
  }
}

size_t
report_build_first (Reader *reader, const TrackSet *set, const Batch *batch, uint8_t *ret)
{
  ReaderTrackPosition position = {0};
  if (batch->ntp_us == 0)
    return 0;
  (void)reader_get_position (reader, batch->track, &position);
  RtcpSenderInfo info = {.ntp = rtcp_ntp_from_unix_us (batch->ntp_us),
                         .rtp_time = batch->rtp_time,
                         .packets = position.packets_sent,
                         .bytes = position.octets_sent};
  return rtcp_build_sender_report (ret, set->tracks[batch->track].ssrc, &info, NULL, 0, RTSP_SERVER_NAME);
}

bool
report_send_first (SessionTrack *track, const Batch *batch)
{
  RtspSession *session = track->session;
  uint8_t packet[RTCP_BUILD_BYTES];
  size_t n = report_build_first (session->reader, session->set, batch, packet);
  track->reported = true;
  return n == 0 || session_send_rtcp (track, packet, n);
}

/* --- receiver reports --------------------------------------------------------------------------------------
 */

static void
take_block (RtspSession *session, const RtcpReportBlock *block)
{
  double jitter_ms = 0;
  uint32_t lost = 0;
  for (unsigned i = 0; i < session->n_tracks; i++) {
    const Track *track = &session->set->tracks[i];
    if (session->tracks[i].setup && track->ssrc == block->ssrc) {
      session->tracks[i].lost = (uint32_t)MAX (0, block->cumulative_lost);
      jitter_ms = (double)block->jitter * 1000 / track->spec.clock_rate;
    }
    lost += session->tracks[i].lost;
  }
  reader_account_report (session->reader, lost, jitter_ms);
}

void
report_take (RtspSession *session, const uint8_t *bytes, size_t n_bytes)
{
  RtcpReader reader = {bytes, n_bytes};
  RtcpPacket packet;
  if (!session->reader)
    return;
  while (rtcp_reader_next (&reader, &packet)) {
    if (packet.kind == RTCP_RECEIVER_REPORT || packet.kind == RTCP_SENDER_REPORT) {
      for (unsigned i = 0; i < packet.n_blocks; i++)
        take_block (session, &packet.blocks[i]);
    } else if (packet.kind == RTCP_PLI || packet.kind == RTCP_FIR) {
      reader_request_keyframe (session->reader);
    }
  }
}
