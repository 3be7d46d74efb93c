/* SPDX-License-Identifier: Apache-2.0 */
/* A real worker process on a loop of its own, and what it has said so far. */
#pragma once

#include "worker/supervisor.h"

typedef struct {
  unsigned track, flags;
  int64_t pts, dts, duration, captured_us;
  GBytes *bytes;
} RigUnit;

typedef struct {
  Loop *loop;
  char *url;
  bool loop_file;
  WorkerLimits limits;
  Worker *worker; /* touched on the loop only */
  WorkerUsage usage;
  int64_t started_us, tracks_us;
  unsigned want_track;
  bool pause; /* take no more units */
  GMutex lock;
  GCond changed;
  GPtrArray *caps;  /* of GstCaps: tracks */
  GPtrArray *units; /* of RigUnit */
  GError *error;    /* FAILED, or the supervisor's */
  bool eos;
  bool gone; /* the supervisor has reported a failure */
} Rig;

void rig_init (void); /* once, in main */
Rig *rig_new (const char *url);
void rig_start (Rig *rig);
/* All wait at most 20 s and fail the test with what the worker said instead. */
void rig_wait_units (Rig *rig, unsigned track, unsigned n_units);
void rig_wait_end (Rig *rig);
/* The next error; the test owns it. */
GError *rig_wait_error (Rig *rig);
int rig_pid (Rig *rig);
void rig_update_usage (Rig *rig);
void rig_send_keyframe (Rig *rig, unsigned track);
unsigned rig_n_units (Rig *rig, unsigned track);
/* Units of one track from the first on; (transfer container). */
GPtrArray *rig_units (Rig *rig, unsigned track);
/* Frees the worker and waits until its process is gone. */
void rig_free (Rig *rig);
bool rig_process_exists (int pid);

/* Runs a command; fails the test when it fails. */
void rig_run (const char *const *argv);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Rig, rig_free)
