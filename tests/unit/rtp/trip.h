/* SPDX-License-Identifier: Apache-2.0 */
/* A trip of real media through the bridges: units to packets, and packets back to units. Counts what is kept
 * alive: when it is cleared, all packets must have been given back. */
#pragma once

#include "media.h"
#include "rtp/bridge.h"
#include "stream/rtp_header.h"

#define TRIP_SSRC 0x12345678u

typedef struct {
  GBytes *bytes;
  RtpHeader header;
  bool last;
  unsigned unit; /* that was pushed when it came out */
} Packet;

typedef struct {
  TrackSpec spec;
  Media *media;
  GArray *packets; /* of Packet */
  unsigned pushed;
  GPtrArray *units; /* of GstBuffer, from the depayloader */
  GstCaps *caps;
  unsigned alive; /* keep_alive references not given back */
} Trip;

/* Makes the media and describes it. False: the encoder is missing, and the test is skipped. */
bool trip_start (Trip *trip, const MediaKind *kind);
void trip_clear (Trip *trip);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Trip, trip_clear)

/* All units to packets. */
void trip_payload (Trip *trip);
/* All packets to units, but for each @lost_every-th; 0: none is lost. */
void trip_depayload (Trip *trip, unsigned lost_every);

Bridge *trip_make_depayloader (Trip *trip);
/* A copy of the bytes, in a block of its own, so that a read past its end or after its release is seen. */
void trip_push_bytes (Trip *trip, Bridge *bridge, const uint8_t *bytes, size_t n_bytes);

/* The callbacks of the bridges; data is the trip. */
void trip_on_packet (void *data, const uint8_t *bytes, size_t n_bytes, bool last);
void trip_on_unit (void *data, GstBuffer *unit, GstCaps *caps);
