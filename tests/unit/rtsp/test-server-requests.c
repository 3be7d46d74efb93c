/* SPDX-License-Identifier: Apache-2.0 */
/* RTSP conformance: one request at a time and the status it must get, in each state of a session. */
#include "server-fixture.h"

#include <string.h>
#include <unistd.h>

#define TCP "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"

typedef struct {
  const char *method;
  const char *path;
  const char *fields; /* "%S" stands for the session of this connection */
  unsigned status;
  const char *contains; /* NULL: anything */
} Step;

/* Each row is one connection to a server with the stream "live" of two tracks. */
static const struct {
  const char *what;
  Step steps[10]; /* the last one is empty */
} rows[] = {
    {"options", {{"OPTIONS", "live", "", 200, "Public: OPTIONS, DESCRIBE, ANNOUNCE, SETUP"}}},
    {"unknown method", {{"FLY", "live", "", 501, "Public: "}, {"options", "live", "", 501, NULL}}},
    {"required option",
     {{"OPTIONS", "live", "Require: implicit-play, x\r\n", 551, "Unsupported: implicit-play, x"}}},
    {"describe", {{"DESCRIBE", "live", "Accept: application/sdp\r\n", 200, "a=control:trackID=1"}}},
    {"describe says the base", {{"DESCRIBE", "live/", "", 200, "/live/\r\n"}}},
    {"describe as something else", {{"DESCRIBE", "live", "Accept: text/html\r\n", 406, NULL}}},
    {"no such stream", {{"DESCRIBE", "nobody", "", 404, NULL}}},
    {"no such track", {{"SETUP", "live/trackID=7", TCP, 404, NULL}}},
    {"names that are none",
     {{"DESCRIBE", "../etc/passwd", "", 404, NULL},
      {"DESCRIBE", "a//b", "", 404, NULL},
      {"DESCRIBE", "%2e%2e/x", "", 404, NULL},
      {"DESCRIBE", "%00", "", 400, NULL},
      {"DESCRIBE", "%ff%fe", "", 400, NULL}}},
    {"setup of the whole", {{"SETUP", "live", TCP, 459, NULL}}},
    {"setup without transport", {{"SETUP", "live/trackID=0", "", 400, NULL}}},
    {"transports that are none",
     {{"SETUP", "live/trackID=0", "Transport: RAW/RAW/UDP;unicast\r\n", 461, NULL},
      {"SETUP", "live/trackID=0", "Transport: RTP/SAVP;unicast;client_port=4000-4001\r\n", 461, NULL},
      {"SETUP", "live/trackID=0", "Transport: RTP/AVP;unicast;client_port=nan\r\n", 461, NULL},
      {"SETUP", "live/trackID=0", "Transport: RTP/AVP;unicast\r\n", 461, NULL},
      {"SETUP", "live/trackID=0", "Transport: RTP/AVP/TCP;interleaved=256-257\r\n", 461, NULL}}},
    {"the first that fits",
     {{"SETUP", "live/trackID=0", "Transport: RTP/SAVP;client_port=4-5,RTP/AVP/TCP;interleaved=6-7\r\n", 200,
       "interleaved=6-7"}}},
    {"channels that are taken",
     {{"SETUP", "live/trackID=0", TCP, 200, "interleaved=0-1"},
      {"SETUP", "live/trackID=1", "%S" TCP, 200, "interleaved=2-3"}}},
    {"one transport a session",
     {{"SETUP", "live/trackID=0", TCP, 200, NULL},
      {"SETUP", "live/trackID=1", "%STransport: RTP/AVP;unicast;client_port=4000-4001\r\n", 461, NULL}}},
    {"one stream a session",
     {{"SETUP", "live/trackID=0", TCP, 200, NULL}, {"SETUP", "other/trackID=0", "%S" TCP, 459, NULL}}},
    {"no session yet",
     {{"PLAY", "live", "", 454, NULL},
      {"PAUSE", "live", "", 454, NULL},
      {"RECORD", "live", "", 454, NULL},
      {"TEARDOWN", "live", "", 454, NULL},
      {"PLAY", "live", "Session: 0123456789abcdef\r\n", 454, NULL}}},
    {"wrong session",
     {{"SETUP", "live/trackID=0", TCP, 200, "timeout=60"},
      {"PLAY", "live", "Session: 0123456789abcdef0123456789abcdef\r\n", 454, NULL},
      {"TEARDOWN", "live", "Session: x\r\n", 454, NULL},
      {"PLAY", "live", "%S", 200, NULL}}},
    {"play, pause, teardown",
     {{"SETUP", "live/trackID=0", TCP, 200, NULL},
      {"PAUSE", "live", "%S", 200, NULL},
      {"PLAY", "live/", "%SRange: npt=0.000-\r\n", 200, "Range: npt=now-"},
      {"PLAY", "live", "%S", 200, NULL},
      {"PAUSE", "live", "%S", 200, NULL},
      {"PLAY", "live", "%SScale: 1.0\r\nSpeed: 1\r\n", 200, NULL},
      {"TEARDOWN", "live", "%S", 200, NULL},
      {"PLAY", "live", "", 454, NULL}}},
    {"wrong states",
     {{"SETUP", "live/trackID=0", TCP, 200, NULL},
      {"RECORD", "live", "%S", 455, NULL},
      {"PLAY", "live", "%S", 200, NULL},
      {"SETUP", "live/trackID=1", "%S" TCP, 455, "Allow: "},
      {"RECORD", "live", "%S", 455, NULL},
      {"ANNOUNCE", "live", "Content-Type: application/sdp\r\n", 455, NULL}}},
    {"one track alone is the whole",
     {{"SETUP", "live/trackID=1", TCP, 200, NULL}, {"PLAY", "live/trackID=1", "%S", 200, NULL}}},
    {"several only together",
     {{"SETUP", "live/trackID=0", TCP, 200, NULL},
      {"SETUP", "live/trackID=1", "%S" TCP, 200, NULL},
      {"PLAY", "live/trackID=0", "%S", 460, NULL},
      {"TEARDOWN", "live/trackID=0", "%S", 460, NULL},
      {"PLAY", "live", "%S", 200, NULL}}},
    {"ranges",
     {{"SETUP", "live/trackID=0", TCP, 200, NULL},
      {"PLAY", "live", "%SRange: npt=nan-\r\n", 457, NULL},
      {"PLAY", "live", "%SRange: smpte=0:00:01-\r\n", 457, NULL},
      {"PLAY", "live", "%SRange: npt=5-4\r\n", 457, NULL},
      {"PLAY", "live", "%SRange: clock=20260101T000000Z-\r\n", 200, NULL}}},
    {"keep-alive",
     {{"SETUP", "live/trackID=0", TCP, 200, NULL},
      {"GET_PARAMETER", "live", "%S", 200, NULL},
      {"SET_PARAMETER", "live", "%S", 200, NULL},
      {"GET_PARAMETER", "live", "Session: x\r\n", 454, NULL}}},
    {"the server as a whole", {{"GET_PARAMETER", "", "", 200, NULL}}},
    {"announce without SDP",
     {{"ANNOUNCE", "new", "", 415, NULL},
      {"ANNOUNCE", "new", "Content-Type: text/plain\r\n", 415, NULL},
      {"ANNOUNCE", "new", "Content-Type: application/sdp\r\n", 400, NULL},
      {"ANNOUNCE", "live", "Content-Type: application/sdp\r\n", 400, NULL}}},
};

