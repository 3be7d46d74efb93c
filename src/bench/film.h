/* SPDX-License-Identifier: Apache-2.0 */
/* A piece of H.264 as RTP packets, ready to be sent again and again: each frame in one slab, each packet
 * behind room for its interleaved header, and in the first packet a send time (bench/stamp.h). Made once at
 * the start by a GStreamer pipeline. One thread. */
#pragma once

#include "stream/track.h"

#include <sys/uio.h>

enum {
  BENCH_FILM_CLOCK = 90000,
  BENCH_FILM_PAYLOAD_TYPE = 96,
  BENCH_FILM_MAX_PACKETS = 1024, /* of a frame */
};

typedef struct {
  unsigned bits_per_second;
  unsigned frames_per_second;
  double gop_seconds;
} BenchFilmOptions;
#define BENCH_FILM_DEFAULTS                                                                                  \
  ((BenchFilmOptions){.bits_per_second = 2000000, .frames_per_second = 30, .gop_seconds = 2})

typedef struct {
  int64_t send_us;     /* since the film's start */
  uint32_t rtp_offset; /* of its presentation, 90 kHz */
  uint8_t *slab;
  uint32_t n_bytes;
  unsigned n_packets;
  struct iovec *packets; /* in the slab, without their 4 bytes before */
  uint8_t *stamp;        /* in the slab */
  bool key;
} BenchFrame;

typedef struct {
  unsigned n_frames;
  BenchFrame *frames;
  int64_t duration_us;
  TrackSpec spec; /* for an SDP */
} BenchFilm;

/* A test picture of exactly that bit rate, eight packets a frame by default. UNAVAILABLE without an encoder.
 */
BenchFilm *bench_film_new_synthetic (const BenchFilmOptions *options, GError **error);
/* The H.264 track of a file. */
BenchFilm *bench_film_new_file (const char *path, GError **error);
void bench_film_free (BenchFilm *film); /* NULL-safe */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BenchFilm, bench_film_free)
