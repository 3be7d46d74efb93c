/* SPDX-License-Identifier: Apache-2.0 */
/* The three layers, and every kind of problem with its place and its suggestion. */
#include "config/load.h"

#include "config/text.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static Settings *
load (const char *text, const char *const *environment, const char *const *overrides, char **ret_problems)
{
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  ConfigSources sources = {.file = "x.toml",
                           .text = text ? text : "",
                           .n_text = text ? strlen (text) : 0,
                           .environment = environment,
                           .overrides = overrides};
  Settings *settings = config_load (&sources, problems);
  g_assert_true ((settings != NULL) == (problems->len == 0));
  g_ptr_array_add (problems, NULL);
  *ret_problems = g_strjoinv ("\n", (char **)problems->pdata);
  return settings;
}

static Settings *
load_good (const char *text, const char *const *environment, const char *const *overrides)
{
  g_autofree char *problems = NULL;
  Settings *settings = load (text, environment, overrides, &problems);
  g_assert_cmpstr (problems, ==, "");
  return settings;
}

static void
test_empty_file_is_all_defaults (void)
{
  g_autoptr (Settings) settings = load_good ("", NULL, NULL);
  g_assert_cmpstr (settings->rtsp_listen[0], ==, ":8554");
  g_assert_cmpuint (settings->streams->len, ==, 0);
}

static void
test_values_of_all_types (void)
{
  g_autoptr (Settings) s = load_good ("[log]\n"
                                      "level = 'debug'\n"
                                      "modules = { rtsp = 'trace', http = 'error' }\n"
                                      "[http]\n"
                                      "enabled = false\n"
                                      "threads = 8\n"
                                      "listen = ['127.0.0.1:1', '[::1]:0']\n"
                                      "body_bytes = '2MiB'\n"
                                      "idle_timeout = 1.5\n"
                                      "[rtsp]\n"
                                      "listen = ':9000'\n"
                                      "request_timeout = '500s'\n"
                                      "header_bytes = 2048\n"
                                      "[auth]\n"
                                      "anonymous = [{ actions = ['read', 'api'], path = 'live/*' }]\n"
                                      "[[auth.users]]\n"
                                      "name = 'anna'\n"
                                      "password = 'secret'\n"
                                      "permissions = [{ actions = ['publish'] }]\n"
                                      "[[auth.tokens]]\n"
                                      "name = 't'\n"
                                      "token = 'abc'\n"
                                      "permissions = []\n",
                                      NULL, NULL);
  g_assert_cmpstr (s->log_level, ==, "debug");
  g_assert_cmpstr (g_hash_table_lookup (s->log_modules, "rtsp"), ==, "trace");
  g_assert_cmpuint (g_hash_table_size (s->log_modules), ==, 2);
  g_assert_false (s->http_enabled);
  g_assert_cmpint (s->http_threads, ==, 8);
  g_assert_cmpstr (s->http_listen[1], ==, "[::1]:0");
  g_assert_cmpint (s->http_body_bytes, ==, 2 << 20);
  g_assert_cmpint (s->http_idle_timeout_ms, ==, 1500);
  g_assert_cmpstr (s->rtsp_listen[0], ==, ":9000");
  g_assert_cmpint (s->rtsp_request_timeout_ms, ==, 500000);
  g_assert_cmpint (s->rtsp_header_bytes, ==, 2048);
  g_assert_true (settings_has_access_rules (s));
  const SettingsPermission *anonymous = s->anonymous->pdata[0];
  g_assert_cmpuint (anonymous->actions, ==, ACTION_READ | ACTION_API);
  g_assert_cmpstr (anonymous->path, ==, "live/*");
  const SettingsUser *user = s->users->pdata[0];
  g_assert_cmpstr (user->password, ==, "secret");
  const SettingsPermission *permission = user->permissions->pdata[0];
  g_assert_cmpuint (permission->actions, ==, ACTION_PUBLISH);
  g_assert_cmpstr (permission->path, ==, "*");
  g_assert_cmpstr (((SettingsToken *)s->tokens->pdata[0])->token, ==, "abc");
}