static char *
with_session (const char *fields, const char *session)
{
  g_auto (GStrv) parts = g_strsplit (fields, "%S", 2);
  g_autofree char *field = session ? g_strdup_printf ("Session: %s\r\n", session) : g_strdup ("");
  return parts[0] && parts[1] ? g_strconcat (parts[0], field, parts[1], NULL) : g_strdup (fields);
}

static void
test_conformance (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  int publisher = publisher_open (&f, "live");
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    int fd = client_connect (&f);
    g_autofree char *session = NULL;
    for (const Step *step = rows[i].steps; step->method; step++) {
      g_autofree char *fields = with_session (step->fields, session);
      g_autofree char *answer = client_ask (&f, fd, step->method, step->path, fields);
      if (status_of (answer) != step->status || (step->contains && !strstr (answer, step->contains)))
        g_error ("%s: %s %s: wanted %u %s, got %s", rows[i].what, step->method, step->path, step->status,
                 step->contains ? step->contains : "", answer);
      g_autofree char *told = field_of (answer, "Session");
      if (told && !session) {
        session = g_strndup (told, strcspn (told, ";"));
        g_assert_cmpuint (strlen (session), >=, 32);
      }
    }
    close (fd);
  }
  close (publisher);
  fixture_close (&f);
}

/* Numbers from the wire in every field that holds one. */
static void
test_numbers (void)
{
  static const char *const numbers[] = {"nan", "inf", "-inf", "-1", "0", "1e308", "1e-320", "", "2", "0.5"};
  static const char *const fields[] = {"Scale", "Speed"};
  g_autofree char *digits = g_strnfill (20000, '9');
  Fixture f;
  fixture_open (&f, NULL);
  int publisher = publisher_open (&f, "live");
  int fd = client_connect (&f);
  g_autofree char *session = player_setup (&f, fd, "live", "RTP/AVP/TCP;interleaved=0-1");
  for (unsigned i = 0; i <= G_N_ELEMENTS (numbers); i++) {
    for (unsigned k = 0; k < G_N_ELEMENTS (fields); k++) {
      const char *number = i < G_N_ELEMENTS (numbers) ? numbers[i] : digits;
      g_autofree char *text = g_strdup_printf ("%s%s: %s\r\n", session, fields[k], number);
      g_autofree char *answer = client_ask (&f, fd, "PLAY", "live", text);
      g_assert_true (status_of (answer) == 400 || status_of (answer) == 456);
    }
  }
  g_autofree char *answer = client_ask (&f, fd, "PLAY", "live", session);
  g_assert_cmpuint (status_of (answer), ==, 200);
  close (fd);
  close (publisher);
  fixture_close (&f);
}

