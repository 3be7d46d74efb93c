/* SPDX-License-Identifier: Apache-2.0 */
/* Source URLs that workers serve: one table of kinds, one of options. Both ends use this parser: the daemon
 * to refuse a wrong URL before it starts anything, the worker to build its pipeline. */
#include "worker/protocol.h"

#include <string.h>

typedef enum { OPTION_CHOICE, OPTION_INT, OPTION_BOOL, OPTION_SIZE, OPTION_RATE, OPTION_TEXT } OptionType;

typedef struct {
  unsigned kinds; /* bit set of WorkerSourceKind */
  const char *name;
  OptionType type;
  const char *choices; /* separated by spaces */
  int min, max;
} Option;

#define ON(kind) (1u << WORKER_SOURCE_##kind)

static const Option options[] = {
    {ON (TEST), "pattern", OPTION_CHOICE,
     "smpte smpte75 smpte100 snow black white red green blue checkers-1 checkers-2 checkers-4 checkers-8 "
     "circular "
     "blink zone-plate gamut chroma-zone-plate ball bar pinwheel spokes gradient colors"},
    {ON (TEST), "video", OPTION_BOOL},
    {ON (TEST), "audio", OPTION_CHOICE, "true false aac opus pcmu pcma"},
    {ON (TEST), "freq", OPTION_INT, NULL, 20, 20000},
    {ON (TEST), "text", OPTION_TEXT},
    {ON (TEST), "clock", OPTION_BOOL},
    {ON (TEST) | ON (V4L2), "size", OPTION_SIZE},
    {ON (TEST) | ON (V4L2), "fps", OPTION_RATE},
    {ON (TEST) | ON (V4L2), "codec", OPTION_CHOICE, "h264 h265 vp8 vp9 mjpeg"},
    {ON (TEST) | ON (V4L2), "bitrate", OPTION_INT, NULL, 16, 500000},
    {ON (TEST) | ON (V4L2), "gop", OPTION_INT, NULL, 1, 100000},
    {ON (V4L2), "format", OPTION_CHOICE, "auto h264 mjpeg raw"},
    {ON (FILE), "loop", OPTION_BOOL},
    {ON (SRT), "mode", OPTION_CHOICE, "caller listener"},
    {ON (SRT), "passphrase", OPTION_TEXT, NULL, 10, 79},
    {ON (SRT), "streamid", OPTION_TEXT, NULL, 0, 512},
    {ON (SRT), "latency", OPTION_INT, NULL, 0, 60000},
    {ON (SRT), "pbkeylen", OPTION_CHOICE, "16 24 32"},
    {ON (UDP), "interface", OPTION_TEXT, NULL, 0, 15},
};

const char *const worker_url_schemes[] = {"test", "file", "v4l2",     "http", "https",
                                          "srt",  "udp",  "pipeline", NULL};

static const WorkerSourceKind scheme_kinds[] = {
    WORKER_SOURCE_TEST, WORKER_SOURCE_FILE, WORKER_SOURCE_V4L2, WORKER_SOURCE_HTTP,
    WORKER_SOURCE_HTTP, WORKER_SOURCE_SRT,  WORKER_SOURCE_UDP,  WORKER_SOURCE_PIPELINE,
};
G_STATIC_ASSERT (G_N_ELEMENTS (scheme_kinds) + 1 == G_N_ELEMENTS (worker_url_schemes));

#define INVALID(error, ...)                                                                                  \
  (g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, __VA_ARGS__), false)

static bool
parse_int (const char *text, int min, int max, int *ret)
{
  gint64 value;
  if (!g_ascii_string_to_signed (text, 10, min, max, &value, NULL))
    return false;
  *ret = (int)value;
  return true;
}

static bool
parse_size (const char *text, int *width, int *height)
{
  g_auto (GStrv) parts = g_strsplit (text, "x", 3);
  return g_strv_length (parts) == 2 && parse_int (parts[0], 16, 8192, width) &&
         parse_int (parts[1], 16, 8192, height) && *width % 2 == 0 && *height % 2 == 0;
}

static bool
parse_rate (const char *text, int *num, int *den)
{
  g_auto (GStrv) parts = g_strsplit (text, "/", 3);
  *den = 1;
  return parse_int (parts[0] ? parts[0] : "", 1, 240000, num) &&
         (!parts[1] || (parse_int (parts[1], 1, 10000, den) && !parts[2])) && *num <= 240 * *den;
}

static bool
check_choice (const Option *option, const char *value, GError **error)
{
  g_auto (GStrv) choices = g_strsplit (option->choices, " ", -1);
  if (g_strv_contains ((const char *const *)choices, value))
    return true;
  g_autofree char *list = g_strjoinv (", ", choices);
  return INVALID (error, "%s=%s: may be %s", option->name, value, list);
}

