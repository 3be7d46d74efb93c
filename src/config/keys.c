/* SPDX-License-Identifier: Apache-2.0 */
/* The key table itself, and look-ups in it. */
#include "config/keys.h"

#include "config/text.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };
#define KIB INT64_C (1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

static const char *const log_levels[] = {"error", "warning", "info", "debug", "trace", NULL};
static const char *const log_formats[] = {"auto", "pretty", "json", "journald", NULL};
static const char *const rtsp_transports[] = {"tcp", "udp", "multicast", NULL};
static const char *const rtsp_auth_methods[] = {"basic", "digest", NULL};
static const char *const stream_transports[] = {
    [TRANSPORT_AUTO] = "auto",
    [TRANSPORT_UDP] = "udp",
    [TRANSPORT_TCP] = "tcp",
    [TRANSPORT_MULTICAST] = "multicast",
    NULL,
};
static const char *const actions[] = {"read", "publish", "api", "metrics", NULL}; /* bits of SettingsAction */

static const KeyElement user_element = {"auth.users", sizeof (SettingsUser)};
static const KeyElement token_element = {"auth.tokens", sizeof (SettingsToken)};
static const KeyElement permission_element = {"permission", sizeof (SettingsPermission)};

/* Members of the structs, so that a line of the table stays readable. */
#define S(member)      offsetof (Settings, member)
#define STREAM(member) KEY_STREAM_SECTION, #member
#define T(member)      offsetof (StreamSettings, member)
#define HOT            .apply = APPLY_HOT
#define SOURCE         .apply = APPLY_SOURCE
#define RESTART        .apply = APPLY_RESTART

