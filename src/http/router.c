/* SPDX-License-Identifier: Apache-2.0 */
/* The router: a linear scan over some dozens of patterns, segment by segment. Literal routes come before
 * those with parameters when both are in the tables in that order. */
#include "http/router.h"

#include <string.h>

struct Router {
  GPtrArray *routes; /* of const HttpRoute */
};

Router *
router_new (void)
{
  Router *router = g_new0 (Router, 1);
  router->routes = g_ptr_array_new ();
  return router;
}

void
router_free (Router *router)
{
  if (!router)
    return;
  g_ptr_array_unref (router->routes);
  g_free (router);
}

void
router_add (Router *router, const HttpRoute *routes, size_t n_routes)
{
  for (size_t i = 0; i < n_routes; i++)
    g_ptr_array_add (router->routes, (gpointer)&routes[i]);
}

size_t
router_size (const Router *router)
{
  return router->routes->len;
}

const HttpRoute *
router_get (const Router *router, size_t index)
{
  return router->routes->pdata[index];
}

static bool
take_segment (const char *pattern, size_t n, const char *segment, HttpMatch *match)
{
  if (n > 2 && pattern[0] == '{' && pattern[n - 1] == '}') {
    g_return_val_if_fail (match->n_parameters < HTTP_ROUTE_PARAMETERS_MAX, false);
    if (!*segment)
      return false;
    g_autofree char *name = g_strndup (pattern + 1, n - 2);
    g_strlcpy (match->parameters[match->n_parameters].name, name, sizeof match->parameters[0].name);
    match->parameters[match->n_parameters++].value = segment;
    return true;
  }
  return strlen (segment) == n && memcmp (segment, pattern, n) == 0;
}

static bool
match_pattern (const char *pattern, const HttpTarget *target, HttpMatch *match)
{
  bool versionless = target->n_segments > 0 && strcmp (target->segments[0], "api") == 0 &&
                     (target->n_segments < 2 || strcmp (target->segments[1], "v1") != 0);
  unsigned used = 0;
  match->n_parameters = 0;
  for (const char *cursor = pattern + 1; *cursor;) {
    size_t n = strcspn (cursor, "/");
    if (versionless && used == 1 && n == 2 && memcmp (cursor, "v1", 2) == 0)
      versionless = false; /* /api/streams is /api/v1/streams */
    else if (used == target->n_segments || !take_segment (cursor, n, target->segments[used++], match))
      return false;
    cursor += n;
    if (*cursor == '/')
      cursor++;
  }
  return used == target->n_segments;
}

static void
allow (HttpMatch *match, const char *method)
{
  if (strstr (match->allow, method))
    return;
  if (*match->allow)
    g_strlcat (match->allow, ", ", sizeof match->allow);
  g_strlcat (match->allow, method, sizeof match->allow);
  if (strcmp (method, "GET") == 0)
    g_strlcat (match->allow, ", HEAD", sizeof match->allow);
}

void
router_match (const Router *router, const char *method, const HttpTarget *target, HttpMatch *ret)
{
  const char *wanted = strcmp (method, "HEAD") == 0 ? "GET" : method;
  HttpMatch found = {0};
  char allowed[HTTP_ALLOW_BYTES] = "";
  for (unsigned i = 0; i < router->routes->len; i++) {
    const HttpRoute *route = router->routes->pdata[i];
    HttpMatch match = {0};
    if (!match_pattern (route->pattern, target, &match))
      continue;
    g_strlcpy (match.allow, allowed, sizeof match.allow);
    allow (&match, route->method);
    g_strlcpy (allowed, match.allow, sizeof allowed);
    if (!found.route && strcmp (route->method, wanted) == 0) {
      found = match;
      found.route = route;
    }
  }
  *ret = found;
  g_strlcpy (ret->allow, allowed, sizeof ret->allow);
  if (*ret->allow)
    g_strlcat (ret->allow, ", OPTIONS", sizeof ret->allow);
}

const char *
http_match_parameter (const HttpMatch *match, const char *name)
{
  for (unsigned i = 0; i < match->n_parameters; i++)
    if (strcmp (match->parameters[i].name, name) == 0)
      return match->parameters[i].value;
  return NULL;
}
