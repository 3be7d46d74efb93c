/* SPDX-License-Identifier: Apache-2.0 */
/* A server on ephemeral ports with a handful of routes, and a raw client on a thread of its own: the test's
 * thread is the control loop and iterates while the client talks. */
#pragma once

#include "http/call.h"
#include "http/server.h"

typedef struct {
  Loop *control;
  LoopPool *pool;
  Settings *settings;
  Auth *auth;
  Router *router;
  HttpServer *server;
  uint16_t port;

  HttpCall *held;    /* of GET /held: not answered yet */
  HttpPush *push;    /* of GET /push */
  unsigned n_pushes; /* begun */
  unsigned n_gone;   /* pushes that have ended */
  Websocket *socket; /* of GET /socket: echoes */
  unsigned n_closed; /* WebSockets that have ended */
} Fixture;

/* @settings: taken over, NULL for defaults; http_listen is filled in. */
void fixture_set_up (Fixture *fixture, Settings *settings);
void fixture_tear_down (Fixture *fixture);
/* The same in pieces, for other routes on other loops: begin, fill fixture->router, serve; stop_serving, end.
 */
void fixture_begin_on (Fixture *fixture, Settings *settings, Loop *control, LoopPool *pool);
void fixture_serve (Fixture *fixture, void *app);
void fixture_stop_serving (Fixture *fixture);
void fixture_end (Fixture *fixture);

/* Runs @func on a thread and the control loop here until it has returned, at most 20 s. */
typedef void (*FixtureFunc) (Fixture *fixture);
void fixture_run (Fixture *fixture, FixtureFunc func);
/* Runs the control loop until *@value is at least @wanted. */
void fixture_wait (const unsigned *value, unsigned wanted);

/* --- the client; blocking, gives up after 10 s --- */
int client_connect (Fixture *fixture);
void client_send (int fd, const char *bytes, size_t n_bytes);
/* Everything up to the end of the connection. (transfer full) */
char *client_read_all (int fd);
/* One answer: header, and a body of Content-Length. (transfer full) */
char *client_read_answer (int fd);
bool client_read_exact (int fd, void *bytes, size_t n_bytes);
/* Connects, sends @request, reads one answer, closes. (transfer full) */
char *client_exchange (Fixture *fixture, const char *request);
/* Milliseconds until the peer closes. */
int64_t client_wait_closed (int fd);
unsigned client_status (const char *answer);
