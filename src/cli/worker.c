/* SPDX-License-Identifier: Apache-2.0 */
/* "sluice worker": what the daemon's supervisor starts; nothing for people. */
#include "cli/cli.h"
#include "media/worker_main.h"

const CliCommand cli_worker = {"worker", "", "Run the media pipeline of one stream (started by the daemon)",
                               media_worker_main};
