/* SPDX-License-Identifier: Apache-2.0 */
/* Puts RTP packets of one track, as they come over UDP, back in the order of their sequence numbers.
 *
 * A packet that is in order is handed on at once and never copied. One that is ahead of its turn is copied
 * and kept until the gap before it closes, until it has waited for the given time, or until the buffer is
 * full; then the gap is given up. A change of SSRC, or a jump of the sequence numbers that a second packet
 * confirms, starts anew.
 *
 * Owner: whoever made it; one thread. Limits: REORDER_MAX_PACKETS and REORDER_MAX_BYTES held. The function
 * called must not call back into the buffer. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum {
  REORDER_MAX_PACKETS = 512,
  REORDER_MAX_BYTES = 1 << 20,
};

typedef struct Reorder Reorder;

/* @bytes are valid until the return. @arrival_us: as given to reorder_push(). */
typedef void (*ReorderFunc) (void *data, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us);

typedef struct {
  uint64_t reordered;  /* came ahead of or behind their turn, but were handed on in order */
  uint64_t duplicates; /* dropped: came before */
  uint64_t late;       /* dropped: their gap had been given up */
  uint64_t lost;       /* sequence numbers given up, late ones included */
  uint64_t restarts;
} ReorderCounters;

Reorder *reorder_new (unsigned wait_ms);
void reorder_free (Reorder *reorder); /* NULL-safe; what is held is dropped */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Reorder, reorder_free)

/* False when it is no RTP packet (dropped). @now_us: monotonic, not before that of the last call. */
bool reorder_push (Reorder *reorder, const uint8_t *bytes, size_t n_bytes, int64_t now_us, ReorderFunc func,
                   void *data);

/* When reorder_flush_due() has something to do; INT64_MAX while nothing is held. */
int64_t reorder_deadline_us (const Reorder *reorder);
void reorder_flush_due (Reorder *reorder, int64_t now_us, ReorderFunc func, void *data);
/* Hands on all that is held, gaps or not. */
void reorder_flush (Reorder *reorder, ReorderFunc func, void *data);

const ReorderCounters *reorder_counters (const Reorder *reorder);
