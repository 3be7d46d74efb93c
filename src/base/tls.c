/* SPDX-License-Identifier: Apache-2.0 */
/* TLS contexts and sessions by OpenSSL 3. A session talks to its socket through a BIO of its own, because
 * OpenSSL's raises SIGPIPE and gives no control over what waits to be sent. */
#include "base/tls.h"

#include "base/error.h"
#include "base/net.h"
#include "base/tls_session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

enum {
  FINGERPRINT_BYTES = 32,
  READ_AHEAD_BYTES = 32 * 1024, /* two records with one recv() */
  GATHER_BYTES = 16 * 1024,     /* the plain text of one record */
  WRITE_RECORDS_MAX = 4,        /* made of one write, so this much waits at most when the socket is full */
  UNSENT_MAX = 256 * 1024,      /* answers to a peer that asks but does not read; then the session fails */
  KEEP_OUT_BYTES = 2 * GATHER_BYTES, /* a larger empty buffer is given back */
};

struct TlsServer {
  gatomicrefcount ref;
  SSL_CTX *context;
};

struct TlsSession {
  SSL *ssl;
  BIO_METHOD *method;
  int fd;
  bool established;
  bool check_fingerprint;
  uint8_t fingerprint[FINGERPRINT_BYTES];
  char *server_name;
  GByteArray *out;
  size_t out_sent; /* of out */
  int socket_errno;
};

/* --- errors ------------------------------------------------------------------------------------------------
 */

/* "reason" of the oldest queued error: later ones only repeat it from outer layers. */
static const char *
take_reason (void)
{
  unsigned long code = ERR_get_error ();
  ERR_clear_error ();
  const char *reason = code ? ERR_reason_error_string (code) : NULL;
  return reason ? reason : "unknown failure";
}

static bool
fail_file (GError **error, const char *what, const char *file)
{
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "cannot use %s %s: %s", what, file,
               take_reason ());
  return false;
}

/* --- server contexts ---------------------------------------------------------------------------------------
 */

static SSL_CTX *
new_context (const SSL_METHOD *method)
{
  SSL_CTX *context = SSL_CTX_new (method);
  if (!context)
    g_error ("out of memory for a TLS context");
  SSL_CTX_set_min_proto_version (context, TLS1_2_VERSION);
  SSL_CTX_set_mode (context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options (context,
                       SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode (context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead (context, 1);
  SSL_CTX_set_default_read_buffer_len (context, READ_AHEAD_BYTES);
  return context;
}

static bool
load_server_files (SSL_CTX *context, const char *certificate_file, const char *key_file, GError **error)
{
  ERR_clear_error ();
  if (SSL_CTX_use_certificate_chain_file (context, certificate_file) != 1)
    return fail_file (error, "certificate", certificate_file);
  if (SSL_CTX_use_PrivateKey_file (context, key_file, SSL_FILETYPE_PEM) != 1)
    return fail_file (error, "key", key_file);
  if (SSL_CTX_check_private_key (context) != 1)
    return fail_file (error, "key", key_file);
  return true;
}

TlsServer *
tls_server_new (const char *certificate_file, const char *key_file, GError **error)
{
  SSL_CTX *context = new_context (TLS_server_method ());
  if (!load_server_files (context, certificate_file, key_file, error)) {
    SSL_CTX_free (context);
    return NULL;
  }
  TlsServer *server = g_new0 (TlsServer, 1);
  g_atomic_ref_count_init (&server->ref);
  server->context = context;
  return server;
}

TlsServer *
tls_server_ref (TlsServer *server)
{
  g_atomic_ref_count_inc (&server->ref);
  return server;
}

void
tls_server_unref (TlsServer *server)
{
  if (!server || !g_atomic_ref_count_dec (&server->ref))
    return;
  SSL_CTX_free (server->context);
  g_free (server);
}

bool
tls_fingerprint_parse (const char *text, uint8_t ret[32], GError **error)
{
  uint8_t bytes[FINGERPRINT_BYTES];
  size_t n = 0;
  const char *p = text;
  while (n < FINGERPRINT_BYTES && g_ascii_isxdigit (p[0]) && g_ascii_isxdigit (p[1])) {
    bytes[n++] = (uint8_t)(g_ascii_xdigit_value (p[0]) << 4 | g_ascii_xdigit_value (p[1]));
    p += 2;
    if (*p == ':' && n < FINGERPRINT_BYTES)
      p++;
  }
  if (n != FINGERPRINT_BYTES || *p) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
                 "a certificate fingerprint is SHA-256 in hex: 64 digits, colons optional");
    return false;
  }
  memcpy (ret, bytes, FINGERPRINT_BYTES);
  return true;
}

/* --- the BIO below a session -------------------------------------------------------------------------------
 */

bool
tls_session_flush (TlsSession *session)
{
  while (session->out_sent < session->out->len) {
    ssize_t sent = send (session->fd, session->out->data + session->out_sent,
                         session->out->len - session->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR)
        continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK)
        return true;
      session->socket_errno = errno;
      return false;
    }
    session->out_sent += (size_t)sent;
  }
  session->out_sent = 0;
  if (session->out->len > KEEP_OUT_BYTES) {
    g_byte_array_unref (session->out);
    session->out = g_byte_array_new ();
  } else {
    g_byte_array_set_size (session->out, 0);
  }
  return true;
}

