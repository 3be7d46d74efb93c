/* SPDX-License-Identifier: Apache-2.0 */
/* Event loops: libuv on a thread of its own, or GLib's default main context, behind one face. The queue of
 * posts is a singly linked list under a leaf lock; a wake-up is only sent when the queue was empty before. */
#include "base/loop.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

typedef struct Post Post;
struct Post {
  Post *next;
  LoopFunc func;
  void *data;
};

typedef struct {
  Post *head;
  Post **tail;
} PostList;

struct Loop {
  char *name;
  unsigned index;
  GThread *thread; /* NULL for the control loop */
  GMutex lock;     /* leaf: the queue of posts only */
  PostList posts;

  /* I/O loops */
  uv_loop_t uv;
  uv_async_t wake;
  uv_prepare_t prepare;
  uv_check_t check;
  LoopDeferred *deferred;
  uint8_t *scratch;
  bool stopping;

  /* the control loop */
  GSource *source;
};

struct LoopTimer {
  uv_timer_t uv;
  LoopFunc func;
  void *data;
};

struct LoopPoll {
  uv_poll_t uv;
  LoopPollFunc func;
  void *data;
  unsigned events;
};

struct LoopPool {
  unsigned n_loops;
  Loop **loops;
  guint next;
};

static _Thread_local const Loop *current_loop;