static bool
check_value (const Option *option, const char *value, GError **error)
{
  int a;
  int b;
  switch (option->type) {
  case OPTION_CHOICE:
    return check_choice (option, value, error);
  case OPTION_INT:
    if (!parse_int (value, option->min, option->max, &a))
      return INVALID (error, "%s=%s: must be a number from %d to %d", option->name, value, option->min,
                      option->max);
    return true;
  case OPTION_BOOL:
    if (!g_str_equal (value, "true") && !g_str_equal (value, "false"))
      return INVALID (error, "%s=%s: must be true or false", option->name, value);
    return true;
  case OPTION_SIZE:
    if (!parse_size (value, &a, &b))
      return INVALID (error, "%s=%s: must be even numbers like 1280x720", option->name, value);
    return true;
  case OPTION_RATE:
    if (!parse_rate (value, &a, &b))
      return INVALID (error, "%s=%s: must be frames a second like 25 or 30000/1001, at most 240",
                      option->name, value);
    return true;
  case OPTION_TEXT:
    /* The value is not shown: it may be a secret. */
    if (option->max && (strlen (value) < (size_t)option->min || strlen (value) > (size_t)option->max))
      return INVALID (error, "%s: must have %d to %d characters", option->name, option->min, option->max);
    return true;
  }
  return false;
}

static bool
set_option (WorkerUrl *url, const char *name, const char *value, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (options); i++) {
    if (!(options[i].kinds & (1u << url->kind)))
      continue;
    if (g_str_equal (options[i].name, name)) {
      if (!check_value (&options[i], value, error))
        return false;
      g_hash_table_replace (url->options, g_strdup (name), g_strdup (value));
      return true;
    }
    g_string_append_printf (known, "%s%s", known->len ? ", " : "", options[i].name);
  }
  return INVALID (error, "unknown option \"%s\"; known ones: %s", name, known->len ? known->str : "none");
}

/* key=value pairs joined by "&". */
static bool
parse_query (WorkerUrl *url, const char *query, GError **error)
{
  g_auto (GStrv) pairs = g_strsplit (query, "&", -1);
  for (char **pair = pairs; *pair; pair++) {
    if (**pair == '\0')
      continue;
    g_auto (GStrv) parts = g_strsplit (*pair, "=", 2);
    if (!parts[1])
      return INVALID (error, "option \"%s\" has no value; write %s=VALUE", parts[0], parts[0]);
    g_autofree char *value = g_uri_unescape_string (parts[1], NULL);
    if (!value || !g_utf8_validate (value, -1, NULL))
      return INVALID (error, "%s: not percent-encoded UTF-8 (write %% as %%25)", parts[0]);
    if (!set_option (url, parts[0], value, error))
      return false;
  }
  return true;
}

/* [HOST]:PORT[?QUERY] */
static bool
parse_host_port (WorkerUrl *url, const char *rest, GError **error)
{
  if (!g_str_has_prefix (rest, "//"))
    return INVALID (error, "must be like %s://HOST:PORT", url->kind == WORKER_SOURCE_SRT ? "srt" : "udp");
  g_auto (GStrv) parts = g_strsplit (rest + 2, "?", 2);
  g_autofree char *authority = g_strdup (parts[0] ? parts[0] : "");
  size_t length = strlen (authority);
  if (length > 0 && authority[length - 1] == '/')
    authority[length - 1] = '\0';
  char *colon = strrchr (authority, ':');
  int port;
  if (!colon || strchr (authority, '@') || !parse_int (colon + 1, 1, 65535, &port))
    return INVALID (error, "has no port from 1 to 65535 behind the host");
  *colon = '\0';
  url->port = (uint16_t)port;
  length = strlen (authority);
  if (authority[0] == '[' && length > 2 && authority[length - 1] == ']')
    url->location = g_strndup (authority + 1, length - 2);
  else if (!strchr (authority, ':') && !strpbrk (authority, "/[] "))
    url->location = g_strdup (authority);
  else
    return INVALID (error, "\"%s\" is not a host (write IPv6 addresses in brackets)", authority);
  if (!parse_query (url, parts[0] && parts[1] ? parts[1] : "", error))
    return false;
  if (url->kind == WORKER_SOURCE_SRT && url->location[0] == '\0' &&
      !g_str_equal (worker_url_text (url, "mode", "caller"), "listener"))
    return INVALID (error, "has no host to call; to wait for callers add ?mode=listener");
  return true;
}

/* PATH[?QUERY], "//" with an empty host in front allowed. */
static bool
parse_path (WorkerUrl *url, const char *rest, GError **error)
{
  if (g_str_has_prefix (rest, "//")) {
    rest += 2;
    if (*rest != '/')
      return INVALID (error, "has a host: write file:///PATH, or file:PATH for a relative one");
  }
  g_auto (GStrv) parts = g_strsplit (rest, "?", 2);
  if (!parts[0] || parts[0][0] == '\0')
    return INVALID (error, "has no path");
  url->location = g_uri_unescape_string (parts[0], NULL);
  if (!url->location)
    return INVALID (error, "the path is not percent-encoded (write %% as %%25, ? as %%3F)");
  return parse_query (url, parts[1] ? parts[1] : "", error);
}

