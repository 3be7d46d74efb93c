/* SPDX-License-Identifier: Apache-2.0 */
/* Tracks: the table of codecs with their names in SDP, specs, and immutable sets of tracks. */
#include "stream/track.h"

#include <string.h>
#include <sys/random.h>

enum {
  ENCODING_NAMES_MAX = 9,
  FMTP_FIELDS_MAX = 64,      /* read from one fmtp value */
  ATTRIBUTE_FIELDS_MAX = 32, /* read from the attributes of one media */
};

static const struct {
  const char *name;
  TrackKind kind;
  const char *encoding_names[ENCODING_NAMES_MAX]; /* ends with NULL */
} codecs[CODEC_N] = {
    [CODEC_UNKNOWN] = {"unknown", TRACK_DATA, {NULL}},
    [CODEC_H264] = {"H264", TRACK_VIDEO, {"H264"}},
    [CODEC_H265] = {"H265", TRACK_VIDEO, {"H265"}},
    [CODEC_AV1] = {"AV1", TRACK_VIDEO, {"AV1"}},
    [CODEC_VP8] = {"VP8", TRACK_VIDEO, {"VP8"}},
    [CODEC_VP9] = {"VP9", TRACK_VIDEO, {"VP9"}},
    [CODEC_MJPEG] = {"MJPEG", TRACK_VIDEO, {"JPEG"}},
    [CODEC_MPEG4] = {"MPEG-4", TRACK_VIDEO, {"MP4V-ES"}},
    [CODEC_AAC] = {"AAC", TRACK_AUDIO, {"MPEG4-GENERIC", "MP4A-LATM"}},
    [CODEC_OPUS] = {"Opus", TRACK_AUDIO, {"OPUS"}},
    [CODEC_MP3] = {"MP3", TRACK_AUDIO, {"MPA"}},
    [CODEC_AC3] = {"AC-3", TRACK_AUDIO, {"AC3"}},
    [CODEC_PCMU] = {"PCMU", TRACK_AUDIO, {"PCMU"}},
    [CODEC_PCMA] = {"PCMA", TRACK_AUDIO, {"PCMA"}},
    [CODEC_G722] = {"G722", TRACK_AUDIO, {"G722"}},
    [CODEC_G726] = {"G726",
                    TRACK_AUDIO,
                    {"G726-32", "G726-16", "G726-24", "G726-40", "AAL2-G726-32", "AAL2-G726-16",
                     "AAL2-G726-24", "AAL2-G726-40"}},
    [CODEC_L16] = {"L16", TRACK_AUDIO, {"L16"}},
};

/* RFC 3551 §6, as far as the codecs are ours. */
static const struct {
  uint8_t payload_type;
  Codec codec;
  uint32_t clock_rate;
  uint8_t channels; /* 0 video */
  const char *encoding_name;
} static_types[] = {
    {0, CODEC_PCMU, 8000, 1, "PCMU"},    {8, CODEC_PCMA, 8000, 1, "PCMA"}, {9, CODEC_G722, 8000, 1, "G722"},
    {10, CODEC_L16, 44100, 2, "L16"},    {11, CODEC_L16, 44100, 1, "L16"}, {14, CODEC_MP3, 90000, 1, "MPA"},
    {26, CODEC_MJPEG, 90000, 0, "JPEG"},
};

const char *
codec_name (Codec codec)
{
  return codecs[(unsigned)codec < CODEC_N ? codec : CODEC_UNKNOWN].name;
}

TrackKind
codec_kind (Codec codec)
{
  return codecs[(unsigned)codec < CODEC_N ? codec : CODEC_UNKNOWN].kind;
}

Codec
codec_from_encoding_name (const char *name)
{
  for (unsigned codec = 0; name && codec < CODEC_N; codec++)
    for (unsigned i = 0; i < ENCODING_NAMES_MAX && codecs[codec].encoding_names[i]; i++)
      if (g_ascii_strcasecmp (name, codecs[codec].encoding_names[i]) == 0)
        return (Codec)codec;
  return CODEC_UNKNOWN;
}

