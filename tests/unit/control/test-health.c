/* SPDX-License-Identifier: Apache-2.0 */
/* Liveness by heartbeat, readiness by parts, the report, and what systemd is told. */
#include "../stream/rig.h"
#include "control/health.h"
#include "control/notify.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
test_ready (void)
{
  Rig *rig = rig_new ();
  Health *health = health_new (rig->control, rig->pool, rig->registry);
  g_autofree char *reason = NULL;
  g_assert_true (health_is_live (health, &reason));
  g_assert_null (reason);
  g_assert_false (health_is_ready (health, &reason));
  g_assert_cmpstr (reason, ==, "configuration: not started yet");
  g_clear_pointer (&reason, g_free);
  health_set_part (health, HEALTH_CONFIG, NULL);
  health_set_part (health, HEALTH_STATE, "disk is full");
  g_assert_false (health_is_ready (health, &reason));
  g_assert_cmpstr (reason, ==, "state database: disk is full");
  health_set_part (health, HEALTH_STATE, NULL);
  g_assert_false (health_is_ready (health, NULL));
  health_set_part (health, HEALTH_LISTENERS, NULL);
  g_assert_true (health_is_ready (health, NULL));
  health_free (health);
  rig_free (rig);
}

static bool
is_degraded (void *data)
{
  g_autoptr (HealthReport) report = health_report (data);
  return report->n_failed == 1 && report->n_running == 1;
}

static void
test_report (void)
{
  Rig *rig = rig_new ();
  Health *health = health_new (rig->control, rig->pool, rig->registry);
  {
    g_autoptr (HealthReport) report = health_report (health);
    g_assert_cmpint (report->status, ==, HEALTH_UNHEALTHY);
    g_assert_true (report->live);
    g_assert_false (report->ready);
    g_assert_cmpuint (report->reasons->len, ==, 1);
    g_assert_cmpstr (report->service, ==, "sluice");
  }
  for (unsigned i = 0; i < HEALTH_N_PARTS; i++)
    health_set_part (health, (HealthPart)i, NULL);
  static const struct {
    const char *name, *source;
  } streams[] = {{"bad", "fake:fail"}, {"good", "fake:online"}, {"waiting", NULL}};
  for (unsigned i = 0; i < G_N_ELEMENTS (streams); i++) {
    g_autoptr (StreamSettings) settings = rig_settings (rig, streams[i].name, streams[i].source);
    g_assert_true (registry_create (rig->registry, settings, NULL));
  }
  rig_wait (is_degraded, health);
  g_autoptr (HealthReport) report = health_report (health);
  g_assert_cmpint (report->status, ==, HEALTH_DEGRADED);
  g_assert_true (report->ready);
  g_assert_cmpuint (report->n_streams, ==, 3);
  const HealthStream *bad = report->streams->pdata[0], *good = report->streams->pdata[1],
                     *waiting = report->streams->pdata[2];
  g_assert_cmpstr (bad->id, ==, "bad");
  g_assert_cmpint (bad->status, ==, HEALTH_DEGRADED);
  g_assert_cmpstr (bad->reason, ==, "told to fail");
  g_assert_cmpint (good->status, ==, HEALTH_HEALTHY);
  g_assert_cmpint (waiting->status, ==, HEALTH_HEALTHY);
  g_assert_cmpstr (report->reasons->pdata[0], ==, "1 of 3 streams do not run");
  health_free (health);
  rig_free (rig);
}

/* --- systemd
 * --------------------------------------------------------------------------------------------------- */

typedef struct {
  int fd;
  char *path;
  GString *got; /* all that came, a "|" behind each message */
} Manager;

