/* SPDX-License-Identifier: Apache-2.0 */
/* One worker process: posix_spawn() (vfork semantics: no copy of page tables, no code of ours between fork
 * and exec), a socket pair, a sealed arena, a pipe for stderr, and a pidfd, so that a number is never
 * mistaken for a process. */
#include "worker/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *program;

void
worker_process_set_program (const char *path)
{
  g_free (program);
  program = g_strdup (path);
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* A worker needs neither our settings, which may hold secrets, nor the service manager's descriptors. The
 * daemon's own start has brought GStreamer's registry up to date, so that a worker need not look at each
 * plugin file again. */
static char **
make_environment (void)
{
  static const char *const private_names[] = {"SLUICE_",   "NOTIFY_SOCKET=",     "LISTEN_",
                                              "WATCHDOG_", "GST_REGISTRY_FORK=", "GST_REGISTRY_UPDATE="};
  GPtrArray *kept = g_ptr_array_new ();
  for (char **entry = environ; entry && *entry; entry++) {
    bool keep = true;
    for (guint i = 0; i < G_N_ELEMENTS (private_names); i++)
      keep = keep && !g_str_has_prefix (*entry, private_names[i]);
    if (keep)
      g_ptr_array_add (kept, g_strdup (*entry));
  }
  g_ptr_array_add (kept, g_strdup ("GST_REGISTRY_FORK=no"));
  g_ptr_array_add (kept, g_strdup ("GST_REGISTRY_UPDATE=no"));
  g_ptr_array_add (kept, NULL);
  return (char **)g_ptr_array_free (kept, FALSE);
}

/* Sealed: a worker that could shrink it could make us fault. */
static int
make_arena (Process *process, GError **error)
{
  int fd = memfd_create ("sluice-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ftruncate (fd, WORKER_ARENA_BYTES) < 0 ||
      fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
    sluice_error_set_errno (error, errno, "worker arena");
    close_fd (&fd);
    return -1;
  }
  void *arena = mmap (NULL, WORKER_ARENA_BYTES, PROT_READ, MAP_SHARED, fd, 0);
  if (arena == MAP_FAILED) {
    sluice_error_set_errno (error, errno, "worker arena");
    close_fd (&fd);
    return -1;
  }
  process->arena = arena;
  return fd;
}

static int
spawn_child (pid_t *ret_pid, int socket, int arena, int log)
{
  g_autofree char *parent = g_strdup_printf ("--parent=%d", (int)getpid ());
  char *argv[] = {(char *)"sluice", (char *)"worker", parent, NULL};
  g_auto (GStrv) environment = make_environment ();
  sigset_t none;
  sigset_t all;
  sigemptyset (&none);
  sigfillset (&all);
  sigdelset (&all, SIGKILL);
  sigdelset (&all, SIGSTOP);
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_init (&attributes);
  posix_spawn_file_actions_init (&actions);
  posix_spawnattr_setflags (&attributes,
                            POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup (&attributes, 0);
  posix_spawnattr_setsigmask (&attributes, &none);
  posix_spawnattr_setsigdefault (&attributes, &all);
  posix_spawn_file_actions_addopen (&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2 (&actions, log, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2 (&actions, log, STDERR_FILENO);
  posix_spawn_file_actions_adddup2 (&actions, socket, PROCESS_SOCKET_FD);
  posix_spawn_file_actions_adddup2 (&actions, arena, PROCESS_ARENA_FD);
  posix_spawn_file_actions_addclosefrom_np (&actions, PROCESS_ARENA_FD + 1);
  int result =
      posix_spawn (ret_pid, program ? program : "/proc/self/exe", &actions, &attributes, argv, environment);
  posix_spawn_file_actions_destroy (&actions);
  posix_spawnattr_destroy (&attributes);
  return result;
}

/* Moves @fd above the descriptors that the child gets, so that one dup2() there cannot close the source of
 * the next. */
static bool
lift_fd (int *fd)
{
  if (*fd > PROCESS_ARENA_FD)
    return true;
  int lifted = fcntl (*fd, F_DUPFD_CLOEXEC, PROCESS_ARENA_FD + 1);
  if (lifted < 0)
    return false;
  close (*fd);
  *fd = lifted;
  return true;
}

bool
worker_process_start (Process *ret, GError **error)
{
  Process process = {.pid = -1, .pidfd = -1, .socket = -1, .log = -1};
  int sockets[2] = {-1, -1};
  int pipes[2] = {-1, -1};
  int arena = make_arena (&process, error);
  if (arena < 0)
    return false;
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0 || pipe2 (pipes, O_CLOEXEC) < 0 ||
      !lift_fd (&sockets[1]) || !lift_fd (&pipes[1]) || !lift_fd (&arena) ||
      fcntl (sockets[0], F_SETFL, O_NONBLOCK) < 0 || fcntl (pipes[0], F_SETFL, O_NONBLOCK) < 0) {
    sluice_error_set_errno (error, errno, "worker");
    goto failed;
  }
  process.socket = sockets[0];
  process.log = pipes[0];
  int result = spawn_child (&process.pid, sockets[1], arena, pipes[1]);
  if (result != 0) {
    sluice_error_set_errno (error, result, "worker");
    goto failed;
  }
  process.pidfd = pidfd_open (process.pid, 0);
  if (process.pidfd < 0) {
    sluice_error_set_errno (error, errno, "pidfd_open");
    kill (-process.pid, SIGKILL);
    waitpid (process.pid, NULL, 0);
    goto failed;
  }
  close_fd (&sockets[1]);
  close_fd (&pipes[1]);
  close_fd (&arena);
  *ret = process;
  return true;

failed:
  for (int i = 0; i < 2; i++) {
    close_fd (&sockets[i]);
    close_fd (&pipes[i]);
  }
  close_fd (&arena);
  munmap ((void *)process.arena, WORKER_ARENA_BYTES);
  return false;
}

void
worker_process_close_ends (Process *process)
{
  close_fd (&process->socket);
  close_fd (&process->log);
  if (process->arena)
    munmap ((void *)process->arena, WORKER_ARENA_BYTES);
  process->arena = NULL;
}

GError *
worker_process_reap (Process *process)
{
  siginfo_t info = {0};
  kill (-process->pid, SIGKILL); /* what it may have started; its number is ours until waitid() */
  int result = waitid (P_PIDFD, (id_t)process->pidfd, &info, WEXITED);
  close_fd (&process->pidfd);
  if (result < 0)
    return g_error_new (SLUICE_ERROR, SLUICE_ERROR_INTERNAL, "lost sight of the worker process");
  if (info.si_code == CLD_EXITED)
    return g_error_new (SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "the worker process ended with status %d",
                        info.si_status);
  return g_error_new (SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE,
                      "the worker process was ended by signal %d (%s)", info.si_status,
                      g_strsignal (info.si_status));
}

int64_t
worker_process_cpu_us (const Process *process)
{
  clockid_t clock;
  struct timespec time;
  if (clock_getcpuclockid (process->pid, &clock) != 0 || clock_gettime (clock, &time) < 0)
    return 0;
  return (int64_t)time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

uint64_t
worker_process_resident_bytes (const Process *process)
{
  char path[64];
  char text[128];
  g_snprintf (path, sizeof path, "/proc/%d/statm", (int)process->pid);
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return 0;
  ssize_t n_bytes = read (fd, text, sizeof text - 1);
  close (fd);
  if (n_bytes <= 0)
    return 0;
  text[n_bytes] = '\0';
  const char *resident = strchr (text, ' ');
  return resident ? g_ascii_strtoull (resident, NULL, 10) * (uint64_t)sysconf (_SC_PAGESIZE) : 0;
}
