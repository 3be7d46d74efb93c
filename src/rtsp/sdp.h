/* SPDX-License-Identifier: Apache-2.0 */
/* SDP (RFC 8866) as RTSP uses it (RFC 2326 appendix C): from a camera or a publisher into track
 * specifications, and from tracks into the answer to DESCRIBE. Pure functions on untrusted text; any thread.
 */
#pragma once

#include "stream/track.h"

enum { SDP_MAX_BYTES = 64 * 1024 };

typedef enum { SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE } SdpDirection;

typedef struct {
  TrackSpec spec;
  char *control;           /* a=control, or NULL */
  char *connection;        /* address of c= (its own, else the session's), or NULL */
  unsigned ttl;            /* of a multicast connection; 0 not told */
  uint16_t port;           /* of m=; 0: the transport decides */
  unsigned bandwidth_kbps; /* b=AS; 0 not told */
  SdpDirection direction;
} SdpMedia;

typedef struct {
  char *name;       /* s=, or NULL */
  char *info;       /* i=, or NULL */
  char *control;    /* the session's a=control, or NULL */
  char *range;      /* a=range, or NULL */
  unsigned n_media; /* at most TRACKS_MAX */
  SdpMedia media[TRACKS_MAX];
  unsigned n_ignored; /* media that are no RTP or beyond TRACKS_MAX */
} Sdp;

/* Lines that make no sense are skipped. Fails (PROTOCOL, LIMIT) when it is no SDP at all, or has no RTP
 * media. */
Sdp *sdp_parse (const char *text, size_t n_bytes, GError **error);
void sdp_free (Sdp *sdp); /* NULL-safe */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sdp, sdp_free)

typedef struct {
  const char *name;         /* s=; NULL: "Stream" */
  const char *address;      /* o= and c=: "0.0.0.0" or a multicast group; NULL: "0.0.0.0" */
  unsigned ttl;             /* of a multicast group */
  uint16_t port;            /* multicast: of the first track, each next one 2 above; else 0 */
  const char *control_base; /* session's a=control; NULL: "*" */
  uint64_t id, version;     /* o= */
} SdpOptions;

/* Tracks have the control "trackID=INDEX". (transfer full) */
char *sdp_generate (const TrackSpec *const *specs, unsigned n_specs, const SdpOptions *options);
char *sdp_generate_for_tracks (const TrackSet *tracks, const SdpOptions *options);

/* URL of a control attribute (RFC 2326 §C.1.1): absolute ones stay, "*" and NULL are @base, others are
 * appended to
 * @base (behind a slash, before no query: cameras expect plain appending). (transfer full) */
char *sdp_resolve_control (const char *base, const char *control);
