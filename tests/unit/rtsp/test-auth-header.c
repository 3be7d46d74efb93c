/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials and challenges: tables of what is understood, written again, and what is refused. */
#include "rtsp/auth_header.h"

static void
test_credentials (void)
{
  static const struct {
    const char *value;
    const char *expected; /* written again; NULL: refused */
  } rows[] = {
      {"Basic dXNlcjpwYTpzcw==", "Basic dXNlcjpwYTpzcw=="},
      {"basic   dXNlcjo=", "Basic dXNlcjo="},
      {"Bearer abc.def-ghi_~+/=", "Bearer abc.def-ghi_~+/="},
      {"Digest username=\"u\\\"x\", realm=\"r\", nonce=\"n\", uri=\"rtsp://h/\", response=\"00\"",
       "Digest username=\"u\\\"x\", realm=\"r\", nonce=\"n\", uri=\"rtsp://h/\", response=\"00\""},
      {"Digest "
       "username=\"u\",realm=\"r\",nonce=\"n\",uri=\"*\",response=\"00\",algorithm=\"SHA-256\",qop=auth,"
       "nc=00000001,cnonce=\"c\",opaque=\"o\",ignored=1",
       "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"*\", response=\"00\", algorithm=SHA-256, "
       "qop=auth, "
       "nc=00000001, cnonce=\"c\", opaque=\"o\""},
      {"Basic", NULL},
      {"Basic ", NULL},
      {"Basic dXNlcg==", NULL},     /* no colon */
      {"Basic dXNlcjo", NULL},      /* not whole */
      {"Basic dXNl\tcjo=", NULL},   /* a foreign byte */
      {"Basic dXMAZXI6cA==", NULL}, /* NUL inside */
      {"Bearer a b", NULL},
      {"Bearer \"a\"", NULL},
      {"Digest username=\"u\"", NULL},
      {"Digest username=\"u\", username=\"v\", realm=\"r\", nonce=\"n\", uri=\"*\", response=\"00\"", NULL},
      {"Digest username=\"u, realm=\"r\", nonce=\"n\", uri=\"*\", response=\"00\"", NULL},
      {"Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"*\", response=\"00\", qop=\"a b\"", NULL},
      {"Negotiate abc", NULL},
      {"", NULL},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (AuthCredentials) credentials = {0};
    bool ok = auth_credentials_parse (rows[i].value, &credentials);
    g_autofree char *got = auth_credentials_to_string (&credentials);
    g_assert_cmpint (ok, ==, rows[i].expected != NULL);
    g_assert_cmpstr (got, ==, rows[i].expected);
  }
  g_auto (AuthCredentials) basic = {0};
  g_assert_true (auth_credentials_parse ("Basic dXNlcjpwYTpzcw==", &basic));
  g_assert_cmpstr (basic.user, ==, "user");
  g_assert_cmpstr (basic.password, ==, "pa:ss");
}

static void
test_challenges (void)
{
  static const struct {
    const char *value;
    const char *expected[3];
  } rows[] = {
      {"Basic realm=\"cam\"", {"Basic realm=\"cam\""}},
      {"Digest realm=\"cam\", nonce=\"abc\"", {"Digest realm=\"cam\", nonce=\"abc\""}},
      {"Digest realm=\"cam\", nonce=a/b==, stale=\"TRUE\", algorithm=\"MD5\", qop=\"auth-int, auth\", Basic "
       "realm=x",
       {"Digest realm=\"cam\", nonce=\"a/b==\", algorithm=MD5, qop=\"auth\", stale=true",
        "Basic realm=\"x\""}},
      {"Negotiate, Digest realm=\"a\", nonce=\"b\"", {NULL}},
      {"Negotiate abc=1, Digest realm=\"a\", nonce=\"b\"", {"Digest realm=\"a\", nonce=\"b\""}},
      {"Digest realm=\"no nonce\"", {NULL}},
      {"Digest realm=\"open", {NULL}},
      {"", {NULL}},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    AuthChallenge found[AUTH_CHALLENGES_MAX];
    unsigned n_found = auth_challenges_parse (rows[i].value, found);
    for (unsigned k = 0; k < n_found; k++) {
      g_autofree char *got = auth_challenge_to_string (&found[k]);
      g_assert_cmpstr (got, ==, rows[i].expected[k]);
      auth_challenge_clear (&found[k]);
    }
    g_assert_null (rows[i].expected[n_found]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtsp/auth-header/credentials", test_credentials);
  g_test_add_func ("/rtsp/auth-header/challenges", test_challenges);
  return g_test_run ();
}
