/* SPDX-License-Identifier: Apache-2.0 */
/* Settings as JSON, by way of the neutral tree. */
#include "config/json.h"

#include "base/url.h"
#include "config/cross.h"
#include "config/value.h"

#include <string.h>

enum { JSON_DEPTH_MAX = 8 };

static const char *const source_aliases[] = {"source_url", "uri", "source_uri", NULL};

static ConfigNode *
node_from_json (JsonNode *json, const char *name, unsigned depth)
{
  if (depth >= JSON_DEPTH_MAX)
    return config_node_new (NODE_OTHER, name);
  if (JSON_NODE_HOLDS_ARRAY (json)) {
    ConfigNode *list = config_node_new (NODE_LIST, name);
    JsonArray *array = json_node_get_array (json);
    for (guint i = 0; i < json_array_get_length (array); i++)
      config_node_add (list, node_from_json (json_array_get_element (array, i), NULL, depth + 1));
    return list;
  }
  if (JSON_NODE_HOLDS_OBJECT (json)) {
    ConfigNode *table = config_node_new (NODE_TABLE, name);
    JsonObjectIter iter;
    const char *member;
    JsonNode *value;
    json_object_iter_init_ordered (&iter, json_node_get_object (json));
    while (json_object_iter_next_ordered (&iter, &member, &value))
      config_node_add (table, node_from_json (value, member, depth + 1));
    return table;
  }
  ConfigNode *node = config_node_new (NODE_NULL, name);
  if (!JSON_NODE_HOLDS_VALUE (json))
    return node;
  switch (json_node_get_value_type (json)) {
  case G_TYPE_BOOLEAN:
    node->type = NODE_BOOL;
    node->boolean = json_node_get_boolean (json);
    break;
  case G_TYPE_INT64:
    node->type = NODE_INT;
    node->integer = json_node_get_int (json);
    break;
  case G_TYPE_DOUBLE:
    node->type = NODE_REAL;
    node->real = json_node_get_double (json);
    break;
  default:
    node->type = NODE_STRING;
    node->string = json_node_dup_string (json);
    break;
  }
  return node;
}

static JsonNode *
node_to_json (const ConfigNode *node)
{
  JsonNode *json = json_node_alloc ();
  switch (node->type) {
  case NODE_BOOL:
    return json_node_init_boolean (json, node->boolean);
  case NODE_INT:
    return json_node_init_int (json, node->integer);
  case NODE_STRING:
    return *node->string ? json_node_init_string (json, node->string) : json_node_init_null (json);
  case NODE_LIST: {
    g_autoptr (JsonArray) array = json_array_new ();
    for (unsigned i = 0; i < node->children->len; i++)
      json_array_add_element (array, node_to_json (node->children->pdata[i]));
    return json_node_init_array (json, array);
  }
  case NODE_TABLE: {
    g_autoptr (JsonObject) object = json_object_new ();
    for (unsigned i = 0; i < node->children->len; i++) {
      const ConfigNode *child = node->children->pdata[i];
      json_object_set_member (object, child->name, node_to_json (child));
    }
    return json_node_init_object (json, object);
  }
  default:
    return json_node_init_null (json);
  }
}

static void
replace_string (ConfigNode *node, const char *string)
{
  g_free (node->string);
  node->string = g_strdup (string);
}

/* The URL at the same place of the list goes first: two may look the same without their secrets. */
static void
restore_url (ConfigNode *node, unsigned index, char **known)
{
  if (node->type != NODE_STRING)
    return;
  for (unsigned pass = 0; pass < 2; pass++) {
    for (unsigned i = 0; known[i]; i++) {
      if (pass == 0 && i != index)
        continue;
      g_autofree char *hidden = url_redact (known[i]);
      if (g_str_equal (hidden, node->string)) {
        replace_string (node, known[i]);
        return;
      }
    }
  }
}

/* The hidden form of what @base has stands for it. */
static void
restore_secret (ConfigNode *node, const Key *key, const StreamSettings *base)
{
  if (key->secret && node->type == NODE_STRING && g_str_equal (node->string, KEY_HIDDEN)) {
    const char *known = G_STRUCT_MEMBER (char *, base, key->offset);
    if (known)
      replace_string (node, known);
  }
  if (key->check != CHECK_URL)
    return;
  char **known = G_STRUCT_MEMBER (char **, base, key->offset);
  restore_url (node, 0, known);
  for (unsigned i = 0; node->type == NODE_LIST && i < node->children->len; i++)
    restore_url (node->children->pdata[i], i, known);
}

static void
set_member (StreamSettings *settings, ConfigNode *node, const StreamSettings *base, GHashTable *seen,
            ConfigProblems *problems)
{
  if (g_str_equal (node->name, "id") || g_str_equal (node->name, "name")) {
    if (node->type != NODE_STRING || !g_str_equal (node->string, settings->name))
      config_problem (problems, NULL, node->name, "must be the name of the stream, or be left out");
    return;
  }
  const char *name = g_strv_contains (source_aliases, node->name) ? "source" : node->name;
  const Key *key = keys_find (KEY_STREAM_SECTION, name);
  if (!key) {
    key_unknown (KEY_STREAM_SECTION, node, node->name, problems);
    return;
  }
  if (!g_hash_table_add (seen, (void *)key)) {
    config_problem (problems, NULL, node->name, "the source is given twice");
    return;
  }
  if (node->type == NODE_NULL) {
    key_clear (key, settings);
    key_init (key, settings);
    return;
  }
  restore_secret (node, key, base);
  key_set (key, settings, node, node->name, problems);
}

