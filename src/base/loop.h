/* SPDX-License-Identifier: Apache-2.0 */
/* Event loops. An I/O loop is one thread running libuv; the control loop is the GLib main context of the main
 * thread behind the same face. Each object of ours belongs to one loop for life and is touched only there;
 * other threads reach it by loop_post().
 *
 * Threads: loop_post(), loop_is_current(), loop_name() from any thread; everything else on the loop itself.
 * Locks:   an internal leaf lock around the queue of posts, never held while calling out. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Loop Loop;
typedef void (*LoopFunc) (void *data);

/* An I/O loop with a thread of its own, already running. */
Loop *loop_new (const char *name, GError **error);

/* The control loop: posts run on the default GLib main context, whose thread is the caller's. */
Loop *loop_new_control (void);

/* Ends the loop's thread after all that was posted before has run, joins it and frees the loop. Every timer,
 * poll and deferred call of the loop must have been freed by a post before. Not from the loop itself. */
void loop_free (Loop *loop);

/* Runs @func (@data) on @loop, after everything posted before by this thread. Never blocks, never runs it
 * inline. @data is owned by @func. */
void loop_post (Loop *loop, LoopFunc func, void *data);

/* As loop_post(), and waits until @func has returned; for start-up, shutdown and tests only. Not from the
 * loop itself. */
void loop_call (Loop *loop, LoopFunc func, void *data);

bool loop_is_current (const Loop *loop);
const char *loop_name (const Loop *loop);
unsigned loop_index (const Loop *loop); /* 0, 1, ... in order of creation; the control loop has its own */

/* Programming error when called from another thread; free in release builds. */
#ifdef NDEBUG
#define loop_assert(loop) ((void)0)
#else
#define loop_assert(loop) g_assert (loop_is_current (loop))
#endif

/* Monotonic clock, microseconds; a real clock_gettime() each time (20 ns). Any thread. */
int64_t loop_now_us (void);

/* Timers, I/O loops only. @func never runs after loop_timer_free() or loop_timer_stop() has returned. */
typedef struct LoopTimer LoopTimer;
LoopTimer *loop_timer_new (Loop *loop, LoopFunc func, void *data);
void loop_timer_start (LoopTimer *timer, uint64_t after_ms, uint64_t repeat_ms); /* repeat 0: once */
void loop_timer_stop (LoopTimer *timer);
bool loop_timer_active (const LoopTimer *timer);
void loop_timer_free (LoopTimer *timer); /* NULL-safe */

/* Readiness of a file descriptor, level-triggered, I/O loops only. The descriptor stays the caller's: free
 * the poll before closing it. */
typedef struct LoopPoll LoopPoll;
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 /* only reported, never asked for */ };
typedef void (*LoopPollFunc) (void *data, unsigned events);
LoopPoll *loop_poll_new (Loop *loop, int fd, LoopPollFunc func, void *data, GError **error);
void loop_poll_set (LoopPoll *poll, unsigned events); /* 0 pauses */
void loop_poll_free (LoopPoll *poll);                 /* NULL-safe; @func never runs afterwards */

/* Runs @func once, soon, on the same turn of the loop: after the callbacks of this turn and before it sleeps.
 * For work that many callbacks of a turn can share, such as one sendmmsg() for all of them. Embed the struct,
 * zeroed except for func and data. I/O loops only. */
typedef struct LoopDeferred LoopDeferred;
struct LoopDeferred {
  LoopFunc func;
  void *data;
  /*< private >*/
  LoopDeferred *next;
  bool queued;
};
void loop_defer (Loop *loop, LoopDeferred *deferred);        /* no-op while queued */
void loop_defer_cancel (Loop *loop, LoopDeferred *deferred); /* no-op while not queued */

/* A buffer of LOOP_SCRATCH_BYTES shared by all who read on this loop; its content is gone when the caller's
 * callback returns. */
enum { LOOP_SCRATCH_BYTES = 256 * 1024 };
uint8_t *loop_scratch (Loop *loop);

/* The libuv loop below an I/O loop, for name resolution in base/dial.c. */
struct uv_loop_s *loop_uv (Loop *loop);

/* The I/O loops of a process. */
typedef struct LoopPool LoopPool;
LoopPool *loop_pool_new (unsigned n, GError **error); /* n = 0: one for each core */
void loop_pool_free (LoopPool *pool);
unsigned loop_pool_size (const LoopPool *pool);
Loop *loop_pool_get (LoopPool *pool, unsigned index);
Loop *loop_pool_next (LoopPool *pool); /* round robin; any thread */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Loop, loop_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LoopPool, loop_pool_free)
