/* SPDX-License-Identifier: Apache-2.0 */
/* A nonce is hex of: issue time in microseconds (8 bytes), 8 random bytes, and the first 16 bytes of their
 * keyed hash. Counts are watched by a sliding window of 64 as packets are in RFC 4303 §3.4.3, since requests
 * on parallel connections may arrive out of order. */
#include "auth/digest.h"

#include "auth/auth.h"
#include "auth/secret.h"

#include <openssl/evp.h>
#include <string.h>

enum {
  NONCE_DATE_BYTES = 8,
  NONCE_BODY_BYTES = 16,
  NONCE_TAG_BYTES = 16,
  NONCE_TEXT_BYTES = 2 * (NONCE_BODY_BYTES + NONCE_TAG_BYTES),
  COUNT_WINDOW = 64,
};

typedef struct {
  char nonce[NONCE_TEXT_BYTES + 1];
  int64_t issued_us;
  uint32_t highest;
  uint64_t seen; /* bit i: count highest - i was used */
} NonceCount;

struct DigestNonces {
  DigestClock now_us;
  SecretKey key;
  GMutex lock;
  GHashTable *counts;   /* NonceCount.nonce -> NonceCount */
  GQueue order;         /* of NonceCount, by first use */
  int64_t forgotten_us; /* latest issue time of a nonce that was pushed out */
};

DigestNonces *
digest_nonces_new (DigestClock now_us)
{
  DigestNonces *nonces = g_new0 (DigestNonces, 1);
  nonces->now_us = now_us;
  nonces->forgotten_us = -1;
  secret_key_init (&nonces->key);
  g_mutex_init (&nonces->lock);
  nonces->counts = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  g_queue_init (&nonces->order);
  return nonces;
}

void
digest_nonces_free (DigestNonces *nonces)
{
  if (!nonces)
    return;
  g_queue_clear (&nonces->order);
  g_hash_table_unref (nonces->counts);
  g_mutex_clear (&nonces->lock);
  secret_wipe (&nonces->key, sizeof nonces->key);
  g_free (nonces);
}

static void
write_hex (const uint8_t *bytes, size_t n_bytes, char *ret)
{
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < n_bytes; i++) {
    ret[2 * i] = digits[bytes[i] >> 4];
    ret[2 * i + 1] = digits[bytes[i] & 15];
  }
  ret[2 * n_bytes] = '\0';
}

static bool
read_hex (const char *text, uint8_t *ret, size_t n_bytes)
{
  for (size_t i = 0; i < n_bytes; i++) {
    int high = g_ascii_xdigit_value (text[2 * i]);
    int low = high < 0 ? -1 : g_ascii_xdigit_value (text[2 * i + 1]);
    if (low < 0)
      return false;
    ret[i] = (uint8_t)(high << 4 | low);
  }
  return text[2 * n_bytes] == '\0';
}

char *
digest_nonces_make (DigestNonces *nonces)
{
  uint8_t bytes[NONCE_BODY_BYTES + SECRET_BYTES];
  uint64_t date = GUINT64_TO_BE ((uint64_t)nonces->now_us ());
  memcpy (bytes, &date, sizeof date);
  secret_random (bytes + NONCE_DATE_BYTES, NONCE_BODY_BYTES - NONCE_DATE_BYTES);
  secret_hmac (&nonces->key, bytes + NONCE_BODY_BYTES, bytes, (size_t)NONCE_BODY_BYTES, NULL);
  char *text = g_malloc (NONCE_TEXT_BYTES + 1);
  write_hex (bytes, NONCE_BODY_BYTES + NONCE_TAG_BYTES, text);
  return text;
}

static bool
is_fresh (const DigestNonces *nonces, const char *nonce, int64_t *ret_issued_us)
{
  uint8_t bytes[NONCE_BODY_BYTES + NONCE_TAG_BYTES];
  if (strlen (nonce) != NONCE_TEXT_BYTES || !read_hex (nonce, bytes, sizeof bytes))
    return false;
  uint8_t tag[SECRET_BYTES];
  secret_hmac (&nonces->key, tag, bytes, (size_t)NONCE_BODY_BYTES, NULL);
  if (!secret_equal (tag, bytes + NONCE_BODY_BYTES, NONCE_TAG_BYTES))
    return false;
  uint64_t date;
  memcpy (&date, bytes, sizeof date);
  *ret_issued_us = (int64_t)GUINT64_FROM_BE (date);
  return nonces->now_us () - *ret_issued_us < DIGEST_NONCE_LIFETIME_S * (int64_t)G_USEC_PER_SEC;
}

