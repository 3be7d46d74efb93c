/* SPDX-License-Identifier: Apache-2.0 */
/* How the core turns one plane into the other: implemented in rtp/ with GStreamer's payloaders, depayloaders
 * and parsers, run without pipeline and without thread; handed to the core at start-up, so that the core
 * knows no codec library. All on the stream's home loop. */
#pragma once

#include "stream/track.h"

typedef struct Bridge Bridge;
typedef struct BridgeOps BridgeOps;

/* One RTP packet out of a payloader. @last: of its access unit. Bytes are the payloader's until the return.
 */
typedef void (*BridgePacketFunc) (void *data, const uint8_t *bytes, size_t n_bytes, bool last);
/* One parsed access unit out of a depayloader. (transfer full) unit; caps (transfer none). */
typedef void (*BridgeUnitFunc) (void *data, GstBuffer *unit, GstCaps *caps);

struct BridgeOps {
  /* Units to packets. @spec has unit_caps and the RTP identity. */
  Bridge *(*new_payloader) (const TrackSpec *spec, uint32_t ssrc, BridgePacketFunc func, void *data,
                            GError **error);
  /* Packets to units. */
  Bridge *(*new_depayloader) (const TrackSpec *spec, BridgeUnitFunc func, void *data, GError **error);
  /* RTP time stamp of the packets: @unit's PTS * clock rate + a random offset fixed per bridge. */
  void (*push_unit) (Bridge *bridge, GstBuffer *unit, GstCaps *new_caps); /* (transfer full) unit */
  /* Wraps the packet, no copy: @keep_alive is unreffed with @unref when GStreamer is done with the bytes. */
  void (*push_packet) (Bridge *bridge, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us,
                       void *keep_alive, GDestroyNotify unref);
  void (*free) (Bridge *bridge); /* NULL-safe */
};
