/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the whole daemon: Prometheus text at /metrics, a summary as JSON at /api/v1/status. */
#include "http/api/api_private.h"

#include <string.h>

static void
respond_prometheus (HttpCall *call)
{
  Api *api = http_call_app (call);
  size_t n = 0;
  char *text = metrics_render (api->options.metrics, &n);
  http_call_respond (call, http_response_new_bytes (200, METRICS_CONTENT_TYPE, g_bytes_new_take (text, n)));
}

/* Of one core, since the last answer or the start. */
static double
measure_cpu_percent (Api *api, const ProcessUsage *usage)
{
  int64_t now_us = loop_now_us ();
  int64_t since_us = api->last_cpu_us ? api->last_cpu_us : now_us - health_uptime_us (api->options.health);
  double seconds = (double)(now_us - since_us) / 1e6;
  double percent = seconds > 0 ? (usage->cpu_seconds - api->last_cpu_seconds) / seconds * 100.0 : 0;
  api->last_cpu_us = now_us;
  api->last_cpu_seconds = usage->cpu_seconds;
  return MAX (percent, 0);
}

static void
on_status (HttpCall *call)
{
  Api *api = http_call_app (call);
  g_autoptr (HealthReport) report = health_report (api->options.health);
  ProcessUsage usage;
  process_usage_get (&usage);
  JsonObject *object = json_object_new ();
  json_object_set_string_member (object, "status", health_status_name (report->status));
  json_object_set_string_member (object, "version", report->version);
  json_object_set_int_member (object, "uptime", report->uptime_s);
  json_object_set_int_member (object, "total_streams", report->n_streams);
  json_object_set_int_member (object, "active_streams", report->n_running);
  json_object_set_int_member (object, "failed_streams", report->n_failed);
  json_object_set_int_member (object, "recording_streams", 0);
  json_object_set_int_member (object, "readers", report->n_readers);
  if (usage.cpu_seconds >= 0)
    json_object_set_double_member (object, "cpu_usage", measure_cpu_percent (api, &usage));
  if (usage.rss_bytes >= 0)
    json_object_set_double_member (object, "memory_usage", (double)usage.rss_bytes / (1024.0 * 1024.0));
  json_object_set_int_member (object, "threads", usage.threads);
  json_object_set_int_member (object, "open_files", usage.open_fds);
  json_object_set_int_member (object, "generation", (gint64)manager_generation (api->options.manager));
  api_set_time (object, "timestamp", report->unix_us);
  api_respond_object (call, 200, object);
}

/* Both contracts of this path are in use: JSON for pages that ask for it, text for scrapers. */
static void
on_api_metrics (HttpCall *call)
{
  const char *accept = http_call_header (call, "accept");
  if (accept && strstr (accept, "application/json"))
    on_status (call);
  else
    respond_prometheus (call);
}

static const HttpRoute api_metrics[] = {
    {"GET", "/metrics", ACTION_METRICS, respond_prometheus, 0},
    {"GET", "/api/v1/metrics", ACTION_METRICS, on_api_metrics, 0},
    {"GET", "/api/v1/status", ACTION_API, on_status, 0},
};
API_ROUTES (api_metrics);
