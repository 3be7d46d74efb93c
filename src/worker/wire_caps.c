/* SPDX-License-Identifier: Apache-2.0 */
/* Caps on the wire. A worker can only name what stands in the two tables, each field has one type, and
 * nothing is parsed from text: gst_caps_from_string() would follow any type and any depth of nesting, and
 * every new name would be interned in the daemon for ever. */
#include "worker/wire.h"

#include <string.h>

enum { FIELD_TEXT_BYTES_MAX = 256 };

typedef enum {
  FIELD_INT,
  FIELD_FRACTION,
  FIELD_BOOL,
  FIELD_TEXT,
  FIELD_BUFFER,
  FIELD_INTS,
  FIELD_BUFFERS
} FieldType;

static const char *const media_types[] = {
    "video/x-h264",  "video/x-h265", "video/x-av1", "video/x-vp8",   "video/x-vp9",
    "image/jpeg",    "video/mpeg",   "audio/mpeg",  "audio/x-opus",  "audio/x-ac3",
    "audio/x-mulaw", "audio/x-alaw", "audio/G722",  "audio/x-adpcm", "audio/x-raw",
};

static const struct {
  const char *name;
  FieldType type;
} fields[] = {
    {"stream-format", FIELD_TEXT},
    {"alignment", FIELD_TEXT},
    {"profile", FIELD_TEXT},
    {"level", FIELD_TEXT},
    {"tier", FIELD_TEXT},
    {"codec_data", FIELD_BUFFER},
    {"width", FIELD_INT},
    {"height", FIELD_INT},
    {"framerate", FIELD_FRACTION},
    {"pixel-aspect-ratio", FIELD_FRACTION},
    {"interlace-mode", FIELD_TEXT},
    {"chroma-format", FIELD_TEXT},
    {"bit-depth-luma", FIELD_INT},
    {"bit-depth-chroma", FIELD_INT},
    {"colorimetry", FIELD_TEXT},
    {"parsed", FIELD_BOOL},
    {"framed", FIELD_BOOL},
    {"mpegversion", FIELD_INT},
    {"systemstream", FIELD_BOOL},
    {"layer", FIELD_INT},
    {"mpegaudioversion", FIELD_INT},
    {"base-profile", FIELD_TEXT},
    {"rate", FIELD_INT},
    {"channels", FIELD_INT},
    {"channel-mapping-family", FIELD_INT},
    {"stream-count", FIELD_INT},
    {"coupled-count", FIELD_INT},
    {"channel-mapping", FIELD_INTS},
    {"streamheader", FIELD_BUFFERS},
    {"format", FIELD_TEXT},
    {"layout", FIELD_TEXT},
    {"bitrate", FIELD_INT},
    {"sof-marker", FIELD_INT},
};

static bool
buffer_fits (GstBuffer *buffer)
{
  size_t n_bytes = buffer ? gst_buffer_get_size (buffer) : 0;
  return n_bytes > 0 && n_bytes <= WORKER_CODEC_DATA_BYTES_MAX;
}

static void
append_buffer (GByteArray *out, GstBuffer *buffer)
{
  guint n_bytes = (guint)gst_buffer_get_size (buffer);
  wire_append_u32 (out, n_bytes);
  g_byte_array_set_size (out, out->len + n_bytes);
  gst_buffer_extract (buffer, 0, out->data + out->len - n_bytes, n_bytes);
}

static GstBuffer *
read_buffer (WireReader *reader)
{
  uint32_t n_bytes = wire_read_u32 (reader);
  if (n_bytes == 0 || n_bytes > WORKER_CODEC_DATA_BYTES_MAX)
    reader->bad = true;
  const uint8_t *bytes = wire_read_bytes (reader, n_bytes);
  return bytes ? gst_buffer_new_memdup (bytes, n_bytes) : NULL;
}

static bool
type_fits (FieldType type, const GValue *value)
{
  switch (type) {
  case FIELD_INT:
    return G_VALUE_HOLDS_INT (value);
  case FIELD_FRACTION:
    return GST_VALUE_HOLDS_FRACTION (value);
  case FIELD_BOOL:
    return G_VALUE_HOLDS_BOOLEAN (value);
  case FIELD_TEXT:
    return G_VALUE_HOLDS_STRING (value) && g_value_get_string (value) &&
           strlen (g_value_get_string (value)) < FIELD_TEXT_BYTES_MAX;
  case FIELD_BUFFER:
    return GST_VALUE_HOLDS_BUFFER (value) && buffer_fits (gst_value_get_buffer (value));
  case FIELD_INTS:
  case FIELD_BUFFERS: {
    if (!GST_VALUE_HOLDS_ARRAY (value) || gst_value_array_get_size (value) > WORKER_CAPS_ITEMS_MAX)
      return false;
    for (guint i = 0; i < gst_value_array_get_size (value); i++) {
      if (!type_fits (type == FIELD_INTS ? FIELD_INT : FIELD_BUFFER, gst_value_array_get_value (value, i)))
        return false;
    }
    return true;
  }
  }
  return false;
}