static void
test_streams_lie_over_defaults (void)
{
  g_autoptr (Settings) s = load_good ("[streams.b]\n"
                                      "source = 'test:'\n"
                                      "transport = 'udp'\n"
                                      "[streams.'live/a']\n"
                                      "source = ['rtsp://a/1', 'file:x.mp4']\n"
                                      "[streams.'cam-*']\n"
                                      "on_demand = true\n"
                                      "[streams.'cam-door-*']\n"
                                      "[defaults]\n"
                                      "transport = 'tcp'\n"
                                      "stall_timeout = '3s'\n",
                                      NULL, NULL);
  g_assert_cmpuint (s->streams->len, ==, 2);
  const StreamSettings *b = s->streams->pdata[0], *a = s->streams->pdata[1];
  g_assert_cmpstr (b->name, ==, "b");
  g_assert_cmpint (b->transport, ==, TRANSPORT_UDP);
  g_assert_cmpint (b->stall_timeout_ms, ==, 3000);
  g_assert_cmpstr (a->name, ==, "live/a");
  g_assert_cmpint (a->transport, ==, TRANSPORT_TCP);
  g_assert_cmpstr (a->source[1], ==, "file:x.mp4");
  g_assert_cmpuint (s->patterns->len, ==, 2);
  g_assert_cmpstr (settings_find_stream (s, "cam-door-1")->name, ==, "cam-door-*");
  g_assert_true (settings_find_stream (s, "cam-1")->on_demand);
}

static void
test_environment_over_file_and_command_line_over_both (void)
{
  static const char *const environment[] = {
      "SLUICE_RTSP_LISTEN=[::1]:1, :2",
      "SLUICE_HTTP_LISTEN=[\":3\", \":4\"]",
      "SLUICE_LOG_LEVEL=trace",
      "SLUICE_LOG_MODULES=rtsp=debug, http=info",
      "SLUICE_HTTP_ENABLED=no",
      "SLUICE_HTTP_IDLE_TIMEOUT=2m",
      "SLUICE_DEFAULTS_TRANSPORT=tcp",
      "SLUICE_STREAMS_CAM_1_SOURCE=rtsp://a/?x=1,2",
      "SLUICE_STREAMS_CAM_1_ON_DEMAND=true",
      "SLUICE_STREAMS_NEW_ONE_ON_DEMAND_CLOSE_AFTER=1s",
      "SLUICE_AUTH_ANONYMOUS=[{actions=[\"read\"]}]",
      /* Not ours. */
      "SLUICE_BINARY=/x",
      "SLUICE_RTSP_SERVICE_HOST=10.0.0.1",
      "SLUICE_RTSP_PORT=tcp://10.0.0.1:8554",
      "SLUICE_RTSP_PORT_8554_TCP_ADDR=10.0.0.1",
      "SLUICE_RTSP_SERVICE_PORT_RTSP=8554",
      "PATH=/bin",
      NULL,
  };
  static const char *const overrides[] = {
      "log.level=info",        "log.level=warning", "streams.\"cam-1\".max_readers=3",
      "streams.a.b.title=A=B", "defaults.loop=off", NULL};
  g_autoptr (Settings) s =
      load_good ("[log]\nlevel = 'debug'\n[streams.cam-1]\nsource = 'test:'\n", environment, overrides);
  g_assert_cmpstr (s->rtsp_listen[0], ==, "[::1]:1");
  g_assert_cmpstr (s->rtsp_listen[1], ==, ":2");
  g_assert_cmpstr (s->http_listen[1], ==, ":4");
  g_assert_cmpstr (s->log_level, ==, "warning");
  g_assert_cmpstr (g_hash_table_lookup (s->log_modules, "rtsp"), ==, "debug");
  g_assert_false (s->http_enabled);
  g_assert_cmpint (s->http_idle_timeout_ms, ==, 120000);
  g_assert_cmpuint (s->anonymous->len, ==, 1);
  g_assert_cmpuint (s->streams->len, ==, 3);
  const StreamSettings *cam = settings_find_stream (s, "cam-1");
  g_assert_cmpstr (cam->source[0], ==, "rtsp://a/?x=1,2");
  g_assert_true (cam->on_demand);
  g_assert_cmpint (cam->max_readers, ==, 3);
  g_assert_cmpint (cam->transport, ==, TRANSPORT_TCP);
  g_assert_false (cam->loop);
  g_assert_cmpint (settings_find_stream (s, "new_one")->on_demand_close_after_ms, ==, 1000);
  g_assert_cmpstr (settings_find_stream (s, "a.b")->title, ==, "A=B");
}

