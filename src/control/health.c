/* SPDX-License-Identifier: Apache-2.0 */
/* The heartbeat posts to each loop at most one message at a time, so that a stuck loop does not collect them.
 */
#include "control/health.h"

#include "sluice-version.h"

#include <string.h>

enum { BEAT_INTERVAL_MS = 1000 };

/* Of one I/O loop. A posted message holds a reference, so that no one has to wait for it. */
typedef struct {
  gatomicrefcount ref;
  Loop *loop;
  int64_t answered_us; /* atomic */
  int posted;          /* atomic */
} Beat;

struct Health {
  Registry *registry;
  unsigned n_beats;
  Beat **beats;       /* constant after health_new() */
  int64_t control_us; /* atomic: when the control loop last turned */
  unsigned timer;
  int64_t started_us;
  int64_t live_limit_us;
  GMutex lock; /* leaf: problems */
  char *problems[HEALTH_N_PARTS];
  bool fine[HEALTH_N_PARTS];
};

/* --- the heartbeat
 * --------------------------------------------------------------------------------------------- */

static void
unref_beat (Beat *beat)
{
  if (g_atomic_ref_count_dec (&beat->ref))
    g_free (beat);
}

static void
answer_beat (void *data)
{
  Beat *beat = data;
  __atomic_store_n (&beat->answered_us, loop_now_us (), __ATOMIC_RELAXED);
  g_atomic_int_set (&beat->posted, 0);
  unref_beat (beat);
}

static gboolean
on_beat (void *data)
{
  Health *health = data;
  __atomic_store_n (&health->control_us, loop_now_us (), __ATOMIC_RELAXED);
  for (unsigned i = 0; i < health->n_beats; i++) {
    Beat *beat = health->beats[i];
    if (g_atomic_int_compare_and_exchange (&beat->posted, 0, 1)) {
      g_atomic_ref_count_inc (&beat->ref);
      loop_post (beat->loop, answer_beat, beat);
    }
  }
  return G_SOURCE_CONTINUE;
}

Health *
health_new (Loop *control, LoopPool *pool, Registry *registry)
{
  loop_assert (control);
  Health *health = g_new0 (Health, 1);
  health->registry = registry;
  health->started_us = health->control_us = loop_now_us ();
  health->live_limit_us = HEALTH_LIVE_LIMIT_MS * (int64_t)1000;
  g_mutex_init (&health->lock);
  health->n_beats = pool ? loop_pool_size (pool) : 0;
  health->beats = g_new0 (Beat *, health->n_beats + 1);
  for (unsigned i = 0; i < health->n_beats; i++) {
    Beat *beat = health->beats[i] = g_new0 (Beat, 1);
    g_atomic_ref_count_init (&beat->ref);
    beat->loop = loop_pool_get (pool, i);
    beat->answered_us = health->started_us;
  }
  health->timer = g_timeout_add (BEAT_INTERVAL_MS, on_beat, health);
  on_beat (health);
  return health;
}

void
health_free (Health *health)
{
  if (!health)
    return;
  g_source_remove (health->timer);
  for (unsigned i = 0; i < health->n_beats; i++)
    unref_beat (health->beats[i]);
  for (unsigned i = 0; i < HEALTH_N_PARTS; i++)
    g_free (health->problems[i]);
  g_free (health->beats);
  g_mutex_clear (&health->lock);
  g_free (health);
}

void
health_set_live_limit (Health *health, int64_t limit_ms)
{
  health->live_limit_us = limit_ms * 1000;
}

static char *
describe_silence (const Health *health, const char *name, int64_t answered_us)
{
  int64_t silent_us = loop_now_us () - answered_us;
  if (silent_us <= health->live_limit_us)
    return NULL;
  return g_strdup_printf ("thread %s has not answered for %d s", name, (int)(silent_us / G_USEC_PER_SEC));
}

bool
health_is_live (Health *health, char **ret_reason)
{
  char *reason =
      describe_silence (health, "control", __atomic_load_n (&health->control_us, __ATOMIC_RELAXED));
  /* A stuck control loop sends no heartbeats: what the others answered last says nothing then. */
  for (unsigned i = 0; i < health->n_beats && !reason; i++) {
    Beat *beat = health->beats[i];
    reason = describe_silence (health, loop_name (beat->loop),
                               __atomic_load_n (&beat->answered_us, __ATOMIC_RELAXED));
  }
  bool live = reason == NULL;
  if (ret_reason)
    *ret_reason = reason;
  else
    g_free (reason);
  return live;
}