static bool
parse_http (WorkerUrl *url, const char *whole, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (whole, G_URI_FLAGS_ENCODED | G_URI_FLAGS_HAS_PASSWORD, NULL);
  if (!uri || !g_uri_get_host (uri) || g_uri_get_host (uri)[0] == '\0')
    return INVALID (error, "must be like http://HOST/PATH");
  url->location = g_strdup (whole);
  return true;
}

static bool
parse_test (WorkerUrl *url, const char *rest, GError **error)
{
  if (g_str_has_prefix (rest, "//"))
    rest += 2;
  if (!parse_query (url, *rest == '?' ? rest + 1 : rest, error))
    return false;
  if (!worker_url_bool (url, "video", true) && g_str_equal (worker_url_text (url, "audio", "true"), "false"))
    return INVALID (error, "has neither video nor audio");
  return true;
}

static bool
parse_rest (WorkerUrl *url, const char *whole, const char *rest, GError **error)
{
  switch (url->kind) {
  case WORKER_SOURCE_TEST:
    return parse_test (url, rest, error);
  case WORKER_SOURCE_FILE:
    return parse_path (url, rest, error);
  case WORKER_SOURCE_V4L2:
    if (!parse_path (url, rest, error))
      return false;
    return g_str_has_prefix (url->location, "/dev/") ? true
                                                     : INVALID (error, "must be like v4l2:/dev/video0");
  case WORKER_SOURCE_HTTP:
    return parse_http (url, whole, error);
  case WORKER_SOURCE_SRT:
  case WORKER_SOURCE_UDP:
    return parse_host_port (url, rest, error);
  case WORKER_SOURCE_PIPELINE:
    url->location = g_strstrip (g_strdup (rest));
    return *url->location ? true : INVALID (error, "has no description behind pipeline:");
  case WORKER_SOURCE_LAST:
    break;
  }
  return false;
}

WorkerUrl *
worker_url_parse (const char *text, GError **error)
{
  size_t length = strlen (text);
  const char *colon = strchr (text, ':');
  if (!colon || length >= WORKER_URL_BYTES_MAX || !g_utf8_validate (text, -1, NULL)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT,
                 "not a source URL of UTF-8 text with a scheme and less than %d bytes", WORKER_URL_BYTES_MAX);
    return NULL;
  }
  g_autofree char *scheme = g_ascii_strdown (text, colon - text);
  g_autoptr (WorkerUrl) url = g_new0 (WorkerUrl, 1);
  url->kind = WORKER_SOURCE_LAST;
  url->options = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < G_N_ELEMENTS (scheme_kinds); i++) {
    if (g_str_equal (scheme, worker_url_schemes[i]))
      url->kind = scheme_kinds[i];
  }
  if (url->kind == WORKER_SOURCE_LAST) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "no worker serves \"%s:\"", scheme);
    return NULL;
  }
  if (!parse_rest (url, text, colon + 1, error)) {
    g_prefix_error (error, "%s: ", scheme);
    return NULL;
  }
  return g_steal_pointer (&url);
}

void
worker_url_free (WorkerUrl *url)
{
  if (!url)
    return;
  g_hash_table_unref (url->options);
  g_free (url->location);
  g_free (url);
}

bool
worker_url_has (const WorkerUrl *url, const char *option)
{
  return g_hash_table_contains (url->options, option);
}

const char *
worker_url_text (const WorkerUrl *url, const char *option, const char *fallback)
{
  const char *value = g_hash_table_lookup (url->options, option);
  return value ? value : fallback;
}

int
worker_url_int (const WorkerUrl *url, const char *option, int fallback)
{
  int value;
  const char *text = worker_url_text (url, option, NULL);
  return text && parse_int (text, G_MININT, G_MAXINT, &value) ? value : fallback;
}

bool
worker_url_bool (const WorkerUrl *url, const char *option, bool fallback)
{
  const char *text = worker_url_text (url, option, NULL);
  return text ? g_str_equal (text, "true") : fallback;
}

void
worker_url_size (const WorkerUrl *url, const char *option, int *width, int *height)
{
  int w;
  int h;
  const char *text = worker_url_text (url, option, NULL);
  if (text && parse_size (text, &w, &h)) {
    *width = w;
    *height = h;
  }
}

void
worker_url_rate (const WorkerUrl *url, const char *option, int *num, int *den)
{
  int n;
  int d;
  const char *text = worker_url_text (url, option, NULL);
  if (text && parse_rate (text, &n, &d)) {
    *num = n;
    *den = d;
  }
}
