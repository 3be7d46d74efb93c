/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding times of frames that come in decoding order with presentation times only, as RTP has them.
 *
 * When at most D frames wait for a later one, the n-th frame is decoded when the (n - D)-th is shown: the
 * smallest of the D + 1 largest presentation times so far. So no frame has to wait for its decoding time. A
 * plain value; any thread, one at a time. */
#pragma once

#include <gst/gst.h>
#include <stdbool.h>

enum { DTS_DEPTH_MAX = 16 };

typedef struct {
  unsigned depth;
  bool learns; /* the depth is not known: found out from frames that come too late */
  unsigned n;
  GstClockTime largest[DTS_DEPTH_MAX + 1]; /* ascending */
  GstClockTime last;
} DtsMaker;

/* @depth: of the sequence parameter set, or -1 unknown. The order of frames goes on. */
void dts_set_depth (DtsMaker *maker, int depth);
/* For one frame after the other. @duration: of a frame, about; only the first ones need it. Results rise;
 * they are at most @pts unless the depth was wrong. */
GstClockTime dts_next (DtsMaker *maker, GstClockTime pts, GstClockTime duration);
