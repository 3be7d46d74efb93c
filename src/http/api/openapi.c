/* SPDX-License-Identifier: Apache-2.0 */
/* The description of the API, as it stands in data/openapi.json. JSON is YAML too, so one text serves both.
 */
#include "http/api/api_private.h"

#include "http/sluice-data.h"

static void
respond_document (HttpCall *call, const char *content_type)
{
  GBytes *document = g_resource_lookup_data (sluice_data_get_resource (), "/sluice/openapi.json", 0, NULL);
  http_call_respond (
      call, document ? http_response_new_bytes (200, content_type, document)
                     : http_response_new_error (500, "INTERNAL_ERROR", NULL, "the document is missing"));
}

static void
on_json (HttpCall *call)
{
  respond_document (call, "application/json");
}

static void
on_yaml (HttpCall *call)
{
  respond_document (call, "application/yaml");
}

static const HttpRoute api_openapi[] = {
    {"GET", "/api/v1/openapi.json", 0, on_json, 0},
    {"GET", "/api/v1/openapi.yaml", 0, on_yaml, 0},
};
API_ROUTES (api_openapi);
