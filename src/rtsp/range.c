/* SPDX-License-Identifier: Apache-2.0 */
/* Range (RFC 2326 §12.29, §3.5 to §3.7) and RTP-Info (§12.33): see transport.h. */
#include "rtsp/transport.h"

#include <string.h>

enum { MAX_WHOLE_DIGITS = 9, MAX_SECONDS = 999999999, MAX_URL_BYTES = 4096 };

/* Digits of a number of at most @max_digits, moving behind them. */
static bool
take_digits (const char **text, size_t max_digits, int64_t *ret)
{
  size_t n = strspn (*text, "0123456789");
  if (n == 0 || n > max_digits)
    return false;
  *ret = 0;
  for (size_t i = 0; i < n; i++)
    *ret = *ret * 10 + ((*text)[i] - '0');
  *text += n;
  return true;
}

/* ".25" as microseconds; digits behind the sixth are left out. */
static int64_t
take_fraction (const char **text)
{
  if (**text != '.')
    return 0;
  ++*text;
  int64_t us = 0, unit = 100000;
  for (; g_ascii_isdigit (**text); ++*text, unit /= 10)
    us += (**text - '0') * unit;
  return us;
}

/* "12.5" or "1:02:03.5" */
static bool
take_npt (const char **text, int64_t *ret_us)
{
  int64_t part, total = 0;
  if (!take_digits (text, MAX_WHOLE_DIGITS, &part))
    return false;
  total = part;
  if (**text == ':') {
    for (unsigned i = 0; i < 2; i++) {
      if (**text != ':')
        return false;
      ++*text;
      if (!take_digits (text, 2, &part) || part > 59)
        return false;
      total = total * 60 + part;
    }
  }
  *ret_us = total * G_USEC_PER_SEC + take_fraction (text);
  return total <= MAX_SECONDS;
}

/* "19961108T142300.25Z" */
static bool
take_clock (const char **text, int64_t *ret_us)
{
  const char *digits = *text;
  if (strspn (digits, "0123456789") != 8 || digits[8] != 'T' || strspn (digits + 9, "0123456789") != 6)
    return false;
  int parts[6];
  static const struct {
    uint8_t at, n;
  } layout[6] = {{0, 4}, {4, 2}, {6, 2}, {9, 2}, {11, 2}, {13, 2}};
  for (unsigned i = 0; i < 6; i++) {
    parts[i] = 0;
    for (unsigned k = 0; k < layout[i].n; k++)
      parts[i] = parts[i] * 10 + (digits[layout[i].at + k] - '0');
  }
  *text += 15;
  int64_t fraction = take_fraction (text);
  if (**text != 'Z' || parts[0] < 1970)
    return false;
  ++*text;
  g_autoptr (GDateTime) time =
      g_date_time_new_utc (parts[0], parts[1], parts[2], parts[3], parts[4], (double)parts[5]);
  if (!time)
    return false;
  *ret_us = g_date_time_to_unix (time) * G_USEC_PER_SEC + fraction;
  return true;
}

static bool
take_time (const char **text, RtspRangeUnit unit, int64_t *ret_us)
{
  return unit == RTSP_RANGE_CLOCK ? take_clock (text, ret_us) : take_npt (text, ret_us);
}

static void
skip_spaces (const char **text)
{
  while (**text == ' ' || **text == '\t')
    ++*text;
}

bool
rtsp_range_parse (const char *value, RtspRange *ret)
{
  memset (ret, 0, sizeof *ret);
  const char *text = value;
  skip_spaces (&text);
  size_t n_unit = strcspn (text, "= ");
  if (n_unit == 3 && g_ascii_strncasecmp (text, "npt", 3) == 0)
    ret->unit = RTSP_RANGE_NPT;
  else if (n_unit == 5 && g_ascii_strncasecmp (text, "clock", 5) == 0)
    ret->unit = RTSP_RANGE_CLOCK;
  else if (n_unit >= 5 && g_ascii_strncasecmp (text, "smpte", 5) == 0)
    ret->unit = RTSP_RANGE_SMPTE;
  else
    return false;
  text += n_unit;
  skip_spaces (&text);
  if (*text++ != '=')
    return false;
  if (ret->unit == RTSP_RANGE_SMPTE)
    return true;
  skip_spaces (&text);
  if (ret->unit == RTSP_RANGE_NPT && g_ascii_strncasecmp (text, "now", 3) == 0) {
    ret->now = true;
    text += 3;
  } else if (*text != '-') {
    if (!take_time (&text, ret->unit, &ret->start_us))
      return false;
    ret->has_start = true;
  }
  skip_spaces (&text);
  if (*text == '-') {
    text++;
    skip_spaces (&text);
    if (g_ascii_isdigit (*text)) {
      if (!take_time (&text, ret->unit, &ret->end_us))
        return false;
      ret->has_end = true;
    }
  }
  skip_spaces (&text);
  if (*text && *text != ';')
    return false;
  if (!ret->has_start && !ret->has_end && !ret->now)
    return false;
  return !ret->has_start || !ret->has_end || ret->end_us >= ret->start_us;
}

