/* SPDX-License-Identifier: Apache-2.0 */
/* sluice ctl: operates a running server through its API. */
#include "base/error.h"
#include "cli/api_client.h"
#include "cli/cli.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_URL "http://127.0.0.1:8080"
#define STREAMS     "/api/v1/streams"

enum { RETRY_US = 1000 * 1000 };

typedef struct {
  char *url, *token;
  gboolean json;
  char **set;
  char *kick;
  gboolean follow;
  gint64 since; /* -1: not given */
} Options;

typedef struct {
  Options options;
  ApiClient *client;
  int n_words; /* behind the verb */
  char **words;
} Ctl;

/* --- small helpers
 * ------------------------------------------------------------------------------------------- */

static const char *
get_string (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

static double
get_number (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  if (!node || !JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) == G_TYPE_STRING)
    return 0;
  return json_node_get_double (node);
}

static JsonObject *
get_object (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static JsonArray *
get_array (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

static JsonObject *
get_element (JsonArray *array, unsigned index)
{
  JsonNode *node = json_array_get_element (array, index);
  return JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static unsigned
length_of (JsonArray *array)
{
  return array ? json_array_get_length (array) : 0;
}

static char *
format_bitrate (double bps)
{
  if (bps >= 1e6)
    return g_strdup_printf ("%.2f Mbit/s", bps / 1e6);
  return bps >= 1 ? g_strdup_printf ("%.0f kbit/s", bps / 1e3) : g_strdup ("-");
}

static char *
format_uptime (double seconds)
{
  unsigned long s = (unsigned long)seconds;
  if (s >= 86400)
    return g_strdup_printf ("%lud %luh", s / 86400, s / 3600 % 24);
  if (s >= 3600)
    return g_strdup_printf ("%luh %lum", s / 3600, s / 60 % 60);
  if (s >= 60)
    return g_strdup_printf ("%lum %lus", s / 60, s % 60);
  return s ? g_strdup_printf ("%lus", s) : g_strdup ("-");
}

static char *
format_tracks (JsonArray *tracks)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (unsigned i = 0; i < length_of (tracks); i++) {
    JsonObject *track = get_element (tracks, i);
    const char *codec = track ? get_string (track, "codec") : NULL;
    g_string_append_printf (text, "%s%s", i ? "," : "", codec ? codec : "?");
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static char *
stream_path (const char *id, const char *below)
{
  g_autofree char *escaped = g_uri_escape_string (id, NULL, FALSE);
  return g_strconcat (STREAMS "/", escaped, below, NULL);
}

static void
print_json (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  json_node_set_object (node, object);
  g_autofree char *text = json_to_string (node, TRUE);
  puts (text);
}

static int
fail (const GError *error)
{
  g_auto (GStrv) lines = g_strsplit (error->message, "\n", -1);
  for (unsigned i = 0; lines[i]; i++) {
    g_autofree char *clean = table_clean (lines[i]);
    fprintf (stderr, "%s%s\n", i == 0 ? "sluice ctl: " : "", clean);
  }
  return 1;
}

/* One request without a table: says @done on success. */
static int
command (Ctl *ctl, const char *method, const char *path, JsonObject *body, const char *done)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) answer = api_client_request (ctl->client, method, path, body, &error);
  if (!answer)
    return fail (error);
  if (ctl->options.json)
    print_json (answer);
  else
    puts (done);
  return 0;
}

/* --- verbs
 * --------------------------------------------------------------------------------------------------- */

static void
add_stream_row (Table *table, JsonObject *stream)
{
  JsonObject *stats = get_object (stream, "stats");
  g_autofree char *tracks = format_tracks (get_array (stream, "tracks"));
  g_autofree char *readers = g_strdup_printf ("%.0f", get_number (stream, "readers"));
  g_autofree char *bitrate = format_bitrate (stats ? get_number (stats, "bitrate_bps") : 0);
  g_autofree char *rate = g_strdup_printf ("%.1f", stats ? get_number (stats, "frame_rate") : 0);
  g_autofree char *uptime = format_uptime (get_number (stream, "uptime"));
  const char *cells[] = {
      get_string (stream, "id"),    get_string (stream, "state"), tracks, readers, bitrate, rate, uptime,
      get_string (stream, "source")};
  table_add (table, cells);
}

static int
run_list (Ctl *ctl)
{
  static const char *const columns[] = {"ID",   "STATE",   "TRACKS", ">READERS", ">BITRATE",
                                        ">FPS", ">UPTIME", "SOURCE", NULL};
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) answer = api_client_request (ctl->client, "GET", STREAMS, NULL, &error);
  if (!answer)
    return fail (error);
  if (ctl->options.json) {
    print_json (answer);
    return 0;
  }
  JsonArray *streams = get_array (answer, "streams");
  g_autoptr (Table) table = table_new (columns);
  for (unsigned i = 0; i < length_of (streams); i++)
    if (get_element (streams, i))
      add_stream_row (table, get_element (streams, i));
  table_print (table, stdout);
  double total = get_number (answer, "total_count");
  if (total > length_of (streams))
    printf ("and %.0f more\n", total - length_of (streams));
  return 0;
}

/* true, 5, ["a", "b"] and null mean what they mean in JSON; everything else is text. */
static bool
add_setting (JsonObject *body, const char *text)
{
  const char *equals = strchr (text, '=');
  if (!equals || equals == text) {
    fprintf (stderr, "sluice ctl: --set %s: must be KEY=VALUE\n", text);
    return false;
  }
  g_autofree char *key = g_strndup (text, (gsize)(equals - text));
  g_autoptr (JsonNode) value = equals[1] ? json_from_string (equals + 1, NULL) : NULL;
  if (value)
    json_object_set_member (body, key, g_steal_pointer (&value));
  else
    json_object_set_string_member (body, key, equals + 1);
  return true;
}

static int
run_add (Ctl *ctl)
{
  const char *id = ctl->words[0];
  g_autoptr (JsonObject) body = json_object_new ();
  json_object_set_string_member (body, "id", id);
  if (ctl->n_words > 1)
    json_object_set_string_member (body, "source", ctl->words[1]);
  for (char **set = ctl->options.set; set && *set; set++)
    if (!add_setting (body, *set))
      return 2;
  g_autofree char *done = g_strdup_printf ("%s: added", id);
  return command (ctl, "POST", STREAMS, body, done);
}

static int
run_set (Ctl *ctl)
{
  g_autoptr (JsonObject) body = json_object_new ();
  for (char **set = ctl->options.set; set && *set; set++)
    if (!add_setting (body, *set))
      return 2;
  if (json_object_get_size (body) == 0) {
    fputs ("sluice ctl: set: nothing to set; give at least one --set KEY=VALUE\n", stderr);
    return 2;
  }
  g_autofree char *path = stream_path (ctl->words[0], NULL);
  g_autofree char *done = g_strdup_printf ("%s: changed", ctl->words[0]);
  return command (ctl, "PATCH", path, body, done);
}

static int
run_rm (Ctl *ctl)
{
  g_autofree char *path = stream_path (ctl->words[0], NULL);
  g_autofree char *done = g_strdup_printf ("%s: removed", ctl->words[0]);
  return command (ctl, "DELETE", path, NULL, done);
}

static int
run_start (Ctl *ctl)
{
  g_autofree char *path = stream_path (ctl->words[0], "/start");
  g_autofree char *done = g_strdup_printf ("%s: starting", ctl->words[0]);
  return command (ctl, "POST", path, NULL, done);
}

static int
run_stop (Ctl *ctl)
{
  g_autofree char *path = stream_path (ctl->words[0], "/stop");
  g_autofree char *done = g_strdup_printf ("%s: stopping", ctl->words[0]);
  return command (ctl, "POST", path, NULL, done);
}

static int
run_restart (Ctl *ctl)
{
  g_autofree char *path = stream_path (ctl->words[0], "/restart");
  g_autofree char *done = g_strdup_printf ("%s: restarting", ctl->words[0]);
  return command (ctl, "POST", path, NULL, done);
}

static void
print_pair (const char *name, const char *value)
{
  g_autofree char *clean = table_clean (value && *value ? value : "-");
  printf ("%-16s%s\n", name, clean);
}

static void
print_count (const char *name, JsonObject *object, const char *member)
{
  g_autofree char *text = g_strdup_printf ("%.0f", get_number (object, member));
  print_pair (name, text);
}

static void
print_stream (JsonObject *stream)
{
  JsonObject *stats = get_object (stream, "stats");
  g_autofree char *tracks = format_tracks (get_array (stream, "tracks"));
  g_autofree char *uptime = format_uptime (get_number (stream, "uptime"));
  print_pair ("id", get_string (stream, "id"));
  print_pair ("name", get_string (stream, "name"));
  print_pair ("state", get_string (stream, "state"));
  print_pair ("source", get_string (stream, "source"));
  print_pair ("tracks", tracks);
  print_count ("readers", stream, "readers");
  print_pair ("uptime", uptime);
  print_pair ("last error", get_string (stream, "last_error"));
  print_pair ("created", get_string (stream, "created_at"));
  print_pair ("last connected", get_string (stream, "last_connected"));
  if (!stats)
    return;
  g_autofree char *bitrate = format_bitrate (get_number (stats, "bitrate_bps"));
  g_autofree char *rate = g_strdup_printf ("%.1f", get_number (stats, "frame_rate"));
  print_pair ("bitrate", bitrate);
  print_pair ("frames/s", rate);
  print_count ("packets in", stats, "packets_in");
  print_count ("packets lost", stats, "packets_lost");
  print_count ("packets out", stats, "packets_out");
  print_count ("reader skips", stats, "reader_skips");
  print_count ("source failures", stats, "source_failures");
}

static void
print_daemon (JsonObject *status)
{
  g_autofree char *uptime = format_uptime (get_number (status, "uptime"));
  g_autofree char *cpu = g_strdup_printf ("%.1f %%", get_number (status, "cpu_usage"));
  g_autofree char *memory = g_strdup_printf ("%.1f MiB", get_number (status, "memory_usage"));
  print_pair ("status", get_string (status, "status"));
  print_pair ("version", get_string (status, "version"));
  print_pair ("uptime", uptime);
  print_count ("streams", status, "total_streams");
  print_count ("running", status, "active_streams");
  print_count ("failed", status, "failed_streams");
  print_count ("readers", status, "readers");
  print_pair ("processor", cpu);
  print_pair ("memory", memory);
}

static int
run_status (Ctl *ctl)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = ctl->n_words ? stream_path (ctl->words[0], NULL) : g_strdup ("/api/v1/status");
  g_autoptr (JsonObject) answer = api_client_request (ctl->client, "GET", path, NULL, &error);
  if (!answer)
    return fail (error);
  if (ctl->options.json)
    print_json (answer);
  else if (ctl->n_words)
    print_stream (answer);
  else
    print_daemon (answer);
  return 0;
}