/* clang-format off */
static const Key keys[] = {
  {"log", "level", KEY_STRING, S (log_level), "info", .choices = log_levels, HOT,
   .help = "How much is logged. Each level holds those before it."},
  {"log", "format", KEY_STRING, S (log_format), "auto", .choices = log_formats, HOT,
   .help = "auto is journald under systemd, else pretty."},
  {"log", "modules", KEY_LEVELS, S (log_modules), "", .choices = log_levels, HOT, .example = "{ rtsp = \"debug\" }",
   .help = "Levels of single modules, over level: base, config, stream, rtp, rtsp, worker, media, control, http, "
           "auth."},

  {"http", "enabled", KEY_BOOL, S (http_enabled), "true", RESTART,
   .help = "Serve the API, health and metrics."},
  {"http", "listen", KEY_STRINGS, S (http_listen), ":8080", .check = CHECK_LISTEN, RESTART,
   .example = "[\"127.0.0.1:8080\", \"[::1]:8080\"]",
   .help = "Addresses to listen on; \":8080\" is every address of the machine, IPv4 and IPv6; port 0 takes a free "
           "one."},
  {"http", "threads", KEY_INT, S (http_threads), "2", 1, 64, RESTART,
   .help = "Threads that serve HTTP connections."},
  {"http", "max_connections", KEY_INT, S (http_max_connections), "4096", 1, 1000000, RESTART,
   .help = "Connections at a time; more are refused."},
  {"http", "max_connections_per_address", KEY_INT, S (http_max_connections_per_address), "64", 1, 1000000, RESTART,
   .help = "Connections of one address at a time."},
  {"http", "header_bytes", KEY_SIZE, S (http_header_bytes), "32KiB", 1 * KIB, 1 * MIB, RESTART,
   .help = "Largest request line and header fields together; a longer one is answered 431."},
  {"http", "body_bytes", KEY_SIZE, S (http_body_bytes), "1MiB", 1 * KIB, 64 * MIB, RESTART,
   .help = "Largest request body; a longer one is answered 413."},
  {"http", "header_timeout", KEY_DURATION, S (http_header_timeout_ms), "10s", 1 * SECOND, 10 * MINUTE, RESTART,
   .help = "A request's header must be complete after this time."},
  {"http", "body_timeout", KEY_DURATION, S (http_body_timeout_ms), "30s", 1 * SECOND, 1 * HOUR, RESTART,
   .help = "A request's body must be complete after this time."},
  {"http", "idle_timeout", KEY_DURATION, S (http_idle_timeout_ms), "60s", 1 * SECOND, 1 * HOUR, RESTART,
   .help = "A connection without a request is closed after this time."},
  {"http", "cors_origins", KEY_STRINGS, S (http_cors_origins), "", .check = CHECK_ORIGIN, HOT,
   .example = "[\"https://video.example.org\"]",
   .help = "Web pages of other origins that may use the API; \"*\" is any."},
  {"http", "tls_certificate", KEY_STRING, S (http_tls_certificate), "", RESTART,
   .example = "\"/etc/sluice/server.pem\"",
   .help = "PEM file of the certificate chain. With it every HTTP listener speaks HTTPS."},
  {"http", "tls_key", KEY_STRING, S (http_tls_key), "", RESTART, .example = "\"/etc/sluice/server.key\"",
   .help = "PEM file of the private key."},

  {"rtsp", "enabled", KEY_BOOL, S (rtsp_enabled), "true", RESTART, .help = "Serve RTSP."},
  {"rtsp", "listen", KEY_STRINGS, S (rtsp_listen), ":8554", .check = CHECK_LISTEN, RESTART,
   .example = "[\"127.0.0.1:8554\", \"[::1]:8554\"]", .help = "Addresses for RTSP; as in [http]."},
  {"rtsp", "tls_listen", KEY_STRINGS, S (rtsp_tls_listen), "", .check = CHECK_LISTEN, RESTART,
   .example = "[\":8322\"]", .help = "Addresses for RTSPS; needs tls_certificate and tls_key."},
  {"rtsp", "tls_certificate", KEY_STRING, S (rtsp_tls_certificate), "", RESTART,
   .example = "\"/etc/sluice/server.pem\"", .help = "PEM file of the certificate chain."},
  {"rtsp", "tls_key", KEY_STRING, S (rtsp_tls_key), "", RESTART, .example = "\"/etc/sluice/server.key\"",
   .help = "PEM file of the private key."},
  {"rtsp", "transports", KEY_STRINGS, S (rtsp_transports), "tcp, udp, multicast", .choices = rtsp_transports, RESTART,
   .help = "How readers and publishers may carry their media."},
  {"rtsp", "udp_port_min", KEY_INT, S (rtsp_udp_port_min), "8000", 2, 65534, .zero = "any free ports", RESTART,
   .help = "First UDP port of the server, even. Each I/O thread takes a pair, for RTP and RTCP."},
  {"rtsp", "udp_port_max", KEY_INT, S (rtsp_udp_port_max), "8015", 3, 65535, .zero = "with udp_port_min", RESTART,
   .help = "Last UDP port of the server; means nothing when udp_port_min is 0."},
  {"rtsp", "multicast_network", KEY_STRING, S (rtsp_multicast_network), "239.255.42.0/24", .check = CHECK_MULTICAST,
   RESTART, .help = "Multicast streams get their groups from this network."},
  {"rtsp", "multicast_port", KEY_INT, S (rtsp_multicast_port), "8016", 2, 65534, RESTART,
   .help = "UDP port of multicast media, even; RTCP takes the next one."},
  {"rtsp", "multicast_ttl", KEY_INT, S (rtsp_multicast_ttl), "16", 1, 255, RESTART,
   .help = "How many routers a multicast packet may pass."},
  {"rtsp", "auth_methods", KEY_STRINGS, S (rtsp_auth_methods), "basic, digest", .choices = rtsp_auth_methods, RESTART,
   .help = "What is offered to clients; Digest works for users with a plain password only."},
  {"rtsp", "http_tunnel", KEY_BOOL, S (rtsp_http_tunnel), "true", RESTART,
   .help = "Accept RTSP over HTTP on the RTSP ports."},
  {"rtsp", "max_connections", KEY_INT, S (rtsp_max_connections), "4096", 1, 1000000, RESTART,
   .help = "Connections at a time; more are refused."},
  {"rtsp", "max_connections_per_address", KEY_INT, S (rtsp_max_connections_per_address), "64", 1, 1000000, RESTART,
   .help = "Connections of one address at a time."},
  {"rtsp", "request_line_bytes", KEY_SIZE, S (rtsp_request_line_bytes), "8KiB", 256, 64 * KIB, RESTART,
   .help = "Longest request line."},
  {"rtsp", "header_bytes", KEY_SIZE, S (rtsp_header_bytes), "32KiB", 1 * KIB, 1 * MIB, RESTART,
   .help = "Largest header of a request."},
  {"rtsp", "header_fields", KEY_INT, S (rtsp_header_fields), "64", 8, 1024, RESTART,
   .help = "Most header fields of a request."},
  {"rtsp", "body_bytes", KEY_SIZE, S (rtsp_body_bytes), "64KiB", 1 * KIB, 1 * MIB, RESTART,
   .help = "Largest body of a request: an SDP, parameters."},
  {"rtsp", "request_timeout", KEY_DURATION, S (rtsp_request_timeout_ms), "10s", 1 * SECOND, 10 * MINUTE, RESTART,
   .help = "A request must be complete after this time, and a fresh connection must have sent one."},
  {"rtsp", "session_timeout", KEY_DURATION, S (rtsp_session_timeout_ms), "60s", 5 * SECOND, 1 * HOUR, RESTART,
   .help = "UDP and multicast sessions end after this time without a sign of life."},
  {"rtsp", "backlog", KEY_INT, S (rtsp_backlog), "1024", 1, 65535, RESTART,
   .help = "Connections that may wait in the kernel to be accepted."},

  {"limits", "io_threads", KEY_INT, S (io_threads), "0", 1, 256, .zero = "one for each core", RESTART,
   .help = "Threads that carry media."},
  {"limits", "max_streams", KEY_INT, S (max_streams), "10000", 1, 1000000, HOT,
   .help = "Streams at a time, configured or published."},

  {"state", "path", KEY_STRING, S (state_path), NULL, RESTART,
   .initial_help = "$STATE_DIRECTORY (systemd), else /var/lib/sluice for root, else $XDG_STATE_HOME/sluice",
   .example = "\"/var/lib/sluice\"",
   .help = "Directory of the database with everything that was set at run time."},

  {"auth", "anonymous", KEY_OBJECTS, S (anonymous), "", HOT, .element = &permission_element,
   .example = "[{ actions = [\"read\"], path = \"live/*\" }]",
   .help = "What may be done without credentials. While there is no user, no token and nothing here, only this "
           "machine itself (loopback) is served, and may do all."},
  {"auth", "users", KEY_OBJECTS, S (users), "", HOT, .element = &user_element,
   .help = "One [[auth.users]] section for each user."},
  {"auth", "tokens", KEY_OBJECTS, S (tokens), "", HOT, .element = &token_element,
   .help = "One [[auth.tokens]] section for each bearer token."},

  {"auth.users", "name", KEY_STRING, offsetof (SettingsUser, name), "", .required = true, .check = CHECK_USER, HOT,
   .example = "\"anna\"", .help = "Unique."},
  {"auth.users", "password", KEY_STRING, offsetof (SettingsUser, password), "", .required = true, .secret = true,
   .check = CHECK_PASSWORD, HOT, .example = "\"$argon2id$v=19$...\"",
   .help = "What `sluice config hash-password` prints, or plain text. RTSP Digest needs plain text; a hash works "
           "with Basic."},
  {"auth.users", "permissions", KEY_OBJECTS, offsetof (SettingsUser, permissions), "", .required = true, HOT,
   .element = &permission_element, .example = "[{ actions = [\"read\", \"publish\"], path = \"live/*\" }]",
   .help = "What the user may do, and on which streams."},

  {"auth.tokens", "name", KEY_STRING, offsetof (SettingsToken, name), "", .required = true, .check = CHECK_USER, HOT,
   .example = "\"dashboard\"", .help = "Unique; for logs."},
  {"auth.tokens", "token", KEY_STRING, offsetof (SettingsToken, token), "", .required = true, .secret = true,
   .check = CHECK_TOKEN, HOT, .example = "\"${DASHBOARD_TOKEN}\"",
   .help = "\"sha256:\" and the hexadecimal SHA-256 of the token, or the token itself."},
  {"auth.tokens", "permissions", KEY_OBJECTS, offsetof (SettingsToken, permissions), "", .required = true, HOT,
   .element = &permission_element, .example = "[{ actions = [\"api\", \"metrics\"] }]",
   .help = "What its bearer may do, and on which streams."},

  {"permission", "actions", KEY_FLAGS, offsetof (SettingsPermission, actions), "", .required = true,
   .choices = actions, HOT, .example = "[\"read\"]",
   .help = "read and publish streams, use the api, see the metrics."},
  {"permission", "path", KEY_STRING, offsetof (SettingsPermission, path), "*", .check = CHECK_GLOB, HOT,
   .example = "\"live/*\"", .help = "A stream, or a pattern; * stands for any run of characters."},

  {STREAM (title), KEY_STRING, T (title), "", HOT, .example = "\"Front door\"", .help = "Name for people."},
  {STREAM (description), KEY_STRING, T (description), "", HOT, .example = "\"Above the bell\"",
   .help = "Text for people."},
  {STREAM (enabled), KEY_BOOL, T (enabled), "true", HOT, .help = "A stream that is not enabled stands still."},
  {STREAM (source), KEY_STRINGS, T (source), "", .check = CHECK_URL, SOURCE,
   .example = "\"rtsp://192.168.1.20/stream1\"",
   .help = "Where the stream comes from: a URL, or a list of URLs in order of preference. Empty: somebody publishes "
           "it to us."},
  {STREAM (transport), KEY_ENUM, T (transport), "auto", .choices = stream_transports, SOURCE,
   .help = "How RTSP media of the source travels; auto tries UDP first, then TCP."},
  {STREAM (on_demand), KEY_BOOL, T (on_demand), "false", HOT,
   .help = "Run the source only while somebody reads the stream."},
  {STREAM (on_demand_start_timeout), KEY_DURATION, T (on_demand_start_timeout_ms), "10s", 100, 10 * MINUTE, HOT,
   .help = "A reader waits this long for an on-demand source."},
  {STREAM (on_demand_close_after), KEY_DURATION, T (on_demand_close_after_ms), "10s", 0, 24 * HOUR, HOT,
   .help = "An on-demand source stops this long after its last reader has left."},
  {STREAM (connect_timeout), KEY_DURATION, T (connect_timeout_ms), "10s", 100, 10 * MINUTE, SOURCE,
   .help = "A source must have connected and told its tracks after this time."},
  {STREAM (stall_timeout), KEY_DURATION, T (stall_timeout_ms), "10s", 500, 1 * HOUR, SOURCE,
   .help = "A source without a frame for this long is started again."},
  {STREAM (retry_min), KEY_DURATION, T (retry_min_ms), "1s", 10, 1 * HOUR, HOT,
   .help = "Pause after the first failure; each further one doubles it."},
  {STREAM (retry_max), KEY_DURATION, T (retry_max_ms), "30s", 10, 24 * HOUR, HOT,
   .help = "Longest pause between two attempts."},
  {STREAM (max_attempts), KEY_INT, T (max_attempts), "0", 1, 1000000, .zero = "for ever", HOT,
   .help = "Failures in a row after which a source is given up."},
  {STREAM (username), KEY_STRING, T (username), "", SOURCE, .example = "\"admin\"",
   .help = "For the source, where its URL has none."},
  {STREAM (password), KEY_STRING, T (password), "", .secret = true, SOURCE, .example = "\"${CAMERA_PASSWORD}\"",
   .help = "For the source, where its URL has none."},
  {STREAM (tls_verify), KEY_BOOL, T (tls_verify), "true", SOURCE,
   .help = "Check the certificate of rtsps and https sources."},
  {STREAM (tls_fingerprint), KEY_STRING, T (tls_fingerprint), "", .check = CHECK_FINGERPRINT, SOURCE,
   .help = "SHA-256 of the one certificate to accept, self-signed or not."},
  {STREAM (reorder), KEY_DURATION, T (reorder_ms), "200ms", 0, 5 * SECOND, SOURCE,
   .help = "UDP: wait this long for a late packet."},
  {STREAM (publish), KEY_BOOL, T (publish), "true", HOT,
   .help = "Accept publishers while no source is set."},
  {STREAM (override_publisher), KEY_BOOL, T (override_publisher), "true", HOT,
   .help = "A new publisher replaces the one that is there; else it is refused."},
  {STREAM (max_readers), KEY_INT, T (max_readers), "1000", 1, 1000000, HOT, .help = "Readers at a time."},
  {STREAM (gop_cache), KEY_BOOL, T (gop_cache), "true", HOT,
   .help = "Keep what came since the last key frame, so that a new reader has a picture at once."},
  {STREAM (gop_cache_bytes), KEY_SIZE, T (gop_cache_bytes), "8MiB", 64 * KIB, 1 * GIB, HOT,
   .help = "Largest cache of a stream; a longer group of pictures is not kept."},
  {STREAM (queue_bytes), KEY_SIZE, T (queue_bytes), "4MiB", 64 * KIB, 1 * GIB, HOT,
   .help = "Most that waits for one reader; a slower one skips to the next key frame."},
  {STREAM (queue_time), KEY_DURATION, T (queue_ms), "5s", 100, 10 * MINUTE, HOT,
   .help = "A reader whose queue is older than this skips to the next key frame."},
  {STREAM (slow_reader_timeout), KEY_DURATION, T (slow_reader_ms), "10s", 500, 1 * HOUR, HOT,
   .help = "A reader that is too slow for this long is closed."},
  {STREAM (loop), KEY_BOOL, T (loop), "true", SOURCE, .help = "file: sources start again at their end."},
  {STREAM (worker_memory), KEY_SIZE, T (worker_memory), "2GiB", 64 * MIB, 1024 * GIB, .zero = "no limit", SOURCE,
   .help = "Address space of the stream's worker process."},
  {STREAM (worker_cpu), KEY_INT, T (worker_cpu), "0", 1, 100000, .zero = "no limit", SOURCE,
   .help = "Percent of one core that the stream's worker process may use over 10 s."},
  {STREAM (worker_hang_timeout), KEY_DURATION, T (worker_hang_timeout_ms), "15s", 1 * SECOND, 1 * HOUR, SOURCE,
   .help = "A worker process that does not answer for this long is killed and started again."},
};
/* clang-format on */

