/* SPDX-License-Identifier: Apache-2.0 */
/* The message parser: a table of byte streams, each fed whole and then cut at every offset, which must give
 * the same events; limits; serializing. */
#include "rtsp/message.h"

#include <string.h>

/* What a byte stream turns into, as text: "REQUEST OPTIONS * {CSeq: 1}", "FRAME 0 [4]", "ERROR 400". */
static void
describe_event (GString *out, RtspParser *parser, RtspEventType type, RtspEvent *event)
{
  if (type == RTSP_EVENT_ERROR) {
    g_string_append_printf (out, "ERROR %u\n", rtsp_parser_error_status (parser));
  } else if (type == RTSP_EVENT_FRAME) {
    g_string_append_printf (out, "FRAME %u [%zu]", event->channel, event->n_frame);
    for (size_t i = 0; i < event->n_frame; i++)
      g_string_append_printf (out, " %02x", event->frame[i]);
    g_string_append_c (out, '\n');
  } else if (type == RTSP_EVENT_MESSAGE) {
    g_autoptr (RtspMessage) message = event->message;
    if (message->protocol == RTSP_PROTOCOL_HTTP)
      g_string_append (out, "HTTP ");
    if (message->method)
      g_string_append_printf (out, "%s %s", message->method, message->uri);
    else
      g_string_append_printf (out, "%u '%s'", message->status, message->reason);
    for (unsigned i = 0; i < message->fields->len; i++) {
      RtspField *field = &g_array_index (message->fields, RtspField, i);
      g_string_append_printf (out, " {%s: %s}", field->name, field->value);
    }
    if (message->body)
      g_string_append_printf (out, " body '%.*s'", (int)g_bytes_get_size (message->body),
                              (const char *)g_bytes_get_data (message->body, NULL));
    g_string_append_c (out, '\n');
  }
}

/* True until an error. Each piece is its own allocation, so that a read beyond it is seen. */
static bool
feed (GString *out, RtspParser *parser, const char *text, size_t n_bytes)
{
  g_autofree uint8_t *piece = g_memdup2 (text, n_bytes);
  const uint8_t *bytes = piece;
  RtspEvent event;
  RtspEventType type;
  while ((type = rtsp_parser_next (parser, &bytes, &n_bytes, &event, NULL)) != RTSP_EVENT_NONE) {
    describe_event (out, parser, type, &event);
    if (type == RTSP_EVENT_ERROR)
      return false;
  }
  g_assert_cmpuint (n_bytes, ==, 0);
  return true;
}

static char *
run (const char *text, size_t n_bytes, size_t cut)
{
  g_autoptr (RtspParser) parser = rtsp_parser_new (NULL);
  GString *out = g_string_new (NULL);
  if (feed (out, parser, text, cut))
    feed (out, parser, text + cut, n_bytes - cut);
  return g_string_free (out, FALSE);
}

