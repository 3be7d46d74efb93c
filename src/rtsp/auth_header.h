/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization and WWW-Authenticate (RFC 9110 §11, Basic RFC 7617, Digest RFC 7616, Bearer RFC 6750), as
 * RTSP and HTTP share them. Pure functions on untrusted text; any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { AUTH_HEADER_MAX_BYTES = 8 * 1024 };

typedef enum {
  AUTH_SCHEME_NONE, /* missing, unknown or malformed */
  AUTH_SCHEME_BASIC,
  AUTH_SCHEME_DIGEST,
  AUTH_SCHEME_BEARER,
} AuthScheme;

/* What a client sent. */
typedef struct {
  AuthScheme scheme;
  char *user, *password; /* Basic */
  char *token;           /* Bearer */
  /* Digest; NULL where not told */
  char *username, *realm, *nonce, *uri, *response, *algorithm, *qop, *nc, *cnonce, *opaque;
} AuthCredentials;

/* False, and scheme NONE, when it makes no sense. */
bool auth_credentials_parse (const char *value, AuthCredentials *ret);
void auth_credentials_clear (AuthCredentials *credentials);
/* The value of an Authorization field; NULL for NONE. Strings keep their bytes; control bytes are left out.
 * (transfer full) */
char *auth_credentials_to_string (const AuthCredentials *credentials);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AuthCredentials, auth_credentials_clear)

/* What a server asks for: one challenge. */
typedef struct {
  AuthScheme scheme;
  char *realm;
  char *nonce, *opaque;
  char *algorithm; /* Digest: as told, or NULL for MD5 */
  bool qop_auth;   /* Digest: qop holds "auth" */
  bool stale;
} AuthChallenge;

enum { AUTH_CHALLENGES_MAX = 8 };

/* All challenges of one WWW-Authenticate field, which may hold several; unknown schemes are left out. Returns
 * how many; clear each. */
unsigned auth_challenges_parse (const char *value, AuthChallenge ret[AUTH_CHALLENGES_MAX]);
void auth_challenge_clear (AuthChallenge *challenge);
char *auth_challenge_to_string (const AuthChallenge *challenge); /* (transfer full) */
