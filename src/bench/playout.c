/* SPDX-License-Identifier: Apache-2.0 */
/* One timer looks each millisecond whose frame is due. The packets of the film are shared: the header fields
 * of a receiver are written into them just before its send. */
#include "bench/playout.h"

#include "bench/stamp.h"
#include "stream/batch.h"
#include "stream/rtp_header.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum {
  TICK_MS = 1,
  LATE_US = 10 * 1000,
  HOPELESS_US = 1000 * 1000, /* later than that: the rest is skipped */
  MESSAGES_PER_CALL = 64,
};

struct BenchPlayout {
  Loop *loop;
  BenchFilm *film;
  const BenchImpairments *impairments;
  LoopTimer *tick;
  GPtrArray *senders; /* of BenchSender; NULL: gone since the last tick */
  unsigned n_started;
  BenchPlayoutStats stats;
};

struct BenchSender {
  BenchPlayout *playout;
  unsigned index;
  BenchWire *wire; /* or */
  int fd;
  NetAddress to;
  uint8_t channel;
  uint16_t sequence;
  uint32_t ssrc;
  uint32_t rtp_base;
  unsigned frame;    /* the next one */
  int64_t zero_us;   /* when the film's present round began */
  int64_t zero_film; /* the film's time then, all rounds before it together */
  int64_t started_us;
  BenchImpairer *impairer; /* NULL: packets go straight */
  BenchSenderEndFunc on_end;
  void *data;
  bool ended;
};

/* --- sending -----------------------------------------------------------------------------------------------
 */

static void
send_packet (void *data, const uint8_t *packet, size_t n_bytes)
{
  BenchSender *sender = data;
  BenchPlayoutStats *stats = &sender->playout->stats;
  bool sent;
  if (sender->wire) {
    uint8_t framed[BATCH_HEADER_BYTES + 2048];
    framed[0] = '$';
    framed[1] = sender->channel;
    framed[2] = (uint8_t)(n_bytes >> 8);
    framed[3] = (uint8_t)n_bytes;
    memcpy (framed + BATCH_HEADER_BYTES, packet, MIN (n_bytes, 2048));
    sent = bench_wire_send (sender->wire, framed, BATCH_HEADER_BYTES + MIN (n_bytes, 2048));
  } else {
    sent = sendto (sender->fd, packet, n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL, &sender->to.sa,
                   sender->to.len) >= 0;
  }
  if (!sent)
    stats->dropped_frames++;
}

static void
send_all_udp (BenchSender *sender, const BenchFrame *frame)
{
  struct mmsghdr messages[MESSAGES_PER_CALL];
  unsigned done = 0;
  while (done < frame->n_packets) {
    unsigned n = MIN (frame->n_packets - done, MESSAGES_PER_CALL);
    for (unsigned i = 0; i < n; i++)
      messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &sender->to.sa,
                                                 .msg_namelen = sender->to.len,
                                                 .msg_iov = &frame->packets[done + i],
                                                 .msg_iovlen = 1}};
    int sent = sendmmsg (sender->fd, messages, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) {
      if (sent < 0 && errno == EINTR)
        continue;
      sender->playout->stats.dropped_frames++;
      return;
    }
    done += (unsigned)sent;
  }
}

static void
send_frame (BenchSender *sender, const BenchFrame *frame, int64_t now_us)
{
  BenchPlayoutStats *stats = &sender->playout->stats;
  uint32_t time = sender->rtp_base + (uint32_t)(sender->zero_film * 9 / 100) + frame->rtp_offset;
  for (unsigned i = 0; i < frame->n_packets; i++) {
    uint8_t *packet = frame->packets[i].iov_base;
    rtp_header_rewrite (packet, BENCH_FILM_PAYLOAD_TYPE, sender->sequence++, time, sender->ssrc);
    packet[1 - BATCH_HEADER_BYTES] = sender->channel;
  }
  if (frame->stamp)
    bench_stamp_set (frame->stamp, bench_now_ns ());
  stats->frames++;
  stats->packets += frame->n_packets;
  stats->bytes += frame->n_bytes;
  if (sender->impairer) {
    for (unsigned i = 0; i < frame->n_packets; i++)
      bench_impairer_push (sender->impairer, frame->packets[i].iov_base, frame->packets[i].iov_len, now_us);
  } else if (!sender->wire) {
    send_all_udp (sender, frame);
  } else if (!bench_wire_send (sender->wire, frame->slab, frame->n_bytes)) {
    stats->dropped_frames++;
  }
}

static void
advance (BenchSender *sender)
{
  const BenchFilm *film = sender->playout->film;
  if (++sender->frame < film->n_frames)
    return;
  sender->frame = 0;
  sender->zero_us += film->duration_us;
  sender->zero_film += film->duration_us;
}

static bool
has_passed (double seconds, const BenchSender *sender, int64_t now_us)
{
  return seconds > 0 && (double)(now_us - sender->started_us) >= seconds * 1e6;
}

