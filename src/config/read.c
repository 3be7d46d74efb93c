/* SPDX-License-Identifier: Apache-2.0 */
/* From a node of the neutral tree to a member of settings: types, ranges, words, and what a string must look
 * like (check.c). */
#include "config/check.h"
#include "config/text.h"
#include "config/value.h"

#include <math.h>
#include <string.h>

#define AT(type, object, key) (*(type *)((char *)(object) + (key)->offset))

enum { LIST_MAX = 1000, OBJECTS_MAX = 10000, STRING_BYTES_MAX = 64 * 1024 };

static const char *
example_of (const Key *key)
{
  if (key->example)
    return key->example;
  switch (key->type) {
  case KEY_DURATION:
    return "\"10s\"";
  case KEY_SIZE:
    return "\"8MiB\"";
  case KEY_INT:
    return key->initial;
  default:
    return NULL;
  }
}

static bool
wrong_type (const Key *key, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  const char *is = config_node_type_text (node), *type = key_type_text (key), *example = example_of (key);
  if (key->type == KEY_BOOL)
    config_problem (problems, node, path, "must be true or false, not %s", is);
  else if (example)
    config_problem (problems, node, path, "must be a %s such as %s, not %s", type, example, is);
  else
    config_problem (problems, node, path, "must be a %s, not %s", type, is);
  return false;
}

static bool
read_number (const Key *key, const ConfigNode *node, int64_t *ret)
{
  if (node->type == NODE_INT || node->type == NODE_REAL) {
    double real = node->type == NODE_REAL ? node->real : (double)node->integer;
    if (key->type == KEY_DURATION)
      real *= 1000;
    /* Also false for what is not a number. */
    if (!(fabs (real) < 9e18) || (key->type != KEY_DURATION && real != floor (real)))
      return false;
    *ret = node->type == NODE_INT && key->type != KEY_DURATION ? node->integer : (int64_t)llround (real);
    return true;
  }
  if (key->type == KEY_DURATION)
    return text_to_duration (node->string, ret);
  if (key->type == KEY_SIZE)
    return text_to_size (node->string, ret);
  return text_to_int (node->string, ret);
}

static bool
set_number (const Key *key, void *object, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  bool text = node->type == NODE_STRING && (node->loose || key->type != KEY_INT);
  if (!text && node->type != NODE_INT && node->type != NODE_REAL)
    return wrong_type (key, node, path, problems);
  int64_t number;
  g_autofree char *shown = NULL;
  if (!read_number (key, node, &number)) {
    shown = node->type == NODE_STRING ? config_quote (node->string) : g_strdup_printf ("%g", node->real);
    config_problem (problems, node, path, "%s is not a %s such as %s", shown, key_type_text (key),
                    example_of (key));
    return false;
  }
  if ((number < key->min || number > key->max) && !(number == 0 && key->zero)) {
    g_autofree char *range = key_range_text (key);
    config_problem (problems, node, path, "must be %s", range);
    return false;
  }
  AT (int64_t, object, key) = number;
  return true;
}

static bool
set_bool (const Key *key, void *object, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  bool value = false;
  if (node->type == NODE_STRING && node->loose) {
    if (!text_to_bool (node->string, &value)) {
      g_autofree char *shown = config_quote (node->string);
      config_problem (problems, node, path, "%s is not true or false", shown);
      return false;
    }
  } else if (node->type == NODE_BOOL) {
    value = node->boolean;
  } else {
    return wrong_type (key, node, path, problems);
  }
  AT (bool, object, key) = value;
  return true;
}

/* Index of @word in the choices, or -1 and a problem. */
static int
find_choice (const Key *key, const char *word, const ConfigNode *node, const char *path,
             ConfigProblems *problems)
{
  for (int i = 0; key->choices[i]; i++)
    if (g_str_equal (key->choices[i], word))
      return i;
  g_autofree char *shown = config_quote (word);
  g_autofree char *range = key_range_text (key);
  const char *closest = text_closest (word, key->choices);
  if (closest)
    config_problem (problems, node, path, "%s is not one of %s; did you mean \"%s\"?", shown, range, closest);
  else
    config_problem (problems, node, path, "%s is not one of %s", shown, range);
  return -1;
}

static bool
check_string (const Key *key, const char *string, const ConfigNode *node, const char *path,
              ConfigProblems *problems)
{
  if (strlen (string) > STRING_BYTES_MAX) {
    config_problem (problems, node, path, "longer than %d bytes", STRING_BYTES_MAX);
    return false;
  }
  if (key->choices)
    return find_choice (key, string, node, path, problems) >= 0;
  g_autoptr (GError) error = NULL;
  if (!config_check_string (key->check, string, &error)) {
    config_problem (problems, node, path, "%s", error->message);
    return false;
  }
  return true;
}

