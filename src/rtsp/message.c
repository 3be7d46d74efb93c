/* SPDX-License-Identifier: Apache-2.0 */
/* RTSP messages as values: making, asking and serializing them. The parser is parser.c. */
#include "rtsp/message.h"

#include <string.h>

static const struct {
  unsigned status;
  const char *reason;
} reasons[] = {
    {100, "Continue"},
    {200, "OK"},
    {201, "Created"},
    {250, "Low on Storage Space"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Moved Temporarily"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Time-out"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Large"},
    {415, "Unsupported Media Type"},
    {451, "Parameter Not Understood"},
    {452, "Conference Not Found"},
    {453, "Not Enough Bandwidth"},
    {454, "Session Not Found"},
    {455, "Method Not Valid in This State"},
    {456, "Header Field Not Valid for Resource"},
    {457, "Invalid Range"},
    {458, "Parameter Is Read-Only"},
    {459, "Aggregate Operation Not Allowed"},
    {460, "Only Aggregate Operation Allowed"},
    {461, "Unsupported Transport"},
    {462, "Destination Unreachable"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Time-out"},
    {505, "RTSP Version Not Supported"},
    {551, "Option Not Supported"},
};

const char *
rtsp_status_reason (unsigned status)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (reasons); i++)
    if (reasons[i].status == status)
      return reasons[i].reason;
  return "Unknown";
}

static void
clear_field (RtspField *field)
{
  g_free (field->name);
  g_free (field->value);
}

static RtspMessage *
new_message (void)
{
  RtspMessage *message = g_new0 (RtspMessage, 1);
  message->version = 10;
  message->fields = g_array_new (FALSE, FALSE, sizeof (RtspField));
  g_array_set_clear_func (message->fields, (GDestroyNotify)clear_field);
  return message;
}

RtspMessage *
rtsp_message_new_request (const char *method, const char *uri)
{
  RtspMessage *message = new_message ();
  message->method = g_strdup (method);
  message->uri = g_strdup (uri);
  return message;
}

RtspMessage *
rtsp_message_new_response (unsigned status, const char *reason)
{
  RtspMessage *message = new_message ();
  message->status = status;
  message->reason = g_strdup (reason ? reason : rtsp_status_reason (status));
  return message;
}

void
rtsp_message_free (RtspMessage *message)
{
  if (!message)
    return;
  g_free (message->method);
  g_free (message->uri);
  g_free (message->reason);
  g_array_unref (message->fields);
  g_clear_pointer (&message->body, g_bytes_unref);
  g_free (message);
}

const char *
rtsp_message_get (const RtspMessage *message, const char *name)
{
  return rtsp_message_get_next (message, name, NULL);
}

const char *
rtsp_message_get_next (const RtspMessage *message, const char *name, const char *previous)
{
  bool behind = previous == NULL;
  for (unsigned i = 0; i < message->fields->len; i++) {
    const RtspField *field = &g_array_index (message->fields, RtspField, i);
    if (behind && g_ascii_strcasecmp (field->name, name) == 0)
      return field->value;
    if (field->value == previous)
      behind = true;
  }
  return NULL;
}

static bool
is_token (const char *text)
{
  for (const char *c = text; *c; c++)
    if (!g_ascii_isalnum (*c) && !strchr ("!#$%&'*+-.^_`|~", *c))
      return false;
  return *text != 0;
}

static void
append_without_controls (GString *out, const char *text, char instead)
{
  for (const char *c = text; *c; c++)
    g_string_append_c (out, (uint8_t)*c < 0x20 || *c == 0x7f ? instead : *c);
}

void
rtsp_message_add (RtspMessage *message, const char *name, const char *value)
{
  if (!is_token (name))
    return;
  GString *clean = g_string_new (NULL);
  append_without_controls (clean, value, ' ');
  RtspField field = {.name = g_strdup (name), .value = g_strstrip (g_string_free (clean, FALSE))};
  g_array_append_val (message->fields, field);
}

void
rtsp_message_addf (RtspMessage *message, const char *name, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *value = g_strdup_vprintf (format, args);
  va_end (args);
  rtsp_message_add (message, name, value);
}

void
rtsp_message_set_body (RtspMessage *message, const char *content_type, const char *text, gssize n_bytes)
{
  g_clear_pointer (&message->body, g_bytes_unref);
  message->body = g_bytes_new (text, n_bytes < 0 ? strlen (text) : (size_t)n_bytes);
  rtsp_message_add (message, "Content-Type", content_type);
}

/* Spaces and control bytes would end the URI early. */
static void
append_uri (GString *out, const char *uri)
{
  for (const char *c = uri; *c; c++) {
    if ((uint8_t)*c <= 0x20 || *c == 0x7f)
      g_string_append_printf (out, "%%%02X", (unsigned)(uint8_t)*c);
    else
      g_string_append_c (out, *c);
  }
}

GBytes *
rtsp_message_serialize (const RtspMessage *message)
{
  const char *protocol = message->protocol == RTSP_PROTOCOL_HTTP ? "HTTP" : "RTSP";
  GString *out = g_string_sized_new (512);
  if (message->method) {
    append_without_controls (out, message->method, '-');
    g_string_append_c (out, ' ');
    append_uri (out, message->uri);
    g_string_append_printf (out, " %s/%u.%u\r\n", protocol, message->version / 10, message->version % 10);
  } else {
    g_string_append_printf (out, "%s/%u.%u %03u ", protocol, message->version / 10, message->version % 10,
                            message->status);
    append_without_controls (out, message->reason, ' ');
    g_string_append (out, "\r\n");
  }
  for (unsigned i = 0; i < message->fields->len; i++) {
    const RtspField *field = &g_array_index (message->fields, RtspField, i);
    if (g_ascii_strcasecmp (field->name, "Content-Length") == 0 && message->protocol == RTSP_PROTOCOL_RTSP)
      continue;
    g_string_append_printf (out, "%s: %s\r\n", field->name, field->value);
  }
  gsize n_body = 0;
  const char *body = message->body ? g_bytes_get_data (message->body, &n_body) : NULL;
  if (n_body > 0)
    g_string_append_printf (out, "Content-Length: %zu\r\n", n_body);
  g_string_append (out, "\r\n");
  if (n_body > 0)
    g_string_append_len (out, body, (gssize)n_body);
  return g_string_free_to_bytes (out);
}

bool
rtsp_message_get_cseq (const RtspMessage *message, uint32_t *ret)
{
  const char *text = rtsp_message_get (message, "CSeq");
  guint64 number;
  if (!text || !g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &number, NULL))
    return false;
  *ret = (uint32_t)number;
  return true;
}

bool
rtsp_list_has (const char *list, const char *word)
{
  size_t n_word = strlen (word);
  while (list && *list) {
    list += strspn (list, " \t,");
    size_t n = strcspn (list, ",");
    size_t n_trimmed = n;
    while (n_trimmed > 0 && g_ascii_isspace (list[n_trimmed - 1]))
      n_trimmed--;
    if (n_trimmed == n_word && g_ascii_strncasecmp (list, word, n_word) == 0)
      return true;
    list += n;
  }
  return false;
}
