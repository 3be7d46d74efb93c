/* SPDX-License-Identifier: Apache-2.0 */
/* What several keys must agree on: pairs, ranges, names that must differ. */
#include "config/cross.h"

#include "config/text.h"

#include <string.h>

typedef struct {
  const Settings *settings;
  GHashTable *places;
  ConfigProblems *problems;
} Check;

#define PROBLEM(check, path, ...)                                                                            \
  config_problem ((check)->problems, g_hash_table_lookup ((check)->places, (path)), (path), __VA_ARGS__)

/* What failed by itself says nothing about others. */
static bool
is_bad (GHashTable *places, const char *path)
{
  const ConfigNode *node = places ? g_hash_table_lookup (places, path) : NULL;
  return node && node->bad;
}

static void
check_tls_pair (Check *check, const char *section, const char *certificate, const char *key)
{
  g_autofree char *path = g_strdup_printf ("%s.%s", section, certificate ? "tls_certificate" : "tls_key");
  g_autofree char *other = g_strdup_printf ("%s.%s", section, certificate ? "tls_key" : "tls_certificate");
  if (!certificate == !key || is_bad (check->places, other))
    return;
  PROBLEM (check, path, "needs %s as well", certificate ? "tls_key" : "tls_certificate");
}

/* The same address twice can only fail; port 0 is another one each time. */
static void
check_listeners_differ (Check *check)
{
  const Settings *s = check->settings;
  const struct {
    const char *path;
    bool enabled;
    char **addresses;
  } lists[] = {
      {"http.listen", s->http_enabled, s->http_listen},
      {"rtsp.listen", s->rtsp_enabled, s->rtsp_listen},
      {"rtsp.tls_listen", s->rtsp_enabled, s->rtsp_tls_listen},
  };
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  for (size_t i = 0; i < G_N_ELEMENTS (lists); i++) {
    for (char **address = lists[i].addresses; lists[i].enabled && *address; address++) {
      const char *other = g_hash_table_lookup (seen, *address);
      if (other && !g_str_has_suffix (*address, ":0") && !g_str_equal (*address, "0"))
        PROBLEM (check, lists[i].path, "\"%s\" is taken by %s already", *address, other);
      g_hash_table_insert (seen, *address, (void *)lists[i].path);
    }
  }
}

static void
check_listeners (Check *check)
{
  const Settings *s = check->settings;
  check_tls_pair (check, "http", s->http_tls_certificate, s->http_tls_key);
  check_tls_pair (check, "rtsp", s->rtsp_tls_certificate, s->rtsp_tls_key);
  if (s->http_enabled && !*s->http_listen)
    PROBLEM (check, "http.listen", "must not be empty; set http.enabled = false to serve no HTTP");
  if (s->rtsp_enabled && !*s->rtsp_listen && !*s->rtsp_tls_listen)
    PROBLEM (check, "rtsp.listen", "must not be empty; set rtsp.enabled = false to serve no RTSP");
  if (*s->rtsp_tls_listen && !s->rtsp_tls_certificate && !s->rtsp_tls_key &&
      !is_bad (check->places, "rtsp.tls_certificate"))
    PROBLEM (check, "rtsp.tls_listen", "needs tls_certificate and tls_key");
  if (!*s->rtsp_transports)
    PROBLEM (check, "rtsp.transports", "must not be empty");
  if (!*s->rtsp_auth_methods)
    PROBLEM (check, "rtsp.auth_methods", "must not be empty");
  check_listeners_differ (check);
}

