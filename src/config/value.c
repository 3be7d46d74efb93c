/* SPDX-License-Identifier: Apache-2.0 */
/* Members of settings by type: default, free, copy, compare. Reading them from text is read.c. */
#include "config/value.h"

#define AT(type, object, key) (*(type *)((char *)(object) + (key)->offset))

static GPtrArray *
copy_objects (const KeyElement *element, const GPtrArray *objects)
{
  GPtrArray *copy = g_ptr_array_new ();
  for (unsigned i = 0; i < objects->len; i++) {
    void *object = g_malloc0 (element->size);
    keys_copy (element->section, object, objects->pdata[i]);
    g_ptr_array_add (copy, object);
  }
  return copy;
}

static bool
equal_objects (const KeyElement *element, const GPtrArray *a, const GPtrArray *b)
{
  if (a->len != b->len)
    return false;
  for (unsigned i = 0; i < a->len; i++)
    for (const Key *key = keys_next (element->section, NULL); key; key = keys_next (element->section, key))
      if (!key_equal (key, a->pdata[i], b->pdata[i]))
        return false;
  return true;
}

static GHashTable *
copy_levels (GHashTable *levels)
{
  GHashTable *copy = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  GHashTableIter iter;
  g_hash_table_iter_init (&iter, levels);
  void *module, *level;
  while (g_hash_table_iter_next (&iter, &module, &level))
    g_hash_table_insert (copy, g_strdup (module), g_strdup (level));
  return copy;
}

static bool
equal_levels (GHashTable *a, GHashTable *b)
{
  if (g_hash_table_size (a) != g_hash_table_size (b))
    return false;
  GHashTableIter iter;
  g_hash_table_iter_init (&iter, a);
  void *module, *level;
  while (g_hash_table_iter_next (&iter, &module, &level))
    if (g_strcmp0 (g_hash_table_lookup (b, module), level) != 0)
      return false;
  return true;
}

void
key_init (const Key *key, void *object)
{
  switch (key->type) {
  case KEY_OBJECTS:
    AT (GPtrArray *, object, key) = g_ptr_array_new ();
    return;
  case KEY_LEVELS:
    AT (GHashTable *, object, key) = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    return;
  case KEY_STRINGS:
    AT (char **, object, key) = g_new0 (char *, 1);
    break;
  default:
    break;
  }
  if (!key->initial || !*key->initial)
    return;
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  ConfigProblems problems = {.list = list};
  g_autoptr (ConfigNode) node = config_node_new_string (NULL, key->initial);
  node->loose = true;
  if (!key_set (key, object, node, key->name, &problems))
    g_error ("default of %s.%s: %s", key->section, key->name, (char *)list->pdata[0]);
}

void
key_clear (const Key *key, void *object)
{
  switch (key->type) {
  case KEY_BOOL:
    AT (bool, object, key) = false;
    break;
  case KEY_INT:
  case KEY_DURATION:
  case KEY_SIZE:
    AT (int64_t, object, key) = 0;
    break;
  case KEY_ENUM:
  case KEY_FLAGS:
    AT (unsigned, object, key) = 0;
    break;
  case KEY_STRING:
    g_clear_pointer (&AT (char *, object, key), g_free);
    break;
  case KEY_STRINGS:
    g_clear_pointer (&AT (char **, object, key), g_strfreev);
    break;
  case KEY_LEVELS:
    g_clear_pointer (&AT (GHashTable *, object, key), g_hash_table_unref);
    break;
  case KEY_OBJECTS:
    key_free_objects (key, AT (GPtrArray *, object, key));
    AT (GPtrArray *, object, key) = NULL;
    break;
  }
}

void
key_copy (const Key *key, void *to, const void *from)
{
  key_clear (key, to);
  switch (key->type) {
  case KEY_BOOL:
    AT (bool, to, key) = AT (bool, from, key);
    break;
  case KEY_INT:
  case KEY_DURATION:
  case KEY_SIZE:
    AT (int64_t, to, key) = AT (int64_t, from, key);
    break;
  case KEY_ENUM:
  case KEY_FLAGS:
    AT (unsigned, to, key) = AT (unsigned, from, key);
    break;
  case KEY_STRING:
    AT (char *, to, key) = g_strdup (AT (char *, from, key));
    break;
  case KEY_STRINGS:
    AT (char **, to, key) = g_strdupv (AT (char **, from, key));
    break;
  case KEY_LEVELS:
    AT (GHashTable *, to, key) = copy_levels (AT (GHashTable *, from, key));
    break;
  case KEY_OBJECTS:
    AT (GPtrArray *, to, key) = copy_objects (key->element, AT (GPtrArray *, from, key));
    break;
  }
}

bool
key_equal (const Key *key, const void *a, const void *b)
{
  switch (key->type) {
  case KEY_BOOL:
    return AT (bool, a, key) == AT (bool, b, key);
  case KEY_INT:
  case KEY_DURATION:
  case KEY_SIZE:
    return AT (int64_t, a, key) == AT (int64_t, b, key);
  case KEY_ENUM:
  case KEY_FLAGS:
    return AT (unsigned, a, key) == AT (unsigned, b, key);
  case KEY_STRING:
    return g_strcmp0 (AT (char *, a, key), AT (char *, b, key)) == 0;
  case KEY_STRINGS:
    return g_strv_equal (AT (const char *const *, a, key), AT (const char *const *, b, key));
  case KEY_LEVELS:
    return equal_levels (AT (GHashTable *, a, key), AT (GHashTable *, b, key));
  case KEY_OBJECTS:
    return equal_objects (key->element, AT (GPtrArray *, a, key), AT (GPtrArray *, b, key));
  }
  g_return_val_if_reached (false);
}

void
key_free_objects (const Key *key, GPtrArray *objects)
{
  if (!objects)
    return;
  for (unsigned i = 0; i < objects->len; i++) {
    keys_clear (key->element->section, objects->pdata[i]);
    g_free (objects->pdata[i]);
  }
  g_ptr_array_unref (objects);
}

GPtrArray *
key_objects (const Key *key, const void *object)
{
  return AT (GPtrArray *, object, key);
}

void
keys_init (const char *section, void *object)
{
  for (const Key *key = keys_next (section, NULL); key; key = keys_next (section, key))
    key_init (key, object);
}

void
keys_clear (const char *section, void *object)
{
  for (const Key *key = keys_next (section, NULL); key; key = keys_next (section, key))
    key_clear (key, object);
}

void
keys_copy (const char *section, void *to, const void *from)
{
  for (const Key *key = keys_next (section, NULL); key; key = keys_next (section, key))
    key_copy (key, to, from);
}
