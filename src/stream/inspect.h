/* SPDX-License-Identifier: Apache-2.0 */
/* What an RTP payload's first bytes tell, per codec, without depayloading: key frame, frame boundaries,
 * parameter sets. Pure functions on untrusted bytes; any thread. */
#pragma once

#include "stream/track.h"

typedef struct {
  bool key;          /* a key frame (IDR, IRAP, intra frame) begins or goes on in this payload */
  bool frame_start;  /* certainly the first packet of an access unit */
  bool picture;      /* holds a part of a coded picture, not just what goes before one */
  bool continuation; /* goes on with what an earlier packet began: no place to start at */
  bool parameters;   /* holds VPS, SPS, PPS, a sequence header ... */
} InspectResult;

/* @payload: behind the RTP header, padding removed; may be empty. @marker: the RTP marker bit. */
void inspect_payload (Codec codec, const uint8_t *payload, size_t n_bytes, bool marker, InspectResult *ret);

/* Whether an H.264 access unit, NAL units behind start codes or 4-byte lengths, is a random access point: an
 * IDR picture or a recovery point. Parsers call every intra picture a key frame, but what follows one may
 * refer to pictures before it. */
bool inspect_h264_unit_is_key (const uint8_t *unit, size_t n_bytes);

/* True for codecs whose marker bit ends an access unit (all video); else each packet is a frame of its own.
 */
bool inspect_marker_ends_frame (Codec codec);

/* Picture size and frame rate, where the payload or the SDP's fmtp tells: H.264, H.265, VP8 and VP9 key
 * frames, MJPEG, MPEG-4 part 2. False when it does not. */
typedef struct {
  unsigned width;
  unsigned height;
  unsigned fps_num; /* 0 unknown */
  unsigned fps_den;
  char profile[32]; /* "High", "Main", ...; empty unknown */
  char level[8];    /* "3.1"; empty unknown */
} InspectVideoInfo;
bool inspect_video_payload (Codec codec, const uint8_t *payload, size_t n_bytes, InspectVideoInfo *ret);
bool inspect_video_fmtp (Codec codec, const char *fmtp, InspectVideoInfo *ret);
