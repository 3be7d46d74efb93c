/* SPDX-License-Identifier: Apache-2.0 */
/* Targets, routes, origins and JSON bodies, without a server. */
#include "base/error.h"
#include "http/api/stream_body.h"
#include "http/guard.h"
#include "http/json.h"
#include "http/router.h"

#include <string.h>

/* --- targets
 * ------------------------------------------------------------------------------------------------- */

static const struct {
  const char *text;
  const char *segments; /* joined by "|"; NULL: refused */
  const char *query;    /* "a=1|b=2" */
} targets[] = {
    {"/", "", ""},
    {"/a", "a", ""},
    {"/a/", "a", ""},
    {"/a//b", "a||b", ""},
    {"/a%2Fb/c", "a/b|c", ""},
    {"/a%2fb", "a/b", ""},
    {"/a+b?x=a+b", "a+b", "x=a b"},
    {"/?", "", ""},
    {"/?a", "", "a="},
    {"/?a=1&&b=2&", "", "a=1|b=2"},
    {"/?a=b=c", "", "a=b=c"},
    {"/?a%3d=%26", "", "a==&"},
    {"/%c3%a4", "\xc3\xa4", ""},
    {"http://host:80/a?b=1", "a", "b=1"},
    {"HTTPS://host", "", ""},
    {"http://host?x", "", ""},
    {"", NULL, NULL},
    {"*", NULL, NULL},
    {"a/b", NULL, NULL},
    {"ftp://host/a", NULL, NULL},
    {"/%", NULL, NULL},
    {"/%1", NULL, NULL},
    {"/%1/2", NULL, NULL},
    {"/%g0", NULL, NULL},
    {"/%00", NULL, NULL},
    {"/%0a", NULL, NULL},
    {"/%7f", NULL, NULL},
    {"/%ff", NULL, NULL},
    {"/%c3%28", NULL, NULL},
    {"/a\tb", NULL, NULL},
    {"/?%", NULL, NULL},
    {"/?a=%0d%0a", NULL, NULL},
};

static void
test_targets (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (targets); i++) {
    g_auto (HttpTarget) target = {0};
    g_autoptr (GError) error = NULL;
    g_test_message ("%s", targets[i].text);
    bool ok = http_target_parse (targets[i].text, &target, &error);
    g_assert_cmpint (ok, ==, targets[i].segments != NULL);
    if (!ok) {
      g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
      continue;
    }
    g_autoptr (GString) segments = g_string_new (NULL);
    g_autoptr (GString) query = g_string_new (NULL);
    for (unsigned j = 0; j < target.n_segments; j++)
      g_string_append_printf (segments, "%s%s", j ? "|" : "", target.segments[j]);
    for (unsigned j = 0; j < target.n_parameters; j++)
      g_string_append_printf (query, "%s%s=%s", j ? "|" : "", target.parameters[j].name,
                              target.parameters[j].value);
    g_assert_cmpstr (segments->str, ==, targets[i].segments);
    g_assert_cmpstr (query->str, ==, targets[i].query);
  }
}

static void
check_target_size (const char *piece, unsigned n, bool wanted)
{
  g_autoptr (GString) text = g_string_new (*piece == '/' ? NULL : "/?");
  for (unsigned i = 0; i < n; i++)
    g_string_append (text, piece);
  g_auto (HttpTarget) target = {0};
  g_autoptr (GError) error = NULL;
  g_assert_cmpint (http_target_parse (text->str, &target, &error), ==, wanted);
  if (!wanted)
    g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT);
}

static void
test_target_limits (void)
{
  check_target_size ("/s", HTTP_SEGMENTS_MAX, true);
  check_target_size ("/s", HTTP_SEGMENTS_MAX + 1, false);
  check_target_size ("a=1&", HTTP_QUERY_PARAMETERS_MAX, true);
  check_target_size ("a=1&", HTTP_QUERY_PARAMETERS_MAX + 1, false);
}

/* --- routes
 * -------------------------------------------------------------------------------------------------- */

static void
on_call (HttpCall *call)
{
}

static const HttpRoute routes[] = {
    {"GET", "/health", 0, on_call, 0},
    {"GET", "/api/v1/streams", 0, on_call, 0},
    {"POST", "/api/v1/streams", 0, on_call, 0},
    {"GET", "/api/v1/streams/{id}", 0, on_call, 0},
    {"DELETE", "/api/v1/streams/{id}/readers/{reader}", 0, on_call, 0},
};

