/* SPDX-License-Identifier: Apache-2.0 */
/* The server: listeners, what it has on each loop, settings, statistics, the end. */
#include "base/error.h"
#include "base/log.h"
#include "rtsp/server-private.h"

/* One listener. Connections go round all loops. */
typedef struct {
  RtspServer *server;
  Listener *listener;
  TlsServer *tls;
} Entrance;

typedef struct {
  RtspLoop *home;
  int fd;
  TlsServer *tls;
  Listener *listener;
} Arrival;

RtspServer *
server_ref (RtspServer *server)
{
  g_atomic_ref_count_inc (&server->ref);
  return server;
}

void
server_unref (RtspServer *server)
{
  if (g_atomic_ref_count_dec (&server->ref))
    loop_post (server->done_loop, server->done, server->done_data);
}

Settings *
server_settings (RtspServer *server)
{
  g_mutex_lock (&server->lock);
  Settings *settings = settings_ref (server->settings);
  g_mutex_unlock (&server->lock);
  return settings;
}

RtspLoop *
server_loop_for (RtspServer *server, const Loop *loop)
{
  for (unsigned i = 0; i < server->n_loops; i++)
    if (server->loops[i]->loop == loop)
      return server->loops[i];
  return NULL;
}

/* --- the loops ---------------------------------------------------------------------------------------------
 */

static void
send_reports (RtspLoop *home)
{
  ReportRound *round = report_round_new ();
  int64_t now_us = loop_now_us ();
  GList *next;
  for (GList *link = home->connections.head; link; link = next) {
    RtspConnection *c = link->data;
    next = link->next; /* a report too many ends a connection that reads nothing */
    if (c->session && c->session->state == SESSION_PLAYING && c->session->reader)
      report_send_all (round, c->session);
    else if (c->session && c->session->state == SESSION_RECORDING)
      recording_report (c->session, now_us);
  }
  for (GList *link = home->groups.head; link; link = link->next)
    multicast_report (link->data, round);
  report_round_free (round);
}

static void
on_tick (void *data)
{
  RtspLoop *home = data;
  int64_t now_us = loop_now_us ();
  GList *next;
  for (GList *link = home->connections.head; link; link = next) {
    next = link->next;
    connection_tick (link->data, now_us);
  }
  if (now_us >= home->next_report_us) {
    home->next_report_us = now_us + RTSP_REPORT_MS * 1000;
    send_reports (home);
  }
  if (g_queue_is_empty (&home->connections) && g_queue_is_empty (&home->groups))
    loop_timer_stop (home->tick);
}

void
rtsp_loop_wake (RtspLoop *home)
{
  if (home->tick && !loop_timer_active (home->tick))
    loop_timer_start (home->tick, RTSP_TICK_MS, RTSP_TICK_MS);
}

static void
on_pace (void *data)
{
  RtspLoop *home = data;
  int64_t now_us = loop_now_us ();
  GList *next;
  for (GList *link = home->pacing.head; link; link = next) {
    next = link->next;
    reading_pace (link->data, now_us);
  }
  if (g_queue_is_empty (&home->pacing))
    loop_timer_stop (home->pace_timer);
}

typedef struct {
  RtspLoop *home;
  bool udp;
  uint16_t min, max;
  GError *error;
} LoopOpening;

static void
open_loop (void *data)
{
  LoopOpening *opening = data;
  RtspLoop *home = opening->home;
  home->tick = loop_timer_new (home->loop, on_tick, home);
  home->pace_timer = loop_timer_new (home->loop, on_pace, home);
  if (!opening->udp)
    return;
  atomic_uint_fast64_t *dropped = &home->server->udp_dropped;
  home->udp = udp_port_new (home->loop, opening->min, opening->max, dropped, &opening->error);
  if (!home->udp && opening->min > 0 && loop_index (home->loop) > 0) {
    /* More threads than pairs in the range. */
    LOG (LOG_RTSP, LOG_INFO, "udp-ports-exhausted", NULL,
         "no free pair in rtsp.udp_port_min..max for %s; it takes any free one", loop_name (home->loop));
    g_clear_error (&opening->error);
    home->udp = udp_port_new (home->loop, 0, 0, dropped, &opening->error);
  }
}

static void
close_loop (void *data)
{
  RtspLoop *home = data;
  while (!g_queue_is_empty (&home->connections))
    connection_close (g_queue_peek_head (&home->connections), "server stopping");
  g_clear_pointer (&home->udp, udp_port_free);
  g_clear_pointer (&home->tick, loop_timer_free);
  g_clear_pointer (&home->pace_timer, loop_timer_free);
  server_unref (home->server);
}

static bool
wants_transport (const Settings *settings, const char *name)
{
  return settings->rtsp_transports && g_strv_contains ((const char *const *)settings->rtsp_transports, name);
}

