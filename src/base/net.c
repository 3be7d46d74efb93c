/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and sockets. IPv4-mapped IPv6 addresses appear on dual-stack sockets; whatever compares or prints
 * addresses treats them as the IPv4 addresses they are. */
#include "base/net.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
  HOST_TEXT_MAX = INET6_ADDRSTRLEN + 1 + IF_NAMESIZE,
  UDP_PAIR_TRIES = 128, /* how often a pair is tried before giving up on the kernel's range */
};

/* --- addresses ---------------------------------------------------------------------------------------------
 */

static bool
parse_port (const char *text, uint16_t *ret)
{
  guint64 port;
  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT16, &port, NULL))
    return false;
  *ret = (uint16_t)port;
  return true;
}

static bool
parse_host (const char *host, NetAddress *ret)
{
  NetAddress address = {0};
  if (inet_pton (AF_INET, host, &address.in.sin_addr) == 1) {
    address.in.sin_family = AF_INET;
    address.len = sizeof address.in;
    *ret = address;
    return true;
  }

  g_auto (GStrv) parts = g_strsplit (host, "%", 2);
  if (!parts[0] || inet_pton (AF_INET6, parts[0], &address.in6.sin6_addr) != 1)
    return false;
  if (parts[1]) {
    address.in6.sin6_scope_id = if_nametoindex (parts[1]);
    if (!address.in6.sin6_scope_id)
      return false;
  }
  address.in6.sin6_family = AF_INET6;
  address.len = sizeof address.in6;
  *ret = address;
  return true;
}

bool
net_address_parse (const char *text, NetAddress *ret, GError **error)
{
  g_autofree char *host = NULL;
  const char *port_text = text;
  if (text[0] == '[') {
    const char *end = strchr (text, ']');
    if (end && end[1] == ':') {
      host = g_strndup (text + 1, (size_t)(end - text - 1));
      port_text = end + 2;
    }
  } else {
    const char *colon = strrchr (text, ':');
    if (colon) {
      host = g_strndup (text, (size_t)(colon - text));
      port_text = colon + 1;
    }
  }

  uint16_t port;
  NetAddress address;
  bool bracketed = text[0] == '[';
  bool any = !bracketed && (!host || host[0] == '\0');
  if (!parse_port (port_text, &port) ||
      !parse_host (any    ? "::"
                   : host ? host
                          : "",
                   &address) ||
      (!any && bracketed != (address.sa.sa_family == AF_INET6))) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
                 "\"%s\" is not an address and port such as 127.0.0.1:8554, [::1]:8554 or :8554", text);
    return false;
  }
  net_address_set_port (&address, port);
  *ret = address;
  return true;
}

static bool
is_mapped (const NetAddress *address)
{
  return address->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED (&address->in6.sin6_addr);
}

void
net_address_unmap (NetAddress *address)
{
  if (!is_mapped (address))
    return;
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = address->in6.sin6_port};
  memcpy (&in.sin_addr, &address->in6.sin6_addr.s6_addr[12], sizeof in.sin_addr);
  memset (&address->storage, 0, sizeof address->storage);
  address->in = in;
  address->len = sizeof in;
}

char *
net_address_host (const NetAddress *address)
{
  NetAddress plain = *address;
  net_address_unmap (&plain);
  char text[HOST_TEXT_MAX + 1] = "";
  if (plain.sa.sa_family == AF_INET) {
    inet_ntop (AF_INET, &plain.in.sin_addr, text, sizeof text);
  } else if (plain.sa.sa_family == AF_INET6) {
    inet_ntop (AF_INET6, &plain.in6.sin6_addr, text, sizeof text);
    char interface[IF_NAMESIZE];
    if (plain.in6.sin6_scope_id && if_indextoname (plain.in6.sin6_scope_id, interface)) {
      g_strlcat (text, "%", sizeof text);
      g_strlcat (text, interface, sizeof text);
    }
  } else {
    g_strlcpy (text, "local", sizeof text);
  }
  return g_strdup (text);
}