static int
run_readers (Ctl *ctl)
{
  static const char *const columns[] = {"ID",     "PROTOCOL", "TRANSPORT", "PEER",       "USER",
                                        ">BYTES", ">SKIPS",   "OPENED",    "USER AGENT", NULL};
  if (ctl->options.kick) {
    g_autofree char *escaped = g_uri_escape_string (ctl->options.kick, NULL, FALSE);
    g_autofree char *below = g_strconcat ("/readers/", escaped, NULL);
    g_autofree char *kick = stream_path (ctl->words[0], below);
    g_autofree char *done = g_strdup_printf ("%s: disconnected", ctl->options.kick);
    return command (ctl, "DELETE", kick, NULL, done);
  }
  g_autoptr (GError) error = NULL;
  g_autofree char *path = stream_path (ctl->words[0], "/readers");
  g_autoptr (JsonObject) answer = api_client_request (ctl->client, "GET", path, NULL, &error);
  if (!answer)
    return fail (error);
  if (ctl->options.json) {
    print_json (answer);
    return 0;
  }
  JsonArray *readers = get_array (answer, "readers");
  g_autoptr (Table) table = table_new (columns);
  for (unsigned i = 0; i < length_of (readers); i++) {
    JsonObject *reader = get_element (readers, i);
    if (!reader)
      continue;
    g_autofree char *bytes = g_strdup_printf ("%.0f", get_number (reader, "bytes"));
    g_autofree char *skips = g_strdup_printf ("%.0f", get_number (reader, "skips"));
    const char *cells[] = {get_string (reader, "id"),
                           get_string (reader, "protocol"),
                           get_string (reader, "transport"),
                           get_string (reader, "peer"),
                           get_string (reader, "user"),
                           bytes,
                           skips,
                           get_string (reader, "opened_at"),
                           get_string (reader, "user_agent")};
    table_add (table, cells);
  }
  table_print (table, stdout);
  return 0;
}

