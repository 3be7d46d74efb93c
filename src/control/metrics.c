/* SPDX-License-Identifier: Apache-2.0 */
/* The text format, and the order of a scrape. Which numbers of a stream are shown is in metrics_streams.c. */
#include "control/metrics.h"

#include "control/metrics_private.h"
#include "sluice-version.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

typedef struct {
  char *name;
  Listener *listener;
} NamedListener;

typedef struct {
  MetricsFunc func;
  void *data;
} Collector;

struct Metrics {
  Registry *registry;
  Journal *journal;
  State *state;
  GArray *listeners;  /* of NamedListener */
  GArray *collectors; /* of Collector */
};

struct MetricsWriter {
  GString *text;
  const char *name; /* of the family at hand */
};

/* --- the format
 * ------------------------------------------------------------------------------------------------ */

static const char *
type_name (MetricsType type)
{
  switch (type) {
  case METRICS_COUNTER:
    return "counter";
  case METRICS_GAUGE:
    return "gauge";
  case METRICS_HISTOGRAM:
    return "histogram";
  }
  return "untyped";
}

void
metrics_family (MetricsWriter *writer, const char *name, MetricsType type, const char *help)
{
  writer->name = name;
  g_string_append_printf (writer->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type_name (type));
}

/* Backslash, quote and line feed are escaped; everything else may stand in a label as UTF-8. */
static void
append_label_value (GString *text, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value, -1);
  for (const char *at = valid; *at; at++) {
    if (*at == '\\')
      g_string_append (text, "\\\\");
    else if (*at == '"')
      g_string_append (text, "\\\"");
    else if (*at == '\n')
      g_string_append (text, "\\n");
    else
      g_string_append_c (text, *at);
  }
}

static void
append_value (GString *text, double value)
{
  if (isnan (value)) {
    g_string_append (text, "NaN");
  } else if (isinf (value)) {
    g_string_append (text, value > 0 ? "+Inf" : "-Inf");
  } else if (value == floor (value) && fabs (value) < 9007199254740992.0) {
    g_string_append_printf (text, "%" G_GINT64_FORMAT, (int64_t)value);
  } else {
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];
    g_string_append (text, g_ascii_formatd (buffer, sizeof buffer, "%.12g", value));
  }
}

static void
append_sample (MetricsWriter *writer, const char *suffix, double value, va_list labels)
{
  GString *text = writer->text;
  g_string_append (text, writer->name);
  g_string_append (text, suffix);
  char before = '{';
  for (const char *label = va_arg (labels, const char *); label; label = va_arg (labels, const char *)) {
    const char *label_value = va_arg (labels, const char *);
    if (!label_value)
      continue;
    g_string_append_c (text, before);
    g_string_append_printf (text, "%s=\"", label);
    append_label_value (text, label_value);
    g_string_append_c (text, '"');
    before = ',';
  }
  g_string_append (text, before == ',' ? "} " : " ");
  append_value (text, value);
  g_string_append_c (text, '\n');
}

void
metrics_sample (MetricsWriter *writer, double value, ...)
{
  va_list labels;
  va_start (labels, value);
  append_sample (writer, "", value, labels);
  va_end (labels);
}

void
metrics_sample_suffix (MetricsWriter *writer, const char *suffix, double value, ...)
{
  va_list labels;
  va_start (labels, value);
  append_sample (writer, suffix, value, labels);
  va_end (labels);
}

/* --- what is not of a stream
 * ----------------------------------------------------------------------------------- */

static void
write_single (MetricsWriter *writer, const char *name, MetricsType type, const char *help, double value)
{
  metrics_family (writer, name, type, help);
  metrics_sample (writer, value, NULL);
}

static void
write_process (MetricsWriter *writer)
{
  ProcessUsage usage;
  process_usage_get (&usage);
  metrics_family (writer, "sluice_build_info", METRICS_GAUGE, "Version of the program; always 1.");
  metrics_sample (writer, 1, "version", SLUICE_VERSION, NULL);
  write_single (writer, "sluice_uptime_seconds", METRICS_GAUGE, "Time since the process started.",
                (double)(g_get_real_time () - usage.start_unix_us) / 1e6);
  write_single (writer, "sluice_process_start_time_seconds", METRICS_GAUGE,
                "When the process started, Unix time.", (double)usage.start_unix_us / 1e6);
  write_single (writer, "sluice_process_cpu_seconds_total", METRICS_COUNTER,
                "CPU time of the process, user and system, without its workers.", usage.cpu_seconds);
  write_single (writer, "sluice_process_resident_memory_bytes", METRICS_GAUGE, "Memory in RAM.",
                (double)usage.rss_bytes);
  write_single (writer, "sluice_process_virtual_memory_bytes", METRICS_GAUGE, "Address space.",
                (double)usage.virtual_bytes);
  write_single (writer, "sluice_process_open_fds", METRICS_GAUGE, "Open file descriptors.",
                (double)usage.open_fds);
  if (usage.max_fds >= 0)
    write_single (writer, "sluice_process_max_fds", METRICS_GAUGE, "File descriptors that may be open.",
                  (double)usage.max_fds);
  write_single (writer, "sluice_process_threads", METRICS_GAUGE, "Threads.", (double)usage.threads);
}

