/* SPDX-License-Identifier: Apache-2.0 */
/* UDP receivers: datagrams come in large batches by recvmmsg() into the loop's scratch buffer and pass the
 * reorder buffer from there. */
#include "rtsp/client_udp.h"

#include "base/error.h"
#include "rtp/reorder.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
  SLOT_BYTES = 8 * 1024, /* more than a jumbo frame; a larger datagram is dropped as invalid */
  SLOTS = LOOP_SCRATCH_BYTES / SLOT_BYTES,
  ROUNDS_MAX = 8, /* batches before other sockets get their turn */
  RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024,
};

typedef struct {
  RtspClientUdp *udp;
  int fd;
  LoopPoll *poll;
  NetAddress destination; /* port 0: none */
} Socket;

struct RtspClientUdp {
  Loop *loop;
  const RtspClientUdpOps *ops;
  void *data;
  Socket rtp, rtcp;
  uint16_t port;
  NetAddress source; /* len 0: anybody */
  Reorder *reorder;
  LoopTimer *timer;
  uint64_t told_reordered;
  unsigned n_invalid;
};

/* --- receiving ---------------------------------------------------------------------------------------------
 */

static void
finish_burst (RtspClientUdp *udp)
{
  uint64_t reordered = reorder_counters (udp->reorder)->reordered;
  unsigned n_reordered = (unsigned)(reordered - udp->told_reordered);
  udp->told_reordered = reordered;
  unsigned n_invalid = udp->n_invalid;
  udp->n_invalid = 0;

  int64_t deadline_us = reorder_deadline_us (udp->reorder);
  if (deadline_us == INT64_MAX)
    loop_timer_stop (udp->timer);
  else
    loop_timer_start (udp->timer, (uint64_t)MAX (0, deadline_us - loop_now_us () + 999) / 1000, 0);
  udp->ops->on_burst_end (udp->data, n_reordered, n_invalid);
}

static void
on_timer (void *data)
{
  RtspClientUdp *udp = data;
  reorder_flush_due (udp->reorder, loop_now_us (), udp->ops->on_rtp, udp->data);
  finish_burst (udp);
}

static void
take_datagram (Socket *in, const struct mmsghdr *message, int64_t now_us)
{
  RtspClientUdp *udp = in->udp;
  NetAddress from = {.len = message->msg_hdr.msg_namelen};
  memcpy (&from.storage, message->msg_hdr.msg_name, MIN (from.len, sizeof from.storage));
  if ((message->msg_hdr.msg_flags & MSG_TRUNC) ||
      (udp->source.len && !net_address_same_host (&from, &udp->source))) {
    udp->n_invalid++;
    return;
  }
  const uint8_t *bytes = message->msg_hdr.msg_iov->iov_base;
  if (in == &udp->rtcp) {
    udp->ops->on_rtcp (udp->data, bytes, message->msg_len, now_us);
    return;
  }
  udp->ops->on_arrival (udp->data, bytes, message->msg_len, now_us);
  if (!reorder_push (udp->reorder, bytes, message->msg_len, now_us, udp->ops->on_rtp, udp->data))
    udp->n_invalid++;
}

static void
on_readable (void *data, unsigned events)
{
  Socket *in = data;
  RtspClientUdp *udp = in->udp;
  if (events & LOOP_HANGUP) {
    /* An ICMP error; asking for it clears it, and libuv has to be told to watch again. */
    int failure;
    socklen_t len = sizeof failure;
    (void)getsockopt (in->fd, SOL_SOCKET, SO_ERROR, &failure, &len);
    loop_poll_set (in->poll, 0);
    loop_poll_set (in->poll, LOOP_READ);
  }

  uint8_t *scratch = loop_scratch (udp->loop);
  struct mmsghdr messages[SLOTS];
  struct iovec slots[SLOTS];
  struct sockaddr_storage names[SLOTS];
  int64_t now_us = loop_now_us ();
  bool any = false;
  int n = SLOTS;
  for (unsigned round = 0; round < ROUNDS_MAX && n == SLOTS; round++) {
    for (unsigned i = 0; i < SLOTS; i++) {
      slots[i] = (struct iovec){scratch + (size_t)i * SLOT_BYTES, SLOT_BYTES};
      messages[i].msg_hdr = (struct msghdr){
          .msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &slots[i], .msg_iovlen = 1};
    }
    n = recvmmsg (in->fd, messages, SLOTS, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++)
      take_datagram (in, &messages[i], now_us);
    any |= n > 0;
  }
  if (any)
    finish_burst (udp);
}

/* --- sending -----------------------------------------------------------------------------------------------
 */

static void
send_datagram (Socket *out, const uint8_t *bytes, size_t n_bytes)
{
  if (out->destination.len == 0 || net_address_port (&out->destination) == 0)
    return;
  (void)sendto (out->fd, bytes, n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL, &out->destination.sa,
                out->destination.len);
}

