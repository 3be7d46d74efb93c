/* SPDX-License-Identifier: Apache-2.0 */
/* What a publisher calls: one Ingest is one incarnation of a stream's media, from "tracks known" to the end.
 * Everything on the stream's home loop.
 *
 * Packets keep their payload; SSRC, sequence number and time stamp are rewritten so that readers see one
 * continuous RTP stream over all incarnations (gaps of the source stay gaps). */
#pragma once

#include "stream/stream.h"

typedef struct Ingest Ingest;

typedef struct {
  void (*request_keyframe) (void *publisher, unsigned track); /* may be NULL */
  /* Replaced, stopped or kicked: the publisher must let go; it calls nothing on @ingest any more. */
  void (*on_ended) (void *publisher, const GError *why);
} IngestOps;

typedef enum { INGEST_PACKETS, INGEST_UNITS } IngestPlane;

typedef struct {
  const char *protocol;  /* "rtsp", "test", "file"; static */
  const char *transport; /* "tcp", "udp" or NULL; static */
  char *peer;            /* or NULL */
  char *user;            /* or NULL */
} IngestInfo;

/* Takes over @specs like track_set_new(). Readers that cannot go on with them are told; the stream becomes
 * running. Fails (UNSUPPORTED, LIMIT, BUSY) without touching the running incarnation, if any. */
Ingest *ingest_begin (Stream *stream, TrackSpec *specs, unsigned n_specs, IngestPlane plane,
                      const IngestOps *ops, void *publisher, const IngestInfo *info, GError **error);

/* One RTP packet of @track, in the order of its sequence numbers as far as a reorder buffer could restore it.
 * Bytes are copied. Not RTP or a foreign payload type: counted and dropped. */
void ingest_packet (Ingest *ingest, unsigned track, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us);

/* The socket is empty for now: a frame that is not complete is flushed 2 ms later at the latest. */
void ingest_burst_end (Ingest *ingest);

/* One access unit; PTS (and DTS) set, in ns on a clock of the publisher's own. (transfer full) @caps only
 * when they changed since the last unit of the track, else NULL (transfer none). */
void ingest_unit (Ingest *ingest, unsigned track, GstBuffer *unit, GstCaps *caps);

/* Wall clock of an RTP time stamp (of the source), from a sender report. */
void ingest_sender_report (Ingest *ingest, unsigned track, int64_t ntp_us, uint32_t rtp_time);

/* Found by the transport below: lost packets are counted from sequence numbers, reordered ones are told here.
 */
void ingest_account_reordered (Ingest *ingest, unsigned n_packets);
void ingest_account_invalid (Ingest *ingest, unsigned n_packets);

/* The publisher leaves by itself; @why NULL is a regular end (TEARDOWN, end of file). Frees @ingest. */
void ingest_end (Ingest *ingest, const GError *why);

const TrackSet *ingest_tracks (const Ingest *ingest);
