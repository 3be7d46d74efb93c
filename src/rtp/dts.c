/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/dts.h"

#include <string.h>

/* Presentation times this far behind the last decoding time are a new start, not a reordered frame. */
#define JUMP_BACK (2 * GST_SECOND)

void
dts_set_depth (DtsMaker *maker, int depth)
{
  maker->learns = depth < 0;
  maker->depth = depth < 0 ? 0 : MIN ((unsigned)depth, DTS_DEPTH_MAX);
  while (maker->n > maker->depth + 1)
    memmove (maker->largest, maker->largest + 1, --maker->n * sizeof maker->largest[0]);
}

static void
insert (DtsMaker *maker, GstClockTime pts)
{
  unsigned at = maker->n;
  while (at > 0 && maker->largest[at - 1] > pts)
    at--;
  if (maker->n <= maker->depth) {
    memmove (maker->largest + at + 1, maker->largest + at, (maker->n - at) * sizeof maker->largest[0]);
    maker->largest[at] = pts;
    maker->n++;
  } else if (at > 0) {
    memmove (maker->largest, maker->largest + 1, (at - 1) * sizeof maker->largest[0]);
    maker->largest[at - 1] = pts;
  }
}

GstClockTime
dts_next (DtsMaker *maker, GstClockTime pts, GstClockTime duration)
{
  if (maker->n > 0 && pts + JUMP_BACK < maker->last) {
    maker->n = 0;
    maker->last = 0;
  } else if (maker->learns && maker->n > 0 && pts < maker->last && maker->depth < DTS_DEPTH_MAX) {
    maker->depth++;
  }
  bool first = maker->n == 0;
  insert (maker, pts);
  GstClockTime dts = maker->largest[0];
  GstClockTime lead = (maker->depth + 1 - maker->n) * duration;
  dts -= MIN (dts, lead);
  if (!first && dts <= maker->last)
    dts = maker->last + 1;
  maker->last = dts;
  return dts;
}
