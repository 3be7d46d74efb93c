/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer. libmicrohttpd calls http_exchange_data() again and again; the stage says what
 * has been done. Everything that can be refused by the header is refused there, before a byte of the body is
 * read:
 *
 *   HEAD -> (AUTH) -> BODY -> WAITING -> ANSWERED
 *
 * In AUTH and WAITING the connection is suspended; the control loop resumes it. Two references:
 * libmicrohttpd's, given back in http_exchange_completed(), and that of whoever has to answer. */
#include "base/error.h"
#include "base/log.h"
#include "http/guard.h"
#include "http/server_private.h"

#include <string.h>

enum {
  CREDENTIALS_BYTES_MAX = 1024,
  /* A chunked body that grew too large is read on and thrown away for so many times the limit, so that the
   * client gets to see the answer; then the connection is cut. */
  DISCARD_FACTOR = 4,
};

typedef enum { STAGE_HEAD, STAGE_AUTH, STAGE_BODY, STAGE_WAITING, STAGE_ANSWERED } Stage;

struct HttpCall {
  gatomicrefcount ref;
  HttpServer *server;
  struct MHD_Connection *mhd;
  HttpConnection *connection;
  Settings *settings;

  char *method;
  HttpTarget target;
  GError *target_error;
  HttpMatch match;
  GHashTable *headers; /* lower-case name -> value; from the first look at the header on */
  GByteArray *collected;
  GBytes *body;
  uint64_t discarded;

  Stage stage; /* HTTP thread */

  /* Server lock */
  bool suspended;
  GList waiting_link;
  HttpResponse *response;
  AuthResult auth;
  bool auth_done;

  char *user;
  char *auth_user, *auth_password, *auth_bearer; /* as sent */
  HttpPush *push;
  Websocket *websocket;
};

static HttpCall *
ref_call (HttpCall *call)
{
  g_atomic_ref_count_inc (&call->ref);
  return call;
}

static void
unref_call (HttpCall *call)
{
  if (!g_atomic_ref_count_dec (&call->ref))
    return;
  g_free (call->method);
  http_target_clear (&call->target);
  g_clear_error (&call->target_error);
  g_clear_pointer (&call->headers, g_hash_table_unref);
  if (call->collected)
    g_byte_array_unref (call->collected);
  g_clear_pointer (&call->body, g_bytes_unref);
  http_response_free (call->response);
  g_free (call->user);
  g_free (call->auth_user);
  g_free (call->auth_password);
  g_free (call->auth_bearer);
  http_push_unref (call->push);
  websocket_unref (call->websocket);
  settings_unref (call->settings);
  http_server_unref (call->server);
  g_free (call);
}

/* --- suspending
 * ---------------------------------------------------------------------------------------------- */

/* False when the server stops: then nothing may be suspended any more. */
static bool
suspend_call (HttpCall *call, Stage stage)
{
  HttpServer *server = call->server;
  g_mutex_lock (&server->lock);
  bool ok = !server->stopping;
  if (ok) {
    call->stage = stage;
    call->suspended = true;
    call->waiting_link.data = call;
    g_queue_push_tail_link (&server->waiting, &call->waiting_link);
    ref_call (call);
    MHD_suspend_connection (call->mhd);
  }
  g_mutex_unlock (&server->lock);
  return ok;
}

/* Server lock held. */
static void
resume_call (HttpCall *call)
{
  call->suspended = false;
  g_queue_unlink (&call->server->waiting, &call->waiting_link);
  MHD_resume_connection (call->mhd);
}

void
http_exchange_abort (HttpCall *call)
{
  call->response = http_response_new_error (503, "UNAVAILABLE", NULL, "the server is stopping");
  resume_call (call);
}

/* --- answers, HTTP thread
 * ------------------------------------------------------------------------------------ */

static const char *
find_header (HttpCall *call, const char *name)
{
  return MHD_lookup_connection_value (call->mhd, MHD_HEADER_KIND, name);
}

