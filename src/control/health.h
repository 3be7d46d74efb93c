/* SPDX-License-Identifier: Apache-2.0 */
/* Is the daemon alive, ready, and well? A heartbeat touches the control loop and every I/O loop each second;
 * what does not answer is named.
 *
 * Owner:   control loop.
 * Threads: health_is_live(), health_is_ready(), health_set_part() from any; the rest on control. */
#pragma once

#include "stream/registry.h"

typedef struct Health Health;

enum { HEALTH_LIVE_LIMIT_MS = 10000 }; /* a loop that has not answered for so long is stuck */

/* @pool may be NULL. Starts the heartbeat. */
Health *health_new (Loop *control, LoopPool *pool, Registry *registry);
/* Stops it; the I/O loops must still run. */
void health_free (Health *health); /* NULL-safe */

/* Instead of HEALTH_LIVE_LIMIT_MS; more than the second between two heartbeats. */
void health_set_live_limit (Health *health, int64_t limit_ms);

/* Every loop has answered lately. False: @ret_reason says which one has not. (transfer full) (nullable) */
bool health_is_live (Health *health, char **ret_reason);

/* What must be up before we are ready. All begin as not ready. */
typedef enum { HEALTH_CONFIG, HEALTH_STATE, HEALTH_LISTENERS, HEALTH_N_PARTS } HealthPart;
/* @problem NULL: the part is fine now; else why not (copied). */
void health_set_part (Health *health, HealthPart part, const char *problem);
/* Alive, and all parts fine. False: @ret_reason. (transfer full) (nullable) */
bool health_is_ready (Health *health, char **ret_reason);

typedef enum { HEALTH_HEALTHY, HEALTH_DEGRADED, HEALTH_UNHEALTHY } HealthStatus;
const char *health_status_name (HealthStatus status); /* "healthy", ...; static */

typedef struct {
  char *id;
  StreamState state;
  HealthStatus status;
  char *reason; /* NULL when healthy */
} HealthStream;

/* Unhealthy: not live or not ready. Degraded: a stream that should run does not. */
typedef struct {
  HealthStatus status;
  const char *service; /* "sluice" */
  const char *version;
  int64_t uptime_s;
  int64_t unix_us;
  bool live, ready;
  GPtrArray *reasons;                      /* of char* */
  unsigned n_streams, n_running, n_failed; /* failed: degraded ones */
  unsigned n_readers;
  GPtrArray *streams; /* of HealthStream, by id */
} HealthReport;

HealthReport *health_report (Health *health);    /* (transfer full) */
void health_report_free (HealthReport *report);  /* NULL-safe */
int64_t health_uptime_us (const Health *health); /* any thread */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Health, health_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HealthReport, health_report_free)
