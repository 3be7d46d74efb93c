/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of POST, PUT and PATCH on streams: our keys, and the names that clients of other services use for
 * them. No state; any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
  char *id;        /* NULL: none given */
  GVariant *patch; /* a{sv} of stream keys, for control/manager.h; what the keys may hold is checked there */
  GPtrArray *warnings; /* of char*: what was asked for and does not exist in this version; NULL: nothing */
} StreamBody;

/* INVALID_ARGUMENT: no JSON object, a known member of the wrong type, two names for one thing with different
 * values. What clients of other services switch on and does not exist here yet is left out, with a warning.
 */
bool stream_body_parse (const char *bytes, size_t n_bytes, StreamBody *ret, GError **error);
void stream_body_clear (StreamBody *body);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (StreamBody, stream_body_clear)
