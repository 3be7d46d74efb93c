/* SPDX-License-Identifier: Apache-2.0 */
/* The watchdog is fed by a timer of the control loop, and only when the heartbeat has found all loops alive:
 * a control loop that is stuck feeds nothing, and neither does one beside a stuck I/O loop. */
#include "control/notify.h"

#include "base/log.h"

#include <systemd/sd-daemon.h>

enum { STATUS_INTERVAL_S = 30 };

struct Notify {
  Health *health;
  Registry *registry;
  char *status; /* or NULL: the summary */
  unsigned status_timer, watchdog_timer;
};

static void
send_status (Notify *notify)
{
  if (notify->status) {
    sd_notifyf (0, "STATUS=%s", notify->status);
    return;
  }
  g_autoptr (GPtrArray) streams = registry_list (notify->registry);
  unsigned running = 0, readers = 0;
  for (unsigned i = 0; i < streams->len; i++) {
    const StreamStatus *status = streams->pdata[i];
    running += status->state == STREAM_RUNNING;
    readers += status->readers ? status->readers->len : 0;
  }
  sd_notifyf (0, "STATUS=%u of %u streams run, %u readers", running, streams->len, readers);
}

static gboolean
on_status (void *data)
{
  send_status (data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_watchdog (void *data)
{
  Notify *notify = data;
  g_autofree char *reason = NULL;
  if (health_is_live (notify->health, &reason))
    sd_notify (0, "WATCHDOG=1");
  else
    LOG (LOG_CONTROL, LOG_ERROR, "watchdog-held-back", NULL, "not feeding the watchdog: %s", reason);
  return G_SOURCE_CONTINUE;
}

Notify *
notify_new (Health *health, Registry *registry)
{
  Notify *notify = g_new0 (Notify, 1);
  notify->health = health;
  notify->registry = registry;
  uint64_t interval_us = 0;
  if (sd_watchdog_enabled (0, &interval_us) > 0)
    notify->watchdog_timer = g_timeout_add ((unsigned)MAX (interval_us / 2000, 1), on_watchdog, notify);
  if (g_getenv ("NOTIFY_SOCKET"))
    notify->status_timer = g_timeout_add_seconds (STATUS_INTERVAL_S, on_status, notify);
  return notify;
}

void
notify_free (Notify *notify)
{
  if (!notify)
    return;
  if (notify->status_timer)
    g_source_remove (notify->status_timer);
  if (notify->watchdog_timer)
    g_source_remove (notify->watchdog_timer);
  g_free (notify->status);
  g_free (notify);
}

void
notify_ready (Notify *notify)
{
  sd_notify (0, "READY=1");
  send_status (notify);
}

void
notify_reloading (Notify *notify)
{
  sd_notifyf (0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, loop_now_us ());
}

void
notify_stopping (Notify *notify)
{
  sd_notify (0, "STOPPING=1");
}

void
notify_status (Notify *notify, const char *status)
{
  g_free (notify->status);
  notify->status = g_strdup (status);
  send_status (notify);
}
