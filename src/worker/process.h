/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and burying worker processes. Inside worker/. */
#pragma once

#include "worker/protocol.h"

#include <sys/types.h>

/* Descriptors of a worker process. */
enum { PROCESS_SOCKET_FD = 3, PROCESS_ARENA_FD = 4 };

typedef struct {
  pid_t pid;
  int pidfd;
  int socket; /* our end; non-blocking */
  int log;    /* what it writes to stderr; non-blocking */
  const uint8_t *arena;
} Process;

/* Starts "sluice worker" from this program's own file. The child dies with the calling *thread*
 * (PR_SET_PDEATHSIG), so call it on a loop. IO when the system refuses. */
bool worker_process_start (Process *ret, GError **error);

/* For tests, whose own file is no sluice. */
void worker_process_set_program (const char *path);

/* Lets go of everything but pid and pidfd. */
void worker_process_close_ends (Process *process);

/* Ends the process with all that it has started and reaps it, on a thread that may wait: after @grace_ms, or
 * at once when it has ended by itself. Takes over pid and pidfd. Any thread. */
void worker_process_bury (Process *process, unsigned grace_ms);

/* The process has ended: reaps it, says how it ended. Closes pidfd. */
GError *worker_process_reap (Process *process);

/* CPU time used so far in microseconds and resident bytes; 0 when they cannot be read. */
int64_t worker_process_cpu_us (const Process *process);
uint64_t worker_process_resident_bytes (const Process *process);
