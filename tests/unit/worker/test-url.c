/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/protocol.h"

static const struct {
  const char *url;
  WorkerSourceKind kind;
  const char *location;
  unsigned port;
} good[] = {
    {"test:", WORKER_SOURCE_TEST, NULL, 0},
    {"TEST:pattern=ball&size=1920x1080&fps=30000/1001&bitrate=4000&audio=opus", WORKER_SOURCE_TEST, NULL, 0},
    {"test:?gop=30", WORKER_SOURCE_TEST, NULL, 0},
    {"file:///srv/a%20b.mp4", WORKER_SOURCE_FILE, "/srv/a b.mp4", 0},
    {"file:clips/a.mkv?loop=false", WORKER_SOURCE_FILE, "clips/a.mkv", 0},
    {"v4l2:/dev/video0?format=mjpeg", WORKER_SOURCE_V4L2, "/dev/video0", 0},
    {"http://camera.example/live.m3u8?a=b&c", WORKER_SOURCE_HTTP, "http://camera.example/live.m3u8?a=b&c", 0},
    {"https://user:pass@camera.example/", WORKER_SOURCE_HTTP, "https://user:pass@camera.example/", 0},
    {"srt://10.0.0.1:9000?streamid=%23!::r=live", WORKER_SOURCE_SRT, "10.0.0.1", 9000},
    {"srt://:9000?mode=listener&passphrase=0123456789", WORKER_SOURCE_SRT, "", 9000},
    {"srt://[::1]:9000", WORKER_SOURCE_SRT, "::1", 9000},
    {"udp://239.1.1.1:5000", WORKER_SOURCE_UDP, "239.1.1.1", 5000},
    {"udp://:5000/?interface=eth0", WORKER_SOURCE_UDP, "", 5000},
    {"pipeline: videotestsrc ! x264enc name=video ", WORKER_SOURCE_PIPELINE,
     "videotestsrc ! x264enc name=video", 0},
};

static void
test_good (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (WorkerUrl) url = worker_url_parse (good[i].url, &error);
    g_assert_no_error (error);
    g_assert_cmpint (url->kind, ==, good[i].kind);
    g_assert_cmpstr (url->location, ==, good[i].location);
    g_assert_cmpuint (url->port, ==, good[i].port);
  }
}

/* A part of the message, so that it is seen to name what is wrong. */
static const struct {
  const char *url;
  const char *says;
} wrong[] = {
    {"nothing", "scheme"},
    {"gopher://x", "gopher"},
    {"test:size=1280", "size=1280"},
    {"test:size=1281x720", "even"},
    {"test:fps=0", "fps=0"},
    {"test:fps=1000", "at most 240"},
    {"test:patern=ball", "\"patern\""},
    {"test:patern=ball", "pattern"},
    {"test:pattern=balls", "ball,"},
    {"test:audio", "audio=VALUE"},
    {"test:bitrate=1e9", "16 to"},
    {"test:video=false&audio=false", "neither"},
    {"test:text=%zz", "percent"},
    {"file:", "no path"},
    {"file://host/a.mp4", "host"},
    {"file:100%.mp4", "%25"},
    {"file:a.mp4?loop=yes", "true or false"},
    {"v4l2:/etc/passwd", "/dev/video0"},
    {"http:///x", "http://HOST"},
    {"srt://host", "port"},
    {"srt://host:70000", "65535"},
    {"srt://:9000", "mode=listener"},
    {"srt://host:9000?passphrase=short", "10 to 79"},
    {"srt://a:b:9000", "brackets"},
    {"udp:5000", "udp://HOST:PORT"},
    {"pipeline:  ", "description"},
};

static void
test_wrong (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (WorkerUrl) url = worker_url_parse (wrong[i].url, &error);
    g_assert_null (url);
    g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
    if (!strstr (error->message, wrong[i].says))
      g_error ("%s: \"%s\" does not say \"%s\"", wrong[i].url, error->message, wrong[i].says);
  }
}

static void
test_secrets_stay_out_of_errors (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WorkerUrl) url = worker_url_parse ("srt://host:9000?passphrase=hush", &error);
  g_assert_null (url);
  g_assert_null (strstr (error->message, "hush"));
}

static void
test_options (void)
{
  g_autoptr (WorkerUrl) url =
      worker_url_parse ("test:size=640x360&fps=25&gop=50&clock=false&text=a%26b", NULL);
  int width = 1;
  int height = 1;
  int num = 30;
  int den = 2;
  worker_url_size (url, "size", &width, &height);
  worker_url_rate (url, "fps", &num, &den);
  g_assert_cmpint (width, ==, 640);
  g_assert_cmpint (height, ==, 360);
  g_assert_cmpint (num, ==, 25);
  g_assert_cmpint (den, ==, 1);
  g_assert_cmpint (worker_url_int (url, "gop", 1), ==, 50);
  g_assert_cmpint (worker_url_int (url, "bitrate", 7), ==, 7);
  g_assert_false (worker_url_bool (url, "clock", true));
  g_assert_true (worker_url_bool (url, "video", true));
  g_assert_cmpstr (worker_url_text (url, "text", NULL), ==, "a&b");
  g_assert_true (worker_url_has (url, "text"));
  g_assert_false (worker_url_has (url, "audio"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/url/good", test_good);
  g_test_add_func ("/worker/url/wrong", test_wrong);
  g_test_add_func ("/worker/url/secrets-stay-out-of-errors", test_secrets_stay_out_of_errors);
  g_test_add_func ("/worker/url/options", test_options);
  return g_test_run ();
}
