/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between daemon and worker: bodies of fixed shape, each written and read by a pair of neighbors
 * below. */
#include "worker/protocol.h"

#include "worker/wire.h"

#include <string.h>

const char *
worker_step_name (WorkerStep step)
{
  static const char *const names[WORKER_STEP_LAST] = {
      [WORKER_STEP_STARTING] = "starting",
      [WORKER_STEP_CONNECTING] = "connecting",
      [WORKER_STEP_WAITING] = "waiting for a peer",
      [WORKER_STEP_DETECTING] = "finding tracks",
  };
  return names[step];
}

/* --- writing ------------------------------------------------------------------------------------------- */

static void
append_unit (GByteArray *out, const WorkerMessage *message)
{
  const WorkerUnit *unit = &message->unit;
  wire_append_u8 (out, (uint8_t)unit->track);
  wire_append_u8 (out, (uint8_t)unit->flags);
  wire_append_u64 (out, (uint64_t)unit->pts);
  wire_append_u64 (out, (uint64_t)unit->dts);
  wire_append_u64 (out, (uint64_t)unit->duration);
  wire_append_u64 (out, (uint64_t)unit->captured_us);
  if (message->type == WORKER_UNIT_SHARED) {
    wire_append_u8 (out, (uint8_t)unit->slot);
    wire_append_u32 (out, (uint32_t)unit->n_bytes);
  }
}

static void
append_open (GByteArray *out, const WorkerMessage *message)
{
  wire_append_text (out, message->open.url, WORKER_URL_BYTES_MAX);
  wire_append_u8 (out, message->open.loop);
  wire_append_u8 (out, message->open.tls_verify);
  wire_append_u32 (out, message->open.connect_timeout_ms);
  wire_append_u64 (out, message->open.memory);
  wire_append_text (out, message->open.username, WORKER_TEXT_BYTES_MAX);
  wire_append_text (out, message->open.password, WORKER_TEXT_BYTES_MAX);
}

static void
append_body (GByteArray *out, const WorkerMessage *message)
{
  switch (message->type) {
  case WORKER_HELLO:
    wire_append_u32 (out, message->hello.version);
    wire_append_text (out, message->hello.gstreamer, WORKER_TEXT_BYTES_MAX);
    break;
  case WORKER_TRACKS:
    wire_append_u8 (out, (uint8_t)message->tracks.n);
    for (unsigned i = 0; i < message->tracks.n; i++)
      wire_append_caps (out, message->tracks.caps[i]);
    break;
  case WORKER_UNIT:
  case WORKER_UNIT_SHARED:
    append_unit (out, message);
    break;
  case WORKER_CAPS:
    wire_append_u8 (out, (uint8_t)message->caps.track);
    wire_append_caps (out, message->caps.caps);
    break;
  case WORKER_EOS:
    break;
  case WORKER_FAILED:
    wire_append_u8 (out, (uint8_t)message->failed.code);
    wire_append_text (out, message->failed.text, WORKER_TEXT_BYTES_MAX);
    break;
  case WORKER_PROGRESS:
    wire_append_u8 (out, (uint8_t)message->step);
    break;
  case WORKER_HEARTBEAT:
    wire_append_u8 (out, message->heartbeat.waiting);
    wire_append_u32 (out, message->heartbeat.queued_ms);
    wire_append_u64 (out, message->heartbeat.units);
    wire_append_u64 (out, message->heartbeat.bytes);
    wire_append_u64 (out, message->heartbeat.arena_full);
    break;
  case WORKER_OPEN:
    append_open (out, message);
    break;
  case WORKER_KEYFRAME:
    wire_append_u8 (out, (uint8_t)message->track);
    break;
  case WORKER_RELEASE:
    wire_append_u8 (out, (uint8_t)message->slot);
    break;
  }
}

void
worker_message_append (const WorkerMessage *message, GByteArray *out)
{
  guint start = out->len;
  wire_append_u32 (out, 0);
  wire_append_u32 (out, message->type);
  append_body (out, message);
  size_t n_bytes = out->len - start - WORKER_FRAME_HEADER_BYTES;
  if (message->type == WORKER_UNIT)
    n_bytes += message->unit.n_bytes;
  uint32_t length = (uint32_t)n_bytes;
  memcpy (out->data + start, &length, sizeof length);
}

/* --- reading ------------------------------------------------------------------------------------------- */

int
worker_frame_peek (const uint8_t *bytes, size_t n_bytes, uint16_t *ret_type, size_t *ret_body, GError **error)
{
  WireReader reader = {bytes, n_bytes, false};
  if (n_bytes < WORKER_FRAME_HEADER_BYTES)
    return 0;
  uint32_t body = wire_read_u32 (&reader);
  uint32_t type = wire_read_u32 (&reader);
  if (body > WORKER_MESSAGE_BYTES_MAX || type > WORKER_RELEASE) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "frame of type %u with %u bytes", type, body);
    return -1;
  }
  *ret_type = (uint16_t)type;
  *ret_body = body;
  return 1;
}

static int64_t
read_time (WireReader *reader, bool may_be_none)
{
  int64_t time = (int64_t)wire_read_u64 (reader);
  if (time >= WORKER_TIME_MAX || time < WORKER_TIME_NONE || (time == WORKER_TIME_NONE && !may_be_none))
    reader->bad = true;
  return time;
}

