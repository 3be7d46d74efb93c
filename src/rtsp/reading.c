/* SPDX-License-Identifier: Apache-2.0 */
/* Media to a player: the hot path. A batch goes into the queue of a TCP connection and, when nothing waited,
 * into the socket with one system call; or to the UDP sender, which sends for all sessions of this turn at
 * once. The cached group of pictures goes to a UDP player in small portions, so that its socket does not
 * overflow. */
#include "base/log.h"
#include "rtsp/server-private.h"

enum {
  PACE_WINDOW_US = 4000,
  PACE_MS = 4,
  PACE_BYTES = 64 * 1024, /* in one window */
  /* Batches this old come out of the cache, one after the other: they share system calls. */
  CACHED_AFTER_US = 50 * 1000,
  CACHED_BYTES = 256 * 1024,
};

/* A group of pictures out of the cache must fit, or a new reader would begin with a skip. */
static size_t
queue_bytes (const StreamSettings *settings)
{
  return (size_t)(settings->queue_bytes + (settings->gop_cache ? settings->gop_cache_bytes : 0));
}

/* --- TCP ---------------------------------------------------------------------------------------------------
 */

static void
on_sent (void *data, const Batch *batch, int64_t now_us)
{
  RtspSession *session = data;
  reader_account_sent (session->reader, batch, now_us);
}

/* A skip is told when it is over, with all that it cost. */
static void
tell_skips (RtspSession *session)
{
  const ReaderQueueStats *stats = reader_queue_stats (session->c->queue);
  if (stats->skips == session->skips_told)
    return;
  reader_account_skip (session->reader, stats->dropped_batches - session->drops_told);
  session->skips_told = stats->skips;
  session->drops_told = stats->dropped_batches;
}

static void
send_tcp (RtspSession *session, Batch *batch)
{
  RtspConnection *c = session->c;
  int64_t now_us = loop_now_us ();
  bool idle = reader_queue_is_empty (c->queue);
  bool cached = now_us - batch->arrival_us > CACHED_AFTER_US;
  switch (reader_queue_push (c->queue, batch, now_us)) {
  case READER_QUEUE_QUEUED:
    tell_skips (session);
    if (cached && reader_queue_bytes (c->queue) < CACHED_BYTES)
      connection_flush_later (c);
    else if (idle || (cached && !c->writable_wanted))
      connection_flush (c);
    break;
  case READER_QUEUE_SKIPPED:
    break;
  case READER_QUEUE_EVICT:
    tell_skips (session);
    connection_close (c, "too slow");
    break;
  }
}

/* --- UDP ---------------------------------------------------------------------------------------------------
 */

static void
send_udp_now (RtspSession *session, Batch *batch, int64_t now_us)
{
  UdpSender *sender = udp_port_sender (session->c->home->udp, false);
  udp_sender_push_batch (sender, conn_local (session->c->conn), &session->tracks[batch->track].to[0], batch);
  session->pace_bytes += batch->n_bytes;
  reader_account_sent (session->reader, batch, now_us);
}

static bool
has_budget (RtspSession *session, const Batch *batch, int64_t now_us)
{
  if (now_us - session->pace_start_us >= PACE_WINDOW_US) {
    session->pace_start_us = now_us;
    session->pace_bytes = 0;
  }
  return session->pace_bytes == 0 || session->pace_bytes + batch->n_bytes <= PACE_BYTES;
}

void
reading_forget_backlog (RtspSession *session)
{
  Batch *batch;
  if (!g_queue_is_empty (&session->backlog))
    g_queue_unlink (&session->c->home->pacing, &session->pace_link);
  while ((batch = g_queue_pop_head (&session->backlog)))
    batch_unref (batch);
  session->backlog_bytes = 0;
}

static bool
ends_skip (const RtspSession *session, const Batch *batch)
{
  int video = session->set->video;
  if (video < 0 || !session->tracks[video].setup)
    return true;
  return batch->track == video && (batch->flags & BATCH_KEY);
}

static void
keep_back (RtspSession *session, Batch *batch)
{
  RtspLoop *home = session->c->home;
  if (session->backlog_bytes + batch->n_bytes > session->backlog_max_bytes) {
    reader_account_skip (session->reader, g_queue_get_length (&session->backlog));
    reading_forget_backlog (session);
    session->pace_skipping = !ends_skip (session, batch);
    if (session->pace_skipping)
      return;
  }
  if (g_queue_is_empty (&session->backlog))
    g_queue_push_tail_link (&home->pacing, &session->pace_link);
  g_queue_push_tail (&session->backlog, batch_ref (batch));
  session->backlog_bytes += batch->n_bytes;
  if (!loop_timer_active (home->pace_timer))
    loop_timer_start (home->pace_timer, PACE_MS, PACE_MS);
}