static const struct {
  const char *what;
  const char *bytes;
  size_t n_bytes; /* 0: strlen */
  const char *expected;
} streams[] = {
    {"a request", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", 0, "OPTIONS * {CSeq: 1}\n"},
    {"bare LF and lower case", "OPTIONS * rtsp/1.0\ncseq:1\n\n", 0, "OPTIONS * {cseq: 1}\n"},
    {"blank lines before and between", "\r\n\r\nOPTIONS * RTSP/1.0\r\n\r\n\r\n\nOPTIONS a RTSP/1.0\r\n\r\n",
     0, "OPTIONS *\nOPTIONS a\n"},
    {"a body", "ANNOUNCE u RTSP/1.0\r\nContent-Length: 4\r\n\r\nabcdOPTIONS * RTSP/1.0\r\n\r\n", 0,
     "ANNOUNCE u {Content-Length: 4} body 'abcd'\nOPTIONS *\n"},
    {"an empty body", "ANNOUNCE u RTSP/1.0\r\nContent-Length: 0\r\n\r\n", 0,
     "ANNOUNCE u {Content-Length: 0}\n"},
    {"a response", "RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n", 0, "200 'OK' {CSeq: 7}\n"},
    {"a response without reason", "RTSP/1.0 401\r\nCSeq: 7\r\n\r\n", 0, "401 '' {CSeq: 7}\n"},
    {"a senseless line in a response", "RTSP/1.0 200 OK\r\nnonsense\r\nCSeq: 7\r\n\r\n", 0,
     "200 'OK' {CSeq: 7}\n"},
    {"a senseless line in a request", "OPTIONS * RTSP/1.0\r\nnonsense\r\n\r\n", 0, "ERROR 400\n"},
    {"a folded field", "OPTIONS * RTSP/1.0\r\nA: b\r\n  c\r\n\td\r\n\r\n", 0, "OPTIONS * {A: b c d}\n"},
    {"blanks around a field", "OPTIONS * RTSP/1.0\r\nA  :  b  \r\n\r\n", 0, "OPTIONS * {A: b}\n"},
    {"frames between messages", "$\0\0\2ab$\1\0\0OPTIONS * RTSP/1.0\r\n\r\n$\7\0\1z", 37,
     "FRAME 0 [2] 61 62\nFRAME 1 [0]\nOPTIONS *\nFRAME 7 [1] 7a\n"},
    {"HTTP leaves its body alone",
     "POST /x HTTP/1.0\r\nContent-Length: 32767\r\n\r\nOPTIONS * RTSP/1.0\r\n\r\n", 0,
     "HTTP POST /x {Content-Length: 32767}\nOPTIONS *\n"},
    {"two lengths", "A u RTSP/1.0\r\nContent-Length: 4\r\ncontent-length: 4\r\n\r\n", 0, "ERROR 400\n"},
    {"a signed length", "A u RTSP/1.0\r\nContent-Length: +4\r\n\r\n", 0, "ERROR 400\n"},
    {"a hexadecimal length", "A u RTSP/1.0\r\nContent-Length: 0x4\r\n\r\n", 0, "ERROR 400\n"},
    {"an empty length", "A u RTSP/1.0\r\nContent-Length:\r\n\r\n", 0, "ERROR 400\n"},
    {"a negative length", "A u RTSP/1.0\r\nContent-Length: -1\r\n\r\n", 0, "ERROR 400\n"},
    {"a huge length", "A u RTSP/1.0\r\nContent-Length: 99999999999999999999999999\r\n\r\n", 0, "ERROR 413\n"},
    {"a length above the limit", "A u RTSP/1.0\r\nContent-Length: 65537\r\n\r\n", 0, "ERROR 413\n"},
    {"NUL in a line", "OPTIONS *\0 RTSP/1.0\r\n\r\n", 23, "ERROR 400\n"},
    {"NUL in a field", "OPTIONS * RTSP/1.0\r\nA: \0b\r\n\r\n", 29, "ERROR 400\n"},
    {"CR inside a field", "OPTIONS * RTSP/1.0\r\nA: b\rc\r\n\r\n", 0, "ERROR 400\n"},
    {"a TLS handshake", "\x16\3\1\2\0\1\0\1\xfc\3\3", 11, "ERROR 400\n"},
    {"another version", "OPTIONS * RTSP/2.0\r\n\r\n", 0, "ERROR 505\n"},
    {"no version", "OPTIONS *\r\n\r\n", 0, "ERROR 400\n"},
    {"garbage", "hello\r\n\r\n", 0, "ERROR 400\n"},
    {"a status of letters", "RTSP/1.0 abc OK\r\n\r\n", 0, "ERROR 400\n"},
    {"an unfinished message", "OPTIONS * RTSP/1.0\r\nCSeq", 0, ""},
};

static void
test_streams (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (streams); i++) {
    size_t n_bytes = streams[i].n_bytes ? streams[i].n_bytes : strlen (streams[i].bytes);
    for (size_t cut = 0; cut <= n_bytes; cut++) {
      g_autofree char *got = run (streams[i].bytes, n_bytes, cut);
      if (strcmp (got, streams[i].expected) != 0)
        g_error ("%s, cut at %zu: got\n%swanted\n%s", streams[i].what, cut, got, streams[i].expected);
    }
  }
}

static char *
repeat (const char *start, const char *middle, unsigned n, const char *end)
{
  GString *out = g_string_new (start);
  for (unsigned i = 0; i < n; i++)
    g_string_append (out, middle);
  g_string_append (out, end);
  return g_string_free (out, FALSE);
}

static void
test_limits (void)
{
  const struct {
    const char *start, *middle;
    unsigned n;
    const char *end, *expected;
  } rows[] = {
      {"OPTIONS ", "a", 9000, " RTSP/1.0\r\n\r\n", "ERROR 414\n"},
      {"OPTIONS ", "a", 9000, "", "ERROR 414\n"},
      {"OPTIONS * RTSP/1.0\r\n", "A: b\r\n", 65, "\r\n", "ERROR 400\n"},
      {"OPTIONS * RTSP/1.0\r\nA: b\r\n", " c\r\n", 65, "\r\n", "ERROR 400\n"},
      {"OPTIONS * RTSP/1.0\r\nA: ", "a", 40000, "\r\n\r\n", "ERROR 400\n"},
      {"OPTIONS * RTSP/1.0\r\nCSeq: ", "9", 65536, "\r\n\r\n", "ERROR 400\n"},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *text = repeat (rows[i].start, rows[i].middle, rows[i].n, rows[i].end);
    g_autofree char *got = run (text, strlen (text), strlen (text) / 2);
    g_assert_cmpstr (got, ==, rows[i].expected);
  }
}