/* --- events
 * -------------------------------------------------------------------------------------------------- */

static void
print_event (Ctl *ctl, JsonObject *event)
{
  if (ctl->options.json) {
    g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
    json_node_set_object (node, event);
    g_autofree char *text = json_to_string (node, FALSE);
    puts (text);
    return;
  }
  const char *words[] = {get_string (event, "timestamp"), get_string (event, "type"),
                         get_string (event, "stream_id"), get_string (event, "message")};
  char *clean[G_N_ELEMENTS (words)];
  for (unsigned i = 0; i < G_N_ELEMENTS (words); i++)
    clean[i] = table_clean (words[i] ? words[i] : "-");
  printf ("%.0f  %s  %-22s %-20s %s\n", get_number (event, "seq"), clean[0], clean[1], clean[2], clean[3]);
  for (unsigned i = 0; i < G_N_ELEMENTS (words); i++)
    g_free (clean[i]);
}

typedef struct {
  Ctl *ctl;
  gint64 cursor; /* -1: none yet */
} FollowState;

static bool
on_event (void *data, JsonObject *event)
{
  FollowState *state = data;
  print_event (state->ctl, event);
  fflush (stdout);
  if (json_object_has_member (event, "seq"))
    state->cursor = (gint64)get_number (event, "seq");
  return !ferror (stdout);
}

