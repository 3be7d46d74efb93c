/* SPDX-License-Identifier: Apache-2.0 */
/* sluice bench: load for any RTSP server, and what it does to it. */
#include "base/error.h"
#include "base/log.h"
#include "bench/cameras.h"
#include "bench/crowd.h"
#include "cli/cli.h"
#include "rtsp/client_url.h"

#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { MAX_CLIENTS = 100000, LOOK_MS = 20 };

typedef struct {
  char *listen, *file, *bitrate, *url, *transport, *server_pid;
  int fps, count, at_once;
  double gop, seconds, warmup, spread;
  gboolean json;
  BenchImpairments impairments;
} Options;

typedef struct {
  Options options;
  BenchCrowdOptions crowd;
  pid_t server;
  GMainLoop *main_loop;
  Loop *loop;
  BenchFilm *film;
  BenchPlayout *playout;
  BenchCameras *cameras;
  BenchPublishers *publishers;
  BenchReaders *readers;
  bool told; /* all publishers are there */
  GError *error;
} Bench;

/* --- options -----------------------------------------------------------------------------------------------
 */

/* "2M", "500k", "64000". */
static bool
parse_bitrate (const char *text, unsigned *ret)
{
  char *end = NULL;
  double number = g_ascii_strtod (text, &end);
  if (*end == 'k' || *end == 'K')
    number *= 1e3;
  else if (*end == 'M')
    number *= 1e6;
  if (end == text || (*end && end[1]) || (*end && !strchr ("kKM", *end)) ||
      !(number >= 64e3 && number <= 100e6))
    return false;
  *ret = (unsigned)number;
  return true;
}

static bool
find_server (Bench *bench)
{
  const char *text = bench->options.server_pid;
  if (!text)
    return true;
  guint64 number;
  if (g_ascii_string_to_unsigned (text, 10, 1, G_MAXINT, &number, NULL)) {
    bench->server = (pid_t)number;
    return true;
  }
  g_auto (RtspClientUrl) url = {0};
  if (strcmp (text, "auto") == 0 && bench->options.url)
    return rtsp_client_url_parse (bench->options.url, &url, &bench->error) &&
           bench_process_find (url.port, &bench->server, &bench->error);
  g_set_error (&bench->error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
               "--server-pid is a number, or \"auto\" with an --url");
  return false;
}

static bool
check_options (Bench *bench)
{
  Options *options = &bench->options;
  const char *problem = bench_impairments_problem (&options->impairments);
  if (options->count < 1 || options->count > MAX_CLIENTS || options->at_once < 1)
    problem = "--count is 1 to 100000, and at least one client at once must come";
  else if (options->fps < 1 || options->fps > 240 || !(options->gop > 0 && options->gop <= 60))
    problem = "--fps is 1 to 240, --gop at most 60 seconds";
  else if (!(options->seconds >= 0 && options->warmup >= 0 && options->spread >= 0))
    problem = "seconds are not negative";
  else if (options->transport && strcmp (options->transport, "tcp") != 0 &&
           strcmp (options->transport, "udp") != 0)
    problem = "--transport is tcp or udp";
  if (problem) {
    g_set_error_literal (&bench->error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, problem);
    return false;
  }
  bool udp = options->transport && strcmp (options->transport, "udp") == 0;
  bench->crowd = (BenchCrowdOptions){.url = options->url,
                                     .count = (unsigned)options->count,
                                     .lower = udp ? RTSP_LOWER_UDP : RTSP_LOWER_TCP,
                                     .at_once = (unsigned)options->at_once,
                                     .spread = options->spread};
  return find_server (bench);
}

static bool
make_film (Bench *bench)
{
  Options *options = &bench->options;
  BenchFilmOptions film = BENCH_FILM_DEFAULTS;
  film.frames_per_second = (unsigned)options->fps;
  film.gop_seconds = options->gop;
  if (options->bitrate && !parse_bitrate (options->bitrate, &film.bits_per_second)) {
    g_set_error (&bench->error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
                 "--bitrate is bits per second from 64k to 100M");
    return false;
  }
  if (!gst_init_check (NULL, NULL, &bench->error))
    return false;
  bench->film = options->file ? bench_film_new_file (options->file, &bench->error)
                              : bench_film_new_synthetic (&film, &bench->error);
  return bench->film != NULL;
}

