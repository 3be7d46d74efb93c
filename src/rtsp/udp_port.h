/* SPDX-License-Identifier: Apache-2.0 */
/* UDP of the RTSP server: a pair of sockets for RTP and RTCP on one I/O loop, shared by all sessions there.
 *
 * Sending: what all sessions push during one turn of the loop leaves in one sendmmsg(2) whose messages are
 * GSO batches (UDP_SEGMENT) straight out of the shared slabs. Nothing blocks: what a full socket does not
 *          take is dropped and counted.
 * Receiving: packets are told apart by where they come from; unknown senders are ignored.
 * Everything on the loop. */
#pragma once

#include "base/loop.h"
#include "base/net.h"
#include "stream/batch.h"

#include <stdatomic.h>

/* --- udp_sender.c --- */

typedef struct UdpSender UdpSender;

/* On a socket of the caller's. @dropped is counted up. */
UdpSender *udp_sender_new (Loop *loop, int fd, atomic_uint_fast64_t *dropped);
void udp_sender_free (UdpSender *sender); /* NULL-safe; sends what waits */
/* @from: the local address that the peer knows us by, so that a host with several sends from the right one;
 * NULL: the kernel chooses. */
void udp_sender_push_batch (UdpSender *sender, const NetAddress *from, const NetAddress *to, Batch *batch);
/* One packet, now. */
void udp_sender_send (UdpSender *sender, const NetAddress *from, const NetAddress *to, const uint8_t *bytes,
                      size_t n_bytes);
/* For tests: messages refused with GSO and sent plainly so far. */
uint64_t udp_sender_fallbacks (const UdpSender *sender);

/* --- udp_port.c --- */

typedef struct UdpPort UdpPort;
typedef struct UdpPeer UdpPeer;

typedef struct {
  void (*on_packet) (void *data, bool rtcp, const uint8_t *bytes, size_t n_bytes, int64_t now_us);
  void (*on_burst_end) (void *data); /* once a read of the socket, after on_packet */
} UdpPeerOps;

/* @min 0: any free ports. */
UdpPort *udp_port_new (Loop *loop, uint16_t min, uint16_t max, atomic_uint_fast64_t *dropped, GError **error);
void udp_port_free (UdpPort *port);             /* NULL-safe; peers must be gone */
uint16_t udp_port_number (const UdpPort *port); /* of RTP; RTCP is the next */
UdpSender *udp_port_sender (UdpPort *port, bool rtcp);

/* Packets from @address are @data's from now on, also when they were somebody else's before. */
UdpPeer *udp_port_add_peer (UdpPort *port, bool rtcp, const NetAddress *address, const UdpPeerOps *ops,
                            void *data);
void udp_port_remove_peer (UdpPort *port, UdpPeer *peer); /* NULL-safe */
