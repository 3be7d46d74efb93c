/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket (RFC 6455) of a client: its frames are handled on an I/O loop, its owner lives on the control
 * loop.
 *
 * Owner:   made by http_call_accept_websocket(); the owner holds one reference and gets its callbacks on the
 *          control loop, on_closed exactly once and last, also when the client never got its 101.
 * Threads: all functions from any thread.
 * Limits:  messages to us WEBSOCKET_MESSAGE_BYTES (else 1009), of which WEBSOCKET_PENDING_MESSAGES wait for
 * the owner before reading pauses; messages to a client that reads slowly WEBSOCKET_QUEUE_BYTES (else 1013).
 * Life:    a ping every WEBSOCKET_PING_MS; a client silent for WEBSOCKET_SILENCE_MS is closed. The text
 * "ping" is answered with the text "pong" here, for clients in browsers, which cannot send ping frames. */
#pragma once

#include "base/loop.h"

enum {
  WEBSOCKET_MESSAGE_BYTES = 64 * 1024,
  WEBSOCKET_PENDING_MESSAGES = 16,
  WEBSOCKET_QUEUE_BYTES = 1024 * 1024,
  WEBSOCKET_PING_MS = 20000,
  WEBSOCKET_SILENCE_MS = 60000,
};

typedef struct Websocket Websocket;

typedef struct {
  void (*on_text) (void *data, const char *text); /* valid UTF-8; binary messages are refused with 1003 */
  void (*on_closed) (void *data);
} WebsocketOps;

/* False when it is closed. @text: (transfer none) */
bool websocket_send (Websocket *websocket, GBytes *text);
/* Status codes as in RFC 6455 §7.4.1; idempotent. */
void websocket_close (Websocket *websocket, unsigned code, const char *reason);
void websocket_unref (Websocket *websocket); /* NULL-safe */

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key. (transfer full) */
char *websocket_accept_key (const char *key);

/* For the server only. */
struct MHD_UpgradeResponseHandle;
Websocket *websocket_new (Loop *io, Loop *control, const WebsocketOps *ops, void *data);
Websocket *websocket_ref (Websocket *websocket);
/* The handshake is done: @fd and @handle are the WebSocket's now; @extra: bytes that came right behind it. */
void websocket_open (Websocket *websocket, int fd, struct MHD_UpgradeResponseHandle *handle,
                     const void *extra, size_t n_extra);
/* The connection went away before the handshake was done; no-op after websocket_open(). Any thread. */
void websocket_abandon (Websocket *websocket);
/* Closes the descriptor now, without a close frame's round trip: server shutdown. On the I/O loop. */
void websocket_drop (Websocket *websocket);
Loop *websocket_loop (Websocket *websocket);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Websocket, websocket_unref)
