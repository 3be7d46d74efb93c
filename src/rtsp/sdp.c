/* SPDX-License-Identifier: Apache-2.0 */
/* SDP in and out: see sdp.h. One line at a time into the session or the current media; what is missing at the
 * end is filled in from the static payload types. */
#include "rtsp/sdp.h"

#include "base/error.h"

#include <string.h>

enum {
  MAX_ATTRIBUTES = 32, /* passed on, per media */
  MAX_CLOCK_RATE = 10 * 1000 * 1000,
  MAX_CHANNELS = 64,
};

typedef struct {
  Sdp *sdp;
  SdpMedia *media; /* of the last m= line; NULL before the first */
  bool ignoring;   /* the last m= line is none that we take */
  char *connection;
  unsigned ttl;
  SdpDirection direction;
} SdpReader;

static void
replace (char **target, const char *text)
{
  g_free (*target);
  *target = g_strdup (text);
}

/* Digits at *@text as a number up to @max, moving behind them. */
static bool
take_number (const char **text, uint64_t max, uint64_t *ret)
{
  size_t n = strspn (*text, "0123456789");
  if (n == 0 || n > 20)
    return false;
  g_autofree char *digits = g_strndup (*text, n);
  guint64 number;
  if (!g_ascii_string_to_unsigned (digits, 10, 0, max, &number, NULL))
    return false;
  *ret = number;
  *text += n;
  return true;
}

/* "IN IP4 239.1.2.3/16" */
static void
read_connection (SdpReader *reader, const char *value)
{
  g_auto (GStrv) words = g_strsplit (value, " ", 4);
  if (g_strv_length (words) < 3 || g_ascii_strcasecmp (words[0], "IN") != 0 || !*words[2])
    return;
  uint64_t ttl = 0;
  char *slash = strchr (words[2], '/');
  if (slash) {
    const char *text = slash + 1;
    *slash = 0;
    if (!take_number (&text, 255, &ttl))
      ttl = 0;
  }
  if (reader->media) {
    replace (&reader->media->connection, words[2]);
    reader->media->ttl = (unsigned)ttl;
  } else {
    replace (&reader->connection, words[2]);
    reader->ttl = (unsigned)ttl;
  }
}

static void
read_bandwidth (SdpReader *reader, const char *value)
{
  uint64_t kbps;
  if (!reader->media || g_ascii_strncasecmp (value, "AS:", 3) != 0)
    return;
  value += 3;
  if (take_number (&value, G_MAXUINT32, &kbps))
    reader->media->bandwidth_kbps = (unsigned)kbps;
}

/* "video 0 RTP/AVP 96 97": the first format counts. */
static void
read_media (SdpReader *reader, const char *value)
{
  Sdp *sdp = reader->sdp;
  g_auto (GStrv) words = g_strsplit_set (value, " \t", 8);
  uint64_t port, payload_type = 0;
  const char *port_text = g_strv_length (words) >= 4 ? words[1] : "";
  const char *type_text = *port_text ? words[3] : "";
  reader->media = NULL;
  reader->ignoring = true;
  if (!take_number (&port_text, 65535, &port) || !take_number (&type_text, 127, &payload_type) ||
      g_ascii_strncasecmp (words[2], "RTP/", 4) != 0 || !*words[0] || sdp->n_media == TRACKS_MAX) {
    sdp->n_ignored++;
    return;
  }
  SdpMedia *media = reader->media = &sdp->media[sdp->n_media++];
  reader->ignoring = false;
  media->port = (uint16_t)port;
  media->direction = reader->direction;
  media->spec.media = g_ascii_strdown (words[0], -1);
  media->spec.payload_type = (uint8_t)payload_type;
  media->connection = g_strdup (reader->connection);
  media->ttl = reader->ttl;
}

