/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners, libmicrohttpd's daemons, the table of connections and the sweep that ends slow ones. */
#include "http/server.h"

#include "base/error.h"
#include "base/log.h"
#include "http/server_private.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  BACKLOG = 1024,
  SWEEP_MS = 250,
  POOL_EXTRA_BYTES = 16 * 1024, /* of a connection: parsed header fields and the answer's header */
};

typedef struct {
  HttpServer *server;
  Loop *loop;
  Listener *listener;
  const NetAddress *wanted;
  const ListenerLimits *limits;
  GError *error;
} HttpListener;

HttpServer *
http_server_ref (HttpServer *server)
{
  g_atomic_ref_count_inc (&server->ref);
  return server;
}

void
http_server_unref (HttpServer *server)
{
  if (!g_atomic_ref_count_dec (&server->ref))
    return;
  g_hash_table_unref (server->pushes);
  g_hash_table_unref (server->websockets);
  settings_unref (server->settings);
  g_mutex_clear (&server->lock);
  g_mutex_clear (&server->feeds_lock);
  g_free (server);
}

Settings *
http_server_ref_settings (HttpServer *server)
{
  g_mutex_lock (&server->lock);
  Settings *settings = settings_ref (server->settings);
  g_mutex_unlock (&server->lock);
  return settings;
}

void
http_connection_set_deadline (HttpConnection *connection, int64_t after_ms)
{
  int64_t deadline_us = after_ms > 0 ? loop_now_us () + after_ms * 1000 : 0;
  __atomic_store_n (&connection->deadline_us, deadline_us, __ATOMIC_RELAXED);
}

/* --- connections
 * --------------------------------------------------------------------------------------------- */

static void
finish_connection (HttpConnection *connection)
{
  listener_connection_closed (connection->listener, &connection->peer);
  listener_unref (connection->listener);
  g_free (connection);
}

/* libmicrohttpd frees some connections without a word when it is out of memory; the next use of their
 * descriptor, or the sweep, tells us. Lock held. */
static void
forget_pending (HttpServer *server, int fd)
{
  HttpConnection *stale = g_hash_table_lookup (server->pending, GINT_TO_POINTER (fd));
  if (!stale)
    return;
  g_hash_table_remove (server->pending, GINT_TO_POINTER (fd));
  finish_connection (stale);
}

static void
on_accepted (void *data, int fd, const NetAddress *peer)
{
  HttpListener *own = data;
  HttpServer *server = own->server;
  HttpConnection *connection = g_new0 (HttpConnection, 1);
  connection->server = server;
  connection->listener = listener_ref (own->listener);
  connection->peer = *peer;
  connection->fd = fd;

  g_mutex_lock (&server->lock);
  bool stopping = server->stopping;
  if (!stopping) {
    forget_pending (server, fd);
    http_connection_set_deadline (connection, server->settings->http_header_timeout_ms);
    g_hash_table_insert (server->pending, GINT_TO_POINTER (fd), connection);
  }
  struct MHD_Daemon *daemon = server->daemons->pdata[server->next_daemon++ % server->daemons->len];
  g_mutex_unlock (&server->lock);
  if (stopping) {
    close (fd);
    finish_connection (connection);
    return;
  }
  if (MHD_add_connection (daemon, fd, &peer->sa, peer->len) == MHD_YES)
    return;
  /* It has closed the descriptor already, and another thread may have been given the number. */
  g_mutex_lock (&server->lock);
  if (g_hash_table_lookup (server->pending, GINT_TO_POINTER (fd)) == connection)
    forget_pending (server, fd);
  g_mutex_unlock (&server->lock);
}

