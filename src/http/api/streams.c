/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/streams: list, create, show, change, remove, start, stop, restart. Changes go through the manager's
 * transaction; the answer comes when it is on disk. */
#include "base/error.h"
#include "http/api/api_private.h"
#include "http/api/stream_body.h"

#include <string.h>

enum { ITEMS_PER_PAGE = 100, ITEMS_MAX = 1000 };

/* --- listing
 * ------------------------------------------------------------------------------------------------- */

typedef struct {
  const char *status, *state, *source, *search;
  bool none; /* asked for what no stream has */
  uint64_t offset, limit;
  bool by_page;
} ListQuery;

static bool
contains (const char *text, const char *part)
{
  if (!text)
    return false;
  g_autofree char *folded_text = g_utf8_casefold (text, -1);
  g_autofree char *folded_part = g_utf8_casefold (part, -1);
  return strstr (folded_text, folded_part) != NULL;
}

static bool
source_contains (const StreamStatus *status, const char *part)
{
  if (contains (status->source, part) || contains (status->source_type, part))
    return true;
  for (char **source = status->settings->source; source && *source; source++) {
    /* What is searched is what is shown: a search must not find out passwords letter by letter. */
    g_autofree char *redacted = source_url_redact (*source);
    if (contains (redacted, part))
      return true;
  }
  return false;
}

static bool
matches (const ListQuery *query, const StreamStatus *status)
{
  if (query->none)
    return false;
  if (query->status && strcmp (query->status, api_stream_status_word (status)) != 0)
    return false;
  if (query->state && strcmp (query->state, stream_state_name (status->state)) != 0)
    return false;
  if (query->source && !source_contains (status, query->source))
    return false;
  return !query->search || contains (stream_id (status->stream), query->search) ||
         contains (status->settings->title, query->search);
}

static bool
read_list_query (HttpCall *call, ListQuery *ret)
{
  *ret = (ListQuery){
      .status = http_call_query (call, "status"),
      .state = http_call_query (call, "state"),
      .source = http_call_query (call, "source"),
      .search = http_call_query (call, "search"),
  };
  if (!ret->search)
    ret->search = http_call_query (call, "name");
  const char *recording = http_call_query (call, "recording");
  ret->none = recording && strcmp (recording, "true") == 0;

  uint64_t page, per_page;
  if (!api_query_number (call, "page", 1, G_MAXUINT32, 1, &page) ||
      !api_query_number (call, "items_per_page", 1, ITEMS_MAX, ITEMS_PER_PAGE, &per_page) ||
      !api_query_number (call, "offset", 0, G_MAXUINT32, 0, &ret->offset) ||
      !api_query_number (call, "limit", 1, ITEMS_MAX, ITEMS_MAX, &ret->limit))
    return false;
  ret->by_page = http_call_query (call, "page") || http_call_query (call, "items_per_page");
  if (ret->by_page) {
    ret->offset = (page - 1) * per_page;
    ret->limit = per_page;
  }
  return true;
}

static void
on_list (HttpCall *call)
{
  Api *api = http_call_app (call);
  ListQuery query;
  if (!read_list_query (call, &query))
    return;
  g_autoptr (GPtrArray) all = registry_list (api->options.registry);
  JsonArray *streams = json_array_new ();
  uint64_t total = 0;
  for (unsigned i = 0; i < all->len; i++) {
    const StreamStatus *status = all->pdata[i];
    if (!matches (&query, status))
      continue;
    if (total >= query.offset && total - query.offset < query.limit)
      json_array_add_object_element (streams, api_stream_to_json (api, status));
    total++;
  }
  JsonObject *object = json_object_new ();
  json_object_set_array_member (object, "streams", streams);
  json_object_set_int_member (object, "total_count", (gint64)total);
  json_object_set_int_member (object, "offset", (gint64)query.offset);
  json_object_set_int_member (object, "limit", (gint64)query.limit);
  if (query.by_page) {
    json_object_set_int_member (object, "page", (gint64)(query.offset / query.limit + 1));
    json_object_set_int_member (object, "items_per_page", (gint64)query.limit);
    json_object_set_int_member (object, "page_count", (gint64)((total + query.limit - 1) / query.limit));
  }
  api_respond_object (call, 200, object);
}

static void
on_get (HttpCall *call)
{
  Api *api = http_call_app (call);
  const char *id = http_call_parameter (call, "id");
  g_autoptr (StreamStatus) status = registry_get_status (api->options.registry, id);
  if (status)
    api_respond_object (call, 200, api_stream_to_json (api, status));
  else
    api_respond_no_stream (call, id);
}

static void
on_metrics (HttpCall *call)
{
  Api *api = http_call_app (call);
  const char *id = http_call_parameter (call, "id");
  g_autoptr (StreamStatus) status = registry_get_status (api->options.registry, id);
  if (status)
    api_respond_object (call, 200, api_stream_metrics_to_json (status));
  else
    api_respond_no_stream (call, id);
}

/* --- changing
 * ------------------------------------------------------------------------------------------------ */

static void
add_location (HttpResponse *response, const char *id)
{
  g_autofree char *escaped = g_uri_escape_string (id, NULL, FALSE);
  g_autofree char *location = g_strconcat ("/api/v1/streams/", escaped, NULL);
  http_response_add_header (response, "Location", location);
}

/* The stream as it is now; NULL: it has gone meanwhile, or nobody waits for it. */
static JsonObject *
describe (HttpCall *call, const char *id)
{
  if (!http_call_is_waiting (call))
    return NULL;
  Api *api = http_call_app (call);
  g_autoptr (StreamStatus) status = registry_get_status (api->options.registry, id);
  return status ? api_stream_to_json (api, status) : NULL;
}

