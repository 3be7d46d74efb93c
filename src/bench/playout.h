/* SPDX-License-Identifier: Apache-2.0 */
/* Plays a film to any number of receivers, each with its own position, sequence numbers and SSRC, their
 * frames spread over the frame interval, with one system call per frame and receiver. All on one I/O loop. */
#pragma once

#include "bench/film.h"
#include "bench/impair.h"
#include "bench/wire.h"

typedef struct BenchPlayout BenchPlayout;
typedef struct BenchSender BenchSender;

/* @film and @impairments must stay. */
BenchPlayout *bench_playout_new (Loop *loop, BenchFilm *film, const BenchImpairments *impairments);
void bench_playout_free (BenchPlayout *playout); /* NULL-safe; its senders are gone before */

/* The impairments want an end: the owner frees the sender, and may do so right there. */
typedef void (*BenchSenderEndFunc) (void *data);

/* Over TCP: @wire and @channel. */
BenchSender *bench_sender_new_tcp (BenchPlayout *playout, BenchWire *wire, uint8_t channel,
                                   BenchSenderEndFunc on_end, void *data);
/* Over UDP: from the socket @fd, which stays the caller's. */
BenchSender *bench_sender_new_udp (BenchPlayout *playout, int fd, const NetAddress *to,
                                   BenchSenderEndFunc on_end, void *data);
void bench_sender_free (BenchSender *sender); /* NULL-safe */

typedef struct {
  uint64_t frames;
  uint64_t packets;
  uint64_t bytes;
  uint64_t dropped_frames; /* packets over UDP: the socket was full */
  uint64_t late_frames;    /* left more than 10 ms after their time: the load itself could not keep up */
  unsigned senders;        /* now */
} BenchPlayoutStats;
const BenchPlayoutStats *bench_playout_stats (const BenchPlayout *playout);