static void
test_variables_in_strings (void)
{
  static const char *const environment[] = {"HOST=10.0.0.1", "N=7", "EMPTY=", "LIST=:1, :2", NULL};
  g_autoptr (Settings) s =
      load_good ("[http]\nthreads = '${N}'\nlisten = '${LIST}'\n"
                 "[streams.a]\nsource = ['rtsp://u:$p@${HOST}/${N}', 'file:$${N}${EMPTY}']\n"
                 "title = '$${'\n",
                 environment, NULL);
  g_assert_cmpint (s->http_threads, ==, 7);
  g_assert_cmpstr (s->http_listen[1], ==, ":2");
  const StreamSettings *a = settings_find_stream (s, "a");
  g_assert_cmpstr (a->source[0], ==, "rtsp://u:$p@10.0.0.1/7");
  g_assert_cmpstr (a->source[1], ==, "file:${N}");
  g_assert_cmpstr (a->title, ==, "${");
}

/* One problem each; the whole line is compared. */
static const struct {
  const char *text, *problem;
} bad_files[] = {
    {"[rtsp]\nlistn = ':1'\n", "x.toml:2: rtsp.listn: unknown key; did you mean \"listen\"?"},
    {"[rtsp]\nzebra = ':1'\n", "x.toml:2: rtsp.zebra: unknown key"},
    {"\n[rstp]\n", "x.toml:2: rstp: unknown section; did you mean [rtsp]?"},
    {"[stream.a]\n", "x.toml:1: stream: unknown section; did you mean [streams]?"},
    {"[zebra]\n", "x.toml:1: zebra: unknown section"},
    {"rtsp = 1\n", "x.toml:1: rtsp: must be a section, not a number"},
    {"[rtsp\n", "x.toml:1: *"},
    {"[log]\nlevel = 'info'\nlevel = 'info'\n", "x.toml:3: *"},
    {"[http]\nenabled = 'yes'\n", "x.toml:2: http.enabled: must be true or false, not a string"},
    {"[http]\nthreads = '2'\n", "x.toml:2: http.threads: must be a number such as 2, not a string"},
    {"[http]\nthreads = 0\n", "x.toml:2: http.threads: must be 1 to 64"},
    {"[http]\nthreads = 65\n", "x.toml:2: http.threads: must be 1 to 64"},
    {"[http]\nthreads = 1.5\n", "x.toml:2: http.threads: 1.5 is not a number such as 2"},
    {"[http]\nthreads = nan\n", "x.toml:2: http.threads: nan is not *"},
    {"[http]\nidle_timeout = 1e300\n", "x.toml:2: http.idle_timeout: 1e+300 is not *"},
    {"[http]\nidle_timeout = '1x'\n",
     "x.toml:2: http.idle_timeout: \"1x\" is not a duration such as \"10s\""},
    {"[http]\nidle_timeout = 9223372036854775807\n", "x.toml:2: http.idle_timeout: *"},
    {"[http]\nidle_timeout = 2020-01-01\n", "x.toml:2: http.idle_timeout: *, not a date"},
    {"[http]\nbody_bytes = '1M'\n", "x.toml:2: http.body_bytes: \"1M\" is not a size such as \"8MiB\""},
    {"[http]\nbody_bytes = '1GiB'\n", "x.toml:2: http.body_bytes: must be 1KiB to 64MiB"},
    {"[http]\nlisten = ['localhost:80']\n", "x.toml:2: http.listen: \"localhost:80\" is not *"},
    {"[http]\nlisten = []\n", "x.toml:2: http.listen: must not be empty; *"},
    {"[http]\nlisten = [':1', ':1']\n", "x.toml:2: http.listen: item 2 is the same as item 1"},
    {"[http]\nlisten = [1]\n", "x.toml:2: http.listen: item 1 must be a string with something in it"},
    {"[http]\nlisten = [':8554']\n", "x.toml: rtsp.listen: \":8554\" is taken by http.listen already"},
    {"[http]\ncors_origins = ['example.org']\n",
     "x.toml:2: http.cors_origins: \"example.org\" is not an origin *"},
    {"[http]\ntls_key = 'k'\n", "x.toml:2: http.tls_key: needs tls_certificate as well"},
    {"[rtsp]\ntls_certificate = 'c'\n", "x.toml:2: rtsp.tls_certificate: needs tls_key as well"},
    {"[rtsp]\ntls_listen = ':1'\n", "x.toml:2: rtsp.tls_listen: needs tls_certificate and tls_key"},
    {"[rtsp]\ntransports = ['tcp', 'upd']\n",
     "x.toml:2: rtsp.transports: \"upd\" is not one of tcp, udp, multicast; did you mean \"udp\"?"},
    {"[rtsp]\ntransports = []\n", "x.toml:2: rtsp.transports: must not be empty"},
    {"[rtsp]\nudp_port_min = 8001\n", "x.toml:2: rtsp.udp_port_min: must be even: *"},
    {"[rtsp]\nudp_port_max = 7999\n", "x.toml:2: rtsp.udp_port_max: must be larger than *8000"},
    {"[rtsp]\nudp_port_max = 0\n", "x.toml:2: rtsp.udp_port_max: must be larger than *8000"},
    {"[rtsp]\nmulticast_port = 8017\n", "x.toml:2: rtsp.multicast_port: must be even: *"},
    {"[rtsp]\nmulticast_port = 8008\n", "x.toml:2: rtsp.multicast_port: must not be one of *"},
    {"[rtsp]\nmulticast_network = '10.0.0.0/8'\n", "x.toml:2: rtsp.multicast_network: *"},
    {"[limits]\nio_threads = 9\n", "x.toml: rtsp.udp_port_max: too few ports: 9 *"},
    {"[state]\npath = ''\n", "x.toml:2: state.path: must not be empty"},
    {"[log]\nlevel = ''\n", "x.toml:2: log.level: must not be empty"},
    {"[log]\nmodules = { rstp = 'info' }\n",
     "x.toml:2: log.modules: unknown module \"rstp\"; did you mean \"rtsp\"?"},
    {"[log]\nmodules = { rtsp = 'loud' }\n", "x.toml:2: log.modules: \"loud\" is not one of *"},
    {"[defaults]\ntransport = 'multi'\n", "x.toml:2: defaults.transport: \"multi\" is not one of *"},
    {"[defaults]\nretry_min = '1m'\n",
     "x.toml:2: defaults.retry_min: must be at most retry_max, which is 30s"},
    {"[streams.a]\nretry_max = '10ms'\n",
     "x.toml:2: streams.a.retry_max: must be at least retry_min, which is 1s"},
    {"[streams.a]\nsource = 'camera'\n", "x.toml:2: streams.a.source: not a URL *"},
    {"[streams.a]\nsource = 'rtps://a/'\n",
     "x.toml:2: streams.a.source: unknown scheme \"rtps\"; did you mean \"rtsp\"?"},
    {"[streams.a]\nsource = 'rtsp:/a'\n", "x.toml:2: streams.a.source: rtsp URLs need *"},
    {"[streams.a]\nsource = ['rtsp://a', 7]\n", "x.toml:2: streams.a.source: item 2 *"},
    {"[streams.a]\ntls_fingerprint = 'ab'\n", "x.toml:2: streams.a.tls_fingerprint: *"},
    {"[streams.a]\nworker_memory = '1MiB'\n",
     "x.toml:2: streams.a.worker_memory: must be 0 (no limit), 64MiB to 1024GiB"},
    {"[streams.'a b']\n", "x.toml:1: streams: stream name \"a b\" holds a character *"},
    {"[streams.a.b]\n", "x.toml:1: streams.a.b: unknown key; *[streams.\"a.b\"]"},
    {"[streams]\nsource = 'test:'\n", "x.toml:2: streams.source: a key of streams belongs under *"},
    {"[auth.users]\nname = 'a'\n", "x.toml:1: auth.users: write [[auth.users]], *"},
    {"[[auth.users]]\nname = 'a'\npassword = 'b'\n",
     "x.toml:1: auth.users: permissions is missing, such as *"},
    {"[[auth.users]]\nname = 'a:b'\npassword = 'b'\npermissions = []\n", "x.toml:2: auth.users.name: *"},
    {"[[auth.users]]\nname = 'a'\npassword = '$argon2i$x'\npermissions = []\n",
     "x.toml:3: auth.users.password: *"},
    {"[[auth.tokens]]\nname = 'a'\ntoken = 'sha256:ab'\npermissions = []\n",
     "x.toml:3: auth.tokens.token: *"},
    {"[auth]\nanonymous = [{ actions = [] }]\n", "x.toml:2: auth.anonymous.actions: must not be empty"},
    {"[auth]\nanonymous = [{ actions = ['reed'] }]\n",
     "x.toml:2: auth.anonymous.actions: \"reed\" is not one of *; did you mean \"read\"?"},
    {"[auth]\nanonymous = [{ actions = ['read'], path = 'a b' }]\n", "x.toml:2: auth.anonymous.path: *"},
    {"[auth]\nanonymous = ['read']\n", "x.toml:2: auth.anonymous: item 1 must be a table, not a string"},
    {"[[auth.users]]\nname = 'a'\npassword = 'b'\npermissions = []\n"
     "[[auth.users]]\nname = 'a'\npassword = 'c'\npermissions = []\n",
     "x.toml:1: auth.users: there are two users \"a\""},
    {"[rtsp]\nauth_methods = ['digest']\n"
     "[[auth.users]]\nname = 'a'\npassword = '$argon2id$v=19$x'\npermissions = []\n",
     "x.toml:*: auth.users: the password of \"a\" is hashed, *"},
    {"[streams.a]\ntitle = '${NOT_THERE}'\n",
     "x.toml:2: streams.a.title: the environment has no variable NOT_THERE"},
    {"[streams.a]\nsource = ['${NOT_THERE}']\n",
     "x.toml:2: streams.a.source: the environment has no variable NOT_THERE"},
    {"[streams.a]\ntitle = 'x${'\n", "x.toml:2: streams.a.title: \"${\" must be followed by *"},
    {"[streams.a]\ntitle = \"a\\u0000b\"\n", "x.toml:2: a string holds a NUL character"},
    {"\n\xc3\xa4 = 1\n", "x.toml:2: *"},
    {"a = 1\xe3\x80\x81\n", "x.toml:1: *"},
    {"[log]\n[http]\n\n[!]\n[rtsp]\n", "x.toml:4: unexpected character"},
    {"a = \"\xff\"\n", "x.toml:1: *"},
    {"[limits]\nmax_streams = 1\n[streams.a]\n[streams.b]\n",
     "x.toml:2: limits.max_streams: there are 2 streams *"},
};

