/* SPDX-License-Identifier: Apache-2.0 */
/* A worker process and its watch: started, limited, heard, and ended when it dies, hangs, eats too much or
 * breaks the protocol. Knows nothing of streams.
 *
 * Threads:  one I/O loop, which must live as long as the worker; worker_process_bury()'s thread does the
 * waiting. Limits:   memory, CPU and silence from WorkerLimits; a flood of messages is slowed to what the
 * constants in supervisor.c allow; a line of its log is cut, and many lines are left out (and counted).
 * Failure:  of the worker, whatever it is: on_failed, once. */
#pragma once

#include "base/loop.h"
#include "worker/protocol.h"

typedef struct Worker Worker;

typedef struct {
  /* It is up and speaks our version: the time to send OPEN. */
  void (*on_ready) (void *data);
  /* A valid message of any type but HELLO and HEARTBEAT. Units arrive as WORKER_UNIT whichever way they came;
   * their bytes are gone (and may change) after the return: copy them first, then look at them. */
  void (*on_message) (void *data, WorkerMessage *message);
  /* It is gone, or being ended; nothing follows. Only worker_free() is left to do. */
  void (*on_failed) (void *data, const GError *error);
} WorkerOps;

typedef struct {
  uint64_t memory;           /* resident bytes; 0: no limit */
  unsigned cpu_percent;      /* of one core over 10 s; 0: no limit */
  unsigned hang_timeout_ms;  /* no heartbeat, or no unit although it should have some; 0: no limit */
  unsigned start_timeout_ms; /* to the first unit, where that is longer */
} WorkerLimits;

typedef struct {
  int pid;
  uint64_t resident_bytes;
  int64_t cpu_us;
  uint64_t units, bytes; /* as counted here */
  uint32_t queued_ms;    /* as the worker says */
  uint64_t pauses;       /* times it was slowed for flooding */
} WorkerUsage;

/* @name is the stream's, for the log. Callbacks may call worker_free(). IO when no process can be made. */
Worker *worker_start (Loop *loop, const char *name, const WorkerLimits *limits, const WorkerOps *ops,
                      void *data, GError **error);

/* To the worker; nothing is called back. A full socket means that the worker does not read: it fails soon
 * after. */
void worker_send (Worker *worker, const WorkerMessage *message);

void worker_get_usage (const Worker *worker, WorkerUsage *ret);

/* Closes the socket, on which the worker leaves by itself; what is still there a second later is killed.
 * NULL-safe. */
void worker_free (Worker *worker);
