/* SPDX-License-Identifier: Apache-2.0 */
/* What all commands share: reading their options. */
#include "cli/cli.h"

#include <stdio.h>

gboolean
cli_parse (const CliCommand *command, const GOptionEntry *entries, const char *description, int *argc,
           char ***argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (command->arguments);
  g_autofree char *program = g_strdup_printf ("sluice %s", command->name);
  g_set_prgname (program);
  g_option_context_set_summary (context, command->summary);
  g_option_context_set_description (context, description);
  if (entries)
    g_option_context_add_main_entries (context, entries, NULL);
  g_autoptr (GError) error = NULL;
  if (g_option_context_parse (context, argc, argv, &error))
    return TRUE;
  fprintf (stderr, "%s: %s\n'%s --help' tells how it is used.\n", program, error->message, program);
  return FALSE;
}
