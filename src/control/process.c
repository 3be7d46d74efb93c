/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says about this process. */
#include "control/metrics.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Positions behind the closing parenthesis of the name in /proc/self/stat (proc(5)), which may itself hold
 * spaces and parentheses; field 3 is the first of them. */
enum { STAT_THREADS = 20 - 3, STAT_START = 22 - 3, STAT_VIRTUAL = 23 - 3, STAT_RSS = 24 - 3, STAT_FIELDS };

static void
read_stat (ProcessUsage *usage)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents ("/proc/self/stat", &text, NULL, NULL))
    return;
  const char *rest = strrchr (text, ')');
  if (!rest || rest[1] == '\0')
    return;
  g_auto (GStrv) fields = g_strsplit (rest + 2, " ", STAT_FIELDS + 1);
  if (g_strv_length (fields) < STAT_FIELDS)
    return;
  usage->threads = g_ascii_strtoll (fields[STAT_THREADS], NULL, 10);
  usage->virtual_bytes = g_ascii_strtoll (fields[STAT_VIRTUAL], NULL, 10);
  usage->rss_bytes = g_ascii_strtoll (fields[STAT_RSS], NULL, 10) * sysconf (_SC_PAGESIZE);

  struct timespec up;
  clock_gettime (CLOCK_BOOTTIME, &up);
  int64_t up_us = (int64_t)up.tv_sec * G_USEC_PER_SEC + up.tv_nsec / 1000;
  int64_t start_us = g_ascii_strtoll (fields[STAT_START], NULL, 10) * G_USEC_PER_SEC / sysconf (_SC_CLK_TCK);
  usage->start_unix_us = g_get_real_time () - (up_us - start_us);
}

static int64_t
count_fds (void)
{
  GDir *folder = g_dir_open ("/proc/self/fd", 0, NULL);
  if (!folder)
    return -1;
  /* The folder itself is open while it is read. */
  int64_t count = -1;
  while (g_dir_read_name (folder))
    count++;
  g_dir_close (folder);
  return count;
}

void
process_usage_get (ProcessUsage *ret)
{
  *ret = (ProcessUsage){-1, -1, -1, -1, -1, -1, -1};
  struct rusage usage;
  if (getrusage (RUSAGE_SELF, &usage) == 0)
    ret->cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  struct rlimit limit;
  if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    ret->max_fds = (int64_t)limit.rlim_cur;
  ret->open_fds = count_fds ();
  read_stat (ret);
}
