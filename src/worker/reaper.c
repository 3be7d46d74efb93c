/* SPDX-License-Identifier: Apache-2.0 */
/* The one thread that waits for processes that nobody wants any more: a loop must not wait, and a process may
 * take its time to die (a driver, a core dump). It starts with the first of them and stays. */
#include "worker/process.h"

#include "base/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct {
  Process process;
  int64_t deadline_us; /* kill then; G_MAXINT64 once killed */
} Grave;

/* Leaf lock: the list of new ones. */
static GMutex lock;
static GPtrArray *arrived;
static int wake_fd = -1;

static int
ms_until (int64_t time_us)
{
  if (time_us == G_MAXINT64)
    return -1;
  int64_t left = (time_us - loop_now_us () + 999) / 1000;
  return (int)CLAMP (left, 0, G_MAXINT);
}

/* True when @grave is done. */
static bool
tend (Grave *grave, const struct pollfd *poll_fd)
{
  if (poll_fd->revents) {
    GError *how = worker_process_reap (&grave->process);
    g_error_free (how);
    return true;
  }
  if (loop_now_us () >= grave->deadline_us) {
    kill (-grave->process.pid, SIGKILL);
    grave->deadline_us = G_MAXINT64;
  }
  return false;
}

static void *
run_reaper (void *data)
{
  g_autoptr (GPtrArray) graves = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) polls = g_array_new (FALSE, TRUE, sizeof (struct pollfd));
  for (;;) {
    struct pollfd wake = {wake_fd, POLLIN, 0};
    int64_t nearest_us = G_MAXINT64;
    g_array_set_size (polls, 0);
    g_array_append_val (polls, wake);
    for (guint i = 0; i < graves->len; i++) {
      Grave *grave = g_ptr_array_index (graves, i);
      struct pollfd entry = {grave->process.pidfd, POLLIN, 0};
      g_array_append_val (polls, entry);
      nearest_us = MIN (nearest_us, grave->deadline_us);
    }
    struct pollfd *entries = (struct pollfd *)(void *)polls->data;
    if (poll (entries, polls->len, ms_until (nearest_us)) < 0)
      continue;
    for (guint i = graves->len; i-- > 0;) {
      if (tend (g_ptr_array_index (graves, i), &entries[i + 1]))
        g_ptr_array_remove_index (graves, i);
    }
    if (entries[0].revents) {
      uint64_t count;
      G_GNUC_UNUSED ssize_t n_bytes = read (wake_fd, &count, sizeof count);
      g_mutex_lock (&lock);
      g_ptr_array_extend_and_steal (graves, g_steal_pointer (&arrived));
      arrived = g_ptr_array_new ();
      g_mutex_unlock (&lock);
    }
  }
  return NULL;
}

void
worker_process_bury (Process *process, unsigned grace_ms)
{
  Grave *grave = g_new (Grave, 1);
  grave->process = *process;
  grave->deadline_us = loop_now_us () + (int64_t)grace_ms * 1000;
  if (grace_ms == 0)
    kill (-process->pid, SIGKILL);
  g_mutex_lock (&lock);
  if (wake_fd < 0) {
    wake_fd = eventfd (0, EFD_CLOEXEC);
    arrived = g_ptr_array_new ();
    g_thread_unref (g_thread_new ("reaper", run_reaper, NULL));
  }
  g_ptr_array_add (arrived, grave);
  g_mutex_unlock (&lock);
  uint64_t one = 1;
  G_GNUC_UNUSED ssize_t n_bytes = write (wake_fd, &one, sizeof one);
}
