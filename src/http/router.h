/* SPDX-License-Identifier: Apache-2.0 */
/* From method and path to a handler. Tables of routes are static; a router only points to them. Immutable
 * after the last router_add(); then any thread. */
#pragma once

#include "config/settings.h"
#include "http/target.h"

typedef struct HttpCall HttpCall;

/* Runs on the control loop and answers by http_call_respond() (http/call.h), at once or later, exactly once.
 */
typedef void (*HttpHandler) (HttpCall *call);

typedef enum {
  HTTP_ROUTE_PLAIN = 0,
  HTTP_ROUTE_WEBSOCKET = 1 << 0, /* may be upgraded; the Origin of a GET is checked too */
} HttpRouteFlags;

typedef struct {
  const char *method;    /* "GET" also answers HEAD */
  const char *pattern;   /* "/api/v1/streams/{id}"; "/api/v1/x" also answers "/api/x" */
  SettingsAction action; /* permission needed; 0: none */
  HttpHandler handler;
  unsigned flags; /* of HttpRouteFlags */
} HttpRoute;

enum { HTTP_ROUTE_PARAMETERS_MAX = 4, HTTP_ALLOW_BYTES = 64 };

typedef struct {
  const HttpRoute *route; /* NULL: the path is unknown, or no route of it takes the method */
  unsigned n_parameters;
  struct {
    char name[16];
    const char *value; /* of the target */
  } parameters[HTTP_ROUTE_PARAMETERS_MAX];
  char allow[HTTP_ALLOW_BYTES]; /* "GET, HEAD, OPTIONS" of the path; empty: the path is unknown */
} HttpMatch;

typedef struct Router Router;
Router *router_new (void);
void router_free (Router *router); /* NULL-safe */
/* @routes: static. */
void router_add (Router *router, const HttpRoute *routes, size_t n_routes);
void router_match (const Router *router, const char *method, const HttpTarget *target, HttpMatch *ret);
const char *http_match_parameter (const HttpMatch *match, const char *name); /* NULL: no such */

size_t router_size (const Router *router);
const HttpRoute *router_get (const Router *router, size_t index);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Router, router_free)
