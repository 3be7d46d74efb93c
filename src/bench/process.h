/* SPDX-License-Identifier: Apache-2.0 */
/* What a process of this machine uses, from /proc. Any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
  double cpu_seconds; /* of all its threads, also ended ones */
  double at_seconds;  /* monotonic */
  uint64_t rss_bytes;
  unsigned threads, descriptors;
  uint64_t voluntary_switches, involuntary_switches; /* of threads that live */
} BenchProcess;

/* NOT_FOUND, FORBIDDEN. */
bool bench_process_read (pid_t pid, BenchProcess *ret, GError **error);
/* Who listens on TCP @port; NOT_FOUND when nobody does, or none of ours to see. */
bool bench_process_find (uint16_t port, pid_t *ret, GError **error);