static bool
parse_count (const char *text, uint32_t *ret)
{
  uint8_t bytes[4];
  if (strlen (text) != 8 || !read_hex (text, bytes, sizeof bytes))
    return false;
  *ret = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
  return *ret > 0;
}

static bool
was_used (const NonceCount *entry, uint32_t count)
{
  if (count > entry->highest)
    return false;
  uint32_t behind = entry->highest - count;
  return behind >= COUNT_WINDOW || (entry->seen >> behind & 1);
}

static void
mark_used (NonceCount *entry, uint32_t count)
{
  if (count <= entry->highest) {
    entry->seen |= (uint64_t)1 << (entry->highest - count);
    return;
  }
  uint32_t ahead = count - entry->highest;
  entry->seen = ahead < COUNT_WINDOW ? entry->seen << ahead | 1 : 1;
  entry->highest = count;
}

static NonceCount *
add_entry (DigestNonces *nonces, const char *nonce, int64_t issued_us)
{
  if (nonces->order.length >= DIGEST_MAX_NONCES) {
    NonceCount *oldest = g_queue_pop_head (&nonces->order);
    nonces->forgotten_us = MAX (nonces->forgotten_us, oldest->issued_us);
    g_hash_table_remove (nonces->counts, oldest->nonce);
  }
  NonceCount *entry = g_new0 (NonceCount, 1);
  g_strlcpy (entry->nonce, nonce, sizeof entry->nonce);
  entry->issued_us = issued_us;
  g_hash_table_insert (nonces->counts, entry->nonce, entry);
  g_queue_push_tail (&nonces->order, entry);
  return entry;
}

bool
digest_nonces_accept (DigestNonces *nonces, const char *nonce, const char *nc, bool take)
{
  int64_t issued_us;
  if (!is_fresh (nonces, nonce, &issued_us))
    return false;
  if (!nc)
    return true;
  uint32_t count;
  if (!parse_count (nc, &count))
    return false;

  /* Upper-case digits name the same nonce. */
  g_autofree char *name = g_ascii_strdown (nonce, -1);
  g_mutex_lock (&nonces->lock);
  NonceCount *entry = g_hash_table_lookup (nonces->counts, name);
  bool accept = entry ? !was_used (entry, count) : issued_us > nonces->forgotten_us;
  if (accept && take) {
    if (!entry)
      entry = add_entry (nonces, name, issued_us);
    mark_used (entry, count);
  }
  g_mutex_unlock (&nonces->lock);
  return accept;
}

/* --- the response
 * ---------------------------------------------------------------------------------------------- */

/* Lower-case hex of the hash of all texts with colons between them. */
static char *
hash_joined (const EVP_MD *md, const char *const *texts)
{
  EVP_MD_CTX *context = EVP_MD_CTX_new ();
  EVP_DigestInit_ex (context, md, NULL);
  for (unsigned i = 0; texts[i]; i++) {
    if (i > 0)
      EVP_DigestUpdate (context, ":", 1);
    EVP_DigestUpdate (context, texts[i], strlen (texts[i]));
  }
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned n_bytes = 0;
  EVP_DigestFinal_ex (context, digest, &n_bytes);
  EVP_MD_CTX_free (context);
  char *hex = g_malloc (2 * n_bytes + 1);
  write_hex (digest, n_bytes, hex);
  return hex;
}

char *
auth_digest_response (const char *algorithm, const char *username, const char *realm, const char *password,
                      const char *nonce, const char *method, const char *uri, const char *qop, const char *nc,
                      const char *cnonce)
{
  const EVP_MD *md = g_ascii_strcasecmp (algorithm, "SHA-256") == 0 ? EVP_sha256 () : EVP_md5 ();
  g_autofree char *a1 = hash_joined (md, (const char *[]){username, realm, password, NULL});
  g_autofree char *a2 = hash_joined (md, (const char *[]){method, uri, NULL});
  if (qop)
    return hash_joined (md, (const char *[]){a1, nonce, nc, cnonce, qop, a2, NULL});
  return hash_joined (md, (const char *[]){a1, nonce, a2, NULL});
}
