/* SPDX-License-Identifier: Apache-2.0 */
/* Multicast: sessions of one stream share a group and one sender, which goes with the last of them; each
 * stream has a group of its own. Everything stays on the loopback interface. */
#include "server-fixture.h"

#include "rtp/rtcp.h"
#include "rtsp/transport.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void
setup_multicast (Fixture *f, int fd, const char *path, RtspTransport *ret, char **ret_session)
{
  g_autofree char *track = g_strdup_printf ("%s/trackID=0", path);
  g_autofree char *answer = client_ask (f, fd, "SETUP", track, "Transport: RTP/AVP;multicast\r\n");
  g_assert_cmpuint (status_of (answer), ==, 200);
  g_autofree char *transport = field_of (answer, "Transport");
  g_autofree char *id = field_of (answer, "Session");
  RtspTransport found[RTSP_TRANSPORT_MAX_ALTERNATIVES];
  g_assert_cmpuint (rtsp_transport_parse (transport, found), ==, 1);
  *ret = found[0];
  *ret_session = g_strdup_printf ("Session: %.32s\r\n", id);
}

static int
join (const char *group, uint16_t port)
{
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons (port)};
  struct ip_mreq membership = {.imr_interface.s_addr = htonl (INADDR_LOOPBACK)};
  g_assert_cmpint (inet_pton (AF_INET, group, &address.sin_addr), ==, 1);
  membership.imr_multiaddr = address.sin_addr;
  g_assert_cmpint (bind (fd, (struct sockaddr *)&address, sizeof address), ==, 0);
  g_assert_cmpint (setsockopt (fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership), ==, 0);
  return fd;
}

typedef struct {
  Fixture *f;
  int fd, publisher;
  uint16_t sequence;
  uint8_t packet[1500];
} Listening;

/* Sends frames until one arrives: only what comes after the join can. */
static bool
received (void *data)
{
  Listening *l = data;
  l->sequence++;
  publisher_send_video (l->publisher, l->sequence, 3600u * l->sequence, l->sequence % 4 == 0);
  struct pollfd waiting = {.fd = l->fd, .events = POLLIN};
  return poll (&waiting, 1, 5) == 1 && recv (l->fd, l->packet, sizeof l->packet, 0) > 0;
}

static bool
has_no_readers (void *data)
{
  Fixture *f = data;
  g_autoptr (StreamStatus) status = registry_get_status (f->registry, "live");
  return status && status->readers->len == 0;
}

static void
test_shared (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  RtspTransport transports[3];
  char *sessions[3];
  int players[3];
  Listening l = {.f = &f, .publisher = publisher_open (&f, "live")};
  int other = publisher_open (&f, "other");
  for (unsigned i = 0; i < 3; i++) {
    players[i] = client_connect (&f);
    setup_multicast (&f, players[i], i < 2 ? "live" : "other", &transports[i], &sessions[i]);
    g_assert_true (transports[i].multicast && transports[i].has_port && transports[i].ttl == 16);
    g_assert_true (g_str_has_prefix (transports[i].destination, "239.255.42."));
  }
  g_assert_cmpstr (transports[0].destination, ==, transports[1].destination);
  g_assert_cmpstr (transports[0].destination, !=, transports[2].destination);
  l.fd = join (transports[0].destination, transports[0].port[0]);
  int rtcp = join (transports[0].destination, transports[0].port[1]);
  for (unsigned i = 0; i < 2; i++) {
    g_autofree char *answer = client_ask (&f, players[i], "PLAY", "live", sessions[i]);
    g_assert_cmpuint (status_of (answer), ==, 200);
  }
  fixture_wait (&f, received, &l);
  g_assert_cmpuint (l.packet[1] & 0x7f, ==, 96);
  uint8_t report[1500];
  g_assert_cmpint (recv (rtcp, report, sizeof report, 0), >, 0);
  g_assert_cmpuint (report[1], ==, RTCP_SENDER_REPORT);

  g_autoptr (StreamStatus) status = registry_get_status (f.registry, "live");
  g_assert_cmpuint (status->readers->len, ==, 1);
  g_assert_cmpstr (((ReaderStatus *)status->readers->pdata[0])->transport, ==, "multicast");
  g_autofree char *teardown = client_ask (&f, players[0], "TEARDOWN", "live", sessions[0]);
  g_assert_cmpuint (status_of (teardown), ==, 200);
  fixture_wait (&f, received, &l);
  close (players[1]);
  fixture_wait (&f, has_no_readers, &f);

  for (unsigned i = 0; i < 3; i++)
    g_free (sessions[i]);
  close (players[0]);
  close (players[2]);
  close (l.fd);
  close (rtcp);
  close (l.publisher);
  close (other);
  fixture_close (&f);
}

int
main (int argc, char **argv)
{
  gst_init (NULL, NULL);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtsp/server/multicast", test_shared);
  return g_test_run ();
}