size_t
tls_session_unsent (const TlsSession *session)
{
  return session->out->len - session->out_sent;
}

static int
on_bio_write (BIO *bio, const char *bytes, size_t n_bytes, size_t *ret_n)
{
  TlsSession *session = BIO_get_data (bio);
  if (n_bytes > UNSENT_MAX || tls_session_unsent (session) > UNSENT_MAX - n_bytes) {
    session->socket_errno = ENOBUFS;
    return 0;
  }
  g_byte_array_append (session->out, (const guint8 *)bytes, (guint)n_bytes);
  *ret_n = n_bytes;
  return 1;
}

static int
on_bio_read (BIO *bio, char *buffer, size_t size, size_t *ret_n)
{
  TlsSession *session = BIO_get_data (bio);
  BIO_clear_retry_flags (bio);
  ssize_t n;
  do
    n = recv (session->fd, buffer, size, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    *ret_n = (size_t)n;
    return 1;
  }
  *ret_n = 0;
  if (n == 0)
    BIO_set_flags (bio, BIO_FLAGS_IN_EOF);
  else if (errno == EAGAIN || errno == EWOULDBLOCK)
    BIO_set_retry_read (bio);
  else
    session->socket_errno = errno;
  return 0;
}

static long
on_bio_ctrl (BIO *bio, int command, long number, void *pointer)
{
  switch (command) {
  case BIO_CTRL_FLUSH:
    return 1;
  case BIO_CTRL_EOF:
    return BIO_test_flags (bio, BIO_FLAGS_IN_EOF) != 0;
  default:
    return 0;
  }
}

/* --- sessions ----------------------------------------------------------------------------------------------
 */

static TlsSession *
session_new (SSL_CTX *context, int fd)
{
  TlsSession *session = g_new0 (TlsSession, 1);
  session->fd = fd;
  session->out = g_byte_array_new ();
  session->ssl = SSL_new (context);
  session->method = BIO_meth_new (BIO_TYPE_SOURCE_SINK, "socket");
  BIO_meth_set_write_ex (session->method, on_bio_write);
  BIO_meth_set_read_ex (session->method, on_bio_read);
  BIO_meth_set_ctrl (session->method, on_bio_ctrl);
  BIO *bio = BIO_new (session->method);
  BIO_set_data (bio, session);
  BIO_set_init (bio, 1);
  SSL_set_bio (session->ssl, bio, bio);
  return session;
}

TlsSession *
tls_session_new_server (TlsServer *server, int fd)
{
  TlsSession *session = session_new (server->context, fd);
  SSL_set_accept_state (session->ssl);
  return session;
}

