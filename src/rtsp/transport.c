/* SPDX-License-Identifier: Apache-2.0 */
/* Transport, Session and rate fields: see transport.h. Range and RTP-Info are range.c. */
#include "rtsp/transport.h"

#include <string.h>

enum { MAX_NUMBER_BYTES = 20, MAX_RATE_BYTES = 32, MAX_TIMEOUT_S = 1000000 };

static bool
parse_number (const char *text, uint64_t max, uint64_t *ret)
{
  guint64 number;
  if (!g_ascii_isdigit (*text) || strlen (text) > MAX_NUMBER_BYTES ||
      !g_ascii_string_to_unsigned (text, 10, 0, max, &number, NULL))
    return false;
  *ret = number;
  return true;
}

/* "4588-4589"; a single number means it and the next. */
static bool
parse_pair (const char *text, uint64_t max, uint64_t ret[2])
{
  g_autofree char *copy = g_strdup (text);
  char *dash = strchr (copy, '-');
  if (dash)
    *dash = 0;
  if (!parse_number (g_strstrip (copy), max, &ret[0]))
    return false;
  if (!dash) {
    ret[1] = MIN (ret[0] + 1, max);
    return true;
  }
  return parse_number (g_strstrip (dash + 1), max, &ret[1]);
}

static bool
parse_ports (const char *text, bool *ret_has, uint16_t ret[2])
{
  uint64_t pair[2];
  if (!parse_pair (text, 65535, pair) || pair[0] == 0)
    return false;
  ret[0] = (uint16_t)pair[0];
  ret[1] = (uint16_t)pair[1];
  *ret_has = true;
  return true;
}

static bool
parse_profile (const char *text, RtspTransport *ret)
{
  g_auto (GStrv) parts = g_strsplit (text, "/", 4);
  unsigned n = g_strv_length (parts);
  if (n < 2 || n > 3 || g_ascii_strcasecmp (parts[0], "RTP") != 0)
    return false;
  if (g_ascii_strcasecmp (parts[1], "SAVP") == 0 || g_ascii_strcasecmp (parts[1], "SAVPF") == 0)
    ret->secure = true;
  else if (g_ascii_strcasecmp (parts[1], "AVP") != 0 && g_ascii_strcasecmp (parts[1], "AVPF") != 0)
    return false;
  if (n == 2 || g_ascii_strcasecmp (parts[2], "UDP") == 0)
    ret->lower = RTSP_LOWER_UDP;
  else if (g_ascii_strcasecmp (parts[2], "TCP") == 0)
    ret->lower = RTSP_LOWER_TCP;
  else
    return false;
  return true;
}

/* Something that can be an address or a host name; else nothing is told. */
static void
copy_host (const char *text, char ret[64])
{
  size_t n = strlen (text);
  if (n < 64 && !text[strspn (text, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS ".:-_%[]")])
    memcpy (ret, text, n + 1);
}

static bool
parse_parameter (const char *name, const char *value, RtspTransport *ret)
{
  uint64_t pair[2], number;
  if (g_ascii_strcasecmp (name, "unicast") == 0) {
    ret->multicast = false;
  } else if (g_ascii_strcasecmp (name, "multicast") == 0) {
    ret->multicast = true;
  } else if (g_ascii_strcasecmp (name, "append") == 0) {
    ret->append = true;
  } else if (g_ascii_strcasecmp (name, "interleaved") == 0) {
    if (!parse_pair (value, 255, pair))
      return false;
    ret->interleaved[0] = (uint8_t)pair[0];
    ret->interleaved[1] = (uint8_t)pair[1];
    ret->has_interleaved = true;
  } else if (g_ascii_strcasecmp (name, "client_port") == 0) {
    return parse_ports (value, &ret->has_client_port, ret->client_port);
  } else if (g_ascii_strcasecmp (name, "server_port") == 0) {
    return parse_ports (value, &ret->has_server_port, ret->server_port);
  } else if (g_ascii_strcasecmp (name, "port") == 0) {
    return parse_ports (value, &ret->has_port, ret->port);
  } else if (g_ascii_strcasecmp (name, "ttl") == 0) {
    if (!parse_number (value, 255, &number))
      return false;
    ret->ttl = (unsigned)number;
  } else if (g_ascii_strcasecmp (name, "ssrc") == 0) {
    guint64 ssrc;
    /* Cameras write all kinds of things here; it is only a hint. */
    if (g_ascii_isxdigit (*value) && strlen (value) <= 8 &&
        g_ascii_string_to_unsigned (value, 16, 0, G_MAXUINT32, &ssrc, NULL)) {
      ret->ssrc = (uint32_t)ssrc;
      ret->has_ssrc = true;
    }
  } else if (g_ascii_strcasecmp (name, "source") == 0) {
    copy_host (value, ret->source);
  } else if (g_ascii_strcasecmp (name, "destination") == 0) {
    copy_host (value, ret->destination);
  } else if (g_ascii_strcasecmp (name, "mode") == 0) {
    g_autofree char *lower = g_ascii_strdown (value, -1);
    ret->record = strstr (lower, "record") != NULL || strstr (lower, "receive") != NULL;
  }
  return true;
}