static void
write_listeners (Metrics *metrics, MetricsWriter *writer)
{
  if (metrics->listeners->len == 0)
    return;
  g_autofree ListenerStats *stats = g_new (ListenerStats, metrics->listeners->len);
  const NamedListener *named = (const NamedListener *)(void *)metrics->listeners->data;
  unsigned n = metrics->listeners->len;
  for (unsigned i = 0; i < n; i++)
    listener_get_stats (named[i].listener, &stats[i]);

  metrics_family (writer, "sluice_listener_accepted_total", METRICS_COUNTER, "Connections accepted.");
  for (unsigned i = 0; i < n; i++)
    metrics_sample (writer, (double)stats[i].accepted, "listener", named[i].name, NULL);
  metrics_family (writer, "sluice_listener_refused_total", METRICS_COUNTER,
                  "Connections closed at once because of a limit.");
  for (unsigned i = 0; i < n; i++) {
    metrics_sample (writer, (double)stats[i].refused_total, "listener", named[i].name, "limit", "total",
                    NULL);
    metrics_sample (writer, (double)stats[i].refused_per_address, "listener", named[i].name, "limit",
                    "address", NULL);
  }
  metrics_family (writer, "sluice_listener_pauses_total", METRICS_COUNTER,
                  "Times that accepting paused because file descriptors ran out.");
  for (unsigned i = 0; i < n; i++)
    metrics_sample (writer, (double)stats[i].pauses, "listener", named[i].name, NULL);
  metrics_family (writer, "sluice_listener_connections", METRICS_GAUGE, "Connections open now.");
  for (unsigned i = 0; i < n; i++)
    metrics_sample (writer, stats[i].open, "listener", named[i].name, NULL);
}

static void
write_journal (Metrics *metrics, MetricsWriter *writer)
{
  JournalStats stats;
  journal_get_stats (metrics->journal, &stats);
  write_single (writer, "sluice_events_total", METRICS_COUNTER, "Events published.", (double)stats.total);
  write_single (writer, "sluice_events_evicted_total", METRICS_COUNTER,
                "Events that left the journal for newer ones.", (double)stats.evicted);
  write_single (writer, "sluice_events_kept", METRICS_GAUGE, "Events in the journal.", stats.kept);
  write_single (writer, "sluice_events_kept_bytes", METRICS_GAUGE, "Memory of the journal.",
                (double)stats.bytes);
}

static void
write_state (Metrics *metrics, MetricsWriter *writer)
{
  if (!metrics->state)
    return;
  StateStats stats;
  state_get_stats (metrics->state, &stats);
  write_single (writer, "sluice_state_commits_total", METRICS_COUNTER, "Transactions on the state database.",
                (double)stats.commits);
  write_single (writer, "sluice_state_changes_total", METRICS_COUNTER, "Changes in these transactions.",
                (double)stats.changes);
  write_single (writer, "sluice_state_failures_total", METRICS_COUNTER, "Transactions that failed.",
                (double)stats.failures);
  write_single (writer, "sluice_state_last_commit_seconds", METRICS_GAUGE,
                "How long the last transaction took.", (double)stats.last_commit_us / 1e6);
}

/* --- the object
 * ------------------------------------------------------------------------------------------------ */

static void
clear_listener (void *data)
{
  NamedListener *named = data;
  g_free (named->name);
  listener_unref (named->listener);
}

Metrics *
metrics_new (Registry *registry, Journal *journal, State *state)
{
  Metrics *metrics = g_new0 (Metrics, 1);
  metrics->registry = registry;
  metrics->journal = journal;
  metrics->state = state;
  metrics->listeners = g_array_new (FALSE, FALSE, sizeof (NamedListener));
  g_array_set_clear_func (metrics->listeners, clear_listener);
  metrics->collectors = g_array_new (FALSE, FALSE, sizeof (Collector));
  return metrics;
}

void
metrics_free (Metrics *metrics)
{
  if (!metrics)
    return;
  g_array_unref (metrics->listeners);
  g_array_unref (metrics->collectors);
  g_free (metrics);
}

void
metrics_add_listener (Metrics *metrics, const char *name, Listener *listener)
{
  NamedListener named = {g_strdup (name), listener_ref (listener)};
  g_array_append_val (metrics->listeners, named);
}

void
metrics_add_collector (Metrics *metrics, MetricsFunc func, void *data)
{
  Collector collector = {func, data};
  g_array_append_val (metrics->collectors, collector);
}

char *
metrics_render (Metrics *metrics, size_t *ret_length)
{
  MetricsWriter writer = {.text = g_string_sized_new (16 * 1024)};
  write_process (&writer);
  g_autoptr (GPtrArray) streams = registry_list (metrics->registry);
  metrics_write_streams (&writer, streams);
  metrics_write_legacy (&writer, streams);
  write_listeners (metrics, &writer);
  write_journal (metrics, &writer);
  write_state (metrics, &writer);
  for (unsigned i = 0; i < metrics->collectors->len; i++) {
    const Collector *collector = &g_array_index (metrics->collectors, Collector, i);
    collector->func (collector->data, &writer);
  }
  if (ret_length)
    *ret_length = writer.text->len;
  return g_string_free (writer.text, FALSE);
}
