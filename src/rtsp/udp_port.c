/* SPDX-License-Identifier: Apache-2.0 */
/* The socket pair of one loop and the table of who sends to it: see udp_port.h. */
#include "rtsp/udp_port.h"

#include "base/error.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
  PACKETS_PER_READ = 32,
  PACKET_ROOM = LOOP_SCRATCH_BYTES / PACKETS_PER_READ, /* larger ones are dropped */
  READS_PER_TURN = 16,
  SEND_BUFFER_BYTES = 4 * 1024 * 1024,
  RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024,
};

/* Who a packet is from: address in its IPv6 form, port, and which of the two sockets. */
typedef struct {
  struct in6_addr host;
  uint16_t port;
  uint16_t rtcp;
} PeerKey;

struct UdpPeer {
  PeerKey key;
  const UdpPeerOps *ops;
  void *data;
  bool burst; /* has got packets in this read */
};

typedef struct {
  UdpPort *port;
  int fd;
  bool rtcp;
  LoopPoll *poll;
  UdpSender *sender;
} Side;

struct UdpPort {
  Loop *loop;
  uint16_t number;
  Side sides[2];
  GHashTable *peers; /* PeerKey -> UdpPeer */
};

static guint
hash_key (gconstpointer data)
{
  const uint8_t *bytes = data;
  guint hash = 2166136261u;
  for (size_t i = 0; i < sizeof (PeerKey); i++)
    hash = (hash ^ bytes[i]) * 16777619u;
  return hash;
}

static gboolean
equal_keys (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (PeerKey)) == 0;
}

static PeerKey
make_key (const NetAddress *address, bool rtcp)
{
  PeerKey key = {.rtcp = rtcp};
  if (address->sa.sa_family == AF_INET6) {
    key.host = address->in6.sin6_addr;
    key.port = address->in6.sin6_port;
  } else {
    key.host.s6_addr[10] = key.host.s6_addr[11] = 0xff;
    memcpy (&key.host.s6_addr[12], &address->in.sin_addr, 4);
    key.port = address->in.sin_port;
  }
  return key;
}

static void
deliver (Side *side, struct mmsghdr *messages, NetAddress *from, unsigned n_messages, int64_t now_us)
{
  /* A peer's callback may end its session: peers are looked up again each time. */
  for (unsigned i = 0; i < n_messages; i++) {
    from[i].len = messages[i].msg_hdr.msg_namelen;
    PeerKey key = make_key (&from[i], side->rtcp);
    UdpPeer *peer = g_hash_table_lookup (side->port->peers, &key);
    if (!peer || (messages[i].msg_hdr.msg_flags & MSG_TRUNC))
      continue;
    peer->burst = true;
    peer->ops->on_packet (peer->data, side->rtcp, messages[i].msg_hdr.msg_iov->iov_base, messages[i].msg_len,
                          now_us);
  }
  for (unsigned i = 0; i < n_messages; i++) {
    PeerKey key = make_key (&from[i], side->rtcp);
    UdpPeer *peer = g_hash_table_lookup (side->port->peers, &key);
    if (peer && peer->burst) {
      peer->burst = false;
      if (peer->ops->on_burst_end)
        peer->ops->on_burst_end (peer->data);
    }
  }
}

static void
on_readable (void *data, unsigned events)
{
  Side *side = data;
  uint8_t *scratch = loop_scratch (side->port->loop);
  for (unsigned round = 0; round < READS_PER_TURN; round++) {
    struct mmsghdr messages[PACKETS_PER_READ];
    struct iovec iov[PACKETS_PER_READ];
    NetAddress from[PACKETS_PER_READ];
    for (unsigned i = 0; i < PACKETS_PER_READ; i++) {
      iov[i] = (struct iovec){scratch + i * PACKET_ROOM, PACKET_ROOM};
      messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &from[i].storage,
                                                 .msg_namelen = sizeof from[i].storage,
                                                 .msg_iov = &iov[i],
                                                 .msg_iovlen = 1}};
    }
    int n = recvmmsg (side->fd, messages, PACKETS_PER_READ, MSG_DONTWAIT, NULL);
    if (n <= 0)
      return;
    deliver (side, messages, from, (unsigned)n, loop_now_us ());
    if (n < PACKETS_PER_READ)
      return;
  }
}

static void
enlarge (int fd, int force, int plain, int n_bytes)
{
  /* Past the system's limit only with CAP_NET_ADMIN. */
  if (setsockopt (fd, SOL_SOCKET, force, &n_bytes, sizeof n_bytes) < 0)
    (void)setsockopt (fd, SOL_SOCKET, plain, &n_bytes, sizeof n_bytes);
}

static bool
bind_pair (UdpPort *port, uint16_t min, uint16_t max, GError **error)
{
  g_autoptr (GError) v6_error = NULL;
  NetAddress any = {.len = sizeof any.in6, .in6 = {.sin6_family = AF_INET6}};
  if (net_bind_udp_pair (&any, min, max, &port->sides[0].fd, &port->sides[1].fd, &port->number, &v6_error))
    return true;
  /* A host without IPv6. */
  any = (NetAddress){.len = sizeof any.in, .in = {.sin_family = AF_INET}};
  return net_bind_udp_pair (&any, min, max, &port->sides[0].fd, &port->sides[1].fd, &port->number, error);
}

UdpPort *
udp_port_new (Loop *loop, uint16_t min, uint16_t max, atomic_uint_fast64_t *dropped, GError **error)
{
  UdpPort *port = g_new0 (UdpPort, 1);
  port->loop = loop;
  port->peers = g_hash_table_new (hash_key, equal_keys);
  port->sides[0].fd = port->sides[1].fd = -1;
  bool ok = bind_pair (port, min, max, error);
  for (unsigned i = 0; ok && i < 2; i++) {
    Side *side = &port->sides[i];
    side->port = port;
    side->rtcp = i == 1;
    enlarge (side->fd, SO_SNDBUFFORCE, SO_SNDBUF, SEND_BUFFER_BYTES);
    enlarge (side->fd, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
    side->sender = udp_sender_new (loop, side->fd, dropped);
    side->poll = loop_poll_new (loop, side->fd, on_readable, side, error);
    ok = side->poll != NULL;
    if (ok)
      loop_poll_set (side->poll, LOOP_READ);
  }
  if (!ok)
    g_clear_pointer (&port, udp_port_free);
  return port;
}

void
udp_port_free (UdpPort *port)
{
  if (!port)
    return;
  for (unsigned i = 0; i < 2; i++) {
    udp_sender_free (port->sides[i].sender);
    loop_poll_free (port->sides[i].poll);
    if (port->sides[i].fd >= 0)
      close (port->sides[i].fd);
  }
  g_hash_table_unref (port->peers);
  g_free (port);
}

uint16_t
udp_port_number (const UdpPort *port)
{
  return port->number;
}

UdpSender *
udp_port_sender (UdpPort *port, bool rtcp)
{
  return port->sides[rtcp].sender;
}

UdpPeer *
udp_port_add_peer (UdpPort *port, bool rtcp, const NetAddress *address, const UdpPeerOps *ops, void *data)
{
  UdpPeer *peer = g_new0 (UdpPeer, 1);
  peer->key = make_key (address, rtcp);
  peer->ops = ops;
  peer->data = data;
  g_hash_table_replace (port->peers, &peer->key, peer);
  return peer;
}

void
udp_port_remove_peer (UdpPort *port, UdpPeer *peer)
{
  if (!peer)
    return;
  if (g_hash_table_lookup (port->peers, &peer->key) == peer)
    g_hash_table_remove (port->peers, &peer->key);
  g_free (peer);
}