static const struct {
  const char *method, *target;
  int route; /* -1: none */
  const char *id, *reader;
  const char *allow;
} matches[] = {
    {"GET", "/health", 0, NULL, NULL, "GET, HEAD, OPTIONS"},
    {"HEAD", "/health", 0, NULL, NULL, "GET, HEAD, OPTIONS"},
    {"POST", "/health", -1, NULL, NULL, "GET, HEAD, OPTIONS"},
    {"GET", "/api/health", -1, NULL, NULL, ""},
    {"GET", "/v1/health", -1, NULL, NULL, ""},
    {"GET", "/api/v1/streams", 1, NULL, NULL, "GET, HEAD, POST, OPTIONS"},
    {"POST", "/api/streams/", 2, NULL, NULL, "GET, HEAD, POST, OPTIONS"},
    {"GET", "/streams", -1, NULL, NULL, ""},
    {"GET", "/api/v1/streams/a", 3, "a", NULL, "GET, HEAD, OPTIONS"},
    {"GET", "/api/streams/live%2Fa", 3, "live/a", NULL, "GET, HEAD, OPTIONS"},
    {"GET", "/api/v1/streams/live/a", -1, NULL, NULL, ""},
    {"GET", "/api/v1/v1/streams/a", -1, NULL, NULL, ""},
    {"DELETE", "/api/v1/streams/x/readers/y", 4, "x", "y", "DELETE, OPTIONS"},
    {"DELETE", "/api/v1/streams/x/readers", -1, NULL, NULL, ""},
    {"DELETE", "/api/v1/streams//readers/y", -1, NULL, NULL, ""},
    {"GET", "/", -1, NULL, NULL, ""},
    {"GET", "/api", -1, NULL, NULL, ""},
};

static void
test_routes (void)
{
  g_autoptr (Router) router = router_new ();
  router_add (router, routes, G_N_ELEMENTS (routes));
  for (unsigned i = 0; i < G_N_ELEMENTS (matches); i++) {
    g_auto (HttpTarget) target = {0};
    g_test_message ("%s %s", matches[i].method, matches[i].target);
    g_assert_true (http_target_parse (matches[i].target, &target, NULL));
    HttpMatch match;
    router_match (router, matches[i].method, &target, &match);
    if (matches[i].route < 0)
      g_assert_null (match.route);
    else
      g_assert_true (match.route == &routes[matches[i].route]);
    g_assert_cmpstr (http_match_parameter (&match, "id"), ==, matches[i].id);
    g_assert_cmpstr (http_match_parameter (&match, "reader"), ==, matches[i].reader);
    g_assert_cmpstr (match.allow, ==, matches[i].allow);
  }
}

/* --- browsers
 * ------------------------------------------------------------------------------------------------ */

static void
test_hosts (void)
{
  static const struct {
    const char *host;
    bool literal;
  } hosts[] = {
      {"127.0.0.1", true},
      {"127.0.0.1:8080", true},
      {"[::1]", true},
      {"[::1]:8080", true},
      {"localhost", true},
      {"LocalHost:1", true},
      {"app.localhost", true},
      {"192.0.2.1:80", true},
      {"example.org", false},
      {"localhost.evil", false},
      {"", false},
      {":80", false},
      {"127.0.0.1.evil", false},
      {"[::1].evil:80", false},
      {"[::1", false},
      {"evil.example:127", false},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (hosts); i++) {
    g_test_message ("%s", hosts[i].host);
    g_assert_cmpint (http_guard_host_is_literal (hosts[i].host), ==, hosts[i].literal);
  }
}

static void
test_origins (void)
{
  char *listed[] = {(char *)"https://page.example", NULL};
  char *all[] = {(char *)"*", NULL};
  static const struct {
    const char *origin, *host;
    bool allowed;
  } origins[] = {
      {"http://a:8080", "a:8080", true},
      {"http://a", "a:80", true},
      {"https://a", "a", true},
      {"http://A:8080", "a:8080", true},
      {"http://a:8081", "a:8080", false},
      {"http://b:8080", "a:8080", false},
      {"http://a.b:80", "a", false},
      {"http://[::1]:80", "[::1]", true},
      {"null", "a", false},
      {"file://a", "a", false},
      {"", "a", false},
      {"https://page.example", "a", true},
      {"http://page.example", "a", false},
      {"https://page.example.evil", "a", false},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (origins); i++) {
    g_test_message ("%s at %s", origins[i].origin, origins[i].host);
    g_assert_cmpint (http_guard_origin_allowed (origins[i].origin, origins[i].host, false, listed), ==,
                     origins[i].allowed);
    g_assert_true (http_guard_origin_allowed (origins[i].origin, origins[i].host, false, all));
  }
  g_assert_false (http_guard_origin_allowed ("http://a", NULL, false, NULL));
}

/* --- bodies
 * -------------------------------------------------------------------------------------------------- */

