/* SPDX-License-Identifier: Apache-2.0 */
/* RTSP over HTTP (the GET and POST pair that players behind proxies use): answers and media go out on the GET
 * connection, requests come in base64 on a POST connection with the same x-sessioncookie. The POST's socket
 * moves to the loop of the GET and becomes its input.
 *
 * Threads: the table of cookies and RtspTunnel.home are under the server's lock; the rest of a tunnel belongs
 * to the loop of its GET connection. */
#include "base/log.h"
#include "rtsp/server-private.h"

#include <string.h>

enum { COOKIE_MAX = 128 };

struct RtspTunnel {
  RtspServer *server;
  RtspConnection *get;
  RtspLoop *home; /* server->lock; NULL while it moves */
  char *cookie;
  Conn *post; /* NULL: none (any more) */
  Listener *post_listener;
  uint8_t quad[4]; /* base64 digits so far */
  unsigned n_quad;
  unsigned n_padding;
};

/* A POST socket on its way. */
typedef struct {
  RtspServer *server;
  RtspLoop *home;
  char *cookie;
  Conn *conn;
  Listener *listener;
  GBytes *bytes; /* read behind the header */
} Handover;

/* --- base64 ------------------------------------------------------------------------------------------------
 */

static int
digit_of (uint8_t c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Each request is encoded by itself, so padding may come in the middle of the stream. */
static bool
decode (RtspTunnel *tunnel, const uint8_t *bytes, size_t n_bytes, GByteArray *out)
{
  for (size_t i = 0; i < n_bytes; i++) {
    int digit = digit_of (bytes[i]);
    if (bytes[i] == '\r' || bytes[i] == '\n' || bytes[i] == ' ')
      continue;
    if (bytes[i] == '=' && tunnel->n_quad >= 2) {
      tunnel->n_padding++;
      digit = 0;
    }
    if (digit < 0 || (tunnel->n_padding > 0 && bytes[i] != '='))
      return false;
    tunnel->quad[tunnel->n_quad++] = (uint8_t)digit;
    if (tunnel->n_quad < 4)
      continue;
    const uint8_t *q = tunnel->quad;
    uint8_t plain[3] = {(uint8_t)(q[0] << 2 | q[1] >> 4), (uint8_t)(q[1] << 4 | q[2] >> 2),
                        (uint8_t)(q[2] << 6 | q[3])};
    g_byte_array_append (out, plain, 3 - tunnel->n_padding);
    tunnel->n_quad = tunnel->n_padding = 0;
  }
  return true;
}

/* --- the POST half, as input of the GET half
 * ----------------------------------------------------------------
 */

static void
drop_post (RtspTunnel *tunnel)
{
  if (!tunnel->post)
    return;
  listener_connection_closed (tunnel->post_listener, conn_peer (tunnel->post));
  g_clear_pointer (&tunnel->post, conn_free);
  g_clear_pointer (&tunnel->post_listener, listener_unref);
  tunnel->n_quad = tunnel->n_padding = 0;
}

/* Nothing of the tunnel may be touched afterwards: the bytes can end it. */
static void
take_post_bytes (RtspTunnel *tunnel, const uint8_t *bytes, size_t n_bytes)
{
  g_autoptr (GByteArray) plain = g_byte_array_new ();
  if (decode (tunnel, bytes, n_bytes, plain))
    connection_feed (tunnel->get, plain->data, plain->len);
  else
    connection_close (tunnel->get, "the tunnel carries no base64");
}

static void
on_post_data (void *data, const uint8_t *bytes, size_t n_bytes)
{
  take_post_bytes (data, bytes, n_bytes);
}

static void
on_post_burst_end (void *data)
{
  RtspTunnel *tunnel = data;
  connection_burst_end (tunnel->get);
}

/* Some clients open a POST connection anew for each request. */
static void
on_post_closed (void *data, const GError *error)
{
  drop_post (data);
}

static const ConnOps post_ops = {
    .on_data = on_post_data, .on_burst_end = on_post_burst_end, .on_closed = on_post_closed};

static void
take_post (void *data)
{
  Handover *handover = data;
  RtspServer *server = handover->server;
  g_mutex_lock (&server->lock);
  RtspTunnel *tunnel = g_hash_table_lookup (server->tunnels, handover->cookie);
  if (tunnel && tunnel->home != handover->home)
    tunnel = NULL;
  g_mutex_unlock (&server->lock);
  if (tunnel)
    conn_set_ops (handover->conn, &post_ops, tunnel);
  if (tunnel && conn_adopt (handover->conn, handover->home->loop, NULL)) {
    drop_post (tunnel);
    tunnel->post = g_steal_pointer (&handover->conn);
    tunnel->post_listener = g_steal_pointer (&handover->listener);
    gsize n_bytes;
    const uint8_t *bytes = g_bytes_get_data (handover->bytes, &n_bytes);
    take_post_bytes (tunnel, bytes, n_bytes);
  } else {
    listener_connection_closed (handover->listener, conn_peer (handover->conn));
    conn_free (handover->conn);
    listener_unref (handover->listener);
  }
  g_bytes_unref (handover->bytes);
  g_free (handover->cookie);
  server_unref (server);
  g_free (handover);
}

/* --- HTTP --------------------------------------------------------------------------------------------------
 */

static void
answer_http (RtspConnection *c, unsigned status, const char *reason, const char *text)
{
  g_autoptr (RtspMessage) response = rtsp_message_new_response (status, reason);
  response->protocol = RTSP_PROTOCOL_HTTP;
  rtsp_message_add (response, "Server", RTSP_SERVER_NAME);
  rtsp_message_add (response, "Connection", "close");
  rtsp_message_add (response, "Cache-Control", "no-store");
  if (text)
    rtsp_message_set_body (response, "text/plain", text, -1);
  else
    rtsp_message_add (response, "Content-Type", "application/x-rtsp-tunnelled");
  if (connection_send (c, rtsp_message_serialize (response)) && text)
    connection_close_after_flush (c, "HTTP request refused");
}

static void
open_tunnel (RtspConnection *c, const char *cookie)
{
  RtspServer *server = c->server;
  RtspTunnel *tunnel = g_new0 (RtspTunnel, 1);
  tunnel->server = server;
  tunnel->get = c;
  tunnel->home = c->home;
  tunnel->cookie = g_strdup (cookie);
  g_mutex_lock (&server->lock);
  bool free_place = g_hash_table_size (server->tunnels) < RTSP_TUNNELS_MAX &&
                    !g_hash_table_contains (server->tunnels, cookie);
  if (free_place)
    g_hash_table_insert (server->tunnels, tunnel->cookie, tunnel);
  g_mutex_unlock (&server->lock);
  if (free_place) {
    c->tunnel = tunnel;
    answer_http (c, 200, "OK", NULL);
  } else {
    g_free (tunnel->cookie);
    g_free (tunnel);
    answer_http (c, 503, "Service Unavailable", "too many tunnels, or a cookie that is in use\n");
  }
}

static void
join_tunnel (RtspConnection *c, const char *cookie, const uint8_t *bytes, size_t n_bytes)
{
  RtspServer *server = c->server;
  g_mutex_lock (&server->lock);
  RtspTunnel *tunnel = g_hash_table_lookup (server->tunnels, cookie);
  /* In the table means that the GET connection is alive. A cookie works for its own host only. */
  bool same_host = tunnel && net_address_same_host (conn_peer (tunnel->get->conn), conn_peer (c->conn));
  RtspLoop *home = same_host ? tunnel->home : NULL;
  g_mutex_unlock (&server->lock);
  if (!home) {
    answer_http (c, 404, "Not Found", "no GET with this x-sessioncookie\n");
    return;
  }
  Handover *handover = g_new0 (Handover, 1);
  handover->server = server_ref (server);
  handover->home = home;
  handover->cookie = g_strdup (cookie);
  handover->listener = listener_ref (c->listener);
  handover->bytes = g_bytes_new (bytes, n_bytes);
  conn_release (c->conn);
  handover->conn = g_steal_pointer (&c->conn);
  loop_post (home->loop, take_post, handover);
  connection_close (c, "now the input of a tunnel");
}

bool
tunnel_request (RtspConnection *c, RtspMessage *message, const uint8_t *bytes, size_t n_bytes)
{
  g_autoptr (RtspMessage) request = message;
  const char *cookie = rtsp_message_get (request, "x-sessioncookie");
  bool get = request->method && strcmp (request->method, "GET") == 0;
  bool post = request->method && strcmp (request->method, "POST") == 0;
  bool usable =
      (get || post) && cookie && *cookie && strlen (cookie) <= COOKIE_MAX && !c->session && !c->tunnel;
  if (!usable)
    answer_http (c, 400, "Bad Request", "this port speaks RTSP, also through an HTTP tunnel\n");
  else if (!c->settings->rtsp_http_tunnel)
    answer_http (c, 403, "Forbidden", "RTSP over HTTP is switched off (rtsp.http_tunnel)\n");
  else if (get)
    open_tunnel (c, cookie);
  else
    join_tunnel (c, cookie, bytes, n_bytes);
  return c->closed || c->closing;
}

/* --- life --------------------------------------------------------------------------------------------------
 */

static void
set_home (RtspTunnel *tunnel, RtspLoop *home)
{
  g_mutex_lock (&tunnel->server->lock);
  tunnel->home = home;
  g_mutex_unlock (&tunnel->server->lock);
}

void
tunnel_leave (RtspTunnel *tunnel)
{
  set_home (tunnel, NULL);
  if (tunnel->post)
    conn_release (tunnel->post);
}

void
tunnel_arrive (RtspTunnel *tunnel, RtspLoop *home)
{
  set_home (tunnel, home);
  if (tunnel->post && !conn_adopt (tunnel->post, home->loop, NULL))
    drop_post (tunnel);
}

void
tunnel_free (RtspTunnel *tunnel)
{
  if (!tunnel)
    return;
  g_mutex_lock (&tunnel->server->lock);
  g_hash_table_remove (tunnel->server->tunnels, tunnel->cookie);
  g_mutex_unlock (&tunnel->server->lock);
  drop_post (tunnel);
  g_free (tunnel->cookie);
  g_free (tunnel);
}
