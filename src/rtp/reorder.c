/* SPDX-License-Identifier: Apache-2.0 */
/* The reorder buffer: a ring of slots indexed by sequence number, from the next packet due (`next`) on, and a
 * bit for each sequence number handed on lately, which tells a duplicate from a packet that comes after its
 * gap was given up. */
#include "rtp/reorder.h"

#include "stream/rtp_header.h"

#include <string.h>

enum {
  WINDOW = REORDER_MAX_PACKETS, /* packets this far from the next one due belong to the same run */
  HISTORY = 2 * WINDOW,         /* bits */
};

typedef struct {
  uint8_t *bytes; /* NULL: empty */
  size_t n_bytes;
  int64_t arrival_us;
} Slot;

struct Reorder {
  int64_t wait_us;
  bool started;
  uint32_t ssrc;
  uint16_t next;
  uint16_t highest; /* came so far */
  unsigned n_held;
  size_t bytes_held;
  int64_t oldest_us; /* arrival of the packet that has waited longest; valid while n_held > 0 */
  Slot slots[WINDOW];
  uint64_t history[HISTORY / 64];
  Slot stray; /* far from all others: the first of a new run, or nothing */
  uint16_t stray_sequence;
  ReorderCounters counters;
};

Reorder *
reorder_new (unsigned wait_ms)
{
  Reorder *reorder = g_new0 (Reorder, 1);
  reorder->wait_us = (int64_t)wait_ms * 1000;
  return reorder;
}

static Slot *
slot_at (Reorder *r, uint16_t sequence)
{
  return &r->slots[sequence % WINDOW];
}

static void
mark_history (Reorder *r, uint16_t sequence, bool handed_on)
{
  uint64_t bit = (uint64_t)1 << (sequence % 64);
  uint64_t *word = &r->history[sequence % HISTORY / 64];
  *word = handed_on ? *word | bit : *word & ~bit;
}

static bool
was_handed_on (const Reorder *r, uint16_t sequence)
{
  return r->history[sequence % HISTORY / 64] >> (sequence % 64) & 1;
}

static void
clear_slot (Reorder *r, Slot *slot)
{
  r->n_held--;
  r->bytes_held -= slot->n_bytes;
  g_clear_pointer (&slot->bytes, g_free);
}

void
reorder_free (Reorder *reorder)
{
  if (!reorder)
    return;
  for (unsigned i = 0; i < WINDOW; i++)
    g_free (reorder->slots[i].bytes);
  g_free (reorder->stray.bytes);
  g_free (reorder);
}

static void
find_oldest (Reorder *r)
{
  r->oldest_us = INT64_MAX;
  for (unsigned i = 0; i < WINDOW; i++)
    if (r->slots[i].bytes)
      r->oldest_us = MIN (r->oldest_us, r->slots[i].arrival_us);
}

/* Hands on what has become due behind r->next. */
static void
drain (Reorder *r, ReorderFunc func, void *data)
{
  bool any = false;
  while (r->n_held > 0) {
    Slot *slot = slot_at (r, r->next);
    if (!slot->bytes)
      break;
    mark_history (r, r->next, true);
    r->next++;
    func (data, slot->bytes, slot->n_bytes, slot->arrival_us);
    clear_slot (r, slot);
    any = true;
  }
  if (any && r->n_held > 0)
    find_oldest (r);
}

/* Gives up the gap before the first packet held, or before @end if that comes first. */
static void
skip_gap_before (Reorder *r, uint16_t end, ReorderFunc func, void *data)
{
  while (r->next != end && !slot_at (r, r->next)->bytes) {
    mark_history (r, r->next, false);
    r->next++;
    r->counters.lost++;
  }
  drain (r, func, data);
}

static void
skip_gap (Reorder *r, ReorderFunc func, void *data)
{
  skip_gap_before (r, (uint16_t)(r->highest + 1), func, data);
}

static void
flush_held (Reorder *r, ReorderFunc func, void *data)
{
  while (r->n_held > 0)
    skip_gap (r, func, data);
}

static void
start_at (Reorder *r, uint16_t sequence)
{
  r->next = sequence;
  r->highest = (uint16_t)(sequence - 1);
  memset (r->history, 0, sizeof r->history);
}

/* The stray packet was the first of a new run: the old one is over. */
static void
follow_stray (Reorder *r, uint16_t first, ReorderFunc func, void *data)
{
  flush_held (r, func, data);
  r->counters.restarts++;
  start_at (r, first);
  Slot *slot = slot_at (r, r->stray_sequence);
  *slot = r->stray;
  r->stray = (Slot){0};
  r->n_held = 1;
  r->bytes_held = slot->n_bytes;
  r->oldest_us = slot->arrival_us;
  r->highest = r->stray_sequence;
  drain (r, func, data);
}

