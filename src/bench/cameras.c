/* SPDX-License-Identifier: Apache-2.0 */
/* A camera is a connection: it knows one track, and plays until it is told to stop. */
#include "bench/cameras.h"

#include "base/listener.h"
#include "rtsp/message.h"
#include "rtsp/sdp.h"
#include "rtsp/transport.h"

#include <string.h>
#include <unistd.h>

#define SESSION_ID "bench"

enum { SESSION_TIMEOUT_S = 60 };

struct BenchCameras {
  Loop *loop;
  BenchPlayout *playout;
  Listener *listener;
  char *sdp;
  int rtp_fd, rtcp_fd; /* of all cameras over UDP */
  uint16_t udp_port;
  GQueue open; /* of Camera */
};

typedef struct {
  BenchCameras *cameras;
  GList link;
  BenchWire wire;
  RtspParser *parser;
  bool setup;
  RtspTransport transport;
  BenchSender *sender;
  bool closing; /* after this burst */
} Camera;

static void
free_camera (Camera *camera)
{
  NetAddress peer = *conn_peer (camera->wire.conn);
  bench_sender_free (camera->sender);
  rtsp_parser_free (camera->parser);
  bench_wire_clear (&camera->wire);
  g_queue_unlink (&camera->cameras->open, &camera->link);
  listener_connection_closed (camera->cameras->listener, &peer);
  g_free (camera);
}

/* --- requests ----------------------------------------------------------------------------------------------
 */

static void
respond (Camera *camera, const RtspMessage *request, RtspMessage *response)
{
  const char *cseq = rtsp_message_get (request, "CSeq");
  if (cseq)
    rtsp_message_add (response, "CSeq", cseq);
  rtsp_message_add (response, "Server", "sluice bench");
  g_autoptr (GBytes) bytes = rtsp_message_serialize (response);
  size_t n_bytes;
  const uint8_t *data = g_bytes_get_data (bytes, &n_bytes);
  if (!bench_wire_send (&camera->wire, data, n_bytes))
    camera->closing = true;
}

static unsigned
set_up (Camera *camera, const RtspMessage *request, RtspMessage *response)
{
  RtspTransport alternatives[RTSP_TRANSPORT_MAX_ALTERNATIVES];
  const char *value = rtsp_message_get (request, "Transport");
  unsigned n = value ? rtsp_transport_parse (value, alternatives) : 0;
  for (unsigned i = 0; i < n; i++) {
    RtspTransport *transport = &alternatives[i];
    if (transport->secure || transport->multicast || transport->record)
      continue;
    if (transport->lower == RTSP_LOWER_UDP) {
      if (!transport->has_client_port)
        continue;
      transport->has_server_port = true;
      transport->server_port[0] = camera->cameras->udp_port;
      transport->server_port[1] = (uint16_t)(camera->cameras->udp_port + 1);
    } else if (!transport->has_interleaved) {
      transport->has_interleaved = true;
      transport->interleaved[0] = 0;
      transport->interleaved[1] = 1;
    }
    transport->destination[0] = '\0';
    camera->transport = *transport;
    camera->setup = true;
    g_autofree char *text = rtsp_transport_to_string (transport);
    rtsp_message_add (response, "Transport", text);
    rtsp_message_addf (response, "Session", SESSION_ID ";timeout=%d", SESSION_TIMEOUT_S);
    return 200;
  }
  return 461;
}

static void
on_sender_end (void *data)
{
  free_camera (data);
}

static void
begin_playing (Camera *camera)
{
  BenchCameras *cameras = camera->cameras;
  if (camera->transport.lower == RTSP_LOWER_TCP) {
    camera->sender = bench_sender_new_tcp (cameras->playout, &camera->wire, camera->transport.interleaved[0],
                                           on_sender_end, camera);
  } else {
    NetAddress to = *conn_peer (camera->wire.conn);
    net_address_set_port (&to, camera->transport.client_port[0]);
    camera->sender = bench_sender_new_udp (cameras->playout, cameras->rtp_fd, &to, on_sender_end, camera);
  }
}

static unsigned
answer (Camera *camera, const RtspMessage *request, RtspMessage *response)
{
  const char *method = request->method;
  if (strcmp (method, "OPTIONS") == 0) {
    rtsp_message_add (response, "Public", "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER");
    return 200;
  }
  if (strcmp (method, "DESCRIBE") == 0) {
    rtsp_message_addf (response, "Content-Base", "%s/", request->uri);
    rtsp_message_set_body (response, "application/sdp", camera->cameras->sdp, -1);
    return 200;
  }
  if (strcmp (method, "SETUP") == 0)
    return camera->sender ? 455 : set_up (camera, request, response);
  if (strcmp (method, "PLAY") == 0 || strcmp (method, "PAUSE") == 0 ||
      strcmp (method, "GET_PARAMETER") == 0) {
    if (!camera->setup && method[0] == 'P')
      return 455;
    rtsp_message_add (response, "Session", SESSION_ID);
    if (strcmp (method, "PAUSE") == 0)
      g_clear_pointer (&camera->sender, bench_sender_free);
    return 200;
  }
  if (strcmp (method, "TEARDOWN") == 0) {
    camera->closing = true;
    return 200;
  }
  return 501;
}

