/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting TCP connections. Out of descriptors or memory the listener stops watching its socket for a while
 * instead of spinning on it, and says so once, until an accept works again. */
#include "base/listener.h"

#include "base/error.h"
#include "base/log.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum {
  ACCEPTS_PER_TURN = 64, /* then others on the loop get their turn */
  PAUSE_MIN_MS = 100,
  PAUSE_MAX_MS = 1000,
};

struct Listener {
  gatomicrefcount ref;
  Loop *loop;
  int fd;
  LoopPoll *poll;
  LoopTimer *retry;
  unsigned pause_ms; /* of the next pause; PAUSE_MIN_MS while all is well */
  bool starved;
  NetAddress address;
  ListenerLimits limits;
  ListenerFunc func;
  void *data;

  GMutex lock; /* leaf: the rest */
  ListenerStats stats;
  GHashTable *per_address; /* host bytes -> count; only with that limit */
};

/* --- counting ----------------------------------------------------------------------------------------------
 */

/* The address as 16 bytes, IPv4 as its mapped form. (transfer full) */
static GBytes *
host_key (const NetAddress *peer)
{
  struct in6_addr key = {0};
  NetAddress plain = *peer;
  net_address_unmap (&plain);
  if (plain.sa.sa_family == AF_INET6) {
    key = plain.in6.sin6_addr;
  } else if (plain.sa.sa_family == AF_INET) {
    key.s6_addr[10] = key.s6_addr[11] = 0xff;
    memcpy (&key.s6_addr[12], &plain.in.sin_addr, sizeof plain.in.sin_addr);
  }
  return g_bytes_new (&key, sizeof key);
}

static bool
counts_per_address (const Listener *listener, const NetAddress *peer)
{
  return listener->limits.max_connections_per_address > 0 && !net_address_is_loopback (peer);
}

/* Under the lock. */
static bool
take_place_of_address (Listener *listener, const NetAddress *peer)
{
  GBytes *key = host_key (peer);
  unsigned count = GPOINTER_TO_UINT (g_hash_table_lookup (listener->per_address, key));
  bool free_place = count < listener->limits.max_connections_per_address;
  if (free_place)
    g_hash_table_replace (listener->per_address, g_steal_pointer (&key), GUINT_TO_POINTER (count + 1));
  g_clear_pointer (&key, g_bytes_unref);
  return free_place;
}

static bool
take_place (Listener *listener, const NetAddress *peer)
{
  g_mutex_lock (&listener->lock);
  bool admitted = false;
  if (listener->limits.max_connections > 0 && listener->stats.open >= listener->limits.max_connections) {
    listener->stats.refused_total++;
  } else if (counts_per_address (listener, peer) && !take_place_of_address (listener, peer)) {
    listener->stats.refused_per_address++;
  } else {
    listener->stats.accepted++;
    listener->stats.open++;
    admitted = true;
  }
  g_mutex_unlock (&listener->lock);
  return admitted;
}

void
listener_connection_closed (Listener *listener, const NetAddress *peer)
{
  g_mutex_lock (&listener->lock);
  if (listener->stats.open > 0)
    listener->stats.open--;
  if (counts_per_address (listener, peer)) {
    GBytes *key = host_key (peer);
    unsigned count = GPOINTER_TO_UINT (g_hash_table_lookup (listener->per_address, key));
    if (count <= 1)
      g_hash_table_remove (listener->per_address, key);
    else
      g_hash_table_replace (listener->per_address, g_bytes_ref (key), GUINT_TO_POINTER (count - 1));
    g_bytes_unref (key);
  }
  g_mutex_unlock (&listener->lock);
}

void
listener_get_stats (Listener *listener, ListenerStats *ret)
{
  g_mutex_lock (&listener->lock);
  *ret = listener->stats;
  g_mutex_unlock (&listener->lock);
}

/* --- accepting ---------------------------------------------------------------------------------------------
 */