static bool
set_string (const Key *key, void *object, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  if (node->type != NODE_STRING)
    return wrong_type (key, node, path, problems);
  bool empty = !*node->string;
  if (empty && (key->required || key->choices || (key->initial && *key->initial) || !key->initial)) {
    config_problem (problems, node, path, "must not be empty");
    return false;
  }
  if (!empty && !check_string (key, node->string, node, path, problems))
    return false;
  g_free (AT (char *, object, key));
  AT (char *, object, key) = empty ? NULL : g_strdup (node->string);
  return true;
}

/* A list of strings, however it was written. NULL and a problem when it is none. (transfer full) */
static GPtrArray *
read_strings (const Key *key, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  g_autoptr (GPtrArray) strings = g_ptr_array_new_with_free_func (g_free);
  if (node->type == NODE_STRING && node->loose && key->check != CHECK_URL) {
    g_auto (GStrv) parts = g_strsplit (node->string, ",", LIST_MAX + 1);
    for (char **part = parts; *part; part++)
      if (*g_strstrip (*part))
        g_ptr_array_add (strings, g_strdup (*part));
  } else if (node->type == NODE_STRING) {
    if (*node->string)
      g_ptr_array_add (strings, g_strdup (node->string));
  } else if (node->type == NODE_LIST) {
    for (unsigned i = 0; i < node->children->len; i++) {
      const ConfigNode *item = node->children->pdata[i];
      if (item->bad)
        return NULL;
      if (item->type != NODE_STRING || !*item->string) {
        config_problem (problems, item, path, "item %u must be a string with something in it", i + 1);
        return NULL;
      }
      g_ptr_array_add (strings, g_strdup (item->string));
    }
  } else {
    wrong_type (key, node, path, problems);
    return NULL;
  }
  if (strings->len > LIST_MAX) {
    config_problem (problems, node, path, "more than %d items", LIST_MAX);
    return NULL;
  }
  return g_steal_pointer (&strings);
}

static bool
set_strings (const Key *key, void *object, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  g_autoptr (GPtrArray) strings = read_strings (key, node, path, problems);
  if (!strings)
    return false;
  bool fine = true;
  for (unsigned i = 0; i < strings->len; i++) {
    fine = check_string (key, strings->pdata[i], node, path, problems) && fine;
    for (unsigned j = 0; j < i; j++) {
      if (g_str_equal (strings->pdata[i], strings->pdata[j])) {
        config_problem (problems, node, path, "item %u is the same as item %u", i + 1, j + 1);
        fine = false;
        break;
      }
    }
  }
  if (!fine)
    return false;
  g_ptr_array_set_free_func (strings, NULL);
  g_ptr_array_add (strings, NULL);
  g_strfreev (AT (char **, object, key));
  AT (char **, object, key) = (char **)g_ptr_array_free (g_steal_pointer (&strings), FALSE);
  return true;
}

static bool
set_flags (const Key *key, void *object, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  g_autoptr (GPtrArray) words = read_strings (key, node, path, problems);
  if (!words)
    return false;
  unsigned flags = 0;
  bool fine = true;
  for (unsigned i = 0; i < words->len; i++) {
    int bit = find_choice (key, words->pdata[i], node, path, problems);
    fine = fine && bit >= 0;
    if (bit >= 0)
      flags |= 1u << bit;
  }
  if (fine && flags == 0) {
    config_problem (problems, node, path, "must not be empty");
    fine = false;
  }
  if (fine)
    AT (unsigned, object, key) = flags;
  return fine;
}

static bool
set_enum (const Key *key, void *object, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  if (node->type != NODE_STRING)
    return wrong_type (key, node, path, problems);
  int index = find_choice (key, node->string, node, path, problems);
  if (index >= 0)
    AT (unsigned, object, key) = (unsigned)index;
  return index >= 0;
}

static bool
add_level (const Key *key, GHashTable *levels, const char *module, const char *level, const ConfigNode *node,
           const char *path, ConfigProblems *problems)
{
  g_autoptr (GError) error = NULL;
  if (!config_check_log_module (module, &error)) {
    config_problem (problems, node, path, "%s", error->message);
    return false;
  }
  if (find_choice (key, level, node, path, problems) < 0)
    return false;
  g_hash_table_insert (levels, g_strdup (module), g_strdup (level));
  return true;
}

