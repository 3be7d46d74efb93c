/* SPDX-License-Identifier: Apache-2.0 */
/* RTSP 1.0 messages (RFC 2326 §4 to §7) and interleaved frames (§10.12) out of one byte stream, and messages
 * into bytes. For clients and servers; no sockets, no GStreamer.
 *
 * Tolerant where peers are sloppy: bare LF, names in any case, blank lines between messages, folded fields,
 * and in responses lines without a colon. Strict where it matters: NUL and control bytes, a Content-Length
 * that is doubled or not plain digits, and every limit.
 *
 * An HTTP request (RTSP over an HTTP tunnel) is returned as a message as soon as its fields are read, with
 * its body left to the caller.
 *
 * Owner: one connection; one thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
  RTSP_PROTOCOL_RTSP,
  RTSP_PROTOCOL_HTTP,
} RtspProtocol;

typedef struct {
  char *name;
  char *value;
} RtspField;

typedef struct {
  RtspProtocol protocol;
  unsigned version; /* major * 10 + minor: 10 */
  char *method;     /* of requests; NULL in responses */
  char *uri;        /* of requests; NULL in responses */
  unsigned status;  /* of responses */
  char *reason;     /* of responses; may be empty */
  GArray *fields;   /* of RtspField, in their order */
  GBytes *body;     /* or NULL */
} RtspMessage;

/* A message to send, RTSP/1.0. @reason NULL: the usual words for @status. */
RtspMessage *rtsp_message_new_request (const char *method, const char *uri);
RtspMessage *rtsp_message_new_response (unsigned status, const char *reason);
void rtsp_message_free (RtspMessage *message); /* NULL-safe */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtspMessage, rtsp_message_free)

/* The first field of that name, in any case; NULL when there is none. (transfer none) */
const char *rtsp_message_get (const RtspMessage *message, const char *name);
/* The field of that name after @previous (a value this returned; NULL: the first one): for fields that come
 * several times, such as WWW-Authenticate. */
const char *rtsp_message_get_next (const RtspMessage *message, const char *name, const char *previous);
/* Control bytes of @value become spaces, so that nothing a peer said can make fields of its own. A name that
 * is not a token adds nothing. */
void rtsp_message_add (RtspMessage *message, const char *name, const char *value);
void rtsp_message_addf (RtspMessage *message, const char *name, const char *format, ...) G_GNUC_PRINTF (3, 4);
/* Also Content-Type; Content-Length is written when serializing. Copies @text. */
void rtsp_message_set_body (RtspMessage *message, const char *content_type, const char *text, gssize n_bytes);

/* The bytes for the wire. Content-Length comes from the body. (transfer full) */
GBytes *rtsp_message_serialize (const RtspMessage *message);
/* "Session Not Found" for 454 ...; static. */
const char *rtsp_status_reason (unsigned status);
/* CSeq: false when it is missing or not a number below 2^32. */
bool rtsp_message_get_cseq (const RtspMessage *message, uint32_t *ret);
/* True when @list (such as "Public: a, b") holds @word, in any case. */
bool rtsp_list_has (const char *list, const char *word);

typedef struct {
  size_t line_bytes;   /* request or status line */
  size_t header_bytes; /* all fields with it */
  unsigned fields;
  size_t body_bytes;
} RtspLimits;
extern const RtspLimits rtsp_default_limits; /* 8 KiB, 32 KiB, 64, 64 KiB */

typedef struct RtspParser RtspParser;

typedef enum {
  RTSP_EVENT_NONE,    /* all bytes are taken; nothing whole yet */
  RTSP_EVENT_MESSAGE, /* ret->message */
  RTSP_EVENT_FRAME,   /* ret->channel, frame, n_frame */
  RTSP_EVENT_ERROR,   /* the stream makes no sense from here on: see rtsp_parser_error_status() */
} RtspEventType;

typedef struct {
  RtspMessage *message; /* (transfer full) */
  uint8_t channel;
  const uint8_t *frame; /* in the bytes given, or in the parser until its next call */
  size_t n_frame;
} RtspEvent;

RtspParser *rtsp_parser_new (const RtspLimits *limits); /* NULL: the default ones */
void rtsp_parser_free (RtspParser *parser);             /* NULL-safe */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtspParser, rtsp_parser_free)

/* Takes bytes from *@bytes on, moves *@bytes and *@n_bytes behind them, and returns the next event; call
 * again until it says NONE. Whole interleaved frames are not copied; only what is incomplete is kept. After
 * ERROR it only ever says ERROR. */
RtspEventType rtsp_parser_next (RtspParser *parser, const uint8_t **bytes, size_t *n_bytes, RtspEvent *ret,
                                GError **error);

/* The response that tells the peer: 400, 413, 414 or 505; 0 without an error. */
unsigned rtsp_parser_error_status (const RtspParser *parser);
/* An unfinished message is pending (for timeouts against slow senders); an unfinished frame counts as well.
 */
bool rtsp_parser_pending (const RtspParser *parser);
/* Bytes kept in memory now. */
size_t rtsp_parser_memory (const RtspParser *parser);
