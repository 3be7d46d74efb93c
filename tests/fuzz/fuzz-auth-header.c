/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization and WWW-Authenticate: what is accepted, written and parsed again is the same. */
#include "rtsp/auth_header.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  g_autofree char *text = g_strndup ((const char *)bytes, n_bytes);
  g_auto (AuthCredentials) credentials = {0};
  if (auth_credentials_parse (text, &credentials)) {
    g_autofree char *written = auth_credentials_to_string (&credentials);
    if (strlen (written) <= AUTH_HEADER_MAX_BYTES) {
      g_auto (AuthCredentials) again = {0};
      g_assert (auth_credentials_parse (written, &again));
      g_autofree char *second = auth_credentials_to_string (&again);
      g_assert (strcmp (written, second) == 0);
    }
  } else {
    g_assert (credentials.scheme == AUTH_SCHEME_NONE);
  }
  AuthChallenge found[AUTH_CHALLENGES_MAX], again[AUTH_CHALLENGES_MAX];
  unsigned n_found = auth_challenges_parse (text, found);
  for (unsigned i = 0; i < n_found; i++) {
    g_autofree char *written = auth_challenge_to_string (&found[i]);
    if (strlen (written) <= AUTH_HEADER_MAX_BYTES) {
      g_assert (auth_challenges_parse (written, again) == 1);
      g_autofree char *second = auth_challenge_to_string (&again[0]);
      g_assert (strcmp (written, second) == 0);
      auth_challenge_clear (&again[0]);
    }
    auth_challenge_clear (&found[i]);
  }
  return 0;
}
