/* SPDX-License-Identifier: Apache-2.0 */
/* Workers as publishers of streams: test:, file:, v4l2:, http:, https:, srt:, udp: and pipeline: sources. */
#pragma once

#include "stream/source.h"

/* For registry_add_source_factory(). Static; any thread. */
const SourceFactory *worker_source_factory (void);
