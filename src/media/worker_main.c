/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's life: make sure that it dies with its daemon, greet, and serve one OPEN. It never leaves by
 * itself: after EOS or FAILED the daemon closes the socket. */
#include "media/worker_main.h"

#include "media/player.h"

#include <fcntl.h>
#include <gst/gst.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
  SOCKET_FD = 3,
  ARENA_FD = 4,
  HEARTBEAT_MS = 500,
  OOM_SCORE = 500,
};

typedef struct {
  MediaLink *link;
  MediaPlayer *player;
} App;

/* When memory runs out, a worker goes before the daemon. */
static void
volunteer_for_oom (void)
{
  int fd = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  dprintf (fd, "%d", OOM_SCORE);
  close (fd);
}

static uint64_t
data_bytes (void)
{
  g_autofree char *status = NULL;
  if (!g_file_get_contents ("/proc/self/status", &status, NULL, NULL))
    return 0;
  const char *line = strstr (status, "VmData:");
  return line ? g_ascii_strtoull (line + strlen ("VmData:"), NULL, 10) * 1024 : 0;
}

/* The supervisor looks at resident memory twice a second; this stops what grows faster. On top of what is
 * mapped now: reserved address space (stacks of threads, a sanitizer's shadow) counts too, and twice the
 * limit leaves room for it. */
static void
limit_data (uint64_t memory)
{
  uint64_t limit = data_bytes () + 2 * memory + (512u << 20);
  struct rlimit rlimit = {.rlim_cur = limit, .rlim_max = limit};
  if (memory > 0)
    setrlimit (RLIMIT_DATA, &rlimit);
}

static void
on_command (void *data, const WorkerMessage *message)
{
  App *app = data;
  if (message->type == WORKER_OPEN && !app->player) {
    limit_data (message->open.memory);
    app->player = media_player_new (app->link, message);
  } else if (message->type == WORKER_KEYFRAME && app->player) {
    media_player_force_key_unit (app->player, message->track);
  }
}

static gboolean
on_heartbeat (gpointer data)
{
  App *app = data;
  if (app->player)
    media_player_send_heartbeat (app->player);
  else
    media_link_send_heartbeat (app->link, true, 0);
  return G_SOURCE_CONTINUE;
}

/* False: the daemon has gone already. */
static bool
tie_to_parent (const char *argument)
{
  gint64 parent;
  if (!g_str_has_prefix (argument, "--parent=") ||
      !g_ascii_string_to_signed (argument + strlen ("--parent="), 10, 1, G_MAXINT, &parent, NULL))
    return false;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  return getppid () == (pid_t)parent;
}

int
media_worker_main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  if (argc != 2 || !tie_to_parent (argv[1])) {
    fputs ("sluice worker: is started by the daemon only\n", stderr);
    return 2;
  }
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  volunteer_for_oom ();
  App app = {.link = media_link_new (SOCKET_FD, ARENA_FD, &error)};
  if (!app.link) {
    fprintf (stderr, "sluice worker: %s\n", error->message);
    return 2;
  }
  fcntl (SOCKET_FD, F_SETFD, FD_CLOEXEC);
  if (!gst_init_check (NULL, NULL, &error)) {
    media_link_send_end (app.link, error);
    return 1;
  }
  g_autofree char *version = gst_version_string ();
  WorkerMessage hello = {WORKER_HELLO, .hello = {WORKER_PROTOCOL_VERSION, version}};
  media_link_send (app.link, &hello);
  media_link_watch (app.link, on_command, &app);
  g_timeout_add (HEARTBEAT_MS, on_heartbeat, &app);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_main_loop_run (loop);
  return 0;
}
