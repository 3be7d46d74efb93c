/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus text (exposition format 0.0.4) of everything that is counted: streams, process, listeners,
 * journal, state. Nothing is kept here: each scrape reads the counters where they live.
 *
 * Owner: control loop; metrics_render() there. */
#pragma once

#include "base/listener.h"
#include "control/events.h"
#include "control/state.h"
#include "stream/registry.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef struct Metrics Metrics;
typedef struct MetricsWriter MetricsWriter;

Metrics *metrics_new (Registry *registry, Journal *journal, State *state); /* state may be NULL */
void metrics_free (Metrics *metrics);                                      /* NULL-safe */

/* Adds accepted, refused, pauses and open of @listener under label listener="@name". Refs it. */
void metrics_add_listener (Metrics *metrics, const char *name, Listener *listener);

/* Other modules' numbers: @func writes whole families, on the control loop, at each scrape. */
typedef void (*MetricsFunc) (void *data, MetricsWriter *writer);
void metrics_add_collector (Metrics *metrics, MetricsFunc func, void *data);

/* The text. (transfer full) */
char *metrics_render (Metrics *metrics, size_t *ret_length);

/* --- for collectors
 * -------------------------------------------------------------------------------------------- */

typedef enum { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM } MetricsType;

/* HELP and TYPE lines; samples of the family follow until the next call. */
void metrics_family (MetricsWriter *writer, const char *name, MetricsType type, const char *help);
/* One sample of the family; pairs of label and value, ended by NULL; a NULL value leaves its label out. */
void metrics_sample (MetricsWriter *writer, double value, ...) G_GNUC_NULL_TERMINATED;
/* As metrics_sample() with @suffix behind the name: "_bucket", "_sum", "_count". */
void metrics_sample_suffix (MetricsWriter *writer, const char *suffix, double value,
                            ...) G_GNUC_NULL_TERMINATED;

/* Of this process, from /proc; also for the health page and the JSON of /status. Members are -1 when unknown.
 */
typedef struct {
  double cpu_seconds; /* user and system */
  int64_t rss_bytes;
  int64_t virtual_bytes;
  int64_t open_fds;
  int64_t max_fds;
  int64_t threads;
  int64_t start_unix_us;
} ProcessUsage;
void process_usage_get (ProcessUsage *ret); /* any thread */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Metrics, metrics_free)
