/* SPDX-License-Identifier: Apache-2.0 */
/* What all source URLs have in common. */
#include "stream/source.h"

#include <string.h>

char *
source_url_scheme (const char *url)
{
  const char *colon = strchr (url, ':');
  if (!colon || colon == url)
    return NULL;
  for (const char *c = url; c < colon; c++)
    if (!g_ascii_isalnum (*c) && *c != '+' && *c != '-' && *c != '.')
      return NULL;
  return g_ascii_strdown (url, colon - url);
}

char *
source_url_redact (const char *url)
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
