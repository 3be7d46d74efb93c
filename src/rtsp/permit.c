/* SPDX-License-Identifier: Apache-2.0 */
/* Who may: a request's credentials to the decision of auth/, and the challenges and refusals back. What has
 * been allowed once on a connection stays allowed on it for the same stream. */
#include "base/log.h"
#include "rtsp/server-private.h"

#include <string.h>

static char **
allowed_path (RtspConnection *c, SettingsAction action)
{
  return &c->allowed[action == ACTION_PUBLISH];
}

static bool
offers (const Settings *settings, const char *method)
{
  return settings->rtsp_auth_methods &&
         g_strv_contains ((const char *const *)settings->rtsp_auth_methods, method);
}

static void
add_challenge (RtspMessage *response, const AuthChallenge *challenge)
{
  g_autofree char *value = auth_challenge_to_string (challenge);
  rtsp_message_add (response, "WWW-Authenticate", value);
}

static void
challenge (RtspConnection *c, bool stale)
{
  RtspMessage *response = rtsp_message_new_response (401, NULL);
  AuthChallenge ask = {.realm = (char *)RTSP_REALM};
  if (offers (c->settings, "digest") && auth_can_digest (c->server->auth)) {
    g_autofree char *nonce = auth_make_nonce (c->server->auth);
    ask.scheme = AUTH_SCHEME_DIGEST;
    ask.nonce = nonce;
    ask.stale = stale;
    /* Clients that know MD5 only take the last Digest challenge or the first they understand. */
    ask.algorithm = (char *)"SHA-256";
    ask.qop_auth = true;
    add_challenge (response, &ask);
    ask.algorithm = NULL;
    ask.qop_auth = false;
    add_challenge (response, &ask);
  }
  if (offers (c->settings, "basic")) {
    ask.scheme = AUTH_SCHEME_BASIC;
    add_challenge (response, &ask);
  }
  request_answer (c, response);
}

static void
refuse (RtspConnection *c, const char *reason)
{
  RtspMessage *response = rtsp_message_new_response (403, reason);
  rtsp_message_set_body (response, "text/plain", reason, -1);
  request_answer (c, response);
}

static void
act_on (RtspConnection *c, SettingsAction action, RequestFunc next, AuthResult result, const char *user)
{
  bool tried = rtsp_message_get (c->request->message, "Authorization") || c->request->token;
  if (result != AUTH_ALLOWED && (tried || result != AUTH_UNAUTHENTICATED)) {
    atomic_fetch_add (&c->server->auth_failures, 1);
    LOG (LOG_RTSP, LOG_INFO, "auth-refused", (&(LogFields){.stream = c->request->path, .peer = c->peer}),
         "%s refused: %s", c->request->message->method,
         result == AUTH_UNAUTHENTICATED ? "wrong credentials" : "no permission");
  }
  switch (result) {
  case AUTH_ALLOWED: {
    char **path = allowed_path (c, action);
    g_free (*path);
    *path = g_strdup (c->request->path);
    g_free (c->user);
    c->user = g_strdup (user);
    next (c);
    break;
  }
  case AUTH_UNAUTHENTICATED:
    challenge (c, false);
    break;
  case AUTH_STALE:
    challenge (c, true);
    break;
  case AUTH_FORBIDDEN:
    refuse (c, "no permission for this stream");
    break;
  case AUTH_LOOPBACK_ONLY:
    refuse (c, auth_loopback_only_message ());
    break;
  case AUTH_THROTTLED:
    refuse (c, "too many wrong passwords; try again later");
    break;
  }
}

static void
on_checked (void *data, AuthResult result, const char *user)
{
  RtspConnection *c = data;
  act_on (c, c->request->action, c->request->next, result, user);
}

/* The URI inside a Digest is what the response was computed over: it must mean the same stream. */
static bool
digest_is_for (const AuthCredentials *credentials, const char *path)
{
  RtspRequest inner = {0};
  bool same = url_to_path (credentials->uri, &inner) && inner.path && strcmp (inner.path, path) == 0;
  g_free (inner.url);
  g_free (inner.path);
  g_free (inner.control);
  g_free (inner.token);
  return same;
}

void
permit (RtspConnection *c, SettingsAction action, RequestFunc next)
{
  const RtspRequest *request = c->request;
  const char *path = *allowed_path (c, action);
  if (path && strcmp (path, request->path) == 0) {
    next (c);
    return;
  }
  g_auto (AuthCredentials) credentials = {0};
  const char *value = rtsp_message_get (request->message, "Authorization");
  if (value && !auth_credentials_parse (value, &credentials)) {
    challenge (c, false);
    return;
  }
  AuthDigest digest = {.username = credentials.username,
                       .realm = credentials.realm,
                       .nonce = credentials.nonce,
                       .uri = credentials.uri,
                       .response = credentials.response,
                       .algorithm = credentials.algorithm,
                       .qop = credentials.qop,
                       .nc = credentials.nc,
                       .cnonce = credentials.cnonce,
                       .opaque = credentials.opaque,
                       .method = request->message->method};
  bool has_digest = credentials.scheme == AUTH_SCHEME_DIGEST;
  if (has_digest && !digest_is_for (&credentials, request->path)) {
    challenge (c, false);
    return;
  }
  AuthRequest question = {.peer = conn_peer (c->conn),
                          .action = action,
                          .path = request->path,
                          .user = credentials.user,
                          .password = credentials.password,
                          .bearer = credentials.token ? credentials.token : request->token,
                          .digest = has_digest ? &digest : NULL};
  AuthResult result;
  g_autofree char *user = NULL;
  if (auth_check_now (c->server->auth, &question, &result, &user)) {
    act_on (c, action, next, result, user);
    return;
  }
  c->request->action = action;
  c->request->next = next;
  request_wait (c);
  auth_check (c->server->auth, &question, c->home->loop, c->cancellable, on_checked, c);
}
