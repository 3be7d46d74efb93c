/* SPDX-License-Identifier: Apache-2.0 */
/* Cursor over a body and the values that messages are made of. */
#include "worker/wire.h"

#include <string.h>

void
wire_read (WireReader *reader, void *ret, size_t n_bytes)
{
  const uint8_t *bytes = wire_read_bytes (reader, n_bytes);
  if (bytes)
    memcpy (ret, bytes, n_bytes);
  else
    memset (ret, 0, n_bytes);
}

const uint8_t *
wire_read_bytes (WireReader *reader, size_t n_bytes)
{
  if (reader->bad || n_bytes > reader->n_bytes) {
    reader->bad = true;
    return NULL;
  }
  const uint8_t *bytes = reader->bytes;
  reader->bytes += n_bytes;
  reader->n_bytes -= n_bytes;
  return bytes;
}

uint8_t
wire_read_u8 (WireReader *reader)
{
  uint8_t value;
  wire_read (reader, &value, sizeof value);
  return value;
}

uint32_t
wire_read_u32 (WireReader *reader)
{
  uint32_t value;
  wire_read (reader, &value, sizeof value);
  return value;
}

uint64_t
wire_read_u64 (WireReader *reader)
{
  uint64_t value;
  wire_read (reader, &value, sizeof value);
  return value;
}

const char *
wire_read_text (WireReader *reader, size_t max)
{
  uint32_t n_bytes = wire_read_u32 (reader);
  if (n_bytes == 0 || n_bytes > max) {
    reader->bad = true;
    return "";
  }
  const char *text = (const char *)wire_read_bytes (reader, n_bytes);
  if (!text || text[n_bytes - 1] != '\0' || strlen (text) != n_bytes - 1 ||
      !g_utf8_validate_len (text, n_bytes - 1, NULL)) {
    reader->bad = true;
    return "";
  }
  return text;
}

void
wire_append_u8 (GByteArray *out, uint8_t value)
{
  g_byte_array_append (out, &value, sizeof value);
}

void
wire_append_u32 (GByteArray *out, uint32_t value)
{
  g_byte_array_append (out, (const uint8_t *)&value, sizeof value);
}

void
wire_append_u64 (GByteArray *out, uint64_t value)
{
  g_byte_array_append (out, (const uint8_t *)&value, sizeof value);
}

void
wire_append_text (GByteArray *out, const char *text, size_t max)
{
  g_autofree char *valid = g_utf8_make_valid (text ? text : "", -1);
  size_t n_bytes = strlen (valid);
  if (n_bytes >= max) {
    const char *end = g_utf8_find_prev_char (valid, valid + max);
    n_bytes = end ? (size_t)(end - valid) : 0;
    valid[n_bytes] = '\0';
  }
  wire_append_u32 (out, (uint32_t)n_bytes + 1);
  g_byte_array_append (out, (const uint8_t *)valid, n_bytes + 1);
}
