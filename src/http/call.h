/* SPDX-License-Identifier: Apache-2.0 */
/* One API request, as its handler on the control loop sees it. The connection waits (suspended, costing no
 * thread) until one of the respond functions below is called, exactly once; then the call is gone.
 *
 * Owner:   the handler, from its start to the respond function.
 * Threads: the control loop, save where (any) says otherwise. */
#pragma once

#include "base/net.h"
#include "http/push.h"
#include "http/response.h"
#include "http/router.h"
#include "http/websocket.h"

void *http_call_app (HttpCall *call);
const char *http_call_method (const HttpCall *call);
const HttpTarget *http_call_target (const HttpCall *call);
const char *http_call_parameter (const HttpCall *call, const char *name); /* of the route: "id" */
const char *http_call_query (const HttpCall *call, const char *name);     /* NULL: not given */
const char *http_call_header (const HttpCall *call, const char *name); /* lower-case name; NULL: not sent */
GBytes *http_call_body (const HttpCall *call);                         /* never NULL */
const char *http_call_user (const HttpCall *call);                     /* NULL: anonymous */
const NetAddress *http_call_peer (const HttpCall *call);

/* (any) False: the server has ended meanwhile, and the app may be gone; the call must still be answered. */
bool http_call_is_waiting (HttpCall *call);

/* (any) @response: taken over. */
void http_call_respond (HttpCall *call, HttpResponse *response);

/* True when the request asks for an upgrade to a WebSocket. */
bool http_call_wants_websocket (const HttpCall *call);

/* Answers 101. (transfer full): see http/websocket.h. NULL when the request is no correct handshake (RFC 6455
 * §4.2.1): the answer was then an error. Callbacks run on the control loop. */
Websocket *http_call_accept_websocket (HttpCall *call, const WebsocketOps *ops, void *data);

/* Answers 200 with a body that is pushed piece by piece. (transfer full): see http/push.h. */
HttpPush *http_call_start_push (HttpCall *call, const char *content_type, size_t max_queued_bytes,
                                LoopFunc on_gone, void *data);
