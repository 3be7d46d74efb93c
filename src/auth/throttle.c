/* SPDX-License-Identifier: Apache-2.0 */
/* One table for all three kinds of keys: failures of an address, failures of a user, and (user, address)
 * pairs that got in before. Keys are keyed 64-bit hashes, so that an entry has one size whatever a peer calls
 * itself and nobody can choose names that collide. */
#include "auth/throttle.h"

#include "auth/secret.h"

#include <string.h>

#define WINDOW_US (60 * G_USEC_PER_SEC)
#define PROBE_US  G_USEC_PER_SEC
#define GOOD_US   (24 * 3600 * (int64_t)G_USEC_PER_SEC)

typedef enum { KEY_ADDRESS = 'a', KEY_USER = 'u', KEY_GOOD = 'g' } KeyKind;

typedef struct {
  uint64_t key;
  GList link; /* in Throttle.order, touched last at the tail */
  unsigned failures;
  int64_t window_us; /* when the window began; for KEY_GOOD: the last success */
  int64_t probe_us;  /* the last attempt that was let through while throttled */
} Entry;

struct Throttle {
  unsigned limit;
  ThrottleClock now_us;
  SecretKey key;
  GMutex lock;
  GHashTable *entries; /* &Entry.key -> Entry */
  GQueue order;
};

Throttle *
throttle_new (unsigned failures, ThrottleClock now_us)
{
  Throttle *throttle = g_new0 (Throttle, 1);
  throttle->limit = failures;
  throttle->now_us = now_us;
  secret_key_init (&throttle->key);
  g_mutex_init (&throttle->lock);
  throttle->entries = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_free);
  g_queue_init (&throttle->order);
  return throttle;
}

void
throttle_free (Throttle *throttle)
{
  if (!throttle)
    return;
  g_hash_table_unref (throttle->entries);
  g_mutex_clear (&throttle->lock);
  secret_wipe (&throttle->key, sizeof throttle->key);
  g_free (throttle);
}

/* The bytes of @peer that tell one customer from another. */
static size_t
address_bytes (const NetAddress *peer, uint8_t ret[8])
{
  NetAddress address = *peer;
  net_address_unmap (&address);
  if (address.sa.sa_family == AF_INET) {
    memcpy (ret, &address.in.sin_addr, 4);
    return 4;
  }
  memcpy (ret, &address.in6.sin6_addr, 8);
  return 8;
}

static uint64_t
make_key (const Throttle *throttle, KeyKind kind, const NetAddress *peer, const char *user)
{
  uint8_t host[8];
  uint8_t tag[2] = {(uint8_t)kind, 0};
  if (peer)
    tag[1] = (uint8_t)address_bytes (peer, host);
  uint8_t digest[SECRET_BYTES];
  if (!user)
    user = "";
  secret_hmac (&throttle->key, digest, tag, sizeof tag, host, (size_t)tag[1], user, strlen (user), NULL);
  uint64_t key;
  memcpy (&key, digest, sizeof key);
  return key;
}

static Entry *
find_entry (Throttle *throttle, uint64_t key)
{
  return g_hash_table_lookup (throttle->entries, &key);
}

static Entry *
touch_entry (Throttle *throttle, uint64_t key)
{
  Entry *entry = find_entry (throttle, key);
  if (entry) {
    g_queue_unlink (&throttle->order, &entry->link);
  } else {
    if (throttle->order.length >= THROTTLE_MAX_ENTRIES) {
      Entry *oldest = g_queue_pop_head_link (&throttle->order)->data;
      g_hash_table_remove (throttle->entries, &oldest->key);
    }
    entry = g_new0 (Entry, 1);
    entry->key = key;
    entry->link.data = entry;
    g_hash_table_insert (throttle->entries, &entry->key, entry);
  }
  g_queue_push_tail_link (&throttle->order, &entry->link);
  return entry;
}

/* The entry when it is throttled now, else NULL. */
static Entry *
find_throttled (Throttle *throttle, uint64_t key, int64_t now)
{
  Entry *entry = find_entry (throttle, key);
  if (entry && entry->failures >= throttle->limit && now - entry->window_us < WINDOW_US)
    return entry;
  return NULL;
}

static bool
may_probe (const Entry *entry, int64_t now)
{
  return !entry || !entry->probe_us || now - entry->probe_us >= PROBE_US;
}

bool
throttle_allow (Throttle *throttle, const NetAddress *peer, const char *user, bool take)
{
  int64_t now = throttle->now_us ();
  uint64_t address_key = make_key (throttle, KEY_ADDRESS, peer, NULL);
  uint64_t user_key = user ? make_key (throttle, KEY_USER, NULL, user) : 0;
  uint64_t good_key = user ? make_key (throttle, KEY_GOOD, peer, user) : 0;

  g_mutex_lock (&throttle->lock);
  Entry *by_address = find_throttled (throttle, address_key, now);
  Entry *by_user = NULL;
  if (user) {
    const Entry *good = find_entry (throttle, good_key);
    if (!good || now - good->window_us >= GOOD_US)
      by_user = find_throttled (throttle, user_key, now);
  }
  bool allow = may_probe (by_address, now) && may_probe (by_user, now);
  if (allow && take) {
    if (by_address)
      by_address->probe_us = now;
    if (by_user)
      by_user->probe_us = now;
  }
  g_mutex_unlock (&throttle->lock);
  return allow;
}

static void
count_failure (Throttle *throttle, uint64_t key, int64_t now)
{
  Entry *entry = touch_entry (throttle, key);
  if (entry->failures == 0 || now - entry->window_us >= WINDOW_US) {
    entry->failures = 0;
    entry->window_us = now;
    entry->probe_us = 0;
  }
  entry->failures++;
}

void
throttle_failure (Throttle *throttle, const NetAddress *peer, const char *user)
{
  int64_t now = throttle->now_us ();
  uint64_t address_key = make_key (throttle, KEY_ADDRESS, peer, NULL);
  uint64_t user_key = user ? make_key (throttle, KEY_USER, NULL, user) : 0;
  g_mutex_lock (&throttle->lock);
  count_failure (throttle, address_key, now);
  if (user)
    count_failure (throttle, user_key, now);
  g_mutex_unlock (&throttle->lock);
}

static void
take_back (Throttle *throttle, uint64_t key)
{
  Entry *entry = find_entry (throttle, key);
  if (entry && entry->failures > 0)
    entry->failures--;
}

void
throttle_forgive (Throttle *throttle, const NetAddress *peer, const char *user)
{
  uint64_t address_key = make_key (throttle, KEY_ADDRESS, peer, NULL);
  uint64_t user_key = user ? make_key (throttle, KEY_USER, NULL, user) : 0;
  g_mutex_lock (&throttle->lock);
  take_back (throttle, address_key);
  if (user)
    take_back (throttle, user_key);
  g_mutex_unlock (&throttle->lock);
}

void
throttle_success (Throttle *throttle, const NetAddress *peer, const char *user)
{
  if (!user)
    return;
  int64_t now = throttle->now_us ();
  uint64_t good_key = make_key (throttle, KEY_GOOD, peer, user);
  g_mutex_lock (&throttle->lock);
  touch_entry (throttle, good_key)->window_us = now;
  g_mutex_unlock (&throttle->lock);
}

unsigned
throttle_size (Throttle *throttle)
{
  g_mutex_lock (&throttle->lock);
  unsigned size = throttle->order.length;
  g_mutex_unlock (&throttle->lock);
  return size;
}
