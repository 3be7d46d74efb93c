/* SPDX-License-Identifier: Apache-2.0 */
/* Translates stream bodies: renames what has other names elsewhere, drops what other services need and we do
 * not, and warns instead of pretending that something is recorded or analyzed. */
#include "http/api/stream_body.h"

#include "base/error.h"
#include "http/json.h"

#include <string.h>

static bool refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static bool
refuse (GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, text);
  return false;
}

static JsonNode *
take_member (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  if (!node)
    return NULL;
  json_node_ref (node);
  json_object_remove_member (object, name);
  return node;
}

static bool
is_of_type (JsonNode *node, GType type)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type;
}

static bool
take_id (JsonObject *object, StreamBody *body, GError **error)
{
  g_autoptr (JsonNode) node = take_member (object, "id");
  if (!node)
    return true;
  if (!is_of_type (node, G_TYPE_STRING))
    return refuse (error, "id: must be a string");
  body->id = g_strdup (json_node_get_string (node));
  return true;
}

/* The same thing under several names: the last ones become the first. */
static bool
merge_names (JsonObject *object, const char *const *names, GError **error)
{
  for (unsigned i = 1; names[i]; i++) {
    g_autoptr (JsonNode) node = take_member (object, names[i]);
    if (!node)
      continue;
    JsonNode *first = json_object_get_member (object, names[0]);
    if (first && !json_node_equal (first, node))
      return refuse (error, "%s: is the same as %s, but has another value", names[i], names[0]);
    json_object_set_member (object, names[0], g_steal_pointer (&node));
  }
  return true;
}

/* --- what does not exist yet
 * --------------------------------------------------------------------------------- */

static const struct {
  const char *object;
  const char *flags[3];
  const char *what;
  const char *members[8];
} missing[] = {
    {"recording",
     {"enable_recording", "recording_enabled"},
     "recording",
     {"enabled", "status", "segment_duration", "retention_days", "is_recording", "filename", "format"}},
    {"inference", {"enable_inference", "inference_enabled"}, "inference", {"enabled", "model", "threshold"}},
};

static void
warn (StreamBody *body, const char *name, const char *what)
{
  if (!body->warnings)
    body->warnings = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (body->warnings,
                   g_strdup_printf ("%s: %s is not available in this version and stays off", name, what));
}

static bool
check_flag (JsonNode *node, const char *name, const char *what, StreamBody *body, GError **error)
{
  if (json_node_is_null (node))
    return true;
  if (!is_of_type (node, G_TYPE_BOOLEAN))
    return refuse (error, "%s: must be true or false", name);
  if (json_node_get_boolean (node))
    warn (body, name, what);
  return true;
}

static bool
check_missing_object (JsonNode *node, unsigned i, StreamBody *body, GError **error)
{
  if (json_node_is_null (node))
    return true;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return refuse (error, "%s: must be an object", missing[i].object);
  JsonObject *object = json_node_get_object (node);
  g_autoptr (GList) members = json_object_get_members (object);
  for (GList *link = members; link; link = link->next)
    if (!g_strv_contains (missing[i].members, link->data))
      return refuse (error, "%s.%s: unknown member", missing[i].object, (const char *)link->data);
  g_autofree char *name = g_strconcat (missing[i].object, ".enabled", NULL);
  JsonNode *enabled = json_object_get_member (object, "enabled");
  return !enabled || check_flag (enabled, name, missing[i].what, body, error);
}

static bool
take_missing (JsonObject *object, StreamBody *body, GError **error)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (missing); i++) {
    g_autoptr (JsonNode) node = take_member (object, missing[i].object);
    if (node && !check_missing_object (node, i, body, error))
      return false;
    for (unsigned j = 0; missing[i].flags[j]; j++) {
      g_autoptr (JsonNode) flag = take_member (object, missing[i].flags[j]);
      if (flag && !check_flag (flag, missing[i].flags[j], missing[i].what, body, error))
        return false;
    }
  }
  return true;
}

/* --- reconnect
 * ----------------------------------------------------------------------------------------------- */

