/* SPDX-License-Identifier: Apache-2.0 */
/* Request targets: METHOD SPACE TARGET, parsed and routed. What comes out must be valid UTF-8 without control
 * characters. */
#include "http/router.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

static void
on_call (HttpCall *call)
{
}

static const HttpRoute routes[] = {
    {"GET", "/health", 0, on_call, 0},
    {"GET", "/api/v1/streams", 0, on_call, 0},
    {"GET", "/api/v1/streams/{id}", 0, on_call, 0},
    {"DELETE", "/api/v1/streams/{id}/readers/{reader}", 0, on_call, 0},
};

static void
check_text (const char *text)
{
  if (!g_utf8_validate (text, -1, NULL))
    __builtin_trap ();
  for (; *text; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7f)
      __builtin_trap ();
}

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  g_autofree char *text = g_strndup ((const char *)bytes, n_bytes);
  char *space = strchr (text, ' ');
  if (!space)
    return 0;
  *space = '\0';
  g_auto (HttpTarget) target = {0};
  if (!http_target_parse (space + 1, &target, NULL))
    return 0;
  for (unsigned i = 0; i < target.n_segments; i++)
    check_text (target.segments[i]);
  for (unsigned i = 0; i < target.n_parameters; i++) {
    check_text (target.parameters[i].name);
    check_text (target.parameters[i].value);
  }
  g_autoptr (Router) router = router_new ();
  router_add (router, routes, G_N_ELEMENTS (routes));
  HttpMatch match;
  router_match (router, text, &target, &match);
  if (match.route && !*match.allow)
    __builtin_trap ();
  return 0;
}
