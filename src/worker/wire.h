/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the bodies of messages: a cursor that turns bad once and stays so, and caps. Inside
 * worker/. */
#pragma once

#include "worker/protocol.h"

typedef struct {
  const uint8_t *bytes;
  size_t n_bytes; /* left */
  bool bad;
} WireReader;

/* Zero, NULL or empty once the reader is bad. */
void wire_read (WireReader *reader, void *ret, size_t n_bytes);
const uint8_t *wire_read_bytes (WireReader *reader, size_t n_bytes);
uint8_t wire_read_u8 (WireReader *reader);
uint32_t wire_read_u32 (WireReader *reader);
uint64_t wire_read_u64 (WireReader *reader);
/* With its final NUL in place, at most @max bytes with it, UTF-8. Never NULL. */
const char *wire_read_text (WireReader *reader, size_t max);

void wire_append_u8 (GByteArray *out, uint8_t value);
void wire_append_u32 (GByteArray *out, uint32_t value);
void wire_append_u64 (GByteArray *out, uint64_t value);
/* Cut to @max bytes (with its NUL) at the end of a character; what is not UTF-8 is replaced. */
void wire_append_text (GByteArray *out, const char *text, size_t max);

/* Caps as the index of their name and of their fields in tables. Unknown fields are left out. */
void wire_append_caps (GByteArray *out, const GstCaps *caps);
GstCaps *wire_read_caps (WireReader *reader); /* NULL: bad. (transfer full) */
