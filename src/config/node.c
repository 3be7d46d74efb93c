/* SPDX-License-Identifier: Apache-2.0 */
/* The neutral tree of values, and how its problems are worded. */
#include "config/node.h"

#include <string.h>

enum { QUOTED_BYTES_MAX = 80 };

ConfigNode *
config_node_new (ConfigNodeType type, const char *name)
{
  ConfigNode *node = g_new0 (ConfigNode, 1);
  node->type = type;
  node->name = g_strdup (name);
  if (type == NODE_LIST || type == NODE_TABLE)
    node->children = g_ptr_array_new_with_free_func ((GDestroyNotify)config_node_free);
  return node;
}

ConfigNode *
config_node_new_string (const char *name, const char *string)
{
  ConfigNode *node = config_node_new (NODE_STRING, name);
  node->string = g_strdup (string);
  return node;
}

void
config_node_free (ConfigNode *node)
{
  if (!node)
    return;
  g_free (node->name);
  g_free (node->origin);
  g_free (node->string);
  g_clear_pointer (&node->children, g_ptr_array_unref);
  g_free (node);
}

void
config_node_add (ConfigNode *parent, ConfigNode *child)
{
  if (!child->origin)
    child->origin = g_strdup (parent->origin);
  g_ptr_array_add (parent->children, child);
}

ConfigNode *
config_node_get (const ConfigNode *node, const char *name)
{
  if (node->type != NODE_TABLE)
    return NULL;
  for (unsigned i = 0; i < node->children->len; i++) {
    ConfigNode *child = node->children->pdata[i];
    if (g_str_equal (child->name, name))
      return child;
  }
  return NULL;
}

const char *
config_node_type_text (const ConfigNode *node)
{
  static const char *const texts[] = {
      [NODE_NULL] = "null",     [NODE_BOOL] = "true or false", [NODE_INT] = "a number",
      [NODE_REAL] = "a number", [NODE_STRING] = "a string",    [NODE_LIST] = "a list",
      [NODE_TABLE] = "a table", [NODE_OTHER] = "a date",
  };
  return texts[node->type];
}

void
config_problem (ConfigProblems *problems, const ConfigNode *node, const char *path, const char *format, ...)
{
  if (problems->list->len > CONFIG_PROBLEMS_MAX)
    return;
  if (problems->list->len == CONFIG_PROBLEMS_MAX) {
    g_ptr_array_add (problems->list, g_strdup ("and more; the rest is left out"));
    return;
  }
  GString *text = g_string_new (NULL);
  if (node && node->origin)
    g_string_append (text, node->origin);
  else if (node && problems->file && node->line > 0)
    g_string_append_printf (text, "%s:%u: %s", problems->file, node->line, path);
  else if (problems->file)
    g_string_append_printf (text, "%s: %s", problems->file, path);
  else
    g_string_append (text, path);
  g_string_append (text, ": ");
  va_list args;
  va_start (args, format);
  g_string_append_vprintf (text, format, args);
  va_end (args);
  g_ptr_array_add (problems->list, g_string_free (text, FALSE));
}

char *
config_quote (const char *text)
{
  GString *quoted = g_string_new ("\"");
  for (const char *c = text; *c; c++) {
    if ((size_t)(c - text) >= QUOTED_BYTES_MAX) {
      /* Not in the middle of a character. */
      while (quoted->len > 1 && ((uint8_t)*c & 0xc0) == 0x80) {
        g_string_truncate (quoted, quoted->len - 1);
        c--;
      }
      g_string_append (quoted, "...");
      break;
    }
    if ((uint8_t)*c < 0x20 || *c == 0x7f)
      g_string_append_printf (quoted, "\\x%02x", (uint8_t)*c);
    else
      g_string_append_c (quoted, *c);
  }
  g_string_append_c (quoted, '"');
  return g_string_free (quoted, FALSE);
}
