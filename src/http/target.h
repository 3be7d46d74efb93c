/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets (RFC 9112 §3.2): raw path and query, split first and decoded piece by piece, so that a
 * percent-encoded slash stays inside its segment. No state; any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
  HTTP_TARGET_BYTES_MAX = 8192,
  HTTP_SEGMENTS_MAX = 16,
  HTTP_QUERY_PARAMETERS_MAX = 64,
};

typedef struct {
  char *path; /* raw, as sent, without the query: for logs and 404 messages */
  unsigned n_segments;
  char *segments[HTTP_SEGMENTS_MAX]; /* decoded; "/a/b%2Fc/" is "a", "b/c" */
  unsigned n_parameters;
  struct {
    char *name, *value; /* decoded; value "" when there was no "=" */
  } parameters[HTTP_QUERY_PARAMETERS_MAX];
} HttpTarget;

/* Splits and decodes @text. INVALID_ARGUMENT: not a path, a bad escape, %00 or another control character,
 * bytes that are no UTF-8; LIMIT: longer than HTTP_TARGET_BYTES_MAX or with too many pieces. */
bool http_target_parse (const char *text, HttpTarget *ret, GError **error);
void http_target_clear (HttpTarget *target);

/* First value of the query parameter @name, or NULL. (transfer none) */
const char *http_target_parameter (const HttpTarget *target, const char *name);

/* Decodes percent escapes of @n bytes, and "+" as a space when @form. Same errors. (transfer full) */
char *http_decode (const char *text, size_t n, bool form, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (HttpTarget, http_target_clear)
