/* SPDX-License-Identifier: Apache-2.0 */
/* The incremental parser of message.h: a state machine over lines, a body and interleaved frames. Lines of a
 * message are collected in one buffer; a frame that lies whole in the caller's bytes is never copied. */
#include "rtsp/message.h"

#include "base/error.h"

#include <string.h>

const RtspLimits rtsp_default_limits = {
    .line_bytes = 8 * 1024,
    .header_bytes = 32 * 1024,
    .fields = 64,
    .body_bytes = 64 * 1024,
};

enum {
  FRAME_HEADER_BYTES = 4, /* "$", channel, length */
};

typedef enum { STATE_START, STATE_HEAD, STATE_BODY, STATE_FRAME, STATE_FRAME_DONE, STATE_ERROR } State;

struct RtspParser {
  RtspLimits limits;
  State state;
  GByteArray *buffer; /* what is incomplete; NULL while nothing is */
  size_t line_start;  /* of the line being collected in the buffer */
  size_t n_body;      /* that Content-Length told */
  unsigned n_lines;   /* behind the first one, folded and senseless ones as well */
  RtspMessage *message;
  unsigned error_status;
};

RtspParser *
rtsp_parser_new (const RtspLimits *limits)
{
  RtspParser *parser = g_new0 (RtspParser, 1);
  parser->limits = limits ? *limits : rtsp_default_limits;
  return parser;
}

static void
drop_buffer (RtspParser *parser)
{
  g_clear_pointer (&parser->buffer, g_byte_array_unref);
  parser->line_start = 0;
}

void
rtsp_parser_free (RtspParser *parser)
{
  if (!parser)
    return;
  drop_buffer (parser);
  rtsp_message_free (parser->message);
  g_free (parser);
}

unsigned
rtsp_parser_error_status (const RtspParser *parser)
{
  return parser->error_status;
}

bool
rtsp_parser_pending (const RtspParser *parser)
{
  return parser->state == STATE_HEAD || parser->state == STATE_BODY || parser->state == STATE_FRAME;
}

size_t
rtsp_parser_memory (const RtspParser *parser)
{
  return sizeof *parser + (parser->buffer ? parser->buffer->len : 0);
}

static RtspEventType
fail (RtspParser *parser, unsigned status, SluiceErrorCode code, GError **error, const char *why)
{
  parser->state = STATE_ERROR;
  parser->error_status = status;
  drop_buffer (parser);
  g_clear_pointer (&parser->message, rtsp_message_free);
  g_set_error_literal (error, SLUICE_ERROR, code, why);
  return RTSP_EVENT_ERROR;
}

/* Moves up to @want bytes from the caller's into the buffer. */
static void
collect (RtspParser *parser, const uint8_t **bytes, size_t *n_bytes, size_t want)
{
  size_t n = MIN (want, *n_bytes);
  if (!parser->buffer)
    parser->buffer = g_byte_array_new ();
  g_byte_array_append (parser->buffer, *bytes, (guint)n);
  *bytes += n;
  *n_bytes -= n;
}

