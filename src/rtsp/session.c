/* SPDX-License-Identifier: Apache-2.0 */
/* A session: its secret id, the transports of its tracks, what comes in for them, its signs of life. It lives
 * and dies with its connection. */
#include "base/error.h"
#include "base/log.h"
#include "rtsp/server-private.h"

#include <string.h>
#include <sys/random.h>

static const char *const state_names[] = {
    [SESSION_READY] = "ready", [SESSION_PLAYING] = "playing", [SESSION_RECORDING] = "recording"};

static void on_udp_packet (void *data, bool rtcp, const uint8_t *bytes, size_t n_bytes, int64_t now_us);
static void on_udp_burst_end (void *data);

static const UdpPeerOps udp_ops = {.on_packet = on_udp_packet, .on_burst_end = on_udp_burst_end};

static void
make_id (char ret[33])
{
  uint8_t bytes[16];
  size_t n = 0;
  while (n < sizeof bytes) {
    ssize_t got = getrandom (bytes + n, sizeof bytes - n, 0);
    if (got > 0)
      n += (size_t)got;
  }
  for (unsigned i = 0; i < sizeof bytes; i++)
    g_snprintf (ret + 2 * i, 3, "%02x", bytes[i]);
}

static void
publish_info (RtspSession *session)
{
  RtspConnection *c = session->c;
  RtspServer *server = c->server;
  RtspSessionInfo *info = session->info = g_new0 (RtspSessionInfo, 1);
  info->stream = g_strdup (session->path);
  info->peer = g_strdup (c->peer);
  info->user = g_strdup (c->user);
  info->user_agent = g_strdup (c->user_agent);
  info->opened_unix_us = g_get_real_time ();
  info->transport = session_transport_name (session);
  info->state = state_names[SESSION_READY];
  g_mutex_lock (&server->lock);
  info->id = g_strdup_printf ("s%" G_GUINT64_FORMAT, ++server->next_session);
  g_hash_table_add (server->sessions, info);
  g_mutex_unlock (&server->lock);
}

static void
update_info (RtspSession *session)
{
  RtspServer *server = session->c->server;
  g_mutex_lock (&server->lock);
  session->info->transport = session_transport_name (session);
  session->info->state = state_names[session->state];
  g_mutex_unlock (&server->lock);
}

RtspSession *
session_new (RtspConnection *c, const char *path, unsigned n_tracks, bool publishing)
{
  RtspSession *session = g_new0 (RtspSession, 1);
  session->c = c;
  make_id (session->id);
  session->path = g_strdup (path);
  session->url = g_strdup (c->request->url);
  session->publishing = publishing;
  session->n_tracks = n_tracks;
  session->tracks = g_new0 (SessionTrack, n_tracks);
  for (unsigned i = 0; i < n_tracks; i++) {
    session->tracks[i].session = session;
    session->tracks[i].index = i;
  }
  session->life_us = loop_now_us ();
  session->pace_link.data = session;
  publish_info (session);
  return session;
}

static void
clear_track (RtspSession *session, SessionTrack *track)
{
  for (unsigned i = 0; i < 2; i++) {
    if (track->from[i])
      udp_port_remove_peer (session->c->home->udp, track->from[i]);
    track->from[i] = NULL;
  }
  g_clear_pointer (&track->reorder, reorder_free);
  track->setup = false;
}

void
session_free (RtspSession *session, const char *reason, const GError *error)
{
  RtspConnection *c = session->c;
  RtspServer *server = c->server;
  if (session->opened)
    LOG (LOG_RTSP, LOG_INFO, "session-closed",
         (&(LogFields){.stream = session->path, .peer = c->peer, .session = session->info->id}),
         "%s ended: %s", session->publishing ? "publishing" : "playing", reason ? reason : "teardown");
  if (session->ingest) {
    g_autoptr (GError) why =
        reason ? g_error_new (SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "the publisher is gone: %s", reason)
               : NULL;
    ingest_end (g_steal_pointer (&session->ingest), why);
  }
  reading_forget_backlog (session);
  if (session->reader && session->delivery == DELIVERY_TCP && !c->closed) {
    reader_queue_flush (c->queue);
    connection_set_queue (c, NULL);
  }
  if (session->reader)
    reader_free (session->reader, reason);
  if (session->multicast) {
    if (session->multicast_playing)
      multicast_pause (session->multicast);
    multicast_release (session->multicast);
  }
  for (unsigned i = 0; i < session->n_tracks; i++) {
    clear_track (session, &session->tracks[i]);
    g_free (session->tracks[i].receiver);
  }
  publish_ticket_free (session->ticket);
  stream_unref (session->stream);
  sdp_free (session->sdp);
  track_set_unref (session->set);
  lease_free (session->lease);
  g_mutex_lock (&server->lock);
  g_hash_table_remove (server->sessions, session->info);
  g_mutex_unlock (&server->lock);
  rtsp_session_info_free (session->info);
  g_free (session->tracks);
  g_free (session->path);
  g_free (session->url);
  g_free (session);
}