static void
check_udp_ports (Check *check)
{
  const Settings *s = check->settings;
  int64_t min = s->rtsp_udp_port_min, max = s->rtsp_udp_port_max;
  if (is_bad (check->places, "rtsp.udp_port_min") || is_bad (check->places, "rtsp.udp_port_max"))
    return;
  if (s->rtsp_multicast_port % 2 != 0)
    PROBLEM (check, "rtsp.multicast_port", "must be even: RTCP takes the next one");
  if (min == 0)
    return; /* the kernel chooses */
  if (min % 2 != 0)
    PROBLEM (check, "rtsp.udp_port_min", "must be even: RTCP takes the next one");
  if (max <= min)
    PROBLEM (check, "rtsp.udp_port_max", "must be larger than udp_port_min, which is %" G_GINT64_FORMAT, min);
  else if (s->io_threads > 0 && (max - min + 1) / 2 < s->io_threads)
    PROBLEM (check, "rtsp.udp_port_max", "too few ports: %" G_GINT64_FORMAT " I/O threads take a pair each",
             s->io_threads);
  if (s->rtsp_multicast_port >= min && s->rtsp_multicast_port <= max)
    PROBLEM (check, "rtsp.multicast_port",
             "must not be one of udp_port_min to udp_port_max, %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
             min, max);
}

static void
check_credentials (Check *check)
{
  const Settings *s = check->settings;
  bool digest_only = !g_strv_contains ((const char *const *)s->rtsp_auth_methods, "basic");
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  for (unsigned i = 0; i < s->users->len; i++) {
    const SettingsUser *user = s->users->pdata[i];
    if (!g_hash_table_add (names, user->name))
      PROBLEM (check, "auth.users", "there are two users \"%s\"", user->name);
    if (digest_only && g_str_has_prefix (user->password, "$argon2"))
      PROBLEM (check, "auth.users",
               "the password of \"%s\" is hashed, which Digest cannot use: write it in plain text, or add "
               "\"basic\" to rtsp.auth_methods",
               user->name);
  }
  g_hash_table_remove_all (names);
  for (unsigned i = 0; i < s->tokens->len; i++) {
    const SettingsToken *token = s->tokens->pdata[i];
    if (!g_hash_table_add (names, token->name))
      PROBLEM (check, "auth.tokens", "there are two tokens \"%s\"", token->name);
  }
}

void
config_check_stream_together (const StreamSettings *stream, const StreamSettings *inherited, const char *path,
                              GHashTable *places, ConfigProblems *problems)
{
  if (stream->retry_min_ms <= stream->retry_max_ms)
    return;
  if (inherited && inherited->retry_min_ms == stream->retry_min_ms &&
      inherited->retry_max_ms == stream->retry_max_ms)
    return;
  g_autofree char *min_path = path ? g_strdup_printf ("%s.retry_min", path) : g_strdup ("retry_min");
  g_autofree char *max_path = path ? g_strdup_printf ("%s.retry_max", path) : g_strdup ("retry_max");
  if (is_bad (places, min_path) || is_bad (places, max_path))
    return;
  const ConfigNode *min_place = places ? g_hash_table_lookup (places, min_path) : NULL;
  const ConfigNode *max_place = places ? g_hash_table_lookup (places, max_path) : NULL;
  if (!min_place && max_place) {
    g_autofree char *min = text_from_duration (stream->retry_min_ms);
    config_problem (problems, max_place, max_path, "must be at least retry_min, which is %s", min);
  } else {
    g_autofree char *max = text_from_duration (stream->retry_max_ms);
    config_problem (problems, min_place, min_path, "must be at most retry_max, which is %s", max);
  }
}

static void
check_streams (Check *check, const GPtrArray *streams)
{
  for (unsigned i = 0; i < streams->len; i++) {
    const StreamSettings *stream = streams->pdata[i];
    g_autofree char *path = g_strdup_printf ("streams.%s", stream->name);
    config_check_stream_together (stream, check->settings->defaults, path, check->places, check->problems);
  }
}

void
config_check_together (const Settings *settings, GHashTable *places, ConfigProblems *problems)
{
  Check check = {settings, places, problems};
  check_listeners (&check);
  check_udp_ports (&check);
  check_credentials (&check);
  config_check_stream_together (settings->defaults, NULL, "defaults", places, problems);
  check_streams (&check, settings->streams);
  check_streams (&check, settings->patterns);
  if (settings->streams->len > settings->max_streams)
    PROBLEM (&check, "limits.max_streams",
             "there are %u streams in the configuration, more than %" G_GINT64_FORMAT, settings->streams->len,
             settings->max_streams);
}
