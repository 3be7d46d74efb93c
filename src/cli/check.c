/* SPDX-License-Identifier: Apache-2.0 */
/* "sluice check": says what is wrong with a configuration, without touching anything. */
#include "cli/cli.h"

#include "config/load.h"

#include <stdio.h>

static int
check_file (const char *file, char **overrides)
{
  g_auto (GStrv) environment = g_get_environ ();
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  ConfigSources sources = {.file = file,
                           .environment = (const char *const *)environment,
                           .overrides = (const char *const *)overrides};
  g_autoptr (Settings) settings = config_load (&sources, problems);
  if (!settings) {
    puts ("Error: Invalid configuration");
    for (unsigned i = 0; i < problems->len; i++)
      printf ("  - %s\n", (const char *)problems->pdata[i]);
    return 1;
  }
  unsigned n_streams = settings->streams->len, n_patterns = settings->patterns->len;
  printf ("%s: valid, %u stream%s", file, n_streams, n_streams == 1 ? "" : "s");
  if (n_patterns > 0)
    printf (", %u pattern%s", n_patterns, n_patterns == 1 ? "" : "s");
  putchar ('\n');
  return 0;
}

static int
run (int argc, char **argv)
{
  g_auto (GStrv) overrides = NULL;
  const GOptionEntry entries[] = {
      {"set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &overrides, "Check as if this were set too",
       "SECTION.KEY=VALUE"},
      {NULL},
  };
  if (!cli_parse (
          &cli_check, entries,
          "Prints every problem with its file, line and key, and ends with status 1; prints \"FILE: valid\" "
          "and\n"
          "ends with status 0 when there is none. Variables of the environment count as they would for\n"
          "'sluice serve'.\n\n"
          "Examples:\n"
          "  sluice check /etc/sluice/sluice.toml\n"
          "  sluice check new.toml && mv new.toml sluice.toml && systemctl reload sluice",
          &argc, &argv))
    return 2;
  if (argc != 2) {
    fputs ("sluice check: needs one file\n'sluice check --help' tells how it is used.\n", stderr);
    return 2;
  }
  return check_file (argv[1], overrides);
}

const CliCommand cli_check = {"check", "FILE", "Check a configuration file", run};