static void
serve (BenchSender *sender, int64_t now_us)
{
  BenchPlayout *playout = sender->playout;
  const BenchImpairments *impairments = playout->impairments;
  if (sender->impairer)
    bench_impairer_run (sender->impairer, now_us);
  if (sender->ended || has_passed (impairments->stall_after, sender, now_us))
    return;
  for (;;) {
    const BenchFrame *frame = &playout->film->frames[sender->frame];
    int64_t late_us = now_us - (sender->zero_us + frame->send_us);
    if (late_us < 0)
      return;
    if (late_us > LATE_US)
      playout->stats.late_frames++;
    if (late_us > HOPELESS_US)
      sender->zero_us += late_us;
    send_frame (sender, frame, now_us);
    advance (sender);
  }
}

static void
on_tick (void *data)
{
  BenchPlayout *playout = data;
  int64_t now_us = loop_now_us ();
  unsigned kept = 0;
  for (unsigned i = 0; i < playout->senders->len; i++) {
    BenchSender *sender = playout->senders->pdata[i];
    if (!sender)
      continue;
    sender->index = kept;
    playout->senders->pdata[kept++] = sender;
    serve (sender, now_us);
  }
  g_ptr_array_set_size (playout->senders, (int)kept);
  for (unsigned i = 0; i < playout->senders->len; i++) {
    BenchSender *sender = playout->senders->pdata[i];
    if (!sender || sender->ended || !has_passed (playout->impairments->close_after, sender, now_us))
      continue;
    sender->ended = true;
    sender->on_end (sender->data);
  }
}

/* --- making ------------------------------------------------------------------------------------------------
 */

BenchPlayout *
bench_playout_new (Loop *loop, BenchFilm *film, const BenchImpairments *impairments)
{
  BenchPlayout *playout = g_new0 (BenchPlayout, 1);
  playout->loop = loop;
  playout->film = film;
  playout->impairments = impairments;
  playout->senders = g_ptr_array_new ();
  playout->tick = loop_timer_new (loop, on_tick, playout);
  return playout;
}

void
bench_playout_free (BenchPlayout *playout)
{
  if (!playout)
    return;
  loop_timer_free (playout->tick);
  g_ptr_array_unref (playout->senders);
  g_free (playout);
}

const BenchPlayoutStats *
bench_playout_stats (const BenchPlayout *playout)
{
  return &playout->stats;
}

/* The first one begins with the film. The others begin all over it and all over a frame's time (golden
 * ratio), as cameras do that know nothing of each other. */
static void
take_position (BenchSender *sender)
{
  BenchPlayout *playout = sender->playout;
  unsigned number = playout->n_started++;
  double place = fmod (number * 0.6180339887498949, 1);
  const BenchFilm *film = playout->film;
  sender->frame = (unsigned)(place * film->n_frames) % film->n_frames;
  int64_t frame_us = film->duration_us / film->n_frames;
  sender->started_us = loop_now_us ();
  sender->zero_us = sender->started_us - film->frames[sender->frame].send_us +
                    (int64_t)(fmod (number * 0.7548776662466927, 1) * (double)frame_us);
  sender->sequence = (uint16_t)(number * 4099);
  sender->rtp_base = number * 2654435761u;
  sender->ssrc = 0x42000000u + number;
  if (bench_impairments_touch_packets (playout->impairments))
    sender->impairer = bench_impairer_new (playout->impairments, number, send_packet, sender);
}

static BenchSender *
add_sender (BenchPlayout *playout, BenchSenderEndFunc on_end, void *data)
{
  BenchSender *sender = g_new0 (BenchSender, 1);
  sender->playout = playout;
  sender->fd = -1;
  sender->on_end = on_end;
  sender->data = data;
  sender->index = playout->senders->len;
  g_ptr_array_add (playout->senders, sender);
  take_position (sender);
  playout->stats.senders++;
  if (!loop_timer_active (playout->tick))
    loop_timer_start (playout->tick, TICK_MS, TICK_MS);
  return sender;
}

BenchSender *
bench_sender_new_tcp (BenchPlayout *playout, BenchWire *wire, uint8_t channel, BenchSenderEndFunc on_end,
                      void *data)
{
  BenchSender *sender = add_sender (playout, on_end, data);
  sender->wire = wire;
  sender->channel = channel;
  return sender;
}

BenchSender *
bench_sender_new_udp (BenchPlayout *playout, int fd, const NetAddress *to, BenchSenderEndFunc on_end,
                      void *data)
{
  BenchSender *sender = add_sender (playout, on_end, data);
  sender->fd = fd;
  sender->to = *to;
  return sender;
}

void
bench_sender_free (BenchSender *sender)
{
  if (!sender)
    return;
  BenchPlayout *playout = sender->playout;
  playout->senders->pdata[sender->index] = NULL;
  if (--playout->stats.senders == 0)
    loop_timer_stop (playout->tick);
  bench_impairer_free (sender->impairer);
  g_free (sender);
}
