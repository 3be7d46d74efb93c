/* SPDX-License-Identifier: Apache-2.0 */
/* An RTSP source: its connection, its time-outs, and how it fails. A failure is only noted where it is found;
 * the report, after which the stream may free us, follows when no code of ours is on the stack. */
#include "rtsp/client.h"

#include "base/error.h"
#include "base/log.h"
#include "rtsp/client_private.h"

#include <string.h>
#include <sys/random.h>

enum { OUT_MAX_BYTES = 64 * 1024 };

const char *
rtsp_client_transport_name (const RtspClient *client)
{
  static const char *const names[CLIENT_N_TRANSPORTS] = {"tcp", "udp", "multicast"};
  return names[client->transport];
}

bool
rtsp_client_is_tcp_only (const RtspClient *client)
{
  return client->url.tls || client->url.tunnel;
}

/* --- failure -----------------------------------------------------------------------------------------------
 */

static void
drop_connection (RtspClient *client, const GError *why)
{
  rtsp_client_media_clear (client, why);
  client->epoch++;
  g_clear_pointer (&client->conn, conn_free);
  g_clear_pointer (&client->post, conn_free);
  g_clear_pointer (&client->parser, rtsp_parser_free);
  g_byte_array_set_size (client->out, 0);
  rtsp_client_session_clear (client);
  loop_timer_stop (client->deadline);
  loop_timer_stop (client->tick);
}

static void
on_failing (void *data)
{
  RtspClient *client = data;
  g_autoptr (GError) error = g_steal_pointer (&client->failure);
  drop_connection (client, error);
  client->events->on_failed (client->events_data, error);
}

void
rtsp_client_fail (RtspClient *client, GError *error)
{
  if (client->state == CLIENT_FAILED) {
    g_error_free (error);
    return;
  }
  client->state = CLIENT_FAILED;
  rtsp_client_session_teardown (client);
  client->failure = error;
  loop_timer_stop (client->deadline);
  loop_timer_stop (client->tick);
  loop_defer (client->loop, &client->failing);
}

void
rtsp_client_failf (RtspClient *client, int code, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  GError *error = g_error_new_valist (SLUICE_ERROR, code, format, args);
  va_end (args);
  rtsp_client_fail (client, error);
}

/* --- connection --------------------------------------------------------------------------------------------
 */

void
rtsp_client_flush (RtspClient *client)
{
  Conn *conn = client->post ? client->post : client->conn;
  if (client->out->len > 0) {
    struct iovec iov = {client->out->data, client->out->len};
    ssize_t n = conn_writev (conn, &iov, 1);
    if (n > 0)
      g_byte_array_remove_range (client->out, 0, (guint)n);
  }
  conn_want_write (conn, client->out->len > 0);
}

void
rtsp_client_send (RtspClient *client, const uint8_t *bytes, size_t n_bytes, bool optional)
{
  if (!client->conn || (optional && client->out->len > 0))
    return;
  if (client->out->len + n_bytes > OUT_MAX_BYTES) {
    rtsp_client_failf (client, SLUICE_ERROR_TIMEOUT, "the server does not read what is sent to it");
    return;
  }
  if (client->post) {
    g_autofree char *text = g_base64_encode (bytes, n_bytes);
    g_byte_array_append (client->out, (const uint8_t *)text, (guint)strlen (text));
  } else {
    g_byte_array_append (client->out, bytes, (guint)n_bytes);
  }
  rtsp_client_flush (client);
}

static void
on_connected (void *data)
{
  RtspClient *client = data;
  if (client->url.tunnel)
    rtsp_client_tunnel_begin (client);
  else
    rtsp_client_session_begin (client);
}

static void
on_data (void *data, const uint8_t *bytes, size_t n_bytes)
{
  RtspClient *client = data;
  unsigned epoch = client->epoch;
  int64_t now_us = loop_now_us ();
  while (client->epoch == epoch && client->state != CLIENT_FAILED) {
    RtspEvent event = {0};
    GError *error = NULL;
    switch (rtsp_parser_next (client->parser, &bytes, &n_bytes, &event, &error)) {
    case RTSP_EVENT_NONE:
      return;
    case RTSP_EVENT_FRAME:
      rtsp_client_media_frame (client, event.channel, event.frame, event.n_frame, now_us);
      break;
    case RTSP_EVENT_MESSAGE: {
      g_autoptr (RtspMessage) message = event.message;
      if (message->protocol == RTSP_PROTOCOL_HTTP && client->state == CLIENT_TUNNELING)
        rtsp_client_tunnel_answer (client, message);
      else
        rtsp_client_session_message (client, message);
      break;
    }
    case RTSP_EVENT_ERROR:
      g_prefix_error_literal (&error, "the server's answer makes no sense: ");
      rtsp_client_fail (client, error);
      return;
    }
  }
}

static void
on_burst_end (void *data)
{
  rtsp_client_media_burst_end (data);
}

static void
on_writable (void *data)
{
  rtsp_client_flush (data);
}

static void
on_closed (void *data, const GError *error)
{
  RtspClient *client = data;
  if (error)
    rtsp_client_fail (client, g_error_copy (error));
  else
    rtsp_client_failf (client, SLUICE_ERROR_UNAVAILABLE, "the server closed the connection");
}

