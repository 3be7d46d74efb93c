/* SPDX-License-Identifier: Apache-2.0 */
/* What server.c (listeners, daemons, connections) and exchange.c (one request) share.
 *
 * Locks: HttpServer.lock may be held while calling MHD_suspend_connection() and MHD_resume_connection();
 *        libmicrohttpd calls http_exchange_completed() with a lock of its own held that those take as well,
 * so that callback takes only feeds_lock, which is a leaf. */
#pragma once

#include "http/call.h"
#include "http/server.h"

#include <microhttpd.h>

typedef struct HttpConnection HttpConnection;
struct HttpConnection {
  HttpServer *server;
  Listener *listener;
  NetAddress peer;
  int fd;
  int64_t deadline_us; /* atomic; 0: none. What must have happened by then depends on the phase */
  bool served;         /* a request was answered before; HTTP thread */
  bool cut;            /* the sweep has ended it; server lock */
  HttpConnection *next, *previous;
};

/* Calls hold a reference: a handler may answer long after the server has ended, and then only finds that
 * nobody waits any more. */
struct HttpServer {
  gatomicrefcount ref;
  Loop *control;
  LoopPool *pool;
  Auth *auth;
  const Router *router;
  void *app;
  bool tls;

  GPtrArray *listeners; /* of HttpListener */
  GPtrArray *daemons;   /* of struct MHD_Daemon */
  guint next_daemon;
  Loop *sweep_loop;
  LoopTimer *sweep;

  GMutex lock;
  Settings *settings;
  GHashTable *pending; /* descriptor -> HttpConnection that libmicrohttpd has not begun yet */
  HttpConnection *connections;
  GQueue waiting; /* of HttpCall, suspended */
  bool stopping;

  GMutex feeds_lock;
  GHashTable *pushes;     /* set of HttpPush */
  GHashTable *websockets; /* set of Websocket */

  uint64_t requests[6]; /* atomic */
  uint64_t timeouts;
};

HttpServer *http_server_ref (HttpServer *server);
void http_server_unref (HttpServer *server);
Settings *http_server_ref_settings (HttpServer *server);
void http_connection_set_deadline (HttpConnection *connection, int64_t after_ms); /* 0: none */

/* Callbacks of libmicrohttpd, exchange.c. */
void *http_exchange_begin (void *data, const char *target, struct MHD_Connection *mhd);
enum MHD_Result http_exchange_data (void *server, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version, const char *bytes,
                                    size_t *n_bytes, void **context);
void http_exchange_completed (void *data, struct MHD_Connection *mhd, void **context,
                              enum MHD_RequestTerminationCode why);
/* Server lock held: answers a waiting call with 503. */
void http_exchange_abort (HttpCall *call);
