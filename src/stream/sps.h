/* SPDX-License-Identifier: Apache-2.0 */
/* Sequence parameter sets of H.264 (§7.3.2.1) and H.265 (§7.3.2.2): what an operator or a player wants to
 * know of them. Pure functions on untrusted bytes; any thread. */
#pragma once

#include "stream/inspect.h"

typedef struct {
  InspectVideoInfo video;
  uint32_t profile_idc;
  /* Frames that may have to wait for a later one in decoding order before they are shown; -1: it does not
   * say. */
  int reorder_frames;
  /* The clock of the VUI is beyond what any video has (and overflows the arithmetic of some parsers). */
  bool odd_timing;
} SpsInfo;

/* @nal: with its header (one byte for H.264, two for H.265), without start code. False when it is no such NAL
 * unit, or one that makes no sense. */
bool sps_parse_h264 (const uint8_t *nal, size_t n_bytes, SpsInfo *ret);
bool sps_parse_h265 (const uint8_t *nal, size_t n_bytes, SpsInfo *ret);
