/* SPDX-License-Identifier: Apache-2.0 */
/* json-glib recurses once a level and takes comments and what follows the object in its stride; a look at the
 * brackets comes first, so that a peer cannot choose how deep our stack gets. */
#include "http/json.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

static bool
refuse_character (char c, GError **error)
{
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "the body is not JSON: unexpected \"%c\"",
               g_ascii_isprint (c) ? c : '?');
  return false;
}

static bool
check_shape (const char *bytes, size_t n_bytes, GError **error)
{
  unsigned depth = 0;
  bool in_string = false;
  bool ended = false;
  for (size_t i = 0; i < n_bytes; i++) {
    char c = bytes[i];
    if (in_string) {
      if (c == '\\')
        i++;
      else if (c == '"')
        in_string = false;
      continue;
    }
    bool opens = c == '{' || c == '[';
    bool closes = c == '}' || c == ']';
    if (c == '/' || c == '#' || c == '\'' || (closes && depth == 0) || (ended && !g_ascii_isspace (c)))
      return refuse_character (c, error);
    if (opens && ++depth > HTTP_JSON_DEPTH_MAX) {
      g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
                   "the body is nested deeper than %d levels", HTTP_JSON_DEPTH_MAX);
      return false;
    }
    if (closes)
      ended = --depth == 0;
    in_string = c == '"';
  }
  return true;
}

/* Escapes can smuggle in halves of surrogate pairs. */
static bool
check_strings (JsonNode *node)
{
  if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *array = json_node_get_array (node);
    for (unsigned i = 0; i < json_array_get_length (array); i++)
      if (!check_strings (json_array_get_element (array, i)))
        return false;
    return true;
  }
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return !JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING ||
           g_utf8_validate (json_node_get_string (node), -1, NULL);
  JsonObjectIter iter;
  const char *name;
  JsonNode *member;
  json_object_iter_init (&iter, json_node_get_object (node));
  while (json_object_iter_next (&iter, &name, &member))
    if (!g_utf8_validate (name, -1, NULL) || !check_strings (member))
      return false;
  return true;
}

JsonObject *
http_json_parse_object (const char *bytes, size_t n_bytes, GError **error)
{
  if (!g_utf8_validate_len (bytes, n_bytes, NULL)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "the body is not UTF-8");
    return NULL;
  }
  if (!check_shape (bytes, n_bytes, error))
    return NULL;
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) parse_error = NULL;
  if (!json_parser_load_from_data (parser, bytes, (gssize)n_bytes, &parse_error)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "the body is not JSON: %s",
                 parse_error->message);
    return NULL;
  }
  JsonNode *root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "the body must be a JSON object");
    return NULL;
  }
  if (!check_strings (root)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
                 "the body holds text that is no Unicode");
    return NULL;
  }
  return json_node_dup_object (root);
}
