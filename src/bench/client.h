/* SPDX-License-Identifier: Apache-2.0 */
/* The client's half of an RTSP conversation, as short as it can be: from connecting to playing or recording
 * one H.264 track, and keeping the session alive. No credentials, no redirects. On one I/O loop. */
#pragma once

#include "bench/wire.h"
#include "rtsp/transport.h"
#include "stream/track.h"

typedef struct BenchClient BenchClient;

typedef struct {
  const char *url;
  RtspLower lower;
  const TrackSpec *publish; /* NULL: read */
} BenchClientOptions;

typedef struct {
  void (*on_ready) (void *data); /* playing or recording */
  /* A reader's RTP packet; both times are of the system call that brought it. */
  void (*on_packet) (void *data, const uint8_t *packet, size_t n_bytes, uint64_t now_ns);
  void (*on_ended) (void *data, const GError *error); /* never NULL; only free is left to do */
} BenchClientOps;

/* Nothing of @options needs to stay but publish. The callbacks may free it. */
BenchClient *bench_client_new (Loop *loop, const BenchClientOptions *options, const BenchClientOps *ops,
                               void *data);
void bench_client_free (BenchClient *client); /* NULL-safe; says goodbye */

/* For a publisher, from on_ready on: where its media goes. */
BenchWire *bench_client_wire (BenchClient *client);
uint8_t bench_client_channel (const BenchClient *client);
/* Over UDP. */
int bench_client_udp (const BenchClient *client, NetAddress *ret_to);