char *
net_address_to_string (const NetAddress *address)
{
  g_autofree char *host = net_address_host (address);
  if (strchr (host, ':'))
    return g_strdup_printf ("[%s]:%u", host, net_address_port (address));
  return g_strdup_printf ("%s:%u", host, net_address_port (address));
}

uint16_t
net_address_port (const NetAddress *address)
{
  if (address->sa.sa_family == AF_INET)
    return ntohs (address->in.sin_port);
  if (address->sa.sa_family == AF_INET6)
    return ntohs (address->in6.sin6_port);
  return 0;
}

void
net_address_set_port (NetAddress *address, uint16_t port)
{
  if (address->sa.sa_family == AF_INET)
    address->in.sin_port = htons (port);
  else if (address->sa.sa_family == AF_INET6)
    address->in6.sin6_port = htons (port);
}

bool
net_address_same_host (const NetAddress *a, const NetAddress *b)
{
  NetAddress x = *a;
  NetAddress y = *b;
  net_address_unmap (&x);
  net_address_unmap (&y);
  if (x.sa.sa_family != y.sa.sa_family)
    return false;
  if (x.sa.sa_family == AF_INET)
    return x.in.sin_addr.s_addr == y.in.sin_addr.s_addr;
  if (x.sa.sa_family == AF_INET6)
    return IN6_ARE_ADDR_EQUAL (&x.in6.sin6_addr, &y.in6.sin6_addr) &&
           x.in6.sin6_scope_id == y.in6.sin6_scope_id;
  return false;
}

bool
net_address_equal (const NetAddress *a, const NetAddress *b)
{
  return net_address_port (a) == net_address_port (b) && net_address_same_host (a, b);
}

bool
net_address_is_loopback (const NetAddress *address)
{
  NetAddress plain = *address;
  net_address_unmap (&plain);
  if (plain.sa.sa_family == AF_INET)
    return ntohl (plain.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  return plain.sa.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK (&plain.in6.sin6_addr);
}

bool
net_address_is_multicast (const NetAddress *address)
{
  NetAddress plain = *address;
  net_address_unmap (&plain);
  if (plain.sa.sa_family == AF_INET)
    return IN_MULTICAST (ntohl (plain.in.sin_addr.s_addr));
  return plain.sa.sa_family == AF_INET6 && IN6_IS_ADDR_MULTICAST (&plain.in6.sin6_addr);
}

/* --- sockets -----------------------------------------------------------------------------------------------
 */

static void
set_bind_error (GError **error, int failure, const NetAddress *address)
{
  g_autofree char *text = net_address_to_string (address);
  switch (failure) {
  case EADDRINUSE:
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_BUSY,
                 "%s: address already in use: another program listens there", text);
    break;
  case EADDRNOTAVAIL:
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
                 "%s: no network interface of this machine has this address", text);
    break;
  case EACCES:
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_FORBIDDEN,
                 "%s: permission denied: ports below 1024 need the capability CAP_NET_BIND_SERVICE", text);
    break;
  default:
    sluice_error_set_errno (error, failure, text);
  }
}

static bool
is_wildcard6 (const NetAddress *address)
{
  return address->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED (&address->in6.sin6_addr);
}

static void
set_option (int fd, int level, int name, int value)
{
  (void)setsockopt (fd, level, name, &value, sizeof value);
}

