/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the RTSP server share. Everything of a connection and its session is touched on the loop
 * it lives on; RtspServer's lock is a leaf around its tables. */
#pragma once

#include "base/conn.h"
#include "base/listener.h"
#include "rtp/reorder.h"
#include "rtp/rtcp.h"
#include "rtsp/auth_header.h"
#include "rtsp/message.h"
#include "rtsp/sdp.h"
#include "rtsp/server.h"
#include "rtsp/transport.h"
#include "rtsp/udp_port.h"
#include "stream/queue.h"

#include <stdatomic.h>

typedef struct RtspLoop RtspLoop;
typedef struct RtspConnection RtspConnection;
typedef struct RtspSession RtspSession;
typedef struct RtspMulticast RtspMulticast;
typedef struct RtspTunnel RtspTunnel;
typedef struct Announcing Announcing;

enum {
  RTSP_TICK_MS = 250,                 /* how exact deadlines are */
  RTSP_REPORT_MS = 5000,              /* RTCP interval */
  RTSP_STASH_BYTES = 128 * 1024,      /* read ahead while a request waits; then reading pauses */
  RTSP_STASH_MAX_BYTES = 1024 * 1024, /* what is on its way past the pause; more ends the connection */
  RTSP_TUNNELS_MAX = 1024,            /* GET halves that wait for or have a POST half */
  RTSP_LINGER_MS = 3000,              /* time for the last answer to leave */
};
#define RTSP_REALM       "Sluice"
#define RTSP_SERVER_NAME "Sluice"

/* --- server.c --- */

struct RtspServer {
  gatomicrefcount ref; /* of everything that is alive; the last one reports the stop */
  LoopPool *pool;
  Registry *registry;
  Auth *auth;
  unsigned n_loops;
  RtspLoop **loops;
  GPtrArray *entrances; /* of Entrance */
  GMutex lock;
  Settings *settings;    /* lock */
  GHashTable *tunnels;   /* lock; cookie -> RtspTunnel, not owned */
  GHashTable *groups;    /* lock; "stream|interface" -> RtspMulticast, not owned */
  GHashTable *sessions;  /* lock; RtspSessionInfo, not owned */
  unsigned next_group;   /* lock */
  uint64_t next_session; /* lock */
  atomic_bool stopping;
  Loop *done_loop;
  LoopFunc done;
  void *done_data;
  atomic_uint_fast64_t requests, protocol_errors, timeouts, auth_failures, udp_dropped;
};

RtspServer *server_ref (RtspServer *server);
void server_unref (RtspServer *server);
Settings *server_settings (RtspServer *server); /* (transfer full) */
RtspLoop *server_loop_for (RtspServer *server, const Loop *loop);

/* What the server has on one I/O loop. */
struct RtspLoop {
  RtspServer *server;
  Loop *loop;
  GQueue connections; /* of RtspConnection, by its link */
  LoopTimer *tick;    /* only while there are connections or groups */
  int64_t next_report_us;
  UdpPort *udp;  /* NULL when udp is not among rtsp.transports */
  GQueue groups; /* of RtspMulticast whose sender lives here */
  GQueue pacing; /* of RtspSession with a backlog, by its link */
  LoopTimer *pace_timer;
};
void rtsp_loop_wake (RtspLoop *home); /* starts the tick */

/* --- connection.c --- */

typedef void (*RequestFunc) (RtspConnection *c);

/* One request being answered. */
typedef struct {
  RtspMessage *message;
  uint32_t cseq;
  char *url;             /* as sent, without query and trailing slash, without track */
  char *path;            /* stream name out of it; NULL for "*" */
  char *control;         /* "trackID=0" behind the path, or NULL */
  int track;             /* out of control, or -1 */
  char *token;           /* ?token=, or NULL */
  SettingsAction action; /* while it waits for a decision: what for, and how to go on */
  RequestFunc next;
} RtspRequest;

