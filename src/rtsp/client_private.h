/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one RTSP source, shared by the files client*.c only:
 *   client.c          its life: connection, time-outs, failure
 *   client_session.c  requests and answers
 *   client_media.c    packets and reports, once tracks are known
 *   client_tunnel.c   the pair of HTTP connections of rtsp+http
 * All on the stream's home loop. */
#pragma once

#include "base/conn.h"
#include "rtp/rtcp.h"
#include "rtsp/client_auth.h"
#include "rtsp/client_udp.h"
#include "rtsp/client_url.h"
#include "rtsp/message.h"
#include "rtsp/sdp.h"
#include "rtsp/transport.h"
#include "stream/source.h"

typedef struct RtspClient RtspClient;

typedef enum {
  CLIENT_CONNECTING,
  CLIENT_TUNNELING, /* waiting for the answer to GET, then for the POST connection */
  CLIENT_OPTIONS,
  CLIENT_DESCRIBE,
  CLIENT_SETUP, /* of setup_index */
  CLIENT_PLAY,
  CLIENT_PLAYING,
  CLIENT_FAILED, /* only the report is left to do */
} ClientState;

typedef enum { CLIENT_TCP, CLIENT_UDP, CLIENT_MULTICAST, CLIENT_N_TRANSPORTS } ClientTransport;

enum { CLIENT_NO_CHANNEL = 0xff };

typedef struct {
  RtspClient *client;
  unsigned media; /* of the description */
  unsigned index; /* of the ingest */
  RtspClientUdp *udp;
  uint8_t rtcp_channel; /* TCP */
  bool ended;           /* BYE */
  RtcpReceiver receiver;
  bool has_report; /* a sender report came before the stream was online */
  int64_t report_ntp_us;
  uint32_t report_rtp_time;
} ClientTrack;

struct RtspClient {
  Stream *stream;
  Loop *loop;
  StreamSettings *settings;
  const SourceEvents *events;
  void *events_data;

  ClientState state;
  LoopDeferred failing;
  GError *failure;
  LoopTimer *deadline; /* of the stage, and of the first packet */
  LoopTimer *tick;     /* while playing: reports, keep-alive */

  /* where to */
  RtspClientUrl url;
  bool own_credentials; /* the URL that the operator wrote, or one with credentials of its own */
  unsigned n_redirects;
  ClientTransport transport;
  unsigned refused_transports; /* bits of ClientTransport */

  /* connection */
  Conn *conn;
  Conn *post;     /* of a tunnel: requests go this way, in base64 */
  char *cookie;   /* of a tunnel */
  unsigned epoch; /* counts connections: code that loops over input stops when it changes */
  RtspParser *parser;
  GByteArray *out; /* not taken by the connection yet */

  /* session */
  RtspClientAuth *auth;
  uint32_t cseq;
  char *session; /* id, or NULL */
  unsigned keepalive_ms;
  int64_t last_request_us;
  bool has_get_parameter;
  bool without_range;
  Sdp *sdp;
  char *control;        /* URL of the whole presentation */
  char *base;           /* of controls */
  unsigned setup_index; /* of sdp->media */

  /* media */
  unsigned n_tracks;
  ClientTrack *tracks;   /* TRACKS_MAX */
  uint8_t channels[256]; /* index * 2, + 1 for RTCP; CLIENT_NO_CHANNEL */
  uint32_t ssrc;         /* of our reports */
  Ingest *ingest;
  bool had_packet;
};

/* --- client.c ----------------------------------------------------------------------------------------------
 */

/* Takes @error over. The report follows on this turn of the loop; nothing is freed before. */
void rtsp_client_fail (RtspClient *client, GError *error);
void rtsp_client_failf (RtspClient *client, int code, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* Drops the session and its connection, and starts anew with client->url and client->transport. */
void rtsp_client_connect (RtspClient *client);

/* Restarts the time-out of the stage. */
void rtsp_client_start_deadline (RtspClient *client);

/* Queues @bytes for the connection; optional ones (reports) are left out while others wait. */
void rtsp_client_send (RtspClient *client, const uint8_t *bytes, size_t n_bytes, bool optional);

/* As far as the connection takes it. */
void rtsp_client_flush (RtspClient *client);

/* A connection to client->url. */
Conn *rtsp_client_dial (RtspClient *client, const ConnOps *ops);

/* Media cannot but share the connection: TLS, tunnels. */
bool rtsp_client_is_tcp_only (const RtspClient *client);

const char *rtsp_client_transport_name (const RtspClient *client); /* "tcp"; static */

/* --- client_session.c --------------------------------------------------------------------------------------
 */

void rtsp_client_session_begin (RtspClient *client); /* connected */
void rtsp_client_session_message (RtspClient *client, const RtspMessage *message);
void rtsp_client_session_tick (RtspClient *client); /* keep-alive, when it is time */
void rtsp_client_session_teardown (
    RtspClient *client); /* sends TEARDOWN if there is a session; no answer awaited */
void rtsp_client_session_clear (RtspClient *client);
/* Another transport that was not refused yet is tried in mode AUTO; false when there is none. */
bool rtsp_client_session_fall_back (RtspClient *client);

/* --- client_tunnel.c ---------------------------------------------------------------------------------------
 */

void rtsp_client_tunnel_begin (RtspClient *client); /* connected */
void rtsp_client_tunnel_answer (RtspClient *client, const RtspMessage *answer);

/* --- client_media.c ----------------------------------------------------------------------------------------
 */

extern const RtspClientUdpOps rtsp_client_udp_ops; /* data: ClientTrack */

/* The next track, of @media; its udp is the track's from now on. */
ClientTrack *rtsp_client_media_add (RtspClient *client, unsigned media, RtspClientUdp *udp);
void rtsp_client_media_frame (RtspClient *client, uint8_t channel, const uint8_t *bytes, size_t n_bytes,
                              int64_t now_us);
void rtsp_client_media_burst_end (RtspClient *client);
void rtsp_client_media_send_reports (RtspClient *client);
/* Frees tracks; ends the ingest, if any, with @why (NULL: a regular end). */
void rtsp_client_media_clear (RtspClient *client, const GError *why);
