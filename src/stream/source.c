/* SPDX-License-Identifier: Apache-2.0 */
/* What all source URLs have in common. */
#include "stream/source.h"

#include "base/url.h"

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
  return url_redact (url);
}