static void
add_common_headers (HttpCall *call, struct MHD_Response *response)
{
  MHD_add_response_header (response, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header (response, "Cache-Control", "no-store");
  const char *origin = find_header (call, "Origin");
  const char *allowed = origin ? http_guard_cors_origin (origin, call->settings->http_cors_origins) : NULL;
  if (call->settings->http_cors_origins && *call->settings->http_cors_origins)
    MHD_add_response_header (response, "Vary", "Origin");
  if (allowed) {
    MHD_add_response_header (response, "Access-Control-Allow-Origin", allowed);
    MHD_add_response_header (response, "Access-Control-Expose-Headers",
                             "Location, WWW-Authenticate, Retry-After");
  }
}

static void
count_request (HttpCall *call, unsigned status)
{
  __atomic_add_fetch (&call->server->requests[MIN (status / 100, 5)], 1, __ATOMIC_RELAXED);
  if (!log_enabled (LOG_HTTP, LOG_DEBUG))
    return;
  g_autofree char *peer = call->connection ? net_address_to_string (&call->connection->peer) : NULL;
  LOG (LOG_HTTP, LOG_DEBUG, "http-request", (&(LogFields){.peer = peer}), "%s %s: %u", call->method,
       call->target.path ? call->target.path : "?", status);
}

static enum MHD_Result
queue_response (HttpCall *call, unsigned status, struct MHD_Response *response)
{
  if (!response)
    return MHD_NO;
  add_common_headers (call, response);
  count_request (call, status);
  call->stage = STAGE_ANSWERED;
  http_connection_set_deadline (call->connection, 0);
  enum MHD_Result result = MHD_queue_response (call->mhd, status, response);
  MHD_destroy_response (response);
  return result;
}

static void
free_body (void *body)
{
  g_bytes_unref (body);
}

/* @answer: taken over. */
static enum MHD_Result
answer (HttpCall *call, HttpResponse *plain)
{
  g_autoptr (HttpResponse) response = plain;
  gsize n_body = 0;
  const void *body = response->body ? g_bytes_get_data (response->body, &n_body) : NULL;
  struct MHD_Response *mhd = n_body ? MHD_create_response_from_buffer_with_free_callback_cls (
                                          n_body, (void *)body, free_body, g_bytes_ref (response->body))
                                    : MHD_create_response_from_buffer (0, (void *)"", MHD_RESPMEM_PERSISTENT);
  if (!mhd)
    return MHD_NO;
  if (response->content_type)
    MHD_add_response_header (mhd, "Content-Type", response->content_type);
  for (unsigned i = 0; i + 1 < response->headers->len; i += 2)
    MHD_add_response_header (mhd, response->headers->pdata[i], response->headers->pdata[i + 1]);
  return queue_response (call, response->status, mhd);
}

static void
on_upgraded (void *data, struct MHD_Connection *mhd, void *connection_context, const char *extra,
             size_t n_extra, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
  HttpCall *call = data;
  websocket_open (call->websocket, fd, handle, extra, n_extra);
}

static enum MHD_Result
answer_websocket (HttpCall *call)
{
  struct MHD_Response *response = MHD_create_response_for_upgrade (on_upgraded, call);
  if (!response)
    return MHD_NO;
  g_autofree char *accept = websocket_accept_key (http_call_header (call, "sec-websocket-key"));
  MHD_add_response_header (response, "Upgrade", "websocket");
  MHD_add_response_header (response, "Sec-WebSocket-Accept", accept);
  return queue_response (call, MHD_HTTP_SWITCHING_PROTOCOLS, response);
}

static enum MHD_Result
answer_push (HttpCall *call)
{
  HttpPush *push = http_push_ref (call->push); /* the response's */
  struct MHD_Response *response = http_push_make_response (push, call->mhd);
  if (!response) {
    http_push_drop (push);
    return MHD_NO;
  }
  MHD_add_response_header (response, "Content-Type", http_push_content_type (push));
  /* Proxies must not collect events before they pass them on. */
  MHD_add_response_header (response, "X-Accel-Buffering", "no");
  return queue_response (call, 200, response);
}

/* --- the header
 * ---------------------------------------------------------------------------------------------- */

static enum MHD_Result
answer_preflight (HttpCall *call)
{
  g_autoptr (HttpResponse) response = http_response_new (204);
  http_response_add_header (response, "Allow", call->match.allow);
  const char *origin = find_header (call, "Origin");
  if (origin && http_guard_cors_origin (origin, call->settings->http_cors_origins)) {
    http_response_add_header (response, "Access-Control-Allow-Methods", call->match.allow);
    http_response_add_header (response, "Access-Control-Allow-Headers",
                              "Authorization, Content-Type, Last-Event-ID");
    http_response_add_header (response, "Access-Control-Max-Age", "600");
  }
  return answer (call, g_steal_pointer (&response));
}

/* NULL: nothing to refuse. */
static HttpResponse *
check_browser (HttpCall *call)
{
  const char *host = find_header (call, "Host");
  const char *origin = find_header (call, "Origin");
  bool reads = strcmp (call->method, "GET") == 0 || strcmp (call->method, "HEAD") == 0;
  bool upgrades = (call->match.route->flags & HTTP_ROUTE_WEBSOCKET) && find_header (call, "Upgrade");
  if (origin && (!reads || upgrades) &&
      !http_guard_origin_allowed (origin, host, call->server->tls, call->settings->http_cors_origins))
    return http_response_new_error (403, "CROSS_ORIGIN", NULL,
                                    "requests of pages from another origin are refused; add the origin to "
                                    "http.cors_origins to allow them");
  if (call->match.route->action && host && !settings_has_access_rules (call->settings) &&
      !http_guard_host_is_literal (host))
    return http_response_new_error (
        403, "HOST_REFUSED", NULL,
        "while no user, token or anonymous permission is configured, the server answers "
        "only to localhost and IP addresses, not to names");
  return NULL;
}

static HttpResponse *
check_size (HttpCall *call)
{
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info (call->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  if (info && (int64_t)info->header_size > call->settings->http_header_bytes)
    return http_response_new_error (431, "HEADER_TOO_LARGE", NULL,
                                    "the header is larger than %" G_GINT64_FORMAT
                                    " bytes (http.header_bytes)",
                                    call->settings->http_header_bytes);
  if (!call->target_error)
    return NULL;
  bool too_long = g_error_matches (call->target_error, SLUICE_ERROR, SLUICE_ERROR_LIMIT);
  return http_response_new_error (too_long ? 414 : 400, too_long ? "URI_TOO_LONG" : "BAD_REQUEST", NULL, "%s",
                                  call->target_error->message);
}

static HttpResponse *
make_too_large (HttpCall *call)
{
  return http_response_new_error (413, "BODY_TOO_LARGE", NULL,
                                  "the body is larger than %" G_GINT64_FORMAT " bytes (http.body_bytes)",
                                  call->settings->http_body_bytes);
}

static HttpResponse *
check_body_size (HttpCall *call)
{
  const char *length = find_header (call, "Content-Length");
  uint64_t n = 0;
  if (length && (!g_ascii_string_to_unsigned (length, 10, 0, G_MAXINT64, &n, NULL) ||
                 n > (uint64_t)call->settings->http_body_bytes))
    return make_too_large (call);
  return NULL;
}

static HttpResponse *
check_route (HttpCall *call)
{
  if (call->match.route)
    return NULL;
  if (!*call->match.allow)
    return http_response_new_error (404, "NOT_FOUND", NULL, "there is nothing at this path");
  HttpResponse *response = http_response_new_error (
      405, "METHOD_NOT_ALLOWED", NULL, "this path does not take this method; it takes %s", call->match.allow);
  http_response_add_header (response, "Allow", call->match.allow);
  return response;
}

static enum MHD_Result
copy_header (void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
  GHashTable *headers = data;
  g_autofree char *lower = g_ascii_strdown (name, -1);
  const char *before = g_hash_table_lookup (headers, lower);
  char *joined = before ? g_strconcat (before, ", ", value, NULL) : g_strdup (value ? value : "");
  g_hash_table_replace (headers, g_steal_pointer (&lower), joined);
  return MHD_YES;
}

/* --- access
 * -------------------------------------------------------------------------------------------------- */

static void
read_basic (HttpCall *call, const char *encoded)
{
  gsize n = 0;
  g_autofree guchar *bytes = strlen (encoded) <= CREDENTIALS_BYTES_MAX ? g_base64_decode (encoded, &n) : NULL;
  if (!bytes || memchr (bytes, '\0', n))
    return;
  g_autofree char *text = g_strndup ((const char *)bytes, n);
  char *colon = strchr (text, ':');
  if (!colon || !g_utf8_validate (text, -1, NULL))
    return;
  call->auth_user = g_strndup (text, (gsize)(colon - text));
  call->auth_password = g_strdup (colon + 1);
}

static void
read_credentials (HttpCall *call)
{
  const char *header = http_call_header (call, "authorization");
  const char *token = http_call_query (call, "token");
  if (header && g_ascii_strncasecmp (header, "Basic ", 6) == 0)
    read_basic (call, header + 6 + strspn (header + 6, " "));
  else if (header && g_ascii_strncasecmp (header, "Bearer ", 7) == 0)
    call->auth_bearer = g_strdup (header + 7 + strspn (header + 7, " "));
  else if (token && *token)
    call->auth_bearer = g_strdup (token);
}

static AuthRequest
make_auth_request (const HttpCall *call)
{
  return (AuthRequest){
      .peer = &call->connection->peer,
      .action = call->match.route->action,
      .path = http_call_parameter (call, "id"),
      .user = call->auth_user,
      .password = call->auth_password,
      .bearer = call->auth_bearer,
  };
}

static HttpResponse *
make_refusal (AuthResult result)
{
  HttpResponse *response = NULL;
  switch (result) {
  case AUTH_ALLOWED:
    return NULL;
  case AUTH_UNAUTHENTICATED:
  case AUTH_STALE:
    response = http_response_new_error (401, "UNAUTHORIZED", NULL, "credentials are missing or wrong");
    http_response_add_header (response, "WWW-Authenticate", "Basic realm=\"sluice\", charset=\"UTF-8\"");
    http_response_add_header (response, "WWW-Authenticate", "Bearer realm=\"sluice\"");
    return response;
  case AUTH_FORBIDDEN:
    return http_response_new_error (403, "FORBIDDEN", NULL, "these credentials do not permit this");
  case AUTH_LOOPBACK_ONLY:
    return http_response_new_error (403, "LOOPBACK_ONLY", NULL, "%s", auth_loopback_only_message ());
  case AUTH_THROTTLED:
    break;
  }
  response =
      http_response_new_error (429, "THROTTLED", NULL, "too many wrong passwords; try again in a minute");
  http_response_add_header (response, "Retry-After", "60");
  return response;
}

static void
on_auth (void *data, AuthResult result, const char *user)
{
  HttpCall *call = data;
  g_mutex_lock (&call->server->lock);
  if (call->suspended) {
    call->auth = result;
    call->auth_done = true;
    call->user = g_strdup (user);
    resume_call (call);
  }
  g_mutex_unlock (&call->server->lock);
  unref_call (call);
}

static enum MHD_Result
begin_body (HttpCall *call)
{
  call->stage = STAGE_BODY;
  bool expects_body =
      http_call_header (call, "content-length") || http_call_header (call, "transfer-encoding");
  http_connection_set_deadline (call->connection, expects_body ? call->settings->http_body_timeout_ms : 0);
  return MHD_YES;
}

/* The answer of a hash comes later. */
static enum MHD_Result
finish_auth (HttpCall *call)
{
  HttpResponse *refusal = make_refusal (call->auth);
  return refusal ? answer (call, refusal) : begin_body (call);
}

static enum MHD_Result
check_access (HttpCall *call)
{
  if (!call->match.route->action)
    return begin_body (call);
  read_credentials (call);
  const AuthRequest request = make_auth_request (call);
  if (auth_check_now (call->server->auth, &request, &call->auth, &call->user))
    return finish_auth (call);
  http_connection_set_deadline (call->connection, 0);
  if (!suspend_call (call, STAGE_AUTH))
    return MHD_NO;
  auth_check (call->server->auth, &request, call->server->control, NULL, on_auth, call);
  return MHD_YES;
}

static enum MHD_Result
look_at_header (HttpCall *call, const char *method, const char *version)
{
  call->method = g_strdup (method);
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info (call->mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  call->connection = info ? info->socket_context : NULL;
  if (!call->connection)
    return MHD_NO;
  HttpResponse *refusal = check_size (call);
  if (!refusal && strcmp (version, "HTTP/1.1") == 0 && !find_header (call, "Host"))
    refusal = http_response_new_error (400, "BAD_REQUEST", NULL, "the Host header is missing");
  if (refusal)
    return answer (call, refusal);
  router_match (call->server->router, method, &call->target, &call->match);
  if (strcmp (method, "OPTIONS") == 0 && *call->match.allow)
    return answer_preflight (call);
  refusal = check_route (call);
  if (!refusal)
    refusal = check_browser (call);
  if (!refusal)
    refusal = check_body_size (call);
  if (refusal)
    return answer (call, refusal);
  call->headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  MHD_get_connection_values (call->mhd, MHD_HEADER_KIND, copy_header, call->headers);
  return check_access (call);
}

/* --- the body
 * ------------------------------------------------------------------------------------------------ */

static enum MHD_Result
take_body (HttpCall *call, const char *bytes, size_t *n_bytes)
{
  size_t n = *n_bytes;
  *n_bytes = 0;
  uint64_t limit = (uint64_t)call->settings->http_body_bytes;
  if (!call->collected)
    call->collected = g_byte_array_new ();
  if (!call->discarded && call->collected->len + n <= limit) {
    g_byte_array_append (call->collected, (const guint8 *)bytes, (guint)n);
    return MHD_YES;
  }
  call->discarded += n;
  return call->discarded <= DISCARD_FACTOR * limit + call->settings->http_header_bytes ? MHD_YES : MHD_NO;
}

static void
run_handler (void *data)
{
  HttpCall *call = data;
  /* The server may have ended since this was posted, and the app with it. */
  if (http_call_is_waiting (call))
    call->match.route->handler (call);
  else
    unref_call (call);
}

static enum MHD_Result
hand_over (HttpCall *call)
{
  http_connection_set_deadline (call->connection, 0);
  if (call->discarded)
    return answer (call, make_too_large (call));
  call->body = call->collected ? g_byte_array_free_to_bytes (g_steal_pointer (&call->collected))
                               : g_bytes_new_static ("", 0);
  if (!suspend_call (call, STAGE_WAITING))
    return answer (call, http_response_new_error (503, "UNAVAILABLE", NULL, "the server is stopping"));
  loop_post (call->server->control, run_handler, call);
  return MHD_YES;
}

static enum MHD_Result
give_answer (HttpCall *call)
{
  if (call->websocket && !call->response)
    return answer_websocket (call);
  if (call->push && !call->response)
    return answer_push (call);
  return answer (call, g_steal_pointer (&call->response));
}

/* --- libmicrohttpd's callbacks
 * ------------------------------------------------------------------------------- */

void *
http_exchange_begin (void *data, const char *target, struct MHD_Connection *mhd)
{
  HttpServer *server = data;
  HttpCall *call = g_new0 (HttpCall, 1);
  g_atomic_ref_count_init (&call->ref);
  call->server = http_server_ref (server);
  call->mhd = mhd;
  call->settings = http_server_ref_settings (server);
  http_target_parse (target, &call->target, &call->target_error);
  const union MHD_ConnectionInfo *info = MHD_get_connection_info (mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  HttpConnection *connection = info ? info->socket_context : NULL;
  /* A fresh connection's time runs since it was accepted. */
  if (connection && connection->served)
    http_connection_set_deadline (connection, call->settings->http_header_timeout_ms);
  return call;
}

enum MHD_Result
http_exchange_data (void *server, struct MHD_Connection *mhd, const char *url, const char *method,
                    const char *version, const char *bytes, size_t *n_bytes, void **context)
{
  HttpCall *call = *context;
  switch (call->stage) {
  case STAGE_HEAD:
    return look_at_header (call, method, version);
  case STAGE_AUTH:
    return call->auth_done ? finish_auth (call) : give_answer (call);
  case STAGE_BODY:
    return *n_bytes ? take_body (call, bytes, n_bytes) : hand_over (call);
  case STAGE_WAITING:
    return give_answer (call);
  case STAGE_ANSWERED:
    *n_bytes = 0;
    return MHD_YES;
  }
  return MHD_NO;
}

/* May run with a lock of libmicrohttpd held. */
void
http_exchange_completed (void *data, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode why)
{
  HttpServer *server = data;
  HttpCall *call = *context;
  if (!call)
    return;
  *context = NULL;
  if (call->connection) {
    call->connection->served = true;
    http_connection_set_deadline (call->connection, call->settings->http_idle_timeout_ms);
  }
  if (call->websocket || call->push) {
    g_mutex_lock (&server->feeds_lock);
    g_hash_table_remove (server->websockets, call->websocket);
    g_hash_table_remove (server->pushes, call->push);
    g_mutex_unlock (&server->feeds_lock);
  }
  if (call->websocket)
    websocket_abandon (call->websocket);
  if (call->push && call->stage != STAGE_ANSWERED)
    http_push_drop (http_push_ref (call->push));
  unref_call (call);
}

/* --- for handlers
 * -------------------------------------------------------------------------------------------- */

void *
http_call_app (HttpCall *call)
{
  return call->server->app;
}

const char *
http_call_method (const HttpCall *call)
{
  return call->method;
}

const HttpTarget *
http_call_target (const HttpCall *call)
{
  return &call->target;
}

const char *
http_call_parameter (const HttpCall *call, const char *name)
{
  return http_match_parameter (&call->match, name);
}

const char *
http_call_query (const HttpCall *call, const char *name)
{
  return http_target_parameter (&call->target, name);
}

const char *
http_call_header (const HttpCall *call, const char *name)
{
  return g_hash_table_lookup (call->headers, name);
}

GBytes *
http_call_body (const HttpCall *call)
{
  return call->body;
}

const char *
http_call_user (const HttpCall *call)
{
  return call->user;
}

const NetAddress *
http_call_peer (const HttpCall *call)
{
  return &call->connection->peer;
}

void
http_call_respond (HttpCall *call, HttpResponse *response)
{
  g_mutex_lock (&call->server->lock);
  if (call->suspended) {
    call->response = response;
    resume_call (call);
    response = NULL;
  }
  g_mutex_unlock (&call->server->lock);
  http_response_free (response);
  unref_call (call);
}

bool
http_call_is_waiting (HttpCall *call)
{
  g_mutex_lock (&call->server->lock);
  bool waiting = call->suspended;
  g_mutex_unlock (&call->server->lock);
  return waiting;
}

bool
http_call_wants_websocket (const HttpCall *call)
{
  const char *upgrade = http_call_header (call, "upgrade");
  return upgrade && g_ascii_strcasecmp (upgrade, "websocket") == 0;
}

static HttpResponse *
check_handshake (const HttpCall *call)
{
  const char *version = http_call_header (call, "sec-websocket-version");
  const char *key = http_call_header (call, "sec-websocket-key");
  if (!version || strcmp (version, "13") != 0) {
    HttpResponse *response =
        http_response_new_error (426, "UPGRADE_REQUIRED", NULL, "WebSocket version 13 is wanted");
    http_response_add_header (response, "Sec-WebSocket-Version", "13");
    return response;
  }
  if (!key || strlen (key) != 24 || strcmp (call->method, "GET") != 0)
    return http_response_new_error (400, "BAD_REQUEST", NULL, "not a WebSocket handshake");
  return NULL;
}

Websocket *
http_call_accept_websocket (HttpCall *call, const WebsocketOps *ops, void *data)
{
  HttpServer *server = call->server;
  HttpResponse *refusal = check_handshake (call);
  if (refusal) {
    http_call_respond (call, refusal);
    return NULL;
  }
  Websocket *websocket = websocket_new (loop_pool_next (server->pool), server->control, ops, data);
  g_mutex_lock (&server->lock);
  bool resumed = call->suspended;
  if (resumed) {
    call->websocket = websocket_ref (websocket);
    g_mutex_lock (&server->feeds_lock);
    g_hash_table_add (server->websockets, websocket);
    g_mutex_unlock (&server->feeds_lock);
    resume_call (call);
  }
  g_mutex_unlock (&server->lock);
  if (!resumed)
    websocket_abandon (websocket);
  unref_call (call);
  return websocket;
}

HttpPush *
http_call_start_push (HttpCall *call, const char *content_type, size_t max_queued_bytes, LoopFunc on_gone,
                      void *data)
{
  HttpServer *server = call->server;
  HttpPush *push = http_push_new (server->control, content_type, max_queued_bytes, on_gone, data);
  g_mutex_lock (&server->lock);
  bool resumed = call->suspended;
  if (resumed) {
    call->push = http_push_ref (push);
    g_mutex_lock (&server->feeds_lock);
    g_hash_table_add (server->pushes, push);
    g_mutex_unlock (&server->feeds_lock);
    resume_call (call);
  }
  g_mutex_unlock (&server->lock);
  if (!resumed)
    http_push_drop (http_push_ref (push));
  unref_call (call);
  return push;
}
