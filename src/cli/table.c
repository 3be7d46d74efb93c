/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people to read. */
#include "cli/table.h"

#include <stdbool.h>

enum { GAP = 2 };

struct Table {
  GPtrArray *names;
  GArray *right;    /* of bool */
  GArray *widths;   /* of size_t */
  GPtrArray *cells; /* row by row */
};

char *
table_clean (const char *text)
{
  char *clean = g_utf8_make_valid (text, -1);
  for (char *c = clean; *c; c = g_utf8_next_char (c))
    if ((unsigned char)*c < 0x20 || *c == 0x7f)
      *c = '?';
  return clean;
}

static void
widen (Table *table, unsigned column, const char *cell)
{
  size_t *width = &g_array_index (table->widths, size_t, column);
  *width = MAX (*width, (size_t)g_utf8_strlen (cell, -1));
}

Table *
table_new (const char *const *columns)
{
  Table *table = g_new0 (Table, 1);
  table->names = g_ptr_array_new_with_free_func (g_free);
  table->cells = g_ptr_array_new_with_free_func (g_free);
  table->right = g_array_new (FALSE, TRUE, sizeof (bool));
  table->widths = g_array_new (FALSE, TRUE, sizeof (size_t));
  for (; *columns; columns++) {
    bool right = **columns == '>';
    size_t width = 0;
    g_ptr_array_add (table->names, g_strdup (*columns + right));
    g_array_append_val (table->right, right);
    g_array_append_val (table->widths, width);
    widen (table, table->names->len - 1, *columns + right);
  }
  return table;
}

void
table_add (Table *table, const char *const *cells)
{
  for (unsigned i = 0; i < table->names->len; i++) {
    char *cell = table_clean (cells[i] && *cells[i] ? cells[i] : "-");
    widen (table, i, cell);
    g_ptr_array_add (table->cells, cell);
  }
}

static void
print_row (const Table *table, char *const *cells, FILE *file)
{
  for (unsigned i = 0; i < table->names->len; i++) {
    int padding = (int)(g_array_index (table->widths, size_t, i) - (size_t)g_utf8_strlen (cells[i], -1));
    bool last = i + 1 == table->names->len;
    if (g_array_index (table->right, bool, i))
      fprintf (file, "%*s%s%*s", padding, "", cells[i], last ? 0 : GAP, "");
    else
      fprintf (file, "%s%*s", cells[i], last ? 0 : padding + GAP, "");
  }
  fputc ('\n', file);
}

void
table_print (const Table *table, FILE *file)
{
  print_row (table, (char *const *)table->names->pdata, file);
  for (unsigned i = 0; i < table->cells->len; i += table->names->len)
    print_row (table, (char *const *)&table->cells->pdata[i], file);
}

void
table_free (Table *table)
{
  if (!table)
    return;
  g_ptr_array_unref (table->names);
  g_ptr_array_unref (table->cells);
  g_array_unref (table->right);
  g_array_unref (table->widths);
  g_free (table);
}
