/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: one decision for every protocol. Users (argon2 or plain passwords), bearer tokens,
 * anonymous permissions; and the rule that holds before anything is configured: loopback peers may do all,
 * others nothing.
 *
 * Threads: all functions from any thread. A password hash takes tens of milliseconds, so it is computed on a
 *          thread of our own and answered on the caller's loop; verified passwords are remembered (as a keyed
 *          hash) until the settings change.
 * Limits:  AUTH_FAILURES_PER_MINUTE wrong passwords per address, and per user, before answers become
 * THROTTLED (a right password from a throttled address is still checked once a second). */
#pragma once

#include "base/loop.h"
#include "base/net.h"
#include "config/settings.h"

#include <gio/gio.h>

typedef struct Auth Auth;

enum { AUTH_FAILURES_PER_MINUTE = 10 };

Auth *auth_new (Settings *settings);
void auth_free (Auth *auth); /* waits for running hashes */
/* Swaps the rules at once for all threads. */
void auth_set_settings (Auth *auth, Settings *settings);

/* Parameters of an Authorization: Digest header (RFC 7616, RFC 2617). */
typedef struct {
  const char *username, *realm, *nonce, *uri, *response, *algorithm, *qop, *nc, *cnonce, *opaque;
  const char *method; /* of the request */
} AuthDigest;

typedef struct {
  const NetAddress *peer;
  SettingsAction action;
  const char *path; /* stream id, or NULL where none belongs to the action */
  /* Credentials, as far as the peer gave any; copied. */
  const char *user, *password; /* Basic */
  const char *bearer;
  const AuthDigest *digest;
} AuthRequest;

typedef enum {
  AUTH_ALLOWED,
  AUTH_UNAUTHENTICATED, /* ask for credentials: none given, or wrong ones */
  AUTH_FORBIDDEN,       /* known, but not allowed */
  AUTH_LOOPBACK_ONLY,   /* nothing is configured and the peer is not loopback */
  AUTH_THROTTLED,       /* too many wrong passwords; try later */
  AUTH_STALE,           /* Digest: the nonce is too old, ask again with stale=true */
} AuthResult;

/* @user: who it was, or NULL for anonymous. Runs on @loop, never inline, unless @cancellable was cancelled
 * there. */
typedef void (*AuthFunc) (void *data, AuthResult result, const char *user);
void auth_check (Auth *auth, const AuthRequest *request, Loop *loop, GCancellable *cancellable, AuthFunc func,
                 void *data);

/* As auth_check() when the answer needs no hash: true and the answer. @ret_user (transfer full). */
bool auth_check_now (Auth *auth, const AuthRequest *request, AuthResult *ret, char **ret_user);

/* Whether Digest can be offered: some user has a plain password. */
bool auth_can_digest (Auth *auth);

/* A fresh nonce, keyed and dated, valid for some minutes for any connection. (transfer full) */
char *auth_make_nonce (Auth *auth);

/* What to tell a peer with AUTH_LOOPBACK_ONLY: names the line of configuration to add. Static. Logged once by
 * auth itself. */
const char *auth_loopback_only_message (void);

/* "$argon2id$..." of @password with a random salt: sluice config hash-password. (transfer full) */
char *auth_hash_password (const char *password, GError **error);

/* RFC 7616 response for both sides: @algorithm "MD5" or "SHA-256"; @qop NULL or "auth". (transfer full) */
char *auth_digest_response (const char *algorithm, const char *username, const char *realm,
                            const char *password, const char *nonce, const char *method, const char *uri,
                            const char *qop, const char *nc, const char *cnonce);
