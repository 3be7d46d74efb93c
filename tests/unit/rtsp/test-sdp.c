/* SPDX-License-Identifier: Apache-2.0 */
/* SDP: what cameras and publishers send, good and bad, and what we send ourselves. */
#include "rtsp/sdp.h"

#include <string.h>

/* A media as one line of text. */
static void
describe_media (GString *out, const SdpMedia *media)
{
  static const char *const kinds[] = {
      [TRACK_VIDEO] = "video", [TRACK_AUDIO] = "audio", [TRACK_DATA] = "data"};
  const TrackSpec *spec = &media->spec;
  g_string_append_printf (out, "%s %s pt=%u %s/%u/%u", kinds[spec->kind], codec_name (spec->codec),
                          spec->payload_type, spec->encoding_name, spec->clock_rate, spec->channels);
  if (spec->fmtp)
    g_string_append_printf (out, " fmtp(%s)", spec->fmtp);
  if (media->control)
    g_string_append_printf (out, " control(%s)", media->control);
  if (media->connection)
    g_string_append_printf (out, " at(%s/%u:%u)", media->connection, media->ttl, media->port);
  if (media->bandwidth_kbps)
    g_string_append_printf (out, " %ukbps", media->bandwidth_kbps);
  if (media->direction != SDP_SENDRECV)
    g_string_append_printf (out, " direction=%d", media->direction);
  for (unsigned i = 0; spec->attributes && i < spec->attributes->len; i++)
    g_string_append_printf (out, " [%s]", (const char *)g_ptr_array_index (spec->attributes, i));
  g_string_append_c (out, '\n');
}

static const struct {
  const char *what, *sdp, *expected; /* NULL: refused */
} rows[] = {
    {"a camera",
     "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=Cam\r\nc=IN IP4 0.0.0.0\r\nt=0 "
     "0\r\na=control:rtsp://10.0.0.5/s/\r\n"
     "m=video 0 RTP/AVP 96\r\nb=AS:4000\r\na=rtpmap:96 H264/90000\r\na=framesize:96 640-480\r\n"
     "a=fmtp:96 packetization-mode=1;profile-level-id=64001E\r\na=control:track1\r\na=recvonly\r\n"
     "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000/2\r\na=fmtp:97 "
     "config=1190\r\na=control:track2\r\n",
     "video H264 pt=96 H264/90000/0 fmtp(packetization-mode=1;profile-level-id=64001E) control(track1) "
     "at(0.0.0.0/0:0) 4000kbps direction=2 [framesize:96 640-480]\n"
     "audio AAC pt=97 mpeg4-generic/48000/2 fmtp(config=1190) control(track2) at(0.0.0.0/0:0)\n"},
    {"static payload types", "m=audio 0 RTP/AVP 0\nm=video 0 RTP/AVP 26\n",
     "audio PCMU pt=0 PCMU/8000/1\nvideo MJPEG pt=26 JPEG/90000/0\n"},
    {"multicast", "c=IN IP4 239.1.2.3/16\nm=video 5000 RTP/AVP 96\na=rtpmap:96 VP8/90000\n",
     "video VP8 pt=96 VP8/90000/0 at(239.1.2.3/16:5000)\n"},
    {"wrong lines",
     "garbage\n=\nv\nz=\xff\xfe\nm=video x RTP/AVP 96\na=control:void\nm=video 0 RTP/AVP 96\na\na=rtpmap:\n"
     "a=rtpmap:97 H264/90000\na=rtpmap:96 H265/9999999999\na=fmtp:9999999999999999999999 x\nb=AS:-1\n",
     "video H265 pt=96 H265/90000/0\n"},
    {"no rtpmap", "m=application 0 RTP/AVP 107\na=control:meta\n",
     "data unknown pt=107 X-UNKNOWN/90000/0 control(meta)\n"},
    {"ONVIF metadata", "m=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\n",
     "data unknown pt=107 vnd.onvif.metadata/90000/0\n"},
    {"no RTP media", "v=0\r\nm=video 0 TCP/MP2T 33\r\nm=video 0 RTP/AVP 128\r\n", NULL},
    {"no media", "v=0\r\ns=x\r\n", NULL},
    {"HTML", "<html><body>Not Found</body></html>", NULL},
    {"nothing", "", NULL},
};