static const ConnOps conn_ops = {
    .on_connected = on_connected,
    .on_data = on_data,
    .on_burst_end = on_burst_end,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

Conn *
rtsp_client_dial (RtspClient *client, const ConnOps *ops)
{
  const char *fingerprint = client->settings->tls_fingerprint;
  TlsClientOptions tls = {
      .server_name = client->url.host,
      .verify = client->settings->tls_verify,
      .fingerprint = fingerprint && *fingerprint ? fingerprint : NULL,
  };
  return conn_connect (client->loop, client->url.host, client->url.port, client->url.tls ? &tls : NULL,
                       (unsigned)client->settings->connect_timeout_ms, ops, client);
}

void
rtsp_client_connect (RtspClient *client)
{
  rtsp_client_session_teardown (client);
  drop_connection (client, NULL);
  client->state = CLIENT_CONNECTING;
  client->events->on_progress (client->events_data, "connecting");
  client->parser = rtsp_parser_new (NULL);
  client->conn = rtsp_client_dial (client, &conn_ops);
}

/* --- timers ------------------------------------------------------------------------------------------------
 */

void
rtsp_client_start_deadline (RtspClient *client)
{
  loop_timer_start (client->deadline, (uint64_t)client->settings->connect_timeout_ms, 0);
}

static void
on_deadline (void *data)
{
  RtspClient *client = data;
  if (client->state != CLIENT_PLAYING) {
    rtsp_client_failf (client, SLUICE_ERROR_TIMEOUT,
                       "the server did not answer within %" G_GINT64_FORMAT " ms",
                       client->settings->connect_timeout_ms);
    return;
  }
  const char *silent = rtsp_client_transport_name (client);
  if (client->transport == CLIENT_TCP)
    rtsp_client_failf (client, SLUICE_ERROR_TIMEOUT, "the server plays, but sends no packet");
  else if (rtsp_client_session_fall_back (client))
    rtsp_client_connect (client);
  else
    rtsp_client_failf (
        client, SLUICE_ERROR_TIMEOUT,
        "no packet arrived over %s: a firewall may be in between; transport = \"tcp\" passes it", silent);
}

static void
on_tick (void *data)
{
  RtspClient *client = data;
  rtsp_client_media_send_reports (client);
  rtsp_client_session_tick (client);
}

/* --- the factory -------------------------------------------------------------------------------------------
 */

static bool
check_url (const char *text, GError **error)
{
  g_auto (RtspClientUrl) url = {0};
  return rtsp_client_url_parse (text, &url, error);
}

static ClientTransport
first_transport (const RtspClient *client)
{
  switch (client->settings->transport) {
  case TRANSPORT_UDP:
    return CLIENT_UDP;
  case TRANSPORT_MULTICAST:
    return CLIENT_MULTICAST;
  case TRANSPORT_AUTO:
  case TRANSPORT_TCP:
    break;
  }
  return CLIENT_TCP;
}

static RtspClientAuth *
make_auth (const RtspClient *client)
{
  if (client->url.user)
    return rtsp_client_auth_new (client->url.user, client->url.password);
  const char *user = client->settings->username;
  return rtsp_client_auth_new (user && *user ? user : NULL, client->settings->password);
}

static void *
open_source (void *factory_data, Stream *stream, const char *url, const StreamSettings *settings,
             const SourceEvents *events, void *events_data)
{
  RtspClient *client = g_new0 (RtspClient, 1);
  client->stream = stream_ref (stream);
  client->loop = stream_home (stream);
  client->settings = stream_settings_ref ((StreamSettings *)settings);
  client->events = events;
  client->events_data = events_data;
  client->failing = (LoopDeferred){.func = on_failing, .data = client};
  client->deadline = loop_timer_new (client->loop, on_deadline, client);
  client->tick = loop_timer_new (client->loop, on_tick, client);
  client->out = g_byte_array_new ();
  client->tracks = g_new0 (ClientTrack, TRACKS_MAX);
  client->own_credentials = true;
  if (getrandom (&client->ssrc, sizeof client->ssrc, 0) != sizeof client->ssrc)
    client->ssrc = (uint32_t)loop_now_us ();

  GError *error = NULL;
  bool usable = rtsp_client_url_parse (url, &client->url, &error);
  client->auth = make_auth (client);
  client->transport = first_transport (client);
  if (!usable)
    rtsp_client_fail (client, error);
  else if (rtsp_client_is_tcp_only (client) && client->transport != CLIENT_TCP)
    rtsp_client_failf (client, SLUICE_ERROR_UNSUPPORTED, "%s carries media over TCP only, not over %s",
                       client->url.tunnel ? "a tunnel" : "rtsps", rtsp_client_transport_name (client));
  else
    rtsp_client_connect (client);
  return client;
}

static void
close_source (void *source)
{
  RtspClient *client = source;
  loop_defer_cancel (client->loop, &client->failing);
  g_clear_error (&client->failure);
  rtsp_client_session_teardown (client);
  drop_connection (client, NULL);
  loop_timer_free (client->deadline);
  loop_timer_free (client->tick);
  rtsp_client_auth_free (client->auth);
  rtsp_client_url_clear (&client->url);
  g_byte_array_unref (client->out);
  g_free (client->cookie);
  g_free (client->tracks);
  stream_settings_unref (client->settings);
  stream_unref (client->stream);
  g_free (client);
}

const SourceFactory *
rtsp_source_factory (void)
{
  static const char *const schemes[] = {"rtsp", "rtsps", "rtsp+http", "rtsp+https", NULL};
  static const SourceFactory factory = {
      .schemes = schemes, .check = check_url, .open = open_source, .close = close_source};
  return &factory;
}
