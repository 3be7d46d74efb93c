/* SPDX-License-Identifier: Apache-2.0 */
/* Tables on a terminal: columns as wide as their widest cell, numbers to the right. Text that came from
 * elsewhere cannot move the cursor: control characters are shown as "?". */
#pragma once

#include <glib.h>
#include <stdio.h>

typedef struct Table Table;

/* @columns: names ended by NULL; a leading ">" aligns the column to the right. */
Table *table_new (const char *const *columns);
/* One cell for each column, NULL shows as "-". Cells are copied. */
void table_add (Table *table, const char *const *cells);
void table_print (const Table *table, FILE *file);
void table_free (Table *table); /* NULL-safe */

/* @text with control characters replaced. (transfer full) */
char *table_clean (const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Table, table_free)
