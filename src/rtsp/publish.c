/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of publishers: ANNOUNCE, SETUP, RECORD. Between question and answer of ANNOUNCE the connection
 * moves to the home loop of the stream, where all of its media is handled. */
#include "base/error.h"
#include "rtsp/server-private.h"

#include <string.h>

/* An ANNOUNCE on its way. `c` belongs to the loop of the connection, which clears it when it closes. */
struct Announcing {
  RtspServer *server;
  RtspConnection *c;
  RtspLoop *origin;
  Sdp *sdp;
  PublishTicket *ticket;
  Stream *stream;
};

static void
announcing_free (Announcing *announcing)
{
  sdp_free (announcing->sdp);
  publish_ticket_free (announcing->ticket);
  stream_unref (announcing->stream);
  server_unref (announcing->server);
  g_free (announcing);
}

void
publish_forget (Announcing *announcing)
{
  if (announcing)
    announcing->c = NULL;
}

/* --- ANNOUNCE ----------------------------------------------------------------------------------------------
 */

static void
answer_announce (Announcing *announcing)
{
  RtspConnection *c = announcing->c;
  RtspSession *session = session_new (c, c->request->path, announcing->sdp->n_media, true);
  session->sdp = g_steal_pointer (&announcing->sdp);
  session->ticket = g_steal_pointer (&announcing->ticket);
  session->stream = g_steal_pointer (&announcing->stream);
  c->session = session;
  /* A DESCRIBE before it, of some other stream, is forgotten: that one need not be kept alive. */
  g_clear_pointer (&c->lease, lease_free);
  g_clear_pointer (&c->lease_path, g_free);
  announcing_free (announcing);
  request_answer_status (c, 200, NULL);
}

/* On the home loop. */
static void
arrive (void *data)
{
  Announcing *announcing = data;
  RtspLoop *home = server_loop_for (announcing->server, stream_home (announcing->stream));
  if (connection_arrive (announcing->c, home))
    answer_announce (announcing);
  else
    announcing_free (announcing);
}

/* On the loop where the connection has been so far. */
static void
move_home (void *data)
{
  Announcing *announcing = data;
  if (!announcing->c) {
    announcing_free (announcing);
    return;
  }
  announcing->c->announcing = NULL;
  connection_leave (announcing->c);
  loop_post (stream_home (announcing->stream), arrive, announcing);
}

static void
on_ticket (void *data, PublishTicket *ticket, Stream *stream, const GError *error)
{
  Announcing *announcing = data;
  if (error) {
    if (announcing->c) {
      announcing->c->announcing = NULL;
      request_answer_error (announcing->c, error);
    }
    announcing_free (announcing);
    return;
  }
  announcing->ticket = ticket;
  announcing->stream = stream_ref (stream);
  if (announcing->origin->loop != stream_home (stream)) {
    loop_post (announcing->origin->loop, move_home, announcing);
  } else if (announcing->c) {
    announcing->c->announcing = NULL;
    answer_announce (announcing);
  } else {
    announcing_free (announcing);
  }
}

static bool
is_sdp (const RtspMessage *message)
{
  const char *type = rtsp_message_get (message, "Content-Type");
  return type && g_ascii_strncasecmp (type, "application/sdp", strlen ("application/sdp")) == 0;
}

void
publish_announce (RtspConnection *c)
{
  const RtspMessage *message = c->request->message;
  g_autoptr (GError) error = NULL;
  if (!is_sdp (message)) {
    request_answer_status (c, 415, NULL);
    return;
  }
  gsize n_bytes = 0;
  const char *text = message->body ? g_bytes_get_data (message->body, &n_bytes) : "";
  g_autoptr (Sdp) sdp = sdp_parse (text, n_bytes, &error);
  if (!sdp || !settings_check_stream_name (c->request->path, &error)) {
    request_answer_error (c, error);
    return;
  }
  Announcing *announcing = c->announcing = g_new0 (Announcing, 1);
  announcing->server = server_ref (c->server);
  announcing->c = c;
  announcing->origin = c->home;
  announcing->sdp = g_steal_pointer (&sdp);
  request_wait (c);
  registry_open_publish (c->server->registry, c->request->path, c->home->loop, NULL, on_ticket, announcing);
}

/* --- SETUP -------------------------------------------------------------------------------------------------
 */

static int
find_media (const RtspSession *session, const RtspRequest *request)
{
  const Sdp *sdp = session->sdp;
  const char *uri = request->message->uri;
  for (unsigned i = 0; i < sdp->n_media; i++) {
    const char *control = sdp->media[i].control;
    if (!control)
      continue;
    g_autofree char *resolved = sdp_resolve_control (session->url, control);
    g_autofree char *suffix = g_strconcat ("/", control, NULL);
    if (strcmp (uri, resolved) == 0 || strcmp (uri, control) == 0 || g_str_has_suffix (uri, suffix))
      return (int)i;
  }
  if (request->track >= 0 && (unsigned)request->track < sdp->n_media)
    return request->track;
  return sdp->n_media == 1 ? 0 : -1;
}

void
publish_setup (RtspConnection *c)
{
  RtspSession *session = c->session;
  if (session->ingest) {
    /* Paused: the stream has its tracks. */
    request_answer_status (c, 455, NULL);
    return;
  }
  int index = find_media (session, c->request);
  if (index < 0) {
    request_answer_status (c, 404, NULL);
    return;
  }
  const char *transport = rtsp_message_get (c->request->message, "Transport");
  if (!transport) {
    request_answer_status (c, 400, "Bad Request: Transport");
    return;
  }
  g_autofree char *chosen = session_setup_transport (session, (unsigned)index, transport, session->stream);
  if (!chosen) {
    request_answer_status (c, 461, NULL);
    return;
  }
  RtspMessage *response = rtsp_message_new_response (200, NULL);
  rtsp_message_add (response, "Transport", chosen);
  request_answer (c, response);
}

/* --- RECORD ------------------------------------------------------------------------------------------------
 */

void
publish_record (RtspConnection *c)
{
  g_autoptr (GError) error = NULL;
  if (!c->session->publishing || c->session->delivery == DELIVERY_NONE)
    request_answer_status (c, 455, NULL);
  else if (!recording_start (c->session, &error))
    request_answer_error (c, error);
  else
    request_answer_status (c, 200, NULL);
}