static bool
is_encoding_name (const char *name)
{
  return *name && strlen (name) <= 64 && !name[strspn (name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_.+")];
}

/* "96 mpeg4-generic/48000/2" */
static void
read_rtpmap (TrackSpec *spec, const char *value)
{
  uint64_t number;
  if (!take_number (&value, 127, &number) || number != spec->payload_type || spec->encoding_name)
    return;
  while (*value == ' ' || *value == '\t')
    value++;
  g_auto (GStrv) parts = g_strsplit (value, "/", 3);
  unsigned n_parts = g_strv_length (parts);
  if (n_parts == 0)
    return;
  g_strstrip (parts[0]);
  if (!is_encoding_name (parts[0]))
    return;
  spec->encoding_name = g_strdup (parts[0]);
  const char *clock_rate = n_parts > 1 ? g_strchug (parts[1]) : "";
  if (take_number (&clock_rate, MAX_CLOCK_RATE, &number))
    spec->clock_rate = (uint32_t)number;
  const char *channels = n_parts > 2 ? g_strchug (parts[2]) : "";
  if (take_number (&channels, MAX_CHANNELS, &number))
    spec->channels = (uint8_t)number;
}

static void
read_fmtp (TrackSpec *spec, const char *value)
{
  uint64_t number;
  if (!take_number (&value, 127, &number) || number != spec->payload_type || spec->fmtp)
    return;
  g_autofree char *text = g_strstrip (g_strdup (value));
  if (*text)
    spec->fmtp = g_steal_pointer (&text);
}

static bool
read_direction (const char *value, SdpDirection *ret)
{
  static const char *const names[] = {"sendrecv", "sendonly", "recvonly", "inactive"};
  for (unsigned i = 0; i < G_N_ELEMENTS (names); i++) {
    if (g_ascii_strcasecmp (value, names[i]) == 0) {
      *ret = (SdpDirection)i;
      return true;
    }
  }
  return false;
}

static void
keep_attribute (TrackSpec *spec, const char *line, const char *name)
{
  static const char *const kept[] = {"framesize", "framerate", "x-framerate", "x-dimensions", "cliprect",
                                     "ptime",     "maxptime",  "extmap",      "lang",         NULL};
  g_autofree char *lower = g_ascii_strdown (name, -1);
  if (!g_strv_contains (kept, lower))
    return;
  if (!spec->attributes)
    spec->attributes = g_ptr_array_new_with_free_func (g_free);
  if (spec->attributes->len < MAX_ATTRIBUTES)
    g_ptr_array_add (spec->attributes, g_strdup (line));
}

static void
read_attribute (SdpReader *reader, const char *line)
{
  SdpMedia *media = reader->media;
  const char *colon = strchr (line, ':');
  g_autofree char *name = colon ? g_strndup (line, (size_t)(colon - line)) : g_strdup (line);
  g_autofree char *value = g_strstrip (g_strdup (colon ? colon + 1 : ""));
  if (g_ascii_strcasecmp (name, "control") == 0) {
    if (*value)
      replace (media ? &media->control : &reader->sdp->control, value);
  } else if (g_ascii_strcasecmp (name, "range") == 0) {
    if (!media && *value)
      replace (&reader->sdp->range, value);
  } else if (read_direction (name, media ? &media->direction : &reader->direction)) {
    return;
  } else if (media && g_ascii_strcasecmp (name, "rtpmap") == 0) {
    read_rtpmap (&media->spec, value);
  } else if (media && g_ascii_strcasecmp (name, "fmtp") == 0) {
    read_fmtp (&media->spec, value);
  } else if (media) {
    keep_attribute (&media->spec, line, name);
  }
}

static void
read_line (SdpReader *reader, const char *line)
{
  if (!g_ascii_islower (line[0]) || line[1] != '=')
    return;
  const char *value = line + 2;
  if (line[0] == 'm') {
    read_media (reader, value);
    return;
  }
  if (reader->ignoring)
    return;
  switch (line[0]) {
  case 's':
    if (!reader->media)
      replace (&reader->sdp->name, value);
    break;
  case 'i':
    if (!reader->media)
      replace (&reader->sdp->info, value);
    break;
  case 'c':
    read_connection (reader, value);
    break;
  case 'b':
    read_bandwidth (reader, value);
    break;
  case 'a':
    read_attribute (reader, value);
    break;
  default:
    break;
  }
}

/* What the SDP left out: static payload types, clock rates, a name for what has none. */
static void
complete (SdpMedia *media)
{
  TrackSpec *spec = &media->spec;
  Codec codec;
  uint32_t clock_rate;
  uint8_t channels;
  const char *name;
  if (!spec->encoding_name &&
      codec_from_static_payload_type (spec->payload_type, &codec, &clock_rate, &channels, &name)) {
    spec->codec = codec;
    spec->encoding_name = g_strdup (name);
    spec->clock_rate = clock_rate;
    spec->channels = channels;
  } else {
    if (!spec->encoding_name)
      spec->encoding_name = g_strdup ("X-UNKNOWN");
    spec->codec = codec_from_encoding_name (spec->encoding_name);
  }
  bool audio = strcmp (spec->media, "audio") == 0;
  if (spec->codec != CODEC_UNKNOWN)
    spec->kind = codec_kind (spec->codec);
  else if (audio)
    spec->kind = TRACK_AUDIO;
  else
    spec->kind = strcmp (spec->media, "video") == 0 ? TRACK_VIDEO : TRACK_DATA;
  if (spec->clock_rate == 0)
    spec->clock_rate = spec->kind == TRACK_AUDIO ? 8000 : 90000;
  if (spec->kind != TRACK_AUDIO)
    spec->channels = 0;
  else if (spec->channels == 0)
    spec->channels = 1;
}

Sdp *
sdp_parse (const char *text, size_t n_bytes, GError **error)
{
  if (n_bytes > SDP_MAX_BYTES) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_LIMIT, "the SDP is larger than %d bytes", SDP_MAX_BYTES);
    return NULL;
  }
  g_autoptr (Sdp) sdp = g_new0 (Sdp, 1);
  SdpReader reader = {.sdp = sdp};
  const char *end = text + n_bytes;
  while (text < end) {
    size_t n = 0;
    while (text + n < end && text[n] != '\n' && text[n] != '\r')
      n++;
    /* A NUL or bytes that are no UTF-8 make it a line that makes no sense. */
    if (n >= 2 && g_utf8_validate_len (text, n, NULL)) {
      g_autofree char *line = g_strstrip (g_strndup (text, n));
      bool clean = true;
      for (const char *c = line; *c && clean; c++)
        clean = (uint8_t)*c >= 0x20 || *c == '\t';
      if (clean)
        read_line (&reader, line);
    }
    text += n + 1;
  }
  g_free (reader.connection);
  for (unsigned i = 0; i < sdp->n_media; i++)
    complete (&sdp->media[i]);
  if (sdp->n_media == 0) {
    g_set_error_literal (error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "the SDP has no RTP media");
    return NULL;
  }
  return g_steal_pointer (&sdp);
}

