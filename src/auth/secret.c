/* SPDX-License-Identifier: Apache-2.0 */
/* Thin wrappers over OpenSSL, so that no other file of this module touches it. */
#include "auth/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>

void
secret_random (void *bytes, size_t n_bytes)
{
  uint8_t *at = bytes;
  while (n_bytes > 0) {
    ssize_t n = getrandom (at, n_bytes, 0);
    if (n > 0) {
      at += n;
      n_bytes -= (size_t)n;
    }
  }
}

void
secret_key_init (SecretKey *key)
{
  secret_random (key->bytes, sizeof key->bytes);
}

void
secret_wipe (void *bytes, size_t n_bytes)
{
  OPENSSL_cleanse (bytes, n_bytes);
}

/* RFC 2104 by hand over one running SHA-256: OpenSSL's one-shot HMAC() wants the parts in one buffer. */
void
secret_hmac (const SecretKey *key, uint8_t ret[SECRET_BYTES], const void *part, ...)
{
  uint8_t pad[64];
  memset (pad, 0x36, sizeof pad);
  for (size_t i = 0; i < sizeof key->bytes; i++)
    pad[i] ^= key->bytes[i];

  EVP_MD_CTX *context = EVP_MD_CTX_new ();
  EVP_DigestInit_ex (context, EVP_sha256 (), NULL);
  EVP_DigestUpdate (context, pad, sizeof pad);
  va_list parts;
  va_start (parts, part);
  for (const void *at = part; at; at = va_arg (parts, const void *))
    EVP_DigestUpdate (context, at, va_arg (parts, size_t));
  va_end (parts);
  uint8_t inner[SECRET_BYTES];
  EVP_DigestFinal_ex (context, inner, NULL);

  for (size_t i = 0; i < sizeof pad; i++)
    pad[i] ^= 0x36 ^ 0x5c;
  EVP_DigestInit_ex (context, EVP_sha256 (), NULL);
  EVP_DigestUpdate (context, pad, sizeof pad);
  EVP_DigestUpdate (context, inner, sizeof inner);
  EVP_DigestFinal_ex (context, ret, NULL);
  EVP_MD_CTX_free (context);
  secret_wipe (pad, sizeof pad);
}

void
secret_sha256 (const void *bytes, size_t n_bytes, uint8_t ret[SECRET_BYTES])
{
  EVP_Digest (bytes, n_bytes, ret, NULL, EVP_sha256 (), NULL);
}

bool
secret_equal (const void *a, const void *b, size_t n_bytes)
{
  return CRYPTO_memcmp (a, b, n_bytes) == 0;
}

bool
secret_equal_text (const SecretKey *key, const char *expected, const char *given)
{
  uint8_t a[SECRET_BYTES], b[SECRET_BYTES];
  secret_hmac (key, a, expected, strlen (expected), NULL);
  secret_hmac (key, b, given, strlen (given), NULL);
  return secret_equal (a, b, sizeof a);
}