void
rtsp_client_udp_punch (RtspClientUdp *udp)
{
  static const uint8_t empty[12] = {0x80};
  send_datagram (&udp->rtp, empty, sizeof empty);
}

void
rtsp_client_udp_send_rtcp (RtspClientUdp *udp, const uint8_t *bytes, size_t n_bytes)
{
  send_datagram (&udp->rtcp, bytes, n_bytes);
}

/* --- life --------------------------------------------------------------------------------------------------
 */

static RtspClientUdp *
udp_alloc (Loop *loop, unsigned reorder_ms, const RtspClientUdpOps *ops, void *data)
{
  RtspClientUdp *udp = g_new0 (RtspClientUdp, 1);
  udp->loop = loop;
  udp->ops = ops;
  udp->data = data;
  udp->rtp = (Socket){.udp = udp, .fd = -1};
  udp->rtcp = (Socket){.udp = udp, .fd = -1};
  udp->reorder = reorder_new (reorder_ms);
  udp->timer = loop_timer_new (loop, on_timer, udp);
  return udp;
}

static bool
watch (Socket *in, GError **error)
{
  int size = RECEIVE_BUFFER_BYTES;
  (void)setsockopt (in->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  in->poll = loop_poll_new (in->udp->loop, in->fd, on_readable, in, error);
  if (!in->poll)
    return false;
  loop_poll_set (in->poll, LOOP_READ);
  return true;
}

RtspClientUdp *
rtsp_client_udp_new (Loop *loop, const NetAddress *local, unsigned reorder_ms, const RtspClientUdpOps *ops,
                     void *data, GError **error)
{
  RtspClientUdp *udp = udp_alloc (loop, reorder_ms, ops, data);
  if (!net_bind_udp_pair (local, 0, 0, &udp->rtp.fd, &udp->rtcp.fd, &udp->port, error) ||
      !watch (&udp->rtp, error) || !watch (&udp->rtcp, error)) {
    rtsp_client_udp_free (udp);
    return NULL;
  }
  return udp;
}

static bool
join_group (int fd, const NetAddress *local, const NetAddress *group, GError **error)
{
  int result;
  if (group->sa.sa_family == AF_INET) {
    struct ip_mreqn request = {.imr_multiaddr = group->in.sin_addr};
    if (local->sa.sa_family == AF_INET)
      request.imr_address = local->in.sin_addr;
    result = setsockopt (fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
  } else {
    struct ipv6_mreq request = {.ipv6mr_multiaddr = group->in6.sin6_addr};
    if (local->sa.sa_family == AF_INET6)
      request.ipv6mr_interface = local->in6.sin6_scope_id;
    result = setsockopt (fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, sizeof request);
  }
  if (result == 0)
    return true;
  g_autofree char *text = net_address_to_string (group);
  g_autofree char *what = g_strdup_printf ("cannot join the multicast group %s", text);
  sluice_error_set_errno (error, errno, what);
  return false;
}

static bool
open_group (Socket *in, const NetAddress *local, const NetAddress *group, uint16_t port, GError **error)
{
  NetAddress address = *group;
  net_address_set_port (&address, port);
  in->fd = net_bind_udp (&address, error);
  return in->fd >= 0 && join_group (in->fd, local, group, error) && watch (in, error);
}

RtspClientUdp *
rtsp_client_udp_new_multicast (Loop *loop, const NetAddress *local, const NetAddress *group,
                               uint16_t rtcp_port, unsigned reorder_ms, const RtspClientUdpOps *ops,
                               void *data, GError **error)
{
  RtspClientUdp *udp = udp_alloc (loop, reorder_ms, ops, data);
  udp->port = net_address_port (group);
  if (!open_group (&udp->rtp, local, group, udp->port, error) ||
      !open_group (&udp->rtcp, local, group, rtcp_port, error)) {
    rtsp_client_udp_free (udp);
    return NULL;
  }
  return udp;
}

static void
close_socket (Socket *in)
{
  loop_poll_free (in->poll);
  if (in->fd >= 0)
    close (in->fd);
}

void
rtsp_client_udp_free (RtspClientUdp *udp)
{
  if (!udp)
    return;
  close_socket (&udp->rtp);
  close_socket (&udp->rtcp);
  loop_timer_free (udp->timer);
  reorder_free (udp->reorder);
  g_free (udp);
}

uint16_t
rtsp_client_udp_port (const RtspClientUdp *udp)
{
  return udp->port;
}

void
rtsp_client_udp_set_peer (RtspClientUdp *udp, const NetAddress *source, const NetAddress *destination,
                          uint16_t rtp_port, uint16_t rtcp_port)
{
  udp->source = source ? *source : (NetAddress){0};
  udp->rtp.destination = udp->rtcp.destination = *destination;
  net_address_set_port (&udp->rtp.destination, rtp_port);
  net_address_set_port (&udp->rtcp.destination, rtcp_port);
}
