/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of one stream on one loop. The home loop sends each batch once to every branch; the branch
 * serves its own readers. Messages are posts, in order, so that a reader's GOP cache and the live batches
 * behind it fit without gap or overlap. On the home loop itself batches are handed over at once, without a
 * post. */
#include "stream/stream-private.h"

struct Branch {
  Stream *stream;
  Loop *loop;
  GPtrArray *readers; /* of Reader, with a reference; NULL slots while iterating */
  unsigned iterating;
  bool has_holes;
  struct {
    bool valid;
    ReaderTrackPosition position;
  } tracks[TRACKS_MAX];
};

typedef struct {
  Branch *branch;
  Batch *batch;
  GstBuffer *unit;
  GstCaps *caps;
  unsigned track;
  int video;
  Reader *reader;
  unsigned epoch;
  GArray *gop;
  ReaderGone why;
} Message;

Branch *
branch_new (Stream *stream, Loop *loop)
{
  Branch *branch = g_new0 (Branch, 1);
  branch->stream = stream_ref (stream);
  branch->loop = loop;
  branch->readers = g_ptr_array_new ();
  return branch;
}

Loop *
branch_loop (const Branch *branch)
{
  return branch->loop;
}

static void
send (Branch *branch, LoopFunc func, Message message)
{
  message.branch = branch;
  loop_post (branch->loop, func, g_memdup2 (&message, sizeof message));
}

/* --- serving -----------------------------------------------------------------------------------------------
 */

static void
begin_iterating (Branch *branch)
{
  branch->iterating++;
}

static void
end_iterating (Branch *branch)
{
  if (--branch->iterating > 0 || !branch->has_holes)
    return;
  branch->has_holes = false;
  unsigned kept = 0;
  for (unsigned i = 0; i < branch->readers->len; i++)
    if (branch->readers->pdata[i])
      branch->readers->pdata[kept++] = branch->readers->pdata[i];
  g_ptr_array_set_size (branch->readers, (int)kept);
}

static void
note_position (Branch *branch, const Batch *batch)
{
  ReaderTrackPosition *position = &branch->tracks[batch->track].position;
  branch->tracks[batch->track].valid = true;
  const uint8_t *packet = batch->packets[0].iov_base;
  position->ssrc =
      (uint32_t)packet[8] << 24 | (uint32_t)packet[9] << 16 | (uint32_t)packet[10] << 8 | packet[11];
  position->next_sequence = (uint16_t)(batch->first_sequence + batch->n_packets);
  position->rtp_time = batch->rtp_time;
  position->ntp_us = batch->ntp_us;
  position->packets_sent += batch->n_packets;
  position->octets_sent += batch->payload_bytes;
}

/* A reader without a cached group of pictures begins with the video track's next key frame. */
static bool
passes (Reader *reader, unsigned track, bool key)
{
  if (!reader->waiting_key)
    return true;
  if ((int)track != reader->video || !key)
    return false;
  reader->waiting_key = false;
  return true;
}

static void
deliver_batch (Branch *branch, Batch *batch)
{
  note_position (branch, batch);
  begin_iterating (branch);
  for (unsigned i = 0; i < branch->readers->len; i++) {
    Reader *reader = branch->readers->pdata[i];
    if (!reader || reader->plane != READER_PACKETS)
      continue;
    if (passes (reader, batch->track, (batch->flags & BATCH_KEY) != 0))
      reader->ops->on_batch (reader->data, batch);
  }
  end_iterating (branch);
}

static void
deliver_unit (Branch *branch, unsigned track, GstBuffer *unit, GstCaps *caps)
{
  bool key = !GST_BUFFER_FLAG_IS_SET (unit, GST_BUFFER_FLAG_DELTA_UNIT);
  begin_iterating (branch);
  for (unsigned i = 0; i < branch->readers->len; i++) {
    Reader *reader = branch->readers->pdata[i];
    if (!reader || reader->plane != READER_UNITS)
      continue;
    if (passes (reader, track, key))
      reader->ops->on_unit (reader->data, track, unit, caps);
  }
  end_iterating (branch);
}

static void
on_batch_message (void *data)
{
  Message *message = data;
  deliver_batch (message->branch, message->batch);
  batch_unref (message->batch);
  g_free (message);
}

