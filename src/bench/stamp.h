/* SPDX-License-Identifier: Apache-2.0 */
/* The send time inside an access unit: an H.264 SEI NAL unit of user data (unregistered, §D.1.7) with an
 * identifier of ours and CLOCK_MONOTONIC in nanoseconds, so that a reader on the same machine knows how long
 * a frame was under way, whatever server it went through. The time has a fixed place and never needs
 * emulation prevention: it can be rewritten in place for each send. Pure functions; any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { BENCH_STAMP_MIN_BYTES = 1 + 2 + 16 + 10 + 1 };

/* A NAL unit of @n_bytes (at least BENCH_STAMP_MIN_BYTES, at most 1400) with time 0, filled up with user
 * data. Returns its size: there is no such unit of some sizes, then it is a byte less. */
size_t bench_stamp_write_unit (uint8_t *unit, size_t n_bytes);

/* The place of the time in an RTP payload that is, or aggregates (STAP-A, RFC 6184 §5.7.1), such a NAL unit;
 * NULL when it is no such payload. In @payload. */
uint8_t *bench_stamp_find (const uint8_t *payload, size_t n_bytes);

void bench_stamp_set (uint8_t *place, uint64_t ns);
uint64_t bench_stamp_get (const uint8_t *place);

uint64_t bench_now_ns (void); /* CLOCK_MONOTONIC */
