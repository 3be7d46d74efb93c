/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: what holds for all of them (CSeq, Require, URL, Session), the table of methods and their states,
 * and the answers. */
#include "base/error.h"
#include "base/log.h"
#include "rtsp/server-private.h"

#include <string.h>

#define PUBLIC_METHODS                                                                                       \
  "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, PAUSE, RECORD, GET_PARAMETER, SET_PARAMETER, TEARDOWN"

/* --- URLs --------------------------------------------------------------------------------------------------
 */

static char *
take_token (const char *query)
{
  g_auto (GStrv) pairs = g_strsplit (query, "&", 16);
  for (unsigned i = 0; pairs[i]; i++)
    if (g_str_has_prefix (pairs[i], "token="))
      return g_uri_unescape_string (pairs[i] + strlen ("token="), NULL);
  return NULL;
}

/* "rtsp://host:port/name/trackID=0?token=x", "/name", "*"; cameras' habit of appending the track behind the
 * query is understood as well. */
bool
url_to_path (const char *url, RtspRequest *ret)
{
  ret->track = -1;
  if (strcmp (url, "*") == 0)
    return true;
  const char *path = url;
  if (g_ascii_strncasecmp (url, "rtsp://", 7) == 0 || g_ascii_strncasecmp (url, "rtsps://", 8) == 0) {
    path = strchr (strstr (url, "://") + 3, '/');
    if (!path)
      path = "";
  } else if (*url != '/') {
    return false;
  }
  size_t n_prefix = *path ? (size_t)(path - url) : strlen (url);
  g_autofree char *bare = g_strdup (path);
  const char *track = g_strrstr (bare, "/trackID=");
  guint64 number;
  if (track &&
      g_ascii_string_to_unsigned (track + strlen ("/trackID="), 10, 0, TRACKS_MAX - 1, &number, NULL)) {
    ret->control = g_strdup (track + 1);
    ret->track = (int)number;
    bare[track - bare] = 0;
  }
  char *query = strchr (bare, '?');
  if (query) {
    ret->token = take_token (query + 1);
    *query = 0;
  }
  size_t n = strlen (bare);
  while (n > 0 && bare[n - 1] == '/')
    bare[--n] = 0;
  ret->url = g_strdup_printf ("%.*s%s", (int)n_prefix, url, bare);
  ret->path = g_uri_unescape_string (*bare == '/' ? bare + 1 : bare, NULL);
  return ret->path && g_utf8_validate (ret->path, -1, NULL);
}

void
request_free (RtspRequest *request)
{
  if (!request)
    return;
  rtsp_message_free (request->message);
  g_free (request->url);
  g_free (request->path);
  g_free (request->control);
  g_free (request->token);
  g_free (request);
}

/* --- answers -----------------------------------------------------------------------------------------------
 */

void
request_answer (RtspConnection *c, RtspMessage *response)
{
  RtspRequest *request = g_steal_pointer (&c->request);
  rtsp_message_addf (response, "CSeq", "%u", request->cseq);
  rtsp_message_add (response, "Server", RTSP_SERVER_NAME);
  /* The id is a secret: whoever named a wrong one does not learn it. */
  if (c->session && response->status != 454)
    rtsp_message_addf (response, "Session", "%s;timeout=%u", c->session->id,
                       (unsigned)(c->settings->rtsp_session_timeout_ms / 1000));
  LOG (LOG_RTSP, LOG_DEBUG, "request", (&(LogFields){.stream = request->path, .peer = c->peer}), "%s: %u %s",
       request->message->method, response->status, response->reason);
  GBytes *bytes = rtsp_message_serialize (response);
  rtsp_message_free (response);
  request_free (request);
  connection_answer (c, bytes);
}

void
request_answer_status (RtspConnection *c, unsigned status, const char *reason)
{
  request_answer (c, rtsp_message_new_response (status, reason));
}