static void
begin_connection (HttpServer *server, struct MHD_Connection *mhd, void **socket_context)
{
  const union MHD_ConnectionInfo *info = MHD_get_connection_info (mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
  g_mutex_lock (&server->lock);
  HttpConnection *connection = g_hash_table_lookup (server->pending, GINT_TO_POINTER (info->connect_fd));
  g_hash_table_remove (server->pending, GINT_TO_POINTER (info->connect_fd));
  if (connection) {
    connection->next = server->connections;
    if (connection->next)
      connection->next->previous = connection;
    server->connections = connection;
  }
  g_mutex_unlock (&server->lock);
  *socket_context = connection;
}

static void
end_connection (HttpServer *server, HttpConnection *connection)
{
  if (!connection)
    return;
  g_mutex_lock (&server->lock);
  if (connection->previous)
    connection->previous->next = connection->next;
  else
    server->connections = connection->next;
  if (connection->next)
    connection->next->previous = connection->previous;
  g_mutex_unlock (&server->lock);
  finish_connection (connection);
}

static void
on_connection_notify (void *data, struct MHD_Connection *mhd, void **socket_context,
                      enum MHD_ConnectionNotificationCode code)
{
  if (code == MHD_CONNECTION_NOTIFY_STARTED)
    begin_connection (data, mhd, socket_context);
  else
    end_connection (data, *socket_context);
}

/* On the sweep's loop. The lock keeps the descriptors open: end_connection() takes it before they are closed.
 */
static void
sweep_connections (void *data)
{
  HttpServer *server = data;
  int64_t now_us = loop_now_us ();
  g_mutex_lock (&server->lock);
  for (HttpConnection *connection = server->connections; connection; connection = connection->next) {
    int64_t deadline_us = __atomic_load_n (&connection->deadline_us, __ATOMIC_RELAXED);
    if (connection->cut || !deadline_us || now_us < deadline_us)
      continue;
    connection->cut = true;
    server->timeouts++;
    shutdown (connection->fd, SHUT_RDWR);
  }
  g_mutex_unlock (&server->lock);
}

/* --- start
 * --------------------------------------------------------------------------------------------------- */

static void
start_listener (void *data)
{
  HttpListener *own = data;
  own->listener = listener_new (own->loop, own->wanted, own->limits, on_accepted, own, &own->error);
}

static void
stop_listener (void *data)
{
  listener_close (((HttpListener *)data)->listener);
}

static bool
add_listener (HttpServer *server, const char *text, GError **error)
{
  NetAddress address;
  if (!net_address_parse (text, &address, error)) {
    g_prefix_error (error, "http.listen: ");
    return false;
  }
  const ListenerLimits limits = {
      .max_connections = (unsigned)server->settings->http_max_connections,
      .max_connections_per_address = (unsigned)server->settings->http_max_connections_per_address,
      .backlog = BACKLOG,
  };
  HttpListener *own = g_new0 (HttpListener, 1);
  *own = (HttpListener){
      .server = server, .loop = loop_pool_next (server->pool), .wanted = &address, .limits = &limits};
  loop_call (own->loop, start_listener, own);
  if (!own->listener) {
    g_propagate_prefixed_error (error, own->error, "http.listen: ");
    g_free (own);
    return false;
  }
  g_ptr_array_add (server->listeners, own);
  return true;
}

static void
on_log (void *data, const char *format, va_list args)
{
  if (!log_enabled (LOG_HTTP, LOG_DEBUG))
    return;
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS
  g_autofree char *text = g_strdup_vprintf (format, args);
  G_GNUC_END_IGNORE_DEPRECATIONS
  LOG (LOG_HTTP, LOG_DEBUG, "http-library", NULL, "%s", g_strchomp (text));
}

/* Escapes are ours to decode, piece by piece. */
static size_t
keep_escapes (void *data, struct MHD_Connection *mhd, char *text)
{
  return strlen (text);
}

static bool
add_daemon (HttpServer *server, const char *certificate, const char *key, GError **error)
{
  const Settings *settings = server->settings;
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
                   MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG |
                   (server->tls ? MHD_USE_TLS : 0);
  /* The logger first: later options may already complain. */
  struct MHD_OptionItem options[] = {
      {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_log, server},
      {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_exchange_begin, server},
      {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
      {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_exchange_completed, server},
      {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection_notify, server},
      /* Room for a header above our own limit, so that the answer to it is ours. */
      {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)(2 * settings->http_header_bytes + POOL_EXTRA_BYTES),
       NULL},
      /* The listeners keep the limit. */
      {MHD_OPTION_CONNECTION_LIMIT, G_MAXINT, NULL},
      {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)MAX (1, (settings->http_idle_timeout_ms + 999) / 1000), NULL},
      {server->tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, (void *)certificate},
      {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)key},
      {MHD_OPTION_END, 0, NULL},
  };
  struct MHD_Daemon *daemon = MHD_start_daemon (flags, 0, NULL, NULL, http_exchange_data, server,
                                                MHD_OPTION_ARRAY, options, MHD_OPTION_END);
  if (!daemon) {
    g_set_error (
        error, SLUICE_ERROR, SLUICE_ERROR_IO, "cannot start the HTTP server%s",
        server->tls ? ": check that http.tls_certificate and http.tls_key hold PEM and belong together" : "");
    return false;
  }
  g_ptr_array_add (server->daemons, daemon);
  return true;
}