void
branch_send_batch (Branch *branch, Batch *batch)
{
  if (loop_is_current (branch->loop))
    deliver_batch (branch, batch);
  else
    send (branch, on_batch_message, (Message){.batch = batch_ref (batch)});
}

static void
on_unit_message (void *data)
{
  Message *message = data;
  deliver_unit (message->branch, message->track, message->unit, message->caps);
  gst_buffer_unref (message->unit);
  gst_caps_unref (message->caps);
  g_free (message);
}

void
branch_send_unit (Branch *branch, unsigned track, GstBuffer *unit, GstCaps *caps)
{
  if (loop_is_current (branch->loop))
    deliver_unit (branch, track, unit, caps);
  else
    send (branch, on_unit_message,
          (Message){.track = track, .unit = gst_buffer_ref (unit), .caps = gst_caps_ref (caps)});
}

/* --- attaching and detaching -------------------------------------------------------------------------------
 */

static bool
deliver_gop_entry (Reader *reader, const GopEntry *entry, unsigned epoch)
{
  if (entry->batch)
    reader->ops->on_batch (reader->data, entry->batch);
  else
    reader->ops->on_unit (reader->data, entry->track, entry->unit, entry->caps);
  return !reader->freed && reader->epoch == epoch;
}

static void
on_attach_message (void *data)
{
  Message *message = data;
  Branch *branch = message->branch;
  Reader *reader = message->reader;
  GArray *gop = message->gop;
  /* Stopped or freed meanwhile: that has already given the attachment back. */
  bool current = !reader->freed && !reader->gone && reader->epoch == message->epoch;
  if (current) {
    reader->branch = branch;
    reader->video = message->video;
    reader->waiting_key = reader->video >= 0 && (!gop || gop->len == 0);
    g_ptr_array_add (branch->readers, reader_ref (reader));
    begin_iterating (branch);
    for (unsigned i = 0; gop && i < gop->len; i++)
      if (!deliver_gop_entry (reader, &g_array_index (gop, GopEntry, i), message->epoch))
        break;
    end_iterating (branch);
  }
  if (gop)
    g_array_unref (gop);
  reader_unref (reader);
  g_free (message);
}

void
branch_send_attach (Branch *branch, Reader *reader, unsigned epoch, int video, GArray *gop)
{
  send (branch, on_attach_message,
        (Message){.reader = reader_ref (reader), .epoch = epoch, .video = video, .gop = gop});
}

void
branch_remove_reader (Branch *branch, Reader *reader)
{
  for (unsigned i = 0; i < branch->readers->len; i++) {
    if (branch->readers->pdata[i] != reader)
      continue;
    if (branch->iterating) {
      branch->readers->pdata[i] = NULL;
      branch->has_holes = true;
    } else {
      g_ptr_array_remove_index_fast (branch->readers, i);
    }
    reader_unref (reader);
    return;
  }
}

static void
on_gone_message (void *data)
{
  Message *message = data;
  Branch *branch = message->branch;
  begin_iterating (branch);
  for (unsigned i = 0; i < branch->readers->len; i++) {
    Reader *reader = branch->readers->pdata[i];
    if (reader)
      reader_tell_gone (reader, message->why);
  }
  end_iterating (branch);
  g_free (message);
}

void
branch_send_gone (Branch *branch, ReaderGone why)
{
  send (branch, on_gone_message, (Message){.why = why});
}

static void
on_free_message (void *data)
{
  Message *message = data;
  Branch *branch = message->branch;
  for (unsigned i = 0; i < branch->readers->len; i++) {
    Reader *reader = branch->readers->pdata[i];
    if (reader) {
      reader->branch = NULL;
      reader_unref (reader);
    }
  }
  g_ptr_array_unref (branch->readers);
  stream_unref (branch->stream);
  g_free (branch);
  g_free (message);
}

void
branch_send_free (Branch *branch)
{
  send (branch, on_free_message, (Message){0});
}

bool
branch_get_position (const Branch *branch, unsigned track, ReaderTrackPosition *ret)
{
  if (track >= TRACKS_MAX || !branch->tracks[track].valid)
    return false;
  *ret = branch->tracks[track].position;
  return true;
}
