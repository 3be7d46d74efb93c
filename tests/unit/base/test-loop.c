/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <unistd.h>

typedef struct {
  Loop *loop;
  GString *order;
  LoopTimer *timer;
  LoopDeferred deferred;
  unsigned fired;
  GMutex lock;
  GCond cond;
  bool done;
} Fixture;

static void
finish (Fixture *f)
{
  g_mutex_lock (&f->lock);
  f->done = true;
  g_cond_signal (&f->cond);
  g_mutex_unlock (&f->lock);
}

static void
wait_done (Fixture *f)
{
  int64_t deadline = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;
  g_mutex_lock (&f->lock);
  while (!f->done)
    g_assert_true (g_cond_wait_until (&f->cond, &f->lock, deadline));
  g_mutex_unlock (&f->lock);
}

static void
append_a (void *data)
{
  g_string_append_c (((Fixture *)data)->order, 'a');
}

static void
append_b (void *data)
{
  g_string_append_c (((Fixture *)data)->order, 'b');
}

static void
post_more (void *data)
{
  Fixture *f = data;
  g_assert_true (loop_is_current (f->loop));
  loop_post (f->loop, append_b, f);
  g_string_append_c (f->order, 'p');
}

static void
setup (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  f->loop = loop_new ("test", &error);
  g_assert_no_error (error);
  f->order = g_string_new (NULL);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  loop_free (f->loop);
  g_string_free (f->order, TRUE);
}

static void
nothing (void *data)
{
}

static void
test_posts_run_in_order (Fixture *f, gconstpointer data)
{
  g_assert_false (loop_is_current (f->loop));
  loop_post (f->loop, append_a, f);
  loop_post (f->loop, post_more, f);
  loop_post (f->loop, append_a, f);
  loop_call (f->loop, nothing, f);
  loop_call (f->loop, nothing, f);
  g_assert_cmpstr (f->order->str, ==, "apab");
}

static void
test_posts_run_before_the_loop_ends (Fixture *f, gconstpointer data)
{
  for (unsigned i = 0; i < 100; i++)
    loop_post (f->loop, append_a, f);
  loop_free (f->loop);
  g_assert_cmpuint (f->order->len, ==, 100);
  f->loop = loop_new ("test", NULL);
}

static void
on_timer (void *data)
{
  Fixture *f = data;
  if (++f->fired < 3)
    return;
  loop_timer_free (f->timer);
  finish (f);
}

static void
start_timer (void *data)
{
  Fixture *f = data;
  f->timer = loop_timer_new (f->loop, on_timer, f);
  loop_timer_start (f->timer, 1, 1);
}

static void
test_timer_repeats_until_freed (Fixture *f, gconstpointer data)
{
  loop_post (f->loop, start_timer, f);
  wait_done (f);
  loop_call (f->loop, nothing, f);
  g_assert_cmpuint (f->fired, ==, 3);
}

static void
on_deferred (void *data)
{
  g_string_append_c (((Fixture *)data)->order, 'd');
}

static void
defer_twice (void *data)
{
  Fixture *f = data;
  f->deferred = (LoopDeferred){.func = on_deferred, .data = f};
  loop_defer (f->loop, &f->deferred);
  loop_defer (f->loop, &f->deferred);
  g_string_append_c (f->order, 'a');
}

static void
test_deferred_runs_once_and_soon (Fixture *f, gconstpointer data)
{
  loop_call (f->loop, defer_twice, f);
  /* The wake-up of this call is the next turn at the earliest. */
  loop_call (f->loop, nothing, f);
  g_assert_cmpstr (f->order->str, ==, "ad");
}

static void
on_timer_defer (void *data)
{
  Fixture *f = data;
  loop_timer_free (f->timer);
  f->deferred = (LoopDeferred){.func = (LoopFunc)finish, .data = f};
  loop_defer (f->loop, &f->deferred);
}

static void
start_deferring_timer (void *data)
{
  Fixture *f = data;
  f->timer = loop_timer_new (f->loop, on_timer_defer, f);
  loop_timer_start (f->timer, 1, 0);
}

static void
test_deferred_of_a_timer_runs_before_sleep (Fixture *f, gconstpointer data)
{
  loop_post (f->loop, start_deferring_timer, f);
  wait_done (f);
}

static void
defer_and_cancel (void *data)
{
  Fixture *f = data;
  f->deferred = (LoopDeferred){.func = on_deferred, .data = f};
  loop_defer (f->loop, &f->deferred);
  loop_defer_cancel (f->loop, &f->deferred);
  loop_defer_cancel (f->loop, &f->deferred);
}

static void
test_cancelled_deferred_never_runs (Fixture *f, gconstpointer data)
{
  loop_call (f->loop, defer_and_cancel, f);
  loop_call (f->loop, nothing, f);
  g_assert_cmpuint (f->order->len, ==, 0);
}

typedef struct {
  Fixture *f;
  int fds[2];
  LoopPoll *poll;
} PollTest;

static void
on_readable (void *data, unsigned events)
{
  PollTest *t = data;
  g_assert_cmpuint (events & LOOP_READ, ==, LOOP_READ);
  loop_poll_free (t->poll);
  close (t->fds[0]);
  finish (t->f);
}

static void
start_poll (void *data)
{
  PollTest *t = data;
  g_autoptr (GError) error = NULL;
  t->poll = loop_poll_new (t->f->loop, t->fds[0], on_readable, t, &error);
  g_assert_no_error (error);
  loop_poll_set (t->poll, LOOP_READ);
}

static void
test_poll_reports_readable (Fixture *f, gconstpointer data)
{
  PollTest t = {.f = f};
  g_assert_cmpint (pipe (t.fds), ==, 0);
  loop_post (f->loop, start_poll, &t);
  g_assert_cmpint (write (t.fds[1], "x", 1), ==, 1);
  wait_done (f);
  close (t.fds[1]);
}

static void
quit_main (void *data)
{
  g_main_loop_quit (data);
}

static void *
post_from_thread (void *data)
{
  void **args = data;
  loop_post (args[0], quit_main, args[1]);
  return NULL;
}

static void
test_control_loop_runs_posts_of_other_threads (void)
{
  Loop *control = loop_new_control ();
  g_assert_true (loop_is_current (control));
  g_autoptr (GMainLoop) main_loop = g_main_loop_new (NULL, FALSE);
  void *args[] = {control, main_loop};
  GThread *thread = g_thread_new ("poster", post_from_thread, args);
  g_main_loop_run (main_loop);
  g_thread_join (thread);
  loop_free (control);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/loop/" name, Fixture, NULL, setup, func, teardown)
  ADD ("posts-run-in-order", test_posts_run_in_order);
  ADD ("posts-run-before-the-loop-ends", test_posts_run_before_the_loop_ends);
  ADD ("timer-repeats-until-freed", test_timer_repeats_until_freed);
  ADD ("deferred-runs-once-and-soon", test_deferred_runs_once_and_soon);
  ADD ("deferred-of-a-timer-runs-before-sleep", test_deferred_of_a_timer_runs_before_sleep);
  ADD ("cancelled-deferred-never-runs", test_cancelled_deferred_never_runs);
  ADD ("poll-reports-readable", test_poll_reports_readable);
  g_test_add_func ("/loop/control-loop-runs-posts-of-other-threads",
                   test_control_loop_runs_posts_of_other_threads);
  return g_test_run ();
}
