/* SPDX-License-Identifier: Apache-2.0 */
/* The resources of the API, one file each: what they answer, from the control plane below.
 *
 * Owner: control loop; all functions there. */
#pragma once

#include "control/events.h"
#include "control/health.h"
#include "control/manager.h"
#include "control/metrics.h"
#include "http/server.h"
#include "stream/registry.h"

typedef struct Api Api;

typedef struct {
  Loop *control;
  Manager *manager;
  Registry *registry;
  Journal *journal;
  Health *health;
  Metrics *metrics;
} ApiOptions;

/* What @options point to outlives the API. */
Api *api_new (const ApiOptions *options);
/* Before the journal goes. After it, feeds that are still open get nothing any more; http_server_free()
 * closes them, and their last callbacks may come later. NULL-safe. */
void api_free (Api *api);

/* All routes; their app (HttpServerOptions) is the Api. */
void api_add_routes (Router *router);

/* The server's own numbers go into /metrics from now on; NULL: no longer. */
void api_set_server (Api *api, HttpServer *server);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Api, api_free)