static bool
start_daemons (HttpServer *server, GError **error)
{
  const Settings *settings = server->settings;
  g_autofree char *certificate = NULL;
  g_autofree char *key = NULL;
  server->tls = settings->http_tls_certificate && *settings->http_tls_certificate;
  if (server->tls && MHD_is_feature_supported (MHD_FEATURE_TLS) != MHD_YES) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED,
                 "http.tls_certificate: this libmicrohttpd was built without TLS");
    return false;
  }
  if (server->tls &&
      (!g_file_get_contents (settings->http_tls_certificate, &certificate, NULL, error) ||
       !g_file_get_contents (settings->http_tls_key ? settings->http_tls_key : "", &key, NULL, error))) {
    g_prefix_error (error, "http.tls_certificate, http.tls_key: ");
    return false;
  }
  unsigned n = settings->http_threads > 0 ? (unsigned)settings->http_threads : g_get_num_processors ();
  bool ok = true;
  for (unsigned i = 0; ok && i < n; i++)
    ok = add_daemon (server, certificate, key, error);
  if (key)
    explicit_bzero (key, strlen (key));
  return ok;
}

static void
start_sweep (void *data)
{
  HttpServer *server = data;
  server->sweep = loop_timer_new (server->sweep_loop, sweep_connections, server);
  loop_timer_start (server->sweep, SWEEP_MS, SWEEP_MS);
}

static void
stop_sweep (void *data)
{
  loop_timer_free (((HttpServer *)data)->sweep);
}

HttpServer *
http_server_new (const HttpServerOptions *options, GError **error)
{
  g_autoptr (HttpServer) server = g_new0 (HttpServer, 1);
  g_atomic_ref_count_init (&server->ref);
  server->control = options->control;
  server->pool = options->pool;
  server->auth = options->auth;
  server->router = options->router;
  server->app = options->app;
  server->settings = settings_ref (options->settings);
  server->listeners = g_ptr_array_new_with_free_func (g_free);
  server->daemons = g_ptr_array_new ();
  server->pending = g_hash_table_new (NULL, NULL);
  server->pushes = g_hash_table_new (NULL, NULL);
  server->websockets = g_hash_table_new (NULL, NULL);
  g_mutex_init (&server->lock);
  g_mutex_init (&server->feeds_lock);
  g_queue_init (&server->waiting);

  if (!start_daemons (server, error))
    return NULL;
  server->sweep_loop = loop_pool_next (server->pool);
  loop_call (server->sweep_loop, start_sweep, server);
  for (char **listen = server->settings->http_listen; listen && *listen; listen++)
    if (!add_listener (server, *listen, error))
      return NULL;
  return g_steal_pointer (&server);
}