static const struct {
  const char *name, *help;
} sections[] = {
    {"log", "What is logged, and how."},
    {"http", "The HTTP server: API, health, metrics."},
    {"rtsp", "The RTSP server."},
    {"limits", "Limits of the whole daemon."},
    {"state", "What is kept on disk."},
    {"auth", "Who may do what."},
    {"auth.users", "A user. Repeat the section for each one."},
    {"auth.tokens", "A bearer token. Repeat the section for each one."},
    {"permission", "An element of a list of permissions."},
    {KEY_STREAM_SECTION, "Keys of [streams.NAME], of [streams.\"cam-*\"] for all streams whose name matches, "
                         "and of [defaults] for "
                         "all streams. A stream takes its own section, else the first pattern that matches "
                         "(the one with the longest "
                         "literal part), and everything that is not said there from [defaults]."},
};

const Key *
keys_all (size_t *ret_n)
{
  *ret_n = G_N_ELEMENTS (keys);
  return keys;
}

const Key *
keys_next (const char *section, const Key *after)
{
  for (const Key *key = after ? after + 1 : keys; key < keys + G_N_ELEMENTS (keys); key++)
    if (g_str_equal (key->section, section))
      return key;
  return NULL;
}

const Key *
keys_find (const char *section, const char *name)
{
  for (const Key *key = keys_next (section, NULL); key; key = keys_next (section, key))
    if (g_str_equal (key->name, name))
      return key;
  return NULL;
}