static void
append_value (GByteArray *out, FieldType type, const GValue *value)
{
  switch (type) {
  case FIELD_INT:
    wire_append_u32 (out, (uint32_t)g_value_get_int (value));
    break;
  case FIELD_FRACTION:
    wire_append_u32 (out, (uint32_t)gst_value_get_fraction_numerator (value));
    wire_append_u32 (out, (uint32_t)gst_value_get_fraction_denominator (value));
    break;
  case FIELD_BOOL:
    wire_append_u8 (out, g_value_get_boolean (value) ? 1 : 0);
    break;
  case FIELD_TEXT:
    wire_append_text (out, g_value_get_string (value), FIELD_TEXT_BYTES_MAX);
    break;
  case FIELD_BUFFER:
    append_buffer (out, gst_value_get_buffer (value));
    break;
  case FIELD_INTS:
  case FIELD_BUFFERS:
    wire_append_u8 (out, (uint8_t)gst_value_array_get_size (value));
    for (guint i = 0; i < gst_value_array_get_size (value); i++)
      append_value (out, type == FIELD_INTS ? FIELD_INT : FIELD_BUFFER, gst_value_array_get_value (value, i));
    break;
  }
}

void
wire_append_caps (GByteArray *out, const GstCaps *caps)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  guint media = 0;
  while (media < G_N_ELEMENTS (media_types) && !gst_structure_has_name (structure, media_types[media]))
    media++;
  wire_append_u8 (out, (uint8_t)media); /* one too high when unknown: the daemon refuses it */
  guint count_at = out->len;
  wire_append_u8 (out, 0);
  uint8_t count = 0;
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    const GValue *value = gst_structure_get_value (structure, fields[i].name);
    if (!value || !type_fits (fields[i].type, value))
      continue;
    wire_append_u8 (out, (uint8_t)i);
    append_value (out, fields[i].type, value);
    count++;
  }
  out->data[count_at] = count;
}

static void
read_array (WireReader *reader, FieldType item, GValue *ret)
{
  g_value_init (ret, GST_TYPE_ARRAY);
  unsigned n_items = wire_read_u8 (reader);
  if (n_items > WORKER_CAPS_ITEMS_MAX)
    reader->bad = true;
  for (unsigned i = 0; i < n_items && !reader->bad; i++) {
    GValue value = G_VALUE_INIT;
    if (item == FIELD_INT) {
      g_value_init (&value, G_TYPE_INT);
      g_value_set_int (&value, (int)wire_read_u32 (reader));
    } else {
      g_value_init (&value, GST_TYPE_BUFFER);
      gst_value_take_buffer (&value, read_buffer (reader));
    }
    gst_value_array_append_and_take_value (ret, &value);
  }
}

static void
read_fraction (WireReader *reader, GValue *ret)
{
  int num = (int)wire_read_u32 (reader);
  int den = (int)wire_read_u32 (reader);
  if (num < 0 || den <= 0) {
    reader->bad = true;
    den = 1;
  }
  g_value_init (ret, GST_TYPE_FRACTION);
  gst_value_set_fraction (ret, num, den);
}

static void
read_value (WireReader *reader, FieldType type, GValue *ret)
{
  switch (type) {
  case FIELD_INT:
    g_value_init (ret, G_TYPE_INT);
    g_value_set_int (ret, (int)wire_read_u32 (reader));
    break;
  case FIELD_FRACTION:
    read_fraction (reader, ret);
    break;
  case FIELD_BOOL:
    g_value_init (ret, G_TYPE_BOOLEAN);
    g_value_set_boolean (ret, wire_read_u8 (reader) != 0);
    break;
  case FIELD_TEXT:
    g_value_init (ret, G_TYPE_STRING);
    g_value_set_string (ret, wire_read_text (reader, FIELD_TEXT_BYTES_MAX));
    break;
  case FIELD_BUFFER:
    g_value_init (ret, GST_TYPE_BUFFER);
    gst_value_take_buffer (ret, read_buffer (reader));
    break;
  case FIELD_INTS:
    read_array (reader, FIELD_INT, ret);
    break;
  case FIELD_BUFFERS:
    read_array (reader, FIELD_BUFFER, ret);
    break;
  }
}

GstCaps *
wire_read_caps (WireReader *reader)
{
  unsigned media = wire_read_u8 (reader);
  unsigned count = wire_read_u8 (reader);
  if (media >= G_N_ELEMENTS (media_types) || count > G_N_ELEMENTS (fields))
    reader->bad = true;
  if (reader->bad)
    return NULL;
  GstStructure *structure = gst_structure_new_empty (media_types[media]);
  int last = -1;
  for (unsigned i = 0; i < count && !reader->bad; i++) {
    int field = wire_read_u8 (reader);
    if (field <= last || field >= (int)G_N_ELEMENTS (fields)) {
      reader->bad = true;
      break;
    }
    last = field;
    GValue value = G_VALUE_INIT;
    read_value (reader, fields[field].type, &value);
    gst_structure_take_value (structure, fields[field].name, &value);
  }
  if (reader->bad) {
    gst_structure_free (structure);
    return NULL;
  }
  GstCaps *caps = gst_caps_new_empty ();
  gst_caps_append_structure (caps, structure);
  return caps;
}