void
request_answer_error (RtspConnection *c, const GError *error)
{
  unsigned status = sluice_error_rtsp_status (error);
  RtspMessage *response = rtsp_message_new_response (status, NULL);
  rtsp_message_set_body (response, "text/plain", error->message, -1);
  request_answer (c, response);
}

void
request_wait (RtspConnection *c)
{
  c->busy = true;
}

/* --- methods -----------------------------------------------------------------------------------------------
 */

static void
options (RtspConnection *c)
{
  RtspMessage *response = rtsp_message_new_response (200, NULL);
  rtsp_message_add (response, "Public", PUBLIC_METHODS);
  request_answer (c, response);
}

static void
describe (RtspConnection *c)
{
  permit (c, ACTION_READ, play_describe);
}

static void
announce (RtspConnection *c)
{
  permit (c, ACTION_PUBLISH, publish_announce);
}

static void
setup (RtspConnection *c)
{
  if (c->session && c->session->publishing)
    publish_setup (c);
  else
    permit (c, ACTION_READ, play_setup);
}

/* Aggregate control (RFC 2326 §10.5 and on): of a session with several tracks only all together. */
static bool
check_aggregate (RtspConnection *c)
{
  unsigned n_setup = 0;
  for (unsigned i = 0; i < c->session->n_tracks; i++)
    n_setup += c->session->tracks[i].setup;
  if (c->request->track < 0 || n_setup <= 1)
    return true;
  request_answer_status (c, 460, NULL);
  return false;
}

static void
play (RtspConnection *c)
{
  if (check_aggregate (c))
    play_play (c);
}

static void
pause_session (RtspConnection *c)
{
  if (check_aggregate (c))
    play_pause (c);
}

static void
teardown (RtspConnection *c)
{
  if (!check_aggregate (c))
    return;
  RtspSession *session = g_steal_pointer (&c->session);
  session_free (session, NULL, NULL);
  request_answer_status (c, 200, NULL);
}

/* Empty ones keep a session alive; we have no parameters. */
static void
parameters (RtspConnection *c)
{
  GBytes *body = c->request->message->body;
  if (!body) {
    request_answer_status (c, 200, NULL);
    return;
  }
  RtspMessage *response = rtsp_message_new_response (451, NULL);
  rtsp_message_set_body (response, "text/parameters", g_bytes_get_data (body, NULL),
                         (gssize)g_bytes_get_size (body));
  request_answer (c, response);
}

enum { IN_INIT = 1, IN_READY = 2, IN_PLAYING = 4, IN_RECORDING = 8, IN_ANY = 15 };
typedef enum { SESSION_UNUSED, SESSION_OPTIONAL, SESSION_NEEDED } SessionNeed;

static const struct {
  const char *method;
  RequestFunc func;
  unsigned states;
  SessionNeed session;
  bool needs_path;
} methods[] = {
    {"OPTIONS", options, IN_ANY, SESSION_OPTIONAL, false},
    {"DESCRIBE", describe, IN_ANY, SESSION_OPTIONAL, true},
    {"ANNOUNCE", announce, IN_INIT, SESSION_UNUSED, true},
    {"SETUP", setup, IN_INIT | IN_READY, SESSION_OPTIONAL, true},
    {"PLAY", play, IN_READY | IN_PLAYING, SESSION_NEEDED, true},
    {"PAUSE", pause_session, IN_READY | IN_PLAYING | IN_RECORDING, SESSION_NEEDED, true},
    {"RECORD", publish_record, IN_READY, SESSION_NEEDED, true},
    {"TEARDOWN", teardown, IN_ANY, SESSION_NEEDED, true},
    {"GET_PARAMETER", parameters, IN_ANY, SESSION_OPTIONAL, false},
    {"SET_PARAMETER", parameters, IN_ANY, SESSION_OPTIONAL, false},
};

static unsigned
state_of (const RtspConnection *c)
{
  return c->session ? IN_READY << c->session->state : IN_INIT;
}

