/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation of an RTSP source: OPTIONS, DESCRIBE, SETUP of each track, PLAY, keep-alive (RFC 2326
 * §10). One request is open at a time and an answer belongs to it whatever its CSeq says: servers get that
 * wrong. */
#include "rtsp/client_private.h"

#include "base/error.h"
#include "base/log.h"

#include <string.h>

enum {
  REDIRECTS_MAX = 5,
  SESSION_TIMEOUT_S = 60, /* RFC 2326 §12.37 */
  KEEPALIVE_MIN_MS = 1000,
  KEEPALIVE_MAX_MS = 30 * 1000, /* routers forget sooner than servers */
  REPORT_INTERVAL_MS = 5 * 1000,
  FIRST_UDP_PACKET_MS = 4 * 1000,
};

/* --- requests ----------------------------------------------------------------------------------------------
 */

static void
send_message (RtspClient *client, const RtspMessage *message)
{
  g_autoptr (GBytes) bytes = rtsp_message_serialize (message);
  rtsp_client_send (client, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), false);
}

static RtspMessage *
new_request (RtspClient *client, const char *method, const char *url)
{
  RtspMessage *request = rtsp_message_new_request (method, url);
  rtsp_message_addf (request, "CSeq", "%u", ++client->cseq);
  rtsp_message_add (request, "User-Agent", "Sluice");
  if (client->session)
    rtsp_message_add (request, "Session", client->session);
  g_autofree char *authorization = rtsp_client_auth_header (client->auth, method, url);
  if (authorization)
    rtsp_message_add (request, "Authorization", authorization);
  client->last_request_us = loop_now_us ();
  return request;
}

static void
add_transport (RtspClient *client, RtspMessage *request)
{
  RtspTransport transport = {0};
  switch (client->transport) {
  case CLIENT_TCP:
    transport.lower = RTSP_LOWER_TCP;
    transport.has_interleaved = true;
    transport.interleaved[0] = (uint8_t)(2 * client->n_tracks);
    transport.interleaved[1] = (uint8_t)(2 * client->n_tracks + 1);
    break;
  case CLIENT_UDP:
    transport.has_client_port = true;
    transport.client_port[0] = rtsp_client_udp_port (client->tracks[client->n_tracks].udp);
    transport.client_port[1] = transport.client_port[0] + 1;
    break;
  default:
    transport.multicast = true;
  }
  g_autofree char *value = rtsp_transport_to_string (&transport);
  rtsp_message_add (request, "Transport", value);
}

static const char *
keepalive_method (const RtspClient *client)
{
  return client->has_get_parameter ? "GET_PARAMETER" : "OPTIONS";
}

static const char *
current_method (const RtspClient *client)
{
  switch (client->state) {
  case CLIENT_OPTIONS:
    return "OPTIONS";
  case CLIENT_DESCRIBE:
    return "DESCRIBE";
  case CLIENT_SETUP:
    return "SETUP";
  case CLIENT_PLAY:
    return "PLAY";
  default:
    return keepalive_method (client);
  }
}

/* The request of the current state; once more after a challenge. */
static void
send_current (RtspClient *client)
{
  const char *method = current_method (client);
  g_autoptr (RtspMessage) request = NULL;
  if (client->state == CLIENT_SETUP) {
    g_autofree char *url =
        sdp_resolve_control (client->base, client->sdp->media[client->setup_index].control);
    request = new_request (client, method, url);
    add_transport (client, request);
  } else {
    request = new_request (client, method, client->control ? client->control : client->url.request);
  }
  if (client->state == CLIENT_DESCRIBE)
    rtsp_message_add (request, "Accept", "application/sdp");
  if (client->state == CLIENT_PLAY && !client->without_range)
    rtsp_message_add (request, "Range", "npt=0.000-");
  if (client->state != CLIENT_PLAYING)
    rtsp_client_start_deadline (client);
  send_message (client, request);
}

static void
enter (RtspClient *client, ClientState state)
{
  static const char *const progress[] = {
      [CLIENT_OPTIONS] = "asking for options",
      [CLIENT_DESCRIBE] = "describing",
      [CLIENT_SETUP] = "setting up tracks",
      [CLIENT_PLAY] = "starting to play",
  };
  if (state < G_N_ELEMENTS (progress) && state != client->state)
    client->events->on_progress (client->events_data, progress[state]);
  client->state = state;
}

void
rtsp_client_session_begin (RtspClient *client)
{
  enter (client, CLIENT_OPTIONS);
  send_current (client);
}