/* What the body asked for and did not get. */
static void
add_warnings (HttpCall *call, JsonObject *object)
{
  gsize n_body = 0;
  const char *bytes = g_bytes_get_data (http_call_body (call), &n_body);
  g_auto (StreamBody) body = {0};
  if (!bytes || !stream_body_parse (bytes, n_body, &body, NULL) || !body.warnings)
    return;
  JsonArray *warnings = json_array_new ();
  for (unsigned i = 0; i < body.warnings->len; i++)
    json_array_add_string_element (warnings, body.warnings->pdata[i]);
  json_object_set_array_member (object, "warnings", warnings);
}

static void
on_created (void *data, const char *id, const GError *error)
{
  HttpCall *call = data;
  JsonObject *object = error ? NULL : describe (call, id);
  if (error) {
    api_respond_stream_error (call, error);
  } else if (!object) {
    api_respond_no_stream (call, id);
  } else {
    json_object_set_string_member (object, "message", "Stream added successfully");
    add_warnings (call, object);
    JsonNode *node = json_node_new (JSON_NODE_OBJECT);
    json_node_take_object (node, object);
    HttpResponse *response = http_response_new_json (201, node);
    add_location (response, id);
    http_call_respond (call, response);
  }
}

static bool
read_body (HttpCall *call, StreamBody *ret)
{
  g_autoptr (GError) error = NULL;
  gsize n_body = 0;
  const char *body = g_bytes_get_data (http_call_body (call), &n_body);
  if (stream_body_parse (body ? body : "", n_body, ret, &error))
    return true;
  api_respond_stream_error (call, error);
  return false;
}

static void
respond_invalid (HttpCall *call, const char *text)
{
  g_autoptr (GError) error = g_error_new_literal (SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, text);
  api_respond_stream_error (call, error);
}

static void
on_create (HttpCall *call)
{
  Api *api = http_call_app (call);
  g_auto (StreamBody) body = {0};
  if (!read_body (call, &body))
    return;
  if (!body.id)
    respond_invalid (call, "id: is missing");
  else
    manager_create_stream (api->options.manager, body.id, body.patch, on_created, call);
}

static void
on_updated (void *data, const char *id, const GError *error)
{
  HttpCall *call = data;
  JsonObject *object = error ? NULL : describe (call, id);
  if (error) {
    api_respond_stream_error (call, error);
  } else if (object) {
    add_warnings (call, object);
    api_respond_object (call, 200, object);
  } else {
    api_respond_no_stream (call, id);
  }
}

static void
on_update (HttpCall *call)
{
  Api *api = http_call_app (call);
  const char *id = http_call_parameter (call, "id");
  g_auto (StreamBody) body = {0};
  if (!read_body (call, &body))
    return;
  if (body.id && strcmp (body.id, id) != 0)
    respond_invalid (call, "id: cannot be changed; create a new stream and remove this one");
  else
    manager_update_stream (api->options.manager, id, body.patch, on_updated, call);
}

static void
on_removed (void *data, const char *id, const GError *error)
{
  HttpCall *call = data;
  if (error)
    api_respond_stream_error (call, error);
  else
    http_call_respond (call, http_response_new (204));
}

static void
on_remove (HttpCall *call)
{
  Api *api = http_call_app (call);
  manager_remove_stream (api->options.manager, http_call_parameter (call, "id"), on_removed, call);
}

/* --- commands
 * ------------------------------------------------------------------------------------------------ */

static void
finish_command (HttpCall *call, const char *id, const char *status, const GError *error)
{
  JsonObject *object = error ? NULL : describe (call, id);
  if (error) {
    api_respond_stream_error (call, error);
  } else if (!object) {
    api_respond_no_stream (call, id);
  } else {
    /* What was asked for has begun; how far it has got is in "state". */
    json_object_set_string_member (object, "status", status);
    api_respond_object (call, 200, object);
  }
}

static void
on_started (void *data, const char *id, const GError *error)
{
  finish_command (data, id, "starting", error);
}

static void
on_stopped (void *data, const char *id, const GError *error)
{
  finish_command (data, id, "stopping", error);
}

static void
on_restarted (void *data, const char *id, const GError *error)
{
  finish_command (data, id, "restarting", error);
}

static void
on_start (HttpCall *call)
{
  Api *api = http_call_app (call);
  manager_start_stream (api->options.manager, http_call_parameter (call, "id"), on_started, call);
}

static void
on_stop (HttpCall *call)
{
  Api *api = http_call_app (call);
  manager_stop_stream (api->options.manager, http_call_parameter (call, "id"), on_stopped, call);
}

static void
on_restart (HttpCall *call)
{
  Api *api = http_call_app (call);
  manager_restart_stream (api->options.manager, http_call_parameter (call, "id"), on_restarted, call);
}

static const HttpRoute api_streams[] = {
    {"GET", "/api/v1/streams", ACTION_API, on_list, 0},
    {"POST", "/api/v1/streams", ACTION_API, on_create, 0},
    {"GET", "/api/v1/streams/{id}", ACTION_API, on_get, 0},
    {"PATCH", "/api/v1/streams/{id}", ACTION_API, on_update, 0},
    {"PUT", "/api/v1/streams/{id}", ACTION_API, on_update, 0},
    {"DELETE", "/api/v1/streams/{id}", ACTION_API, on_remove, 0},
    {"POST", "/api/v1/streams/{id}/start", ACTION_API, on_start, 0},
    {"POST", "/api/v1/streams/{id}/stop", ACTION_API, on_stop, 0},
    {"POST", "/api/v1/streams/{id}/restart", ACTION_API, on_restart, 0},
    {"GET", "/api/v1/streams/{id}/metrics", ACTION_API, on_metrics, 0},
};
API_ROUTES (api_streams);
