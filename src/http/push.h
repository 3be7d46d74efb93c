/* SPDX-License-Identifier: Apache-2.0 */
/* An answer whose body comes piece by piece for as long as both sides like: server-sent events.
 *
 * Threads: all functions from any thread; the body is read by an HTTP thread.
 * Limits:  at most max_queued_bytes wait for a client that reads slowly; the next piece ends the answer.
 * Failure: on_gone runs on the control loop once, when the client has left or the answer has ended. A client
 * that vanishes is noticed by the next piece, so push something now and then. */
#pragma once

#include "base/loop.h"

typedef struct HttpPush HttpPush;

/* False when the answer has ended. @piece: (transfer none) */
bool http_push_send (HttpPush *push, GBytes *piece);
void http_push_close (HttpPush *push); /* idempotent; what is queued is still sent */
HttpPush *http_push_ref (HttpPush *push);
void http_push_unref (HttpPush *push); /* NULL-safe */

/* For the server only. */
struct MHD_Response;
struct MHD_Connection;
HttpPush *http_push_new (Loop *control, const char *content_type /* static */, size_t max_queued_bytes,
                         LoopFunc on_gone, void *data);
/* The response takes over a reference. */
struct MHD_Response *http_push_make_response (HttpPush *push, struct MHD_Connection *connection);
const char *http_push_content_type (const HttpPush *push);
void
http_push_drop (HttpPush *push); /* no response was ever made of it: consumes a reference, reports on_gone */
