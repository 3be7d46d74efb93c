/* SPDX-License-Identifier: Apache-2.0 */
/* JSON bodies of requests: strict, and bounded before the (recursive) parser sees them. No state; any thread.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

enum { HTTP_JSON_DEPTH_MAX = 16 };

/* The object in @bytes, or NULL and INVALID_ARGUMENT: no JSON, no object, no UTF-8, nested too
 * deep. (transfer full) */
JsonObject *http_json_parse_object (const char *bytes, size_t n_bytes, GError **error);