static bool
map_reconnect_member (JsonObject *object, const char *name, JsonNode *node, GError **error)
{
  if (strcmp (name, "enabled") == 0) {
    if (!is_of_type (node, G_TYPE_BOOLEAN))
      return refuse (error, "reconnect.enabled: must be true or false");
    if (!json_node_get_boolean (node))
      json_object_set_int_member (object, "max_attempts", 1);
    return true;
  }
  if (!is_of_type (node, G_TYPE_INT64))
    return refuse (error, "reconnect.%s: must be a whole number", name);
  gint64 number = json_node_get_int (node);
  if (strcmp (name, "max_attempts") == 0) {
    if (number < -1)
      return refuse (error, "reconnect.max_attempts: must be -1 (for ever) or more");
    /* Ours counts 0 as for ever. */
    if (!json_object_has_member (object, "max_attempts"))
      json_object_set_int_member (object, "max_attempts", MAX (number, 0));
    return true;
  }
  if (number < 0)
    return refuse (error, "reconnect.backoff_ms: must not be negative");
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT "ms", number);
  json_object_set_string_member (object, "retry_min", text);
  return true;
}

static bool
take_reconnect (JsonObject *object, GError **error)
{
  static const char *const names[] = {"enabled", "max_attempts", "backoff_ms", NULL};
  g_autoptr (JsonNode) node = take_member (object, "reconnect");
  if (!node || json_node_is_null (node))
    return true;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return refuse (error, "reconnect: must be an object");
  JsonObject *reconnect = json_node_get_object (node);
  g_autoptr (GList) members = json_object_get_members (reconnect);
  for (GList *link = members; link; link = link->next)
    if (!g_strv_contains (names, link->data))
      return refuse (error, "reconnect.%s: unknown member; it takes enabled, max_attempts and backoff_ms",
                     (const char *)link->data);
  for (unsigned i = 0; names[i]; i++) {
    JsonNode *member = json_object_get_member (reconnect, names[i]);
    if (member && !map_reconnect_member (object, names[i], member, error))
      return false;
  }
  return true;
}

/* --- all of it
 * ----------------------------------------------------------------------------------------------- */

static GVariant *make_dictionary (JsonObject *object);

/* json_gvariant_deserialize() trips over its own assertions for some input (json-glib 1.6). Depth is bounded
 * by http_json_parse_object(). */
static GVariant *
make_variant (JsonNode *node)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    return make_dictionary (json_node_get_object (node));
  if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *array = json_node_get_array (node);
    g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));
    for (unsigned i = 0; i < json_array_get_length (array); i++)
      g_variant_builder_add (&builder, "v", make_variant (json_array_get_element (array, i)));
    return g_variant_builder_end (&builder);
  }
  if (is_of_type (node, G_TYPE_BOOLEAN))
    return g_variant_new_boolean (json_node_get_boolean (node));
  if (is_of_type (node, G_TYPE_INT64))
    return g_variant_new_int64 (json_node_get_int (node));
  if (is_of_type (node, G_TYPE_DOUBLE))
    return g_variant_new_double (json_node_get_double (node));
  if (is_of_type (node, G_TYPE_STRING))
    return g_variant_new_string (json_node_get_string (node));
  return g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);
}

static GVariant *
make_dictionary (JsonObject *object)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &name, &value))
    g_variant_builder_add (&builder, "{sv}", name, make_variant (value));
  return g_variant_builder_end (&builder);
}

bool
stream_body_parse (const char *bytes, size_t n_bytes, StreamBody *ret, GError **error)
{
  static const char *const source_names[] = {"source", "source_url", "uri", "source_uri", NULL};
  static const char *const title_names[] = {"title", "name", NULL};
  *ret = (StreamBody){0};
  g_autoptr (JsonObject) parsed = http_json_parse_object (bytes, n_bytes, error);
  if (!parsed)
    return false;
  /* The parsed one is immutable. */
  g_autoptr (JsonObject) object = json_object_new ();
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init (&iter, parsed);
  while (json_object_iter_next (&iter, &name, &value))
    json_object_set_member (object, name, json_node_ref (value));

  g_auto (StreamBody) body = {0};
  if (!take_id (object, &body, error) || !merge_names (object, source_names, error) ||
      !merge_names (object, title_names, error) || !take_missing (object, &body, error) ||
      !take_reconnect (object, error))
    return false;
  body.patch = g_variant_ref_sink (make_dictionary (object));
  *ret = body;
  body = (StreamBody){0};
  return true;
}

void
stream_body_clear (StreamBody *body)
{
  g_clear_pointer (&body->id, g_free);
  g_clear_pointer (&body->warnings, g_ptr_array_unref);
  g_clear_pointer (&body->patch, g_variant_unref);
}