/* --- the roles ---------------------------------------------------------------------------------------------
 */

static int
quit_now (void *data)
{
  Bench *bench = data;
  g_main_loop_quit (bench->main_loop);
  return G_SOURCE_CONTINUE;
}

static int
quit_once (void *data)
{
  (void)quit_now (data);
  return G_SOURCE_REMOVE;
}

static void
on_done (void *data)
{
  g_idle_add (quit_once, data);
}

static void
begin_cameras (void *data)
{
  Bench *bench = data;
  NetAddress listen;
  if (!net_address_parse (bench->options.listen, &listen, &bench->error))
    return;
  bench->playout = bench_playout_new (bench->loop, bench->film, &bench->options.impairments);
  bench->cameras = bench_cameras_new (bench->loop, &listen, bench->playout, bench->film, &bench->error);
  if (!bench->cameras)
    return;
  g_autofree char *address = net_address_to_string (bench_cameras_address (bench->cameras));
  fprintf (stderr, "cameras at rtsp://%s/ANY\n", address);
}

static void
begin_publishers (void *data)
{
  Bench *bench = data;
  bench->playout = bench_playout_new (bench->loop, bench->film, &bench->options.impairments);
  bench->publishers = bench_publishers_new (bench->loop, &bench->crowd, bench->playout, bench->film);
}

static void
begin_readers (void *data)
{
  Bench *bench = data;
  BenchReadersOptions options = {.warmup_seconds = bench->options.warmup,
                                 .seconds = bench->options.seconds > 0 ? bench->options.seconds : 10,
                                 .server = bench->server};
  bench->readers = bench_readers_new (bench->loop, &bench->crowd, &options, on_done, bench);
}

static void
look_at_publishers (void *data)
{
  Bench *bench = data;
  BenchPublishersState state;
  bench_publishers_state (bench->publishers, &state);
  if (!bench->told && state.publishing == bench->crowd.count)
    fprintf (stderr, "publishing: %u\n", state.publishing);
  bench->told |= state.publishing == bench->crowd.count;
  if (state.ended < bench->crowd.count)
    return;
  if (state.error)
    g_set_error_literal (&bench->error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, state.error);
  on_done (bench);
}

