/* SPDX-License-Identifier: Apache-2.0 */
/* Transport, Session, Range, RTP-Info, Scale and Speed: tables of what is understood and what is refused. */
#include "rtsp/transport.h"

#include <string.h>

static void
test_transport (void)
{
  static const struct {
    const char *value;
    const char *expected; /* each alternative written again, separated by commas */
  } rows[] = {
      {"RTP/AVP;unicast;client_port=4588-4589", "RTP/AVP;unicast;client_port=4588-4589"},
      {"rtp/avp/udp;UNICAST;Client_Port=4588", "RTP/AVP;unicast;client_port=4588-4589"},
      {"RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP/TCP;unicast;interleaved=0-1"},
      {"RTP/AVP/TCP;interleaved=255", "RTP/AVP/TCP;unicast;interleaved=255-255"},
      {"RTP/AVP;multicast;destination=239.1.2.3;port=5000-5001;ttl=16",
       "RTP/AVP;multicast;destination=239.1.2.3;port=5000-5001;ttl=16"},
      {"RTP/AVP/TCP;unicast;mode=\"PLAY,RECORD\";interleaved=2-3,RTP/AVP;unicast;client_port=2-3;mode=record",
       "RTP/AVP/TCP;unicast;interleaved=2-3;mode=record,RTP/AVP;unicast;client_port=2-3;mode=record"},
      {"RTP/AVP;unicast;client_port=1-2;server_port=3-4;source=10.0.0.1;ssrc=DEADBEEF",
       "RTP/AVP;unicast;source=10.0.0.1;client_port=1-2;server_port=3-4;ssrc=DEADBEEF"},
      {"RTP/SAVP;unicast;client_port=4588-4589", "RTP/SAVP;unicast;client_port=4588-4589"},
      {"RTP/AVP;unicast;ssrc=12 34;client_port=8-9", "RTP/AVP;unicast;client_port=8-9"},
      {"RTP/AVP;unicast;destination=a\"b;client_port=8-9", "RTP/AVP;unicast"},
      {"RAW/RAW/UDP;unicast,RTP/AVP", "RTP/AVP;unicast"},
      {"RTP/AVP;client_port=65536-65537", ""},
      {"RTP/AVP;client_port=-1", ""},
      {"RTP/AVP;client_port=0-1", ""},
      {"RTP/AVP;client_port=4588-", ""},
      {"RTP/AVP;client_port=nan", ""},
      {"RTP/AVP/TCP;interleaved=256-257", ""},
      {"RTP/AVP/TCP;interleaved=", ""},
      {"RTP/AVP;multicast;ttl=256", ""},
      {"RTP/AVP;multicast;ttl=1e3", ""},
      {"RTP", ""},
      {"", ""},
      {";;;,,,", ""},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    RtspTransport found[RTSP_TRANSPORT_MAX_ALTERNATIVES];
    unsigned n_found = rtsp_transport_parse (rows[i].value, found);
    g_autoptr (GString) got = g_string_new (NULL);
    for (unsigned k = 0; k < n_found; k++) {
      g_autofree char *text = rtsp_transport_to_string (&found[k]);
      g_string_append_printf (got, "%s%s", k ? "," : "", text);
    }
    g_assert_cmpstr (got->str, ==, rows[i].expected);
  }
}

static void
test_session (void)
{
  RtspSessionHeader header;
  g_assert_true (rtsp_session_parse (" abc-123 ;timeout=30", &header));
  g_assert_cmpstr (header.id, ==, "abc-123");
  g_assert_cmpuint (header.timeout_s, ==, 30);
  g_assert_true (rtsp_session_parse ("abc; Timeout = 99999999999999999999", &header));
  g_assert_cmpuint (header.timeout_s, ==, 0);
  g_assert_false (rtsp_session_parse ("", &header));
  g_assert_false (rtsp_session_parse (";timeout=30", &header));
  g_assert_false (rtsp_session_parse ("a b", &header));
  g_autofree char *id = g_strnfill (RTSP_SESSION_ID_MAX + 1, 'a');
  g_assert_false (rtsp_session_parse (id, &header));
  id[RTSP_SESSION_ID_MAX] = 0;
  g_assert_true (rtsp_session_parse (id, &header));
}

