/* SPDX-License-Identifier: Apache-2.0 */
/* The RTSP server (RFC 2326): players and publishers over TCP, UDP, multicast, RTSPS and an HTTP tunnel.
 *
 * Threads: each connection lives on one I/O loop; that of a publisher moves to the home loop of its stream.
 * The functions here may be called from any thread, rtsp_server_new() before the loops have other work.
 * Limits:  all from [rtsp] of the configuration; see config/keys.c.
 * Failure: a peer that breaks the protocol, is silent or too slow loses its connection, and nobody else
 * notices. */
#pragma once

#include "auth/auth.h"
#include "stream/registry.h"

typedef struct RtspServer RtspServer;

/* Binds all listeners and UDP ports; nothing stays bound when one of them fails, and @error names its key and
 * address. Pool, registry and auth outlive the server. */
RtspServer *rtsp_server_new (LoopPool *pool, Registry *registry, Auth *auth, Settings *settings,
                             GError **error);

/* New connections follow @settings; addresses and limits of the listeners stay until a restart. */
void rtsp_server_apply (RtspServer *server, Settings *settings);

/* Closes every listener, connection and session; @done runs on @loop when all have let go (before the pool
 * may be freed). Then rtsp_server_free(). */
void rtsp_server_stop (RtspServer *server, Loop *loop, LoopFunc done, void *data);
void rtsp_server_free (RtspServer *server); /* after @done */

/* As bound: port 0 is filled in. NULL behind the last one. (transfer full) "127.0.0.1:8554" */
char *rtsp_server_address (RtspServer *server, unsigned index);

typedef struct {
  uint64_t connections_accepted;
  uint64_t refused_total;       /* max_connections */
  uint64_t refused_per_address; /* max_connections_per_address */
  uint64_t requests;
  uint64_t protocol_errors; /* connections closed for senseless bytes or limits */
  uint64_t timeouts;        /* of requests and sessions */
  uint64_t auth_failures;
  uint64_t udp_dropped; /* packets that a full socket did not take */
  unsigned connections;
  unsigned sessions_reading, sessions_publishing;
} RtspServerStats;
void rtsp_server_get_stats (RtspServer *server, RtspServerStats *ret);

/* What operators see of a session; the id that the client knows is a secret and not in here. */
typedef struct {
  char *id; /* "s12" */
  char *stream, *peer, *user, *user_agent;
  const char *transport; /* "tcp", "udp", "multicast" */
  const char *state;     /* "ready", "playing", "recording" */
  int64_t opened_unix_us;
} RtspSessionInfo;
void rtsp_session_info_free (RtspSessionInfo *info);
GPtrArray *rtsp_server_list_sessions (RtspServer *server); /* (transfer full) of RtspSessionInfo */