static void
append_time (GString *out, RtspRangeUnit unit, int64_t us)
{
  int64_t fraction = us % G_USEC_PER_SEC;
  if (unit == RTSP_RANGE_CLOCK) {
    g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (us / G_USEC_PER_SEC);
    g_autofree char *text = time ? g_date_time_format (time, "%Y%m%dT%H%M%S") : NULL;
    g_string_append (out, text ? text : "19700101T000000");
    if (fraction)
      g_string_append_printf (out, ".%06d", (int)fraction);
    g_string_append_c (out, 'Z');
  } else {
    g_string_append_printf (out, "%" G_GINT64_FORMAT ".%06d", us / G_USEC_PER_SEC, (int)fraction);
  }
}

char *
rtsp_range_to_string (const RtspRange *range)
{
  if (range->unit == RTSP_RANGE_SMPTE)
    return g_strdup ("smpte=0:00:00-");
  GString *out = g_string_new (range->unit == RTSP_RANGE_CLOCK ? "clock=" : "npt=");
  if (range->now)
    g_string_append (out, "now");
  else if (range->has_start)
    append_time (out, range->unit, range->start_us);
  g_string_append_c (out, '-');
  if (range->has_end)
    append_time (out, range->unit, range->end_us);
  return g_string_free (out, FALSE);
}

static void
clear_rtp_info (RtspRtpInfo *info)
{
  g_free (info->url);
}

/* Entries are separated by commas, which URLs may hold as well: an entry begins with "url=". */
static size_t
entry_length (const char *text)
{
  size_t n = 0;
  while (text[n]) {
    if (text[n] == ',') {
      const char *next = text + n + 1;
      skip_spaces (&next);
      if (g_ascii_strncasecmp (next, "url", 3) == 0)
        break;
    }
    n++;
  }
  return n;
}

static bool
parse_u32 (const char *text, uint64_t max, uint32_t *ret)
{
  guint64 number;
  if (!g_ascii_isdigit (*text) || strlen (text) > 20 ||
      !g_ascii_string_to_unsigned (text, 10, 0, max, &number, NULL))
    return false;
  *ret = (uint32_t)number;
  return true;
}

static void
parse_entry (const char *text, RtspRtpInfo *ret)
{
  g_auto (GStrv) parts = g_strsplit (text, ";", 16);
  GString *url = NULL;
  uint32_t number;
  for (unsigned i = 0; parts[i]; i++) {
    char *part = g_strstrip (parts[i]);
    if (g_ascii_strncasecmp (part, "url=", 4) == 0 && !url) {
      url = g_string_new (part + 4);
    } else if (g_ascii_strncasecmp (part, "seq=", 4) == 0) {
      if ((ret->has_sequence = parse_u32 (part + 4, G_MAXUINT16, &number)))
        ret->sequence = (uint16_t)number;
    } else if (g_ascii_strncasecmp (part, "rtptime=", 8) == 0) {
      ret->has_rtp_time = parse_u32 (part + 8, G_MAXUINT32, &ret->rtp_time);
    } else if (url && !ret->has_sequence && !ret->has_rtp_time && *part) {
      g_string_append_printf (url, ";%s", part);
    }
  }
  if (url) {
    char *bare = g_string_free (url, FALSE);
    size_t n = strlen (bare);
    bool quoted = n >= 2 && bare[0] == '"' && bare[n - 1] == '"';
    ret->url = quoted ? g_strndup (bare + 1, n - 2) : g_strdup (bare);
    g_free (bare);
  }
}

GArray *
rtsp_rtp_info_parse (const char *value)
{
  GArray *entries = g_array_new (FALSE, TRUE, sizeof (RtspRtpInfo));
  g_array_set_clear_func (entries, (GDestroyNotify)clear_rtp_info);
  while (*value && entries->len < RTSP_RTP_INFO_MAX) {
    size_t n = entry_length (value);
    g_autofree char *text = g_strndup (value, n);
    RtspRtpInfo info = {0};
    parse_entry (text, &info);
    if (info.url && *info.url && strlen (info.url) <= MAX_URL_BYTES)
      g_array_append_val (entries, info);
    else
      g_free (info.url);
    value += n;
    if (*value == ',')
      value++;
  }
  return entries;
}

char *
rtsp_rtp_info_to_string (const GArray *entries)
{
  GString *out = g_string_new (NULL);
  for (unsigned i = 0; i < entries->len; i++) {
    const RtspRtpInfo *info = &g_array_index (entries, RtspRtpInfo, i);
    g_string_append_printf (out, "%surl=%s", i ? "," : "", info->url);
    if (info->has_sequence)
      g_string_append_printf (out, ";seq=%u", info->sequence);
    if (info->has_rtp_time)
      g_string_append_printf (out, ";rtptime=%u", info->rtp_time);
  }
  return g_string_free (out, FALSE);
}
