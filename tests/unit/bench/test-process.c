/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/process.h"

#include "base/error.h"
#include "base/net.h"

#include <unistd.h>

static void
test_own_numbers (void)
{
  BenchProcess before, after;
  g_assert_true (bench_process_read (getpid (), &before, NULL));
  g_assert_cmpuint (before.threads, ==, 1);
  g_assert_cmpuint (before.rss_bytes, >, 100 * 1024);
  int fd = dup (0);
  /* Uses CPU for certain. */
  while (bench_process_read (getpid (), &after, NULL) && after.cpu_seconds < before.cpu_seconds + 0.02)
    ;
  g_assert_cmpuint (after.descriptors, ==, before.descriptors + 1);
  g_assert_cmpfloat (after.at_seconds, >, before.at_seconds);
  close (fd);
}

static void
test_finds_itself_by_port (void)
{
  NetAddress address;
  g_assert_true (net_address_parse ("127.0.0.1:0", &address, NULL));
  int fd = net_listen_tcp (&address, 1, NULL);
  g_assert_cmpint (fd, >=, 0);
  g_assert_true (net_local_address (fd, &address));
  pid_t pid = 0;
  g_assert_true (bench_process_find (net_address_port (&address), &pid, NULL));
  g_assert_cmpint (pid, ==, getpid ());
  close (fd);
  g_autoptr (GError) error = NULL;
  g_assert_false (bench_process_find (net_address_port (&address), &pid, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND);
}

static void
test_no_such_process (void)
{
  BenchProcess process;
  g_autoptr (GError) error = NULL;
  g_assert_false (bench_process_read (G_MAXINT, &process, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bench/process/own-numbers", test_own_numbers);
  g_test_add_func ("/bench/process/by-port", test_finds_itself_by_port);
  g_test_add_func ("/bench/process/none", test_no_such_process);
  return g_test_run ();
}