const char *
keys_section (unsigned index, const char **ret_help)
{
  if (index >= G_N_ELEMENTS (sections))
    return NULL;
  if (ret_help)
    *ret_help = sections[index].help;
  return sections[index].name;
}

const char *
keys_suggest (const char *section, const char *name)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  for (const Key *key = keys_next (section, NULL); key; key = keys_next (section, key))
    g_ptr_array_add (names, (char *)key->name);
  g_ptr_array_add (names, NULL);
  return text_closest (name, (const char *const *)names->pdata);
}

const char *
keys_suggest_section (const char *name)
{
  static const char *const names[] = {"log",  "http",     "rtsp",    "limits", "state",
                                      "auth", "defaults", "streams", NULL};
  return text_closest (name, names);
}

static char *
number_text (const Key *key, int64_t number)
{
  if (key->type == KEY_DURATION)
    return text_from_duration (number);
  if (key->type == KEY_SIZE)
    return text_from_size (number);
  return g_strdup_printf ("%" G_GINT64_FORMAT, number);
}

char *
key_range_text (const Key *key)
{
  if (key->choices)
    return g_strjoinv (", ", (char **)key->choices);
  if (key->max == 0)
    return NULL;
  g_autofree char *min = number_text (key, key->min);
  g_autofree char *max = number_text (key, key->max);
  if (key->zero)
    return g_strdup_printf ("0 (%s), %s to %s", key->zero, min, max);
  return g_strdup_printf ("%s to %s", min, max);
}

const char *
key_type_text (const Key *key)
{
  switch (key->type) {
  case KEY_BOOL:
    return "true or false";
  case KEY_INT:
    return "number";
  case KEY_DURATION:
    return "duration";
  case KEY_SIZE:
    return "size";
  case KEY_ENUM:
    return "word";
  case KEY_FLAGS:
    return "list of words";
  case KEY_STRING:
    return key->choices ? "word" : "string";
  case KEY_STRINGS:
    if (key->check == CHECK_URL)
      return "URL or list of URLs";
    if (key->check == CHECK_LISTEN)
      return "list of addresses";
    return key->choices ? "list of words" : "list of strings";
  case KEY_LEVELS:
    return "table of levels";
  case KEY_OBJECTS:
    return "list of tables";
  }
  g_return_val_if_reached (NULL);
}

char *
key_environment_name (const Key *key)
{
  const char *section = g_str_equal (key->section, KEY_STREAM_SECTION) ? "defaults" : key->section;
  g_autofree char *name = g_strdup_printf ("SLUICE_%s_%s", section, key->name);
  return g_ascii_strup (name, -1);
}