static bool
set_levels (const Key *key, void *object, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  g_autoptr (GHashTable) levels = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  bool fine = true;
  if (node->type == NODE_STRING && node->loose) {
    g_auto (GStrv) pairs = g_strsplit (node->string, ",", -1);
    for (char **pair = pairs; *pair; pair++) {
      if (!*g_strstrip (*pair))
        continue;
      char *equals = strchr (*pair, '=');
      if (equals)
        *equals = '\0';
      const char *level = equals ? g_strstrip (equals + 1) : "";
      fine = add_level (key, levels, g_strstrip (*pair), level, node, path, problems) && fine;
    }
  } else if (node->type == NODE_TABLE) {
    for (unsigned i = 0; i < node->children->len; i++) {
      const ConfigNode *child = node->children->pdata[i];
      if (child->bad)
        return false;
      fine = (child->type == NODE_STRING
                  ? add_level (key, levels, child->name, child->string, child, path, problems)
                  : wrong_type (key, child, path, problems)) &&
             fine;
    }
  } else {
    return wrong_type (key, node, path, problems);
  }
  if (!fine)
    return false;
  g_hash_table_unref (AT (GHashTable *, object, key));
  AT (GHashTable *, object, key) = g_steal_pointer (&levels);
  return true;
}

void
key_unknown (const char *section, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  const char *closest = keys_suggest (section, node->name);
  if (closest)
    config_problem (problems, node, path, "unknown key; did you mean \"%s\"?", closest);
  else
    config_problem (problems, node, path, "unknown key");
}

static bool
set_members (const char *section, void *object, const ConfigNode *table, const char *path,
             ConfigProblems *problems)
{
  bool fine = true;
  for (unsigned i = 0; i < table->children->len; i++) {
    const ConfigNode *member = table->children->pdata[i];
    g_autofree char *member_path = g_strdup_printf ("%s.%s", path, member->name);
    const Key *key = keys_find (section, member->name);
    if (!key)
      key_unknown (section, member, member_path, problems);
    fine = key && key_set (key, object, member, member_path, problems) && fine;
  }
  for (const Key *key = keys_next (section, NULL); key; key = keys_next (section, key)) {
    if (!key->required || config_node_get (table, key->name))
      continue;
    config_problem (problems, table, path, "%s is missing, such as %s = %s", key->name, key->name,
                    key->example);
    fine = false;
  }
  return fine;
}

static bool
set_objects (const Key *key, void *object, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  bool none = node->type == NODE_STRING && node->loose && !*node->string;
  if (node->type == NODE_TABLE && !key->example) {
    config_problem (problems, node, path, "write [[%s]], with two brackets: there may be several", path);
    return false;
  }
  if (node->type != NODE_LIST && !none)
    return wrong_type (key, node, path, problems);
  unsigned n_items = none ? 0 : node->children->len;
  if (n_items > OBJECTS_MAX) {
    config_problem (problems, node, path, "more than %d items", OBJECTS_MAX);
    return false;
  }
  GPtrArray *objects = g_ptr_array_new ();
  bool fine = true;
  for (unsigned i = 0; i < n_items; i++) {
    const ConfigNode *item = node->children->pdata[i];
    if (item->type != NODE_TABLE) {
      config_problem (problems, item, path, "item %u must be a table, not %s", i + 1,
                      config_node_type_text (item));
      fine = false;
      continue;
    }
    void *element = g_malloc0 (key->element->size);
    g_ptr_array_add (objects, element);
    keys_init (key->element->section, element);
    fine = set_members (key->element->section, element, item, path, problems) && fine;
  }
  if (fine) {
    GPtrArray *old = AT (GPtrArray *, object, key);
    AT (GPtrArray *, object, key) = objects;
    objects = old;
  }
  key_free_objects (key, objects);
  return fine;
}

bool
key_set (const Key *key, void *object, const ConfigNode *node, const char *path, ConfigProblems *problems)
{
  if (node->bad)
    return false;
  switch (key->type) {
  case KEY_BOOL:
    return set_bool (key, object, node, path, problems);
  case KEY_INT:
  case KEY_DURATION:
  case KEY_SIZE:
    return set_number (key, object, node, path, problems);
  case KEY_ENUM:
    return set_enum (key, object, node, path, problems);
  case KEY_FLAGS:
    return set_flags (key, object, node, path, problems);
  case KEY_STRING:
    return set_string (key, object, node, path, problems);
  case KEY_STRINGS:
    return set_strings (key, object, node, path, problems);
  case KEY_LEVELS:
    return set_levels (key, object, node, path, problems);
  case KEY_OBJECTS:
    return set_objects (key, object, node, path, problems);
  }
  g_return_val_if_reached (false);
}
