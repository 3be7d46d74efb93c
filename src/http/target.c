/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets: the only place that decodes percent escapes of requests. */
#include "http/target.h"

#include "base/error.h"

#include <string.h>

char *
http_decode (const char *text, size_t n, bool form, GError **error)
{
  g_autoptr (GString) out = g_string_sized_new (n);
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '%') {
      bool whole = n - i > 2;
      int high = whole ? g_ascii_xdigit_value (text[i + 1]) : -1;
      int low = whole ? g_ascii_xdigit_value (text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
                     "\"%%\" must be followed by two hexadecimal digits");
        return NULL;
      }
      c = (unsigned char)(high << 4 | low);
      i += 2;
    } else if (c == '+' && form) {
      c = ' ';
    }
    if (c < 0x20 || c == 0x7f) {
      g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "control characters are not allowed");
      return NULL;
    }
    g_string_append_c (out, (char)c);
  }
  if (!g_utf8_validate (out->str, (gssize)out->len, NULL)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "not UTF-8");
    return NULL;
  }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static bool
parse_path (HttpTarget *target, GError **error)
{
  const char *cursor = target->path + 1;
  while (*cursor) {
    if (target->n_segments == HTTP_SEGMENTS_MAX) {
      g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT, "the path has more than %d segments",
                   HTTP_SEGMENTS_MAX);
      return false;
    }
    size_t n = strcspn (cursor, "/");
    char *segment = http_decode (cursor, n, false, error);
    if (!segment) {
      g_prefix_error (error, "path: ");
      return false;
    }
    target->segments[target->n_segments++] = segment;
    cursor += n;
    if (*cursor == '/')
      cursor++;
  }
  return true;
}

static bool
parse_parameter (HttpTarget *target, const char *text, size_t n, GError **error)
{
  if (target->n_parameters == HTTP_QUERY_PARAMETERS_MAX) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT, "the query has more than %d parameters",
                 HTTP_QUERY_PARAMETERS_MAX);
    return false;
  }
  const char *equals = memchr (text, '=', n);
  size_t n_name = equals ? (size_t)(equals - text) : n;
  g_autofree char *name = http_decode (text, n_name, true, error);
  if (!name)
    return false;
  char *value = equals ? http_decode (equals + 1, n - n_name - 1, true, error) : g_strdup ("");
  if (!value)
    return false;
  target->parameters[target->n_parameters].name = g_steal_pointer (&name);
  target->parameters[target->n_parameters].value = value;
  target->n_parameters++;
  return true;
}

static bool
parse_query (HttpTarget *target, const char *query, GError **error)
{
  while (*query) {
    size_t n = strcspn (query, "&");
    if (n && !parse_parameter (target, query, n, error)) {
      g_prefix_error (error, "query: ");
      return false;
    }
    query += n;
    if (*query == '&')
      query++;
  }
  return true;
}

/* Servers must accept the absolute form (RFC 9112 §3.2.2). */
static const char *
skip_authority (const char *text)
{
  const char *scheme_end = NULL;
  if (g_ascii_strncasecmp (text, "http://", 7) == 0)
    scheme_end = text + 7;
  else if (g_ascii_strncasecmp (text, "https://", 8) == 0)
    scheme_end = text + 8;
  if (!scheme_end)
    return text;
  const char *path = scheme_end + strcspn (scheme_end, "/?");
  return *path == '/' ? path : "/";
}

bool
http_target_parse (const char *text, HttpTarget *ret, GError **error)
{
  *ret = (HttpTarget){0};
  if (strlen (text) > HTTP_TARGET_BYTES_MAX) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT, "the request target is longer than %d bytes",
                 HTTP_TARGET_BYTES_MAX);
    return false;
  }
  const char *path = skip_authority (text);
  if (*path != '/') {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "the request target is not a path");
    return false;
  }
  size_t n_path = strcspn (path, "?");
  g_auto (HttpTarget) target = {.path = g_strndup (path, n_path)};
  if (!parse_path (&target, error))
    return false;
  if (path[n_path] == '?' && !parse_query (&target, path + n_path + 1, error))
    return false;
  *ret = target;
  target = (HttpTarget){0};
  return true;
}

void
http_target_clear (HttpTarget *target)
{
  g_free (target->path);
  for (unsigned i = 0; i < target->n_segments; i++)
    g_free (target->segments[i]);
  for (unsigned i = 0; i < target->n_parameters; i++) {
    g_free (target->parameters[i].name);
    g_free (target->parameters[i].value);
  }
  *target = (HttpTarget){0};
}

const char *
http_target_parameter (const HttpTarget *target, const char *name)
{
  for (unsigned i = 0; i < target->n_parameters; i++)
    if (strcmp (target->parameters[i].name, name) == 0)
      return target->parameters[i].value;
  return NULL;
}