static void
test_range (void)
{
  static const struct {
    const char *value;
    const char *expected; /* written again; NULL: refused */
  } rows[] = {
      {"npt=0.000-", "npt=0.000000-"},
      {"npt=now-", "npt=now-"},
      {"npt=-12.5", "npt=-12.500000"},
      {"npt=1:02:03.25-7200", "npt=3723.250000-7200.000000"},
      {"npt = 5 - 6", "npt=5.000000-6.000000"},
      {"npt=0-;time=19970123T143720Z", "npt=0.000000-"},
      {"clock=19961108T142300Z-19961108T143520.25Z", "clock=19961108T142300Z-19961108T143520.250000Z"},
      {"smpte=10:12:33:20-", "smpte=0:00:00-"},
      {"npt=5-4", NULL},
      {"npt=-", NULL},
      {"npt=", NULL},
      {"npt=nan-", NULL},
      {"npt=inf-", NULL},
      {"npt=1e308-", NULL},
      {"npt=9999999999-", NULL},
      {"npt=1:2", NULL},
      {"npt=1:99:00-", NULL},
      {"clock=19961308T142300Z-", NULL},
      {"clock=19961108T142300-", NULL},
      {"clock=1996-", NULL},
      {"bytes=0-1", NULL},
      {"", NULL},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    RtspRange range;
    g_autofree char *got = rtsp_range_parse (rows[i].value, &range) ? rtsp_range_to_string (&range) : NULL;
    g_assert_cmpstr (got, ==, rows[i].expected);
  }
}

static void
test_rtp_info (void)
{
  static const struct {
    const char *value;
    const char *expected;
  } rows[] = {
      {"url=rtsp://h/a/1;seq=45102;rtptime=12345678, url=rtsp://h/a/2;seq=3",
       "url=rtsp://h/a/1;seq=45102;rtptime=12345678,url=rtsp://h/a/2;seq=3"},
      {"url=rtsp://h/a?x=1,2;y=3;seq=1", "url=rtsp://h/a?x=1,2;y=3;seq=1"},
      {"url=\"rtsp://h/a\";rtptime=4294967295", "url=rtsp://h/a;rtptime=4294967295"},
      {"url=a;seq=65536;rtptime=4294967296", "url=a"},
      {"url=a;seq=-1;rtptime=nan", "url=a"},
      {"seq=1;rtptime=2", ""},
      {"", ""},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GArray) entries = rtsp_rtp_info_parse (rows[i].value);
    g_autofree char *got = rtsp_rtp_info_to_string (entries);
    g_assert_cmpstr (got, ==, rows[i].expected);
  }
}

static void
test_rate (void)
{
  static const char *const refused[] = {"",      "nan",    "NAN", "inf",   "-inf",  "0",     "0.0",     "-0",
                                        "1e308", "1e-320", "1e0", "0x1p3", "1001",  "-1001", "+1",      " 1",
                                        "1 ",    "1,5",    "--1", ".5",    "1.5.5", "1;2",   "infinity"};
  double rate;
  for (unsigned i = 0; i < G_N_ELEMENTS (refused); i++)
    g_assert_false (rtsp_rate_parse (refused[i], &rate));
  g_autofree char *digits = g_strnfill (65536, '1');
  g_assert_false (rtsp_rate_parse (digits, &rate));
  g_assert_true (rtsp_rate_parse ("1", &rate));
  g_assert_cmpfloat (rate, ==, 1.0);
  g_assert_true (rtsp_rate_parse ("-2.50", &rate));
  g_assert_cmpfloat (rate, ==, -2.5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtsp/transport/transport", test_transport);
  g_test_add_func ("/rtsp/transport/session", test_session);
  g_test_add_func ("/rtsp/transport/range", test_range);
  g_test_add_func ("/rtsp/transport/rtp-info", test_rtp_info);
  g_test_add_func ("/rtsp/transport/rate", test_rate);
  return g_test_run ();
}
