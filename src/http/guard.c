/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of Host and Origin (RFC 6454, the Fetch standard). */
#include "http/guard.h"

#include <gio/gio.h>
#include <string.h>

typedef struct {
  const char *host; /* without the brackets of an IPv6 address */
  size_t n_host;
  const char *port; /* "" when there is none */
} Authority;

static bool
split_authority (const char *text, Authority *ret)
{
  if (*text == '[') {
    const char *end = strchr (text, ']');
    if (!end || (end[1] != '\0' && end[1] != ':'))
      return false;
    *ret = (Authority){.host = text + 1, .n_host = (size_t)(end - text - 1), .port = end[1] ? end + 2 : ""};
    return true;
  }
  size_t n = strcspn (text, ":");
  *ret = (Authority){.host = text, .n_host = n, .port = text[n] ? text + n + 1 : ""};
  return n > 0;
}

bool
http_guard_host_is_literal (const char *host)
{
  Authority authority;
  if (!split_authority (host, &authority))
    return false;
  g_autofree char *name = g_ascii_strdown (authority.host, (gssize)authority.n_host);
  return g_hostname_is_ip_address (name) || strcmp (name, "localhost") == 0 ||
         g_str_has_suffix (name, ".localhost");
}

static const char *
default_port (const char *port, bool tls)
{
  return *port ? port : tls ? "443" : "80";
}

static bool
is_same_origin (const char *origin, const char *host, bool tls)
{
  /* A proxy in front may speak TLS where we do not, so the scheme only chooses the default port. */
  bool origin_tls;
  if (g_ascii_strncasecmp (origin, "http://", 7) == 0)
    origin_tls = false;
  else if (g_ascii_strncasecmp (origin, "https://", 8) == 0)
    origin_tls = true;
  else
    return false;
  Authority ours, theirs;
  if (!split_authority (origin + (origin_tls ? 8 : 7), &theirs) || !split_authority (host, &ours))
    return false;
  return theirs.n_host == ours.n_host && g_ascii_strncasecmp (theirs.host, ours.host, ours.n_host) == 0 &&
         strcmp (default_port (theirs.port, origin_tls), default_port (ours.port, tls || origin_tls)) == 0;
}

bool
http_guard_origin_allowed (const char *origin, const char *host, bool tls, char *const *cors_origins)
{
  return http_guard_cors_origin (origin, cors_origins) || (host && is_same_origin (origin, host, tls));
}

const char *
http_guard_cors_origin (const char *origin, char *const *cors_origins)
{
  for (; cors_origins && *cors_origins; cors_origins++) {
    if (strcmp (*cors_origins, "*") == 0)
      return "*";
    if (g_ascii_strcasecmp (*cors_origins, origin) == 0)
      return *cors_origins;
  }
  return NULL;
}
