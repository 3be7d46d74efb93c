/* SPDX-License-Identifier: Apache-2.0 */
/* The keyed hash against RFC 4231, in one part and in several. */
#include "auth/secret.h"

#include <string.h>

/* RFC 4231 §4.3 and §4.5: shorter keys are padded with zeros, as SecretKey is. */
static void
test_hmac_vectors (void)
{
  SecretKey key = {0};
  uint8_t digest[SECRET_BYTES];
  memcpy (key.bytes, "Jefe", 4);
  secret_hmac (&key, digest, "what do ya ", (size_t)11, "want for nothing?", (size_t)17, NULL);
  static const uint8_t expected[SECRET_BYTES] = {
      0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
      0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
  g_assert_cmpmem (digest, sizeof digest, expected, sizeof expected);

  for (unsigned i = 0; i < 25; i++)
    key.bytes[i] = (uint8_t)(i + 1);
  uint8_t data[50];
  memset (data, 0xcd, sizeof data);
  secret_hmac (&key, digest, data, sizeof data, NULL);
  static const uint8_t expected_4[SECRET_BYTES] = {
      0x82, 0x55, 0x8a, 0x38, 0x9a, 0x44, 0x3c, 0x0e, 0xa4, 0xcc, 0x81, 0x98, 0x99, 0xf2, 0x08, 0x3a,
      0x85, 0xf0, 0xfa, 0xa3, 0xe5, 0x78, 0xf8, 0x07, 0x7a, 0x2e, 0x3f, 0xf4, 0x67, 0x29, 0x66, 0x5b};
  g_assert_cmpmem (digest, sizeof digest, expected_4, sizeof expected_4);
}

static void
test_equal (void)
{
  SecretKey key;
  secret_key_init (&key);
  g_assert_true (secret_equal_text (&key, "correct horse", "correct horse"));
  g_assert_false (secret_equal_text (&key, "correct horse", "correct hors"));
  g_assert_false (secret_equal_text (&key, "correct horse", "correct horse "));
  g_assert_false (secret_equal_text (&key, "correct horse", ""));
  g_assert_true (secret_equal_text (&key, "", ""));
  g_assert_false (secret_equal ("abcd", "abce", 4));
}

static void
test_random_differs (void)
{
  SecretKey a, b;
  secret_key_init (&a);
  secret_key_init (&b);
  g_assert_false (secret_equal (&a, &b, sizeof a));
  secret_wipe (&a, sizeof a);
  static const SecretKey zero;
  g_assert_true (secret_equal (&a, &zero, sizeof a));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/auth/secret/hmac-vectors", test_hmac_vectors);
  g_test_add_func ("/auth/secret/equal", test_equal);
  g_test_add_func ("/auth/secret/random-differs", test_random_differs);
  return g_test_run ();
}
