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
  bool has_from;
  struct in6_addr from; /* IPv4 in its mapped form */
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

static struct in6_addr
mapped_host (const NetAddress *address)
{
  struct in6_addr host = {0};
  if (address->sa.sa_family == AF_INET6)
    return address->in6.sin6_addr;
  host.s6_addr[10] = host.s6_addr[11] = 0xff;
  memcpy (&host.s6_addr[12], &address->in.sin_addr, 4);
  return host;
}

static Job
make_job (const UdpSender *sender, const NetAddress *from, const NetAddress *to)
{
  Job job = {.has_from = from != NULL && sender->v6};
  if (job.has_from)
    job.from = mapped_host (from);
  if (to->sa.sa_family == AF_INET6 || !sender->v6) {
    job.to_len = MIN (to->len, (socklen_t)sizeof job.to);
    memcpy (&job.to, &to->storage, job.to_len);
  } else {
    job.to = (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = to->in.sin_port, .sin6_addr = mapped_host (to)};
    job.to_len = sizeof job.to;
  }
  return job;
}

void
udp_sender_push_batch (UdpSender *sender, const NetAddress *from, const NetAddress *to, Batch *batch)
{
  Job job = make_job (sender, from, to);
  job.batch = batch_ref (batch);
  g_array_append_val (sender->jobs, job);
  loop_defer (sender->loop, &sender->flush);
}

static void
count_dropped (UdpSender *sender, unsigned n_packets)
{
  atomic_fetch_add_explicit (sender->dropped, n_packets, memory_order_relaxed);
}

/* Room for the source address and the segment size. */
typedef union {
  struct cmsghdr header;
  uint8_t bytes[CMSG_SPACE (sizeof (struct in6_pktinfo)) + CMSG_SPACE (sizeof (uint16_t))];
} Control;

static void
add_control (struct msghdr *message, Control *control, int level, int type, const void *value, size_t n_bytes)
{
  struct cmsghdr *header = (struct cmsghdr *)(control->bytes + message->msg_controllen);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN (n_bytes);
  memcpy (CMSG_DATA (header), value, n_bytes);
  message->msg_control = control;
  message->msg_controllen += CMSG_SPACE (n_bytes);
}

static void
fill_header (const Job *job, struct iovec *iov, size_t n_iov, struct msghdr *message, Control *control)
{
  *message = (struct msghdr){
      .msg_name = (void *)&job->to, .msg_namelen = job->to_len, .msg_iov = iov, .msg_iovlen = n_iov};
  memset (control, 0, sizeof *control);
  if (job->has_from) {
    struct in6_pktinfo info = {.ipi6_addr = job->from};
    add_control (message, control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
  }
}

static void
send_packet (UdpSender *sender, const Job *job, struct iovec *packet)
{
  struct msghdr message;
  Control control;
  fill_header (job, packet, 1, &message, &control);
  if (sendmsg (sender->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
    count_dropped (sender, 1);
}

void
udp_sender_send (UdpSender *sender, const NetAddress *from, const NetAddress *to, const uint8_t *bytes,
                 size_t n_bytes)
{
  Job job = make_job (sender, from, to);
  struct iovec packet = {(void *)bytes, n_bytes};
  send_packet (sender, &job, &packet);
}

/* GSO refused it: a packet is larger than the MTU, or device or kernel cannot. */
static void
send_plainly (UdpSender *sender, const Piece *piece)
{
  for (unsigned i = 0; i < piece->run.count; i++)
    send_packet (sender, piece->job, &piece->job->batch->packets[piece->run.first + i]);
}

static bool
is_gso_refusal (int failure)
{
  return failure == EINVAL || failure == EIO || failure == EMSGSIZE || failure == EOPNOTSUPP ||
         failure == ENOPROTOOPT;
}

static void
fill_message (const Piece *piece, struct mmsghdr *message, Control *control)
{
  const Job *job = piece->job;
  message->msg_len = 0;
  fill_header (job, &job->batch->packets[piece->run.first], piece->run.count, &message->msg_hdr, control);
  if (piece->run.count > 1)
    add_control (&message->msg_hdr, control, SOL_UDP, UDP_SEGMENT, &piece->run.segment,
                 sizeof piece->run.segment);
}

static void
send_pieces (UdpSender *sender, const Piece *pieces, unsigned n_pieces)
{
  struct mmsghdr messages[MESSAGES_PER_CALL];
  Control controls[MESSAGES_PER_CALL];
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