int64_t
loop_now_us (void)
{
  struct timespec now;
  clock_gettime (CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

/* --- posts -------------------------------------------------------------------------------------------------
 */

static void
post_list_init (PostList *list)
{
  list->head = NULL;
  list->tail = &list->head;
}

static Post *
take_posts (Loop *loop)
{
  g_mutex_lock (&loop->lock);
  Post *head = loop->posts.head;
  post_list_init (&loop->posts);
  g_mutex_unlock (&loop->lock);
  return head;
}

static void
run_posts (Loop *loop)
{
  Post *post = take_posts (loop);
  while (post) {
    Post *next = post->next;
    post->func (post->data);
    g_free (post);
    post = next;
  }
}

void
loop_post (Loop *loop, LoopFunc func, void *data)
{
  Post *post = g_new (Post, 1);
  *post = (Post){.func = func, .data = data};

  g_mutex_lock (&loop->lock);
  bool was_empty = loop->posts.head == NULL;
  *loop->posts.tail = post;
  loop->posts.tail = &post->next;
  /* Under the lock: the loop cannot be freed between the append and the wake-up, since it only ends by a
   * post. */
  if (was_empty) {
    if (loop->thread)
      uv_async_send (&loop->wake);
    else
      g_source_set_ready_time (loop->source, 0);
  }
  g_mutex_unlock (&loop->lock);
}

typedef struct {
  LoopFunc func;
  void *data;
  GMutex lock;
  GCond done_cond;
  bool done;
} Call;

static void
run_call (void *data)
{
  Call *call = data;
  call->func (call->data);
  g_mutex_lock (&call->lock);
  call->done = true;
  g_cond_signal (&call->done_cond);
  g_mutex_unlock (&call->lock);
}

void
loop_call (Loop *loop, LoopFunc func, void *data)
{
  g_return_if_fail (!loop_is_current (loop));
  Call call = {.func = func, .data = data};
  g_mutex_init (&call.lock);
  g_cond_init (&call.done_cond);
  loop_post (loop, run_call, &call);
  g_mutex_lock (&call.lock);
  while (!call.done)
    g_cond_wait (&call.done_cond, &call.lock);
  g_mutex_unlock (&call.lock);
  g_mutex_clear (&call.lock);
  g_cond_clear (&call.done_cond);
}

/* --- deferred calls ----------------------------------------------------------------------------------------
 */

static void
run_deferred (Loop *loop)
{
  while (loop->deferred) {
    LoopDeferred *deferred = loop->deferred;
    loop->deferred = deferred->next;
    deferred->next = NULL;
    deferred->queued = false;
    deferred->func (deferred->data);
  }
}

void
loop_defer (Loop *loop, LoopDeferred *deferred)
{
  loop_assert (loop);
  if (deferred->queued)
    return;
  deferred->queued = true;
  deferred->next = loop->deferred;
  loop->deferred = deferred;
}

void
loop_defer_cancel (Loop *loop, LoopDeferred *deferred)
{
  loop_assert (loop);
  if (!deferred->queued)
    return;
  LoopDeferred **link = &loop->deferred;
  while (*link != deferred)
    link = &(*link)->next;
  *link = deferred->next;
  deferred->next = NULL;
  deferred->queued = false;
}

/* --- I/O loops ---------------------------------------------------------------------------------------------
 */

static void
on_wake (uv_async_t *wake)
{
  Loop *loop = wake->data;
  run_posts (loop);
  if (loop->stopping) {
    uv_close ((uv_handle_t *)&loop->wake, NULL);
    uv_close ((uv_handle_t *)&loop->prepare, NULL);
    uv_close ((uv_handle_t *)&loop->check, NULL);
  }
}

/* Timers run before the poll phase, sockets and posts in it: deferred calls of both must not wait for another
 * turn, so they run right before the loop may sleep and right after it woke. */
static void
on_prepare (uv_prepare_t *prepare)
{
  run_deferred (prepare->data);
}

static void
on_check (uv_check_t *check)
{
  run_deferred (check->data);
}

static void *
run_thread (void *data)
{
  Loop *loop = data;
  current_loop = loop;
  uv_run (&loop->uv, UV_RUN_DEFAULT);
  return NULL;
}

static unsigned
next_index (void)
{
  static guint counter;
  return g_atomic_int_add (&counter, 1);
}

static Loop *
loop_alloc (const char *name, unsigned index)
{
  Loop *loop = g_new0 (Loop, 1);
  loop->name = g_strdup (name);
  loop->index = index;
  g_mutex_init (&loop->lock);
  post_list_init (&loop->posts);
  return loop;
}

static void
loop_release (Loop *loop)
{
  g_mutex_clear (&loop->lock);
  g_free (loop->scratch);
  g_free (loop->name);
  g_free (loop);
}

Loop *
loop_new (const char *name, GError **error)
{
  Loop *loop = loop_alloc (name, next_index ());
  int failure = uv_loop_init (&loop->uv);
  if (failure) {
    sluice_error_set_errno (error, -failure, "cannot make an event loop");
    loop_release (loop);
    return NULL;
  }
  failure = uv_async_init (&loop->uv, &loop->wake, on_wake);
  if (failure) {
    sluice_error_set_errno (error, -failure, "cannot make an event loop");
    uv_loop_close (&loop->uv);
    loop_release (loop);
    return NULL;
  }
  uv_prepare_init (&loop->uv, &loop->prepare);
  uv_check_init (&loop->uv, &loop->check);
  loop->wake.data = loop->prepare.data = loop->check.data = loop;
  uv_prepare_start (&loop->prepare, on_prepare);
  uv_check_start (&loop->check, on_check);
  loop->scratch = g_malloc (LOOP_SCRATCH_BYTES);
  /* The deferred-call hooks must not keep the loop alive; the wake-up handle does. */
  uv_unref ((uv_handle_t *)&loop->prepare);
  uv_unref ((uv_handle_t *)&loop->check);
  loop->thread = g_thread_try_new (name, run_thread, loop, error);
  if (!loop->thread) {
    uv_close ((uv_handle_t *)&loop->wake, NULL);
    uv_close ((uv_handle_t *)&loop->prepare, NULL);
    uv_close ((uv_handle_t *)&loop->check, NULL);
    uv_run (&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close (&loop->uv);
    loop_release (loop);
    return NULL;
  }
  return loop;
}

static void
stop_loop (void *data)
{
  ((Loop *)data)->stopping = true;
}

static void
report_leftover_handle (uv_handle_t *handle, void *data)
{
  g_warning ("loop %s: a %s handle was not freed before the loop", ((Loop *)data)->name,
             uv_handle_type_name (handle->type));
}

static void
free_io_loop (Loop *loop)
{
  loop_post (loop, stop_loop, loop);
  g_thread_join (loop->thread);
  if (uv_loop_close (&loop->uv) == UV_EBUSY)
    uv_walk (&loop->uv, report_leftover_handle, loop);
  loop_release (loop);
}

/* --- the control loop --------------------------------------------------------------------------------------
 */

typedef struct {
  GSource source;
  Loop *loop;
} ControlSource;

static gboolean
dispatch_control (GSource *source, GSourceFunc callback, gpointer data)
{
  /* Before the posts run, so that a post made by one of them makes the source ready again. */
  g_source_set_ready_time (source, -1);
  run_posts (((ControlSource *)source)->loop);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs control_source_funcs = {.dispatch = dispatch_control};

Loop *
loop_new_control (void)
{
  Loop *loop = loop_alloc ("control", next_index ());
  loop->source = g_source_new (&control_source_funcs, sizeof (ControlSource));
  ((ControlSource *)loop->source)->loop = loop;
  g_source_set_name (loop->source, "control posts");
  g_source_attach (loop->source, NULL);
  current_loop = loop;
  return loop;
}

static void
free_control_loop (Loop *loop)
{
  run_posts (loop);
  g_source_destroy (loop->source);
  g_source_unref (loop->source);
  if (current_loop == loop)
    current_loop = NULL;
  loop_release (loop);
}

void
loop_free (Loop *loop)
{
  if (!loop)
    return;
  if (loop->thread)
    free_io_loop (loop);
  else
    free_control_loop (loop);
}

bool
loop_is_current (const Loop *loop)
{
  return current_loop == loop;
}

const char *
loop_name (const Loop *loop)
{
  return loop->name;
}

unsigned
loop_index (const Loop *loop)
{
  return loop->index;
}

uint8_t *
loop_scratch (Loop *loop)
{
  loop_assert (loop);
  return loop->scratch;
}

struct uv_loop_s *
loop_uv (Loop *loop)
{
  loop_assert (loop);
  return &loop->uv;
}

/* --- timers ------------------------------------------------------------------------------------------------
 */

static void
on_timer (uv_timer_t *uv)
{
  LoopTimer *timer = uv->data;
  timer->func (timer->data);
}

LoopTimer *
loop_timer_new (Loop *loop, LoopFunc func, void *data)
{
  loop_assert (loop);
  LoopTimer *timer = g_new0 (LoopTimer, 1);
  timer->func = func;
  timer->data = data;
  uv_timer_init (&loop->uv, &timer->uv);
  timer->uv.data = timer;
  return timer;
}

void
loop_timer_start (LoopTimer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
  /* libuv counts from its cached time, which a long turn leaves in the past. */
  uv_update_time (timer->uv.loop);
  uv_timer_start (&timer->uv, on_timer, after_ms, repeat_ms);
}

void
loop_timer_stop (LoopTimer *timer)
{
  uv_timer_stop (&timer->uv);
}

bool
loop_timer_active (const LoopTimer *timer)
{
  return uv_is_active ((const uv_handle_t *)&timer->uv);
}

static void
on_timer_closed (uv_handle_t *handle)
{
  g_free (handle->data);
}

void
loop_timer_free (LoopTimer *timer)
{
  if (!timer)
    return;
  uv_timer_stop (&timer->uv);
  uv_close ((uv_handle_t *)&timer->uv, on_timer_closed);
}

/* --- polls -------------------------------------------------------------------------------------------------
 */

static void
on_poll (uv_poll_t *uv, int status, int events)
{
  LoopPoll *poll = uv->data;
  unsigned ready = 0;
  if (events & UV_READABLE)
    ready |= LOOP_READ;
  if (events & UV_WRITABLE)
    ready |= LOOP_WRITE;
  if ((events & UV_DISCONNECT) || status < 0)
    ready |= LOOP_HANGUP;
  poll->func (poll->data, ready);
}

LoopPoll *
loop_poll_new (Loop *loop, int fd, LoopPollFunc func, void *data, GError **error)
{
  loop_assert (loop);
  LoopPoll *poll = g_new0 (LoopPoll, 1);
  int failure = uv_poll_init (&loop->uv, &poll->uv, fd);
  if (failure) {
    g_free (poll);
    sluice_error_set_errno (error, -failure, "cannot watch a descriptor");
    return NULL;
  }
  poll->func = func;
  poll->data = data;
  poll->uv.data = poll;
  return poll;
}

void
loop_poll_set (LoopPoll *poll, unsigned events)
{
  if (poll->events == events)
    return;
  poll->events = events;
  int uv_events = 0;
  if (events & LOOP_READ)
    uv_events |= UV_READABLE;
  if (events & LOOP_WRITE)
    uv_events |= UV_WRITABLE;
  if (uv_events)
    uv_poll_start (&poll->uv, uv_events, on_poll);
  else
    uv_poll_stop (&poll->uv);
}

static void
on_poll_closed (uv_handle_t *handle)
{
  g_free (handle->data);
}

void
loop_poll_free (LoopPoll *poll)
{
  if (!poll)
    return;
  uv_poll_stop (&poll->uv);
  uv_close ((uv_handle_t *)&poll->uv, on_poll_closed);
}

/* --- pools -------------------------------------------------------------------------------------------------
 */

LoopPool *
loop_pool_new (unsigned n, GError **error)
{
  if (n == 0)
    n = MAX (1, (unsigned)sysconf (_SC_NPROCESSORS_ONLN));
  g_autoptr (LoopPool) pool = g_new0 (LoopPool, 1);
  pool->loops = g_new0 (Loop *, n);
  for (; pool->n_loops < n; pool->n_loops++) {
    g_autofree char *name = g_strdup_printf ("io-%u", pool->n_loops);
    pool->loops[pool->n_loops] = loop_new (name, error);
    if (!pool->loops[pool->n_loops])
      return NULL;
  }
  return g_steal_pointer (&pool);
}

void
loop_pool_free (LoopPool *pool)
{
  if (!pool)
    return;
  for (unsigned i = 0; i < pool->n_loops; i++)
    loop_free (pool->loops[i]);
  g_free (pool->loops);
  g_free (pool);
}

unsigned
loop_pool_size (const LoopPool *pool)
{
  return pool->n_loops;
}

Loop *
loop_pool_get (LoopPool *pool, unsigned index)
{
  return pool->loops[index];
}

Loop *
loop_pool_next (LoopPool *pool)
{
  return pool->loops[g_atomic_int_add (&pool->next, 1) % pool->n_loops];
}