static int
follow_events (Ctl *ctl)
{
  FollowState state = {.ctl = ctl, .cursor = ctl->options.since};
  for (bool first = true; !ferror (stdout); first = false) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = state.cursor >= 0
                                ? g_strdup_printf ("/api/v1/events?cursor=%" G_GINT64_FORMAT, state.cursor)
                                : g_strdup ("/api/v1/events");
    bool ok = api_client_follow (ctl->client, path, on_event, &state, &error);
    if (!ok && (first || !g_error_matches (error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE)))
      return fail (error);
    /* The server restarts, perhaps: go on behind the last number. */
    g_usleep (RETRY_US);
  }
  return 1;
}

static int
run_events (Ctl *ctl)
{
  if (ctl->options.follow)
    return follow_events (ctl);
  g_autoptr (GError) error = NULL;
  g_autofree char *path =
      ctl->options.since >= 0
          ? g_strdup_printf ("/api/v1/events?limit=1000&cursor=%" G_GINT64_FORMAT, ctl->options.since)
          : g_strdup ("/api/v1/events");
  g_autoptr (JsonObject) answer = api_client_request (ctl->client, "GET", path, NULL, &error);
  if (!answer)
    return fail (error);
  JsonArray *events = get_array (answer, "events");
  for (unsigned i = 0; i < length_of (events); i++)
    if (get_element (events, i))
      print_event (ctl, get_element (events, i));
  return 0;
}

/* --- the command
 * --------------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  int min, max; /* words behind it */
  const char *usage;
  int (*run) (Ctl *ctl);
} verbs[] = {
    {"list", 0, 0, "list", run_list},
    {"add", 1, 2, "add NAME [SOURCE] [--set KEY=VALUE]...", run_add},
    {"set", 1, 1, "set NAME --set KEY=VALUE...", run_set},
    {"rm", 1, 1, "rm NAME", run_rm},
    {"start", 1, 1, "start NAME", run_start},
    {"stop", 1, 1, "stop NAME", run_stop},
    {"restart", 1, 1, "restart NAME", run_restart},
    {"status", 0, 1, "status [NAME]", run_status},
    {"readers", 1, 1, "readers NAME [--kick ID]", run_readers},
    {"events", 0, 0, "events [--follow] [--since N]", run_events},
};

