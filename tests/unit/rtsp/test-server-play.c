/* SPDX-License-Identifier: Apache-2.0 */
/* Media through the server: what a publisher sends arrives at players, over TCP and UDP; reports; players
 * that stop reading; publishers that go and come. */
#include "server-fixture.h"

#include "rtp/rtcp.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void
ask_ok (Fixture *f, int fd, const char *method, const char *path, const char *fields)
{
  g_autofree char *answer = client_ask (f, fd, method, path, fields);
  if (status_of (answer) != 200)
    g_error ("%s: %s", method, answer);
}

static uint16_t
sequence_of (const uint8_t *packet)
{
  return (uint16_t)(packet[2] << 8 | packet[3]);
}

/* The next RTP packet on @channel; sender reports on the next one are counted. */
static void
receive_rtp (Fixture *f, int fd, const char *channel, GByteArray *ret, unsigned *reports)
{
  g_autofree char *got = NULL;
  do {
    g_free (got);
    got = client_receive (f, fd, ret);
    g_assert_nonnull (got);
    g_assert_true (*got == '$');
    if (ret->len > 1 && ret->data[1] == RTCP_SENDER_REPORT && reports)
      ++*reports;
  } while (!g_str_has_prefix (got, channel));
}

static void
test_tcp (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  int publisher = publisher_open (&f, "live");
  publisher_send_video (publisher, 100, 1000, true);
  publisher_send_audio (publisher, 7, 80);
  publisher_send_video (publisher, 101, 4600, false);
  int fd = client_connect (&f);
  g_autofree char *session = player_setup (&f, fd, "live", "RTP/AVP/TCP;unicast;interleaved=4-5");
  g_autofree char *answer = client_ask (&f, fd, "PLAY", "live", session);
  g_autofree char *info = field_of (answer, "RTP-Info");
  g_autoptr (GByteArray) packet = g_byte_array_new ();
  unsigned reports = 0;
  receive_rtp (&f, fd, "$4 ", packet, &reports);
  g_assert_cmpuint (packet->data[12], ==, 0x65);
  g_assert_cmpuint (reports, ==, 1);
  g_autofree char *sequence = g_strdup_printf ("trackID=0;seq=%u;", sequence_of (packet->data));
  g_assert_nonnull (info);
  g_assert_nonnull (strstr (info, sequence));
  uint16_t first = sequence_of (packet->data);
  receive_rtp (&f, fd, "$4 ", packet, NULL);
  g_assert_cmpuint (sequence_of (packet->data), ==, (uint16_t)(first + 1));
  g_assert_cmpuint (packet->data[12], ==, 0x41);
  /* PAUSE: nothing more but the answer; PLAY: from the key frame on again. */
  ask_ok (&f, fd, "PAUSE", "live", session);
  publisher_send_video (publisher, 102, 8200, false);
  ask_ok (&f, fd, "PLAY", "live", session);
  receive_rtp (&f, fd, "$4 ", packet, NULL);
  g_assert_cmpuint (packet->data[12], ==, 0x65);
  /* Other channels meanwhile. */
  ask_ok (&f, fd, "PAUSE", "live", session);
  g_autofree char *fields =
      g_strdup_printf ("%sTransport: RTP/AVP/TCP;unicast;interleaved=10-11\r\n", session);
  ask_ok (&f, fd, "SETUP", "live/trackID=0", fields);
  ask_ok (&f, fd, "PLAY", "live", session);
  receive_rtp (&f, fd, "$10 ", packet, NULL);
  ask_ok (&f, fd, "TEARDOWN", "live", session);
  close (fd);
  close (publisher);
  fixture_close (&f);
}

static void
configure_one_reader (Settings *settings)
{
  SettingsPermission *permission = g_new0 (SettingsPermission, 1);
  permission->actions = ACTION_ALL;
  permission->path = g_strdup ("*");
  g_ptr_array_add (settings->anonymous, permission);
  settings->defaults->max_readers = 1;
}

