/* SPDX-License-Identifier: Apache-2.0 */
/* URLs as people may see them. Any thread. */
#pragma once

#include <glib.h>

/* @url with user information and secrets of the query (passphrase, token, ...) replaced by "***".
 * (transfer full) */
char *url_redact (const char *url);
