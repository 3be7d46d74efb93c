/* SPDX-License-Identifier: Apache-2.0 */
/* The main function of a worker process ("sluice worker"). */
#pragma once

/* argv[0] is the command's own name. Returns an exit status; usually the process ends with its socket
 * instead. */
int media_worker_main (int argc, char **argv);
