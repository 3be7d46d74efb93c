/* SPDX-License-Identifier: Apache-2.0 */
/* The bridges between the packet plane and the unit plane: see stream/bridge.h for the contract.
 *
 * Units that leave a depayloading bridge: H.264 as stream-format=avc and H.265 as hvc1, one access unit each,
 * as fragmented MP4 wants them; AAC raw with codec_data; others as their parser gives them. PTS follows the
 * RTP time stamps, unwrapped; the first packet's is at 1 s, so that there is room for frames before it. DTS
 * is set always: it rises from unit to unit, and is PTS where frames are not reordered. GST_BUFFER_OFFSET is
 * the RTP time stamp of the unit, unwrapped (its lower 32 bits are the packets'). The delta-unit flag tells
 * key frames; DISCONT is set on the first unit behind lost packets, and frames that lost one are left out.
 * MPEG-4 part 2 comes one frame late (its parser waits for the next frame).
 *
 * Packets that leave a payloading bridge are at most RTP_BRIDGE_MTU bytes long. MP3 leaves one frame late.
 *
 * A callback may free its bridge. AV1 needs elements that Debian 12 does not have: UNSUPPORTED there. */
#pragma once

#include "stream/bridge.h"

enum { RTP_BRIDGE_MTU = 1400 };

/* Static. gst_init() must have been called. */
const BridgeOps *rtp_bridge_ops (void);