static const char description[] =
    "Operates a running server through its API.\n"
    "\n"
    "Verbs:\n"
    "  list                        all streams\n"
    "  add NAME [SOURCE]           create a stream; without a source it waits for a publisher\n"
    "  set NAME --set KEY=VALUE    change keys of a stream\n"
    "  rm NAME                     remove a stream\n"
    "  start|stop|restart NAME     a stop holds until a start\n"
    "  status [NAME]               of a stream, or of the whole server\n"
    "  readers NAME [--kick ID]    who reads a stream; disconnect one\n"
    "  events [--follow]           what happened; --since N begins behind event N\n"
    "\n"
    "Examples:\n"
    "  sluice ctl add door rtsp://192.0.2.7/stream --set transport=tcp\n"
    "  sluice ctl list\n"
    "  sluice ctl --json status door\n"
    "  sluice ctl events --follow\n"
    "\n"
    "SLUICE_URL and SLUICE_TOKEN stand in for --url and --token.";

static int
dispatch (Ctl *ctl, const char *verb)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (verbs); i++) {
    if (strcmp (verbs[i].name, verb) != 0)
      continue;
    if (ctl->n_words < verbs[i].min || ctl->n_words > verbs[i].max) {
      fprintf (stderr, "sluice ctl: usage: sluice ctl %s\n", verbs[i].usage);
      return 2;
    }
    return verbs[i].run (ctl);
  }
  fprintf (stderr, "sluice ctl: there is no verb \"%s\"; try \"sluice ctl --help\"\n", verb);
  return 2;
}

static void
clear_options (Options *options)
{
  g_free (options->url);
  g_free (options->token);
  g_strfreev (options->set);
  g_free (options->kick);
}

static int
run (int argc, char **argv)
{
  Ctl ctl = {.options = {.since = -1}};
  Options *options = &ctl.options;
  const GOptionEntry entries[] = {
      {"url", 'u', 0, G_OPTION_ARG_STRING, &options->url, "The server's address (" DEFAULT_URL ")", "URL"},
      {"token", 't', 0, G_OPTION_ARG_STRING, &options->token, "Bearer token", "TOKEN"},
      {"json", 'j', 0, G_OPTION_ARG_NONE, &options->json, "Print the server's answer as JSON", NULL},
      {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &options->set, "A key of the stream; may be repeated",
       "KEY=VALUE"},
      {"kick", 'k', 0, G_OPTION_ARG_STRING, &options->kick, "Disconnect this reader", "ID"},
      {"follow", 'f', 0, G_OPTION_ARG_NONE, &options->follow, "Wait for more events", NULL},
      {"since", 0, 0, G_OPTION_ARG_INT64, &options->since, "Only events behind this number", "N"},
      G_OPTION_ENTRY_NULL,
  };
  int result = 2;
  if (cli_parse (&cli_ctl, entries, description, &argc, &argv)) {
    if (argc < 2) {
      fputs ("sluice ctl: what shall it do? Try \"sluice ctl --help\"\n", stderr);
    } else {
      const char *url = options->url ? options->url : g_getenv ("SLUICE_URL");
      const char *token = options->token ? options->token : g_getenv ("SLUICE_TOKEN");
      ctl.client = api_client_new (url && *url ? url : DEFAULT_URL, token && *token ? token : NULL);
      ctl.n_words = argc - 2;
      ctl.words = argv + 2;
      result = dispatch (&ctl, argv[1]);
      api_client_free (ctl.client);
    }
  }
  clear_options (options);
  return result;
}

const CliCommand cli_ctl = {"ctl", "list | add NAME SOURCE | rm NAME | status [NAME] | ...",
                            "operate a running server", run};
