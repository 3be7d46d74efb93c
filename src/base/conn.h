/* SPDX-License-Identifier: Apache-2.0 */
/* A non-blocking stream connection, plain TCP or TLS, accepted or connecting, on one I/O loop.
 *
 * Owner:   the session that made it. Callbacks run on the loop; inside any of them the owner may call any
 *          function here, conn_free() included (no callback follows it).
 * Limits:  no write queue of its own: conn_writev() takes what the kernel takes, the rest is the caller's. */
#pragma once

#include "base/loop.h"
#include "base/net.h"
#include "base/tls.h"

#include <sys/types.h>
#include <sys/uio.h>

typedef struct Conn Conn;

typedef struct {
  void (*on_connected) (void *data); /* connecting ones: TCP and TLS are up */
  void (*on_data) (void *data, const uint8_t *bytes, size_t n_bytes); /* bytes are gone after the return */
  void (*on_burst_end) (void *data); /* optional: the socket is empty for now, after one or more on_data */
  void (*on_writable) (void *data);  /* whenever there is room, from conn_want_write (TRUE) to (FALSE) */
  void (*on_closed) (void *data,
                     const GError *error); /* peer closed (NULL) or failed; only free is left to do */
} ConnOps;

/* Takes over the accepted descriptor @fd (closed also on failure); a server-side TLS handshake comes first
 * when
 * @tls is given, without a time limit of its own: the owner closes a peer that stays silent. */
Conn *conn_new_accepted (Loop *loop, int fd, TlsServer *tls, const ConnOps *ops, void *data, GError **error);

/* Resolves @host (in libuv's pool), tries its addresses in turn (RFC 8305 order, 250 ms apart) and connects;
 * with @tls a handshake follows that checks the certificate (server_name NULL: @host). @timeout_ms is for all
 * of it; 0: none. Errors arrive in on_closed, never before the return: TIMEOUT, UNAVAILABLE (no such name,
 * refused, no route), UNAUTHENTICATED (certificate), PROTOCOL. */
Conn *conn_connect (Loop *loop, const char *host, uint16_t port, const TlsClientOptions *tls,
                    unsigned timeout_ms, const ConnOps *ops, void *data);

/* Bytes taken (0 when the socket is full: ask conn_want_write), or -1 when the connection is broken
 * (on_closed follows on a later turn). */
ssize_t conn_writev (Conn *conn, const struct iovec *iov, int n_iov);
void conn_want_write (Conn *conn, bool want);
void conn_pause_reading (Conn *conn, bool pause);

/* Moves an established connection with its owner to another loop: stops it here; conn_adopt() on the other
 * loop makes it live again. Bytes already read stay the owner's. Released, it may only be adopted or freed
 * (on any thread). */
void conn_release (Conn *conn);
bool conn_adopt (Conn *conn, Loop *loop, GError **error);

/* Replaces callbacks and owner (tunnels, upgrades). */
void conn_set_ops (Conn *conn, const ConnOps *ops, void *data);

const NetAddress *conn_peer (const Conn *conn);
const NetAddress *conn_local (const Conn *conn);
bool conn_is_tls (const Conn *conn);
int conn_fd (const Conn *conn);
size_t conn_unsent (const Conn *conn); /* bytes in the kernel's send queue (SIOCOUTQ) */
void conn_free (Conn *conn);           /* NULL-safe; closes */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Conn, conn_free)