static bool
has_control_bytes (const char *text, size_t n_bytes)
{
  for (size_t i = 0; i < n_bytes; i++)
    if (((uint8_t)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
      return true;
  return false;
}

static bool
is_token_byte (char c)
{
  return g_ascii_isalnum (c) || (c && strchr ("!#$%&'*+-.^_`|~", c));
}

/* "RTSP/1.0" at @text; the bytes taken, or 0. */
static size_t
parse_version (const char *text, size_t n_bytes, RtspMessage *message)
{
  if (n_bytes < 8 || text[4] != '/' || !g_ascii_isdigit (text[5]) || text[6] != '.' ||
      !g_ascii_isdigit (text[7]))
    return 0;
  if (g_ascii_strncasecmp (text, "RTSP", 4) == 0)
    message->protocol = RTSP_PROTOCOL_RTSP;
  else if (g_ascii_strncasecmp (text, "HTTP", 4) == 0)
    message->protocol = RTSP_PROTOCOL_HTTP;
  else
    return 0;
  message->version = (unsigned)(text[5] - '0') * 10 + (unsigned)(text[7] - '0');
  return 8;
}

static bool
parse_status_line (const char *line, size_t n_bytes, RtspMessage *message)
{
  size_t at = parse_version (line, n_bytes, message);
  if (at == 0)
    return false;
  while (at < n_bytes && line[at] == ' ')
    at++;
  if (at == 8 || n_bytes - at < 3)
    return false;
  for (unsigned i = 0; i < 3; i++) {
    if (!g_ascii_isdigit (line[at + i]))
      return false;
    message->status = message->status * 10 + (unsigned)(line[at + i] - '0');
  }
  at += 3;
  if ((at < n_bytes && line[at] != ' ') || message->status < 100)
    return false;
  while (at < n_bytes && (line[at] == ' ' || line[at] == '\t'))
    at++;
  message->reason = g_strndup (line + at, n_bytes - at);
  return true;
}

static bool
parse_request_line (const char *line, size_t n_bytes, RtspMessage *message)
{
  size_t n_method = 0;
  while (n_method < n_bytes && is_token_byte (line[n_method]))
    n_method++;
  if (n_method == 0 || n_method > 32 || n_method == n_bytes || line[n_method] != ' ')
    return false;
  size_t uri = n_method;
  while (uri < n_bytes && line[uri] == ' ')
    uri++;
  const char *end = memchr (line + uri, ' ', n_bytes - uri);
  if (!end || end == line + uri)
    return false;
  size_t version = (size_t)(end - line);
  while (version < n_bytes && line[version] == ' ')
    version++;
  if (parse_version (line + version, n_bytes - version, message) != n_bytes - version)
    return false;
  message->method = g_strndup (line, n_method);
  message->uri = g_strndup (line + uri, (size_t)(end - line) - uri);
  return true;
}

/* The first line is collected in the buffer: whose message is it? */
static RtspEventType
take_first_line (RtspParser *parser, const char *line, size_t n_bytes, GError **error)
{
  while (n_bytes > 0 && (line[n_bytes - 1] == ' ' || line[n_bytes - 1] == '\t'))
    n_bytes--;
  if (has_control_bytes (line, n_bytes))
    return fail (parser, 400, SLUICE_ERROR_PROTOCOL, error, "control bytes in the first line");
  /* Method and URI are given later; only the frees of this type matter here. */
  RtspMessage *message = parser->message = rtsp_message_new_response (0, NULL);
  g_clear_pointer (&message->reason, g_free);
  bool response = n_bytes >= 5 && g_ascii_strncasecmp (line, "RTSP/", 5) == 0;
  if (!response && n_bytes >= 5 && g_ascii_strncasecmp (line, "HTTP/", 5) == 0)
    response = true;
  if (response ? !parse_status_line (line, n_bytes, message) : !parse_request_line (line, n_bytes, message))
    return fail (parser, 400, SLUICE_ERROR_PROTOCOL, error, "not an RTSP request or response");
  if (message->protocol == RTSP_PROTOCOL_RTSP && message->version != 10 && message->method)
    return fail (parser, 505, SLUICE_ERROR_UNSUPPORTED, error, "only RTSP/1.0 is spoken here");
  return RTSP_EVENT_NONE;
}

static RtspEventType
take_field (RtspParser *parser, const char *line, size_t n_bytes, GError **error)
{
  RtspMessage *message = parser->message;
  GArray *fields = message->fields;
  while (n_bytes > 0 && (line[n_bytes - 1] == ' ' || line[n_bytes - 1] == '\t'))
    n_bytes--;
  if (has_control_bytes (line, n_bytes))
    return fail (parser, 400, SLUICE_ERROR_PROTOCOL, error, "control bytes in a header field");
  if (++parser->n_lines > parser->limits.fields)
    return fail (parser, 400, SLUICE_ERROR_LIMIT, error, "too many header fields");
  size_t n_lead = 0;
  while (n_lead < n_bytes && (line[n_lead] == ' ' || line[n_lead] == '\t'))
    n_lead++;
  if (n_lead > 0 && fields->len > 0) {
    RtspField *last = &g_array_index (fields, RtspField, fields->len - 1);
    g_autofree char *more = g_strndup (line + n_lead, n_bytes - n_lead);
    g_autofree char *old = last->value;
    last->value = g_strdup_printf ("%s%s%s", old, *old && *more ? " " : "", more);
    return RTSP_EVENT_NONE;
  }
  size_t n_name = n_lead;
  while (n_name < n_bytes && is_token_byte (line[n_name]))
    n_name++;
  size_t colon = n_name;
  while (colon < n_bytes && (line[colon] == ' ' || line[colon] == '\t'))
    colon++;
  if (n_name == n_lead || colon == n_bytes || line[colon] != ':') {
    if (!message->method)
      return RTSP_EVENT_NONE;
    return fail (parser, 400, SLUICE_ERROR_PROTOCOL, error, "a header line without name and colon");
  }
  size_t value = colon + 1;
  while (value < n_bytes && (line[value] == ' ' || line[value] == '\t'))
    value++;
  RtspField field = {
      .name = g_strndup (line + n_lead, n_name - n_lead),
      .value = g_strndup (line + value, n_bytes - value),
  };
  g_array_append_val (fields, field);
  return RTSP_EVENT_NONE;
}

static RtspEventType
finish_message (RtspParser *parser, RtspEvent *ret)
{
  ret->message = g_steal_pointer (&parser->message);
  parser->state = STATE_START;
  parser->n_lines = 0;
  drop_buffer (parser);
  return RTSP_EVENT_MESSAGE;
}

static RtspEventType
finish_head (RtspParser *parser, RtspEvent *ret, GError **error)
{
  RtspMessage *message = parser->message;
  const char *text = rtsp_message_get (message, "Content-Length");
  if (message->protocol == RTSP_PROTOCOL_HTTP || !text)
    return finish_message (parser, ret);
  if (rtsp_message_get_next (message, "Content-Length", text))
    return fail (parser, 400, SLUICE_ERROR_PROTOCOL, error, "more than one Content-Length");
  guint64 n_body;
  size_t n_digits = strspn (text, "0123456789");
  if (n_digits == 0 || text[n_digits])
    return fail (parser, 400, SLUICE_ERROR_PROTOCOL, error, "Content-Length is not a number");
  if (!g_ascii_string_to_unsigned (text, 10, 0, parser->limits.body_bytes, &n_body, NULL))
    return fail (parser, 413, SLUICE_ERROR_LIMIT, error, "the body is too large");
  if (n_body == 0)
    return finish_message (parser, ret);
  drop_buffer (parser);
  parser->n_body = n_body;
  parser->state = STATE_BODY;
  return RTSP_EVENT_NONE;
}

/* One line, or the part of it that is there. */
static RtspEventType
step_head (RtspParser *parser, const uint8_t **bytes, size_t *n_bytes, RtspEvent *ret, GError **error)
{
  const uint8_t *newline = memchr (*bytes, '\n', *n_bytes);
  size_t n = newline ? (size_t)(newline - *bytes) + 1 : *n_bytes;
  size_t n_before = parser->buffer ? parser->buffer->len : 0;
  if (!parser->message && n_before + n > parser->limits.line_bytes + 2)
    return fail (parser, 414, SLUICE_ERROR_LIMIT, error, "the request line is too long");
  if (n_before + n > parser->limits.header_bytes)
    return fail (parser, 400, SLUICE_ERROR_LIMIT, error, "the header is too large");
  /* What is no text at all, such as a TLS handshake, need not wait for the end of its line. */
  if (!parser->message && memchr (*bytes, 0, n))
    return fail (parser, 400, SLUICE_ERROR_PROTOCOL, error, "control bytes in the first line");
  collect (parser, bytes, n_bytes, n);
  if (!newline)
    return RTSP_EVENT_NONE;
  const char *line = (const char *)parser->buffer->data + parser->line_start;
  size_t n_line = parser->buffer->len - parser->line_start - 1;
  while (n_line > 0 && line[n_line - 1] == '\r')
    n_line--;
  parser->line_start = parser->buffer->len;
  if (!parser->message)
    return take_first_line (parser, line, n_line, error);
  if (n_line == 0)
    return finish_head (parser, ret, error);
  return take_field (parser, line, n_line, error);
}

static RtspEventType
step_body (RtspParser *parser, const uint8_t **bytes, size_t *n_bytes, RtspEvent *ret)
{
  collect (parser, bytes, n_bytes, parser->n_body - (parser->buffer ? parser->buffer->len : 0));
  if (parser->buffer->len < parser->n_body)
    return RTSP_EVENT_NONE;
  parser->message->body = g_byte_array_free_to_bytes (g_steal_pointer (&parser->buffer));
  return finish_message (parser, ret);
}

static RtspEventType
take_frame (const uint8_t *frame, RtspEvent *ret)
{
  ret->channel = frame[1];
  ret->n_frame = (size_t)frame[2] << 8 | frame[3];
  ret->frame = frame + FRAME_HEADER_BYTES;
  return RTSP_EVENT_FRAME;
}

static RtspEventType
step_frame (RtspParser *parser, const uint8_t **bytes, size_t *n_bytes, RtspEvent *ret)
{
  size_t n_have = parser->buffer ? parser->buffer->len : 0;
  if (n_have == 0 && *n_bytes >= FRAME_HEADER_BYTES) {
    size_t n_frame = FRAME_HEADER_BYTES + ((size_t)(*bytes)[2] << 8 | (*bytes)[3]);
    if (*n_bytes >= n_frame) {
      const uint8_t *frame = *bytes;
      *bytes += n_frame;
      *n_bytes -= n_frame;
      parser->state = STATE_START;
      return take_frame (frame, ret);
    }
  }
  if (n_have < FRAME_HEADER_BYTES) {
    collect (parser, bytes, n_bytes, FRAME_HEADER_BYTES - n_have);
    if (parser->buffer->len < FRAME_HEADER_BYTES)
      return RTSP_EVENT_NONE;
  }
  const uint8_t *head = parser->buffer->data;
  size_t n_frame = FRAME_HEADER_BYTES + ((size_t)head[2] << 8 | head[3]);
  collect (parser, bytes, n_bytes, n_frame - parser->buffer->len);
  if (parser->buffer->len < n_frame)
    return RTSP_EVENT_NONE;
  parser->state = STATE_FRAME_DONE;
  return take_frame (parser->buffer->data, ret);
}

RtspEventType
rtsp_parser_next (RtspParser *parser, const uint8_t **bytes, size_t *n_bytes, RtspEvent *ret, GError **error)
{
  memset (ret, 0, sizeof *ret);
  if (parser->state == STATE_FRAME_DONE) {
    /* The frame of the last call was in the buffer. */
    drop_buffer (parser);
    parser->state = STATE_START;
  }
  while (*n_bytes > 0) {
    RtspEventType event = RTSP_EVENT_NONE;
    switch (parser->state) {
    case STATE_START:
      if (**bytes == '\r' || **bytes == '\n') {
        ++*bytes;
        --*n_bytes;
      } else {
        parser->state = **bytes == '$' ? STATE_FRAME : STATE_HEAD;
      }
      break;
    case STATE_HEAD:
      event = step_head (parser, bytes, n_bytes, ret, error);
      break;
    case STATE_BODY:
      event = step_body (parser, bytes, n_bytes, ret);
      break;
    case STATE_FRAME:
    case STATE_FRAME_DONE:
      event = step_frame (parser, bytes, n_bytes, ret);
      break;
    case STATE_ERROR:
      g_set_error_literal (error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "the connection is out of step");
      return RTSP_EVENT_ERROR;
    }
    if (event != RTSP_EVENT_NONE)
      return event;
  }
  return RTSP_EVENT_NONE;
}