static void
test_memory_is_given_back (void)
{
  g_autoptr (RtspParser) parser = rtsp_parser_new (NULL);
  size_t idle = rtsp_parser_memory (parser);
  g_autoptr (GString) out = g_string_new (NULL);
  g_autofree char *text = repeat ("ANNOUNCE u RTSP/1.0\r\nContent-Length: 60000\r\n\r\n", "x", 60000, "");
  feed (out, parser, text, 30000);
  g_assert_true (rtsp_parser_pending (parser));
  g_assert_cmpuint (rtsp_parser_memory (parser), >, 29000);
  feed (out, parser, text + 30000, strlen (text) - 30000);
  g_assert_false (rtsp_parser_pending (parser));
  g_assert_cmpuint (rtsp_parser_memory (parser), ==, idle);
}

static void
test_whole_frames_are_not_copied (void)
{
  g_autoptr (RtspParser) parser = rtsp_parser_new (NULL);
  static const uint8_t stream[] = {'$', 2, 0, 3, 1, 2, 3, '$', 3, 0, 1, 9};
  const uint8_t *bytes = stream;
  size_t n_bytes = sizeof stream;
  RtspEvent event;
  g_assert_cmpint (rtsp_parser_next (parser, &bytes, &n_bytes, &event, NULL), ==, RTSP_EVENT_FRAME);
  g_assert_true (event.frame == stream + 4);
  g_assert_cmpint (rtsp_parser_next (parser, &bytes, &n_bytes, &event, NULL), ==, RTSP_EVENT_FRAME);
  g_assert_true (event.frame == stream + 11);
  g_assert_cmpint (rtsp_parser_next (parser, &bytes, &n_bytes, &event, NULL), ==, RTSP_EVENT_NONE);
}

static void
test_serialize (void)
{
  g_autoptr (RtspMessage) response = rtsp_message_new_response (454, NULL);
  rtsp_message_add (response, "CSeq", "3\r\nX-Injected: yes");
  rtsp_message_add (response, "Bad name", "dropped");
  rtsp_message_addf (response, "Session", "%s;timeout=%u", "abc", 60u);
  rtsp_message_set_body (response, "text/plain", "hi", -1);
  g_autoptr (GBytes) bytes = rtsp_message_serialize (response);
  g_autofree char *text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  g_assert_cmpstr (text, ==,
                   "RTSP/1.0 454 Session Not Found\r\nCSeq: 3  X-Injected: yes\r\nSession: abc;timeout=60\r\n"
                   "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi");
  g_autoptr (RtspMessage) request = rtsp_message_new_request ("DESCRIBE", "rtsp://h/a b\r\nX: y");
  g_autoptr (GBytes) request_bytes = rtsp_message_serialize (request);
  g_autofree char *request_text =
      g_strndup (g_bytes_get_data (request_bytes, NULL), g_bytes_get_size (request_bytes));
  g_assert_cmpstr (request_text, ==, "DESCRIBE rtsp://h/a%20b%0D%0AX:%20y RTSP/1.0\r\n\r\n");
}

static void
test_fields (void)
{
  g_autoptr (RtspMessage) message = rtsp_message_new_request ("OPTIONS", "*");
  uint32_t cseq;
  g_assert_false (rtsp_message_get_cseq (message, &cseq));
  rtsp_message_add (message, "WWW-Authenticate", "Basic");
  rtsp_message_add (message, "cseq", "4294967295");
  rtsp_message_add (message, "WWW-Authenticate", "Digest");
  g_assert_true (rtsp_message_get_cseq (message, &cseq));
  g_assert_cmpuint (cseq, ==, G_MAXUINT32);
  const char *first = rtsp_message_get (message, "www-authenticate");
  g_assert_cmpstr (first, ==, "Basic");
  const char *second = rtsp_message_get_next (message, "www-authenticate", first);
  g_assert_cmpstr (second, ==, "Digest");
  g_assert_null (rtsp_message_get_next (message, "www-authenticate", second));
  g_assert_true (rtsp_list_has ("DESCRIBE, get_parameter ,PLAY", "GET_PARAMETER"));
  g_assert_false (rtsp_list_has ("DESCRIBE, PLAYER", "PLAY"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtsp/message/streams", test_streams);
  g_test_add_func ("/rtsp/message/limits", test_limits);
  g_test_add_func ("/rtsp/message/memory-is-given-back", test_memory_is_given_back);
  g_test_add_func ("/rtsp/message/whole-frames-are-not-copied", test_whole_frames_are_not_copied);
  g_test_add_func ("/rtsp/message/serialize", test_serialize);
  g_test_add_func ("/rtsp/message/fields", test_fields);
  return g_test_run ();
}
