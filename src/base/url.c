/* SPDX-License-Identifier: Apache-2.0 */
/* URLs without their secrets: one answer for logs, API and configuration. */
#include "base/url.h"

#include <stdbool.h>
#include <string.h>

static char *
redact_user_info (const char *url)
{
  const char *authority = strstr (url, "://");
  if (!authority)
    return g_strdup (url);
  authority += 3;
  size_t length = strcspn (authority, "/?#");
  const char *at = NULL;
  for (size_t i = 0; i < length; i++)
    if (authority[i] == '@')
      at = authority + i;
  /* A password may hold a slash; then the last @ of the whole URL ends it. */
  if (!at && memchr (authority, ':', length) && strchr (authority, '@'))
    at = strrchr (authority, '@');
  if (!at)
    return g_strdup (url);
  return g_strdup_printf ("%.*s***%s", (int)(authority - url), url, at);
}

static bool
names_secret (const char *name, size_t length)
{
  static const char *const secrets[] = {"passphrase", "password", "pass", "pwd",
                                        "token",      "secret",   "key",  NULL};
  for (unsigned i = 0; secrets[i]; i++)
    if (strlen (secrets[i]) == length && g_ascii_strncasecmp (name, secrets[i], length) == 0)
      return true;
  return false;
}

/* passphrase=SECRET of SRT, token=SECRET of HTTP cameras and the like, behind the question mark. */
static char *
redact_query (const char *url)
{
  const char *query = strchr (url, '?');
  if (!query)
    return g_strdup (url);
  GString *out = g_string_new_len (url, query - url + 1);
  for (const char *pair = query + 1;;) {
    size_t length = strcspn (pair, "&#");
    const char *equals = memchr (pair, '=', length);
    if (equals && names_secret (pair, (size_t)(equals - pair)))
      g_string_append_printf (out, "%.*s=***", (int)(equals - pair), pair);
    else
      g_string_append_len (out, pair, (gssize)length);
    if (pair[length] != '&')
      return g_string_free (g_string_append (out, pair + length), FALSE);
    g_string_append_c (out, '&');
    pair += length + 1;
  }
}

char *
url_redact (const char *url)
{
  g_autofree char *without_user = redact_user_info (url);
  return redact_query (without_user);
}
