/* SPDX-License-Identifier: Apache-2.0 */
/* The listener: limits and what happens when descriptors run out. */
#include "base/listener.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DEADLINE_S = 10 };

typedef struct {
  Loop *loop;
  Listener *listener;
  GMutex lock;
  GArray *fds;
  NetAddress last_peer;
} Fixture;

static void
on_accepted (void *data, int fd, const NetAddress *peer)
{
  Fixture *f = data;
  g_assert_true (fcntl (fd, F_GETFL) & O_NONBLOCK);
  g_assert_true (fcntl (fd, F_GETFD) & FD_CLOEXEC);
  g_mutex_lock (&f->lock);
  g_array_append_val (f->fds, fd);
  f->last_peer = *peer;
  g_mutex_unlock (&f->lock);
}

static void
setup (Fixture *f, gconstpointer data)
{
  const ListenerLimits *limits = data;
  g_autoptr (GError) error = NULL;
  f->fds = g_array_new (FALSE, FALSE, sizeof (int));
  f->loop = loop_new ("test", &error);
  g_assert_no_error (error);
  NetAddress address;
  g_assert_true (net_address_parse (":0", &address, NULL));
  f->listener = listener_new (f->loop, &address, limits, on_accepted, f, &error);
  g_assert_no_error (error);
}

static void
close_listener (void *data)
{
  listener_close (data);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  loop_call (f->loop, close_listener, f->listener);
  listener_unref (f->listener);
  loop_free (f->loop);
  for (guint i = 0; i < f->fds->len; i++)
    close (g_array_index (f->fds, int, i));
  g_array_unref (f->fds);
}

static ListenerStats
get_stats (Fixture *f)
{
  ListenerStats stats;
  listener_get_stats (f->listener, &stats);
  return stats;
}

/* Polls until @count gives @n. */
static void
wait_for (Fixture *f, uint64_t (*count) (Fixture *f), uint64_t n)
{
  gint64 deadline = g_get_monotonic_time () + DEADLINE_S * G_USEC_PER_SEC;
  while (count (f) < n) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_usleep (500);
  }
  g_assert_cmpuint (count (f), ==, n);
}

static uint64_t
count_accepted (Fixture *f)
{
  return get_stats (f).accepted;
}

static uint64_t
count_refused (Fixture *f)
{
  return get_stats (f).refused_total;
}

static uint64_t
count_refused_per_address (Fixture *f)
{
  return get_stats (f).refused_per_address;
}

static int
connect_to (Fixture *f)
{
  NetAddress address;
  g_assert_true (net_address_parse ("127.0.0.1:0", &address, NULL));
  net_address_set_port (&address, net_address_port (listener_address (f->listener)));
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (connect (fd, &address.sa, address.len), ==, 0);
  return fd;
}

static void
test_total_limit (Fixture *f, gconstpointer data)
{
  int clients[4];
  for (unsigned i = 0; i < 3; i++)
    clients[i] = connect_to (f);
  wait_for (f, count_refused, 1);
  char byte;
  g_assert_cmpint (read (clients[2], &byte, 1), <=, 0);
  g_assert_cmpuint (get_stats (f).open, ==, 2);
  g_assert_true (net_address_is_loopback (&f->last_peer));
  g_assert_cmpint (f->last_peer.sa.sa_family, ==, AF_INET);

  listener_connection_closed (f->listener, &f->last_peer);
  clients[3] = connect_to (f);
  wait_for (f, count_accepted, 3);
  for (unsigned i = 0; i < G_N_ELEMENTS (clients); i++)
    close (clients[i]);
}

/* Loopback peers are exempt, so a foreign address is needed: one of the machine's own. */
static void
test_per_address_limit (Fixture *f, gconstpointer data)
{
  NetAddress own;
  g_assert_true (net_address_parse ("192.0.2.1:9", &own, NULL));
  int probe = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool routed = connect (probe, &own.sa, own.len) == 0 && net_local_address (probe, &own);
  close (probe);
  if (!routed || net_address_is_loopback (&own)) {
    g_test_skip ("no address but loopback");
    return;
  }
  net_address_set_port (&own, net_address_port (listener_address (f->listener)));
  int clients[3];
  for (unsigned i = 0; i < G_N_ELEMENTS (clients); i++) {
    clients[i] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint (connect (clients[i], &own.sa, own.len), ==, 0);
  }
  wait_for (f, count_refused_per_address, 2);
  g_assert_cmpuint (get_stats (f).open, ==, 1);
  int exempt[2] = {connect_to (f), connect_to (f)};
  wait_for (f, count_accepted, 3);

  NetAddress first = own;
  listener_connection_closed (f->listener, &first);
  int again = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (connect (again, &own.sa, own.len), ==, 0);
  wait_for (f, count_accepted, 4);
  for (unsigned i = 0; i < G_N_ELEMENTS (clients); i++)
    close (clients[i]);
  close (exempt[0]);
  close (exempt[1]);
  close (again);
}

static uint64_t
get_cpu_us (void)
{
  struct rusage usage;
  getrusage (RUSAGE_SELF, &usage);
  return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * G_USEC_PER_SEC +
         (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void
test_out_of_descriptors (Fixture *f, gconstpointer data)
{
  /* The sockets of clients exist before the limit: only accepting needs new descriptors. */
  int clients[3];
  for (unsigned i = 0; i < G_N_ELEMENTS (clients); i++)
    clients[i] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  NetAddress address;
  g_assert_true (net_address_parse ("127.0.0.1:0", &address, NULL));
  net_address_set_port (&address, net_address_port (listener_address (f->listener)));

  struct rlimit saved;
  getrlimit (RLIMIT_NOFILE, &saved);
  int lowest_free = dup (STDIN_FILENO);
  close (lowest_free);
  struct rlimit low = {.rlim_cur = (rlim_t)lowest_free, .rlim_max = saved.rlim_max};
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &low), ==, 0);

  uint64_t cpu_before = get_cpu_us ();
  gint64 start = g_get_monotonic_time ();
  for (unsigned i = 0; i < G_N_ELEMENTS (clients); i++)
    g_assert_cmpint (connect (clients[i], &address.sa, address.len), ==, 0);
  while (get_stats (f).pauses < 2) {
    g_assert_cmpint (g_get_monotonic_time (), <, start + DEADLINE_S * G_USEC_PER_SEC);
    g_usleep (5000);
  }
  g_assert_cmpuint (get_stats (f).accepted, ==, 0);
  g_assert_cmpuint (get_stats (f).pauses, <=, 4);
  g_assert_cmpuint (get_cpu_us () - cpu_before, <, 50 * 1000);

  setrlimit (RLIMIT_NOFILE, &saved);
  wait_for (f, count_accepted, 3);
  for (unsigned i = 0; i < G_N_ELEMENTS (clients); i++)
    close (clients[i]);
}

int
main (int argc, char **argv)
{
  static const ListenerLimits unlimited = {0};
  static const ListenerLimits two = {.max_connections = 2};
  static const ListenerLimits one_each = {.max_connections_per_address = 1};
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/listener/total-limit", Fixture, &two, setup, test_total_limit, teardown);
  g_test_add ("/listener/per-address-limit", Fixture, &one_each, setup, test_per_address_limit, teardown);
  g_test_add ("/listener/out-of-descriptors", Fixture, &unlimited, setup, test_out_of_descriptors, teardown);
  return g_test_run ();
}