static void
test_text_beyond_ascii (void)
{
  g_autoptr (Settings) s =
      load_good ("\xef\xbb\xbf# \xc3\xa4\r\n[streams.a]\r\ntitle = \"\xe3\x80\x81\xc3\xa4\"\r\n"
                 "description = \"\"\"\n\xc3\xa4\"\"\"\"\"\n",
                 NULL, NULL);
  const StreamSettings *a = settings_find_stream (s, "a");
  g_assert_cmpstr (a->title, ==, "\xe3\x80\x81\xc3\xa4");
  g_assert_cmpstr (a->description, ==, "\xc3\xa4\"\"");
  g_autoptr (Settings) continued =
      load_good ("[streams.a]\ntitle = \"\"\"x\\\n \xc3\xa4\"\"\"\n", NULL, NULL);
  g_assert_cmpstr (settings_find_stream (continued, "a")->title, ==, "x\xc3\xa4");
}

static void
test_problems_of_files (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (bad_files); i++) {
    g_autofree char *problems = NULL;
    g_autofree char *shown = g_strescape (bad_files[i].text, NULL);
    g_test_message ("%s", shown);
    g_assert_null (load (bad_files[i].text, NULL, NULL, &problems));
    if (!settings_glob_match (bad_files[i].problem, problems))
      g_assert_cmpstr (problems, ==, bad_files[i].problem);
    g_assert_null (strchr (problems, '\n'));
  }
}

