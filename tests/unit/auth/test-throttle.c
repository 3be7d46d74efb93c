/* SPDX-License-Identifier: Apache-2.0 */
/* Throttling by a clock that the test turns. */
#include "auth/throttle.h"

#include <string.h>

enum { LIMIT = 10 };

static int64_t now_us;

static int64_t
get_now (void)
{
  return now_us;
}

static NetAddress
address (const char *text)
{
  NetAddress ret;
  g_autoptr (GError) error = NULL;
  net_address_parse (text, &ret, &error);
  g_assert_no_error (error);
  return ret;
}

static Throttle *
new_throttle (void)
{
  now_us = 1000 * G_USEC_PER_SEC;
  return throttle_new (LIMIT, get_now);
}

static void
fail (Throttle *throttle, const NetAddress *peer, const char *user, unsigned times)
{
  for (unsigned i = 0; i < times; i++)
    throttle_failure (throttle, peer, user);
}

static void
test_address (void)
{
  Throttle *throttle = new_throttle ();
  NetAddress bad = address ("192.0.2.1:1000"), same = address ("192.0.2.1:2000"),
             other = address ("192.0.2.2:1000");
  NetAddress mapped = address ("[::ffff:192.0.2.1]:1000");

  /* A different user each time: only the address counts. */
  for (unsigned i = 0; i < LIMIT; i++) {
    g_autofree char *user = g_strdup_printf ("user-%u", i);
    g_assert_true (throttle_allow (throttle, &bad, user, true));
    throttle_failure (throttle, &bad, user);
  }
  /* One attempt a second is still looked at. */
  g_assert_true (throttle_allow (throttle, &bad, "x", true));
  g_assert_false (throttle_allow (throttle, &bad, "x", true));
  g_assert_false (throttle_allow (throttle, &same, "y", true));
  g_assert_false (throttle_allow (throttle, &mapped, NULL, true));
  g_assert_true (throttle_allow (throttle, &other, "x", true));
  now_us += G_USEC_PER_SEC;
  g_assert_true (throttle_allow (throttle, &bad, "x", false));
  g_assert_true (throttle_allow (throttle, &bad, "x", true));
  g_assert_false (throttle_allow (throttle, &bad, "x", false));

  /* The minute is over. */
  now_us += 59 * G_USEC_PER_SEC;
  for (unsigned i = 0; i < 5; i++)
    g_assert_true (throttle_allow (throttle, &bad, "x", true));
  throttle_free (throttle);
}

static void
test_user (void)
{
  Throttle *throttle = new_throttle ();
  NetAddress home = address ("198.51.100.7:1000"), fresh = address ("198.51.100.8:1000");
  throttle_success (throttle, &home, "anna");
  for (unsigned i = 0; i < LIMIT; i++) {
    g_autofree char *text = g_strdup_printf ("203.0.113.%u:1", i);
    NetAddress peer = address (text);
    g_assert_true (throttle_allow (throttle, &peer, "anna", true));
    throttle_failure (throttle, &peer, "anna");
  }
  /* Anna is under attack: strangers get one attempt a second together, she herself is let in at once. */
  g_assert_true (throttle_allow (throttle, &fresh, "anna", true));
  g_assert_false (throttle_allow (throttle, &fresh, "anna", true));
  g_assert_true (throttle_allow (throttle, &home, "anna", true));
  g_assert_true (throttle_allow (throttle, &home, "anna", true));
  g_assert_true (throttle_allow (throttle, &fresh, "berta", true));
  /* But what she knows of her own address does not save the address itself. */
  fail (throttle, &home, "berta", LIMIT);
  g_assert_true (throttle_allow (throttle, &home, "anna", true));
  g_assert_false (throttle_allow (throttle, &home, "anna", true));
  throttle_free (throttle);
}

static void
test_ipv6_by_network (void)
{
  Throttle *throttle = new_throttle ();
  NetAddress a = address ("[2001:db8:1:2::1]:1"), b = address ("[2001:db8:1:2:ffff::9]:1");
  NetAddress c = address ("[2001:db8:1:3::1]:1");
  fail (throttle, &a, NULL, LIMIT);
  g_assert_true (throttle_allow (throttle, &b, NULL, true));
  g_assert_false (throttle_allow (throttle, &b, NULL, true));
  g_assert_true (throttle_allow (throttle, &c, NULL, true));
  g_assert_true (throttle_allow (throttle, &c, NULL, true));
  throttle_free (throttle);
}

static void
test_forgive (void)
{
  Throttle *throttle = new_throttle ();
  NetAddress peer = address ("192.0.2.9:1");
  fail (throttle, &peer, "anna", LIMIT);
  throttle_forgive (throttle, &peer, "anna");
  for (unsigned i = 0; i < 3; i++)
    g_assert_true (throttle_allow (throttle, &peer, "anna", true));
  throttle_free (throttle);
}

static void
test_bounded (void)
{
  Throttle *throttle = new_throttle ();
  NetAddress peer = address ("192.0.2.1:1");
  for (unsigned i = 0; i < THROTTLE_MAX_ENTRIES + 500; i++) {
    uint32_t host = g_htonl (0x0a000000 + i);
    memcpy (&peer.in.sin_addr, &host, sizeof host);
    fail (throttle, &peer, NULL, LIMIT);
  }
  g_assert_cmpuint (throttle_size (throttle), ==, THROTTLE_MAX_ENTRIES);
  /* The latest is still held. */
  g_assert_true (throttle_allow (throttle, &peer, NULL, true));
  g_assert_false (throttle_allow (throttle, &peer, NULL, true));
  throttle_free (throttle);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/auth/throttle/address", test_address);
  g_test_add_func ("/auth/throttle/user", test_user);
  g_test_add_func ("/auth/throttle/ipv6-by-network", test_ipv6_by_network);
  g_test_add_func ("/auth/throttle/forgive", test_forgive);
  g_test_add_func ("/auth/throttle/bounded", test_bounded);
  return g_test_run ();
}