static int
on_look (void *data)
{
  Bench *bench = data;
  loop_call (bench->loop, look_at_publishers, bench);
  return bench->error ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void
stop (void *data)
{
  Bench *bench = data;
  bench_readers_free (bench->readers);
  bench_publishers_free (bench->publishers);
  bench_cameras_free (bench->cameras);
  bench_playout_free (bench->playout);
}

static JsonNode *
report_playout (const Bench *bench)
{
  const BenchPlayoutStats *stats = bench_playout_stats (bench->playout);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  bench_report_add (builder, "senders", stats->senders);
  bench_report_add (builder, "frames", (double)stats->frames);
  bench_report_add (builder, "packets", (double)stats->packets);
  bench_report_add (builder, "bytes", (double)stats->bytes);
  bench_report_add (builder, "dropped_frames", (double)stats->dropped_frames);
  bench_report_add (builder, "late_frames", (double)stats->late_frames);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}

static void
print_report (void *data)
{
  Bench *bench = data;
  g_autoptr (JsonNode) report =
      bench->readers ? bench_readers_report (bench->readers) : report_playout (bench);
  bench_report_print (report, bench->options.json);
}

static void
run_role (Bench *bench, LoopFunc begin)
{
  bench->loop = loop_new ("bench", &bench->error);
  if (!bench->loop)
    return;
  bench->main_loop = g_main_loop_new (NULL, FALSE);
  guint sources[] = {g_unix_signal_add (SIGINT, quit_now, bench),
                     g_unix_signal_add (SIGTERM, quit_now, bench),
                     begin == begin_publishers ? g_timeout_add (LOOK_MS, on_look, bench) : 0,
                     begin != begin_readers && bench->options.seconds > 0
                         ? g_timeout_add ((guint)(bench->options.seconds * 1000), quit_now, bench)
                         : 0};
  loop_call (bench->loop, begin, bench);
  if (!bench->error) {
    g_main_loop_run (bench->main_loop);
    loop_call (bench->loop, print_report, bench);
  }
  for (unsigned i = 0; i < G_N_ELEMENTS (sources); i++)
    if (sources[i] && g_main_context_find_source_by_id (NULL, sources[i]))
      g_source_remove (sources[i]);
  loop_call (bench->loop, stop, bench);
  loop_free (bench->loop);
  g_main_loop_unref (bench->main_loop);
}

static void
watch (Bench *bench)
{
  BenchProcess before, after;
  if (!bench->server) {
    g_set_error (&bench->error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "give --server-pid");
    return;
  }
  if (!bench_process_read (bench->server, &before, &bench->error))
    return;
  g_usleep ((gulong)((bench->options.seconds > 0 ? bench->options.seconds : 10) * G_USEC_PER_SEC));
  if (!bench_process_read (bench->server, &after, &bench->error))
    return;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  bench_report_add (builder, "seconds", after.at_seconds - before.at_seconds);
  bench_report_add_process (builder, "server", &before, &after);
  json_builder_end_object (builder);
  g_autoptr (JsonNode) report = json_builder_get_root (builder);
  bench_report_print (report, bench->options.json);
}

/* --- the command -------------------------------------------------------------------------------------------
 */

static void
allow_all_descriptors (void)
{
  struct rlimit limit;
  if (getrlimit (RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit (RLIMIT_NOFILE, &limit);
  }
}

static int
run_bench (Bench *bench, const char *role)
{
  bool cameras = strcmp (role, "cameras") == 0, publish = strcmp (role, "publish") == 0;
  bool read = strcmp (role, "read") == 0, watching = strcmp (role, "watch") == 0;
  if (!cameras && !publish && !read && !watching) {
    fprintf (stderr, "sluice bench: there is no '%s'; choose cameras, publish, read or watch\n", role);
    return 2;
  }
  if ((publish || read) && !bench->options.url) {
    fprintf (stderr, "sluice bench %s: give --url\n", role);
    return 2;
  }
  if (!check_options (bench) || ((cameras || publish) && !make_film (bench)))
    return bench->error->domain == SLUICE_ERROR && bench->error->code == SLUICE_ERROR_INVALID_ARGUMENT ? 2
                                                                                                       : 1;
  if (watching)
    watch (bench);
  else
    run_role (bench, cameras ? begin_cameras : publish ? begin_publishers : begin_readers);
  return bench->error ? 1 : 0;
}

static void
clear_options (Options *options)
{
  char *texts[] = {options->listen, options->file,      options->bitrate,
                   options->url,    options->transport, options->server_pid};
  for (unsigned i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
}

static const char description[] =
    "Plays H.264 to an RTSP server or from it and measures: frames carry their send time, so that readers on "
    "the\n"
    "same machine know how long each was under way. Works with any server.\n\n"
    "  cameras   an RTSP server that plays on any path, to as many as come\n"
    "  publish   --count publishers to --url\n"
    "  read      --count readers of --url: joining, latency, loss, bit rate\n"
    "  watch     only looks at the process --server-pid\n\n"
    "Examples:\n"
    "  sluice bench cameras --listen 127.0.0.1:9000\n"
    "  sluice bench publish --url rtsp://127.0.0.1:8554/cam%d --count 10\n"
    "  sluice bench read --url rtsp://127.0.0.1:8554/cam0 --count 300 --seconds 20 --server-pid auto --json";

static int
run (int argc, char **argv)
{
  Bench bench = {.options = {.fps = 30, .count = 1, .at_once = 16, .gop = 2, .warmup = 1}};
  Options *o = &bench.options;
  BenchImpairments *i = &o->impairments;
  GOptionEntry entries[] = {
      {"listen", 0, 0, G_OPTION_ARG_STRING, &o->listen, "Of cameras; default 127.0.0.1:0", "ADDRESS"},
      {"url", 'u', 0, G_OPTION_ARG_STRING, &o->url, "With %d: the client's number, from 0", "URL"},
      {"count", 'n', 0, G_OPTION_ARG_INT, &o->count, "Clients; default 1", "N"},
      {"at-once", 0, 0, G_OPTION_ARG_INT, &o->at_once, "Clients connecting at a time; default 16", "N"},
      {"transport", 't', 0, G_OPTION_ARG_STRING, &o->transport, "tcp (default) or udp", "NAME"},
      {"seconds", 's', 0, G_OPTION_ARG_DOUBLE, &o->seconds, "Default: read and watch 10, others for ever",
       "S"},
      {"spread", 0, 0, G_OPTION_ARG_DOUBLE, &o->spread, "Readers come evenly over this time; default at once",
       "S"},
      {"warmup", 0, 0, G_OPTION_ARG_DOUBLE, &o->warmup, "Readers settle before they are measured; default 1",
       "S"},
      {"server-pid", 'p', 0, G_OPTION_ARG_STRING, &o->server_pid,
       "Measure it too; auto: who listens at --url", "PID"},
      {"file", 'f', 0, G_OPTION_ARG_FILENAME, &o->file, "Play its H.264 track, not a test picture", "PATH"},
      {"bitrate", 'b', 0, G_OPTION_ARG_STRING, &o->bitrate, "Of the test picture; default 2M", "BPS"},
      {"fps", 0, 0, G_OPTION_ARG_INT, &o->fps, "Its frames per second; default 30", "N"},
      {"gop", 0, 0, G_OPTION_ARG_DOUBLE, &o->gop, "Between its key frames; default 2", "S"},
      {"drop", 0, 0, G_OPTION_ARG_DOUBLE, &i->drop, "Packets that are not sent", "PERCENT"},
      {"delay", 0, 0, G_OPTION_ARG_INT, &i->delay_ms, "All packets", "MS"},
      {"jitter", 0, 0, G_OPTION_ARG_INT, &i->jitter_ms, "Up to that much more delay", "MS"},
      {"reorder", 0, 0, G_OPTION_ARG_DOUBLE, &i->reorder, "Packets that leave 10 ms later", "PERCENT"},
      {"duplicate", 0, 0, G_OPTION_ARG_DOUBLE, &i->duplicate, "Packets that are sent twice", "PERCENT"},
      {"garbage", 0, 0, G_OPTION_ARG_DOUBLE, &i->garbage, "Packets of random bytes", "PERCENT"},
      {"stall-after", 0, 0, G_OPTION_ARG_DOUBLE, &i->stall_after, "Fall silent then", "S"},
      {"close-after", 0, 0, G_OPTION_ARG_DOUBLE, &i->close_after, "Close the connection then", "S"},
      {"json", 'j', 0, G_OPTION_ARG_NONE, &o->json, "Report as JSON", NULL},
      G_OPTION_ENTRY_NULL,
  };
  if (!cli_parse (&cli_bench, entries, description, &argc, &argv))
    return 2;
  if (argc != 2) {
    fputs ("sluice bench: choose cameras, publish, read or watch; 'sluice bench --help' shows how\n", stderr);
    return 2;
  }
  if (!o->listen)
    o->listen = g_strdup ("127.0.0.1:0");
  log_install (LOG_FORMAT_AUTO);
  log_set_level_all (LOG_ERROR);
  allow_all_descriptors ();
  int status = run_bench (&bench, argv[1]);
  if (bench.error)
    fprintf (stderr, "sluice bench %s: %s\n", argv[1], bench.error->message);
  g_clear_error (&bench.error);
  bench_film_free (bench.film);
  clear_options (o);
  return status;
}

const CliCommand cli_bench = {"bench", "cameras|publish|read|watch", "load a server and measure it", run};
