/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's end of the socket. Sending blocks while the daemon does not read: that is what bounds a
 * worker. When the daemon has gone the process ends here and now.
 *
 * Threads: sending from any; the watch and its callback on the main thread. */
#pragma once

#include "worker/protocol.h"

typedef struct MediaLink MediaLink;

typedef void (*MediaLinkFunc) (void *data, const WorkerMessage *message);

/* Takes over both descriptors. NULL: they are not what a daemon gives. */
MediaLink *media_link_new (int socket, int arena, GError **error);

/* Calls @func for each command of the daemon's on the default main context; RELEASE is handled within. */
void media_link_watch (MediaLink *link, MediaLinkFunc func, void *data);

void media_link_send (MediaLink *link, const WorkerMessage *message);

/* @unit's bytes, through the arena when they are many and a slot is free. Too many are dropped, and told
 * once. */
void media_link_send_unit (MediaLink *link, const WorkerUnit *unit);

/* A heartbeat with the counters of this link. */
void media_link_send_heartbeat (MediaLink *link, bool waiting, unsigned queued_ms);

/* FAILED or, without @error, EOS. */
void media_link_send_end (MediaLink *link, const GError *error);