static const struct {
  const char *body;
  const char *id;
  const char *patch; /* as GVariant text; NULL: refused */
} bodies[] = {
    {"{}", NULL, "@a{sv} {}"},
    {"{\"id\":\"a\"}", "a", "@a{sv} {}"},
    {"{\"id\":\"a\",\"source\":\"rtsp://h\"}", "a", "{'source': <'rtsp://h'>}"},
    {"{\"source_url\":\"rtsp://h\"}", NULL, "{'source': <'rtsp://h'>}"},
    {"{\"uri\":\"rtsp://h\"}", NULL, "{'source': <'rtsp://h'>}"},
    {"{\"uri\":\"rtsp://h\",\"source\":\"rtsp://h\"}", NULL, "{'source': <'rtsp://h'>}"},
    {"{\"uri\":\"rtsp://h\",\"source\":\"rtsp://other\"}", NULL, NULL},
    {"{\"name\":\"Door\"}", NULL, "{'title': <'Door'>}"},
    {"{\"on_demand\":true}", NULL, "{'on_demand': <true>}"},
    {"{\"on_demand\":null}", NULL, "{'on_demand': <@mv nothing>}"},
    {"{\"anything\":5}", NULL, "{'anything': <int64 5>}"},
    {"{\"recording\":{\"enabled\":false,\"segment_duration\":60}}", NULL, "@a{sv} {}"},
    {"{\"recording\":{\"enabled\":true}}", NULL, "@a{sv} {}"},
    {"{\"recording\":{\"enabled\":5}}", NULL, NULL},
    {"{\"recording\":{\"enable\":false}}", NULL, NULL},
    {"{\"recording\":5}", NULL, NULL},
    {"{\"recording\":null}", NULL, "@a{sv} {}"},
    {"{\"enable_recording\":true}", NULL, "@a{sv} {}"},
    {"{\"enable_recording\":false,\"enable_inference\":false}", NULL, "@a{sv} {}"},
    {"{\"inference\":{\"enabled\":true,\"model\":\"yolov5\"}}", NULL, "@a{sv} {}"},
    {"{\"reconnect\":{\"enabled\":true,\"max_attempts\":5,\"backoff_ms\":1500}}", NULL,
     "{'max_attempts': <int64 5>, 'retry_min': <'1500ms'>}"},
    {"{\"reconnect\":{\"max_attempts\":-1}}", NULL, "{'max_attempts': <int64 0>}"},
    {"{\"reconnect\":{\"enabled\":false,\"max_attempts\":5}}", NULL, "{'max_attempts': <int64 1>}"},
    {"{\"reconnect\":{\"max_attempts\":-2}}", NULL, NULL},
    {"{\"reconnect\":{\"backoff\":1}}", NULL, NULL},
    {"{\"id\":5}", NULL, NULL},
    {"[]", NULL, NULL},
    {"\"text\"", NULL, NULL},
    {"", NULL, NULL},
    {"{", NULL, NULL},
    {"{\"a\":1}}", NULL, NULL},
    {"{\"a\":1} {\"b\":2}", NULL, NULL},
    {"{/* */}", NULL, NULL},
    {"{'a':1}", NULL, NULL},
    {"{\"a\":\"\xff\"}", NULL, NULL}, /* not UTF-8 */
};

static void
test_bodies (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (bodies); i++) {
    g_auto (StreamBody) body = {0};
    g_autoptr (GError) error = NULL;
    g_autofree char *shown = g_utf8_make_valid (bodies[i].body, -1);
    g_test_message ("%s", shown);
    bool ok = stream_body_parse (bodies[i].body, strlen (bodies[i].body), &body, &error);
    g_assert_cmpint (ok, ==, bodies[i].patch != NULL);
    if (!ok) {
      g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
      continue;
    }
    g_autoptr (GVariant) wanted =
        g_variant_parse (G_VARIANT_TYPE_VARDICT, bodies[i].patch, NULL, NULL, &error);
    g_assert_no_error (error);
    g_autofree char *text = g_variant_print (body.patch, TRUE);
    g_autofree char *wanted_text = g_variant_print (wanted, TRUE);
    g_assert_cmpstr (text, ==, wanted_text);
    g_assert_cmpstr (body.id, ==, bodies[i].id);
  }
}

static void
check_depth (unsigned depth, bool wanted)
{
  g_autoptr (GString) text = g_string_new ("{\"a\":");
  for (unsigned i = 1; i < depth; i++)
    g_string_append_c (text, '[');
  g_string_append (text, "1");
  for (unsigned i = 1; i < depth; i++)
    g_string_append_c (text, ']');
  g_string_append_c (text, '}');
  g_autoptr (JsonObject) object = http_json_parse_object (text->str, text->len, NULL);
  g_assert_cmpint (object != NULL, ==, wanted);
}

static void
test_json_depth (void)
{
  check_depth (HTTP_JSON_DEPTH_MAX, true);
  check_depth (HTTP_JSON_DEPTH_MAX + 1, false);
  check_depth (100000, false);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/http/route/targets", test_targets);
  g_test_add_func ("/http/route/target-limits", test_target_limits);
  g_test_add_func ("/http/route/routes", test_routes);
  g_test_add_func ("/http/route/hosts", test_hosts);
  g_test_add_func ("/http/route/origins", test_origins);
  g_test_add_func ("/http/route/bodies", test_bodies);
  g_test_add_func ("/http/route/json-depth", test_json_depth);
  return g_test_run ();
}
