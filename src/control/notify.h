/* SPDX-License-Identifier: Apache-2.0 */
/* Talks to systemd (sd_notify(3)): READY, RELOADING, STOPPING, STATUS, and the watchdog, which is fed only
 * while every loop answers (control/health.h). Without NOTIFY_SOCKET all of it does nothing.
 *
 * Owner: control loop. */
#pragma once

#include "control/health.h"

typedef struct Notify Notify;

/* Feeds the watchdog at half its interval when systemd asked for one (WATCHDOG_USEC, WATCHDOG_PID). */
Notify *notify_new (Health *health, Registry *registry);
void notify_free (Notify *notify); /* NULL-safe */

void notify_ready (Notify *notify);     /* started, or reloaded */
void notify_reloading (Notify *notify); /* with MONOTONIC_USEC, as Type=notify-reload wants it */
void notify_stopping (Notify *notify);
/* "2 of 3 streams run, 5 readers" every 30 s by itself; @status NULL goes back to that. */
void notify_status (Notify *notify, const char *status);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Notify, notify_free)