static void
answer_wrong_state (RtspConnection *c)
{
  g_autoptr (GString) allowed = g_string_new (NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (methods); i++)
    if (methods[i].states & state_of (c))
      g_string_append_printf (allowed, "%s%s", allowed->len ? ", " : "", methods[i].method);
  RtspMessage *response = rtsp_message_new_response (455, NULL);
  rtsp_message_add (response, "Allow", allowed->str);
  request_answer (c, response);
}

/* A session id is only good on the connection that made it. Constant time, since it is a secret. */
static bool
is_our_session (const RtspConnection *c, const char *value)
{
  RtspSessionHeader header;
  if (!c->session || !rtsp_session_parse (value, &header))
    return false;
  unsigned difference = strlen (header.id) != strlen (c->session->id);
  for (unsigned i = 0; i < sizeof c->session->id && !difference; i++)
    difference |= (unsigned)(header.id[i] ^ c->session->id[i]);
  return difference == 0;
}

static bool
check_session (RtspConnection *c, SessionNeed need)
{
  const char *value = rtsp_message_get (c->request->message, "Session");
  if (value ? is_our_session (c, value) : need != SESSION_NEEDED)
    return true;
  request_answer_status (c, 454, NULL);
  return false;
}

static bool
check_required_options (RtspConnection *c)
{
  g_autoptr (GString) unsupported = g_string_new (NULL);
  static const char *const names[] = {"Require", "Proxy-Require"};
  for (unsigned i = 0; i < G_N_ELEMENTS (names); i++) {
    const char *value = rtsp_message_get (c->request->message, names[i]);
    if (value)
      g_string_append_printf (unsupported, "%s%s", unsupported->len ? ", " : "", value);
  }
  if (unsupported->len == 0)
    return true;
  RtspMessage *response = rtsp_message_new_response (551, NULL);
  rtsp_message_add (response, "Unsupported", unsupported->str);
  request_answer (c, response);
  return false;
}

static void
dispatch (RtspConnection *c)
{
  const RtspMessage *message = c->request->message;
  for (unsigned i = 0; i < G_N_ELEMENTS (methods); i++) {
    if (strcmp (message->method, methods[i].method) != 0)
      continue;
    if (!check_session (c, methods[i].session))
      return;
    if (!(methods[i].states & state_of (c))) {
      answer_wrong_state (c);
    } else if (methods[i].needs_path && !c->request->path) {
      /* RFC 2326 §10: "*" is for the server as a whole. */
      RtspMessage *response = rtsp_message_new_response (405, NULL);
      rtsp_message_add (response, "Allow", "OPTIONS, GET_PARAMETER, SET_PARAMETER");
      request_answer (c, response);
    } else {
      methods[i].func (c);
    }
    return;
  }
  RtspMessage *response = rtsp_message_new_response (501, NULL);
  rtsp_message_add (response, "Public", PUBLIC_METHODS);
  request_answer (c, response);
}

void
request_handle (RtspConnection *c, RtspMessage *message)
{
  atomic_fetch_add_explicit (&c->server->requests, 1, memory_order_relaxed);
  if (!message->method) {
    /* An answer to nothing that we asked. */
    rtsp_message_free (message);
    return;
  }
  RtspRequest *request = c->request = g_new0 (RtspRequest, 1);
  request->message = message;
  const char *user_agent = rtsp_message_get (message, "User-Agent");
  if (user_agent && !c->user_agent) {
    g_autofree char *start = g_strndup (user_agent, 256);
    c->user_agent = g_utf8_make_valid (start, -1);
  }
  if (c->session)
    c->session->life_us = loop_now_us ();
  if (!rtsp_message_get_cseq (message, &request->cseq)) {
    request_answer_status (c, 400, "Bad Request: CSeq");
    return;
  }
  if (!url_to_path (message->uri, request)) {
    request_answer_status (c, 400, "Bad Request: URL");
    return;
  }
  if (check_required_options (c))
    dispatch (c);
}