static void
test_parse (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (Sdp) sdp = sdp_parse (rows[i].sdp, strlen (rows[i].sdp), &error);
    g_assert_cmpint (sdp != NULL, ==, rows[i].expected != NULL);
    g_assert_cmpint (error != NULL, ==, rows[i].expected == NULL);
    if (!sdp)
      continue;
    g_autoptr (GString) got = g_string_new (NULL);
    for (unsigned k = 0; k < sdp->n_media; k++)
      describe_media (got, &sdp->media[k]);
    g_assert_cmpstr (got->str, ==, rows[i].expected);
  }
}

static void
test_limits (void)
{
  g_autoptr (GString) text = g_string_new ("v=0\n");
  for (unsigned i = 0; i < 40; i++)
    g_string_append (text, "m=audio 0 RTP/AVP 8\na=control:x\n");
  g_autoptr (GError) error = NULL;
  g_autoptr (Sdp) sdp = sdp_parse (text->str, text->len, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (sdp->n_media, ==, TRACKS_MAX);
  g_assert_cmpuint (sdp->n_ignored, ==, 40 - TRACKS_MAX);
  g_autofree char *large = g_strnfill (SDP_MAX_BYTES + 1, '\n');
  g_assert_null (sdp_parse (large, SDP_MAX_BYTES + 1, &error));
  g_assert_nonnull (error);
}

static void
test_generate (void)
{
  g_autoptr (Sdp) sdp = sdp_parse (rows[0].sdp, strlen (rows[0].sdp), NULL);
  const TrackSpec *specs[] = {&sdp->media[0].spec, &sdp->media[1].spec};
  g_autofree char *text = sdp_generate (specs, 2, &(SdpOptions){.id = 7, .version = 8});
  g_assert_cmpstr (text, ==,
                   "v=0\r\no=- 7 8 IN IP4 0.0.0.0\r\ns=Stream\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
                   "a=range:npt=now-\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
                   "a=fmtp:96 packetization-mode=1;profile-level-id=64001E\r\na=framesize:96 640-480\r\n"
                   "a=control:trackID=0\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000/2\r\n"
                   "a=fmtp:97 config=1190\r\na=control:trackID=1\r\n");
  g_autofree char *multicast =
      sdp_generate (specs, 2, &(SdpOptions){.address = "239.1.2.3", .ttl = 16, .port = 5000});
  g_assert_nonnull (strstr (multicast, "c=IN IP4 239.1.2.3/16\r\n"));
  g_assert_nonnull (strstr (multicast, "m=audio 5002 RTP/AVP 97\r\n"));
}

static void
test_resolve_control (void)
{
  static const struct {
    const char *base, *control, *expected;
  } controls[] = {
      {"rtsp://h/a", NULL, "rtsp://h/a"},
      {"rtsp://h/a", "*", "rtsp://h/a"},
      {"rtsp://h/a", "track1", "rtsp://h/a/track1"},
      {"rtsp://h/a/", "track1", "rtsp://h/a/track1"},
      {"rtsp://h/a/", "/track1", "rtsp://h/a/track1"},
      {"rtsp://h/a?x=1", "track1", "rtsp://h/a?x=1/track1"},
      {"rtsp://h/a", "rtsp://other/b", "rtsp://other/b"},
      {"rtsp://h/a", "RTSPS://other/b", "RTSPS://other/b"},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (controls); i++) {
    g_autofree char *got = sdp_resolve_control (controls[i].base, controls[i].control);
    g_assert_cmpstr (got, ==, controls[i].expected);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtsp/sdp/parse", test_parse);
  g_test_add_func ("/rtsp/sdp/limits", test_limits);
  g_test_add_func ("/rtsp/sdp/generate", test_generate);
  g_test_add_func ("/rtsp/sdp/resolve-control", test_resolve_control);
  return g_test_run ();
}
