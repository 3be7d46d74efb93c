/* SPDX-License-Identifier: Apache-2.0 */
/* RTSP pull: streams whose source is rtsp://[USER[:PASSWORD]@]HOST[:PORT]/PATH[?QUERY] or rtsps://... (RFC
 * 2326).
 *
 * One source is one state machine on the stream's home loop, without threads of its own. It asks for the
 * transport of the settings; AUTO means TCP, then what is left when the server refuses it (461). The stream
 * goes online with the first RTP packet. */
#pragma once

#include "stream/source.h"

/* Static. */
const SourceFactory *rtsp_source_factory (void);