void
tls_session_free (TlsSession *session)
{
  if (!session)
    return;
  if (session->established && !session->socket_errno) {
    (void)SSL_shutdown (session->ssl);
    (void)tls_session_flush (session);
  }
  ERR_clear_error ();
  SSL_free (session->ssl);
  BIO_meth_free (session->method);
  g_byte_array_unref (session->out);
  g_free (session->server_name);
  g_free (session);
}

static bool
is_ip_literal (const char *name)
{
  struct in6_addr bytes;
  return inet_pton (AF_INET, name, &bytes) == 1 || inet_pton (AF_INET6, name, &bytes) == 1;
}

static void
set_server_name (TlsSession *session, const char *name, bool verify)
{
  session->server_name = g_strdup (name);
  bool literal = is_ip_literal (name);
  /* RFC 6066 §3: no literal addresses in SNI. */
  if (!literal)
    (void)SSL_set_tlsext_host_name (session->ssl, name);
  if (!verify)
    return;
  if (literal)
    (void)X509_VERIFY_PARAM_set1_ip_asc (SSL_get0_param (session->ssl), name);
  else
    (void)SSL_set1_host (session->ssl, name);
}

static bool
load_authorities (SSL_CTX *context, const char *ca_file, GError **error)
{
  ERR_clear_error ();
  if (ca_file)
    return SSL_CTX_load_verify_file (context, ca_file) == 1 || fail_file (error, "authorities", ca_file);
  /* The directory is searched by name when a certificate comes. Its bundle, which takes tens of milliseconds
   * to read, is for systems without it, and for those who ask. */
  bool has_directory = g_file_test (X509_get_default_cert_dir (), G_FILE_TEST_IS_DIR);
  (void)SSL_CTX_set_default_verify_dir (context);
  if (!has_directory || g_getenv (X509_get_default_cert_file_env ()))
    (void)SSL_CTX_set_default_verify_file (context);
  return true;
}

TlsSession *
tls_session_new_client (const TlsClientOptions *options, int fd, GError **error)
{
  uint8_t fingerprint[FINGERPRINT_BYTES];
  if (options->fingerprint && !tls_fingerprint_parse (options->fingerprint, fingerprint, error))
    return NULL;
  bool check_chain = options->verify && !options->fingerprint;
  SSL_CTX *context = new_context (TLS_client_method ());
  if (check_chain) {
    if (!load_authorities (context, options->ca_file, error)) {
      SSL_CTX_free (context);
      return NULL;
    }
    SSL_CTX_set_verify (context, SSL_VERIFY_PEER, NULL);
  } else {
    /* The operator vouches for this certificate, or does without one: small keys and servers without secure
     * renegotiation (RFC 5746) of old cameras are part of that choice. */
    SSL_CTX_set_verify (context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_security_level (context, 1);
    SSL_CTX_set_options (context, SSL_OP_LEGACY_SERVER_CONNECT);
  }

  TlsSession *session = session_new (context, fd);
  SSL_CTX_free (context);
  SSL_set_connect_state (session->ssl);
  if (options->server_name)
    set_server_name (session, options->server_name, check_chain);
  if (options->fingerprint) {
    session->check_fingerprint = true;
    memcpy (session->fingerprint, fingerprint, sizeof fingerprint);
  }
  return session;
}

static bool
check_fingerprint (TlsSession *session, GError **error)
{
  if (!session->check_fingerprint)
    return true;
  uint8_t actual[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  X509 *certificate = SSL_get0_peer_certificate (session->ssl);
  if (certificate && X509_digest (certificate, EVP_sha256 (), actual, &n) && n == FINGERPRINT_BYTES &&
      CRYPTO_memcmp (actual, session->fingerprint, n) == 0)
    return true;
  g_autoptr (GString) text = g_string_new (NULL);
  for (unsigned i = 0; i < n; i++)
    g_string_append_printf (text, i ? ":%02X" : "%02X", actual[i]);
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNAUTHENTICATED,
               "the server's certificate has another fingerprint than the configured one: %s", text->str);
  return false;
}

static void
set_session_error (TlsSession *session, const char *what, GError **error)
{
  long verify = SSL_get_verify_result (session->ssl);
  if (!session->established && verify != X509_V_OK && SSL_get_verify_mode (session->ssl) != SSL_VERIFY_NONE)
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNAUTHENTICATED,
                 "the server's certificate is refused: %s (for the name %s)",
                 X509_verify_cert_error_string (verify), session->server_name ? session->server_name : "-");
  else if (session->socket_errno)
    sluice_error_set_errno (error, session->socket_errno, what);
  else
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "%s: %s", what, take_reason ());
  ERR_clear_error ();
}