struct RtspConnection {
  RtspServer *server;
  RtspLoop *home;
  GList link; /* in home->connections */
  Settings *settings;
  Listener *listener;
  Conn *conn;
  char *peer; /* "address:port" */
  RtspParser *parser;
  ReaderQueue *queue; /* all that goes out */
  GByteArray *stash;  /* read while a request waits; NULL when empty */
  RtspRequest *request;
  bool busy;    /* the request waits for an answer from elsewhere */
  bool closed;  /* freed as soon as depth is 0 */
  bool closing; /* as soon as the queue is empty */
  const char *closing_reason;
  bool writable_wanted;
  LoopDeferred flush;
  unsigned depth;      /* of callbacks that run now */
  int64_t deadline_us; /* of an unfinished request, a fresh connection, a last answer; 0 none */
  int64_t life_us;     /* last request */
  GCancellable *cancellable;
  char *user_agent;
  char *user;       /* authenticated as */
  char *allowed[2]; /* path that reading, publishing is allowed for on this connection */
  /* DESCRIBE keeps the stream alive until SETUP */
  Lease *lease;
  char *lease_path;
  RtspSession *session;
  RtspTunnel *tunnel;     /* of the GET half */
  Announcing *announcing; /* waits for a stream to publish */
};

void connection_accept (RtspLoop *home, int fd, TlsServer *tls, Listener *listener);
/* @reason is static when the session plays: operators are told it later. */
void connection_close (RtspConnection *c, const char *reason);
/* Sends what waits; false when the connection has been closed. */
bool connection_flush (RtspConnection *c);
/* The same at the end of this turn of the loop: for many batches at once. */
void connection_flush_later (RtspConnection *c);
/* (transfer full) false when the connection has been closed. */
bool connection_send (RtspConnection *c, GBytes *bytes);
/* Bytes from the peer: of the socket, or out of a tunnel. */
void connection_feed (RtspConnection *c, const uint8_t *bytes, size_t n_bytes);
void connection_burst_end (RtspConnection *c);
/* The answer to a request: then goes on with what was kept while it waited. Nothing of the connection may be
 * touched afterwards. (transfer full) */
void connection_answer (RtspConnection *c, GBytes *bytes);
/* @reason is static. */
void connection_close_after_flush (RtspConnection *c, const char *reason);
/* The queue for playing has limits of its stream and a key track; NULL: one for answers only. What waits goes
 * over. */
void connection_set_queue (RtspConnection *c, ReaderQueue *queue);
void connection_tick (RtspConnection *c, int64_t now_us);
/* Moves between loops: leave here, then arrive there. False when that loop refuses it: it has been closed. */
void connection_leave (RtspConnection *c);
bool connection_arrive (RtspConnection *c, RtspLoop *home);

/* --- request.c --- */

void request_handle (RtspConnection *c, RtspMessage *message); /* (transfer full) */
void request_free (RtspRequest *request);
/* Answers c->request and frees it. (transfer full) */
void request_answer (RtspConnection *c, RtspMessage *response);
void request_answer_status (RtspConnection *c, unsigned status, const char *reason);
void request_answer_error (RtspConnection *c, const GError *error);
/* Marks the request as waiting; what comes in meanwhile is kept. */
void request_wait (RtspConnection *c);
bool url_to_path (const char *url, RtspRequest *ret);

/* --- permit.c --- */
/* Goes on with @next when the peer may do @action on the request's path, else answers. */
void permit (RtspConnection *c, SettingsAction action, RequestFunc next);

/* --- play.c, publish.c --- */

void play_describe (RtspConnection *c);
void play_setup (RtspConnection *c);
void play_play (RtspConnection *c);
void play_pause (RtspConnection *c);
void publish_announce (RtspConnection *c);
void publish_setup (RtspConnection *c);
void publish_record (RtspConnection *c);
void publish_forget (Announcing *announcing); /* its connection is gone; NULL-safe */

/* --- session.c --- */

typedef enum { SESSION_READY, SESSION_PLAYING, SESSION_RECORDING } SessionState;
typedef enum { DELIVERY_NONE, DELIVERY_TCP, DELIVERY_UDP, DELIVERY_MULTICAST } Delivery;

typedef struct {
  bool setup;
  bool reported; /* a sender report went before the first packet */
  uint8_t channel[2];
  NetAddress to[2];       /* UDP: RTP and RTCP of the peer */
  UdpPeer *from[2];       /* UDP: what comes from there */
  uint32_t lost;          /* reading: as the last receiver report says */
  Reorder *reorder;       /* publishing over UDP */
  RtcpReceiver *receiver; /* publishing */
  RtspSession *session;
  unsigned index;
} SessionTrack;

