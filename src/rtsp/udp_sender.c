/* SPDX-License-Identifier: Apache-2.0 */
/* Sending RTP over UDP with as few system calls as possible: see udp_port.h. */
#include "rtsp/udp_port.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
  MESSAGES_PER_CALL = 128,
  /* Kernels or devices without GSO refuse every message: then it is not tried any more. */
  MAX_REFUSALS_IN_A_ROW = 64,
};

typedef struct {
  struct sockaddr_in6 to;
  socklen_t to_len;
  Batch *batch;
} Job;

struct UdpSender {
  Loop *loop;
  int fd;
  bool v6; /* an IPv6 socket wants mapped addresses */
  bool gso;
  unsigned refusals_in_a_row;
  uint64_t fallbacks;
  atomic_uint_fast64_t *dropped;
  GArray *jobs; /* of Job */
  LoopDeferred flush;
};

/* One message of sendmmsg(): a run of packets of one job. */
typedef struct {
  const Job *job;
  BatchRun run;
} Piece;

static void on_flush (void *data);

UdpSender *
udp_sender_new (Loop *loop, int fd, atomic_uint_fast64_t *dropped)
{
  UdpSender *sender = g_new0 (UdpSender, 1);
  NetAddress local;
  sender->loop = loop;
  sender->fd = fd;
  sender->v6 = net_local_address (fd, &local) && local.sa.sa_family == AF_INET6;
  sender->gso = true;
  sender->dropped = dropped;
  sender->jobs = g_array_new (FALSE, FALSE, sizeof (Job));
  sender->flush = (LoopDeferred){.func = on_flush, .data = sender};
  return sender;
}

void
udp_sender_free (UdpSender *sender)
{
  if (!sender)
    return;
  loop_defer_cancel (sender->loop, &sender->flush);
  on_flush (sender);
  g_array_unref (sender->jobs);
  g_free (sender);
}

uint64_t
udp_sender_fallbacks (const UdpSender *sender)
{
  return sender->fallbacks;
}

static socklen_t
socket_address (const UdpSender *sender, const NetAddress *to, struct sockaddr_in6 *ret)
{
  memset (ret, 0, sizeof *ret);
  if (to->sa.sa_family == AF_INET6 || !sender->v6) {
    memcpy (ret, &to->storage, MIN (to->len, sizeof *ret));
    return MIN (to->len, (socklen_t)sizeof *ret);
  }
  ret->sin6_family = AF_INET6;
  ret->sin6_port = to->in.sin_port;
  ret->sin6_addr.s6_addr[10] = ret->sin6_addr.s6_addr[11] = 0xff;
  memcpy (&ret->sin6_addr.s6_addr[12], &to->in.sin_addr, 4);
  return sizeof *ret;
}

void
udp_sender_push_batch (UdpSender *sender, const NetAddress *to, Batch *batch)
{
  Job job = {.batch = batch_ref (batch)};
  job.to_len = socket_address (sender, to, &job.to);
  g_array_append_val (sender->jobs, job);
  loop_defer (sender->loop, &sender->flush);
}

static void
count_dropped (UdpSender *sender, unsigned n_packets)
{
  atomic_fetch_add_explicit (sender->dropped, n_packets, memory_order_relaxed);
}

void
udp_sender_send (UdpSender *sender, const NetAddress *to, const uint8_t *bytes, size_t n_bytes)
{
  struct sockaddr_in6 address;
  socklen_t len = socket_address (sender, to, &address);
  if (sendto (sender->fd, bytes, n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address, len) < 0)
    count_dropped (sender, 1);
}

/* GSO refused it: a packet is larger than the MTU, or device or kernel cannot. */
static void
send_plainly (UdpSender *sender, const Piece *piece)
{
  const Job *job = piece->job;
  for (unsigned i = 0; i < piece->run.count; i++) {
    const struct iovec *packet = &job->batch->packets[piece->run.first + i];
    if (sendto (sender->fd, packet->iov_base, packet->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL,
                (const struct sockaddr *)&job->to, job->to_len) < 0)
      count_dropped (sender, 1);
  }
}

static bool
is_gso_refusal (int failure)
{
  return failure == EINVAL || failure == EIO || failure == EMSGSIZE || failure == EOPNOTSUPP ||
         failure == ENOPROTOOPT;
}

typedef union {
  struct cmsghdr header;
  uint8_t bytes[CMSG_SPACE (sizeof (uint16_t))];
} SegmentControl;

static void
fill_message (const Piece *piece, struct mmsghdr *message, SegmentControl *control)
{
  const Job *job = piece->job;
  *message = (struct mmsghdr){.msg_hdr = {
                                  .msg_name = (void *)&job->to,
                                  .msg_namelen = job->to_len,
                                  .msg_iov = &job->batch->packets[piece->run.first],
                                  .msg_iovlen = piece->run.count,
                              }};
  if (piece->run.count == 1)
    return;
  memset (control, 0, sizeof *control);
  control->header.cmsg_level = SOL_UDP;
  control->header.cmsg_type = UDP_SEGMENT;
  control->header.cmsg_len = CMSG_LEN (sizeof (uint16_t));
  memcpy (CMSG_DATA (&control->header), &piece->run.segment, sizeof piece->run.segment);
  message->msg_hdr.msg_control = control;
  message->msg_hdr.msg_controllen = sizeof control->bytes;
}

static void
send_pieces (UdpSender *sender, const Piece *pieces, unsigned n_pieces)
{
  struct mmsghdr messages[MESSAGES_PER_CALL];
  SegmentControl controls[MESSAGES_PER_CALL];
  for (unsigned i = 0; i < n_pieces; i++)
    fill_message (&pieces[i], &messages[i], &controls[i]);
  unsigned done = 0;
  while (done < n_pieces) {
    int n = sendmmsg (sender->fd, messages + done, n_pieces - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      done += (unsigned)n;
      sender->refusals_in_a_row = 0;
      continue;
    }
    if (n < 0 && errno == EINTR)
      continue;
    const Piece *piece = &pieces[done];
    if (n < 0 && piece->run.count > 1 && is_gso_refusal (errno)) {
      sender->fallbacks++;
      if (++sender->refusals_in_a_row > MAX_REFUSALS_IN_A_ROW)
        sender->gso = false;
      send_plainly (sender, piece);
    } else {
      /* The socket is full, or this receiver cannot be reached: the others still can. */
      count_dropped (sender, piece->run.count);
    }
    done++;
  }
}

static void
on_flush (void *data)
{
  UdpSender *sender = data;
  Piece pieces[MESSAGES_PER_CALL];
  unsigned n_pieces = 0;
  for (unsigned i = 0; i < sender->jobs->len; i++) {
    const Job *job = &g_array_index (sender->jobs, Job, i);
    unsigned n_runs = sender->gso ? job->batch->n_runs : job->batch->n_packets;
    for (unsigned k = 0; k < n_runs; k++) {
      BatchRun run = sender->gso ? job->batch->runs[k] : (BatchRun){.first = (uint8_t)k, .count = 1};
      pieces[n_pieces++] = (Piece){job, run};
      if (n_pieces == MESSAGES_PER_CALL) {
        send_pieces (sender, pieces, n_pieces);
        n_pieces = 0;
      }
    }
  }
  if (n_pieces > 0)
    send_pieces (sender, pieces, n_pieces);
  for (unsigned i = 0; i < sender->jobs->len; i++)
    batch_unref (g_array_index (sender->jobs, Job, i).batch);
  g_array_set_size (sender->jobs, 0);
}
