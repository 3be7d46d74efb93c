/* SPDX-License-Identifier: Apache-2.0 */
/* A connection with a bounded buffer behind it: what the socket does not take waits, and media that does not
 * fit any more is refused whole, so that framing stays intact. Embed the struct. On the connection's loop. */
#pragma once

#include "base/conn.h"

enum { BENCH_WIRE_MAX_BYTES = 1024 * 1024 };

typedef struct {
  Conn *conn; /* owned; NULL until set */
  GByteArray *unsent;
} BenchWire;

void bench_wire_init (BenchWire *wire);
void bench_wire_clear (BenchWire *wire); /* closes */
/* False, and nothing is sent, when more than BENCH_WIRE_MAX_BYTES wait already. */
bool bench_wire_send (BenchWire *wire, const uint8_t *bytes, size_t n_bytes);
/* For ConnOps.on_writable. */
void bench_wire_flush (BenchWire *wire);
