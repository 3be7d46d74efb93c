/* SPDX-License-Identifier: Apache-2.0 */
/* The payloader of a codec, set up the one way that we send RTP. Same rules as for chains. */
#pragma once

#include "rtp/chain.h"
#include "stream/track.h"

/* @caps: of the units. Errors: UNSUPPORTED (missing element), INVALID_ARGUMENT (caps refused). */
Chain *payload_chain_new (Codec codec, uint8_t payload_type, uint32_t ssrc, uint32_t timestamp_offset,
                          GstCaps *caps, GError **error);