TlsResult
tls_session_handshake (TlsSession *session, GError **error)
{
  ERR_clear_error ();
  int result = SSL_do_handshake (session->ssl);
  int reason = SSL_get_error (session->ssl, result);
  /* Also after a failure: the alert tells the peer why. */
  bool sent = tls_session_flush (session);
  if (result == 1) {
    if (!check_fingerprint (session, error))
      return TLS_FAILED;
    session->established = true;
    return TLS_DONE;
  }
  if (reason == SSL_ERROR_WANT_READ && sent)
    return TLS_BLOCKED;
  if (reason == SSL_ERROR_ZERO_RETURN || (reason == SSL_ERROR_SYSCALL && !session->socket_errno))
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "TLS handshake: the peer closed the connection");
  else
    set_session_error (session, "TLS handshake", error);
  return TLS_FAILED;
}

TlsResult
tls_session_read (TlsSession *session, uint8_t *buffer, size_t size, size_t *ret_n, GError **error)
{
  ERR_clear_error ();
  size_t n = 0;
  int result = SSL_read_ex (session->ssl, buffer, size, &n);
  /* Reading may produce answers of the protocol itself. */
  bool sent = tls_session_unsent (session) == 0 || tls_session_flush (session);
  *ret_n = n;
  if (result == 1)
    return TLS_DONE;
  int reason = SSL_get_error (session->ssl, result);
  if (reason == SSL_ERROR_ZERO_RETURN || (reason == SSL_ERROR_SYSCALL && !session->socket_errno))
    return TLS_DONE;
  if (reason == SSL_ERROR_WANT_READ && sent)
    return TLS_BLOCKED;
  set_session_error (session, "TLS", error);
  return TLS_FAILED;
}

bool
tls_session_has_pending (const TlsSession *session)
{
  return SSL_has_pending (session->ssl);
}

/* The next record's worth of @iov behind the first @skip bytes: in place when one buffer holds it, else
 * gathered in @space. */
static const uint8_t *
next_record (const struct iovec *iov, int n_iov, size_t skip, uint8_t *space, size_t *ret_n)
{
  int i = 0;
  while (i < n_iov && skip >= iov[i].iov_len)
    skip -= iov[i++].iov_len;
  *ret_n = 0;
  if (i == n_iov)
    return NULL;
  if (i == n_iov - 1 || iov[i].iov_len - skip >= GATHER_BYTES) {
    *ret_n = MIN (iov[i].iov_len - skip, GATHER_BYTES);
    return (const uint8_t *)iov[i].iov_base + skip;
  }
  size_t n = 0;
  for (; i < n_iov && n < GATHER_BYTES; i++, skip = 0) {
    size_t part = MIN (iov[i].iov_len - skip, GATHER_BYTES - n);
    memcpy (space + n, (const uint8_t *)iov[i].iov_base + skip, part);
    n += part;
  }
  *ret_n = n;
  return space;
}

ssize_t
tls_session_writev (TlsSession *session, const struct iovec *iov, int n_iov)
{
  if (!tls_session_flush (session))
    return -1;
  if (tls_session_unsent (session))
    return 0;
  ERR_clear_error ();
  uint8_t space[GATHER_BYTES];
  size_t taken = 0;
  for (unsigned i = 0; i < WRITE_RECORDS_MAX; i++) {
    size_t n, written;
    const uint8_t *bytes = next_record (iov, n_iov, taken, space, &n);
    if (n == 0)
      break;
    if (SSL_write_ex (session->ssl, bytes, n, &written) != 1)
      return -1;
    taken += written;
  }
  if (!tls_session_flush (session))
    return -1;
  return (ssize_t)taken;
}
