/* SPDX-License-Identifier: Apache-2.0 */
/* What protects an API on loopback from the pages that a browser on the same machine shows: cross-origin
 * requests and DNS names that an attacker points at 127.0.0.1. Pure functions on header values; any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* True when @host (of a Host header, with or without a port) is an IP address or localhost, which nobody can
 * rebind. */
bool http_guard_host_is_literal (const char *host);

/* True when @origin ("http://example.org:8080") names the server itself, as in @host, or is listed in
 * @cors_origins ("*" lists all). "null" is only as good as "*". Both values as sent; @origin not NULL. */
bool http_guard_origin_allowed (const char *origin, const char *host, bool tls, char *const *cors_origins);

/* Value for Access-Control-Allow-Origin: "*", the listed origin (transfer none), or NULL. */
const char *http_guard_cors_origin (const char *origin, char *const *cors_origins);
