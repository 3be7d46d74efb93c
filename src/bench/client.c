/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/client.h"

#include "base/error.h"
#include "bench/stamp.h"
#include "rtsp/client_url.h"
#include "rtsp/message.h"
#include "rtsp/sdp.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  CONNECT_TIMEOUT_MS = 20000,
  ANSWER_TIMEOUT_MS = 20000,
  KEEPALIVE_MS = 20000,
  UDP_PACKETS_PER_CALL = 64,
  UDP_PACKET_BYTES = 2048,
  UDP_ROUNDS = 4,
  UDP_BUFFER_BYTES = 4 * 1024 * 1024,
};

typedef enum { STEP_CONNECT, STEP_DESCRIBE, STEP_SETUP, STEP_START, STEP_READY, STEP_ENDED } Step;

struct BenchClient {
  Loop *loop;
  const BenchClientOps *ops;
  void *data;
  RtspClientUrl url;
  RtspLower lower;
  const TrackSpec *publish;
  Step step;
  BenchWire wire;
  RtspParser *parser;
  LoopTimer *timer; /* for an answer; later for keeping alive */
  unsigned cseq;
  char *base;    /* what the control of the track is relative to */
  char *control; /* URL of the track */
  char *session;
  uint8_t channel;
  int rtp_fd, rtcp_fd;
  uint16_t udp_port;
  LoopPoll *udp;
  NetAddress udp_to;
  bool *freed; /* on the stack of what is running */
};

/* --- ends --------------------------------------------------------------------------------------------------
 */

static void
end (BenchClient *client, const GError *error)
{
  if (client->step == STEP_ENDED)
    return;
  client->step = STEP_ENDED;
  loop_timer_stop (client->timer);
  g_clear_pointer (&client->udp, loop_poll_free);
  client->ops->on_ended (client->data, error);
}

static void fail (BenchClient *client, SluiceErrorCode code, const char *format, ...) G_GNUC_PRINTF (3, 4);

static void
fail (BenchClient *client, SluiceErrorCode code, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autoptr (GError) error = g_error_new_valist (SLUICE_ERROR, code, format, arguments);
  va_end (arguments);
  end (client, error);
}

/* --- requests ----------------------------------------------------------------------------------------------
 */

static void
send_request (BenchClient *client, RtspMessage *request)
{
  rtsp_message_addf (request, "CSeq", "%u", ++client->cseq);
  rtsp_message_add (request, "User-Agent", "sluice bench");
  if (client->session)
    rtsp_message_add (request, "Session", client->session);
  g_autoptr (GBytes) bytes = rtsp_message_serialize (request);
  size_t n_bytes;
  const uint8_t *data = g_bytes_get_data (bytes, &n_bytes);
  (void)bench_wire_send (&client->wire, data, n_bytes);
}

static void
ask_describe (BenchClient *client)
{
  client->step = STEP_DESCRIBE;
  g_autoptr (RtspMessage) request =
      rtsp_message_new_request (client->publish ? "ANNOUNCE" : "DESCRIBE", client->url.request);
  if (client->publish) {
    g_autofree char *sdp =
        sdp_generate (&client->publish, 1, &(SdpOptions){.name = "sluice bench", .id = 1, .version = 1});
    rtsp_message_set_body (request, "application/sdp", sdp, -1);
  } else {
    rtsp_message_add (request, "Accept", "application/sdp");
  }
  send_request (client, request);
}

