/* SPDX-License-Identifier: Apache-2.0 */
/* The structured header fields of RTSP 1.0 (RFC 2326 §12): Transport, Session, Range, RTP-Info, Scale, Speed.
 * Pure functions on untrusted text; any thread. Numbers are plain decimal; everything is checked against
 * its bounds; nan, inf, exponents, signs where none belong and overlong digits are refused. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
  RTSP_TRANSPORT_MAX_ALTERNATIVES = 8, /* further ones are not looked at */
  RTSP_SESSION_ID_MAX = 128,           /* bytes */
  RTSP_RTP_INFO_MAX = 32,              /* entries */
};

typedef enum { RTSP_LOWER_UDP, RTSP_LOWER_TCP } RtspLower;

typedef struct {
  RtspLower lower;
  bool secure;    /* RTP/SAVP */
  bool multicast; /* else unicast */
  bool record;    /* mode=record (or receive) */
  bool append;
  bool has_interleaved, has_client_port, has_server_port, has_port, has_ssrc;
  uint8_t interleaved[2];
  uint16_t client_port[2];
  uint16_t server_port[2];
  uint16_t port[2]; /* multicast */
  unsigned ttl;     /* 0 not told */
  uint32_t ssrc;
  char source[64];      /* empty: not told */
  char destination[64]; /* empty: not told */
} RtspTransport;

/* All alternatives that make sense, in the peer's order; those that do not are skipped. 0: none. */
unsigned rtsp_transport_parse (const char *value, RtspTransport ret[RTSP_TRANSPORT_MAX_ALTERNATIVES]);
/* One alternative as a field value. (transfer full) */
char *rtsp_transport_to_string (const RtspTransport *transport);

typedef struct {
  char id[RTSP_SESSION_ID_MAX + 1];
  unsigned timeout_s; /* 0 not told */
} RtspSessionHeader;
bool rtsp_session_parse (const char *value, RtspSessionHeader *ret);

typedef enum { RTSP_RANGE_NPT, RTSP_RANGE_CLOCK, RTSP_RANGE_SMPTE } RtspRangeUnit;

typedef struct {
  RtspRangeUnit unit;
  bool has_start, has_end;
  bool now;         /* npt=now- */
  int64_t start_us; /* of the presentation, or since 1970 (clock) */
  int64_t end_us;
} RtspRange;
bool rtsp_range_parse (const char *value, RtspRange *ret);
char *rtsp_range_to_string (const RtspRange *range); /* (transfer full) */

typedef struct {
  char *url;
  bool has_sequence, has_rtp_time;
  uint16_t sequence;
  uint32_t rtp_time;
} RtspRtpInfo;
/* Entries that make no sense are skipped. (transfer full) array of RtspRtpInfo that frees their urls. */
GArray *rtsp_rtp_info_parse (const char *value);
char *rtsp_rtp_info_to_string (const GArray *entries); /* (transfer full) */

/* Scale and Speed: a plain decimal of at most 32 bytes, within -1000 and 1000, not 0. */
bool rtsp_rate_parse (const char *value, double *ret);
