/* SPDX-License-Identifier: Apache-2.0 */
/* From a member of settings to a node of the neutral tree: the way back of read.c. Numbers with a unit become
 * text that reads back as the same value. */
#include "base/url.h"
#include "config/text.h"
#include "config/value.h"

#include <string.h>

#define AT(type, object, key) (*(type *)((char *)(object) + (key)->offset))

static ConfigNode *
string_node (const Key *key, const char *name, const char *string, bool reveal)
{
  if (!reveal && key->secret && string)
    return config_node_new_string (name, KEY_HIDDEN);
  if (!reveal && key->check == CHECK_URL) {
    g_autofree char *hidden = url_redact (string);
    return config_node_new_string (name, hidden);
  }
  return config_node_new_string (name, string ? string : "");
}

static ConfigNode *
strings_node (const Key *key, char **strings, bool reveal)
{
  /* A source is one URL more often than not. */
  if (key->check == CHECK_URL && *strings && !strings[1])
    return string_node (key, key->name, *strings, reveal);
  ConfigNode *list = config_node_new (NODE_LIST, key->name);
  for (; *strings; strings++)
    config_node_add (list, string_node (key, NULL, *strings, reveal));
  return list;
}

static ConfigNode *
flags_node (const Key *key, unsigned flags)
{
  ConfigNode *list = config_node_new (NODE_LIST, key->name);
  for (unsigned bit = 0; key->choices[bit]; bit++)
    if (flags & (1u << bit))
      config_node_add (list, config_node_new_string (NULL, key->choices[bit]));
  return list;
}

static int
compare_names (const void *a, const void *b)
{
  return strcmp (a, b);
}

static ConfigNode *
levels_node (const Key *key, GHashTable *levels)
{
  ConfigNode *table = config_node_new (NODE_TABLE, key->name);
  GList *modules = g_list_sort (g_hash_table_get_keys (levels), compare_names);
  for (GList *module = modules; module; module = module->next)
    config_node_add (table,
                     config_node_new_string (module->data, g_hash_table_lookup (levels, module->data)));
  g_list_free (modules);
  return table;
}

static ConfigNode *
objects_node (const Key *key, const GPtrArray *objects, bool reveal)
{
  ConfigNode *list = config_node_new (NODE_LIST, key->name);
  for (unsigned i = 0; i < objects->len; i++) {
    ConfigNode *table = config_node_new (NODE_TABLE, NULL);
    const char *section = key->element->section;
    for (const Key *member = keys_next (section, NULL); member; member = keys_next (section, member))
      config_node_add (table, key_get (member, objects->pdata[i], reveal));
    config_node_add (list, table);
  }
  return list;
}

static ConfigNode *
int_node (const char *name, int64_t integer)
{
  ConfigNode *node = config_node_new (NODE_INT, name);
  node->integer = integer;
  return node;
}

ConfigNode *
key_get (const Key *key, const void *object, bool reveal)
{
  g_autofree char *text = NULL;
  switch (key->type) {
  case KEY_BOOL: {
    ConfigNode *node = config_node_new (NODE_BOOL, key->name);
    node->boolean = AT (bool, object, key);
    return node;
  }
  case KEY_INT:
    return int_node (key->name, AT (int64_t, object, key));
  case KEY_DURATION:
    text = text_from_duration (AT (int64_t, object, key));
    return config_node_new_string (key->name, text);
  case KEY_SIZE:
    text = text_from_size (AT (int64_t, object, key));
    return config_node_new_string (key->name, text);
  case KEY_ENUM:
    return config_node_new_string (key->name, key->choices[AT (unsigned, object, key)]);
  case KEY_FLAGS:
    return flags_node (key, AT (unsigned, object, key));
  case KEY_STRING:
    return string_node (key, key->name, AT (const char *, object, key), reveal);
  case KEY_STRINGS:
    return strings_node (key, AT (char **, object, key), reveal);
  case KEY_LEVELS:
    return levels_node (key, AT (GHashTable *, object, key));
  case KEY_OBJECTS:
    return objects_node (key, AT (GPtrArray *, object, key), reveal);
  }
  g_return_val_if_reached (NULL);
}
