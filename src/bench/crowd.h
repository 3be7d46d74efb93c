/* SPDX-License-Identifier: Apache-2.0 */
/* Many clients of one server, publishers or readers, that come a few at a time. On one I/O loop. */
#pragma once

#include "bench/playout.h"
#include "bench/report.h"
#include "rtsp/transport.h"

typedef struct {
  const char *url; /* "%d" in it becomes the client's number, from 0 */
  unsigned count;
  RtspLower lower;
  unsigned at_once; /* clients that may be connecting at a time */
  double spread;    /* seconds from the first reader's coming to the last one's; 0: as fast as they can */
} BenchCrowdOptions;

/* The URL of client @number. (transfer full) */
char *bench_crowd_url (const BenchCrowdOptions *options, unsigned number);

/* --- publishers.c --- */

typedef struct BenchPublishers BenchPublishers;
/* @options, @playout and @film must stay. A publisher that ends does not come again. */
BenchPublishers *bench_publishers_new (Loop *loop, const BenchCrowdOptions *options, BenchPlayout *playout,
                                       BenchFilm *film);
void bench_publishers_free (BenchPublishers *publishers); /* NULL-safe */
typedef struct {
  unsigned publishing, ended;
  const char *error; /* of the first that ended; NULL none. Theirs */
} BenchPublishersState;
void bench_publishers_state (const BenchPublishers *publishers, BenchPublishersState *ret);

/* --- readers.c --- */

typedef struct BenchReaders BenchReaders;

typedef struct {
  double warmup_seconds; /* from the last one's first key frame to the measurement */
  double seconds;        /* of measurement */
  pid_t server;          /* 0: nobody is looked at */
} BenchReadersOptions;

/* @on_done: the measurement is over, or no reader is left. */
BenchReaders *bench_readers_new (Loop *loop, const BenchCrowdOptions *crowd,
                                 const BenchReadersOptions *options, LoopFunc on_done, void *data);
/* All numbers of the measurement; also before it is over. (transfer full) */
JsonNode *bench_readers_report (const BenchReaders *readers);
void bench_readers_free (BenchReaders *readers); /* NULL-safe */
