/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of a stream: an RTSP session, a multicast sender, a probe, later a muxer or a worker. It lives on
 * one I/O loop of its own choice; all callbacks and all functions here run on it.
 *
 * A reader outlives publishers: when the source goes and a compatible one comes, batches go on with
 * continuous sequence numbers and time stamps. An incompatible one ends it with on_gone(). */
#pragma once

#include "stream/stream.h"

typedef struct Reader Reader;

typedef enum { READER_PACKETS, READER_UNITS } ReaderPlane;

typedef enum {
  READER_GONE_STREAM_REMOVED,
  READER_GONE_TRACKS_CHANGED,
  READER_GONE_KICKED,
  READER_GONE_SHUTDOWN,
} ReaderGone;

typedef struct {
  /* Packet plane. First the GOP cache from its key frame on, then live. The batch is the hub's: ref to keep.
   */
  void (*on_batch) (void *data, Batch *batch);
  /* Unit plane. One parsed access unit: PTS, DTS in ns, the stream's first unit at 1 s, DELTA_UNIT flag,
   * GstReferenceTimestampMeta (timestamp/x-unix) when the capture time is known. @caps: of this unit. */
  void (*on_unit) (void *data, unsigned track, GstBuffer *unit, GstCaps *caps);
  /* The stream has ended for this reader; no callback follows; only reader_free() is left to do. */
  void (*on_gone) (void *data, ReaderGone why);
} ReaderOps;

typedef struct {
  const char *protocol;  /* "rtsp"; static */
  const char *transport; /* "tcp", "udp", "multicast"; static */
  char *peer;            /* "address:port" */
  char *user;            /* or NULL */
  char *user_agent;      /* or NULL */
} ReaderInfo;

/* Copies @info. The reader gets nothing before reader_start(). */
Reader *reader_new (Stream *stream, Loop *loop, ReaderPlane plane, const ReaderOps *ops, void *data,
                    const ReaderInfo *info);
/* Before the first start: what the reader knows the stream by. When the stream has tracks by then that are
 * not compatible, on_gone (TRACKS_CHANGED) follows the start. */
void reader_expect_tracks (Reader *reader, TrackSet *tracks);
void reader_start (Reader *reader, bool with_gop_cache); /* PLAY */
void reader_stop (Reader *reader);                       /* PAUSE: no callback until the next start */
void reader_set_transport (Reader *reader, const char *transport);

/* No callback after this; @reason (static, may be NULL for the peer's own wish) is what the reader-closed
 * event tells operators, such as READER_TOO_SLOW, which also counts as an eviction. */
#define READER_TOO_SLOW "too slow"
void reader_free (Reader *reader, const char *reason);

const char *reader_id (const Reader *reader); /* unique, shown to operators */
Stream *reader_stream (const Reader *reader);

/* Accounting by the session, on its loop: what went into the socket, with the dwell time of @batch. */
void reader_account_sent (Reader *reader, const Batch *batch, int64_t now_us);
void reader_account_skip (Reader *reader, uint64_t dropped_batches);
void reader_account_report (Reader *reader, uint32_t packets_lost, double jitter_ms); /* RTCP RR */

/* Asks the publisher for a key frame (PLI and the like); rate-limited to one in 500 ms a stream. */
void reader_request_keyframe (Reader *reader);

/* RTP identity of what the reader will get next, for RTP-Info and sender reports: of the last batch seen on
 * this reader's loop. False before the first. */
typedef struct {
  uint32_t ssrc;
  uint16_t next_sequence;
  uint32_t rtp_time;     /* of the last batch */
  int64_t ntp_us;        /* wall clock that belongs to rtp_time */
  uint32_t packets_sent; /* of the track since the stream began, mod 2^32 (RFC 3550 §6.4.1) */
  uint32_t octets_sent;
} ReaderTrackPosition;
bool reader_get_position (Reader *reader, unsigned track, ReaderTrackPosition *ret);
