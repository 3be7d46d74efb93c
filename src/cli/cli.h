/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the sluice program, one file each: src/cli/NAME.c. argv[0] is the command's own name, so
 * that each parses its options with GOptionContext. The result is the exit status: 0 fine, 1 failed, 2 wrong
 * usage. */
#pragma once

#include <glib.h>

typedef struct {
  const char *name;
  const char *arguments; /* "--config FILE" */
  const char *summary;
  int (*run) (int argc, char **argv);
} CliCommand;

/* Parses argv with @entries; prints what is wrong and how to get help, and returns false (exit status 2). The
 * rest of argv stays. @description teaches: what the command does, with examples. */
gboolean cli_parse (const CliCommand *command, const GOptionEntry *entries, const char *description,
                    int *argc, char ***argv);

extern const CliCommand cli_serve;
extern const CliCommand cli_ctl;
extern const CliCommand cli_probe;
extern const CliCommand cli_check;
extern const CliCommand cli_config;
extern const CliCommand cli_version;
extern const CliCommand cli_bench;
extern const CliCommand cli_worker; /* hidden from --help: what the supervisor starts */
