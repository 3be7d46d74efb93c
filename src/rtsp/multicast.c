/* SPDX-License-Identifier: Apache-2.0 */
/* Multicast: one sender a stream and network interface, shared by all sessions that asked for it. It lives on
 * the home loop of its stream, sends while somebody plays, and goes with its last session.
 *
 * Threads: the table and the reference counts are under the server's lock; the rest belongs to the home loop
 * and is reached by posts. Immutable after multicast_acquire(): address, ports, TTL. */
#include "base/error.h"
#include "base/log.h"
#include "rtsp/server-private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

struct RtspMulticast {
  RtspServer *server;
  RtspLoop *home;
  Stream *stream;
  TrackSet *set;
  char *key;
  unsigned n_sessions; /* server->lock */
  NetAddress group;    /* port of the first track */
  unsigned ttl;
  /* home loop */
  int fd;
  UdpSender *sender;
  Reader *reader;
  unsigned n_playing;
  uint32_t reported; /* bit a track */
  GList link;
};

/* --- addresses ---------------------------------------------------------------------------------------------
 */

/* "239.255.42.0/24": first address and how many, network and broadcast left out. */
static bool
parse_network (const char *text, uint32_t *ret_first, uint32_t *ret_count)
{
  g_auto (GStrv) parts = g_strsplit (text, "/", 2);
  struct in_addr network;
  guint64 bits = 32;
  if (!parts[0] || inet_pton (AF_INET, parts[0], &network) != 1)
    return false;
  if (parts[1] && !g_ascii_string_to_unsigned (parts[1], 10, 4, 32, &bits, NULL))
    return false;
  uint32_t size = bits == 32 ? 1 : (uint32_t)1 << (32 - bits);
  uint32_t first = ntohl (network.s_addr) & ~(size - 1);
  *ret_first = size > 2 ? first + 1 : first;
  *ret_count = size > 2 ? size - 2 : size;
  return true;
}

/* Under the lock. */
static bool
group_is_taken (RtspServer *server, uint32_t address)
{
  GHashTableIter iter;
  void *value;
  g_hash_table_iter_init (&iter, server->groups);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (ntohl (((RtspMulticast *)value)->group.in.sin_addr.s_addr) == address)
      return true;
  return false;
}

/* Under the lock. */
static bool
choose_group (RtspServer *server, const Settings *settings, NetAddress *ret, GError **error)
{
  uint32_t first, count;
  if (!parse_network (settings->rtsp_multicast_network, &first, &count)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
                 "rtsp.multicast_network: \"%s\" is no network", settings->rtsp_multicast_network);
    return false;
  }
  if (g_hash_table_size (server->groups) >= count) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT,
                 "rtsp.multicast_network: all %u addresses are taken", count);
    return false;
  }
  uint32_t address;
  do
    address = first + server->next_group++ % count;
  while (group_is_taken (server, address));
  *ret = (NetAddress){.len = sizeof ret->in,
                      .in = {.sin_family = AF_INET,
                             .sin_port = htons ((uint16_t)settings->rtsp_multicast_port),
                             .sin_addr.s_addr = htonl (address)}};
  return true;
}

static int
open_socket (const NetAddress *local, unsigned ttl, GError **error)
{
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int ttl_option = (int)ttl;
  if (fd >= 0 && setsockopt (fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl_option, sizeof ttl_option) == 0 &&
      setsockopt (fd, IPPROTO_IP, IP_MULTICAST_IF, &local->in.sin_addr, sizeof local->in.sin_addr) == 0)
    return fd;
  sluice_error_set_errno (error, errno, "multicast socket");
  if (fd >= 0)
    close (fd);
  return -1;
}

/* --- the sender, on its home loop --------------------------------------------------------------------------
 */

static NetAddress
track_address (const RtspMulticast *group, unsigned track, bool rtcp)
{
  NetAddress address = group->group;
  net_address_set_port (&address, (uint16_t)(net_address_port (&address) + 2 * track + rtcp));
  return address;
}

static void
on_batch (void *data, Batch *batch)
{
  RtspMulticast *group = data;
  if (batch->track >= group->set->n_tracks)
    return;
  if (!(group->reported & 1u << batch->track)) {
    uint8_t packet[RTCP_BUILD_BYTES];
    size_t n = report_build_first (group->reader, group->set, batch, packet);
    NetAddress to = track_address (group, batch->track, true);
    group->reported |= 1u << batch->track;
    if (n > 0)
      udp_sender_send (group->sender, NULL, &to, packet, n);
  }
  NetAddress to = track_address (group, batch->track, false);
  udp_sender_push_batch (group->sender, NULL, &to, batch);
  reader_account_sent (group->reader, batch, loop_now_us ());
}

typedef struct {
  RtspLoop *home;
  RtspMulticast *group; /* compared only */
} Closing;

static void
close_sessions (void *data)
{
  Closing *closing = data;
  GList *next;
  for (GList *link = closing->home->connections.head; link; link = next) {
    RtspConnection *c = link->data;
    next = link->next;
    if (c->session && c->session->multicast == closing->group)
      connection_close (c, "stream ended");
  }
  server_unref (closing->home->server);
  g_free (closing);
}

/* The sessions that share the reader are on all loops. */
static void
on_gone (void *data, ReaderGone why)
{
  RtspMulticast *group = data;
  RtspServer *server = group->server;
  reader_free (g_steal_pointer (&group->reader), "stream ended");
  for (unsigned i = 0; i < server->n_loops; i++) {
    Closing *closing = g_new (Closing, 1);
    *closing = (Closing){server->loops[i], group};
    server_ref (server);
    loop_post (server->loops[i]->loop, close_sessions, closing);
  }
}