static void
test_problems_of_environment_and_command_line (void)
{
  static const struct {
    const char *variable, *override, *problem;
  } rows[] = {
      {"SLUICE_RTSP_LISTN=:1", NULL,
       "SLUICE_RTSP_LISTN: no such key in [rtsp]; did you mean SLUICE_RTSP_LISTEN?"},
      {"SLUICE_RTSP_ZEBRA=:1", NULL, "SLUICE_RTSP_ZEBRA: no such key in [rtsp]"},
      {"SLUICE_RTPS_LISTEN=:1", NULL,
       "SLUICE_RTPS_LISTEN: no such section; did you mean SLUICE_RTSP_LISTEN?"},
      {"SLUICE_RTSP_LISTEN=nowhere", NULL, "SLUICE_RTSP_LISTEN: \"nowhere\" is not *"},
      {"SLUICE_HTTP_THREADS=many", NULL, "SLUICE_HTTP_THREADS: \"many\" is not a number such as 2"},
      {"SLUICE_HTTP_ENABLED=maybe", NULL, "SLUICE_HTTP_ENABLED: \"maybe\" is not true or false"},
      {"SLUICE_STREAMS_A_ZEBRA=1", NULL, "SLUICE_STREAMS_A_ZEBRA: must be SLUICE_STREAMS_NAME_KEY *"},
      {"SLUICE_AUTH_USERS=anna", NULL, "SLUICE_AUTH_USERS: must be a list of tables*"},
      {"SLUICE_AUTH_ANONYMOUS=[{actions=[\"reed\"]}]", NULL,
       "SLUICE_AUTH_ANONYMOUS: \"reed\" is not one of *"},
      {NULL, "rtsp.listn=:1", "--set rtsp.listn: unknown key; did you mean \"listen\"?"},
      {NULL, "rtps.listen=:1", "--set rtps.listen: unknown section; did you mean [rtsp]?"},
      {NULL, "rtsp.listen", "--set rtsp.listen: must be SECTION.KEY=VALUE, *"},
      {NULL, "rtsp=1", "--set rtsp: must be SECTION.KEY=VALUE, *"},
      {NULL, "streams.a=1", "--set streams.a: must be streams.NAME.KEY=VALUE"},
      {NULL, "streams.a.zebra=1", "--set streams.a.zebra: unknown key"},
      {NULL, "streams.a b.title=1", "--set streams.a b.title: stream name \"a b\" *"},
      {NULL, "http.threads=99", "--set http.threads: must be 1 to 64"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    const char *environment[] = {rows[i].variable, NULL};
    const char *overrides[] = {rows[i].override, NULL};
    g_autofree char *problems = NULL;
    g_test_message ("%s", rows[i].problem);
    g_assert_null (load (NULL, environment, overrides, &problems));
    if (!settings_glob_match (rows[i].problem, problems))
      g_assert_cmpstr (problems, ==, rows[i].problem);
  }
}

static void
test_all_problems_at_once (void)
{
  static const char *const environment[] = {"SLUICE_LOG_LEVEL=loud", NULL};
  static const char *const overrides[] = {"http.thread=1", NULL};
  g_autofree char *problems = NULL;
  g_assert_null (
      load ("[rtsp]\nlistn = ':1'\nbacklog = 0\ntls_key = 'k'\n[streams.a]\ntitle = '${NOT_THERE}'\n"
            "[streams.b]\nretry_min = '1h'\n[strems.c]\n",
            environment, overrides, &problems));
  static const char *const parts[] = {
      "x.toml:2: rtsp.listn",      "x.toml:3: rtsp.backlog",        "x.toml:4: rtsp.tls_key",
      "x.toml:6: streams.a.title", "x.toml:8: streams.b.retry_min", "x.toml:9: strems",
      "SLUICE_LOG_LEVEL: ",        "--set http.thread: ",
  };
  for (size_t i = 0; i < G_N_ELEMENTS (parts); i++)
    g_assert_nonnull (strstr (problems, parts[i]));
  g_auto (GStrv) lines = g_strsplit (problems, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, G_N_ELEMENTS (parts));
}

static void
test_secrets_stay_out_of_problems (void)
{
  g_autofree char *problems = NULL;
  g_assert_null (load ("[streams.a]\nsource = 'rtps://u:hunter2@h/'\n"
                       "[[auth.users]]\nname = 'a'\npassword = '$argon2hunter2'\npermissions = []\n"
                       "[[auth.tokens]]\nname = 'a'\ntoken = 'sha256:hunter2'\npermissions = []\n",
                       NULL, NULL, &problems));
  g_assert_null (strstr (problems, "hunter2"));
}

static void
test_limits_of_a_file (void)
{
  g_autofree char *problems = NULL;
  g_autofree char *large = g_strnfill (1024 * 1024 + 1, '\n');
  g_assert_null (load (large, NULL, NULL, &problems));
  g_assert_cmpstr (problems, ==, "x.toml: larger than 1048576 bytes");
  g_clear_pointer (&problems, g_free);

  g_autofree char *lists = g_strnfill (100000, '[');
  g_autofree char *deep = g_strconcat ("a = ", lists, NULL);
  g_assert_null (load (deep, NULL, NULL, &problems));
  g_clear_pointer (&problems, g_free);

  static const char *const starts[] = {"\n", "\n[", "\nx = {", "\nx = {y = \"\"\"a\"\"\"\"\", "};
  for (size_t i = 0; i < G_N_ELEMENTS (starts); i++) {
    GString *dots = g_string_new (starts[i]);
    for (unsigned j = 0; j < 200000; j++)
      g_string_append (dots, "a.");
    g_string_append (dots, "a = 1\n");
    g_assert_null (load (dots->str, NULL, NULL, &problems));
    g_assert_cmpstr (problems, ==, "x.toml:2: nested deeper than 32 levels");
    g_clear_pointer (&problems, g_free);
    g_string_free (dots, TRUE);
  }

  GString *many = g_string_new ("[rtsp]\n");
  for (unsigned i = 0; i < 1000; i++)
    g_string_append_printf (many, "zebra%u = 1\n", i);
  g_assert_null (load (many->str, NULL, NULL, &problems));
  g_auto (GStrv) lines = g_strsplit (problems, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 201);
  g_string_free (many, TRUE);
}

static void
test_files (void)
{
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  ConfigSources sources = {.file = "/nowhere/x.toml"};
  g_assert_null (config_load (&sources, problems));
  g_assert_cmpuint (problems->len, ==, 1);
  g_assert_cmpstr (problems->pdata[0], ==, "/nowhere/x.toml: cannot be read: No such file or directory");

  sources.file = "/";
  g_ptr_array_set_size (problems, 0);
  g_assert_null (config_load (&sources, problems));
  g_assert_cmpstr (problems->pdata[0], ==, "/: cannot be read: Is a directory");

  /* Endless. */
  sources.file = "/dev/zero";
  g_ptr_array_set_size (problems, 0);
  g_assert_null (config_load (&sources, problems));
  g_assert_cmpuint (problems->len, ==, 1);

  g_autofree char *name = NULL;
  int fd = g_file_open_tmp ("sluice-XXXXXX.toml", &name, NULL);
  g_assert_cmpint (write (fd, "[log]\nlevel = 'error'\n", 22), ==, 22);
  close (fd);
  sources.file = name;
  g_ptr_array_set_size (problems, 0);
  g_autoptr (Settings) settings = config_load (&sources, problems);
  g_assert_cmpuint (problems->len, ==, 0);
  g_assert_cmpstr (settings->log_level, ==, "error");
  unlink (name);

  ConfigSources none = {NULL};
  g_autoptr (Settings) defaults = config_load (&none, problems);
  g_assert_nonnull (defaults);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/load/empty-file-is-all-defaults", test_empty_file_is_all_defaults);
  g_test_add_func ("/load/values-of-all-types", test_values_of_all_types);
  g_test_add_func ("/load/streams-lie-over-defaults", test_streams_lie_over_defaults);
  g_test_add_func ("/load/environment-over-file-and-command-line-over-both",
                   test_environment_over_file_and_command_line_over_both);
  g_test_add_func ("/load/variables-in-strings", test_variables_in_strings);
  g_test_add_func ("/load/text-beyond-ascii", test_text_beyond_ascii);
  g_test_add_func ("/load/problems-of-files", test_problems_of_files);
  g_test_add_func ("/load/problems-of-environment-and-command-line",
                   test_problems_of_environment_and_command_line);
  g_test_add_func ("/load/all-problems-at-once", test_all_problems_at_once);
  g_test_add_func ("/load/secrets-stay-out-of-problems", test_secrets_stay_out_of_problems);
  g_test_add_func ("/load/limits-of-a-file", test_limits_of_a_file);
  g_test_add_func ("/load/files", test_files);
  return g_test_run ();
}