StreamSettings *
stream_settings_from_json (JsonObject *object, const StreamSettings *base, const char *name,
                           GPtrArray *problems)
{
  unsigned n_before = problems->len;
  ConfigProblems sink = {.list = problems};
  g_autoptr (GError) error = NULL;
  if (!settings_check_pattern (name, &error))
    config_problem (&sink, NULL, "id", "%s", error->message);
  g_autoptr (StreamSettings) settings = stream_settings_copy (base, name);
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  JsonObjectIter iter;
  const char *member;
  JsonNode *value;
  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &member, &value)) {
    g_autoptr (ConfigNode) node = node_from_json (value, member, 0);
    set_member (settings, node, base, seen, &sink);
  }
  if (problems->len == n_before)
    config_check_stream_together (settings, base, NULL, NULL, &sink);
  return problems->len == n_before ? g_steal_pointer (&settings) : NULL;
}

static JsonObject *
section_to_json (const char *section, const void *settings, bool reveal)
{
  JsonObject *object = json_object_new ();
  for (const Key *key = keys_next (section, NULL); key; key = keys_next (section, key)) {
    g_autoptr (ConfigNode) node = key_get (key, settings, reveal);
    json_object_set_member (object, key->name, node_to_json (node));
  }
  return object;
}

JsonObject *
stream_settings_to_json (const StreamSettings *settings, bool reveal_secrets)
{
  return section_to_json (KEY_STREAM_SECTION, settings, reveal_secrets);
}

JsonObject *
settings_to_json (const Settings *settings, bool reveal_secrets)
{
  static const char *const sections[] = {"log", "http", "rtsp", "limits", "state", "auth"};
  JsonObject *object = json_object_new ();
  for (size_t i = 0; i < G_N_ELEMENTS (sections); i++)
    json_object_set_object_member (object, sections[i],
                                   section_to_json (sections[i], settings, reveal_secrets));
  json_object_set_object_member (object, "defaults",
                                 stream_settings_to_json (settings->defaults, reveal_secrets));
  JsonObject *streams = json_object_new ();
  const GPtrArray *lists[] = {settings->streams, settings->patterns};
  for (size_t i = 0; i < G_N_ELEMENTS (lists); i++) {
    for (unsigned j = 0; j < lists[i]->len; j++) {
      const StreamSettings *stream = lists[i]->pdata[j];
      json_object_set_object_member (streams, stream->name, stream_settings_to_json (stream, reveal_secrets));
    }
  }
  json_object_set_object_member (object, "streams", streams);
  return object;
}

static JsonArray *
words_to_json (const char *const *words)
{
  JsonArray *array = json_array_new ();
  for (; *words; words++)
    json_array_add_string_element (array, *words);
  return array;
}

static void
set_schema_type (JsonObject *schema, const Key *key)
{
  static const char *const text_or_number[] = {"string", "number", "null", NULL};
  static const char *const text_or_list[] = {"string", "array", "null", NULL};
  static const char *const text[] = {"string", "null", NULL};
  static const char *const integer[] = {"integer", "null", NULL};
  static const char *const boolean[] = {"boolean", "null", NULL};
  const char *const *types = text;
  if (key->type == KEY_BOOL)
    types = boolean;
  else if (key->type == KEY_INT)
    types = integer;
  else if (key->type == KEY_DURATION || key->type == KEY_SIZE)
    types = text_or_number;
  else if (key->type == KEY_STRINGS)
    types = text_or_list;
  json_object_set_array_member (schema, "type", words_to_json (types));
  if (key->type == KEY_STRINGS) {
    JsonObject *items = json_object_new ();
    json_object_set_string_member (items, "type", "string");
    json_object_set_object_member (schema, "items", items);
  }
  if (key->choices) {
    JsonArray *words = words_to_json (key->choices);
    json_array_add_null_element (words);
    json_object_set_array_member (schema, "enum", words);
  }
  if (key->type == KEY_INT) {
    json_object_set_int_member (schema, "minimum", key->zero ? 0 : key->min);
    json_object_set_int_member (schema, "maximum", key->max);
  }
}

JsonObject *
stream_settings_json_schema (void)
{
  g_autoptr (StreamSettings) defaults = stream_settings_new_default ("");
  JsonObject *properties = json_object_new ();
  for (const Key *key = keys_next (KEY_STREAM_SECTION, NULL); key;
       key = keys_next (KEY_STREAM_SECTION, key)) {
    JsonObject *schema = json_object_new ();
    set_schema_type (schema, key);
    g_autofree char *range = key_range_text (key);
    g_autofree char *help = range ? g_strdup_printf ("%s (%s: %s)", key->help, key_type_text (key), range)
                                  : g_strdup_printf ("%s (%s)", key->help, key_type_text (key));
    json_object_set_string_member (schema, "description", help);
    g_autoptr (ConfigNode) initial = key_get (key, defaults, true);
    json_object_set_member (schema, "default", node_to_json (initial));
    if (key->secret)
      json_object_set_boolean_member (schema, "writeOnly", TRUE);
    json_object_set_object_member (properties, key->name, schema);
  }
  JsonObject *schema = json_object_new ();
  json_object_set_string_member (schema, "type", "object");
  json_object_set_object_member (schema, "properties", properties);
  return schema;
}