bool
codec_from_static_payload_type (uint8_t payload_type, Codec *ret_codec, uint32_t *ret_clock_rate,
                                uint8_t *ret_channels, const char **ret_encoding_name)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (static_types); i++) {
    if (static_types[i].payload_type != payload_type)
      continue;
    *ret_codec = static_types[i].codec;
    *ret_clock_rate = static_types[i].clock_rate;
    *ret_channels = static_types[i].channels;
    *ret_encoding_name = static_types[i].encoding_name;
    return true;
  }
  return false;
}

void
track_spec_clear (TrackSpec *spec)
{
  g_free (spec->encoding_name);
  g_free (spec->fmtp);
  g_free (spec->media);
  g_clear_pointer (&spec->attributes, g_ptr_array_unref);
  gst_clear_caps (&spec->unit_caps);
  *spec = (TrackSpec){0};
}

static void *
copy_attribute (const void *attribute, void *data)
{
  return g_strdup (attribute);
}

void
track_spec_copy (const TrackSpec *from, TrackSpec *to)
{
  *to = *from;
  to->encoding_name = g_strdup (from->encoding_name);
  to->fmtp = g_strdup (from->fmtp);
  to->media = g_strdup (from->media);
  if (from->attributes) {
    to->attributes = g_ptr_array_copy (from->attributes, copy_attribute, NULL);
    g_ptr_array_set_free_func (to->attributes, g_free);
  }
  if (from->unit_caps)
    gst_caps_ref (to->unit_caps);
}

/* Names as SDP's tokens have them, without those that caps give another meaning. */
static bool
is_usable_field_name (const char *name)
{
  static const char *const reserved[] = {"media",           "payload",    "clock-rate",       "encoding-name",
                                         "encoding-params", "ssrc",       "timestamp-offset", "seqnum-offset",
                                         "clock-base",      "seqnum-base"};
  if (!g_ascii_isalpha (name[0]) || strlen (name) > 64)
    return false;
  for (const char *c = name; *c; c++)
    if (!g_ascii_isalnum (*c) && !strchr ("-_.+", *c))
      return false;
  for (unsigned i = 0; i < G_N_ELEMENTS (reserved); i++)
    if (strcmp (name, reserved[i]) == 0)
      return false;
  return true;
}

static void
set_string_field (GstStructure *structure, const char *name, const char *value)
{
  if (is_usable_field_name (name) && g_utf8_validate (value, -1, NULL))
    gst_structure_set (structure, name, G_TYPE_STRING, value, NULL);
}

/* "packetization-mode=1;sprop-parameter-sets=..." */
static void
set_fmtp_fields (GstStructure *structure, const char *fmtp)
{
  g_auto (GStrv) parts = g_strsplit (fmtp, ";", FMTP_FIELDS_MAX);
  for (unsigned i = 0; parts[i]; i++) {
    char *name = g_strstrip (parts[i]);
    char *value = strchr (name, '=');
    if (value)
      *value++ = '\0';
    g_autofree char *lower = g_ascii_strdown (g_strchomp (name), -1);
    set_string_field (structure, lower, value ? g_strchug (value) : "1");
  }
}

/* "framesize:96 640-480" is a-framesize=640-480; names with x- go as they are. */
static void
set_attribute_field (GstStructure *structure, const char *attribute)
{
  const char *value = strchr (attribute, ':');
  if (!value)
    return;
  g_autofree char *name = g_ascii_strdown (attribute, value - attribute);
  g_autofree char *field = g_str_has_prefix (name, "x-") ? g_strdup (name) : g_strconcat ("a-", name, NULL);
  value++;
  if (strcmp (name, "framesize") == 0) {
    value += strspn (value, "0123456789");
    value += strspn (value, " ");
  }
  set_string_field (structure, field, value);
}