static void
keep (Reorder *r, uint16_t sequence, const uint8_t *bytes, size_t n_bytes, int64_t now_us)
{
  if (r->n_held == 0)
    r->oldest_us = now_us;
  *slot_at (r, sequence) = (Slot){g_memdup2 (bytes, n_bytes), n_bytes, now_us};
  r->n_held++;
  r->bytes_held += n_bytes;
}

static void
drop_stray (Reorder *r)
{
  if (!r->stray.bytes)
    return;
  r->counters.late++;
  g_clear_pointer (&r->stray.bytes, g_free);
}

/* A packet far from all others. */
static void
handle_jump (Reorder *r, uint16_t sequence, const uint8_t *bytes, size_t n_bytes, int64_t now_us,
             ReorderFunc func, void *data)
{
  int16_t distance = rtp_sequence_diff (sequence, r->stray_sequence);
  if (r->stray.bytes && ABS ((int)distance) < WINDOW && distance != 0) {
    follow_stray (r, distance < 0 ? sequence : r->stray_sequence, func, data);
    reorder_push (r, bytes, n_bytes, now_us, func, data);
    return;
  }
  drop_stray (r);
  r->stray = (Slot){g_memdup2 (bytes, n_bytes), n_bytes, now_us};
  r->stray_sequence = sequence;
}

/* A packet of the run, not before its turn. */
static void
handle_packet (Reorder *r, uint16_t sequence, const uint8_t *bytes, size_t n_bytes, int64_t now_us,
               ReorderFunc func, void *data)
{
  if (slot_at (r, sequence)->bytes) {
    r->counters.duplicates++;
    return;
  }
  while (r->bytes_held + n_bytes > REORDER_MAX_BYTES && r->n_held > 0 && sequence != r->next)
    skip_gap_before (r, sequence, func, data);
  if (rtp_sequence_diff (sequence, r->highest) > 0)
    r->highest = sequence;
  else
    r->counters.reordered++;
  if (sequence != r->next) {
    keep (r, sequence, bytes, n_bytes, now_us);
    return;
  }
  mark_history (r, sequence, true);
  r->next++;
  func (data, bytes, n_bytes, now_us);
  if (r->n_held > 0)
    drain (r, func, data);
}

bool
reorder_push (Reorder *reorder, const uint8_t *bytes, size_t n_bytes, int64_t now_us, ReorderFunc func,
              void *data)
{
  RtpHeader header;
  if (!rtp_header_parse (bytes, n_bytes, &header))
    return false;
  if (!reorder->started || header.ssrc != reorder->ssrc) {
    if (reorder->started) {
      reorder_flush (reorder, func, data);
      reorder->counters.restarts++;
    }
    reorder->started = true;
    reorder->ssrc = header.ssrc;
    start_at (reorder, header.sequence);
  }
  int distance = rtp_sequence_diff (header.sequence, reorder->next);
  if (distance >= WINDOW || distance < -WINDOW) {
    handle_jump (reorder, header.sequence, bytes, n_bytes, now_us, func, data);
    return true;
  }
  /* The run goes on: what looked like the start of another was not. */
  drop_stray (reorder);
  if (distance >= 0)
    handle_packet (reorder, header.sequence, bytes, n_bytes, now_us, func, data);
  else if (was_handed_on (reorder, header.sequence))
    reorder->counters.duplicates++;
  else
    reorder->counters.late++;
  return true;
}

int64_t
reorder_deadline_us (const Reorder *reorder)
{
  int64_t since = INT64_MAX;
  if (reorder->n_held > 0)
    since = reorder->oldest_us;
  if (reorder->stray.bytes)
    since = MIN (since, reorder->stray.arrival_us);
  return since == INT64_MAX ? INT64_MAX : since + reorder->wait_us;
}

void
reorder_flush_due (Reorder *reorder, int64_t now_us, ReorderFunc func, void *data)
{
  while (reorder->n_held > 0 && reorder->oldest_us + reorder->wait_us <= now_us)
    skip_gap (reorder, func, data);
  if (reorder->stray.bytes && reorder->stray.arrival_us + reorder->wait_us <= now_us)
    follow_stray (reorder, reorder->stray_sequence, func, data);
}

void
reorder_flush (Reorder *reorder, ReorderFunc func, void *data)
{
  flush_held (reorder, func, data);
  if (reorder->stray.bytes)
    follow_stray (reorder, reorder->stray_sequence, func, data);
}

const ReorderCounters *
reorder_counters (const Reorder *reorder)
{
  return &reorder->counters;
}
