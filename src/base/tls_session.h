/* SPDX-License-Identifier: Apache-2.0 */
/* One TLS connection over a non-blocking socket, for base/conn.c only. What OpenSSL wants to send and the
 * socket does not take waits in a buffer here, so that a write is either taken whole or not at all: the owner
 * may drop or change what was not taken (OpenSSL alone would insist on the same bytes again).
 *
 * Threads: one at a time. The socket stays the caller's and must outlive the session. */
#pragma once

#include "base/tls.h"

#include <stddef.h>
#include <sys/uio.h>

typedef struct TlsSession TlsSession;

typedef enum {
  TLS_DONE,    /* handshake complete; bytes read; peer closed when zero of them */
  TLS_BLOCKED, /* wait for the socket: readable, or writable when tls_session_unsent() */
  TLS_FAILED,  /* @error is set */
} TlsResult;

TlsSession *tls_session_new_server (TlsServer *server, int fd);
/* Reads authorities, so it can fail: IO, INVALID_ARGUMENT (fingerprint). */
TlsSession *tls_session_new_client (const TlsClientOptions *options, int fd, GError **error);
void tls_session_free (TlsSession *session); /* NULL-safe; tells the peer when the handshake was complete */

/* Errors: UNAUTHENTICATED when the certificate is refused, else PROTOCOL or IO. */
TlsResult tls_session_handshake (TlsSession *session, GError **error);

TlsResult tls_session_read (TlsSession *session, uint8_t *buffer, size_t size, size_t *ret_n, GError **error);
/* Bytes were received that tls_session_read() would give without the socket being readable. */
bool tls_session_has_pending (const TlsSession *session);

/* Bytes taken, 0 when the socket is full, -1 when broken. */
ssize_t tls_session_writev (TlsSession *session, const struct iovec *iov, int n_iov);
/* Sends what waits; false when the connection is broken. */
bool tls_session_flush (TlsSession *session);
size_t tls_session_unsent (const TlsSession *session);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TlsSession, tls_session_free)