/* --- failure -----------------------------------------------------------------------------------------------
 */

static void
fail_with_status (RtspClient *client, const RtspMessage *answer)
{
  int code = SLUICE_ERROR_PROTOCOL;
  if (answer->status == 404)
    code = SLUICE_ERROR_NOT_FOUND;
  else if (answer->status == 403)
    code = SLUICE_ERROR_FORBIDDEN;
  else if (answer->status == 461)
    code = SLUICE_ERROR_UNSUPPORTED;
  else if (answer->status == 453 || answer->status == 454 || answer->status >= 500)
    code = SLUICE_ERROR_UNAVAILABLE;
  rtsp_client_failf (client, code, "the server answered %s with %u %s", current_method (client),
                     answer->status, answer->reason);
}

bool
rtsp_client_session_fall_back (RtspClient *client)
{
  if (client->settings->transport != TRANSPORT_AUTO || rtsp_client_is_tcp_only (client))
    return false;
  client->refused_transports |= 1U << client->transport;
  for (unsigned i = 0; i < CLIENT_N_TRANSPORTS; i++) {
    if (client->refused_transports & 1U << i)
      continue;
    client->transport = i;
    LOG (LOG_RTSP, LOG_INFO, "source-transport", (&(LogFields){.stream = stream_id (client->stream)}),
         "trying %s", rtsp_client_transport_name (client));
    return true;
  }
  return false;
}

/* --- SETUP -------------------------------------------------------------------------------------------------
 */

/* The media from @from on that is worth a SETUP. ONVIF's talk-back track is "sendonly" beside others that are
 * not; a server that calls all of its tracks so means its own point of view. */
static bool
find_media (RtspClient *client, unsigned from)
{
  const Sdp *sdp = client->sdp;
  bool all_sendonly = true;
  for (unsigned i = 0; i < sdp->n_media; i++)
    all_sendonly &= sdp->media[i].direction == SDP_SENDONLY;
  for (unsigned i = from; i < sdp->n_media; i++) {
    bool talk_back = sdp->media[i].direction == SDP_SENDONLY && !all_sendonly;
    if (sdp->media[i].direction != SDP_INACTIVE && !talk_back) {
      client->setup_index = i;
      return true;
    }
  }
  return false;
}

static void
setup_current (RtspClient *client)
{
  GError *error = NULL;
  g_clear_pointer (&client->tracks[client->n_tracks].udp, rtsp_client_udp_free);
  if (client->transport == CLIENT_UDP) {
    ClientTrack *track = &client->tracks[client->n_tracks];
    *track = (ClientTrack){.client = client, .media = client->setup_index};
    track->udp =
        rtsp_client_udp_new (client->loop, conn_local (client->conn), (unsigned)client->settings->reorder_ms,
                             &rtsp_client_udp_ops, track, &error);
    if (!track->udp) {
      rtsp_client_fail (client, error);
      return;
    }
  }
  send_current (client);
}

static void
start_playing (RtspClient *client)
{
  for (unsigned i = 0; i < client->n_tracks; i++)
    if (client->transport == CLIENT_UDP)
      rtsp_client_udp_punch (client->tracks[i].udp);
  if (client->transport == CLIENT_UDP)
    rtsp_client_media_send_reports (client);
  enter (client, CLIENT_PLAY);
  send_current (client);
}

static void
setup_next (RtspClient *client)
{
  if (find_media (client, client->setup_index + 1))
    setup_current (client);
  else
    start_playing (client);
}

static void
take_session (RtspClient *client, const RtspMessage *answer)
{
  const char *value = rtsp_message_get (answer, "Session");
  if (!value)
    return;
  RtspSessionHeader header = {0};
  if (!rtsp_session_parse (value, &header)) {
    /* Some other text; the part before parameters is what the server wants back. */
    g_autofree char *id = g_strndup (value, MIN (strcspn (value, ";"), RTSP_SESSION_ID_MAX));
    g_strlcpy (header.id, g_strstrip (id), sizeof header.id);
  }
  if (!header.id[0])
    return;
  g_free (client->session);
  client->session = g_strdup (header.id);
  unsigned timeout_s = header.timeout_s ? header.timeout_s : SESSION_TIMEOUT_S;
  client->keepalive_ms = CLAMP (MIN (timeout_s, G_MAXUINT / 1000) * 500, KEEPALIVE_MIN_MS, KEEPALIVE_MAX_MS);
}

