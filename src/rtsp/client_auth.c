/* SPDX-License-Identifier: Apache-2.0 */
/* Basic and Digest for requests: the strongest challenge that we can answer is taken. */
#include "rtsp/client_auth.h"

#include "auth/auth.h"
#include "base/error.h"
#include "rtsp/auth_header.h"

#include <openssl/rand.h>
#include <string.h>

enum { RETRIES_MAX = 2 };

struct RtspClientAuth {
  char *user;
  char *password;
  AuthChallenge challenge;
  uint32_t nonce_count;
  unsigned n_refused; /* 401s in a row to requests that carried credentials */
  bool sent;
};

RtspClientAuth *
rtsp_client_auth_new (const char *user, const char *password)
{
  RtspClientAuth *auth = g_new0 (RtspClientAuth, 1);
  auth->user = g_strdup (user);
  auth->password = g_strdup (password ? password : "");
  return auth;
}

void
rtsp_client_auth_free (RtspClientAuth *auth)
{
  if (!auth)
    return;
  auth_challenge_clear (&auth->challenge);
  g_free (auth->user);
  explicit_bzero (auth->password, strlen (auth->password));
  g_free (auth->password);
  g_free (auth);
}

/* The name as auth_digest_response() knows it; NULL when we cannot answer. */
static const char *
known_algorithm (const AuthChallenge *challenge)
{
  if (!challenge->algorithm || g_ascii_strcasecmp (challenge->algorithm, "MD5") == 0)
    return "MD5";
  return g_ascii_strcasecmp (challenge->algorithm, "SHA-256") == 0 ? "SHA-256" : NULL;
}

/* 0: useless. */
static unsigned
rate (const AuthChallenge *challenge, bool basic_allowed)
{
  if (challenge->scheme == AUTH_SCHEME_BASIC)
    return basic_allowed ? 1 : 0;
  if (challenge->scheme != AUTH_SCHEME_DIGEST || !challenge->nonce || !challenge->realm)
    return 0;
  const char *algorithm = known_algorithm (challenge);
  if (!algorithm)
    return 0;
  return strcmp (algorithm, "SHA-256") == 0 ? 3 : 2;
}

/* The best challenge of all fields; false when none is of use. */
static bool
take_best (const RtspMessage *response, bool basic_allowed, AuthChallenge *ret)
{
  unsigned best = 0;
  const char *field = rtsp_message_get (response, "WWW-Authenticate");
  for (; field; field = rtsp_message_get_next (response, "WWW-Authenticate", field)) {
    AuthChallenge challenges[AUTH_CHALLENGES_MAX];
    unsigned n = auth_challenges_parse (field, challenges);
    for (unsigned i = 0; i < n; i++) {
      unsigned rating = rate (&challenges[i], basic_allowed);
      if (rating <= best) {
        auth_challenge_clear (&challenges[i]);
        continue;
      }
      auth_challenge_clear (ret);
      *ret = challenges[i];
      best = rating;
    }
  }
  return best > 0;
}

static bool
refuse (GError **error, const char *what)
{
  g_set_error_literal (error, SLUICE_ERROR, SLUICE_ERROR_UNAUTHENTICATED, what);
  return false;
}

bool
rtsp_client_auth_challenge (RtspClientAuth *auth, const RtspMessage *response, bool basic_allowed,
                            GError **error)
{
  if (!auth->user)
    return refuse (error, "the server asks for a user name and password (401), and none is configured");
  AuthChallenge challenge = {0};
  if (!take_best (response, basic_allowed, &challenge))
    return refuse (error, "the server asks for a kind of authentication (401) that is not supported here");

  bool fresh = challenge.stale || g_strcmp0 (challenge.nonce, auth->challenge.nonce) != 0;
  bool refused = auth->sent && (!fresh || ++auth->n_refused >= RETRIES_MAX);
  auth_challenge_clear (&auth->challenge);
  auth->challenge = challenge;
  auth->nonce_count = 0;
  auth->sent = false;
  if (refused) {
    auth->n_refused = 0;
    return refuse (error, "the server refuses the user name or password (401)");
  }
  return true;
}

void
rtsp_client_auth_forget (RtspClientAuth *auth)
{
  auth_challenge_clear (&auth->challenge);
  auth->challenge = (AuthChallenge){0};
  auth->sent = false;
  auth->n_refused = 0;
}

void
rtsp_client_auth_accepted (RtspClientAuth *auth)
{
  auth->n_refused = 0;
}

static char *
answer_digest (RtspClientAuth *auth, const char *method, const char *uri)
{
  const AuthChallenge *challenge = &auth->challenge;
  char nc[16];
  char cnonce[17];
  uint8_t random[8];
  (void)RAND_bytes (random, sizeof random);
  for (size_t i = 0; i < sizeof random; i++)
    g_snprintf (cnonce + 2 * i, 3, "%02x", random[i]);
  g_snprintf (nc, sizeof nc, "%08x", ++auth->nonce_count);
  const char *qop = challenge->qop_auth ? "auth" : NULL;
  g_autofree char *response =
      auth_digest_response (known_algorithm (challenge), auth->user, challenge->realm, auth->password,
                            challenge->nonce, method, uri, qop, nc, cnonce);
  AuthCredentials credentials = {
      .scheme = AUTH_SCHEME_DIGEST,
      .username = auth->user,
      .realm = challenge->realm,
      .nonce = challenge->nonce,
      .uri = (char *)uri,
      .response = response,
      .algorithm = challenge->algorithm,
      .qop = (char *)qop,
      .nc = qop ? nc : NULL,
      .cnonce = qop ? cnonce : NULL,
      .opaque = challenge->opaque,
  };
  return auth_credentials_to_string (&credentials);
}

char *
rtsp_client_auth_header (RtspClientAuth *auth, const char *method, const char *uri)
{
  auth->sent = auth->user && auth->challenge.scheme != AUTH_SCHEME_NONE;
  if (!auth->sent)
    return NULL;
  if (auth->challenge.scheme == AUTH_SCHEME_DIGEST)
    return answer_digest (auth, method, uri);
  AuthCredentials credentials = {.scheme = AUTH_SCHEME_BASIC, .user = auth->user, .password = auth->password};
  return auth_credentials_to_string (&credentials);
}
