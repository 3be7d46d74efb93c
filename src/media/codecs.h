/* SPDX-License-Identifier: Apache-2.0 */
/* What to do with a pad by its caps: which demuxer to put behind it, or how to turn it into units that the
 * daemon takes. Everything that may be plugged stands in one table: there is no plugging by rank. Any thread.
 */
#pragma once

#include "base/error.h"

#include <gst/gst.h>
#include <stdbool.h>

typedef struct {
  const char *video_codec; /* of raw video: "h264", "h265", "vp8", "vp9", "mjpeg" */
  const char *audio_codec; /* of raw audio: "aac", "opus", "pcmu", "pcma" */
  int bitrate_kbps;        /* video; 0: by picture size */
  int gop_frames;          /* 0: two seconds */
  bool cheap;              /* pictures of no value: spend no CPU on them */
} MediaEncoding;

typedef enum { MEDIA_PLUG_NOTHING, MEDIA_PLUG_DEMUXER, MEDIA_PLUG_VIDEO, MEDIA_PLUG_AUDIO } MediaPlugKind;

typedef enum {
  MEDIA_TRAIT_NO_DTS = 1 << 0,    /* decoding times have to be made */
  MEDIA_TRAIT_FLAT_TIME = 1 << 1, /* time stamps of all tracks count from one zero; its segments mislead */
  MEDIA_TRAIT_ARRIVAL = 1 << 2,   /* has no time stamps: the time of arrival is all there is */
} MediaTrait;

typedef struct {
  MediaPlugKind kind;
  const char *demuxer; /* static */
  unsigned traits;     /* of this demuxer: MediaTrait */
  char *chain;         /* of gst-launch: from the pad's caps to units; to be freed */
} MediaPlug;

/* Decides. @caps: fixed. @make_dts: put in what computes decoding times where there is such an element.
 * UNAVAILABLE names a missing element and its package. Kind NOTHING (no error): media that we cannot stream.
 */
bool media_codecs_plug (const GstCaps *caps, const MediaEncoding *encoding, bool make_dts, MediaPlug *ret,
                        GError **error);
