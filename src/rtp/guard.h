/* SPDX-License-Identifier: Apache-2.0 */
/* What has to be refused before GStreamer 1.22's depayloaders see it, because it would bring the process
 * down: they run inside the daemon. Pure; any thread. */
#pragma once

#include "stream/track.h"

/* @payload: of an RTP packet, padding removed. */
bool guard_payload (Codec codec, const uint8_t *payload, size_t n_bytes);
