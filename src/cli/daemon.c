/* SPDX-License-Identifier: Apache-2.0 */
/* The running server. Making goes from the bottom of the house to the top, taking down the other way round.
 */
#include "cli/daemon.h"

#include "base/error.h"
#include "base/log.h"
#include "control/health.h"
#include "control/metrics.h"
#include "control/notify.h"
#include "http/api/api.h"
#include "http/server.h"
#include "rtp/bridge.h"
#include "rtsp/client.h"
#include "rtsp/server.h"
#include "sluice-version.h"
#include "worker/source.h"

#include <string.h>
#include <unistd.h>

enum { STOP_SECONDS = 10 };

struct Daemon {
  GMainLoop *main_loop;
  Loop *control;
  LoopPool *pool;
  Auth *auth;
  Journal *journal;
  State *state;
  Registry *registry;
  Manager *manager;
  Health *health;
  Metrics *metrics;
  Notify *notify;
  RtspServer *rtsp;
  Router *router;
  Api *api;
  HttpServer *http;
  JournalSubscription *changes;
  uint64_t generation; /* of the settings that the servers have */
  guint stop_timer;
  bool stopping;
};

/* --- settings that the servers follow ----------------------------------------------------------------------
 */

static void
on_journal (void *data)
{
  Daemon *daemon = data;
  uint64_t generation = manager_generation (daemon->manager);
  if (generation == daemon->generation)
    return;
  daemon->generation = generation;
  g_autoptr (Settings) settings = manager_get_settings (daemon->manager);
  if (daemon->rtsp)
    rtsp_server_apply (daemon->rtsp, settings);
  if (daemon->http)
    http_server_set_settings (daemon->http, settings);
}

void
daemon_reload (Daemon *daemon)
{
  notify_reloading (daemon->notify);
  manager_reload_free (manager_reload (daemon->manager));
  notify_ready (daemon->notify);
}

/* --- making ------------------------------------------------------------------------------------------------
 */

static void
write_rtsp_metrics (void *data, MetricsWriter *writer)
{
  Daemon *daemon = data;
  RtspServerStats stats;
  rtsp_server_get_stats (daemon->rtsp, &stats);
  const struct {
    const char *name, *help;
    MetricsType type;
    double value;
  } rows[] = {
      {"sluice_rtsp_connections_accepted_total", "RTSP connections accepted", METRICS_COUNTER,
       (double)stats.connections_accepted},
      {"sluice_rtsp_requests_total", "RTSP requests", METRICS_COUNTER, (double)stats.requests},
      {"sluice_rtsp_protocol_errors_total", "RTSP connections closed for senseless bytes or limits",
       METRICS_COUNTER, (double)stats.protocol_errors},
      {"sluice_rtsp_timeouts_total", "RTSP requests and sessions that timed out", METRICS_COUNTER,
       (double)stats.timeouts},
      {"sluice_rtsp_auth_failures_total", "RTSP requests refused for credentials", METRICS_COUNTER,
       (double)stats.auth_failures},
      {"sluice_rtsp_udp_dropped_packets_total", "RTP packets that a full UDP socket did not take",
       METRICS_COUNTER, (double)stats.udp_dropped},
      {"sluice_rtsp_connections", "Open RTSP connections", METRICS_GAUGE, stats.connections},
      {"sluice_rtsp_sessions_reading", "RTSP sessions that read", METRICS_GAUGE, stats.sessions_reading},
      {"sluice_rtsp_sessions_publishing", "RTSP sessions that publish", METRICS_GAUGE,
       stats.sessions_publishing},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    metrics_family (writer, rows[i].name, rows[i].type, rows[i].help);
    metrics_sample (writer, rows[i].value, NULL);
  }
  metrics_family (writer, "sluice_rtsp_connections_refused_total", METRICS_COUNTER,
                  "RTSP connections refused by a limit");
  metrics_sample (writer, (double)stats.refused_total, "limit", "max_connections", NULL);
  metrics_sample (writer, (double)stats.refused_per_address, "limit", "max_connections_per_address", NULL);
}

