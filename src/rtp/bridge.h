/* SPDX-License-Identifier: Apache-2.0 */
/* The bridges between the packet plane and the unit plane: see stream/bridge.h for the contract.
 *
 * Units that leave a depayloading bridge: H.264 as stream-format=avc and H.265 as hvc1, one access unit each,
 * as fragmented MP4 wants them; AAC raw with codec_data; others as their parser gives them. PTS follows the
 * RTP time stamps, unwrapped, and starts near 0; DTS is set where frames are reordered, else it is equal to
 * PTS; the delta-unit flag tells key frames; DISCONT is set on the first unit behind lost packets. AV1 needs
 * an element that Debian 12 does not have: UNSUPPORTED there.
 *
 * Packets that leave a payloading bridge are at most RTP_BRIDGE_MTU bytes long. */
#pragma once

#include "stream/bridge.h"

enum { RTP_BRIDGE_MTU = 1400 };

/* Static. gst_init() must have been called. */
const BridgeOps *rtp_bridge_ops (void);
