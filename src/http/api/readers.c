/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/streams/{id}/readers: who reads a stream, and how to end that. */
#include "base/error.h"
#include "http/api/api_private.h"

static void
on_list (HttpCall *call)
{
  Api *api = http_call_app (call);
  const char *id = http_call_parameter (call, "id");
  g_autoptr (StreamStatus) status = registry_get_status (api->options.registry, id);
  if (!status) {
    api_respond_no_stream (call, id);
    return;
  }
  JsonArray *readers = json_array_new ();
  for (unsigned i = 0; i < status->readers->len; i++)
    json_array_add_object_element (readers, api_reader_to_json (status->readers->pdata[i]));
  JsonObject *object = json_object_new ();
  json_object_set_array_member (object, "readers", readers);
  json_object_set_int_member (object, "total_count", status->readers->len);
  api_respond_object (call, 200, object);
}

static void
on_kick (HttpCall *call)
{
  Api *api = http_call_app (call);
  const char *id = http_call_parameter (call, "id");
  g_autoptr (StreamStatus) status = registry_get_status (api->options.registry, id);
  g_autoptr (GError) error = NULL;
  if (!status)
    api_respond_no_stream (call, id);
  else if (registry_kick (api->options.registry, id, http_call_parameter (call, "reader"), &error))
    http_call_respond (call, http_response_new (204));
  else
    http_call_respond (
        call, http_response_new_gerror (error, g_error_matches (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND)
                                                   ? "READER_NOT_FOUND"
                                                   : NULL));
}

static const HttpRoute api_readers[] = {
    {"GET", "/api/v1/streams/{id}/readers", ACTION_API, on_list, 0},
    {"DELETE", "/api/v1/streams/{id}/readers/{reader}", ACTION_API, on_kick, 0},
};
API_ROUTES (api_readers);
