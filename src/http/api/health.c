/* SPDX-License-Identifier: Apache-2.0 */
/* /health and its parts, open to everybody who may connect: load balancers and probes have no credentials.
 * They tell nothing about streams by name; /api/v1/health does, and /api/v1/status sums up. */
#include "http/api/api_private.h"

static void
on_health (HttpCall *call)
{
  Api *api = http_call_app (call);
  g_autoptr (HealthReport) report = health_report (api->options.health);
  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "status", health_status_name (report->status));
  json_object_set_string_member (object, "service", report->service);
  json_object_set_string_member (object, "version", report->version);
  json_object_set_int_member (object, "uptime", report->uptime_s);
  api_respond_object (call, report->status == HEALTH_UNHEALTHY ? 503 : 200, object);
}

static void
respond_probe (HttpCall *call, bool fine, const char *word, const char *other, const char *reason)
{
  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "status", fine ? word : other);
  if (!fine)
    api_set_string (object, "reason", reason);
  api_respond_object (call, fine ? 200 : 503, object);
}

static void
on_live (HttpCall *call)
{
  Api *api = http_call_app (call);
  g_autofree char *reason = NULL;
  bool live = health_is_live (api->options.health, &reason);
  respond_probe (call, live, "alive", "stuck", reason);
}

static void
on_ready (HttpCall *call)
{
  Api *api = http_call_app (call);
  g_autofree char *reason = NULL;
  bool ready = health_is_ready (api->options.health, &reason);
  respond_probe (call, ready, "ready", "not ready", reason);
}

static void
on_details (HttpCall *call)
{
  Api *api = http_call_app (call);
  g_autoptr (HealthReport) report = health_report (api->options.health);
  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "status", health_status_name (report->status));
  json_object_set_string_member (object, "service", report->service);
  json_object_set_string_member (object, "version", report->version);
  json_object_set_int_member (object, "uptime", report->uptime_s);
  api_set_time (object, "timestamp", report->unix_us);
  json_object_set_boolean_member (object, "live", report->live);
  json_object_set_boolean_member (object, "ready", report->ready);
  JsonArray *reasons = json_array_new ();
  for (unsigned i = 0; i < report->reasons->len; i++)
    json_array_add_string_element (reasons, report->reasons->pdata[i]);
  json_object_set_array_member (object, "reasons", reasons);
  JsonArray *streams = json_array_new ();
  for (unsigned i = 0; i < report->streams->len; i++) {
    const HealthStream *stream = report->streams->pdata[i];
    JsonObject *entry = json_object_new ();
    json_object_set_string_member (entry, "id", stream->id);
    json_object_set_string_member (entry, "state", stream_state_name (stream->state));
    json_object_set_string_member (entry, "status", health_status_name (stream->status));
    api_set_string (entry, "reason", stream->reason);
    json_array_add_object_element (streams, entry);
  }
  json_object_set_array_member (object, "streams", streams);
  api_respond_object (call, 200, object);
}

static const HttpRoute api_health[] = {
    {"GET", "/health", 0, on_health, 0},
    {"GET", "/health/live", 0, on_live, 0},
    {"GET", "/health/ready", 0, on_ready, 0},
    {"GET", "/api/v1/health", ACTION_API, on_details, 0},
};
API_ROUTES (api_health);