static void
open_manager (Manager *manager)
{
  g_autofree char *folder = g_dir_make_tmp ("sluice-notify-XXXXXX", NULL);
  manager->path = g_build_filename (folder, "socket", NULL);
  manager->got = g_string_new (NULL);
  manager->fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_strlcpy (address.sun_path, manager->path, sizeof address.sun_path);
  g_assert_cmpint (bind (manager->fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_setenv ("NOTIFY_SOCKET", manager->path, TRUE);
}

static void
close_manager (Manager *manager)
{
  g_unsetenv ("NOTIFY_SOCKET");
  close (manager->fd);
  g_unlink (manager->path);
  g_autofree char *folder = g_path_get_dirname (manager->path);
  g_rmdir (folder);
  g_free (manager->path);
  g_string_free (manager->got, TRUE);
}

static void
read_manager (Manager *manager)
{
  char buffer[512];
  ssize_t n;
  while ((n = recv (manager->fd, buffer, sizeof buffer, 0)) >= 0) {
    g_string_append_len (manager->got, buffer, n);
    g_string_append_c (manager->got, '|');
  }
}

static unsigned
count_fed (Manager *manager)
{
  read_manager (manager);
  unsigned count = 0;
  for (const char *at = manager->got->str; (at = strstr (at, "WATCHDOG=1|")); at++)
    count++;
  return count;
}

static bool
is_fed_twice (void *data)
{
  return count_fed (data) >= 2;
}

static void
test_messages (void)
{
  Manager manager;
  open_manager (&manager);
  Rig *rig = rig_new ();
  Health *health = health_new (rig->control, rig->pool, rig->registry);
  Notify *notify = notify_new (health, rig->registry);
  notify_ready (notify);
  notify_reloading (notify);
  notify_status (notify, "loading");
  notify_status (notify, NULL);
  notify_stopping (notify);
  read_manager (&manager);
  g_assert_true (g_str_has_prefix (
      manager.got->str, "READY=1|STATUS=0 of 0 streams run, 0 readers|RELOADING=1\nMONOTONIC_USEC="));
  g_assert_true (g_str_has_suffix (manager.got->str,
                                   "|STATUS=loading|STATUS=0 of 0 streams run, 0 readers|STOPPING=1|"));
  notify_free (notify);
  health_free (health);
  rig_free (rig);
  close_manager (&manager);
}

typedef struct {
  GMutex lock;
  GCond cond;
  bool release;
} Block;

static void
block_loop (void *data)
{
  Block *block = data;
  g_mutex_lock (&block->lock);
  while (!block->release)
    g_cond_wait (&block->cond, &block->lock);
  g_mutex_unlock (&block->lock);
}

typedef struct {
  Manager *manager;
  Health *health;
} Watched;

/* Reads all the time: a full socket would block the sender. */
static bool
is_dead (void *data)
{
  Watched *watched = data;
  read_manager (watched->manager);
  return !health_is_live (watched->health, NULL);
}

static bool
is_alive (void *data)
{
  return !is_dead (data);
}

/* A stuck I/O loop takes the watchdog's food away, though the control loop turns. */
static void
test_stuck_loop (void)
{
  Manager manager;
  open_manager (&manager);
  g_autofree char *pid = g_strdup_printf ("%d", (int)getpid ());
  g_setenv ("WATCHDOG_PID", pid, TRUE);
  g_setenv ("WATCHDOG_USEC", "200000", TRUE);
  Rig *rig = rig_new ();
  Health *health = health_new (rig->control, rig->pool, rig->registry);
  health_set_live_limit (health, 1500);
  Notify *notify = notify_new (health, rig->registry);
  rig_wait (is_fed_twice, &manager);

  Watched watched = {&manager, health};
  Block block = {0};
  Loop *loop = loop_pool_get (rig->pool, 1);
  loop_post (loop, block_loop, &block);
  rig_wait (is_dead, &watched);
  g_autofree char *reason = NULL;
  g_assert_false (health_is_ready (health, &reason));
  g_assert_nonnull (strstr (reason, loop_name (loop)));
  unsigned fed = count_fed (&manager);
  int64_t until = loop_now_us () + 500000;
  while (loop_now_us () < until)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (count_fed (&manager), ==, fed);

  g_mutex_lock (&block.lock);
  block.release = true;
  g_cond_signal (&block.cond);
  g_mutex_unlock (&block.lock);
  rig_wait (is_alive, &watched);
  g_string_truncate (manager.got, 0);
  rig_wait (is_fed_twice, &manager);

  notify_free (notify);
  health_free (health);
  rig_free (rig);
  g_unsetenv ("WATCHDOG_PID");
  g_unsetenv ("WATCHDOG_USEC");
  close_manager (&manager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/health/ready", test_ready);
  g_test_add_func ("/control/health/report", test_report);
  g_test_add_func ("/control/notify/messages", test_messages);
  g_test_add_func ("/control/notify/stuck-loop", test_stuck_loop);
  return g_test_run ();
}