void
sdp_free (Sdp *sdp)
{
  if (!sdp)
    return;
  for (unsigned i = 0; i < sdp->n_media; i++) {
    track_spec_clear (&sdp->media[i].spec);
    g_free (sdp->media[i].control);
    g_free (sdp->media[i].connection);
  }
  g_free (sdp->name);
  g_free (sdp->info);
  g_free (sdp->control);
  g_free (sdp->range);
  g_free (sdp);
}

static void
append_media (GString *out, const TrackSpec *spec, unsigned index, const SdpOptions *options)
{
  static const char *const words[] = {
      [TRACK_VIDEO] = "video", [TRACK_AUDIO] = "audio", [TRACK_DATA] = "application"};
  unsigned port = options->port ? options->port + 2 * index : 0;
  g_string_append_printf (out, "m=%s %u RTP/AVP %u\r\n", spec->media ? spec->media : words[spec->kind], port,
                          spec->payload_type);
  g_string_append_printf (out, "a=rtpmap:%u %s/%u", spec->payload_type, spec->encoding_name,
                          spec->clock_rate);
  if (spec->channels > 1)
    g_string_append_printf (out, "/%u", spec->channels);
  g_string_append (out, "\r\n");
  if (spec->fmtp)
    g_string_append_printf (out, "a=fmtp:%u %s\r\n", spec->payload_type, spec->fmtp);
  for (unsigned i = 0; spec->attributes && i < spec->attributes->len; i++)
    g_string_append_printf (out, "a=%s\r\n", (const char *)g_ptr_array_index (spec->attributes, i));
  g_string_append_printf (out, "a=control:trackID=%u\r\n", index);
}

char *
sdp_generate (const TrackSpec *const *specs, unsigned n_specs, const SdpOptions *options)
{
  const char *address = options->address ? options->address : "0.0.0.0";
  const char *family = strchr (address, ':') ? "IP6" : "IP4";
  GString *out = g_string_new ("v=0\r\n");
  g_string_append_printf (out, "o=- %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " IN %s %s\r\n", options->id,
                          options->version, family, address);
  g_string_append_printf (out, "s=%s\r\n", options->name ? options->name : "Stream");
  g_string_append_printf (out, "c=IN %s %s", family, address);
  if (options->ttl && family[2] == '4')
    g_string_append_printf (out, "/%u", options->ttl);
  g_string_append (out, "\r\nt=0 0\r\n");
  g_string_append_printf (out, "a=control:%s\r\n", options->control_base ? options->control_base : "*");
  g_string_append (out, "a=range:npt=now-\r\n");
  for (unsigned i = 0; i < n_specs; i++)
    append_media (out, specs[i], i, options);
  return g_string_free (out, FALSE);
}

char *
sdp_generate_for_tracks (const TrackSet *tracks, const SdpOptions *options)
{
  const TrackSpec *specs[TRACKS_MAX];
  for (unsigned i = 0; i < tracks->n_tracks; i++)
    specs[i] = &tracks->tracks[i].spec;
  return sdp_generate (specs, tracks->n_tracks, options);
}

char *
sdp_resolve_control (const char *base, const char *control)
{
  if (!control || strcmp (control, "*") == 0)
    return g_strdup (base);
  if (g_ascii_strncasecmp (control, "rtsp://", 7) == 0 || g_ascii_strncasecmp (control, "rtsps://", 8) == 0)
    return g_strdup (control);
  bool has_slash = g_str_has_suffix (base, "/");
  if (*control == '/')
    return g_strconcat (base, control + (has_slash ? 1 : 0), NULL);
  return g_strconcat (base, has_slash ? "" : "/", control, NULL);
}
