/* SPDX-License-Identifier: Apache-2.0 */
/* argon2id on threads of its own: a hash takes tens of milliseconds and tens of megabytes, so few run at once
 * and the queue of waiting ones is short.
 *
 * Threads: password_hasher_push() from any; @func on a thread of the hasher.
 * Limits:  PASSWORD_THREADS hashes at once, PASSWORD_MAX_WAITING waiting ones. */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
  PASSWORD_THREADS = 2,
  PASSWORD_MAX_WAITING = 64,
  PASSWORD_MAX_BYTES = 1024, /* a longer one is wrong without being hashed */
};

typedef struct PasswordHasher PasswordHasher;
/* @match: @password is the one of @encoded. */
typedef void (*PasswordFunc) (void *data, bool match);

PasswordHasher *password_hasher_new (void);
/* Runs what waits (as no match, without hashing) and waits for what runs. */
void password_hasher_free (PasswordHasher *hasher); /* NULL-safe */

/* Copies both texts. False when too many wait already: @func is not called. */
bool password_hasher_push (PasswordHasher *hasher, const char *encoded, const char *password,
                           PasswordFunc func, void *data);