/* A socket bound to @address; the errno when it cannot be had. */
static int
bind_once (const NetAddress *address, int type, int *ret_fd)
{
  int fd = socket (address->sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return errno;
  if (address->sa.sa_family == AF_INET6)
    set_option (fd, IPPROTO_IPV6, IPV6_V6ONLY, !is_wildcard6 (address));
  /* A restarted server gets its port at once; several receivers share a multicast port, and those of GLib set
   * the other option only. */
  bool multicast = net_address_is_multicast (address);
  if (type == SOCK_STREAM || multicast)
    set_option (fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (multicast)
    set_option (fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (bind (fd, &address->sa, address->len) < 0) {
    int failure = errno;
    close (fd);
    return failure;
  }
  *ret_fd = fd;
  return 0;
}

static int
bind_socket (const NetAddress *address, int type, GError **error)
{
  int fd = -1;
  int failure = bind_once (address, type, &fd);
  if ((failure == EAFNOSUPPORT || failure == EADDRNOTAVAIL) && is_wildcard6 (address)) {
    /* A kernel without IPv6. */
    NetAddress any4 = {.len = sizeof any4.in, .in = {.sin_family = AF_INET}};
    net_address_set_port (&any4, net_address_port (address));
    failure = bind_once (&any4, type, &fd);
  }
  if (failure) {
    set_bind_error (error, failure, address);
    return -1;
  }
  return fd;
}

int
net_listen_tcp (const NetAddress *address, int backlog, GError **error)
{
  int fd = bind_socket (address, SOCK_STREAM, error);
  if (fd < 0)
    return -1;
  if (listen (fd, backlog) < 0) {
    set_bind_error (error, errno, address);
    close (fd);
    return -1;
  }
  return fd;
}

int
net_bind_udp (const NetAddress *address, GError **error)
{
  return bind_socket (address, SOCK_DGRAM, error);
}

static int
bind_port (const NetAddress *host, uint16_t port, int *ret_fd)
{
  NetAddress address = *host;
  net_address_set_port (&address, port);
  return bind_once (&address, SOCK_DGRAM, ret_fd);
}

/* 0, or the errno that stands in the way. @port 0 lets the kernel choose either end of a pair. */
static int
try_pair (const NetAddress *host, uint16_t port, int *ret_rtp, int *ret_rtcp, uint16_t *ret_port)
{
  int first = -1;
  int failure = bind_port (host, port, &first);
  if (failure)
    return failure;
  NetAddress bound;
  if (!net_local_address (first, &bound)) {
    close (first);
    return EADDRINUSE;
  }
  uint16_t first_port = net_address_port (&bound);
  int second = -1;
  failure = bind_port (host, first_port ^ 1, &second);
  if (failure) {
    close (first);
    return failure;
  }
  bool first_is_rtp = first_port % 2 == 0;
  *ret_rtp = first_is_rtp ? first : second;
  *ret_rtcp = first_is_rtp ? second : first;
  *ret_port = first_port & ~1;
  return 0;
}

bool
net_bind_udp_pair (const NetAddress *host, uint16_t min, uint16_t max, int *ret_rtp, int *ret_rtcp,
                   uint16_t *ret_port, GError **error)
{
  unsigned first = (min + 1U) & ~1U;
  unsigned n_pairs = !min ? UDP_PAIR_TRIES : max > first ? (max - first + 1) / 2 : 0;
  /* Starting anywhere keeps a fresh session away from late packets of the one before. */
  unsigned start = 0;
  if (min && n_pairs && getrandom (&start, sizeof start, 0) == sizeof start)
    start %= n_pairs;
  int failure = EADDRINUSE;
  for (unsigned i = 0; i < n_pairs; i++) {
    unsigned port = min ? first + 2 * ((start + i) % n_pairs) : 0;
    failure = try_pair (host, (uint16_t)port, ret_rtp, ret_rtcp, ret_port);
    if (!failure)
      return true;
    if (failure != EADDRINUSE && failure != EACCES)
      break;
  }
  if (failure == EADDRINUSE && min)
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT, "no free pair of UDP ports between %u and %u", min,
                 max);
  else
    set_bind_error (error, failure, host);
  return false;
}

bool
net_local_address (int fd, NetAddress *ret)
{
  NetAddress address = {.len = sizeof address.storage};
  if (getsockname (fd, &address.sa, &address.len) < 0)
    return false;
  *ret = address;
  return true;
}

bool
net_peer_address (int fd, NetAddress *ret)
{
  NetAddress address = {.len = sizeof address.storage};
  if (getpeername (fd, &address.sa, &address.len) < 0)
    return false;
  *ret = address;
  return true;
}
