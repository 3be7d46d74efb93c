/* SPDX-License-Identifier: Apache-2.0 */
/* The sluice program: finds the command and runs it. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const CliCommand *const commands[] = {
    &cli_serve, &cli_ctl, &cli_probe, &cli_check, &cli_config, &cli_bench, &cli_version, &cli_worker,
};

static void
print_help (void)
{
  puts ("Usage: sluice COMMAND [OPTION...]\n\n"
        "Live video in over any protocol, out over any other.\n\n"
        "Commands:");
  for (unsigned i = 0; i < G_N_ELEMENTS (commands); i++)
    if (commands[i] != &cli_worker)
      printf ("  %-8s %s\n", commands[i]->name, commands[i]->summary);
  puts ("\nBegin with:\n"
        "  sluice serve --config sluice.toml      run the server\n"
        "  ffplay rtsp://localhost:8554/demo      watch a stream\n"
        "  sluice ctl list                        what runs\n\n"
        "'sluice COMMAND --help' tells more about each.");
}

static const CliCommand *
find_command (const char *name)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (commands[i]->name, name) == 0)
      return commands[i];
  return NULL;
}

int
main (int argc, char **argv)
{
  if (argc < 2) {
    print_help ();
    return 2;
  }
  const char *name = argv[1];
  if (strcmp (name, "--help") == 0 || strcmp (name, "-h") == 0 || strcmp (name, "help") == 0) {
    print_help ();
    return 0;
  }
  if (strcmp (name, "--version") == 0 || strcmp (name, "-V") == 0)
    name = "version";
  const CliCommand *command = find_command (name);
  if (!command) {
    fprintf (stderr, "sluice: no such command: %s\n'sluice --help' lists them.\n", name);
    return 2;
  }
  return command->run (argc - 1, argv + 1);
}
