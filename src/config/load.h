/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the configuration from all its places: a TOML file, over it the environment, over that the command
 * line.
 *
 * Threads: any. */
#pragma once

#include "config/settings.h"

typedef struct {
  const char *file; /* NULL: none */
  /* Instead of the file's content, with @file as its name in problems; NULL: the file is read. */
  const char *text;
  size_t n_text;
  const char *const *environment; /* "NAME=value", as g_get_environ() gives them; NULL: empty */
  const char *const *overrides;   /* "section.key=value", later ones win; NULL: none */
} ConfigSources;

/* NULL when anything is wrong; then every problem is in @ret_problems, one line each:
 *   file:line: section.key: reason
 *   SLUICE_SECTION_KEY: reason
 *   --set section.key: reason
 * @ret_problems: of char *, with g_free() as its free function. (transfer full) */
Settings *config_load (const ConfigSources *sources, GPtrArray *ret_problems);
