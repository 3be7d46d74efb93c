/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "worker/process.h"

#include <errno.h>
#include <gio/gio.h>
#include <signal.h>
#include <unistd.h>

enum { WAIT_S = 20 };

static void
free_unit (void *data)
{
  g_bytes_unref (((RigUnit *)data)->bytes);
  g_free (data);
}

void
rig_init (void)
{
  const char *program = g_getenv ("SLUICE_TEST_BINARY");
  g_assert_nonnull (program);
  worker_process_set_program (program);
  gst_init (NULL, NULL);
}

Rig *
rig_new (const char *url)
{
  g_autoptr (GError) error = NULL;
  Rig *rig = g_new0 (Rig, 1);
  rig->loop = loop_new ("rig", &error);
  g_assert_no_error (error);
  rig->url = g_strdup (url);
  rig->caps = g_ptr_array_new_with_free_func ((GDestroyNotify)gst_caps_unref);
  rig->units = g_ptr_array_new_with_free_func (free_unit);
  g_mutex_init (&rig->lock);
  g_cond_init (&rig->changed);
  return rig;
}

static void
on_ready (void *data)
{
  Rig *rig = data;
  WorkerMessage message = {WORKER_OPEN, .open = {.url = rig->url,
                                                 .loop = rig->loop_file,
                                                 .connect_timeout_ms = 5000,
                                                 .memory = rig->limits.memory}};
  worker_send (rig->worker, &message);
}

static void
take_unit (Rig *rig, const WorkerUnit *unit)
{
  RigUnit *copy = g_new (RigUnit, 1);
  *copy = (RigUnit){unit->track,
                    unit->flags,
                    unit->pts,
                    unit->dts,
                    unit->duration,
                    unit->captured_us,
                    g_bytes_new (unit->bytes, unit->n_bytes)};
  g_ptr_array_add (rig->units, copy);
}

static void
on_message (void *data, WorkerMessage *message)
{
  Rig *rig = data;
  g_mutex_lock (&rig->lock);
  switch (message->type) {
  case WORKER_TRACKS:
    rig->tracks_us = loop_now_us ();
    for (unsigned i = 0; i < message->tracks.n; i++)
      g_ptr_array_add (rig->caps, gst_caps_ref (message->tracks.caps[i]));
    break;
  case WORKER_UNIT:
    take_unit (rig, &message->unit);
    break;
  case WORKER_EOS:
    rig->eos = true;
    break;
  case WORKER_FAILED:
    g_clear_error (&rig->error);
    rig->error = g_error_new_literal (SLUICE_ERROR, (int)message->failed.code, message->failed.text);
    break;
  default:
    break;
  }
  g_cond_broadcast (&rig->changed);
  g_mutex_unlock (&rig->lock);
}

static void
on_failed (void *data, const GError *error)
{
  Rig *rig = data;
  g_mutex_lock (&rig->lock);
  rig->gone = true;
  if (!rig->error)
    rig->error = g_error_copy (error);
  g_cond_broadcast (&rig->changed);
  g_mutex_unlock (&rig->lock);
}

static const WorkerOps ops = {on_ready, on_message, on_failed};

static void
start (void *data)
{
  Rig *rig = data;
  g_autoptr (GError) error = NULL;
  rig->started_us = loop_now_us ();
  rig->worker = worker_start (rig->loop, "rig", &rig->limits, &ops, rig, &error);
  g_assert_no_error (error);
}

void
rig_start (Rig *rig)
{
  loop_call (rig->loop, start, rig);
}

static unsigned
count_units (Rig *rig, unsigned track)
{
  unsigned n_units = 0;
  for (guint i = 0; i < rig->units->len; i++)
    n_units += ((RigUnit *)g_ptr_array_index (rig->units, i))->track == track;
  return n_units;
}

void
rig_wait_units (Rig *rig, unsigned track, unsigned n_units)
{
  int64_t deadline = g_get_monotonic_time () + WAIT_S * G_USEC_PER_SEC;
  g_mutex_lock (&rig->lock);
  while (count_units (rig, track) < n_units) {
    if (rig->error)
      g_error ("the worker failed: %s", rig->error->message);
    if (rig->eos || !g_cond_wait_until (&rig->changed, &rig->lock, deadline))
      g_error ("%u of %u units of track %u came", count_units (rig, track), n_units, track);
  }
  g_mutex_unlock (&rig->lock);
}

void
rig_wait_end (Rig *rig)
{
  int64_t deadline = g_get_monotonic_time () + WAIT_S * G_USEC_PER_SEC;
  g_mutex_lock (&rig->lock);
  while (!rig->eos) {
    if (rig->error)
      g_error ("the worker failed: %s", rig->error->message);
    g_assert_true (g_cond_wait_until (&rig->changed, &rig->lock, deadline));
  }
  g_mutex_unlock (&rig->lock);
}

GError *
rig_wait_error (Rig *rig)
{
  int64_t deadline = g_get_monotonic_time () + WAIT_S * G_USEC_PER_SEC;
  g_mutex_lock (&rig->lock);
  while (!rig->error)
    g_assert_true (g_cond_wait_until (&rig->changed, &rig->lock, deadline));
  GError *error = g_steal_pointer (&rig->error);
  g_mutex_unlock (&rig->lock);
  return error;
}

static void
update_usage (void *data)
{
  Rig *rig = data;
  worker_get_usage (rig->worker, &rig->usage);
}

void
rig_update_usage (Rig *rig)
{
  loop_call (rig->loop, update_usage, rig);
}

int
rig_pid (Rig *rig)
{
  rig_update_usage (rig);
  return rig->usage.pid;
}

static void
send_keyframe (void *data)
{
  Rig *rig = data;
  WorkerMessage message = {WORKER_KEYFRAME, .track = rig->want_track};
  worker_send (rig->worker, &message);
}

void
rig_send_keyframe (Rig *rig, unsigned track)
{
  rig->want_track = track;
  loop_call (rig->loop, send_keyframe, rig);
}

unsigned
rig_n_units (Rig *rig, unsigned track)
{
  g_mutex_lock (&rig->lock);
  unsigned n_units = count_units (rig, track);
  g_mutex_unlock (&rig->lock);
  return n_units;
}

GPtrArray *
rig_units (Rig *rig, unsigned track)
{
  GPtrArray *units = g_ptr_array_new ();
  g_mutex_lock (&rig->lock);
  for (guint i = 0; i < rig->units->len; i++) {
    RigUnit *unit = g_ptr_array_index (rig->units, i);
    if (unit->track == track)
      g_ptr_array_add (units, unit);
  }
  g_mutex_unlock (&rig->lock);
  return units;
}

bool
rig_process_exists (int pid)
{
  return kill (pid, 0) == 0 || errno != ESRCH;
}

static void
end (void *data)
{
  Rig *rig = data;
  if (rig->worker)
    worker_get_usage (rig->worker, &rig->usage);
  g_clear_pointer (&rig->worker, worker_free);
}

void
rig_free (Rig *rig)
{
  loop_call (rig->loop, end, rig);
  int64_t deadline = g_get_monotonic_time () + WAIT_S * G_USEC_PER_SEC;
  while (rig->usage.pid > 0 && rig_process_exists (rig->usage.pid)) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_usleep (2000);
  }
  loop_free (rig->loop);
  g_ptr_array_unref (rig->caps);
  g_ptr_array_unref (rig->units);
  g_clear_error (&rig->error);
  g_mutex_clear (&rig->lock);
  g_cond_clear (&rig->changed);
  g_free (rig->url);
  g_free (rig);
}

void
rig_run (const char *const *argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &error);
  g_assert_no_error (error);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
}