/* Who has only looked at a stream and publishes another one is no reader any more. */
static void
test_announce_after_describe (void)
{
  static const char sdp[] = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n";
  Fixture f;
  fixture_open (&f, configure_one_reader);
  int publisher = publisher_open (&f, "live");
  int fd = client_connect (&f);
  ask_ok (&f, fd, "DESCRIBE", "live", "");
  int reader = client_connect (&f);
  g_autofree char *full = client_ask (&f, reader, "DESCRIBE", "live", "");
  g_assert_cmpuint (status_of (full), !=, 200);
  g_autofree char *announce =
      g_strdup_printf ("ANNOUNCE rtsp://h/other RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       strlen (sdp), sdp);
  client_send (fd, announce);
  g_autofree char *announced = client_receive_message (&f, fd);
  g_assert_cmpuint (status_of (announced), ==, 200);
  ask_ok (&f, reader, "DESCRIBE", "live", "");
  close (reader);
  close (fd);
  close (publisher);
  fixture_close (&f);
}

/* Any subset of the tracks: only what was SETUP arrives. */
static void
test_subset (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  int publisher = publisher_open (&f, "live");
  int fd = client_connect (&f);
  g_autofree char *setup =
      client_ask (&f, fd, "SETUP", "live/trackID=1", "Transport: RTP/AVP/TCP;interleaved=8-9\r\n");
  g_autofree char *id = field_of (setup, "Session");
  g_autofree char *session = g_strdup_printf ("Session: %.32s\r\n", id);
  ask_ok (&f, fd, "PLAY", "live", session);
  g_autoptr (GByteArray) packet = g_byte_array_new ();
  for (uint16_t i = 0; i < 20; i++) {
    publisher_send_video (publisher, i, 3600u * i, i == 0);
    publisher_send_audio (publisher, i, 160u * i);
  }
  for (unsigned i = 0; i < 10; i++) {
    g_autofree char *got = client_receive (&f, fd, packet);
    g_assert_true (g_str_has_prefix (got, "$8 ") || g_str_has_prefix (got, "$9 "));
  }
  close (fd);
  close (publisher);
  fixture_close (&f);
}

/* --- UDP --------------------------------------------------------------------------------------------------
 */

typedef struct {
  int rtp, rtcp;
  uint16_t port;
  uint16_t server_port;
} UdpClient;

static void
udp_open (UdpClient *udp)
{
  NetAddress host = {.len = sizeof host.in,
                     .in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)}};
  g_autoptr (GError) error = NULL;
  g_assert_true (net_bind_udp_pair (&host, 0, 0, &udp->rtp, &udp->rtcp, &udp->port, &error));
}

static void
udp_learn_server (UdpClient *udp, const char *answer)
{
  const char *found = strstr (answer, "server_port=");
  g_assert_nonnull (found);
  udp->server_port = (uint16_t)g_ascii_strtoull (found + strlen ("server_port="), NULL, 10);
}

static void
udp_send (UdpClient *udp, bool rtcp, const uint8_t *bytes, size_t n_bytes)
{
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons ((uint16_t)(udp->server_port + rtcp)),
                           .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
  g_assert_cmpint (sendto (rtcp ? udp->rtcp : udp->rtp, bytes, n_bytes, 0, (struct sockaddr *)&to, sizeof to),
                   ==, (ssize_t)n_bytes);
}

static size_t
udp_receive (Fixture *f, int fd, uint8_t ret[1500])
{
  int64_t deadline = g_get_monotonic_time () + FIXTURE_DEADLINE_MS * 1000;
  while (true) {
    while (g_main_context_iteration (NULL, FALSE))
      continue;
    ssize_t n = recv (fd, ret, 1500, MSG_DONTWAIT);
    if (n > 0)
      return (size_t)n;
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    g_usleep (500);
  }
}

static void
udp_close (UdpClient *udp)
{
  close (udp->rtp);
  close (udp->rtcp);
}

/* SETUP and PLAY of the video track; the session field. */
static char *
udp_play (Fixture *f, int fd, UdpClient *udp)
{
  g_autofree char *fields = g_strdup_printf (
      "Transport: RTP/AVP;unicast;destination=192.0.2.1;client_port=%u-%u\r\n", udp->port, udp->port + 1);
  g_autofree char *setup = client_ask (f, fd, "SETUP", "live/trackID=0", fields);
  g_assert_cmpuint (status_of (setup), ==, 200);
  /* Media goes to who asks, and to nobody else. */
  g_assert_null (strstr (setup, "192.0.2.1"));
  udp_learn_server (udp, setup);
  g_autofree char *id = field_of (setup, "Session");
  char *session = g_strdup_printf ("Session: %.32s\r\n", id);
  ask_ok (f, fd, "PLAY", "live", session);
  return session;
}

static bool
report_arrived (void *data)
{
  Fixture *f = data;
  g_autoptr (StreamStatus) status = registry_get_status (f->registry, "live");
  if (!status || status->readers->len != 1)
    return false;
  const ReaderStatus *reader = status->readers->pdata[0];
  return reader->reported_lost == 5 && reader->jitter_ms > 9.9 && reader->jitter_ms < 10.1 &&
         strcmp (reader->transport, "udp") == 0;
}