/* --- readiness
 * ------------------------------------------------------------------------------------------------- */

static const char *const part_names[HEALTH_N_PARTS] = {
    [HEALTH_CONFIG] = "configuration",
    [HEALTH_STATE] = "state database",
    [HEALTH_LISTENERS] = "listeners",
};

void
health_set_part (Health *health, HealthPart part, const char *problem)
{
  g_mutex_lock (&health->lock);
  g_free (health->problems[part]);
  health->problems[part] = g_strdup (problem);
  health->fine[part] = problem == NULL;
  g_mutex_unlock (&health->lock);
}

bool
health_is_ready (Health *health, char **ret_reason)
{
  char *reason = NULL;
  if (health_is_live (health, &reason)) {
    g_mutex_lock (&health->lock);
    for (unsigned i = 0; i < HEALTH_N_PARTS && !reason; i++)
      if (!health->fine[i])
        reason = g_strdup_printf ("%s: %s", part_names[i],
                                  health->problems[i] ? health->problems[i] : "not started yet");
    g_mutex_unlock (&health->lock);
  }
  bool ready = reason == NULL;
  if (ret_reason)
    *ret_reason = reason;
  else
    g_free (reason);
  return ready;
}

/* --- the report
 * ------------------------------------------------------------------------------------------------ */

const char *
health_status_name (HealthStatus status)
{
  switch (status) {
  case HEALTH_HEALTHY:
    return "healthy";
  case HEALTH_DEGRADED:
    return "degraded";
  case HEALTH_UNHEALTHY:
    break;
  }
  return "unhealthy";
}

int64_t
health_uptime_us (const Health *health)
{
  return loop_now_us () - health->started_us;
}

/* Why a stream that should run does not; NULL when it does, or need not. (transfer full) */
static char *
judge_stream (const StreamStatus *status)
{
  bool trying =
      status->state == STREAM_RECONNECTING || (status->state == STREAM_STARTING && status->attempts > 0);
  if (status->state != STREAM_ERROR && !trying)
    return NULL;
  if (status->last_error)
    return g_strdup (status->last_error);
  return g_strdup (stream_state_name (status->state));
}

static void
free_health_stream (void *data)
{
  HealthStream *stream = data;
  g_free (stream->id);
  g_free (stream->reason);
  g_free (stream);
}

static void
report_streams (Health *health, HealthReport *report)
{
  g_autoptr (GPtrArray) list = registry_list (health->registry);
  for (unsigned i = 0; i < list->len; i++) {
    const StreamStatus *status = list->pdata[i];
    HealthStream *stream = g_new0 (HealthStream, 1);
    stream->id = g_strdup (stream_id (status->stream));
    stream->state = status->state;
    stream->reason = judge_stream (status);
    stream->status = stream->reason ? HEALTH_DEGRADED : HEALTH_HEALTHY;
    g_ptr_array_add (report->streams, stream);
    report->n_streams++;
    report->n_running += status->state == STREAM_RUNNING;
    report->n_failed += stream->reason != NULL;
    report->n_readers += status->readers ? status->readers->len : 0;
  }
}

HealthReport *
health_report (Health *health)
{
  HealthReport *report = g_new0 (HealthReport, 1);
  report->service = "sluice";
  report->version = SLUICE_VERSION;
  report->uptime_s = health_uptime_us (health) / G_USEC_PER_SEC;
  report->unix_us = g_get_real_time ();
  report->reasons = g_ptr_array_new_with_free_func (g_free);
  report->streams = g_ptr_array_new_with_free_func (free_health_stream);
  report_streams (health, report);

  char *reason = NULL;
  report->live = health_is_live (health, NULL);
  report->ready = health_is_ready (health, &reason);
  if (reason)
    g_ptr_array_add (report->reasons, reason);
  if (report->n_failed > 0)
    g_ptr_array_add (report->reasons,
                     g_strdup_printf ("%u of %u streams do not run", report->n_failed, report->n_streams));
  report->status = !report->ready         ? HEALTH_UNHEALTHY
                   : report->n_failed > 0 ? HEALTH_DEGRADED
                                          : HEALTH_HEALTHY;
  return report;
}

void
health_report_free (HealthReport *report)
{
  if (!report)
    return;
  g_ptr_array_unref (report->reasons);
  g_ptr_array_unref (report->streams);
  g_free (report);
}
