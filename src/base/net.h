/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and sockets: parsing, printing, non-blocking sockets with sane options. Any thread. */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

typedef struct {
  socklen_t len;
  union {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_storage storage;
  };
} NetAddress;

/* "127.0.0.1:8554", "[::1]:8554", ":8554" (every address, IPv4 and IPv6), "8554" (the same). Literals only,
 * no names. */
bool net_address_parse (const char *text, NetAddress *ret, GError **error);
/* "127.0.0.1:8554" or "[::1]:8554"; IPv4-mapped IPv6 addresses print as IPv4. (transfer full) */
char *net_address_to_string (const NetAddress *address);
char *net_address_host (const NetAddress *address); /* without the port. (transfer full) */
uint16_t net_address_port (const NetAddress *address);
void net_address_set_port (NetAddress *address, uint16_t port);
bool net_address_equal (const NetAddress *a, const NetAddress *b);     /* with the port */
bool net_address_same_host (const NetAddress *a, const NetAddress *b); /* without it; mapped = IPv4 */
bool net_address_is_loopback (const NetAddress *address);
bool net_address_is_multicast (const NetAddress *address);
/* Turns ::ffff:a.b.c.d into a.b.c.d in place. */
void net_address_unmap (NetAddress *address);

/* Bound non-blocking close-on-exec sockets; -1 and @error ("0.0.0.0:8554: address already in use: another
 * program listens there; choose another port with KEY" - the caller adds KEY). IPv6 wildcard sockets also
 * serve IPv4. */
int net_listen_tcp (const NetAddress *address, int backlog, GError **error);
int net_bind_udp (const NetAddress *address, GError **error);
/* An even port and the odd one above (RFC 3550 §11) out of [min, max]; min 0: the kernel's range. */
bool net_bind_udp_pair (const NetAddress *host, uint16_t min, uint16_t max, int *ret_rtp, int *ret_rtcp,
                        uint16_t *ret_port, GError **error);
bool net_local_address (int fd, NetAddress *ret);
bool net_peer_address (int fd, NetAddress *ret);
