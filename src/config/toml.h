/* SPDX-License-Identifier: Apache-2.0 */
/* TOML 1.0 as a neutral tree. No state; any thread.
 *
 * Limits: TOML_BYTES_MAX of text, TOML_DEPTH_MAX of tables and lists inside one another. */
#pragma once

#include "config/node.h"

G_BEGIN_DECLS

enum { TOML_BYTES_MAX = 1024 * 1024, TOML_DEPTH_MAX = 32 };

/* The root table of @text; members are in the order they were written, each with its line. NULL and
 * INVALID_ARGUMENT when it is no TOML or beyond the limits; @ret_line is then where, or 0. (transfer full) */
ConfigNode *config_toml_parse (const char *text, size_t n_bytes, unsigned *ret_line, GError **error);

G_END_DECLS