static bool
bind_udp (BenchClient *client)
{
  g_autoptr (GError) error = NULL;
  NetAddress local = *conn_local (client->wire.conn);
  if (net_bind_udp_pair (&local, 0, 0, &client->rtp_fd, &client->rtcp_fd, &client->udp_port, &error)) {
    int size = UDP_BUFFER_BYTES;
    if (setsockopt (client->rtp_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
      (void)setsockopt (client->rtp_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return true;
  }
  end (client, error);
  return false;
}

static void
ask_setup (BenchClient *client)
{
  client->step = STEP_SETUP;
  RtspTransport transport = {.lower = client->lower, .record = client->publish != NULL};
  if (client->lower == RTSP_LOWER_TCP) {
    transport.has_interleaved = true;
    transport.interleaved[1] = 1;
  } else {
    if (!bind_udp (client))
      return;
    transport.has_client_port = true;
    transport.client_port[0] = client->udp_port;
    transport.client_port[1] = (uint16_t)(client->udp_port + 1);
  }
  g_autoptr (RtspMessage) request = rtsp_message_new_request ("SETUP", client->control);
  g_autofree char *text = rtsp_transport_to_string (&transport);
  rtsp_message_add (request, "Transport", text);
  send_request (client, request);
}

static void
ask_start (BenchClient *client)
{
  client->step = STEP_START;
  g_autoptr (RtspMessage) request =
      rtsp_message_new_request (client->publish ? "RECORD" : "PLAY", client->url.request);
  rtsp_message_add (request, "Range", "npt=0.000-");
  send_request (client, request);
}

/* --- answers -----------------------------------------------------------------------------------------------
 */

static void
take_description (BenchClient *client, const RtspMessage *response)
{
  client->base = rtsp_client_url_base (client->url.request, rtsp_message_get (response, "Content-Base"),
                                       rtsp_message_get (response, "Content-Location"));
  if (client->publish) {
    client->control = sdp_resolve_control (client->url.request, "trackID=0");
    ask_setup (client);
    return;
  }
  g_autoptr (GError) error = NULL;
  size_t n_bytes = 0;
  const char *text = response->body ? g_bytes_get_data (response->body, &n_bytes) : NULL;
  g_autoptr (Sdp) sdp = sdp_parse (text ? text : "", n_bytes, &error);
  if (!sdp) {
    end (client, error);
    return;
  }
  for (unsigned i = 0; i < sdp->n_media; i++) {
    if (sdp->media[i].spec.codec != CODEC_H264)
      continue;
    client->control = sdp_resolve_control (client->base, sdp->media[i].control);
    ask_setup (client);
    return;
  }
  fail (client, SLUICE_ERROR_UNSUPPORTED, "the stream has no H.264 track");
}

static void on_udp (void *data, unsigned events);

static void
take_setup (BenchClient *client, const RtspMessage *response)
{
  RtspTransport transport[RTSP_TRANSPORT_MAX_ALTERNATIVES];
  RtspSessionHeader session;
  const char *text = rtsp_message_get (response, "Transport");
  const char *id = rtsp_message_get (response, "Session");
  if (!text || rtsp_transport_parse (text, transport) == 0 || transport[0].lower != client->lower || !id ||
      !rtsp_session_parse (id, &session)) {
    fail (client, SLUICE_ERROR_PROTOCOL, "the answer to SETUP makes no sense");
    return;
  }
  client->session = g_strdup (session.id);
  if (client->lower == RTSP_LOWER_TCP) {
    client->channel = transport[0].has_interleaved ? transport[0].interleaved[0] : 0;
  } else {
    client->udp_to = *conn_peer (client->wire.conn);
    net_address_set_port (&client->udp_to, transport[0].server_port[0]);
    g_autoptr (GError) error = NULL;
    client->udp = loop_poll_new (client->loop, client->rtp_fd, on_udp, client, &error);
    if (!client->udp) {
      end (client, error);
      return;
    }
    if (!client->publish)
      loop_poll_set (client->udp, LOOP_READ);
  }
  ask_start (client);
}

static void
take_response (BenchClient *client, const RtspMessage *response)
{
  static const char *const names[] = {[STEP_DESCRIBE] = "DESCRIBE or ANNOUNCE",
                                      [STEP_SETUP] = "SETUP",
                                      [STEP_START] = "PLAY or RECORD",
                                      [STEP_READY] = "OPTIONS"};
  if (client->step == STEP_CONNECT || client->step == STEP_ENDED)
    return;
  if (response->status != 200 && client->step != STEP_READY) {
    fail (client, SLUICE_ERROR_UNAVAILABLE, "%s was answered with %u %s", names[client->step],
          response->status, response->reason);
    return;
  }
  switch (client->step) {
  case STEP_DESCRIBE:
    take_description (client, response);
    break;
  case STEP_SETUP:
    take_setup (client, response);
    break;
  case STEP_START:
    client->step = STEP_READY;
    loop_timer_start (client->timer, KEEPALIVE_MS, KEEPALIVE_MS);
    if (client->ops->on_ready)
      client->ops->on_ready (client->data);
    break;
  default:
    break;
  }
}

/* --- bytes -------------------------------------------------------------------------------------------------
 */

static void
on_connected (void *data)
{
  ask_describe (data);
}

static void
on_data (void *data, const uint8_t *bytes, size_t n_bytes)
{
  BenchClient *client = data;
  uint64_t now_ns = bench_now_ns ();
  bool freed = false;
  client->freed = &freed;
  RtspEvent event;
  RtspEventType type;
  while (client->step != STEP_ENDED &&
         (type = rtsp_parser_next (client->parser, &bytes, &n_bytes, &event, NULL)) != RTSP_EVENT_NONE) {
    if (type == RTSP_EVENT_ERROR) {
      fail (client, SLUICE_ERROR_PROTOCOL, "the server sent what is no RTSP");
    } else if (type == RTSP_EVENT_FRAME) {
      if (event.channel == client->channel && client->ops->on_packet)
        client->ops->on_packet (client->data, event.frame, event.n_frame, now_ns);
    } else {
      if (event.message->status)
        take_response (client, event.message);
      rtsp_message_free (event.message);
    }
    if (freed)
      return;
  }
  client->freed = NULL;
}

static void
on_udp (void *data, unsigned events)
{
  BenchClient *client = data;
  uint8_t *scratch = loop_scratch (client->loop);
  struct mmsghdr messages[UDP_PACKETS_PER_CALL];
  struct iovec iov[UDP_PACKETS_PER_CALL];
  G_STATIC_ASSERT (UDP_PACKETS_PER_CALL * UDP_PACKET_BYTES <= LOOP_SCRATCH_BYTES);
  bool freed = false;
  client->freed = &freed;
  for (unsigned round = 0; round < UDP_ROUNDS; round++) {
    for (unsigned i = 0; i < UDP_PACKETS_PER_CALL; i++) {
      iov[i] = (struct iovec){scratch + (size_t)i * UDP_PACKET_BYTES, UDP_PACKET_BYTES};
      messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1}};
    }
    int n = recvmmsg (client->rtp_fd, messages, UDP_PACKETS_PER_CALL, MSG_DONTWAIT, NULL);
    uint64_t now_ns = bench_now_ns ();
    for (int i = 0; i < n && client->ops->on_packet; i++) {
      client->ops->on_packet (client->data, iov[i].iov_base, messages[i].msg_len, now_ns);
      if (freed)
        return;
    }
    if (n < UDP_PACKETS_PER_CALL)
      break;
  }
  client->freed = NULL;
}

static void
on_writable (void *data)
{
  BenchClient *client = data;
  bench_wire_flush (&client->wire);
}

static void
on_closed (void *data, const GError *error)
{
  BenchClient *client = data;
  if (error)
    end (client, error);
  else
    fail (client, SLUICE_ERROR_UNAVAILABLE, "the server closed the connection");
}

static const ConnOps conn_ops = {
    .on_connected = on_connected, .on_data = on_data, .on_writable = on_writable, .on_closed = on_closed};

/* --- life --------------------------------------------------------------------------------------------------
 */

static void
connect_now (BenchClient *client)
{
  TlsClientOptions tls = {.verify = false};
  client->wire.conn = conn_connect (client->loop, client->url.host, client->url.port,
                                    client->url.tls ? &tls : NULL, CONNECT_TIMEOUT_MS, &conn_ops, client);
  loop_timer_start (client->timer, CONNECT_TIMEOUT_MS + ANSWER_TIMEOUT_MS, 0);
}

static void
on_timer (void *data)
{
  BenchClient *client = data;
  if (!client->url.host) {
    fail (client, SLUICE_ERROR_INVALID_ARGUMENT, "no RTSP URL that this client can use");
  } else if (!client->wire.conn) {
    connect_now (client);
  } else if (client->step != STEP_READY) {
    fail (client, SLUICE_ERROR_TIMEOUT, "the server did not answer in time");
  } else {
    g_autoptr (RtspMessage) request = rtsp_message_new_request ("OPTIONS", client->url.request);
    send_request (client, request);
  }
}

BenchClient *
bench_client_new (Loop *loop, const BenchClientOptions *options, const BenchClientOps *ops, void *data)
{
  BenchClient *client = g_new0 (BenchClient, 1);
  client->loop = loop;
  client->ops = ops;
  client->data = data;
  client->lower = options->lower;
  client->publish = options->publish;
  client->rtp_fd = client->rtcp_fd = -1;
  bench_wire_init (&client->wire);
  client->parser = rtsp_parser_new (NULL);
  if (rtsp_client_url_parse (options->url, &client->url, NULL) && client->url.tunnel)
    rtsp_client_url_clear (&client->url);
  client->timer = loop_timer_new (loop, on_timer, client);
  loop_timer_start (client->timer, 0, 0);
  return client;
}

static void
say_goodbye (BenchClient *client)
{
  if (!client->session || client->step == STEP_ENDED || client->wire.unsent->len > 0)
    return;
  g_autoptr (RtspMessage) request = rtsp_message_new_request ("TEARDOWN", client->url.request);
  send_request (client, request);
}

void
bench_client_free (BenchClient *client)
{
  if (!client)
    return;
  if (client->freed)
    *client->freed = true;
  if (client->wire.conn)
    say_goodbye (client);
  loop_timer_free (client->timer);
  loop_poll_free (client->udp);
  bench_wire_clear (&client->wire);
  if (client->rtp_fd >= 0)
    close (client->rtp_fd);
  if (client->rtcp_fd >= 0)
    close (client->rtcp_fd);
  rtsp_parser_free (client->parser);
  rtsp_client_url_clear (&client->url);
  g_free (client->base);
  g_free (client->control);
  g_free (client->session);
  g_free (client);
}

BenchWire *
bench_client_wire (BenchClient *client)
{
  return &client->wire;
}

uint8_t
bench_client_channel (const BenchClient *client)
{
  return client->channel;
}

int
bench_client_udp (const BenchClient *client, NetAddress *ret_to)
{
  *ret_to = client->udp_to;
  return client->rtp_fd;
}
