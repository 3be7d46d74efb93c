/* SPDX-License-Identifier: Apache-2.0 */
/* The effective configuration as TOML. */
#include "config/dump.h"

#include "config/value.h"

#include <string.h>

enum { HELP_COLUMNS = 100 };

static void
print_string (GString *out, const char *string)
{
  g_string_append_c (out, '"');
  for (const char *c = string; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_printf (out, "\\%c", *c);
    else if ((unsigned char)*c < 0x20 || *c == 0x7f)
      g_string_append_printf (out, "\\u%04X", (unsigned char)*c);
    else if (g_str_has_prefix (c, "${"))
      g_string_append (out, "$$"); /* the reader's escape */
    else
      g_string_append_c (out, *c);
  }
  g_string_append_c (out, '"');
}

static void
print_name (GString *out, const char *name)
{
  if (*name && !name[strspn (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-")])
    g_string_append (out, name);
  else
    print_string (out, name);
}

static void
print_value (GString *out, const ConfigNode *node)
{
  bool table = node->type == NODE_TABLE;
  switch (node->type) {
  case NODE_BOOL:
    g_string_append (out, node->boolean ? "true" : "false");
    return;
  case NODE_INT:
    g_string_append_printf (out, "%" G_GINT64_FORMAT, node->integer);
    return;
  case NODE_STRING:
    print_string (out, node->string);
    return;
  default:
    break;
  }
  g_string_append (out, table ? "{" : "[");
  for (unsigned i = 0; i < node->children->len; i++) {
    const ConfigNode *child = node->children->pdata[i];
    g_string_append (out, i > 0 ? ", " : table ? " " : "");
    if (table) {
      print_name (out, child->name);
      g_string_append (out, " = ");
    }
    print_value (out, child);
  }
  g_string_append (out, table ? " }" : "]");
}

static void
print_comment (GString *out, const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  size_t column = 0;
  for (char **word = words; *word; word++) {
    if (column == 0 || column + 1 + strlen (*word) > HELP_COLUMNS) {
      g_string_append_printf (out, "%s# %s", column > 0 ? "\n" : "", *word);
      column = 2 + strlen (*word);
    } else {
      g_string_append_printf (out, " %s", *word);
      column += 1 + strlen (*word);
    }
  }
  g_string_append_c (out, '\n');
}

static void
print_help (GString *out, const Key *key)
{
  g_autofree char *range = key_range_text (key);
  GString *text = g_string_new (key->help);
  if (range)
    g_string_append_printf (text, " (%s)", range);
  else
    g_string_append_printf (text, " (%s)", key_type_text (key));
  g_string_append_c (out, '\n');
  print_comment (out, text->str);
  g_string_free (text, TRUE);
}

static bool
is_empty (const ConfigNode *node)
{
  return node->type == NODE_STRING ? !*node->string : node->children && node->children->len == 0;
}

static void
print_key (GString *out, const Key *key, const void *object, unsigned flags)
{
  g_autoptr (ConfigNode) node = key_get (key, object, !(flags & CONFIG_DUMP_HIDE_SECRETS));
  print_name (out, key->name);
  g_string_append (out, " = ");
  print_value (out, node);
  g_string_append_c (out, '\n');
}

/* All keys of a section; those with nothing in them are comments when there is help, and else left out. */
static void
print_section (GString *out, const char *section, const char *title, const void *object, unsigned flags)
{
  g_string_append_printf (out, "%s[%s]\n", out->len > 0 ? "\n" : "", title);
  for (const Key *key = keys_next (section, NULL); key; key = keys_next (section, key)) {
    if (key->type == KEY_OBJECTS && !key->example)
      continue; /* has sections of its own */
    g_autoptr (ConfigNode) node = key_get (key, object, true);
    bool unset = is_empty (node) && (!key->initial || !*key->initial);
    if (flags & CONFIG_DUMP_HELP)
      print_help (out, key);
    if (!unset)
      print_key (out, key, object, flags);
    else if (flags & CONFIG_DUMP_HELP)
      g_string_append_printf (out, "#%s = %s\n", key->name, key->example ? key->example : "\"\"");
  }
}

static void
print_objects (GString *out, const char *section, const char *name, const Settings *settings, unsigned flags)
{
  const Key *list = keys_find (section, name);
  const GPtrArray *objects = key_objects (list, settings);
  const char *element = list->element->section;
  for (unsigned i = 0; i < objects->len; i++) {
    g_string_append_printf (out, "\n[[%s]]\n", element);
    for (const Key *key = keys_next (element, NULL); key; key = keys_next (element, key))
      print_key (out, key, objects->pdata[i], flags);
  }
}

static void
print_streams (GString *out, const Settings *settings, const GPtrArray *streams, unsigned flags)
{
  for (unsigned i = 0; i < streams->len; i++) {
    const StreamSettings *stream = streams->pdata[i];
    g_string_append (out, "\n[streams.");
    print_name (out, stream->name);
    g_string_append (out, "]\n");
    for (const Key *key = keys_next (KEY_STREAM_SECTION, NULL); key;
         key = keys_next (KEY_STREAM_SECTION, key))
      if (!key_equal (key, stream, settings->defaults))
        print_key (out, key, stream, flags);
  }
}

char *
config_dump (const Settings *settings, unsigned flags)
{
  GString *out = g_string_new (NULL);
  static const char *const sections[] = {"log", "http", "rtsp", "limits", "state", "auth"};
  for (size_t i = 0; i < G_N_ELEMENTS (sections); i++)
    print_section (out, sections[i], sections[i], settings, flags);
  print_objects (out, "auth", "users", settings, flags);
  print_objects (out, "auth", "tokens", settings, flags);
  print_section (out, KEY_STREAM_SECTION, "defaults", settings->defaults, flags);
  print_streams (out, settings, settings->streams, flags);
  print_streams (out, settings, settings->patterns, flags);
  return g_string_free (out, FALSE);
}
