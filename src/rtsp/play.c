/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of players: DESCRIBE, SETUP, PLAY, PAUSE. */
#include "base/error.h"
#include "rtsp/server-private.h"

#include <math.h>
#include <string.h>

/* --- the lease that both DESCRIBE and SETUP need -----------------------------------------------------------
 */

static void
on_lease (void *data, Lease *lease, const GError *error)
{
  RtspConnection *c = data;
  if (error) {
    request_answer_error (c, error);
    return;
  }
  c->lease = lease;
  c->lease_path = g_strdup (c->request->path);
  c->request->next (c);
}

static void
drop_lease (RtspConnection *c)
{
  g_clear_pointer (&c->lease, lease_free);
  g_clear_pointer (&c->lease_path, g_free);
}

static void
with_lease (RtspConnection *c, RequestFunc next)
{
  drop_lease (c);
  if (!settings_check_stream_name (c->request->path, NULL)) {
    request_answer_status (c, 404, NULL);
    return;
  }
  c->request->next = next;
  request_wait (c);
  registry_open_read (c->server->registry, c->request->path, c->home->loop, c->cancellable, on_lease, c);
}

/* --- DESCRIBE ----------------------------------------------------------------------------------------------
 */

static void
answer_describe (RtspConnection *c)
{
  uint64_t now_s = (uint64_t)(g_get_real_time () / G_USEC_PER_SEC);
  SdpOptions options = {.name = c->request->path, .id = now_s, .version = 1};
  g_autofree char *sdp = sdp_generate_for_tracks (lease_tracks (c->lease), &options);
  RtspMessage *response = rtsp_message_new_response (200, NULL);
  rtsp_message_addf (response, "Content-Base", "%s/", c->request->url);
  rtsp_message_set_body (response, "application/sdp", sdp, -1);
  request_answer (c, response);
}

void
play_describe (RtspConnection *c)
{
  const char *accept = rtsp_message_get (c->request->message, "Accept");
  if (accept && !strstr (accept, "application/sdp") && !strstr (accept, "*/*")) {
    request_answer_status (c, 406, NULL);
    return;
  }
  with_lease (c, answer_describe);
}

/* --- SETUP -------------------------------------------------------------------------------------------------
 */

static void
answer_setup (RtspConnection *c)
{
  RtspSession *session = c->session;
  TrackSet *set = session ? session->set : lease_tracks (c->lease);
  unsigned index = c->request->track < 0 ? 0 : (unsigned)c->request->track;
  const char *transport = rtsp_message_get (c->request->message, "Transport");
  if (c->request->track < 0 && set->n_tracks > 1) {
    request_answer_status (c, 459, NULL);
    return;
  }
  if (index >= set->n_tracks) {
    request_answer_status (c, 404, NULL);
    return;
  }
  if (!transport) {
    request_answer_status (c, 400, "Bad Request: Transport");
    return;
  }
  bool fresh = !session;
  if (fresh) {
    session = session_new (c, c->request->path, set->n_tracks, false);
    session->set = track_set_ref (set);
    session->lease = g_steal_pointer (&c->lease);
    g_clear_pointer (&c->lease_path, g_free);
  }
  g_autofree char *chosen =
      session_setup_transport (session, index, transport, lease_stream (session->lease));
  if (!chosen) {
    if (fresh)
      session_free (session, NULL, NULL);
    request_answer_status (c, 461, NULL);
    return;
  }
  c->session = session;
  RtspMessage *response = rtsp_message_new_response (200, NULL);
  rtsp_message_add (response, "Transport", chosen);
  request_answer (c, response);
}

void
play_setup (RtspConnection *c)
{
  if (c->session && strcmp (c->session->path, c->request->path) != 0)
    request_answer_status (c, 459, NULL);
  else if (c->session || (c->lease && strcmp (c->lease_path, c->request->path) == 0))
    answer_setup (c);
  else
    with_lease (c, answer_setup);
}

/* --- PLAY and PAUSE ----------------------------------------------------------------------------------------
 */

/* Streams are live: a range is understood and answered with now, other speeds are refused. */
static bool
check_play_fields (RtspConnection *c)
{
  static const char *const rates[] = {"Scale", "Speed"};
  const RtspMessage *message = c->request->message;
  for (unsigned i = 0; i < G_N_ELEMENTS (rates); i++) {
    const char *value = rtsp_message_get (message, rates[i]);
    double rate;
    if (!value)
      continue;
    if (!rtsp_rate_parse (value, &rate)) {
      g_autofree char *reason = g_strdup_printf ("Bad Request: %s", rates[i]);
      request_answer_status (c, 400, reason);
      return false;
    }
    if (fabs (rate - 1) > 1e-6) {
      RtspMessage *response = rtsp_message_new_response (456, NULL);
      rtsp_message_set_body (response, "text/plain", "a live stream plays at Scale and Speed 1 only", -1);
      request_answer (c, response);
      return false;
    }
  }
  RtspRange range;
  const char *value = rtsp_message_get (message, "Range");
  if (value && (!rtsp_range_parse (value, &range) || range.unit == RTSP_RANGE_SMPTE)) {
    request_answer_status (c, 457, NULL);
    return false;
  }
  return true;
}

static char *
rtp_info (const RtspSession *session)
{
  g_autoptr (GArray) entries = rtsp_rtp_info_parse ("");
  for (unsigned i = 0; i < session->n_tracks; i++) {
    ReaderTrackPosition position;
    if (!session->tracks[i].setup || !session->reader || !reader_get_position (session->reader, i, &position))
      continue;
    RtspRtpInfo info = {.url = g_strdup_printf ("%s/trackID=%u", session->url, i),
                        .has_sequence = true,
                        .has_rtp_time = true,
                        .sequence = position.next_sequence,
                        .rtp_time = position.rtp_time};
    g_array_append_val (entries, info);
  }
  return entries->len ? rtsp_rtp_info_to_string (entries) : NULL;
}

void
play_play (RtspConnection *c)
{
  RtspSession *session = c->session;
  if (session->publishing) {
    request_answer_status (c, 455, NULL);
    return;
  }
  if (!check_play_fields (c))
    return;
  bool begins = session->state == SESSION_READY;
  if (begins)
    reading_start (session);
  RtspMessage *response = rtsp_message_new_response (200, NULL);
  rtsp_message_add (response, "Range", "npt=now-");
  g_autofree char *info = begins ? rtp_info (session) : NULL;
  if (info)
    rtsp_message_add (response, "RTP-Info", info);
  request_answer (c, response);
}

void
play_pause (RtspConnection *c)
{
  RtspSession *session = c->session;
  /* A paused publisher keeps its stream until the stall watchdog takes it away. */
  if (session->state == SESSION_RECORDING)
    session_set_state (session, SESSION_READY);
  else if (session->state == SESSION_PLAYING)
    reading_stop (session);
  request_answer_status (c, 200, NULL);
}