static bool
open_loops (RtspServer *server, GError **error)
{
  Settings *settings = server->settings;
  server->n_loops = loop_pool_size (server->pool);
  server->loops = g_new0 (RtspLoop *, server->n_loops);
  for (unsigned i = 0; i < server->n_loops; i++) {
    RtspLoop *home = server->loops[i] = g_new0 (RtspLoop, 1);
    home->server = server_ref (server);
    home->loop = loop_pool_get (server->pool, i);
  }
  for (unsigned i = 0; i < server->n_loops; i++) {
    LoopOpening opening = {.home = server->loops[i],
                           .udp = wants_transport (settings, "udp"),
                           .min = (uint16_t)settings->rtsp_udp_port_min,
                           .max = (uint16_t)settings->rtsp_udp_port_max};
    loop_call (server->loops[i]->loop, open_loop, &opening);
    if (opening.error) {
      g_propagate_prefixed_error (error, opening.error, "rtsp.udp_port_min, rtsp.udp_port_max: ");
      return false;
    }
  }
  return true;
}

/* --- listeners ---------------------------------------------------------------------------------------------
 */

static void
take_arrival (void *data)
{
  Arrival *arrival = data;
  connection_accept (arrival->home, arrival->fd, arrival->tls, arrival->listener);
  tls_server_unref (arrival->tls);
  listener_unref (arrival->listener);
  server_unref (arrival->home->server);
  g_free (arrival);
}

static void
on_accepted (void *data, int fd, const NetAddress *peer)
{
  Entrance *entrance = data;
  RtspServer *server = entrance->server;
  Arrival *arrival = g_new0 (Arrival, 1);
  arrival->home = server_loop_for (server, loop_pool_next (server->pool));
  arrival->fd = fd;
  arrival->tls = entrance->tls ? tls_server_ref (entrance->tls) : NULL;
  arrival->listener = listener_ref (entrance->listener);
  server_ref (server);
  loop_post (arrival->home->loop, take_arrival, arrival);
}

typedef struct {
  Entrance *entrance;
  NetAddress address;
  ListenerLimits limits;
  GError *error;
} EntranceOpening;

static void
open_entrance (void *data)
{
  EntranceOpening *opening = data;
  Entrance *entrance = opening->entrance;
  entrance->listener = listener_new (loop_pool_get (entrance->server->pool, 0), &opening->address,
                                     &opening->limits, on_accepted, entrance, &opening->error);
}

static void
close_entrance (void *data)
{
  Entrance *entrance = data;
  listener_close (entrance->listener);
  server_unref (entrance->server);
}

static void
entrance_free (Entrance *entrance)
{
  if (entrance->listener)
    listener_unref (entrance->listener);
  tls_server_unref (entrance->tls);
  g_free (entrance);
}

static bool
listen_on (RtspServer *server, const char *key, const char *text, TlsServer *tls, GError **error)
{
  const Settings *settings = server->settings;
  EntranceOpening opening = {
      .limits = {.max_connections = (unsigned)settings->rtsp_max_connections,
                 .max_connections_per_address = (unsigned)settings->rtsp_max_connections_per_address,
                 .backlog = (unsigned)settings->rtsp_backlog}};
  if (!net_address_parse (text, &opening.address, error)) {
    g_prefix_error (error, "%s: ", key);
    return false;
  }
  opening.entrance = g_new0 (Entrance, 1);
  opening.entrance->server = server;
  opening.entrance->tls = tls ? tls_server_ref (tls) : NULL;
  loop_call (loop_pool_get (server->pool, 0), open_entrance, &opening);
  if (!opening.entrance->listener) {
    entrance_free (opening.entrance);
    g_propagate_prefixed_error (error, opening.error, "%s: ", key);
    return false;
  }
  server_ref (server);
  g_ptr_array_add (server->entrances, opening.entrance);
  g_autofree char *bound = net_address_to_string (listener_address (opening.entrance->listener));
  LOG (LOG_RTSP, LOG_INFO, "listening", NULL, "RTSP%s on %s", tls ? "S" : "", bound);
  return true;
}

static bool
open_entrances (RtspServer *server, GError **error)
{
  Settings *settings = server->settings;
  for (unsigned i = 0; settings->rtsp_listen && settings->rtsp_listen[i]; i++)
    if (!listen_on (server, "rtsp.listen", settings->rtsp_listen[i], NULL, error))
      return false;
  if (!settings->rtsp_tls_listen || !settings->rtsp_tls_listen[0])
    return true;
  g_autoptr (TlsServer) tls = tls_server_new (settings->rtsp_tls_certificate, settings->rtsp_tls_key, error);
  if (!tls) {
    g_prefix_error (error, "rtsp.tls_certificate, rtsp.tls_key: ");
    return false;
  }
  for (unsigned i = 0; settings->rtsp_tls_listen[i]; i++)
    if (!listen_on (server, "rtsp.tls_listen", settings->rtsp_tls_listen[i], tls, error))
      return false;
  return true;
}

/* --- life --------------------------------------------------------------------------------------------------
 */

