/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of RTSP sources, taken apart. Any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
  bool tls;       /* rtsps, rtsp+https */
  bool tunnel;    /* rtsp+http, rtsp+https: RTSP in a pair of HTTP connections */
  char *host;     /* without brackets */
  uint16_t port;  /* 554, 322 (RFC 7826 §4.2), 80 or 443 when the URL has none */
  char *user;     /* percent-decoded; NULL when there is none */
  char *password; /* percent-decoded; "" when there is a user only */
  char *request;  /* rtsp:// or rtsps://, as it goes into requests: no user information, no fragment, no bytes
                     that break a line */
} RtspClientUrl;

/* User information may hold unescaped "@" and "/", as operators paste it. INVALID_ARGUMENT. */
bool rtsp_client_url_parse (const char *url, RtspClientUrl *ret, GError **error);
void rtsp_client_url_clear (RtspClientUrl *url);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (RtspClientUrl, rtsp_client_url_clear)

/* What controls of a description at @request are relative to (RFC 2326 §C.1.1): Content-Base, else
 * Content-Location, else @request; values that are no URLs are overlooked, except absolute paths.
 * (transfer full) */
char *rtsp_client_url_base (const char *request, const char *content_base, const char *content_location);