static bool
open_base (Daemon *daemon, Settings *settings, GError **error)
{
  daemon->main_loop = g_main_loop_new (NULL, FALSE);
  daemon->control = loop_new_control ();
  daemon->pool = loop_pool_new ((unsigned)settings->io_threads, error);
  if (!daemon->pool)
    return false;
  daemon->auth = auth_new (settings);
  daemon->journal = journal_new (0);
  daemon->state = state_open (settings->state_path, daemon->control, error);
  return daemon->state != NULL;
}

static bool
open_streams (Daemon *daemon, Settings *settings, ManagerLoadFunc load, void *load_data,
              const char *config_file)
{
  daemon->registry = registry_new (daemon->control, daemon->pool, rtp_bridge_ops (), journal_on_stream_event,
                                   daemon->journal);
  registry_add_source_factory (daemon->registry, rtsp_source_factory ());
  registry_add_source_factory (daemon->registry, worker_source_factory ());
  ManagerOptions options = {.control = daemon->control,
                            .registry = daemon->registry,
                            .auth = daemon->auth,
                            .journal = daemon->journal,
                            .state = daemon->state,
                            .load = load,
                            .load_data = load_data,
                            .config_file = config_file};
  daemon->manager = manager_new (&options, settings);
  daemon->health = health_new (daemon->control, daemon->pool, daemon->registry);
  daemon->metrics = metrics_new (daemon->registry, daemon->journal, daemon->state);
  daemon->notify = notify_new (daemon->health, daemon->registry);
  return true;
}

static bool
open_servers (Daemon *daemon, Settings *settings, GError **error)
{
  if (settings->rtsp_enabled) {
    daemon->rtsp = rtsp_server_new (daemon->pool, daemon->registry, daemon->auth, settings, error);
    if (!daemon->rtsp)
      return false;
    metrics_add_collector (daemon->metrics, write_rtsp_metrics, daemon);
  }
  if (!settings->http_enabled)
    return true;
  daemon->router = router_new ();
  daemon->api = api_new (&(ApiOptions){.manager = daemon->manager,
                                       .registry = daemon->registry,
                                       .journal = daemon->journal,
                                       .health = daemon->health,
                                       .metrics = daemon->metrics,
                                       .control = daemon->control});
  api_add_routes (daemon->router);
  HttpServerOptions options = {.control = daemon->control,
                               .pool = daemon->pool,
                               .auth = daemon->auth,
                               .settings = settings,
                               .router = daemon->router,
                               .app = daemon->api};
  daemon->http = http_server_new (&options, error);
  if (daemon->http)
    api_set_server (daemon->api, daemon->http);
  return daemon->http != NULL;
}

/* The RTSP server tells its own. */
static void
log_addresses (Daemon *daemon)
{
  const NetAddress *bound;
  for (unsigned i = 0; daemon->http && (bound = http_server_address (daemon->http, i)); i++) {
    g_autofree char *text = net_address_to_string (bound);
    LOG (LOG_CONTROL, LOG_INFO, "listening", NULL, "HTTP on %s", text);
    g_autofree char *name = g_strdup_printf ("http-%u", i);
    metrics_add_listener (daemon->metrics, name, http_server_listener (daemon->http, i));
  }
}