static void
test_udp (void)
{
  Fixture f;
  UdpClient udp;
  fixture_open (&f, NULL);
  udp_open (&udp);
  int publisher = publisher_open (&f, "live");
  publisher_send_video (publisher, 100, 1000, true);
  int fd = client_connect (&f);
  g_autofree char *session = udp_play (&f, fd, &udp);
  uint8_t packet[1500];
  size_t n = udp_receive (&f, udp.rtp, packet);
  g_assert_cmpuint (n, ==, 52);
  g_assert_cmpuint (packet[12], ==, 0x65);
  RtcpReportBlock block = {.ssrc = (uint32_t)packet[8] << 24 | (uint32_t)packet[9] << 16 |
                                   (uint32_t)packet[10] << 8 | packet[11],
                           .cumulative_lost = 5,
                           .jitter = 900};
  udp_receive (&f, udp.rtcp, packet);
  g_assert_cmpuint (packet[1], ==, RTCP_SENDER_REPORT);
  uint8_t report[RTCP_BUILD_BYTES];
  n = rtcp_build_receiver_report (report, 1, &block, 1, "player");
  udp_send (&udp, true, report, n);
  fixture_wait (&f, report_arrived, &f);
  ask_ok (&f, fd, "TEARDOWN", "live", session);
  close (fd);
  close (publisher);
  udp_close (&udp);
  fixture_close (&f);
}

static void
configure_short_sessions (Settings *settings)
{
  SettingsPermission *permission = g_new0 (SettingsPermission, 1);
  permission->actions = ACTION_ALL;
  permission->path = g_strdup ("*");
  g_ptr_array_add (settings->anonymous, permission);
  settings->rtsp_session_timeout_ms = 1000;
}

/* A UDP session lives as long as reports come. */
static void
test_udp_timeout (void)
{
  Fixture f;
  UdpClient udp;
  fixture_open (&f, configure_short_sessions);
  udp_open (&udp);
  int publisher = publisher_open (&f, "live");
  publisher_send_video (publisher, 100, 1000, true);
  int fd = client_connect (&f);
  g_autofree char *session = udp_play (&f, fd, &udp);
  uint8_t report[RTCP_BUILD_BYTES];
  size_t n = rtcp_build_receiver_report (report, 1, NULL, 0, "player");
  for (unsigned i = 0; i < 10; i++) {
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    udp_send (&udp, true, report, n);
    g_assert_cmpint (poll (&waiting, 1, 200), ==, 0);
  }
  g_assert_null (client_receive_message (&f, fd));
  RtspServerStats stats;
  rtsp_server_get_stats (f.server, &stats);
  g_assert_cmpuint (stats.timeouts, ==, 1);
  close (fd);
  close (publisher);
  udp_close (&udp);
  fixture_close (&f);
}

/* --- publishers --------------------------------------------------------------------------------------------
 */

static bool
has_packets (void *data)
{
  Fixture *f = data;
  g_autoptr (StreamStatus) status = registry_get_status (f->registry, "up");
  StreamCounters counters = {0};
  if (status)
    stream_get_counters (status->stream, &counters);
  return counters.packets_in == 5 && counters.packets_reordered > 0 && counters.packets_lost == 0;
}

/* Packets over UDP in the wrong order come out right; those of strangers do not count. */
static void
test_udp_publisher (void)
{
  static const char sdp[] = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:v\r\n";
  static const uint8_t order[] = {0, 2, 1, 3, 4};
  Fixture f;
  UdpClient udp, stranger;
  fixture_open (&f, NULL);
  udp_open (&udp);
  udp_open (&stranger);
  int fd = client_connect (&f);
  g_autofree char *announce = g_strdup_printf ("ANNOUNCE rtsp://h/up RTSP/1.0\r\nCSeq: 1\r\nContent-Type: "
                                               "application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
                                               strlen (sdp), sdp);
  client_send (fd, announce);
  g_autofree char *announced = client_receive_message (&f, fd);
  g_autofree char *id = field_of (announced, "Session");
  g_autofree char *fields =
      g_strdup_printf ("Session: %.32s\r\nTransport: RTP/AVP/UDP;unicast;client_port=%u-%u;mode=record\r\n",
                       id, udp.port, udp.port + 1);
  g_autofree char *setup = client_ask (&f, fd, "SETUP", "up/v", fields);
  udp_learn_server (&udp, setup);
  stranger.server_port = udp.server_port;
  g_autofree char *session = g_strdup_printf ("Session: %.32s\r\n", id);
  ask_ok (&f, fd, "RECORD", "up", session);
  for (unsigned i = 0; i < G_N_ELEMENTS (order); i++) {
    uint8_t packet[40] = {0x80, 0x80 | 96, 0, order[i], 0, 0, 0, order[i], 1, 2, 3, 4, 0x65, 0x88};
    udp_send (&stranger, false, packet, sizeof packet);
    udp_send (&udp, false, packet, sizeof packet);
  }
  fixture_wait (&f, has_packets, &f);
  ask_ok (&f, fd, "TEARDOWN", "up", session);
  close (fd);
  udp_close (&udp);
  udp_close (&stranger);
  fixture_close (&f);
}