const char *
session_transport_name (const RtspSession *session)
{
  static const char *const names[] = {[DELIVERY_NONE] = "none",
                                      [DELIVERY_TCP] = "tcp",
                                      [DELIVERY_UDP] = "udp",
                                      [DELIVERY_MULTICAST] = "multicast"};
  return names[session->delivery];
}

void
session_set_state (RtspSession *session, SessionState state)
{
  session->state = state;
  update_info (session);
  if (state == SESSION_READY || session->opened)
    return;
  session->opened = true;
  LOG (LOG_RTSP, LOG_INFO, "session-opened",
       (&(LogFields){.stream = session->path, .peer = session->c->peer, .session = session->info->id}),
       "%s over %s%s", session->publishing ? "publishing" : "playing", session_transport_name (session),
       conn_is_tls (session->c->conn) ? " (TLS)" : "");
}

/* --- transports --------------------------------------------------------------------------------------------
 */

static bool
allows (const RtspSession *session, const char *name)
{
  char **list = session->c->settings->rtsp_transports;
  return list && g_strv_contains ((const char *const *)list, name);
}

static Delivery
delivery_of (const RtspTransport *wish)
{
  if (wish->lower == RTSP_LOWER_TCP)
    return DELIVERY_TCP;
  return wish->multicast ? DELIVERY_MULTICAST : DELIVERY_UDP;
}

static bool
acceptable (const RtspSession *session, const RtspTransport *wish)
{
  const RtspConnection *c = session->c;
  Delivery delivery = delivery_of (wish);
  if (wish->secure || (wish->record && !session->publishing))
    return false;
  if (session->delivery != DELIVERY_NONE && session->delivery != delivery)
    return false;
  if (delivery == DELIVERY_TCP)
    return allows (session, "tcp");
  /* Who asks over TLS or through a tunnel does not want its media in the clear or beside the tunnel. */
  if (conn_is_tls (c->conn) || c->tunnel)
    return false;
  if (delivery == DELIVERY_MULTICAST)
    return allows (session, "multicast") && !session->publishing &&
           conn_local (c->conn)->sa.sa_family == AF_INET;
  return allows (session, "udp") && c->home->udp && wish->has_client_port;
}

static bool
channel_is_free (const RtspSession *session, unsigned index, unsigned channel)
{
  for (unsigned i = 0; i < session->n_tracks; i++) {
    const SessionTrack *track = &session->tracks[i];
    if (i != index && track->setup && (track->channel[0] == channel || track->channel[1] == channel))
      return false;
  }
  return true;
}

static bool
setup_tcp (RtspSession *session, SessionTrack *track, RtspTransport *wish)
{
  unsigned first = wish->has_interleaved ? wish->interleaved[0] : 2 * track->index;
  unsigned second = wish->has_interleaved ? wish->interleaved[1] : first + 1;
  bool usable = first != second && channel_is_free (session, track->index, first) &&
                channel_is_free (session, track->index, second);
  for (unsigned channel = 0; !usable && channel < 254; channel += 2) {
    first = channel;
    second = channel + 1;
    usable =
        channel_is_free (session, track->index, first) && channel_is_free (session, track->index, second);
  }
  track->channel[0] = wish->interleaved[0] = (uint8_t)first;
  track->channel[1] = wish->interleaved[1] = (uint8_t)second;
  wish->has_interleaved = true;
  wish->has_client_port = wish->has_server_port = false;
  return usable;
}

