/* SPDX-License-Identifier: Apache-2.0 */
/* CPU time comes from the process's own clock: /proc/PID/stat counts in steps of 10 ms. */
#include "bench/process.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TCP_LISTEN_STATE = 0x0a };

static double
to_seconds (const struct timespec *time)
{
  return (double)time->tv_sec + (double)time->tv_nsec / 1e9;
}

static unsigned
count_entries (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  unsigned n = 0;
  while (folder && g_dir_read_name (folder))
    n++;
  return n;
}

/* The number behind "@name:" in a status file; 0 without one. */
static uint64_t
status_number (const char *status, const char *name)
{
  g_autofree char *key = g_strdup_printf ("\n%s:", name);
  const char *line = strstr (status, key);
  return line ? g_ascii_strtoull (line + strlen (key), NULL, 10) : 0;
}

static void
add_switches (const char *tasks, BenchProcess *process)
{
  g_autoptr (GDir) folder = g_dir_open (tasks, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name (folder))) {
    g_autofree char *path = g_build_filename (tasks, name, "status", NULL);
    g_autofree char *status = NULL;
    if (!g_file_get_contents (path, &status, NULL, NULL))
      continue;
    process->voluntary_switches += status_number (status, "voluntary_ctxt_switches");
    process->involuntary_switches += status_number (status, "nonvoluntary_ctxt_switches");
  }
}

bool
bench_process_read (pid_t pid, BenchProcess *ret, GError **error)
{
  clockid_t clock;
  struct timespec spent, now;
  g_autofree char *status_path = g_strdup_printf ("/proc/%d/status", (int)pid);
  g_autofree char *tasks = g_strdup_printf ("/proc/%d/task", (int)pid);
  g_autofree char *descriptors = g_strdup_printf ("/proc/%d/fd", (int)pid);
  g_autofree char *status = NULL;
  if (clock_getcpuclockid (pid, &clock) != 0 || clock_gettime (clock, &spent) < 0 ||
      !g_file_get_contents (status_path, &status, NULL, NULL)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND, "no process %d to look at", (int)pid);
    return false;
  }
  clock_gettime (CLOCK_MONOTONIC, &now);
  *ret = (BenchProcess){.cpu_seconds = to_seconds (&spent),
                        .at_seconds = to_seconds (&now),
                        .rss_bytes = status_number (status, "VmRSS") * 1024,
                        .threads = (unsigned)status_number (status, "Threads"),
                        .descriptors = count_entries (descriptors)};
  add_switches (tasks, ret);
  return true;
}

/* --- who listens -------------------------------------------------------------------------------------------
 */

/* Lines are "sl local remote state queues timer retransmits uid timeout inode ..."; addresses HEX:HEXPORT. */
static void
collect_inodes (const char *path, uint16_t port, GHashTable *inodes)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents (path, &text, NULL, NULL))
    return;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (unsigned i = 1; lines[0] && lines[i]; i++) {
    g_auto (GStrv) raw = g_strsplit_set (lines[i], " ", -1);
    g_autoptr (GPtrArray) words = g_ptr_array_new ();
    for (unsigned k = 0; raw[k]; k++)
      if (raw[k][0])
        g_ptr_array_add (words, raw[k]);
    if (words->len < 10)
      continue;
    const char *colon = strchr (words->pdata[1], ':');
    if (colon && g_ascii_strtoull (colon + 1, NULL, 16) == port &&
        g_ascii_strtoull (words->pdata[3], NULL, 16) == TCP_LISTEN_STATE)
      g_hash_table_add (inodes, g_strdup_printf ("socket:[%s]", (const char *)words->pdata[9]));
  }
}

static bool
holds_one_of (const char *descriptors, GHashTable *inodes)
{
  g_autoptr (GDir) folder = g_dir_open (descriptors, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name (folder))) {
    g_autofree char *path = g_build_filename (descriptors, name, NULL);
    g_autofree char *target = g_file_read_link (path, NULL);
    if (target && g_hash_table_contains (inodes, target))
      return true;
  }
  return false;
}

bool
bench_process_find (uint16_t port, pid_t *ret, GError **error)
{
  g_autoptr (GHashTable) inodes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  collect_inodes ("/proc/net/tcp", port, inodes);
  collect_inodes ("/proc/net/tcp6", port, inodes);
  g_autoptr (GDir) processes = g_hash_table_size (inodes) ? g_dir_open ("/proc", 0, NULL) : NULL;
  const char *name;
  while (processes && (name = g_dir_read_name (processes))) {
    g_autofree char *descriptors = g_build_filename ("/proc", name, "fd", NULL);
    if (!g_ascii_isdigit (name[0]) || !holds_one_of (descriptors, inodes))
      continue;
    *ret = (pid_t)g_ascii_strtoll (name, NULL, 10);
    return true;
  }
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND, "no process listens on TCP port %u", port);
  return false;
}
