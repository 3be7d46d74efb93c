/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a way to a TCP server: name resolution and racing its addresses (RFC 8305), for base/conn.c. */
#pragma once

#include "base/loop.h"

typedef struct Dial Dial;

/* @fd is the callee's: connected and non-blocking; or -1 and @error (UNAVAILABLE, IO). Comes once, on the
 * loop, never before dial_new() has returned; the callee may free the dial in it. */
typedef void (*DialFunc) (void *data, int fd, const GError *error);

Dial *dial_new (Loop *loop, const char *host, uint16_t port, DialFunc func, void *data);
void dial_free (Dial *dial); /* NULL-safe; @func does not run any more */
