/* SPDX-License-Identifier: Apache-2.0 */
/* What GStreamer calls the codecs that we know, and the SDP identity of a stream of units. */
#pragma once

#include "stream/track.h"

/* The elements that turn units into RTP and back, and the Debian package of each. */
typedef struct {
  const char *payloader;
  const char *depayloader;
  const char *parser;         /* behind the depayloader; NULL: none needed */
  const char *rtp_package;    /* of payloader and depayloader */
  const char *parser_package; /* NULL without parser */
  const char *unit_caps; /* of the units that leave a depayloading bridge; what a worker best sends, too */
  bool parser_optional;  /* units are usable without it */
} RtpElements;

/* Static; NULL for CODEC_UNKNOWN. Any thread. */
const RtpElements *rtp_elements (Codec codec);

/* Makes element @factory, or sets UNSUPPORTED naming it and the Debian package that has it. (transfer full),
 * not floating. Any thread. */
GstElement *rtp_make_element (const char *factory, const char *package, GError **error);

/* The codec of units with @caps (fixed); CODEC_UNKNOWN when it is none that we have RTP for. Any thread. */
Codec rtp_codec_from_unit_caps (const GstCaps *caps);

/* The complete RTP identity of units with @caps (fixed): encoding name, clock rate, fmtp with parameter sets
 * as far as caps tell them, payload type (the static one of RFC 3551 where there is one, else @payload_type,
 * 96 to 127), attributes, and @caps as unit_caps. Asks the payloader. Errors: UNSUPPORTED (a codec without
 * RTP, or a missing element, named with its Debian package), INVALID_ARGUMENT (caps that the payloader
 * refuses). @ret is set on success only; to be cleared. Any thread, no thread made. */
bool rtp_describe_units (GstCaps *caps, uint8_t payload_type, TrackSpec *ret, GError **error);
