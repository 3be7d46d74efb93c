/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: what is accepted, how it prints, what counts as the same; and the sockets made from them. */
#include "base/error.h"
#include "base/net.h"

#include <unistd.h>

static void
test_parse (void)
{
  static const struct {
    const char *text;
    const char *printed; /* NULL: refused */
  } cases[] = {
      {"127.0.0.1:8554", "127.0.0.1:8554"},
      {"[::1]:8554", "[::1]:8554"},
      {":8554", "[::]:8554"},
      {"8554", "[::]:8554"},
      {"0.0.0.0:0", "0.0.0.0:0"},
      {"[::ffff:10.1.2.3]:80", "10.1.2.3:80"},
      {"[fe80::1%lo]:1", "[fe80::1%lo]:1"},
      {"", NULL},
      {":", NULL},
      {"localhost:80", NULL},
      {"127.0.0.1", NULL},
      {"127.0.0.1:", NULL},
      {"127.0.0.1:65536", NULL},
      {"127.0.0.1:-1", NULL},
      {"127.0.0.1: 80", NULL},
      {"127.0.0.1:80x", NULL},
      {"::1:80", NULL},
      {"[::1]", NULL},
      {"[::1]80", NULL},
      {"[127.0.0.1]:80", NULL},
      {"[]:80", NULL},
      {"[fe80::1%no-such-interface]:1", NULL},
      {"999.0.0.1:80", NULL},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_test_message ("%s", cases[i].text);
    NetAddress address;
    g_autoptr (GError) error = NULL;
    bool ok = net_address_parse (cases[i].text, &address, &error);
    g_assert_cmpint (ok, ==, cases[i].printed != NULL);
    if (!ok) {
      g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
      continue;
    }
    g_autofree char *printed = net_address_to_string (&address);
    g_assert_cmpstr (printed, ==, cases[i].printed);
  }
}

static NetAddress
parse (const char *text)
{
  NetAddress address;
  g_assert_true (net_address_parse (text, &address, NULL));
  return address;
}

static void
test_compare (void)
{
  static const struct {
    const char *a, *b;
    bool equal, same_host;
  } cases[] = {
      {"1.2.3.4:5", "1.2.3.4:5", true, true},
      {"1.2.3.4:5", "1.2.3.4:6", false, true},
      {"1.2.3.4:5", "[::ffff:1.2.3.4]:5", true, true},
      {"1.2.3.4:5", "1.2.3.5:5", false, false},
      {"[::1]:5", "[::1]:5", true, true},
      {"[::1]:5", "127.0.0.1:5", false, false},
      {"[fe80::1%lo]:5", "[fe80::1]:5", false, false},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    NetAddress a = parse (cases[i].a);
    NetAddress b = parse (cases[i].b);
    g_assert_cmpint (net_address_equal (&a, &b), ==, cases[i].equal);
    g_assert_cmpint (net_address_same_host (&a, &b), ==, cases[i].same_host);
  }
}

static void
test_kinds (void)
{
  static const struct {
    const char *text;
    bool loopback, multicast;
  } cases[] = {
      {"127.0.0.1:1", true, false},
      {"127.255.0.9:1", true, false},
      {"[::1]:1", true, false},
      {"[::ffff:127.0.0.1]:1", true, false},
      {"10.0.0.1:1", false, false},
      {"[::]:1", false, false},
      {"239.1.2.3:1", false, true},
      {"[ff02::1]:1", false, true},
      {"[::ffff:224.0.0.1]:1", false, true},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (cases); i++) {
    NetAddress address = parse (cases[i].text);
    g_assert_cmpint (net_address_is_loopback (&address), ==, cases[i].loopback);
    g_assert_cmpint (net_address_is_multicast (&address), ==, cases[i].multicast);
  }
  NetAddress unknown = {.len = sizeof (sa_family_t), .sa = {.sa_family = AF_UNIX}};
  g_assert_false (net_address_is_loopback (&unknown));
  g_autofree char *host = net_address_host (&unknown);
  g_assert_cmpstr (host, ==, "local");
}

static void
test_listen (void)
{
  NetAddress any = parse (":0");
  g_autoptr (GError) error = NULL;
  int fd = net_listen_tcp (&any, 16, &error);
  g_assert_no_error (error);
  NetAddress bound;
  g_assert_true (net_local_address (fd, &bound));
  g_assert_cmpuint (net_address_port (&bound), >, 0);

  /* IPv4 clients reach the wildcard, too. */
  NetAddress four = parse ("127.0.0.1:0");
  net_address_set_port (&four, net_address_port (&bound));
  int client = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (connect (client, &four.sa, four.len), ==, 0);
  close (client);

  g_assert_cmpint (net_listen_tcp (&bound, 16, &error), ==, -1);
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_BUSY);
  g_assert_nonnull (strstr (error->message, "address already in use"));
  g_clear_error (&error);
  close (fd);

  NetAddress foreign = parse ("192.0.2.1:0");
  g_assert_cmpint (net_listen_tcp (&foreign, 16, &error), ==, -1);
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
}

static void
assert_pair (int rtp, int rtcp, uint16_t port)
{
  NetAddress address;
  g_assert_cmpint (port % 2, ==, 0);
  g_assert_true (net_local_address (rtp, &address));
  g_assert_cmpuint (net_address_port (&address), ==, port);
  g_assert_true (net_local_address (rtcp, &address));
  g_assert_cmpuint (net_address_port (&address), ==, port + 1);
}

static void
test_udp_pair (void)
{
  NetAddress host = parse ("127.0.0.1:0");
  int rtp, rtcp;
  uint16_t port;
  g_autoptr (GError) error = NULL;
  g_assert_true (net_bind_udp_pair (&host, 0, 0, &rtp, &rtcp, &port, &error));
  assert_pair (rtp, rtcp, port);

  /* The one pair of this range is taken now. */
  int other_rtp, other_rtcp;
  uint16_t other_port;
  g_assert_false (net_bind_udp_pair (&host, port, port + 1, &other_rtp, &other_rtcp, &other_port, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT);
  g_clear_error (&error);

  close (rtp);
  close (rtcp);
  g_assert_true (net_bind_udp_pair (&host, port - 1, port + 1, &rtp, &rtcp, &other_port, &error));
  assert_pair (rtp, rtcp, port);
  close (rtp);
  close (rtcp);
  g_assert_false (net_bind_udp_pair (&host, port, port, &rtp, &rtcp, &port, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/parse", test_parse);
  g_test_add_func ("/net/compare", test_compare);
  g_test_add_func ("/net/kinds", test_kinds);
  g_test_add_func ("/net/listen", test_listen);
  g_test_add_func ("/net/udp-pair", test_udp_pair);
  return g_test_run ();
}
