/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: status, headers and a body in memory. Made on any thread, by one owner, handed to
 * http_call_respond(). */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

typedef struct {
  unsigned status;
  const char *content_type; /* static, or NULL without a body */
  GBytes *body;             /* or NULL */
  GPtrArray *headers;       /* name, value, name, value ... */
} HttpResponse;

HttpResponse *http_response_new (unsigned status); /* no body */
/* @body: taken over; @content_type: static. */
HttpResponse *http_response_new_text (unsigned status, const char *content_type, char *body);
HttpResponse *http_response_new_bytes (unsigned status, const char *content_type, GBytes *body);
HttpResponse *http_response_new_json (unsigned status, JsonNode *node); /* @node: taken over */
/* {"error": {"code", "message", "details"}}; @details (nullable) is taken over. */
HttpResponse *http_response_new_error (unsigned status, const char *code, JsonObject *details,
                                       const char *format, ...) G_GNUC_PRINTF (4, 5);
/* Status and code as base/error.h has them; @code (nullable) replaces the latter. */
HttpResponse *http_response_new_gerror (const GError *error, const char *code);
void http_response_free (HttpResponse *response); /* NULL-safe */

/* A value with CR, LF or another control character is left out: answers must not be split. */
void http_response_add_header (HttpResponse *response, const char *name, const char *value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (HttpResponse, http_response_free)