/* Nobody else holds the server yet but connections that came in meanwhile, and they go with their loops. */
static void
undo_start (RtspServer *server)
{
  atomic_store (&server->stopping, true);
  for (unsigned i = 0; i < server->entrances->len; i++)
    loop_call (loop_pool_get (server->pool, 0), close_entrance, server->entrances->pdata[i]);
  for (unsigned i = 0; i < server->n_loops; i++)
    loop_call (server->loops[i]->loop, close_loop, server->loops[i]);
  rtsp_server_free (server);
}

RtspServer *
rtsp_server_new (LoopPool *pool, Registry *registry, Auth *auth, Settings *settings, GError **error)
{
  RtspServer *server = g_new0 (RtspServer, 1);
  g_atomic_ref_count_init (&server->ref);
  g_mutex_init (&server->lock);
  server->pool = pool;
  server->registry = registry;
  server->auth = auth;
  server->settings = settings_ref (settings);
  server->tunnels = g_hash_table_new (g_str_hash, g_str_equal);
  server->groups = g_hash_table_new (g_str_hash, g_str_equal);
  server->sessions = g_hash_table_new (NULL, NULL);
  server->entrances = g_ptr_array_new_with_free_func ((GDestroyNotify)entrance_free);
  if (open_loops (server, error) && open_entrances (server, error))
    return server;
  undo_start (server);
  return NULL;
}

void
rtsp_server_apply (RtspServer *server, Settings *settings)
{
  g_mutex_lock (&server->lock);
  Settings *old = server->settings;
  server->settings = settings_ref (settings);
  g_mutex_unlock (&server->lock);
  settings_unref (old);
}

void
rtsp_server_stop (RtspServer *server, Loop *loop, LoopFunc done, void *data)
{
  server->done_loop = loop;
  server->done = done;
  server->done_data = data;
  atomic_store (&server->stopping, true);
  for (unsigned i = 0; i < server->entrances->len; i++)
    loop_post (loop_pool_get (server->pool, 0), close_entrance, server->entrances->pdata[i]);
  for (unsigned i = 0; i < server->n_loops; i++)
    loop_post (server->loops[i]->loop, close_loop, server->loops[i]);
  server_unref (server);
}

void
rtsp_server_free (RtspServer *server)
{
  for (unsigned i = 0; i < server->n_loops; i++)
    g_free (server->loops[i]);
  g_free (server->loops);
  g_ptr_array_unref (server->entrances);
  g_hash_table_unref (server->tunnels);
  g_hash_table_unref (server->groups);
  g_hash_table_unref (server->sessions);
  settings_unref (server->settings);
  g_mutex_clear (&server->lock);
  g_free (server);
}

/* --- asking ------------------------------------------------------------------------------------------------
 */

char *
rtsp_server_address (RtspServer *server, unsigned index)
{
  if (index >= server->entrances->len)
    return NULL;
  const Entrance *entrance = server->entrances->pdata[index];
  return net_address_to_string (listener_address (entrance->listener));
}

void
rtsp_server_get_stats (RtspServer *server, RtspServerStats *ret)
{
  *ret = (RtspServerStats){
      .requests = atomic_load (&server->requests),
      .protocol_errors = atomic_load (&server->protocol_errors),
      .timeouts = atomic_load (&server->timeouts),
      .auth_failures = atomic_load (&server->auth_failures),
      .udp_dropped = atomic_load (&server->udp_dropped),
  };
  for (unsigned i = 0; i < server->entrances->len; i++) {
    const Entrance *entrance = server->entrances->pdata[i];
    ListenerStats stats;
    listener_get_stats (entrance->listener, &stats);
    ret->connections_accepted += stats.accepted;
    ret->refused_total += stats.refused_total;
    ret->refused_per_address += stats.refused_per_address;
    ret->connections += stats.open;
  }
  GHashTableIter iter;
  void *key;
  g_mutex_lock (&server->lock);
  g_hash_table_iter_init (&iter, server->sessions);
  while (g_hash_table_iter_next (&iter, &key, NULL)) {
    const RtspSessionInfo *info = key;
    if (g_str_equal (info->state, "recording"))
      ret->sessions_publishing++;
    else
      ret->sessions_reading++;
  }
  g_mutex_unlock (&server->lock);
}

void
rtsp_session_info_free (RtspSessionInfo *info)
{
  g_free (info->id);
  g_free (info->stream);
  g_free (info->peer);
  g_free (info->user);
  g_free (info->user_agent);
  g_free (info);
}

GPtrArray *
rtsp_server_list_sessions (RtspServer *server)
{
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify)rtsp_session_info_free);
  GHashTableIter iter;
  void *key;
  g_mutex_lock (&server->lock);
  g_hash_table_iter_init (&iter, server->sessions);
  while (g_hash_table_iter_next (&iter, &key, NULL)) {
    RtspSessionInfo *info = g_memdup2 (key, sizeof *info);
    info->id = g_strdup (info->id);
    info->stream = g_strdup (info->stream);
    info->peer = g_strdup (info->peer);
    info->user = g_strdup (info->user);
    info->user_agent = g_strdup (info->user_agent);
    g_ptr_array_add (list, info);
  }
  g_mutex_unlock (&server->lock);
  return list;
}
