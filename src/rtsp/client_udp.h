/* SPDX-License-Identifier: Apache-2.0 */
/* The pair of UDP sockets of one track of an RTSP source: unicast or a multicast group, RTP put back in
 * order.
 *
 * Owner: one RTSP source, on its loop. Not to be freed inside its callbacks. */
#pragma once

#include "base/loop.h"
#include "base/net.h"

typedef struct RtspClientUdp RtspClientUdp;

/* @bytes are gone after the return. */
typedef struct {
  void (*on_arrival) (void *data, const uint8_t *bytes, size_t n_bytes, int64_t now_us); /* RTP as it came */
  void (*on_rtp) (void *data, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us); /* in order */
  void (*on_rtcp) (void *data, const uint8_t *bytes, size_t n_bytes, int64_t now_us);
  /* After one or more of the above; what was found since the last call. */
  void (*on_burst_end) (void *data, unsigned n_reordered, unsigned n_invalid);
} RtspClientUdpOps;

/* An even port and the next one on the address of @local. */
RtspClientUdp *rtsp_client_udp_new (Loop *loop, const NetAddress *local, unsigned reorder_ms,
                                    const RtspClientUdpOps *ops, void *data, GError **error);
/* Joins @group (its port is the RTP port) on the interface of @local. */
RtspClientUdp *rtsp_client_udp_new_multicast (Loop *loop, const NetAddress *local, const NetAddress *group,
                                              uint16_t rtcp_port, unsigned reorder_ms,
                                              const RtspClientUdpOps *ops, void *data, GError **error);
void rtsp_client_udp_free (RtspClientUdp *udp); /* NULL-safe */

uint16_t rtsp_client_udp_port (const RtspClientUdp *udp); /* of RTP */

/* Only packets from @source (any port) count from now on; NULL: from anybody. What we send goes to
 * @destination with these ports; a port of 0 sends nothing. */
void rtsp_client_udp_set_peer (RtspClientUdp *udp, const NetAddress *source, const NetAddress *destination,
                               uint16_t rtp_port, uint16_t rtcp_port);

/* An empty RTP packet that opens the way back through a NAT or a stateful firewall. */
void rtsp_client_udp_punch (RtspClientUdp *udp);
void rtsp_client_udp_send_rtcp (RtspClientUdp *udp, const uint8_t *bytes, size_t n_bytes);