/* Literals only: a name would have to be looked up, and no server sends one. */
static bool
parse_host (const char *host, NetAddress *ret)
{
  g_autofree char *text = g_strdup_printf (strchr (host, ':') ? "[%s]:0" : "%s:0", host);
  return host[0] && net_address_parse (text, ret, NULL);
}

static void
set_up_tcp (RtspClient *client, const RtspTransport *transport)
{
  uint8_t first = (uint8_t)(2 * client->n_tracks);
  uint8_t channels[2] = {first, (uint8_t)(first + 1)};
  /* Channels that another track has already cannot be meant. */
  if (transport->has_interleaved && client->channels[transport->interleaved[0]] == CLIENT_NO_CHANNEL) {
    channels[0] = transport->interleaved[0];
    channels[1] =
        transport->interleaved[1] != channels[0] ? transport->interleaved[1] : (uint8_t)(channels[0] + 1);
  }
  ClientTrack *track = rtsp_client_media_add (client, client->setup_index, NULL);
  track->rtcp_channel = channels[1];
  client->channels[channels[0]] = (uint8_t)(track->index * 2);
  client->channels[channels[1]] = (uint8_t)(track->index * 2 + 1);
}

static void
set_up_udp (RtspClient *client, const RtspTransport *transport)
{
  NetAddress source = *conn_peer (client->conn);
  NetAddress told;
  if (parse_host (transport->source, &told))
    source = told;
  RtspClientUdp *udp = g_steal_pointer (&client->tracks[client->n_tracks].udp);
  uint16_t rtp_port = transport->has_server_port ? transport->server_port[0] : 0;
  uint16_t rtcp_port = transport->has_server_port ? transport->server_port[1] : 0;
  rtsp_client_udp_set_peer (udp, &source, &source, rtp_port, rtcp_port);
  rtsp_client_media_add (client, client->setup_index, udp);
}

static bool
set_up_multicast (RtspClient *client, const RtspTransport *transport)
{
  const SdpMedia *media = &client->sdp->media[client->setup_index];
  NetAddress group;
  bool known = parse_host (transport->destination, &group) ||
               (media->connection && parse_host (media->connection, &group));
  uint16_t port = transport->has_port ? transport->port[0] : media->port;
  uint16_t rtcp_port = transport->has_port ? transport->port[1] : (uint16_t)(port + 1);
  if (!known || !net_address_is_multicast (&group) || port == 0) {
    rtsp_client_failf (client, SLUICE_ERROR_PROTOCOL, "the server does not tell a multicast group and port");
    return false;
  }
  net_address_set_port (&group, port);
  GError *error = NULL;
  ClientTrack *track = &client->tracks[client->n_tracks];
  RtspClientUdp *udp = rtsp_client_udp_new_multicast (client->loop, conn_local (client->conn), &group,
                                                      rtcp_port, (unsigned)client->settings->reorder_ms,
                                                      &rtsp_client_udp_ops, track, &error);
  if (!udp) {
    rtsp_client_fail (client, error);
    return false;
  }
  NetAddress source;
  bool has_source = parse_host (transport->source, &source);
  rtsp_client_udp_set_peer (udp, has_source ? &source : NULL, &group, 0, rtcp_port);
  rtsp_client_media_add (client, client->setup_index, udp);
  return true;
}

/* Whether the answer speaks of the transport that we asked for. */
static bool
is_our_transport (const RtspClient *client, const RtspTransport *transport)
{
  if (client->transport == CLIENT_TCP)
    return transport->lower == RTSP_LOWER_TCP;
  /* "unicast" may be missing, which by RFC 2326 §12.39 would mean multicast. */
  bool group = transport->multicast && transport->has_port;
  return transport->lower == RTSP_LOWER_UDP && (client->transport == CLIENT_MULTICAST || !group);
}

static void
refuse_transport (RtspClient *client, const RtspMessage *answer)
{
  const char *refused = rtsp_client_transport_name (client);
  if (rtsp_client_session_fall_back (client)) {
    if (client->session || client->n_tracks > 0)
      rtsp_client_connect (client);
    else
      setup_current (client);
    return;
  }
  rtsp_client_failf (client, SLUICE_ERROR_UNSUPPORTED, "the server refuses transport %s (%u %s)", refused,
                     answer->status, answer->reason);
}

