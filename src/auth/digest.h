/* SPDX-License-Identifier: Apache-2.0 */
/* Digest access authentication, server's side (RFC 7616, and RFC 2617 for clients without qop): nonces that
 * we can date and recognize without a table, and the one table that nonce counts need.
 *
 * Threads: any; an internal leaf lock around the table of nonce counts.
 * Limits:  DIGEST_MAX_NONCES nonces with counts. When one is pushed out, every older nonce that is not in the
 * table counts as stale, so that none can be replayed. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
  DIGEST_MAX_NONCES = 4096,
  DIGEST_NONCE_LIFETIME_S = 600,
  DIGEST_MAX_FIELD_BYTES = 4096, /* of one parameter of the header */
};

typedef struct DigestNonces DigestNonces;
typedef int64_t (*DigestClock) (void);

DigestNonces *digest_nonces_new (DigestClock now_us); /* loop_now_us() */
void digest_nonces_free (DigestNonces *nonces);       /* NULL-safe */

char *digest_nonces_make (DigestNonces *nonces); /* (transfer full) */

/* For a request whose response was right. @nc: the eight hex digits, or NULL without qop. False when the
 * nonce is not ours, too old, or this count was used before: the peer shall ask again with a fresh one. With
 * @take the count is used up; without, it only asks. */
bool digest_nonces_accept (DigestNonces *nonces, const char *nonce, const char *nc, bool take);
