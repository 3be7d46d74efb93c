/* SPDX-License-Identifier: Apache-2.0 */
/* Patches: the keys of a stream that were set at run time, as a JSON object, which is also what the state
 * keeps. They are checked by config/json.h, and so refused with the same words as the file.
 *
 * Threads: any; no state. */
#pragma once

#include "config/settings.h"

#include <json-glib/json-glib.h>

/* @old (may be NULL) with the keys of @request (a{sv}; may be NULL) set, and those that are null there taken
 * out. Hidden secrets ("***") of the request become what @current has. NULL when something in the request is
 * wrong: then each problem is in @problems (of char*), one line each, "key: reason". (transfer full) */
JsonObject *patch_merge (JsonObject *old, GVariant *request, const StreamSettings *current,
                         GPtrArray *problems);

/* A copy of @base with @patch laid over it; NULL and @problems as above. (transfer full) */
StreamSettings *patch_apply (JsonObject *patch, const StreamSettings *base, GPtrArray *problems);

char *patch_to_text (JsonObject *patch);                        /* (transfer full) */
JsonObject *patch_from_text (const char *text, GError **error); /* (transfer full) */