static void
take_setup (RtspClient *client, const RtspMessage *answer)
{
  if (answer->status == 461) {
    refuse_transport (client, answer);
    return;
  }
  if (answer->status >= 300) {
    /* One track less is better than none. */
    bool more = find_media (client, client->setup_index + 1);
    if (!more && client->n_tracks == 0) {
      fail_with_status (client, answer);
      return;
    }
    LOG (LOG_RTSP, LOG_INFO, "source-track-refused", (&(LogFields){.stream = stream_id (client->stream)}),
         "going on without a track: the server answered SETUP with %u %s", answer->status, answer->reason);
    g_clear_pointer (&client->tracks[client->n_tracks].udp, rtsp_client_udp_free);
    if (more)
      setup_current (client);
    else
      start_playing (client);
    return;
  }
  take_session (client, answer);
  RtspTransport transports[RTSP_TRANSPORT_MAX_ALTERNATIVES] = {0};
  const char *value = rtsp_message_get (answer, "Transport");
  unsigned n = value ? rtsp_transport_parse (value, transports) : 0;
  if (n > 0 && !is_our_transport (client, &transports[0])) {
    refuse_transport (client, answer);
    return;
  }
  if (client->transport == CLIENT_TCP)
    set_up_tcp (client, &transports[0]);
  else if (client->transport == CLIENT_UDP)
    set_up_udp (client, &transports[0]);
  else if (!set_up_multicast (client, &transports[0]))
    return;
  setup_next (client);
}

/* --- other answers -----------------------------------------------------------------------------------------
 */

static void
take_options (RtspClient *client, const RtspMessage *answer)
{
  const char *methods = answer->status < 300 ? rtsp_message_get (answer, "Public") : NULL;
  client->has_get_parameter = methods && rtsp_list_has (methods, "GET_PARAMETER");
  enter (client, CLIENT_DESCRIBE);
  send_current (client);
}

static void
take_describe (RtspClient *client, const RtspMessage *answer)
{
  if (answer->status >= 300) {
    fail_with_status (client, answer);
    return;
  }
  size_t n_bytes = 0;
  const char *text = answer->body ? g_bytes_get_data (answer->body, &n_bytes) : NULL;
  GError *error = NULL;
  client->sdp = text ? sdp_parse (text, n_bytes, &error) : NULL;
  if (!client->sdp) {
    if (!error)
      g_set_error (&error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "the server's description is empty");
    rtsp_client_fail (client, error);
    return;
  }
  client->base = rtsp_client_url_base (client->url.request, rtsp_message_get (answer, "Content-Base"),
                                       rtsp_message_get (answer, "Content-Location"));
  client->control = sdp_resolve_control (client->base, client->sdp->control);
  enter (client, CLIENT_SETUP);
  if (find_media (client, 0))
    setup_current (client);
  else
    rtsp_client_failf (client, SLUICE_ERROR_UNSUPPORTED, "the server offers no track to play");
}

static void
take_play (RtspClient *client, const RtspMessage *answer)
{
  if (answer->status == 457 && !client->without_range) {
    client->without_range = true;
    send_current (client);
    return;
  }
  if (answer->status >= 300) {
    fail_with_status (client, answer);
    return;
  }
  take_session (client, answer);
  enter (client, CLIENT_PLAYING);
  if (client->had_packet)
    loop_timer_stop (client->deadline);
  else if (client->transport == CLIENT_TCP)
    rtsp_client_start_deadline (client);
  else
    loop_timer_start (client->deadline,
                      (uint64_t)MIN (FIRST_UDP_PACKET_MS, client->settings->connect_timeout_ms), 0);
  unsigned tick_ms = MIN (REPORT_INTERVAL_MS, client->keepalive_ms / 2);
  loop_timer_start (client->tick, tick_ms, tick_ms);
}

static void
take_keepalive (RtspClient *client, const RtspMessage *answer)
{
  if (answer->status == 454)
    rtsp_client_failf (client, SLUICE_ERROR_UNAVAILABLE, "the server has forgotten the session (454)");
  else if (answer->status >= 300)
    client->has_get_parameter = false;
}

