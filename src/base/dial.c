/* SPDX-License-Identifier: Apache-2.0 */
/* Connects to a host by name: its addresses, families interleaved, are tried 250 ms apart, the next one at
 * once when one fails, and the first that answers wins (RFC 8305 §4 and §5). */
#include "base/dial.h"

#include "base/error.h"
#include "base/net.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum {
  ADDRESSES_MAX = 8,
  ATTEMPT_DELAY_MS = 250, /* RFC 8305 §5 */
};

/* Outlives the dial while libuv's pool is at work. */
typedef struct {
  uv_getaddrinfo_t uv;
  Dial *dial;
} Lookup;

typedef struct {
  Dial *dial;
  int fd;
  LoopPoll *poll;
} Attempt;

struct Dial {
  Loop *loop;
  DialFunc func;
  void *data;
  char *host;
  uint16_t port;
  Lookup *lookup;
  LoopTimer *timer; /* next attempt, or the report of failure */
  NetAddress addresses[ADDRESSES_MAX];
  Attempt attempts[ADDRESSES_MAX]; /* one each */
  unsigned n_addresses, n_tried, n_pending;
  GError *error; /* of the last attempt that failed */
};

static void
close_attempt (Attempt *attempt)
{
  if (!attempt->poll)
    return;
  g_clear_pointer (&attempt->poll, loop_poll_free);
  if (attempt->fd >= 0)
    close (attempt->fd);
  attempt->fd = -1;
  attempt->dial->n_pending--;
}

static void
stop (Dial *dial)
{
  for (unsigned i = 0; i < dial->n_tried; i++)
    close_attempt (&dial->attempts[i]);
  g_clear_pointer (&dial->timer, loop_timer_free);
  if (dial->lookup) {
    dial->lookup->dial = NULL;
    (void)uv_cancel ((uv_req_t *)&dial->lookup->uv);
    dial->lookup = NULL;
  }
}

void
dial_free (Dial *dial)
{
  if (!dial)
    return;
  stop (dial);
  g_clear_error (&dial->error);
  g_free (dial->host);
  g_free (dial);
}

/* The callee may free the dial. */
static void
finish (Dial *dial, int fd)
{
  g_autoptr (GError) error = g_steal_pointer (&dial->error);
  stop (dial);
  dial->func (dial->data, fd, fd < 0 ? error : NULL);
}

static void
set_attempt_error (Dial *dial, int failure, const NetAddress *address)
{
  g_autofree char *text = net_address_to_string (address);
  g_clear_error (&dial->error);
  g_set_error (&dial->error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "cannot connect to %s: %s", text,
               g_strerror (failure));
}

static void try_next (Dial *dial);

static void
on_attempt_ready (void *data, unsigned events)
{
  Attempt *attempt = data;
  Dial *dial = attempt->dial;
  int failure = 0;
  socklen_t len = sizeof failure;
  if (getsockopt (attempt->fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0)
    failure = errno;
  if (failure) {
    set_attempt_error (dial, failure, &dial->addresses[attempt - dial->attempts]);
    close_attempt (attempt);
    try_next (dial);
    return;
  }
  int fd = attempt->fd;
  attempt->fd = -1;
  finish (dial, fd);
}

/* False and dial->error when it fails at once. */
static bool
start_attempt (Dial *dial, unsigned index)
{
  const NetAddress *address = &dial->addresses[index];
  Attempt *attempt = &dial->attempts[index];
  *attempt = (Attempt){.dial = dial, .fd = -1};
  int fd = socket (address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || (connect (fd, &address->sa, address->len) < 0 && errno != EINPROGRESS)) {
    set_attempt_error (dial, errno, address);
    if (fd >= 0)
      close (fd);
    return false;
  }
  g_clear_error (&dial->error);
  attempt->poll = loop_poll_new (dial->loop, fd, on_attempt_ready, attempt, &dial->error);
  if (!attempt->poll) {
    close (fd);
    return false;
  }
  attempt->fd = fd;
  dial->n_pending++;
  loop_poll_set (attempt->poll, LOOP_WRITE);
  return true;
}

static void
try_next (Dial *dial)
{
  bool started = false;
  while (!started && dial->n_tried < dial->n_addresses)
    started = start_attempt (dial, dial->n_tried++);
  if (dial->n_tried < dial->n_addresses)
    loop_timer_start (dial->timer, ATTEMPT_DELAY_MS, 0);
  else if (dial->n_pending == 0)
    loop_timer_start (dial->timer, 0, 0);
}

static void
on_timer (void *data)
{
  Dial *dial = data;
  if (dial->n_tried < dial->n_addresses)
    try_next (dial);
  else if (dial->n_pending == 0)
    finish (dial, -1);
}

/* RFC 8305 §4: the resolver's order, families taking turns. */
static void
take_addresses (Dial *dial, const struct addrinfo *list)
{
  int first_family = list->ai_family;
  const struct addrinfo *next[2] = {list, list};
  for (unsigned turn = 0; dial->n_addresses < ADDRESSES_MAX && (next[0] || next[1]); turn ^= 1) {
    while (next[turn] && (next[turn]->ai_family == first_family) != (turn == 0))
      next[turn] = next[turn]->ai_next;
    if (!next[turn])
      continue;
    const struct addrinfo *info = next[turn];
    next[turn] = info->ai_next;
    if (info->ai_family != AF_INET && info->ai_family != AF_INET6)
      continue;
    NetAddress *address = &dial->addresses[dial->n_addresses++];
    address->len = info->ai_addrlen;
    memcpy (&address->storage, info->ai_addr, info->ai_addrlen);
    net_address_set_port (address, dial->port);
  }
}

static void
on_resolved (uv_getaddrinfo_t *uv, int status, struct addrinfo *list)
{
  Lookup *lookup = uv->data;
  Dial *dial = lookup->dial;
  if (dial) {
    dial->lookup = NULL;
    if (status == 0 && list)
      take_addresses (dial, list);
    if (dial->n_addresses == 0)
      g_set_error (&dial->error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "cannot find the host %s: %s",
                   dial->host, status ? uv_strerror (status) : "it has no address");
    try_next (dial);
  }
  uv_freeaddrinfo (list);
  g_free (lookup);
}

static void
start_lookup (Dial *dial)
{
  Lookup *lookup = g_new0 (Lookup, 1);
  lookup->dial = dial;
  lookup->uv.data = lookup;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  int failure = uv_getaddrinfo (loop_uv (dial->loop), &lookup->uv, on_resolved, dial->host, NULL, &hints);
  if (failure) {
    g_free (lookup);
    g_set_error (&dial->error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "cannot find the host %s: %s",
                 dial->host, uv_strerror (failure));
    try_next (dial);
    return;
  }
  dial->lookup = lookup;
}

Dial *
dial_new (Loop *loop, const char *host, uint16_t port, DialFunc func, void *data)
{
  Dial *dial = g_new0 (Dial, 1);
  dial->loop = loop;
  dial->func = func;
  dial->data = data;
  dial->host = g_strdup (host);
  dial->port = port;
  dial->timer = loop_timer_new (loop, on_timer, dial);
  g_autofree char *literal = g_strdup_printf (strchr (host, ':') ? "[%s]:%u" : "%s:%u", host, port);
  if (host[0] && net_address_parse (literal, &dial->addresses[0], NULL)) {
    dial->n_addresses = 1;
    try_next (dial);
  } else {
    start_lookup (dial);
  }
  return dial;
}
