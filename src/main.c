/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "sluice-version.h"

#include <stdio.h>
#include <string.h>

int
main (int argc, char **argv)
{
  if (argc > 1 && strcmp (argv[1], cli_worker.name) == 0)
    return cli_worker.run (argc - 1, argv + 1);
  puts ("sluice " SLUICE_VERSION);
  return 0;
}
