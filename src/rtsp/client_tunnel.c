/* SPDX-License-Identifier: Apache-2.0 */
/* RTSP over HTTP: answers and media come on a GET connection, requests go in base64 on a POST connection with
 * the same cookie. It passes proxies and firewalls that let nothing but HTTP through. */
#include "rtsp/client_private.h"

#include "base/error.h"

#include <string.h>
#include <sys/random.h>

/* --- connections -------------------------------------------------------------------------------------------
 */

/* A whole request head on a connection that is still empty. */
static void
send_head (RtspClient *client, Conn *conn, const char *method, const char *fields)
{
  const char *authority = strstr (client->url.request, "://") + 3;
  const char *path = strchr (authority, '/');
  g_autofree char *host = g_strndup (authority, (size_t)(path - authority));
  g_autofree char *head = g_strdup_printf ("%s %s HTTP/1.0\r\n"
                                           "Host: %s\r\n"
                                           "User-Agent: Sluice\r\n"
                                           "x-sessioncookie: %s\r\n"
                                           "Pragma: no-cache\r\n"
                                           "Cache-Control: no-cache\r\n"
                                           "%s\r\n",
                                           method, path, host, client->cookie, fields);
  struct iovec iov = {head, strlen (head)};
  if (conn_writev (conn, &iov, 1) != (ssize_t)iov.iov_len)
    rtsp_client_failf (client, SLUICE_ERROR_IO, "the HTTP tunnel cannot be opened");
}

static void
on_post_connected (void *data)
{
  RtspClient *client = data;
  /* The length is what clients have always said; the body goes on for as long as the session lives. */
  send_head (client, client->post, "POST",
             "Content-Type: application/x-rtsp-tunnelled\r\n"
             "Content-Length: 32767\r\n"
             "Expires: Sun, 9 Jan 1972 00:00:00 GMT\r\n");
  if (client->state != CLIENT_FAILED)
    rtsp_client_session_begin (client);
}

/* Some servers answer the POST at once; all that matters comes on the GET. */
static void
on_post_data (void *data, const uint8_t *bytes, size_t n_bytes)
{
}

static void
on_post_writable (void *data)
{
  rtsp_client_flush (data);
}

static void
on_post_closed (void *data, const GError *error)
{
  rtsp_client_failf (data, error ? error->code : SLUICE_ERROR_UNAVAILABLE,
                     "the HTTP tunnel has lost its POST: %s",
                     error ? error->message : "the server closed the connection");
}

static const ConnOps post_ops = {
    .on_connected = on_post_connected,
    .on_data = on_post_data,
    .on_writable = on_post_writable,
    .on_closed = on_post_closed,
};

/* --- the way of a tunnel -----------------------------------------------------------------------------------
 */

void
rtsp_client_tunnel_begin (RtspClient *client)
{
  uint8_t random[12] = {0};
  if (getrandom (random, sizeof random, 0) != sizeof random) {
    rtsp_client_failf (client, SLUICE_ERROR_IO, "no random bytes for a tunnel");
    return;
  }
  g_free (client->cookie);
  client->cookie = g_base64_encode (random, sizeof random);
  client->state = CLIENT_TUNNELING;
  rtsp_client_start_deadline (client);
  send_head (client, client->conn, "GET", "Accept: application/x-rtsp-tunnelled\r\n");
}

void
rtsp_client_tunnel_answer (RtspClient *client, const RtspMessage *answer)
{
  if (answer->status < 200 || client->post)
    return;
  if (answer->status >= 300) {
    int code = answer->status == 401 ? SLUICE_ERROR_UNAUTHENTICATED : SLUICE_ERROR_UNAVAILABLE;
    rtsp_client_failf (client, code, "the server does not open the HTTP tunnel (%u %s)", answer->status,
                       answer->reason);
    return;
  }
  client->post = rtsp_client_dial (client, &post_ops);
}
