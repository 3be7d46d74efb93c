/* SPDX-License-Identifier: Apache-2.0 */
/* A client's side of Basic and Digest (RFC 7616, RFC 2617): answers challenges with one user's credentials.
 * Owner: one RTSP source; one thread. */
#pragma once

#include "rtsp/message.h"

typedef struct RtspClientAuth RtspClientAuth;

/* @user NULL: no credentials. */
RtspClientAuth *rtsp_client_auth_new (const char *user, const char *password);
void rtsp_client_auth_free (RtspClientAuth *auth); /* NULL-safe */

/* Value of the Authorization field of the next request; NULL while nobody asked. (transfer full) */
char *rtsp_client_auth_header (RtspClientAuth *auth, const char *method, const char *uri);

/* Takes the best challenge of a 401. True: send the request again; else UNAUTHENTICATED. A server that asks
 * again for what it just got is believed once when it says "stale" or gives another nonce. @basic_allowed:
 * false keeps the password from a server that another one sent us to. */
bool rtsp_client_auth_challenge (RtspClientAuth *auth, const RtspMessage *response, bool basic_allowed,
                                 GError **error);

/* The next server is another one: it gets nothing that it has not asked for. */
void rtsp_client_auth_forget (RtspClientAuth *auth);

/* Any other answer came. */
void rtsp_client_auth_accepted (RtspClientAuth *auth);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtspClientAuth, rtsp_client_auth_free)
