/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server: our listeners accept, libmicrohttpd's threads read and write, the control loop answers.
 *
 * Connections are accepted by base/listener.h on the I/O loops (limits in total and per address, pause and
 * recovery when descriptors run out) and handed to one of http_threads daemons of libmicrohttpd, each one
 * epoll thread. An API request is suspended there, posted to the control loop, and resumed with the answer.
 *
 * Owner:  control loop; all functions there.
 * Limits: [http] of the configuration. libmicrohttpd only knows an idle time-out, so header and body time are
 *         watched here: a sweep shuts down the sockets that took too long. */
#pragma once

#include "auth/auth.h"
#include "base/listener.h"
#include "base/loop.h"
#include "config/settings.h"
#include "http/router.h"

typedef struct HttpServer HttpServer;

typedef struct {
  Loop *control;
  LoopPool *pool; /* accepts, WebSockets */
  Auth *auth;
  Settings *settings;   /* referenced */
  const Router *router; /* outlives the server */
  void *app;            /* for http_call_app() */
} HttpServerOptions;

/* Binds and serves. Errors name the address and the key to change. */
HttpServer *http_server_new (const HttpServerOptions *options, GError **error);

/* Ends everything: requests that wait get 503, WebSockets a close frame, pushed answers their end; joins the
 * threads. on_gone and on_closed callbacks run later on the control loop. Blocks for milliseconds. NULL-safe.
 */
void http_server_free (HttpServer *server);

/* Limits of requests, time-outs, origins: at once. Listeners, threads and TLS stay as they were. */
void http_server_set_settings (HttpServer *server, Settings *settings);

/* As bound, in the order of http_listen: port 0 is filled in. NULL behind the last. */
const NetAddress *http_server_address (const HttpServer *server, unsigned index);
Listener *http_server_listener (const HttpServer *server, unsigned index);

typedef struct {
  uint64_t requests[6];        /* by first digit of the status; [0] unused */
  uint64_t timeouts;           /* connections cut for a header or a body that took too long */
  unsigned waiting;            /* requests the control loop has not answered yet */
  unsigned pushes, websockets; /* open ones */
} HttpServerStats;
void http_server_get_stats (HttpServer *server, HttpServerStats *ret); /* any thread */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (HttpServer, http_server_free)