static void
redirect (RtspClient *client, const RtspMessage *answer)
{
  const char *location = rtsp_message_get (answer, "Location");
  g_auto (RtspClientUrl) url = {0};
  g_autoptr (GError) error = NULL;
  if (!location || !rtsp_client_url_parse (location, &url, &error)) {
    rtsp_client_failf (client, SLUICE_ERROR_PROTOCOL, "the server redirects (%u) to nowhere: %s",
                       answer->status, error ? error->message : "no Location");
    return;
  }
  if (++client->n_redirects > REDIRECTS_MAX) {
    rtsp_client_failf (client, SLUICE_ERROR_LIMIT, "the server redirects more than %u times", REDIRECTS_MAX);
    return;
  }
  if (client->url.tls && !url.tls) {
    rtsp_client_failf (client, SLUICE_ERROR_PROTOCOL,
                       "the server redirects from rtsps to rtsp, which is not secure");
    return;
  }
  if (url.user) {
    rtsp_client_auth_free (client->auth);
    client->auth = rtsp_client_auth_new (url.user, url.password);
    client->own_credentials = true;
  } else if (g_ascii_strcasecmp (url.host, client->url.host) != 0) {
    client->own_credentials = false;
    rtsp_client_auth_forget (client->auth);
  }
  rtsp_client_url_clear (&client->url);
  client->url = url;
  url = (RtspClientUrl){0};
  rtsp_client_connect (client);
}

/* --- requests of the server --------------------------------------------------------------------------------
 */

static void
take_request (RtspClient *client, const RtspMessage *request)
{
  bool known = strcmp (request->method, "OPTIONS") == 0 || strcmp (request->method, "GET_PARAMETER") == 0 ||
               strcmp (request->method, "SET_PARAMETER") == 0 || strcmp (request->method, "ANNOUNCE") == 0;
  bool ends = strcmp (request->method, "TEARDOWN") == 0 || strcmp (request->method, "REDIRECT") == 0;
  g_autoptr (RtspMessage) answer = rtsp_message_new_response (known || ends ? 200 : 501, NULL);
  const char *cseq = rtsp_message_get (request, "CSeq");
  if (cseq)
    rtsp_message_add (answer, "CSeq", cseq);
  if (client->session)
    rtsp_message_add (answer, "Session", client->session);
  send_message (client, answer);
  if (ends)
    rtsp_client_failf (client, SLUICE_ERROR_UNAVAILABLE, "the server ended the session (%s)",
                       request->method);
}

void
rtsp_client_session_message (RtspClient *client, const RtspMessage *message)
{
  if (message->method) {
    take_request (client, message);
    return;
  }
  if (message->status < 200 || client->state < CLIENT_OPTIONS)
    return;
  if (message->status == 401) {
    GError *error = NULL;
    bool basic_allowed = client->own_credentials;
    if (rtsp_client_auth_challenge (client->auth, message, basic_allowed, &error))
      send_current (client);
    else
      rtsp_client_fail (client, error);
    return;
  }
  rtsp_client_auth_accepted (client->auth);
  bool moved = message->status == 301 || message->status == 302 || message->status == 303 ||
               message->status == 307 || message->status == 308;
  if (moved && client->state <= CLIENT_SETUP) {
    redirect (client, message);
    return;
  }
  switch (client->state) {
  case CLIENT_OPTIONS:
    take_options (client, message);
    break;
  case CLIENT_DESCRIBE:
    take_describe (client, message);
    break;
  case CLIENT_SETUP:
    take_setup (client, message);
    break;
  case CLIENT_PLAY:
    take_play (client, message);
    break;
  case CLIENT_PLAYING:
    take_keepalive (client, message);
    break;
  case CLIENT_CONNECTING:
  case CLIENT_TUNNELING:
  case CLIENT_FAILED:
    break;
  }
}

/* --- the rest of a session's life --------------------------------------------------------------------------
 */

void
rtsp_client_session_tick (RtspClient *client)
{
  unsigned tick_ms = MIN (REPORT_INTERVAL_MS, client->keepalive_ms / 2);
  int64_t silent_ms = (loop_now_us () - client->last_request_us) / 1000;
  if (silent_ms + tick_ms / 2 >= client->keepalive_ms)
    send_current (client);
}

void
rtsp_client_session_teardown (RtspClient *client)
{
  if (!client->session || !client->conn)
    return;
  g_autoptr (RtspMessage) request =
      new_request (client, "TEARDOWN", client->control ? client->control : client->url.request);
  send_message (client, request);
}

void
rtsp_client_session_clear (RtspClient *client)
{
  g_clear_pointer (&client->session, g_free);
  g_clear_pointer (&client->sdp, sdp_free);
  g_clear_pointer (&client->control, g_free);
  g_clear_pointer (&client->base, g_free);
  client->keepalive_ms = SESSION_TIMEOUT_S * 500;
  client->has_get_parameter = false;
  client->without_range = false;
  client->setup_index = 0;
}
