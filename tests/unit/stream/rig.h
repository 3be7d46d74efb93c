/* SPDX-License-Identifier: Apache-2.0 */
/* A stream core to test on: two I/O loops, the control loop on the test's own thread, a source that does what
 * the test says, publishers and readers that write down what happens to them. */
#pragma once

#include "stream/ingest.h"
#include "stream/reader.h"
#include "stream/registry.h"

typedef struct {
  Loop *control;
  LoopPool *pool;
  Registry *registry;
  Settings *settings;
  GString *events; /* "type stream;" each */
} Rig;

Rig *rig_new (void);
void rig_free (Rig *rig);

/* Runs the control loop until @done (@data), at most half a minute. */
typedef bool (*RigCondition) (void *data);
void rig_wait (RigCondition done, void *data);
/* Lets everything that was posted so far be done on all loops. */
void rig_settle (Rig *rig);
/* Settings of a new stream; take a reference away with stream_settings_unref(). */
StreamSettings *rig_settings (Rig *rig, const char *name, const char *source);

/* One H.264 track (payload type 96, 90 kHz) and, with @audio, one PCMU track. */
typedef struct {
  Stream *stream;
  PublishTicket *ticket;
  Ingest *ingest;
  GError *error;
  char *ended; /* why, as told by on_ended */
  bool done;
  unsigned keyframe_requests;
} RigPublisher;

/* Only the permission, and then the beginning of the media. */
void rig_reserve (Rig *rig, RigPublisher *publisher, const char *name);
void rig_begin (RigPublisher *publisher);
void rig_publish (Rig *rig, RigPublisher *publisher, const char *name, bool audio);
/* The same with access units instead of packets, H.264 in avc format. */
void rig_publish_units (Rig *rig, RigPublisher *publisher, const char *name);
void rig_send_unit (RigPublisher *publisher, uint8_t nal, GstClockTime pts);
void rig_publisher_clear (RigPublisher *publisher);

/* Hands one packet to the ingest, on the home loop, and waits for it. @payload begins with the NAL header. */
typedef struct {
  unsigned track;
  uint8_t payload_type;
  uint16_t sequence;
  uint32_t timestamp;
  uint32_t ssrc;
  bool marker;
  uint8_t nal;      /* 0x65 IDR, 0x41 other picture, 0x67 SPS, 0x68 PPS */
  int64_t later_us; /* arrives this much later than now */
} RigPacket;
void rig_send (RigPublisher *publisher, RigPacket packet);
void rig_end (RigPublisher *publisher, const char *why /* NULL: regular */);

typedef struct {
  Lease *lease;
  GError *error;
  bool done;
  Loop *loop;
  Reader *reader;
  ReaderPlane plane; /* set before rig_play() */
  GMutex lock;
  GArray *sequences; /* of uint16_t: every packet got */
  GArray *times;     /* of uint32_t: of every batch */
  GArray *captures;  /* of int64_t: wall clock of every batch, or PTS in us of every unit */
  GString *flags; /* per batch: k key, s start, e end, p parameters, then the number of packets and a space */
  int gone;       /* ReaderGone + 1 */
} RigReader;

void rig_open (Rig *rig, RigReader *reader, const char *name); /* waits for the answer */
void rig_ask (Rig *rig, RigReader *reader, const char *name);  /* does not */
void rig_play (Rig *rig, RigReader *reader, unsigned loop, bool with_gop_cache);
void rig_stop (RigReader *reader);
unsigned rig_count (RigReader *reader); /* packets got */
void rig_reader_clear (RigReader *reader);

/* The scripted source, scheme "fake": "fake:online" comes online by itself, "fake:fail" fails, "fake:silent"
 * says nothing, "fake:end" comes online and ends. */
extern guint rig_source_opened, rig_source_closed;

/* How many bridges live. */
extern guint rig_bridges;
