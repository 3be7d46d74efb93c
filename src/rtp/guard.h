/* SPDX-License-Identifier: Apache-2.0 */
/* What has to be refused before GStreamer's depayloaders and parsers see it, because version 1.22 would crash
 * on it or break its own assertions: they run inside the daemon. All of it is malformed, or of a kind that
 * those elements read wrongly anyway. A plain value; any thread, one at a time. */
#pragma once

#include "stream/track.h"

typedef struct {
  Codec codec;
  unsigned size_bits; /* of an AU header of 16 bits (RFC 3640 §3.2.1); 0: no AU headers */
} Guard;

/* @rtp_caps: made from an SDP. Errors: PROTOCOL (a parameter that makes no sense), UNSUPPORTED. */
bool guard_init (Guard *guard, Codec codec, const GstCaps *rtp_caps, GError **error);

/* @payload: of an RTP packet, padding removed. False: it must be dropped. */
bool guard_payload (const Guard *guard, const uint8_t *payload, size_t n_bytes);
