/* SPDX-License-Identifier: Apache-2.0 */
/* Tracks: what a stream consists of. Immutable once built and refcounted; any thread may hold them. */
#pragma once

#include <glib.h>
#include <gst/gst.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum { TRACK_VIDEO, TRACK_AUDIO, TRACK_DATA } TrackKind;

typedef enum {
  CODEC_UNKNOWN,
  CODEC_H264,
  CODEC_H265,
  CODEC_AV1,
  CODEC_VP8,
  CODEC_VP9,
  CODEC_MJPEG,
  CODEC_MPEG4, /* part 2 */
  CODEC_AAC,
  CODEC_OPUS,
  CODEC_MP3,
  CODEC_AC3,
  CODEC_PCMU,
  CODEC_PCMA,
  CODEC_G722,
  CODEC_G726,
  CODEC_L16,
  CODEC_N
} Codec;

/* "H264", "AAC", ... as shown to users and as in the API; "unknown". Static. */
const char *codec_name (Codec codec);
TrackKind codec_kind (Codec codec);
/* From an SDP encoding name ("H264", "mpeg4-generic"), any case; CODEC_UNKNOWN when not one of ours. */
Codec codec_from_encoding_name (const char *name);
/* From a static payload type (RFC 3551 table 4 and 5), with clock rate and channels; false for others. */
bool codec_from_static_payload_type (uint8_t payload_type, Codec *ret_codec, uint32_t *ret_clock_rate,
                                     uint8_t *ret_channels, const char **ret_encoding_name);

typedef struct {
  TrackKind kind;
  Codec codec;
  uint8_t payload_type;
  uint32_t clock_rate; /* Hz of the RTP clock */
  uint8_t channels;    /* audio, as in rtpmap; else 0 */
  char *encoding_name; /* as in rtpmap; never NULL once in a set */
  char *fmtp;          /* value of a=fmtp behind the payload type, or NULL */
  char *media;         /* the word of the m= line: "video", "audio", "application" */
  GPtrArray
      *attributes; /* of char*: other SDP attributes of the media worth passing on ("framesize:96 640-480") */
  GstCaps *unit_caps; /* of the unit plane when the publisher feeds units; else NULL */
} TrackSpec;

typedef struct {
  unsigned index;
  TrackSpec spec;
  uint32_t ssrc; /* of what we send, for the stream's life */
} Track;

void track_spec_clear (TrackSpec *spec);
void track_spec_copy (const TrackSpec *from, TrackSpec *to);

/* application/x-rtp caps of @spec, for depayloaders. (transfer full) */
GstCaps *track_spec_to_rtp_caps (const TrackSpec *spec);

typedef struct {
  unsigned n_tracks;
  Track *tracks;
  int video; /* index of the first video track, or -1: the one whose key frames count */
  /*< private >*/
  gatomicrefcount ref;
} TrackSet;

enum { TRACKS_MAX = 16 };

/* @specs is taken over field by field. @ssrcs NULL: random ones. At most TRACKS_MAX. */
TrackSet *track_set_new (TrackSpec *specs, unsigned n_specs, const uint32_t *ssrcs);
TrackSet *track_set_ref (TrackSet *set);
void track_set_unref (TrackSet *set); /* NULL-safe */

/* True when readers of @a can go on with @b: same number, kinds, codecs, clock rates, payload types. */
bool track_set_compatible (const TrackSet *a, const TrackSet *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TrackSet, track_set_unref)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TrackSpec, track_spec_clear)
