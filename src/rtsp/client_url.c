/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of RTSP sources. GUri refuses too much of what cameras and their owners write. */
#include "rtsp/client_url.h"

#include "base/error.h"

#include <string.h>

enum { URL_MAX_BYTES = 4096 };

static const struct {
  const char *prefix;
  uint16_t port;
  bool tls;
  bool tunnel;
} schemes[] = {
    {"rtsp://", 554, false, false},
    {"rtsps://", 322, true, false},
    {"rtsp+http://", 80, false, true},
    {"rtsp+https://", 443, true, true},
};

static bool
fail (GError **error, const char *what)
{
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
               "not a URL such as rtsp://camera:554/path: %s", what);
  return false;
}

/* The "@" that ends the user information, as source_url_redact() sees it; NULL without any. */
static const char *
find_at (const char *authority)
{
  size_t length = strcspn (authority, "/?#");
  for (size_t i = length; i > 0; i--)
    if (authority[i - 1] == '@')
      return authority + i - 1;
  if (memchr (authority, ':', length))
    return strrchr (authority, '@');
  return NULL;
}

static char *
decode (const char *text, size_t n_bytes)
{
  char *decoded = g_uri_unescape_segment (text, text + n_bytes, NULL);
  return decoded ? decoded : g_strndup (text, n_bytes);
}

static void
split_user (const char *text, size_t n_bytes, RtspClientUrl *url)
{
  const char *colon = memchr (text, ':', n_bytes);
  size_t n_user = colon ? (size_t)(colon - text) : n_bytes;
  if (n_bytes == 0)
    return;
  url->user = decode (text, n_user);
  url->password = colon ? decode (colon + 1, n_bytes - n_user - 1) : g_strdup ("");
}

/* @text is "host", "host:port", "[v6]" or "[v6]:port". */
static bool
split_host (const char *text, size_t n_bytes, RtspClientUrl *url)
{
  const char *end = text + n_bytes;
  const char *port = memchr (text, ':', n_bytes);
  if (*text == '[') {
    const char *bracket = memchr (text, ']', n_bytes);
    if (!bracket)
      return false;
    url->host = g_strndup (text + 1, (size_t)(bracket - text - 1));
    port = bracket + 1 < end ? bracket + 1 : NULL;
    if (port && *port != ':')
      return false;
  } else {
    url->host = g_strndup (text, (size_t)((port ? port : end) - text));
  }
  if (port && port + 1 < end) {
    g_autofree char *digits = g_strndup (port + 1, (size_t)(end - port - 1));
    guint64 number;
    if (!g_ascii_string_to_unsigned (digits, 10, 1, G_MAXUINT16, &number, NULL))
      return false;
    url->port = (uint16_t)number;
  }
  return url->host[0] != '\0' && strpbrk (url->host, " \t\r\n\"<>\\") == NULL;
}

static void
append_safely (GString *out, const char *text, size_t n_bytes)
{
  for (size_t i = 0; i < n_bytes; i++) {
    uint8_t byte = (uint8_t)text[i];
    if (byte <= 0x20 || byte >= 0x7f)
      g_string_append_printf (out, "%%%02X", byte);
    else
      g_string_append_c (out, text[i]);
  }
}

bool
rtsp_client_url_parse (const char *text, RtspClientUrl *ret, GError **error)
{
  g_auto (RtspClientUrl) url = {0};
  const char *authority = NULL;
  if (strlen (text) > URL_MAX_BYTES)
    return fail (error, "it is too long");
  for (size_t i = 0; !authority && i < G_N_ELEMENTS (schemes); i++) {
    size_t n_prefix = strlen (schemes[i].prefix);
    if (g_ascii_strncasecmp (text, schemes[i].prefix, n_prefix) != 0)
      continue;
    authority = text + n_prefix;
    url.port = schemes[i].port;
    url.tls = schemes[i].tls;
    url.tunnel = schemes[i].tunnel;
  }
  if (!authority)
    return fail (error, "it does not begin with rtsp://, rtsps://, rtsp+http:// or rtsp+https://");

  const char *at = find_at (authority);
  if (at)
    split_user (authority, (size_t)(at - authority), &url);
  const char *host = at ? at + 1 : authority;
  size_t n_host = strcspn (host, "/?#");
  if (!split_host (host, n_host, &url))
    return fail (error, "its host or port makes no sense");

  g_autoptr (GString) request = g_string_new (url.tls && !url.tunnel ? "rtsps://" : "rtsp://");
  append_safely (request, host, n_host);
  const char *path = host + n_host;
  if (*path != '/')
    g_string_append_c (request, '/');
  append_safely (request, path, strcspn (path, "#"));
  url.request = g_string_free (g_steal_pointer (&request), FALSE);

  *ret = url;
  url = (RtspClientUrl){0};
  return true;
}

void
rtsp_client_url_clear (RtspClientUrl *url)
{
  g_free (url->host);
  g_free (url->user);
  if (url->password)
    explicit_bzero (url->password, strlen (url->password));
  g_free (url->password);
  g_free (url->request);
  *url = (RtspClientUrl){0};
}

/* NULL when @value is neither a URL nor an absolute path. */
static char *
usable_base (const char *request, const char *value)
{
  if (!value)
    return NULL;
  g_auto (RtspClientUrl) url = {0};
  if (rtsp_client_url_parse (value, &url, NULL))
    return g_steal_pointer (&url.request);
  if (value[0] != '/' || value[1] == '/')
    return NULL;
  const char *authority = strstr (request, "://") + 3;
  g_autoptr (GString) base =
      g_string_new_len (request, authority - request + (gssize)strcspn (authority, "/?"));
  append_safely (base, value, strlen (value));
  return g_string_free (g_steal_pointer (&base), FALSE);
}

char *
rtsp_client_url_base (const char *request, const char *content_base, const char *content_location)
{
  char *base = usable_base (request, content_base);
  if (!base)
    base = usable_base (request, content_location);
  return base ? base : g_strdup (request);
}