Daemon *
daemon_new (Settings *settings, ManagerLoadFunc load, void *load_data, const char *config_file,
            GError **error)
{
  Daemon *daemon = g_new0 (Daemon, 1);
  LOG (LOG_CONTROL, LOG_INFO, "starting", NULL, "sluice %s, process %d, configuration %s", SLUICE_VERSION,
       getpid (), config_file ? config_file : "by default");
  bool open = open_base (daemon, settings, error) &&
              open_streams (daemon, settings, load, load_data, config_file) &&
              open_servers (daemon, settings, error) && manager_start (daemon->manager, error);
  if (!open) {
    daemon_stop (daemon);
    if (daemon->main_loop)
      daemon_run (daemon);
    daemon_free (daemon);
    return NULL;
  }
  health_set_part (daemon->health, HEALTH_CONFIG, NULL);
  health_set_part (daemon->health, HEALTH_STATE, NULL);
  health_set_part (daemon->health, HEALTH_LISTENERS, NULL);
  log_addresses (daemon);
  daemon->generation = manager_generation (daemon->manager);
  daemon->changes = journal_subscribe (daemon->journal, daemon->control, on_journal, daemon);
  notify_ready (daemon->notify);
  return daemon;
}

void
daemon_run (Daemon *daemon)
{
  g_main_loop_run (daemon->main_loop);
}

/* --- taking down -------------------------------------------------------------------------------------------
 */

static void
on_streams_gone (void *data)
{
  g_main_loop_quit (((Daemon *)data)->main_loop);
}

static void
on_rtsp_gone (void *data)
{
  Daemon *daemon = data;
  if (daemon->registry)
    registry_shutdown (daemon->registry, on_streams_gone, daemon);
  else
    on_streams_gone (daemon);
}

static void
stop_rtsp (void *data)
{
  Daemon *daemon = data;
  if (daemon->rtsp)
    rtsp_server_stop (daemon->rtsp, daemon->control, on_rtsp_gone, daemon);
  else
    on_rtsp_gone (daemon);
}

static gboolean
on_stop_timer (void *data)
{
  LOG (LOG_CONTROL, LOG_ERROR, "stop-timeout", NULL,
       "something does not let go after %d s: leaving without it", STOP_SECONDS);
  _exit (1);
}

void
daemon_stop (Daemon *daemon)
{
  if (daemon->stopping)
    return;
  daemon->stopping = true;
  LOG (LOG_CONTROL, LOG_INFO, "stopping", NULL, "stopping");
  if (daemon->journal)
    journal_add (daemon->journal, "system.stopping", NULL, "the server stops", NULL);
  if (daemon->notify)
    notify_stopping (daemon->notify);
  daemon->stop_timer = g_timeout_add_seconds (STOP_SECONDS, on_stop_timer, daemon);
  /* Where no main loop runs any more, joining a stuck thread must not last for ever either. */
  alarm (STOP_SECONDS + 5);
  journal_unsubscribe (g_steal_pointer (&daemon->changes));
  if (daemon->http)
    api_set_server (daemon->api, NULL);
  g_clear_pointer (&daemon->http, http_server_free);
  /* From the main loop, so that it runs when everything has let go at once. */
  if (daemon->control)
    loop_post (daemon->control, stop_rtsp, daemon);
}

void
daemon_free (Daemon *daemon)
{
  if (!daemon)
    return;
  g_clear_handle_id (&daemon->stop_timer, g_source_remove);
  g_clear_pointer (&daemon->rtsp, rtsp_server_free);
  g_clear_pointer (&daemon->api, api_free);
  g_clear_pointer (&daemon->router, router_free);
  g_clear_pointer (&daemon->notify, notify_free);
  g_clear_pointer (&daemon->metrics, metrics_free);
  g_clear_pointer (&daemon->manager, manager_free);
  g_clear_pointer (&daemon->state, state_free);
  g_clear_pointer (&daemon->health, health_free);
  g_clear_pointer (&daemon->auth, auth_free);
  g_clear_pointer (&daemon->registry, registry_free);
  g_clear_pointer (&daemon->pool, loop_pool_free);
  g_clear_pointer (&daemon->journal, journal_free);
  g_clear_pointer (&daemon->control, loop_free);
  g_clear_pointer (&daemon->main_loop, g_main_loop_unref);
  alarm (0);
  g_free (daemon);
}
