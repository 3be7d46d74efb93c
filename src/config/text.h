/* SPDX-License-Identifier: Apache-2.0 */
/* Durations, sizes and misspelt words as text. Any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* "10s", "500ms", "2m", "1.5h", "1d", or a plain number of seconds. Milliseconds. False when it is none of
 * these, negative, or too large for 64 bits. */
bool text_to_duration (const char *text, int64_t *ret_ms);
/* "8MiB", "4MB", "512KiB", "100kB", "1GiB", "100B", or a plain number of bytes; units in any case. */
bool text_to_size (const char *text, int64_t *ret_bytes);
/* Whole numbers, decimal, with an optional minus sign. */
bool text_to_int (const char *text, int64_t *ret);
/* true, false, yes, no, on, off, 1, 0. */
bool text_to_bool (const char *text, bool *ret);

/* The shortest text that reads back as the same value: "90s", "2m"; "8MiB", "1000". (transfer full) */
char *text_from_duration (int64_t ms);
char *text_from_size (int64_t bytes);

/* How many letters have to be added, removed, changed or swapped with their neighbor to get from @a to @b;
 * letters are compared without case. Texts longer than 64 bytes count as far apart. */
unsigned text_distance (const char *a, const char *b);
/* The word of the NULL-terminated @words that @text most likely means, or NULL when none is close. */
const char *text_closest (const char *text, const char *const *words);
