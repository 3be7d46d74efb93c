/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration as text: TOML for files, Markdown for the reference page. Any thread. */
#pragma once

#include "config/settings.h"

typedef enum {
  CONFIG_DUMP_HELP = 1 << 0,         /* help, range and default above each key */
  CONFIG_DUMP_HIDE_SECRETS = 1 << 1, /* "***" instead of passwords, tokens and what URLs hold of them */
} ConfigDumpFlags;

/* TOML that loads back as equal settings (unless secrets are hidden). Streams have only what differs from
 * [defaults]. (transfer full) */
char *config_dump (const Settings *settings, unsigned flags);

/* docs/configuration.md. (transfer full) */
char *config_reference_markdown (void);

/* One line "section.key" for each key. (transfer full) */
char *config_key_list (void);
