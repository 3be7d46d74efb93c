/* SPDX-License-Identifier: Apache-2.0 */
/* The hub: the media side of a stream, on its home loop only. hub.c holds it together, packets.c makes
 * continuous batches of packets, units.c handles access units and the bridges between the planes. */
#pragma once

#include "stream/inspect.h"
#include "stream/rtp_header.h"
#include "stream/stream-private.h"

/* One track of the packet plane: rewriting, clock and frames. Outlives publishers as long as tracks stay
 * compatible. */
typedef struct {
  BatchBuilder *builder;
  /* what comes in, since the publisher or its SSRC changed */
  bool has_source;
  uint32_t source_ssrc;
  uint16_t last_source_sequence;
  uint32_t last_source_time;
  unsigned late_in_a_row;
  /* added to what comes in */
  uint16_t sequence_offset;
  uint32_t time_offset;
  /* what went out */
  bool has_out;
  uint16_t last_out_sequence;
  uint32_t last_out_time;
  int64_t last_out_us; /* monotonic arrival */
  /* wall clock of an outgoing RTP time */
  bool has_clock;
  bool clock_from_report;
  int64_t clock_ntp_us;
  uint32_t clock_rtp_time;
  /* the access unit that is being received */
  bool frame_open;
  uint32_t frame_time;
  bool frame_partial; /* its beginning was not seen */
  bool frame_has_picture;
  bool frame_key;  /* its key flag has been given to a batch */
  bool no_picture; /* the builder holds parameter sets, delimiters and the like, which wait for their picture
                    */
} PacketTrack;

typedef struct {
  Bridge *payloader;
  Bridge *depayloader;
  GstCaps *caps;  /* of the units passing now */
  Stream *stream; /* for the bridges' callbacks */
  unsigned index;
  int64_t unit_ntp_us; /* wall clock of the unit in the payloader */
  int64_t unit_arrival_us;
  int64_t depayed_ntp_us; /* wall clock of the batch in the depayloader */
  bool has_offset;
  int64_t pts_offset_ns; /* added to what a depayloader or a native publisher gives */
} UnitTrack;

typedef struct {
  Branch *branch;
  unsigned n_readers[2]; /* by plane */
} BranchSlot;

struct Hub {
  Stream *stream; /* not owned: the stream owns the hub */
  StreamSettings *settings;
  bool closed;
  Ingest *ingest;   /* who publishes, or NULL */
  TrackSet *tracks; /* of the last publisher, or NULL before the first */
  const SourceFactory *factory;
  void *source;
  unsigned incarnation; /* of the source */
  bool source_failed;

  PacketTrack packets[TRACKS_MAX];
  UnitTrack units[TRACKS_MAX];
  GopCache *packet_gop;
  GopCache *unit_gop;
  GArray *branches;   /* of BranchSlot */
  unsigned demand[2]; /* readers by plane */
  bool bridged;       /* the plane that the publisher does not feed is being made */

  LoopTimer *flush_timer;
  LoopTimer *tick;
  int64_t keyframe_requested_us;

  /* rates */
  int64_t began_us; /* of this incarnation */
  int64_t last_frame_us;
  int64_t window_start_us;
  uint64_t window_bytes, window_frames;
  unsigned gop_frames;
  int64_t gop_start_us;
  bool keyless;
  bool key_seen;      /* in this incarnation */
  bool picture_known; /* from a parameter set or key frame of this incarnation */
  InspectVideoInfo picture;
  int64_t epoch_ntp_us;     /* wall clock of unit time 0; 0: no unit yet */
  bool has_unit_base;       /* native units: base of this incarnation is known */
  int64_t unit_base_pts_ns; /* first PTS or DTS of this incarnation */
  int64_t unit_base_ntp_us;
};

struct Ingest {
  Stream *stream;
  TrackSet *tracks;
  IngestPlane plane;
  const IngestOps *ops;
  void *publisher;
};

static inline int
hub_video (const Hub *hub)
{
  return hub->tracks ? hub->tracks->video : -1;
}

/* The track whose frames count in statistics and for the watchdog: video, else the first one. */
static inline unsigned
hub_main_track (const Hub *hub)
{
  return hub_video (hub) >= 0 ? (unsigned)hub_video (hub) : 0;
}

/* hub.c */
void hub_emit_batch (Hub *hub, Batch *batch); /* (transfer full) */
void hub_emit_unit (Hub *hub, unsigned track, GstBuffer *unit, GstCaps *caps);
/* What was said about the next packets holds no more: a publisher or a payloader began anew. */
void hub_forget_join_point (Hub *hub);
void hub_burst_end (Hub *hub); /* nothing more for now: starts the flush deadline */
void hub_note_frame (Hub *hub, bool key, int64_t arrival_us);

/* packets.c */
void packets_begin (Hub *hub); /* a new publisher */
void packets_end (Hub *hub);   /* flushes what is left of the old one */
void packets_clear (Hub *hub);
/* Takes a packet of the ingest or of a payloader. @ntp_us: wall clock of its capture where it is known from
 * elsewhere, else 0: then reports or the arrival tell. */
void packets_take (Hub *hub, unsigned track, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us,
                   int64_t ntp_us);
/* Flushes what may go; true when something is left that a timer must flush. */
bool packets_flush_due (Hub *hub, int64_t now_us);
void packets_set_clock (Hub *hub, unsigned track, int64_t ntp_us, uint32_t source_rtp_time);

/* units.c */
void units_begin (Hub *hub);
void units_clear (Hub *hub);
void units_take (Hub *hub, unsigned track, GstBuffer *unit, GstCaps *caps); /* (transfer full) unit */
void units_take_batch (Hub *hub, const Batch *batch);                       /* packet plane to depayloaders */
/* Makes the bridges that the present readers need, fed with what the caches hold, and frees the others. */
void units_update_bridges (Hub *hub);
