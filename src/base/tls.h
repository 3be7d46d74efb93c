/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by OpenSSL for connections of base/conn.h. TLS 1.2 and up. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Server side: certificate chain and key, PEM. Immutable, refcounted, shared by all loops. */
typedef struct TlsServer TlsServer;
TlsServer *tls_server_new (const char *certificate_file, const char *key_file, GError **error);
TlsServer *tls_server_ref (TlsServer *server);
void tls_server_unref (TlsServer *server); /* NULL-safe */

/* Client side. Copied by conn_connect(). */
typedef struct {
  const char *server_name; /* SNI and the name checked against the certificate */
  bool verify;             /* check the chain against the system's authorities */
  const char *fingerprint; /* NULL, or SHA-256 of the certificate in hex, colons optional: then this and only
                              this is checked */
  const char *ca_file;     /* NULL, or PEM authorities instead of the system's */
} TlsClientOptions;

/* Accepts "AB:CD:..." and "abcd..."; 32 bytes. */
bool tls_fingerprint_parse (const char *text, uint8_t ret[32], GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TlsServer, tls_server_unref)
