/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the API share. */
#pragma once

#include "http/api/api.h"
#include "http/call.h"

#include <json-glib/json-glib.h>

enum { API_FEEDS_MAX = 256 };

struct Api {
  ApiOptions options;
  HttpServer *server;
  GPtrArray *feeds; /* of Feed, events.c */
  /* Of the last answer of /status */
  double last_cpu_seconds;
  int64_t last_cpu_us;
};

typedef struct {
  const HttpRoute *routes;
  size_t n_routes;
} ApiRoutes;

extern const ApiRoutes api_streams_routes;
extern const ApiRoutes api_readers_routes;
extern const ApiRoutes api_events_routes;
extern const ApiRoutes api_config_routes;
extern const ApiRoutes api_health_routes;
extern const ApiRoutes api_metrics_routes;
extern const ApiRoutes api_openapi_routes;

#define API_ROUTES(name) const ApiRoutes name##_routes = {name, G_N_ELEMENTS (name)}

/* Answers with @object, taken over. */
void api_respond_object (HttpCall *call, unsigned status, JsonObject *object);
/* Answers 404 STREAM_NOT_FOUND. */
void api_respond_no_stream (HttpCall *call, const char *id);
/* Answers with an error about a stream, in the codes of the documented contract. */
void api_respond_stream_error (HttpCall *call, const GError *error);

/* "2026-03-01T12:00:00.123456Z", or null for 0. */
void api_set_time (JsonObject *object, const char *name, int64_t unix_us);
void api_set_string (JsonObject *object, const char *name, const char *value); /* NULL: null */

/* Whole numbers of the query. False and an answer given when @name is there and not one of [@min, @max]. */
bool api_query_number (HttpCall *call, const char *name, uint64_t min, uint64_t max, uint64_t fallback,
                       uint64_t *ret);

/* A stream as the API shows it, api/stream_json.c. (transfer full) */
JsonObject *api_stream_to_json (Api *api, const StreamStatus *status);
/* active, inactive, error, initializing, starting, stopping, restarting. Static. */
const char *api_stream_status_word (const StreamStatus *status);
JsonObject *api_reader_to_json (const ReaderStatus *reader);
/* 3 members of /streams/{id}/metrics and more. (transfer full) */
JsonObject *api_stream_metrics_to_json (const StreamStatus *status);

void api_feeds_free (Api *api);