static const ReaderOps reader_ops = {.on_batch = on_batch, .on_gone = on_gone};

static void
open_sender (void *data)
{
  RtspMulticast *group = data;
  group->link.data = group;
  g_queue_push_tail_link (&group->home->groups, &group->link);
  rtsp_loop_wake (group->home);
  group->sender = udp_sender_new (group->home->loop, group->fd, &group->server->udp_dropped);
  g_autofree char *peer = net_address_to_string (&group->group);
  ReaderInfo info = {.protocol = "rtsp", .transport = "multicast", .peer = peer};
  group->reader = reader_new (group->stream, group->home->loop, READER_PACKETS, &reader_ops, group, &info);
  reader_expect_tracks (group->reader, group->set);
  LOG (LOG_RTSP, LOG_INFO, "multicast-opened", (&(LogFields){.stream = stream_id (group->stream)}),
       "multicast to %s", peer);
}

static void
begin_playing (void *data)
{
  RtspMulticast *group = data;
  if (!group->reader)
    return;
  /* Nobody paces a group: what the cache holds would be more than the receivers' sockets do. */
  if (group->n_playing++ == 0)
    reader_start (group->reader, false);
  else
    /* Those who come later need a picture as well. */
    reader_request_keyframe (group->reader);
}

static void
end_playing (void *data)
{
  RtspMulticast *group = data;
  if (--group->n_playing == 0 && group->reader)
    reader_stop (group->reader);
}

static void
close_sender (void *data)
{
  RtspMulticast *group = data;
  LOG (LOG_RTSP, LOG_INFO, "multicast-closed", (&(LogFields){.stream = stream_id (group->stream)}),
       "the last session has left");
  g_queue_unlink (&group->home->groups, &group->link);
  if (group->reader)
    reader_free (group->reader, NULL);
  udp_sender_free (group->sender);
  close (group->fd);
  track_set_unref (group->set);
  stream_unref (group->stream);
  server_unref (group->server);
  g_free (group->key);
  g_free (group);
}

void
multicast_report (RtspMulticast *group, ReportRound *round)
{
  for (unsigned i = 0; group->reader && group->n_playing > 0 && i < group->set->n_tracks; i++) {
    GBytes *report = report_get (round, group->reader, group->set, i);
    NetAddress to = track_address (group, i, true);
    gsize n_bytes;
    const uint8_t *bytes = report ? g_bytes_get_data (report, &n_bytes) : NULL;
    if (bytes)
      udp_sender_send (group->sender, NULL, &to, bytes, n_bytes);
  }
}

/* --- for sessions, any loop --------------------------------------------------------------------------------
 */

RtspMulticast *
multicast_acquire (RtspServer *server, Stream *stream, TrackSet *set, const NetAddress *local,
                   const Settings *settings, GError **error)
{
  g_autofree char *host = net_address_host (local);
  g_autofree char *key = g_strdup_printf ("%s|%s", stream_id (stream), host);
  g_mutex_lock (&server->lock);
  RtspMulticast *group = g_hash_table_lookup (server->groups, key);
  NetAddress address;
  /* One whose stream has been made anew is on its way out. */
  if (group && group->stream == stream) {
    group->n_sessions++;
  } else if (group) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_BUSY, "the multicast of %s is being closed",
                 stream_id (stream));
    group = NULL;
  } else if (choose_group (server, settings, &address, error)) {
    int fd = open_socket (local, (unsigned)settings->rtsp_multicast_ttl, error);
    if (fd >= 0) {
      group = g_new0 (RtspMulticast, 1);
      group->server = server_ref (server);
      group->home = server_loop_for (server, stream_home (stream));
      group->stream = stream_ref (stream);
      group->set = track_set_ref (set);
      group->key = g_steal_pointer (&key);
      group->n_sessions = 1;
      group->group = address;
      group->ttl = (unsigned)settings->rtsp_multicast_ttl;
      group->fd = fd;
      g_hash_table_insert (server->groups, group->key, group);
      loop_post (group->home->loop, open_sender, group);
    }
  }
  g_mutex_unlock (&server->lock);
  return group;
}

void
multicast_play (RtspMulticast *group)
{
  loop_post (group->home->loop, begin_playing, group);
}

void
multicast_pause (RtspMulticast *group)
{
  loop_post (group->home->loop, end_playing, group);
}

void
multicast_release (RtspMulticast *group)
{
  RtspServer *server = group->server;
  g_mutex_lock (&server->lock);
  bool last = --group->n_sessions == 0;
  if (last) {
    g_hash_table_remove (server->groups, group->key);
    loop_post (group->home->loop, close_sender, group);
  }
  g_mutex_unlock (&server->lock);
}

void
multicast_describe (const RtspMulticast *group, unsigned track, RtspTransport *ret)
{
  NetAddress address = track_address (group, track, false);
  g_autofree char *host = net_address_host (&address);
  g_strlcpy (ret->destination, host, sizeof ret->destination);
  ret->port[0] = net_address_port (&address);
  ret->port[1] = (uint16_t)(ret->port[0] + 1);
  ret->has_port = true;
  ret->ttl = group->ttl;
  ret->has_client_port = ret->has_server_port = ret->has_interleaved = false;
}