static void
handle (Camera *camera, const RtspMessage *request)
{
  if (!request->method)
    return;
  g_autoptr (RtspMessage) response = rtsp_message_new_response (200, NULL);
  unsigned status = answer (camera, request, response);
  if (status != 200) {
    rtsp_message_free (response);
    response = rtsp_message_new_response (status, NULL);
  }
  respond (camera, request, response);
  if (status == 200 && strcmp (request->method, "PLAY") == 0 && !camera->sender)
    begin_playing (camera);
}

/* --- connections -------------------------------------------------------------------------------------------
 */

static void
on_data (void *data, const uint8_t *bytes, size_t n_bytes)
{
  Camera *camera = data;
  RtspEvent event;
  RtspEventType type;
  while (!camera->closing &&
         (type = rtsp_parser_next (camera->parser, &bytes, &n_bytes, &event, NULL)) != RTSP_EVENT_NONE) {
    if (type == RTSP_EVENT_ERROR) {
      camera->closing = true;
    } else if (type == RTSP_EVENT_MESSAGE) {
      handle (camera, event.message);
      rtsp_message_free (event.message);
    }
  }
}

static void
on_burst_end (void *data)
{
  Camera *camera = data;
  if (camera->closing)
    free_camera (camera);
}

static void
on_writable (void *data)
{
  Camera *camera = data;
  bench_wire_flush (&camera->wire);
}

static void
on_closed (void *data, const GError *error)
{
  free_camera (data);
}

static const ConnOps conn_ops = {
    .on_data = on_data, .on_burst_end = on_burst_end, .on_writable = on_writable, .on_closed = on_closed};

static void
on_accepted (void *data, int fd, const NetAddress *peer)
{
  BenchCameras *cameras = data;
  Camera *camera = g_new0 (Camera, 1);
  camera->cameras = cameras;
  bench_wire_init (&camera->wire);
  camera->wire.conn = conn_new_accepted (cameras->loop, fd, NULL, &conn_ops, camera, NULL);
  if (!camera->wire.conn) {
    bench_wire_clear (&camera->wire);
    g_free (camera);
    listener_connection_closed (cameras->listener, peer);
    return;
  }
  camera->parser = rtsp_parser_new (NULL);
  camera->link.data = camera;
  g_queue_push_tail_link (&cameras->open, &camera->link);
}

BenchCameras *
bench_cameras_new (Loop *loop, const NetAddress *listen, BenchPlayout *playout, BenchFilm *film,
                   GError **error)
{
  g_autoptr (BenchCameras) cameras = g_new0 (BenchCameras, 1);
  cameras->loop = loop;
  cameras->playout = playout;
  cameras->rtp_fd = cameras->rtcp_fd = -1;
  g_queue_init (&cameras->open);
  const TrackSpec *specs[] = {&film->spec};
  cameras->sdp = sdp_generate (specs, 1, &(SdpOptions){.name = "sluice bench", .id = 1, .version = 1});
  NetAddress any = *listen;
  if (!net_bind_udp_pair (&any, 0, 0, &cameras->rtp_fd, &cameras->rtcp_fd, &cameras->udp_port, error))
    return NULL;
  ListenerLimits limits = {.backlog = 1024};
  cameras->listener = listener_new (loop, listen, &limits, on_accepted, cameras, error);
  return cameras->listener ? g_steal_pointer (&cameras) : NULL;
}

void
bench_cameras_free (BenchCameras *cameras)
{
  if (!cameras)
    return;
  while (!g_queue_is_empty (&cameras->open))
    free_camera (g_queue_peek_head (&cameras->open));
  if (cameras->listener) {
    listener_close (cameras->listener);
    listener_unref (cameras->listener);
  }
  if (cameras->rtp_fd >= 0)
    close (cameras->rtp_fd);
  if (cameras->rtcp_fd >= 0)
    close (cameras->rtcp_fd);
  g_free (cameras->sdp);
  g_free (cameras);
}

const NetAddress *
bench_cameras_address (const BenchCameras *cameras)
{
  return listener_address (cameras->listener);
}
