/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the routes together, and holds what several resources answer with. */
#include "http/api/api.h"

#include "base/error.h"
#include "http/api/api_private.h"

#include <string.h>

static void
write_server_metrics (void *data, MetricsWriter *writer)
{
  static const char *const classes[] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};
  Api *api = data;
  if (!api->server)
    return;
  HttpServerStats stats;
  http_server_get_stats (api->server, &stats);
  metrics_family (writer, "sluice_http_requests_total", METRICS_COUNTER, "Answers by class of their status.");
  for (unsigned i = 1; i < G_N_ELEMENTS (classes); i++)
    metrics_sample (writer, (double)stats.requests[i], "status", classes[i], NULL);
  metrics_family (writer, "sluice_http_timeouts_total", METRICS_COUNTER,
                  "Connections closed because a header or a body took too long.");
  metrics_sample (writer, (double)stats.timeouts, NULL);
  metrics_family (writer, "sluice_http_feeds", METRICS_GAUGE, "Open event feeds.");
  metrics_sample (writer, stats.pushes, "kind", "sse", NULL);
  metrics_sample (writer, stats.websockets, "kind", "websocket", NULL);
}

void
api_add_routes (Router *router)
{
  static const ApiRoutes *const all[] = {
      &api_health_routes, &api_streams_routes, &api_readers_routes, &api_events_routes,
      &api_config_routes, &api_metrics_routes, &api_openapi_routes,
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (all); i++)
    router_add (router, all[i]->routes, all[i]->n_routes);
}

Api *
api_new (const ApiOptions *options)
{
  Api *api = g_new0 (Api, 1);
  api->options = *options;
  api->feeds = g_ptr_array_new ();
  metrics_add_collector (options->metrics, write_server_metrics, api);
  return api;
}

void
api_free (Api *api)
{
  if (!api)
    return;
  api_feeds_free (api);
  g_ptr_array_unref (api->feeds);
  g_free (api);
}

void
api_set_server (Api *api, HttpServer *server)
{
  api->server = server;
}

/* --- answers
 * ------------------------------------------------------------------------------------------------- */

void
api_respond_object (HttpCall *call, unsigned status, JsonObject *object)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, object);
  http_call_respond (call, http_response_new_json (status, node));
}

void
api_respond_no_stream (HttpCall *call, const char *id)
{
  JsonObject *details = json_object_new ();
  json_object_set_string_member (details, "id", id);
  http_call_respond (
      call, http_response_new_error (404, "STREAM_NOT_FOUND", details, "there is no stream \"%s\"", id));
}

static JsonObject *
make_problems (const char *message)
{
  JsonArray *problems = json_array_new ();
  g_auto (GStrv) lines = g_strsplit (message, "\n", -1);
  for (char **line = lines; *line; line++)
    if (**line)
      json_array_add_string_element (problems, *line);
  JsonObject *details = json_object_new ();
  json_object_set_array_member (details, "problems", problems);
  return details;
}

void
api_respond_stream_error (HttpCall *call, const GError *error)
{
  if (g_error_matches (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT)) {
    http_call_respond (call, http_response_new_error (400, "INVALID_CONFIGURATION",
                                                      make_problems (error->message), "%s", error->message));
    return;
  }
  const char *code = NULL;
  if (g_error_matches (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND))
    code = "STREAM_NOT_FOUND";
  else if (g_error_matches (error, SLUICE_ERROR, SLUICE_ERROR_ALREADY_EXISTS))
    code = "STREAM_ALREADY_EXISTS";
  else if (g_error_matches (error, SLUICE_ERROR, SLUICE_ERROR_BUSY))
    code = "STREAM_BUSY";
  else if (sluice_error_http_status (error) == 500)
    code = "INTERNAL_ERROR";
  http_call_respond (call, http_response_new_gerror (error, code));
}

void
api_set_time (JsonObject *object, const char *name, int64_t unix_us)
{
  g_autofree char *text = unix_us ? journal_format_time (unix_us) : NULL;
  api_set_string (object, name, text);
}

void
api_set_string (JsonObject *object, const char *name, const char *value)
{
  if (value) {
    g_autofree char *valid = g_utf8_make_valid (value, -1);
    json_object_set_string_member (object, name, valid);
  } else {
    json_object_set_null_member (object, name);
  }
}

bool
api_query_number (HttpCall *call, const char *name, uint64_t min, uint64_t max, uint64_t fallback,
                  uint64_t *ret)
{
  const char *text = http_call_query (call, name);
  *ret = fallback;
  if (!text || g_ascii_string_to_unsigned (text, 10, min, max, ret, NULL))
    return true;
  http_call_respond (call, http_response_new_error (400, "BAD_REQUEST", NULL,
                                                    "%s: must be a whole number from %" G_GUINT64_FORMAT
                                                    " to %" G_GUINT64_FORMAT,
                                                    name, min, max));
  return false;
}