static void
test_cseq (void)
{
  static const char *const refused[] = {"", "CSeq: \r\n", "CSeq: -1\r\n", "CSeq: 1e3\r\n",
                                        "CSeq: 4294967296\r\n"};
  Fixture f;
  fixture_open (&f, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (refused); i++) {
    int fd = client_connect (&f);
    g_autofree char *text = g_strdup_printf ("OPTIONS * RTSP/1.0\r\n%s\r\n", refused[i]);
    client_send (fd, text);
    g_autofree char *answer = client_receive_message (&f, fd);
    g_assert_cmpuint (status_of (answer), ==, 400);
    close (fd);
  }
  int fd = client_connect (&f);
  client_send (fd, "OPTIONS * RTSP/1.0\r\nCSeq: 4294967295\r\n\r\nDESCRIBE * RTSP/1.0\nCSeq: 2\n\n");
  g_autofree char *first = client_receive_message (&f, fd);
  g_autofree char *second = client_receive_message (&f, fd);
  g_assert_cmpuint (status_of (first), ==, 200);
  g_assert_nonnull (strstr (first, "CSeq: 4294967295\r\n"));
  g_assert_cmpuint (status_of (second), ==, 405);
  close (fd);
  fixture_close (&f);
}

/* Requests that wait for an answer from elsewhere keep their order. */
static void
test_pipelining (void)
{
  Fixture f;
  fixture_open (&f, NULL);
  int publisher = publisher_open (&f, "live");
  int fd = client_connect (&f);
  client_send (fd,
               "DESCRIBE rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\n\r\nDESCRIBE rtsp://h/nobody RTSP/1.0\r\nCSeq: "
               "2\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 3\r\n\r\n");
  static const unsigned expected[] = {200, 404, 200};
  for (unsigned i = 0; i < 3; i++) {
    g_autofree char *answer = client_receive_message (&f, fd);
    g_autofree char *cseq = field_of (answer, "CSeq");
    g_assert_cmpuint (status_of (answer), ==, expected[i]);
    g_assert_cmpuint (g_ascii_strtoull (cseq, NULL, 10), ==, i + 1);
  }
  close (fd);
  close (publisher);
  fixture_close (&f);
}

int
main (int argc, char **argv)
{
  gst_init (NULL, NULL);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtsp/server/conformance", test_conformance);
  g_test_add_func ("/rtsp/server/numbers", test_numbers);
  g_test_add_func ("/rtsp/server/cseq", test_cseq);
  g_test_add_func ("/rtsp/server/pipelining", test_pipelining);
  return g_test_run ();
}