struct RtspSession {
  RtspConnection *c;
  char id[33];
  char *path, *url;
  SessionState state;
  bool opened; /* has played or recorded: its end is worth a line */
  Delivery delivery;
  bool publishing;
  unsigned n_tracks;
  SessionTrack *tracks;
  int64_t life_us;
  RtspSessionInfo *info;
  /* reading */
  Lease *lease;
  TrackSet *set;
  Reader *reader;
  RtspMulticast *multicast;
  bool multicast_playing;
  GQueue backlog; /* UDP: of Batch, waiting for their turn */
  size_t backlog_bytes;
  size_t backlog_max_bytes;
  size_t pace_bytes; /* sent in this window */
  int64_t pace_start_us;
  GList pace_link;
  bool pace_skipping;  /* the backlog was too long: until the next key frame */
  uint64_t skips_told; /* of the queue */
  uint64_t drops_told;
  /* publishing */
  Stream *stream;
  PublishTicket *ticket;
  Sdp *sdp;
  Ingest *ingest;
  uint32_t ssrc; /* of our receiver reports */
};

RtspSession *session_new (RtspConnection *c, const char *path, unsigned n_tracks, bool publishing);
void session_free (RtspSession *session, const char *reason, const GError *error);
void session_set_state (RtspSession *session, SessionState state);
const char *session_transport_name (const RtspSession *session);
/* Chooses and sets up a transport for track @index; the value of the answer's Transport field, or NULL: 461.
 * (transfer full) */
char *session_setup_transport (RtspSession *session, unsigned index, const char *value, Stream *stream);
void session_frame (RtspSession *session, uint8_t channel, const uint8_t *bytes, size_t n_bytes);
void session_burst_end (RtspSession *session);
/* Called each tick; false when the session has timed out. */
bool session_alive (RtspSession *session, int64_t now_us);

/* --- reading.c: media to a player --- */
void reading_start (RtspSession *session);
void reading_stop (RtspSession *session);
void reading_pace (RtspSession *session, int64_t now_us);
void reading_forget_backlog (RtspSession *session);

/* --- recording.c: media from a publisher --- */
bool recording_start (RtspSession *session, GError **error);
void recording_rtp (SessionTrack *track, const uint8_t *bytes, size_t n_bytes, int64_t now_us);
void recording_rtcp (SessionTrack *track, const uint8_t *bytes, size_t n_bytes, int64_t now_us);
void recording_report (RtspSession *session, int64_t now_us);
void recording_flush_reorder (RtspSession *session, int64_t now_us);

/* --- report.c: RTCP of players --- */
/* Sender reports of one round, made once a stream and track and shared by all readers of a loop. */
typedef struct ReportRound ReportRound;
ReportRound *report_round_new (void);
void report_round_free (ReportRound *round);
void report_send_all (ReportRound *round, RtspSession *session);
/* Before the first packet of @track; false when the connection has been closed. */
bool report_send_first (SessionTrack *track, const Batch *batch);
void report_take (RtspSession *session, const uint8_t *bytes, size_t n_bytes);
/* Sends an RTCP packet of @track to the peer; false when the connection has been closed. */
bool session_send_rtcp (SessionTrack *track, const uint8_t *bytes, size_t n_bytes);
/* The report that fits @batch, the first one of a track; 0: the wall clock is not known. @ret has room for
 * RTCP_BUILD_BYTES. */
size_t report_build_first (Reader *reader, const TrackSet *set, const Batch *batch, uint8_t *ret);
/* The report of the round for track @index of @reader, without interleaved header; NULL when nothing is
 * known. (transfer none) */
GBytes *report_get (ReportRound *round, Reader *reader, const TrackSet *set, unsigned index);

/* --- multicast.c --- */
/* The sender of @stream on the interface with address @local, made when there is none; NULL and @error. One
 * reference a session. Any loop. */
RtspMulticast *multicast_acquire (RtspServer *server, Stream *stream, TrackSet *set, const NetAddress *local,
                                  const Settings *settings, GError **error);
void multicast_play (RtspMulticast *group);  /* a session begins to play */
void multicast_pause (RtspMulticast *group); /* a session that played pauses */
void multicast_release (RtspMulticast *group);
void multicast_describe (const RtspMulticast *group, unsigned track, RtspTransport *ret);
void multicast_report (RtspMulticast *group, ReportRound *round);

/* --- tunnel.c --- */
/* Takes an HTTP request; the rest of the bytes read with it are @bytes. True when @c is gone. */
bool tunnel_request (RtspConnection *c, RtspMessage *message, const uint8_t *bytes, size_t n_bytes);
void tunnel_free (RtspTunnel *tunnel); /* with the GET half; NULL-safe */
/* With the GET half's connection_leave() and connection_arrive(). */
void tunnel_leave (RtspTunnel *tunnel);
void tunnel_arrive (RtspTunnel *tunnel, RtspLoop *home);
