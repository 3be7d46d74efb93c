/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP listener on one I/O loop that hands accepted descriptors to a callback. Out of descriptors it pauses
 * accepting, logs once, and goes on by itself when some are free again; limits on connections, all together
 * and per address, close the surplus at once and count it. */
#pragma once

#include "base/loop.h"
#include "base/net.h"

typedef struct Listener Listener;

typedef struct {
  unsigned max_connections;             /* 0: no limit */
  unsigned max_connections_per_address; /* 0: no limit; loopback peers are exempt */
  unsigned backlog;                     /* listen(2) */
} ListenerLimits;

/* On the listener's loop. @fd is the callee's, already non-blocking, TCP_NODELAY and close-on-exec. The
 * callee calls listener_connection_closed() once when the connection has ended. */
typedef void (*ListenerFunc) (void *data, int fd, const NetAddress *peer);

/* From the loop itself, or from a thread that may wait for it. */
Listener *listener_new (Loop *loop, const NetAddress *address, const ListenerLimits *limits,
                        ListenerFunc func, void *data, GError **error);
const NetAddress *listener_address (const Listener *listener); /* as bound: port 0 is filled in */
void listener_connection_closed (Listener *listener, const NetAddress *peer); /* any thread */

typedef struct {
  uint64_t accepted;
  uint64_t refused_total;       /* limit max_connections */
  uint64_t refused_per_address; /* limit max_connections_per_address */
  uint64_t pauses;              /* out of descriptors */
  unsigned open;
} ListenerStats;
void listener_get_stats (Listener *listener, ListenerStats *ret); /* any thread */

Listener *listener_ref (Listener *listener);
void listener_close (Listener *listener); /* on its loop: stops accepting */
void listener_unref (Listener *listener); /* any thread; close it before */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Listener, listener_unref)