static void
pause_accepting (Listener *listener, int failure)
{
  g_mutex_lock (&listener->lock);
  listener->stats.pauses++;
  g_mutex_unlock (&listener->lock);
  if (!listener->starved) {
    g_autofree char *text = net_address_to_string (&listener->address);
    LOG (LOG_BASE, LOG_ERROR, "accept-paused", NULL,
         "%s: cannot accept connections: %s; trying again until it works (raise the limit of open files, "
         "LimitNOFILE=)",
         text, g_strerror (failure));
  }
  listener->starved = true;
  loop_poll_set (listener->poll, 0);
  loop_timer_start (listener->retry, listener->pause_ms, 0);
  listener->pause_ms = MIN (listener->pause_ms * 2, PAUSE_MAX_MS);
}

static void
end_pause (Listener *listener)
{
  if (!listener->starved)
    return;
  g_autofree char *text = net_address_to_string (&listener->address);
  LOG (LOG_BASE, LOG_INFO, "accept-resumed", NULL, "%s: accepting connections again", text);
  listener->starved = false;
  listener->pause_ms = PAUSE_MIN_MS;
}

static void
on_retry (void *data)
{
  Listener *listener = data;
  loop_poll_set (listener->poll, LOOP_READ);
}

static void
admit (Listener *listener, int fd, NetAddress *peer)
{
  net_address_unmap (peer);
  if (!take_place (listener, peer)) {
    close (fd);
    return;
  }
  int on = 1;
  (void)setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  listener->func (listener->data, fd, peer);
}

static void
on_acceptable (void *data, unsigned events)
{
  Listener *listener = listener_ref (data); /* the callee may close and let go */
  for (unsigned i = 0; i < ACCEPTS_PER_TURN && listener->poll; i++) {
    NetAddress peer = {.len = sizeof peer.storage};
    int fd = accept4 (listener->fd, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      end_pause (listener);
      admit (listener, fd, &peer);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      pause_accepting (listener, errno);
      break;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
      break;
    /* ECONNABORTED and the errors of a connection that is already dead (accept(2)): the next one may be fine.
     */
  }
  listener_unref (listener);
}

/* --- life --------------------------------------------------------------------------------------------------
 */

typedef struct {
  Listener *listener;
  GError **error;
} Start;

static void
start (void *data)
{
  Listener *listener = ((Start *)data)->listener;
  listener->poll =
      loop_poll_new (listener->loop, listener->fd, on_acceptable, listener, ((Start *)data)->error);
  if (!listener->poll)
    return;
  listener->retry = loop_timer_new (listener->loop, on_retry, listener);
  loop_poll_set (listener->poll, LOOP_READ);
}

Listener *
listener_new (Loop *loop, const NetAddress *address, const ListenerLimits *limits, ListenerFunc func,
              void *data, GError **error)
{
  int fd = net_listen_tcp (address, limits->backlog > 0 ? (int)limits->backlog : SOMAXCONN, error);
  if (fd < 0)
    return NULL;
  g_autoptr (Listener) listener = g_new0 (Listener, 1);
  g_atomic_ref_count_init (&listener->ref);
  listener->loop = loop;
  listener->fd = fd;
  listener->pause_ms = PAUSE_MIN_MS;
  listener->limits = *limits;
  listener->func = func;
  listener->data = data;
  g_mutex_init (&listener->lock);
  listener->per_address =
      g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  if (!net_local_address (fd, &listener->address))
    listener->address = *address;

  Start request = {listener, error};
  if (loop_is_current (loop))
    start (&request);
  else
    loop_call (loop, start, &request);
  return listener->poll ? g_steal_pointer (&listener) : NULL;
}

const NetAddress *
listener_address (const Listener *listener)
{
  return &listener->address;
}

Listener *
listener_ref (Listener *listener)
{
  g_atomic_ref_count_inc (&listener->ref);
  return listener;
}

void
listener_close (Listener *listener)
{
  if (!listener->poll)
    return;
  loop_assert (listener->loop);
  g_clear_pointer (&listener->poll, loop_poll_free);
  g_clear_pointer (&listener->retry, loop_timer_free);
  close (listener->fd);
  listener->fd = -1;
}

void
listener_unref (Listener *listener)
{
  if (!g_atomic_ref_count_dec (&listener->ref))
    return;
  if (listener->fd >= 0)
    close (listener->fd);
  g_hash_table_unref (listener->per_address);
  g_mutex_clear (&listener->lock);
  g_free (listener);
}
