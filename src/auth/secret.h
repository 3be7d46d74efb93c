/* SPDX-License-Identifier: Apache-2.0 */
/* The few primitives that every check of a credential uses: a process-wide kind of key that never leaves
 * memory, a keyed hash, and a comparison whose time tells nothing. Any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SECRET_BYTES = 32 };

typedef struct {
  uint8_t bytes[SECRET_BYTES];
} SecretKey;

void secret_key_init (SecretKey *key); /* from the kernel's random source */
void secret_random (void *bytes, size_t n_bytes);
void secret_wipe (void *bytes, size_t n_bytes);

/* HMAC-SHA-256 (RFC 2104) of all parts in a row: pairs of (const void *, size_t), ended by NULL where a
 * pointer would follow. Callers make sure that two different inputs cannot have the same row. */
void secret_hmac (const SecretKey *key, uint8_t ret[SECRET_BYTES], const void *part, ...);
void secret_sha256 (const void *bytes, size_t n_bytes, uint8_t ret[SECRET_BYTES]);

/* Time depends on the lengths only. */
bool secret_equal (const void *a, const void *b, size_t n_bytes);
/* Of texts of any length: compares their keyed hashes, so that not even the length of @expected shows. */
bool secret_equal_text (const SecretKey *key, const char *expected, const char *given);
