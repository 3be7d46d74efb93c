/* SPDX-License-Identifier: Apache-2.0 */
/* The running server: every module made, wired and taken down in order. Control loop (the main thread). */
#pragma once

#include "config/settings.h"
#include "control/manager.h"

typedef struct Daemon Daemon;

/* Opens state, listeners and streams as @settings say. NULL and @error when it cannot serve; nothing is left
 * running then. @load and @load_data: how to read the configuration again. */
Daemon *daemon_new (Settings *settings, ManagerLoadFunc load, void *load_data, const char *config_file,
                    GError **error);

/* Validates the configuration anew and applies what changed; problems are logged. */
void daemon_reload (Daemon *daemon);

/* Serves until daemon_stop(). */
void daemon_run (Daemon *daemon);

/* Stops accepting, says good-bye to everybody, ends daemon_run(). At most STOP_SECONDS. */
void daemon_stop (Daemon *daemon);

void daemon_free (Daemon *daemon); /* NULL-safe */
