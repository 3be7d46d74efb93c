/* SPDX-License-Identifier: Apache-2.0 */
/* Digest responses against the RFCs' examples; nonces: ours, dated, counted, bounded. */
#include "auth/auth.h"
#include "auth/digest.h"

#include <string.h>

static int64_t now_us;

static int64_t
get_now (void)
{
  return now_us;
}

static void
test_vectors (void)
{
  static const struct {
    const char *what, *algorithm, *username, *realm, *password, *nonce, *method, *uri, *qop, *nc, *cnonce,
        *expected;
  } rows[] = {
      {"RFC 7616 3.9.1, MD5", "MD5", "Mufasa", "http-auth@example.org", "Circle of Life",
       "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "GET", "/dir/index.html", "auth", "00000001",
       "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec"},
      {"RFC 7616 3.9.1, SHA-256", "SHA-256", "Mufasa", "http-auth@example.org", "Circle of Life",
       "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "GET", "/dir/index.html", "auth", "00000001",
       "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
       "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
      {"RFC 2617 3.5", "md5", "Mufasa", "testrealm@host.com", "Circle Of Life",
       "dcd98b7102dd2f0e8b11d0f600bfb0c093", "GET", "/dir/index.html", "auth", "00000001", "0a4f113b",
       "6629fae49393a05397450978507c4ef1"},
      {"RFC 2069 as corrected, no qop", "MD5", "Mufasa", "testrealm@host.com", "CircleOfLife",
       "dcd98b7102dd2f0e8b11d0f600bfb0c093", "GET", "/dir/index.html", NULL, NULL, NULL,
       "1949323746fe6a43ef61f9606e7febea"},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s", rows[i].what);
    g_autofree char *response = auth_digest_response (rows[i].algorithm, rows[i].username, rows[i].realm,
                                                      rows[i].password, rows[i].nonce, rows[i].method,
                                                      rows[i].uri, rows[i].qop, rows[i].nc, rows[i].cnonce);
    g_assert_cmpstr (response, ==, rows[i].expected);
  }
}

static void
test_age (void)
{
  now_us = 5 * G_USEC_PER_SEC;
  DigestNonces *nonces = digest_nonces_new (get_now);
  g_autofree char *nonce = digest_nonces_make (nonces), *second = digest_nonces_make (nonces);
  g_assert_cmpstr (nonce, !=, second);
  g_assert_true (digest_nonces_accept (nonces, nonce, NULL, true));
  now_us += DIGEST_NONCE_LIFETIME_S * (int64_t)G_USEC_PER_SEC - 1;
  g_assert_true (digest_nonces_accept (nonces, nonce, NULL, true));
  now_us += 1;
  g_assert_false (digest_nonces_accept (nonces, nonce, NULL, true));
  digest_nonces_free (nonces);
}

static void
test_foreign (void)
{
  now_us = 5 * G_USEC_PER_SEC;
  DigestNonces *nonces = digest_nonces_new (get_now), *others = digest_nonces_new (get_now);
  g_autofree char *nonce = digest_nonces_make (nonces), *foreign = digest_nonces_make (others);
  g_assert_false (digest_nonces_accept (nonces, foreign, NULL, true));
  for (unsigned i = 0; i < strlen (nonce); i++) {
    g_autofree char *bent = g_strdup (nonce);
    bent[i] = bent[i] == '0' ? '1' : '0';
    g_assert_false (digest_nonces_accept (nonces, bent, NULL, true));
    bent[i] = '\0';
    g_assert_false (digest_nonces_accept (nonces, bent, NULL, true));
  }
  g_autofree char *longer = g_strconcat (nonce, "0", NULL);
  g_assert_false (digest_nonces_accept (nonces, longer, NULL, true));
  g_assert_false (digest_nonces_accept (nonces, "", NULL, true));
  digest_nonces_free (nonces);
  digest_nonces_free (others);
}

static void
test_counts (void)
{
  static const struct {
    const char *nc;
    bool accept;
  } rows[] = {
      {"00000001", true},   {"00000001", false}, {"00000003", true},  {"00000002", true},
      {"00000002", false},  {"00000000", false}, {"0000000g", false}, {"1", false},
      {"000000043", false}, {"00000043", true},  {"00000004", true}, /* 63 behind: at the edge of the window
                                                                      */
      {"00000044", true},   {"00000005", true},  {"00000006", true},  {"00000006", false},
      {"00001000", true},   {"00000045", false}, /* far behind */
      {"ffffffff", true},   {"FFFFFFFF", false}, {"fffffffe", true},
  };
  now_us = 5 * G_USEC_PER_SEC;
  DigestNonces *nonces = digest_nonces_new (get_now);
  g_autofree char *nonce = digest_nonces_make (nonces), *other = digest_nonces_make (nonces);
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("row %u: %s", i, rows[i].nc);
    /* Asking alone uses nothing up. */
    g_assert_true (digest_nonces_accept (nonces, nonce, rows[i].nc, false) == rows[i].accept);
    g_assert_true (digest_nonces_accept (nonces, nonce, rows[i].nc, true) == rows[i].accept);
  }
  g_assert_true (digest_nonces_accept (nonces, other, "00000001", true));
  g_autofree char *upper = g_ascii_strup (other, -1);
  g_assert_false (digest_nonces_accept (nonces, upper, "00000001", true));
  digest_nonces_free (nonces);
}

static void
test_bounded (void)
{
  now_us = 5 * G_USEC_PER_SEC;
  DigestNonces *nonces = digest_nonces_new (get_now);
  g_autofree char *first = digest_nonces_make (nonces);
  g_assert_true (digest_nonces_accept (nonces, first, "00000001", true));
  for (unsigned i = 0; i < DIGEST_MAX_NONCES; i++) {
    now_us++;
    g_autofree char *nonce = digest_nonces_make (nonces);
    g_assert_true (digest_nonces_accept (nonces, nonce, "00000001", true));
  }
  /* Pushed out, so that its counts are unknown: it must not be replayed. */
  g_assert_false (digest_nonces_accept (nonces, first, "00000001", true));
  g_assert_false (digest_nonces_accept (nonces, first, "00000002", true));
  digest_nonces_free (nonces);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/auth/digest/vectors", test_vectors);
  g_test_add_func ("/auth/digest/age", test_age);
  g_test_add_func ("/auth/digest/foreign", test_foreign);
  g_test_add_func ("/auth/digest/counts", test_counts);
  g_test_add_func ("/auth/digest/bounded", test_bounded);
  return g_test_run ();
}