GstCaps *
track_spec_to_rtp_caps (const TrackSpec *spec)
{
  GstStructure *structure = gst_structure_new_empty ("application/x-rtp");
  if (spec->attributes)
    for (unsigned i = 0; i < MIN (spec->attributes->len, ATTRIBUTE_FIELDS_MAX); i++)
      set_attribute_field (structure, g_ptr_array_index (spec->attributes, i));
  if (spec->fmtp)
    set_fmtp_fields (structure, spec->fmtp);
  if (spec->media && g_utf8_validate (spec->media, -1, NULL))
    gst_structure_set (structure, "media", G_TYPE_STRING, spec->media, NULL);
  if (spec->encoding_name && g_utf8_validate (spec->encoding_name, -1, NULL)) {
    g_autofree char *upper = g_ascii_strup (spec->encoding_name, -1);
    gst_structure_set (structure, "encoding-name", G_TYPE_STRING, upper, NULL);
  }
  gst_structure_set (structure, "payload", G_TYPE_INT, (int)spec->payload_type, NULL);
  if (spec->clock_rate > 0 && spec->clock_rate <= G_MAXINT)
    gst_structure_set (structure, "clock-rate", G_TYPE_INT, (int)spec->clock_rate, NULL);
  if (spec->kind == TRACK_AUDIO && spec->channels > 0) {
    char channels[8];
    g_snprintf (channels, sizeof channels, "%u", spec->channels);
    gst_structure_set (structure, "encoding-params", G_TYPE_STRING, channels, NULL);
  }
  GstCaps *caps = gst_caps_new_empty ();
  gst_caps_append_structure (caps, structure);
  return caps;
}

static bool
is_ssrc_free (const TrackSet *set, unsigned n, uint32_t ssrc)
{
  if (ssrc == 0)
    return false;
  for (unsigned i = 0; i < n; i++)
    if (set->tracks[i].ssrc == ssrc)
      return false;
  return true;
}

static uint32_t
choose_ssrc (const TrackSet *set, unsigned n)
{
  uint32_t ssrc;
  while (getrandom (&ssrc, sizeof ssrc, 0) != sizeof ssrc || !is_ssrc_free (set, n, ssrc))
    continue;
  return ssrc;
}

TrackSet *
track_set_new (TrackSpec *specs, unsigned n_specs, const uint32_t *ssrcs)
{
  g_return_val_if_fail (n_specs <= TRACKS_MAX, NULL);
  TrackSet *set = g_new0 (TrackSet, 1);
  g_atomic_ref_count_init (&set->ref);
  set->n_tracks = n_specs;
  set->tracks = g_new0 (Track, MAX (n_specs, 1));
  set->video = -1;
  for (unsigned i = 0; i < n_specs; i++) {
    Track *track = &set->tracks[i];
    track->index = i;
    track->spec = specs[i];
    specs[i] = (TrackSpec){0};
    track->ssrc = ssrcs ? ssrcs[i] : choose_ssrc (set, i);
    if (set->video < 0 && track->spec.kind == TRACK_VIDEO)
      set->video = (int)i;
  }
  return set;
}

TrackSet *
track_set_ref (TrackSet *set)
{
  g_atomic_ref_count_inc (&set->ref);
  return set;
}

void
track_set_unref (TrackSet *set)
{
  if (!set || !g_atomic_ref_count_dec (&set->ref))
    return;
  for (unsigned i = 0; i < set->n_tracks; i++)
    track_spec_clear (&set->tracks[i].spec);
  g_free (set->tracks);
  g_free (set);
}

bool
track_set_compatible (const TrackSet *a, const TrackSet *b)
{
  if (a->n_tracks != b->n_tracks)
    return false;
  for (unsigned i = 0; i < a->n_tracks; i++) {
    const TrackSpec *x = &a->tracks[i].spec, *y = &b->tracks[i].spec;
    if (x->kind != y->kind || x->codec != y->codec || x->clock_rate != y->clock_rate ||
        x->payload_type != y->payload_type)
      return false;
    /* Codecs that we do not know are told apart by name only. */
    if (x->codec == CODEC_UNKNOWN && g_strcmp0 (x->encoding_name, y->encoding_name) != 0)
      return false;
  }
  return true;
}