static bool
setup_udp (RtspSession *session, SessionTrack *track, RtspTransport *wish, Stream *stream)
{
  UdpPort *udp = session->c->home->udp;
  for (unsigned i = 0; i < 2; i++) {
    /* Only ever to the host that asks: a destination of its choice would be an attack on somebody. */
    track->to[i] = *conn_peer (session->c->conn);
    net_address_set_port (&track->to[i], wish->client_port[i]);
    if (i == 1 || session->publishing)
      track->from[i] = udp_port_add_peer (udp, i == 1, &track->to[i], &udp_ops, track);
  }
  wish->server_port[0] = udp_port_number (udp);
  wish->server_port[1] = (uint16_t)(wish->server_port[0] + 1);
  wish->has_server_port = true;
  wish->has_interleaved = false;
  if (session->publishing) {
    g_autoptr (StreamSettings) settings = stream_dup_settings (stream);
    track->reorder = reorder_new ((unsigned)settings->reorder_ms);
  }
  return true;
}

static bool
setup_multicast (RtspSession *session, SessionTrack *track, RtspTransport *wish, Stream *stream)
{
  RtspConnection *c = session->c;
  g_autoptr (GError) error = NULL;
  if (!session->multicast)
    session->multicast =
        multicast_acquire (c->server, stream, session->set, conn_local (c->conn), c->settings, &error);
  if (!session->multicast) {
    LOG (LOG_RTSP, LOG_WARNING, "multicast-failed", (&(LogFields){.stream = session->path}), "%s",
         error->message);
    return false;
  }
  multicast_describe (session->multicast, track->index, wish);
  return true;
}

char *
session_setup_transport (RtspSession *session, unsigned index, const char *value, Stream *stream)
{
  RtspTransport wishes[RTSP_TRANSPORT_MAX_ALTERNATIVES];
  unsigned n_wishes = rtsp_transport_parse (value, wishes);
  SessionTrack *track = &session->tracks[index];
  for (unsigned i = 0; i < n_wishes; i++) {
    RtspTransport *wish = &wishes[i];
    if (!acceptable (session, wish))
      continue;
    clear_track (session, track);
    Delivery delivery = delivery_of (wish);
    bool ok = delivery == DELIVERY_TCP   ? setup_tcp (session, track, wish)
              : delivery == DELIVERY_UDP ? setup_udp (session, track, wish, stream)
                                         : setup_multicast (session, track, wish, stream);
    if (!ok)
      continue;
    track->setup = true;
    session->delivery = delivery;
    update_info (session);
    /* What the peer says about itself is not repeated. */
    wish->source[0] = 0;
    if (delivery != DELIVERY_MULTICAST) {
      wish->destination[0] = 0;
      wish->has_port = false;
      wish->ttl = 0;
    }
    wish->append = false;
    wish->record = session->publishing;
    wish->has_ssrc = session->set != NULL;
    wish->ssrc = session->set ? session->set->tracks[index].ssrc : 0;
    return rtsp_transport_to_string (wish);
  }
  return NULL;
}

/* --- what comes in -----------------------------------------------------------------------------------------
 */

static void
take_packet (SessionTrack *track, bool rtcp, const uint8_t *bytes, size_t n_bytes, int64_t now_us)
{
  RtspSession *session = track->session;
  session->life_us = now_us;
  if (!session->publishing) {
    if (rtcp)
      report_take (session, bytes, n_bytes);
  } else if (session->state == SESSION_RECORDING) {
    if (rtcp)
      recording_rtcp (track, bytes, n_bytes, now_us);
    else
      recording_rtp (track, bytes, n_bytes, now_us);
  }
}

static void
on_udp_packet (void *data, bool rtcp, const uint8_t *bytes, size_t n_bytes, int64_t now_us)
{
  take_packet (data, rtcp, bytes, n_bytes, now_us);
}

static void
on_udp_burst_end (void *data)
{
  SessionTrack *track = data;
  session_burst_end (track->session);
}

void
session_frame (RtspSession *session, uint8_t channel, const uint8_t *bytes, size_t n_bytes)
{
  if (session->delivery != DELIVERY_TCP)
    return;
  for (unsigned i = 0; i < session->n_tracks; i++) {
    SessionTrack *track = &session->tracks[i];
    if (track->setup && (track->channel[0] == channel || track->channel[1] == channel)) {
      take_packet (track, track->channel[1] == channel, bytes, n_bytes, loop_now_us ());
      return;
    }
  }
}

void
session_burst_end (RtspSession *session)
{
  if (session->ingest)
    ingest_burst_end (session->ingest);
}

bool
session_alive (RtspSession *session, int64_t now_us)
{
  if (session->publishing)
    recording_flush_reorder (session, now_us);
  if (session->delivery == DELIVERY_TCP && session->state != SESSION_READY)
    return true;
  return now_us - session->life_us < session->c->settings->rtsp_session_timeout_ms * 1000;
}