/* The end of the part that starts at @text: the next @separator outside of quotes. */
static size_t
part_length (const char *text, char separator)
{
  bool quoted = false;
  size_t n = 0;
  while (text[n] && (quoted || text[n] != separator)) {
    if (text[n] == '"')
      quoted = !quoted;
    n++;
  }
  return n;
}

static char *
unquote (char *text)
{
  g_strstrip (text);
  size_t n = strlen (text);
  if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
    text[n - 1] = 0;
    return text + 1;
  }
  return text;
}

static bool
parse_alternative (const char *text, RtspTransport *ret)
{
  memset (ret, 0, sizeof *ret);
  bool first = true;
  while (true) {
    size_t n = part_length (text, ';');
    g_autofree char *part = g_strstrip (g_strndup (text, n));
    if (first) {
      if (!parse_profile (part, ret))
        return false;
      first = false;
    } else if (*part) {
      char *equals = strchr (part, '=');
      if (equals)
        *equals = 0;
      g_autofree char *value = g_strdup (equals ? equals + 1 : "");
      if (!parse_parameter (g_strstrip (part), unquote (value), ret))
        return false;
    }
    if (!text[n])
      return true;
    text += n + 1;
  }
}

unsigned
rtsp_transport_parse (const char *value, RtspTransport ret[RTSP_TRANSPORT_MAX_ALTERNATIVES])
{
  unsigned n_found = 0;
  while (n_found < RTSP_TRANSPORT_MAX_ALTERNATIVES) {
    size_t n = part_length (value, ',');
    g_autofree char *alternative = g_strndup (value, n);
    if (parse_alternative (alternative, &ret[n_found]))
      n_found++;
    if (!value[n])
      break;
    value += n + 1;
  }
  return n_found;
}

char *
rtsp_transport_to_string (const RtspTransport *transport)
{
  GString *out = g_string_new (transport->secure ? "RTP/SAVP" : "RTP/AVP");
  if (transport->lower == RTSP_LOWER_TCP)
    g_string_append (out, "/TCP");
  g_string_append (out, transport->multicast ? ";multicast" : ";unicast");
  if (*transport->destination)
    g_string_append_printf (out, ";destination=%s", transport->destination);
  if (*transport->source)
    g_string_append_printf (out, ";source=%s", transport->source);
  if (transport->has_interleaved)
    g_string_append_printf (out, ";interleaved=%u-%u", transport->interleaved[0], transport->interleaved[1]);
  if (transport->has_port)
    g_string_append_printf (out, ";port=%u-%u", transport->port[0], transport->port[1]);
  if (transport->ttl)
    g_string_append_printf (out, ";ttl=%u", transport->ttl);
  if (transport->has_client_port)
    g_string_append_printf (out, ";client_port=%u-%u", transport->client_port[0], transport->client_port[1]);
  if (transport->has_server_port)
    g_string_append_printf (out, ";server_port=%u-%u", transport->server_port[0], transport->server_port[1]);
  if (transport->has_ssrc)
    g_string_append_printf (out, ";ssrc=%08X", transport->ssrc);
  if (transport->append)
    g_string_append (out, ";append");
  if (transport->record)
    g_string_append (out, ";mode=record");
  return g_string_free (out, FALSE);
}

bool
rtsp_session_parse (const char *value, RtspSessionHeader *ret)
{
  memset (ret, 0, sizeof *ret);
  g_auto (GStrv) parts = g_strsplit (value, ";", 8);
  if (!parts[0])
    return false;
  const char *id = g_strstrip (parts[0]);
  size_t n = strlen (id);
  if (n == 0 || n > RTSP_SESSION_ID_MAX)
    return false;
  for (size_t i = 0; i < n; i++)
    if (!g_ascii_isgraph (id[i]))
      return false;
  memcpy (ret->id, id, n + 1);
  for (unsigned i = 1; parts[i]; i++) {
    char *part = g_strstrip (parts[i]);
    uint64_t seconds;
    if (g_ascii_strncasecmp (part, "timeout", 7) != 0)
      continue;
    part = g_strchug (part + 7);
    if (*part == '=' && parse_number (g_strchug (part + 1), MAX_TIMEOUT_S, &seconds))
      ret->timeout_s = (unsigned)seconds;
  }
  return true;
}

bool
rtsp_rate_parse (const char *value, double *ret)
{
  size_t n = strlen (value);
  if (n == 0 || n > MAX_RATE_BYTES)
    return false;
  const char *digits = *value == '-' ? value + 1 : value;
  size_t n_whole = strspn (digits, "0123456789");
  size_t n_fraction = digits[n_whole] == '.' ? strspn (digits + n_whole + 1, "0123456789") + 1 : 0;
  if (n_whole == 0 || digits[n_whole + n_fraction])
    return false;
  double rate = g_ascii_strtod (value, NULL);
  if (!(rate >= -1000 && rate <= 1000) || rate == 0)
    return false;
  *ret = rate;
  return true;
}