/* A publisher vanishes and another comes: a player goes on as if nothing had happened. */
static void
test_publisher_returns (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  int publisher = publisher_open (&f, "live");
  publisher_send_video (publisher, 100, 1000, true);
  int fd = client_connect (&f);
  g_autofree char *session = player_setup (&f, fd, "live", "RTP/AVP/TCP;unicast;interleaved=0-1");
  ask_ok (&f, fd, "PLAY", "live", session);
  g_autoptr (GByteArray) packet = g_byte_array_new ();
  receive_rtp (&f, fd, "$0 ", packet, NULL);
  uint16_t last = sequence_of (packet->data);
  close (publisher);
  g_usleep (20000);
  publisher = publisher_open (&f, "live");
  publisher_send_video (publisher, 5000, 777, true);
  receive_rtp (&f, fd, "$0 ", packet, NULL);
  g_assert_cmpuint (sequence_of (packet->data), ==, (uint16_t)(last + 1));
  /* What the publisher must not do while it records. */
  g_autofree char *again =
      client_ask (&f, publisher, "ANNOUNCE", "live", "Content-Type: application/sdp\r\n");
  g_assert_cmpuint (status_of (again), ==, 455);
  g_autofree char *setup =
      client_ask (&f, publisher, "SETUP", "live/streamid=0", "Transport: RTP/AVP/TCP\r\n");
  g_assert_cmpuint (status_of (setup), ==, 455);
  g_autofree char *id = field_of (setup, "Session");
  g_autofree char *own = g_strdup_printf ("Session: %.32s\r\n", id);
  ask_ok (&f, publisher, "PAUSE", "live", own);
  ask_ok (&f, publisher, "RECORD", "live", own);
  publisher_send_video (publisher, 5001, 4377, false);
  receive_rtp (&f, fd, "$0 ", packet, NULL);
  close (fd);
  close (publisher);
  fixture_close (&f);
}

/* --- slow players
 * ------------------------------------------------------------------------------------------- */

static void
configure_small_queue (Settings *settings)
{
  SettingsPermission *permission = g_new0 (SettingsPermission, 1);
  permission->actions = ACTION_ALL;
  permission->path = g_strdup ("*");
  g_ptr_array_add (settings->anonymous, permission);
  settings->defaults->queue_bytes = 64 * 1024;
  settings->defaults->queue_ms = 300;
  settings->defaults->slow_reader_ms = 500;
}

typedef struct {
  Fixture *f;
  int publisher, good;
  uint16_t sequence;
  unsigned good_frames;
} Flood;

static bool
slow_one_is_gone (void *data)
{
  Flood *flood = data;
  uint8_t bytes[4096];
  for (unsigned i = 0; i < 100; i++, flood->sequence++)
    publisher_send_video (flood->publisher, flood->sequence, 3600u * flood->sequence,
                          flood->sequence % 10 == 0);
  while (recv (flood->good, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
    flood->good_frames++;
  g_autoptr (StreamStatus) status = registry_get_status (flood->f->registry, "live");
  StreamCounters counters;
  stream_get_counters (status->stream, &counters);
  return counters.readers_evicted == 1 && status->readers->len == 1;
}

static void
test_slow_player (void)
{
  Fixture f;
  fixture_open (&f, configure_small_queue);
  Flood flood = {.f = &f, .publisher = publisher_open (&f, "live")};
  int slow = client_connect (&f);
  int small = 2048;
  setsockopt (slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  flood.good = client_connect (&f);
  g_autofree char *slow_session = player_setup (&f, slow, "live", "RTP/AVP/TCP;unicast;interleaved=0-1");
  g_autofree char *good_session =
      player_setup (&f, flood.good, "live", "RTP/AVP/TCP;unicast;interleaved=0-1");
  ask_ok (&f, slow, "PLAY", "live", slow_session);
  ask_ok (&f, flood.good, "PLAY", "live", good_session);
  fixture_wait (&f, slow_one_is_gone, &flood);
  g_assert_cmpuint (flood.good_frames, >, 10);
  close (slow);
  close (flood.good);
  close (flood.publisher);
  fixture_close (&f);
}

int
main (int argc, char **argv)
{
  gst_init (NULL, NULL);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtsp/server/tcp", test_tcp);
  g_test_add_func ("/rtsp/server/announce-after-describe", test_announce_after_describe);
  g_test_add_func ("/rtsp/server/subset", test_subset);
  g_test_add_func ("/rtsp/server/udp", test_udp);
  g_test_add_func ("/rtsp/server/udp-timeout", test_udp_timeout);
  g_test_add_func ("/rtsp/server/udp-publisher", test_udp_publisher);
  g_test_add_func ("/rtsp/server/publisher-returns", test_publisher_returns);
  g_test_add_func ("/rtsp/server/slow-player", test_slow_player);
  return g_test_run ();
}