/* --- end
 * ----------------------------------------------------------------------------------------------------- */

static void
drop_websocket (void *data)
{
  websocket_drop (data);
}

static void
do_nothing (void *data)
{
}

static void
end_feeds (HttpServer *server)
{
  g_mutex_lock (&server->feeds_lock);
  GList *pushes = g_hash_table_get_keys (server->pushes);
  for (GList *link = pushes; link; link = link->next)
    http_push_ref (link->data);
  GList *websockets = g_hash_table_get_keys (server->websockets);
  for (GList *link = websockets; link; link = link->next)
    websocket_ref (link->data);
  g_mutex_unlock (&server->feeds_lock);

  for (GList *link = pushes; link; link = link->next)
    http_push_close (link->data);
  for (GList *link = websockets; link; link = link->next)
    loop_call (websocket_loop (link->data), drop_websocket, link->data);
  /* One that was being opened meanwhile has posted before it was dropped, and is closed behind that. */
  for (GList *link = websockets; link; link = link->next)
    loop_call (websocket_loop (link->data), do_nothing, NULL);
  g_list_free_full (pushes, (GDestroyNotify)http_push_unref);
  g_list_free_full (websockets, (GDestroyNotify)websocket_unref);
}

void
http_server_free (HttpServer *server)
{
  if (!server)
    return;
  g_mutex_lock (&server->lock);
  server->stopping = true;
  while (!g_queue_is_empty (&server->waiting))
    http_exchange_abort (g_queue_peek_head (&server->waiting));
  g_mutex_unlock (&server->lock);

  for (unsigned i = 0; i < server->listeners->len; i++) {
    HttpListener *own = server->listeners->pdata[i];
    loop_call (own->loop, stop_listener, own);
  }
  end_feeds (server);
  if (server->sweep)
    loop_call (server->sweep_loop, stop_sweep, server);
  for (unsigned i = 0; i < server->daemons->len; i++)
    MHD_stop_daemon (server->daemons->pdata[i]);

  GHashTableIter iter;
  gpointer connection;
  g_hash_table_iter_init (&iter, server->pending);
  while (g_hash_table_iter_next (&iter, NULL, &connection))
    finish_connection (connection);
  for (unsigned i = 0; i < server->listeners->len; i++)
    listener_unref (((HttpListener *)server->listeners->pdata[i])->listener);

  g_hash_table_unref (server->pending);
  g_ptr_array_unref (server->listeners);
  g_ptr_array_unref (server->daemons);
  http_server_unref (server);
}

/* --- the rest
 * ------------------------------------------------------------------------------------------------ */

void
http_server_set_settings (HttpServer *server, Settings *settings)
{
  g_mutex_lock (&server->lock);
  Settings *old = server->settings;
  server->settings = settings_ref (settings);
  g_mutex_unlock (&server->lock);
  settings_unref (old);
}

Listener *
http_server_listener (const HttpServer *server, unsigned index)
{
  return index < server->listeners->len ? ((HttpListener *)server->listeners->pdata[index])->listener : NULL;
}

const NetAddress *
http_server_address (const HttpServer *server, unsigned index)
{
  Listener *listener = http_server_listener (server, index);
  return listener ? listener_address (listener) : NULL;
}

void
http_server_get_stats (HttpServer *server, HttpServerStats *ret)
{
  *ret = (HttpServerStats){0};
  for (unsigned i = 0; i < G_N_ELEMENTS (ret->requests); i++)
    ret->requests[i] = __atomic_load_n (&server->requests[i], __ATOMIC_RELAXED);
  g_mutex_lock (&server->lock);
  ret->timeouts = server->timeouts;
  ret->waiting = server->waiting.length;
  g_mutex_unlock (&server->lock);
  g_mutex_lock (&server->feeds_lock);
  ret->pushes = g_hash_table_size (server->pushes);
  ret->websockets = g_hash_table_size (server->websockets);
  g_mutex_unlock (&server->feeds_lock);
}