static unsigned
read_below (WireReader *reader, unsigned limit)
{
  unsigned value = wire_read_u8 (reader);
  if (value >= limit)
    reader->bad = true;
  return value;
}

static void
read_unit (WireReader *reader, WorkerMessage *ret)
{
  WorkerUnit *unit = &ret->unit;
  unit->track = read_below (reader, WORKER_TRACKS_MAX);
  unit->flags = read_below (reader, WORKER_UNIT_FLAGS + 1);
  unit->pts = read_time (reader, false);
  unit->dts = read_time (reader, true);
  unit->duration = read_time (reader, true);
  unit->captured_us = read_time (reader, true);
  if (ret->type == WORKER_UNIT_SHARED) {
    unit->slot = read_below (reader, WORKER_ARENA_SLOTS);
    unit->n_bytes = wire_read_u32 (reader);
    if (unit->n_bytes > WORKER_ARENA_SLOT_BYTES)
      reader->bad = true;
  } else {
    unit->n_bytes = reader->n_bytes;
    if (unit->n_bytes > WORKER_UNIT_BYTES_MAX)
      reader->bad = true;
    unit->bytes = wire_read_bytes (reader, unit->n_bytes);
  }
  if (unit->n_bytes == 0)
    reader->bad = true;
}

static void
read_tracks (WireReader *reader, WorkerMessage *ret)
{
  unsigned n_tracks = wire_read_u8 (reader);
  if (n_tracks == 0 || n_tracks > WORKER_TRACKS_MAX)
    reader->bad = true;
  while (!reader->bad && ret->tracks.n < n_tracks) {
    GstCaps *caps = wire_read_caps (reader);
    if (caps)
      ret->tracks.caps[ret->tracks.n++] = caps;
  }
}

static void
read_open (WireReader *reader, WorkerMessage *ret)
{
  ret->open.url = wire_read_text (reader, WORKER_URL_BYTES_MAX);
  ret->open.loop = wire_read_u8 (reader) != 0;
  ret->open.tls_verify = wire_read_u8 (reader) != 0;
  ret->open.connect_timeout_ms = wire_read_u32 (reader);
  ret->open.memory = wire_read_u64 (reader);
  ret->open.username = wire_read_text (reader, WORKER_TEXT_BYTES_MAX);
  ret->open.password = wire_read_text (reader, WORKER_TEXT_BYTES_MAX);
}

static void
read_body (WireReader *reader, WorkerMessage *ret)
{
  switch (ret->type) {
  case WORKER_HELLO:
    ret->hello.version = wire_read_u32 (reader);
    ret->hello.gstreamer = wire_read_text (reader, WORKER_TEXT_BYTES_MAX);
    break;
  case WORKER_TRACKS:
    read_tracks (reader, ret);
    break;
  case WORKER_UNIT:
  case WORKER_UNIT_SHARED:
    read_unit (reader, ret);
    break;
  case WORKER_CAPS:
    ret->caps.track = read_below (reader, WORKER_TRACKS_MAX);
    ret->caps.caps = wire_read_caps (reader);
    break;
  case WORKER_EOS:
    break;
  case WORKER_FAILED:
    ret->failed.code = (SluiceErrorCode)read_below (reader, SLUICE_ERROR_LAST);
    ret->failed.text = wire_read_text (reader, WORKER_TEXT_BYTES_MAX);
    break;
  case WORKER_PROGRESS:
    ret->step = (WorkerStep)read_below (reader, WORKER_STEP_LAST);
    break;
  case WORKER_HEARTBEAT:
    ret->heartbeat.waiting = wire_read_u8 (reader) != 0;
    ret->heartbeat.queued_ms = wire_read_u32 (reader);
    ret->heartbeat.units = wire_read_u64 (reader);
    ret->heartbeat.bytes = wire_read_u64 (reader);
    ret->heartbeat.arena_full = wire_read_u64 (reader);
    break;
  case WORKER_OPEN:
    read_open (reader, ret);
    break;
  case WORKER_KEYFRAME:
    ret->track = read_below (reader, WORKER_TRACKS_MAX);
    break;
  case WORKER_RELEASE:
    ret->slot = read_below (reader, WORKER_ARENA_SLOTS);
    break;
  default:
    reader->bad = true;
    break;
  }
}

bool
worker_message_parse (uint16_t type, const uint8_t *body, size_t n_bytes, WorkerMessage *ret, GError **error)
{
  WireReader reader = {body, n_bytes, false};
  WorkerMessage message = {.type = (WorkerMessageType)type};
  read_body (&reader, &message);
  if (reader.bad || reader.n_bytes > 0) {
    worker_message_clear (&message);
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "malformed message of type %u with %zu bytes",
                 type, n_bytes);
    return false;
  }
  *ret = message;
  return true;
}

void
worker_message_clear (WorkerMessage *message)
{
  if (message->type == WORKER_TRACKS) {
    for (unsigned i = 0; i < message->tracks.n; i++)
      gst_clear_caps (&message->tracks.caps[i]);
    message->tracks.n = 0;
  } else if (message->type == WORKER_CAPS) {
    gst_clear_caps (&message->caps.caps);
  }
}