static void
send_udp (RtspSession *session, Batch *batch)
{
  int64_t now_us = loop_now_us ();
  if (session->pace_skipping && !ends_skip (session, batch))
    return;
  session->pace_skipping = false;
  if (g_queue_is_empty (&session->backlog) && has_budget (session, batch, now_us))
    send_udp_now (session, batch, now_us);
  else
    keep_back (session, batch);
}

void
reading_pace (RtspSession *session, int64_t now_us)
{
  session->pace_start_us = now_us;
  session->pace_bytes = 0;
  while (!g_queue_is_empty (&session->backlog)) {
    Batch *batch = g_queue_peek_head (&session->backlog);
    if (!has_budget (session, batch, now_us))
      return;
    if (g_queue_get_length (&session->backlog) == 1)
      g_queue_unlink (&session->c->home->pacing, &session->pace_link);
    g_queue_pop_head (&session->backlog);
    session->backlog_bytes -= batch->n_bytes;
    send_udp_now (session, batch, now_us);
    batch_unref (batch);
  }
}

/* --- the reader --------------------------------------------------------------------------------------------
 */

static void
on_batch (void *data, Batch *batch)
{
  RtspSession *session = data;
  if (batch->track >= session->n_tracks || !session->tracks[batch->track].setup)
    return;
  SessionTrack *track = &session->tracks[batch->track];
  if (!track->reported && !report_send_first (track, batch))
    return;
  if (session->delivery == DELIVERY_TCP)
    send_tcp (session, batch);
  else
    send_udp (session, batch);
}

static void
on_gone (void *data, ReaderGone why)
{
  static const char *const reasons[] = {
      [READER_GONE_STREAM_REMOVED] = "stream removed",
      [READER_GONE_TRACKS_CHANGED] = "the tracks of the stream changed",
      [READER_GONE_KICKED] = "kicked",
      [READER_GONE_SHUTDOWN] = "server stopping",
  };
  RtspSession *session = data;
  RtspConnection *c = session->c;
  if (why == READER_GONE_KICKED || why == READER_GONE_SHUTDOWN || reader_queue_is_empty (c->queue)) {
    connection_close (c, reasons[why]);
    return;
  }
  /* The last frames of a stream that has ended are still on their way. */
  reader_queue_set_sent_func (c->queue, NULL, NULL);
  reader_free (g_steal_pointer (&session->reader), reasons[why]);
  connection_close_after_flush (c, reasons[why]);
}

static const ReaderOps reader_ops = {.on_batch = on_batch, .on_gone = on_gone};

static void
make_queue (RtspSession *session)
{
  g_autoptr (StreamSettings) settings = stream_dup_settings (lease_stream (session->lease));
  ReaderQueueLimits limits = {.bytes = queue_bytes (settings),
                              .age_us = settings->queue_ms * 1000,
                              .slow_us = settings->slow_reader_ms * 1000};
  int video = session->set->video;
  ReaderQueue *queue = reader_queue_new (&limits, video >= 0 && session->tracks[video].setup ? video : -1);
  reader_queue_set_sent_func (queue, on_sent, session);
  connection_set_queue (session->c, queue);
  session->skips_told = session->drops_told = 0;
}

static void
limit_backlog (RtspSession *session)
{
  g_autoptr (StreamSettings) settings = stream_dup_settings (lease_stream (session->lease));
  session->backlog_max_bytes = queue_bytes (settings);
}

static void
make_reader (RtspSession *session)
{
  RtspConnection *c = session->c;
  ReaderInfo info = {.protocol = "rtsp",
                     .transport = session_transport_name (session),
                     .peer = c->peer,
                     .user = c->user,
                     .user_agent = c->user_agent};
  session->reader =
      reader_new (lease_stream (session->lease), c->home->loop, READER_PACKETS, &reader_ops, session, &info);
  reader_expect_tracks (session->reader, session->set);
}

void
reading_start (RtspSession *session)
{
  if (session->delivery == DELIVERY_MULTICAST) {
    multicast_play (session->multicast);
    session->multicast_playing = true;
  } else {
    if (!session->reader) {
      make_reader (session);
      if (session->delivery == DELIVERY_TCP)
        make_queue (session);
      else
        limit_backlog (session);
    }
    for (unsigned i = 0; i < session->n_tracks; i++) {
      session->tracks[i].reported = false;
      /* Each time: a SETUP while it was paused may have chosen others. */
      if (session->delivery == DELIVERY_TCP && session->tracks[i].setup)
        reader_queue_set_channel (session->c->queue, i, session->tracks[i].channel[0]);
    }
    reader_start (session->reader, true);
  }
  session_set_state (session, SESSION_PLAYING);
}

void
reading_stop (RtspSession *session)
{
  if (session->delivery == DELIVERY_MULTICAST) {
    multicast_pause (session->multicast);
    session->multicast_playing = false;
  } else {
    reader_stop (session->reader);
    reader_queue_flush (session->c->queue);
    reading_forget_backlog (session);
  }
  session_set_state (session, SESSION_READY);
}
