/* SPDX-License-Identifier: Apache-2.0 */
/* Plays one source URL into the link: graph after graph where it loops, at the pace of time stamps where
 * nothing else sets it, on one continuous time line. Main thread. */
#pragma once

#include "media/link.h"

typedef struct MediaPlayer MediaPlayer;

/* @open: an OPEN message; copied. What goes wrong, now or later, goes out by the link as FAILED. */
MediaPlayer *media_player_new (MediaLink *link, const WorkerMessage *open);
void media_player_force_key_unit (MediaPlayer *player, unsigned track);
void media_player_send_heartbeat (MediaPlayer *player);
