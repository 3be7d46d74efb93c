/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/config: the effective configuration with its secrets hidden, and reading the file again. */
#include "config/json.h"
#include "http/api/api_private.h"

static void
on_get (HttpCall *call)
{
  Api *api = http_call_app (call);
  g_autoptr (Settings) settings = manager_get_settings (api->options.manager);
  api_respond_object (call, 200, settings_to_json (settings, false));
}

static JsonArray *
make_strings (const GPtrArray *strings)
{
  JsonArray *array = json_array_new ();
  for (unsigned i = 0; strings && i < strings->len; i++) {
    g_autofree char *valid = g_utf8_make_valid (strings->pdata[i], -1);
    json_array_add_string_element (array, valid);
  }
  return array;
}

static JsonObject *
make_reload (const ManagerReload *reload)
{
  JsonObject *object = json_object_new ();
  json_object_set_boolean_member (object, "applied", reload->applied);
  json_object_set_array_member (object, "problems", make_strings (reload->problems));
  json_object_set_array_member (object, "restart", make_strings (reload->restart));
  json_object_set_boolean_member (object, "requires_restart", reload->restart && reload->restart->len > 0);
  json_object_set_int_member (object, "added", reload->added);
  json_object_set_int_member (object, "removed", reload->removed);
  json_object_set_int_member (object, "changed", reload->changed);
  json_object_set_int_member (object, "changes", (gint64)reload->added + reload->removed + reload->changed);
  json_object_set_int_member (object, "generation", (gint64)reload->generation);
  return object;
}

static void
on_reload (HttpCall *call)
{
  Api *api = http_call_app (call);
  g_autoptr (ManagerReload) reload = manager_reload (api->options.manager);
  if (!reload->applied) {
    http_call_respond (call, http_response_new_error (400, "INVALID_CONFIGURATION", make_reload (reload),
                                                      "the configuration was refused; nothing has changed"));
    return;
  }
  JsonObject *object = make_reload (reload);
  json_object_set_string_member (object, "message", "Configuration reloaded successfully");
  api_set_time (object, "timestamp", g_get_real_time ());
  api_respond_object (call, 200, object);
}

static void
on_reload_status (HttpCall *call)
{
  Api *api = http_call_app (call);
  int64_t unix_us = 0;
  const ManagerReload *reload = manager_last_reload (api->options.manager, &unix_us);
  JsonObject *object = reload ? make_reload (reload) : json_object_new ();
  api_set_time (object, "last_reload", reload ? unix_us : 0);
  json_object_set_boolean_member (object, "watching", FALSE);
  api_respond_object (call, 200, object);
}

static const HttpRoute api_config[] = {
    {"GET", "/api/v1/config", ACTION_API, on_get, 0},
    {"POST", "/api/v1/config/reload", ACTION_API, on_reload, 0},
    {"GET", "/api/v1/config/reload/status", ACTION_API, on_reload_status, 0},
};
API_ROUTES (api_config);
