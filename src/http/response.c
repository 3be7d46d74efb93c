/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the HTTP server as plain structs; the exchange turns them into libmicrohttpd's. */
#include "http/response.h"

#include "base/error.h"

HttpResponse *
http_response_new (unsigned status)
{
  HttpResponse *response = g_new0 (HttpResponse, 1);
  response->status = status;
  response->headers = g_ptr_array_new_with_free_func (g_free);
  return response;
}

HttpResponse *
http_response_new_bytes (unsigned status, const char *content_type, GBytes *body)
{
  HttpResponse *response = http_response_new (status);
  response->content_type = content_type;
  response->body = body;
  return response;
}

HttpResponse *
http_response_new_text (unsigned status, const char *content_type, char *body)
{
  return http_response_new_bytes (status, content_type, g_bytes_new_take (body, strlen (body)));
}

HttpResponse *
http_response_new_json (unsigned status, JsonNode *node)
{
  HttpResponse *response = http_response_new_text (status, "application/json", json_to_string (node, FALSE));
  json_node_unref (node);
  return response;
}

HttpResponse *
http_response_new_error (unsigned status, const char *code, JsonObject *details, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *raw = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *message = g_utf8_make_valid (raw, -1);

  JsonObject *inner = json_object_new ();
  json_object_set_string_member (inner, "code", code);
  json_object_set_string_member (inner, "message", message);
  json_object_set_object_member (inner, "details", details ? details : json_object_new ());
  JsonObject *outer = json_object_new ();
  json_object_set_object_member (outer, "error", inner);
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (node, outer);
  return http_response_new_json (status, node);
}

HttpResponse *
http_response_new_gerror (const GError *error, const char *code)
{
  return http_response_new_error (sluice_error_http_status (error), code ? code : sluice_error_name (error),
                                  NULL, "%s", error->message);
}

void
http_response_free (HttpResponse *response)
{
  if (!response)
    return;
  g_clear_pointer (&response->body, g_bytes_unref);
  g_ptr_array_unref (response->headers);
  g_free (response);
}

void
http_response_add_header (HttpResponse *response, const char *name, const char *value)
{
  for (const char *c = value; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f)
      return;
  g_ptr_array_add (response->headers, g_strdup (name));
  g_ptr_array_add (response->headers, g_strdup (value));
}
