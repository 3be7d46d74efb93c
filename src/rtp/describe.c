/* SPDX-License-Identifier: Apache-2.0 */
/* The table of GStreamer's names for our codecs, and SDP identities read off the payloaders' caps. */
#include "rtp/describe.h"

#include "base/error.h"
#include "rtp/payload.h"

#include <string.h>

#define GOOD "gstreamer1.0-plugins-good"
#define BAD  "gstreamer1.0-plugins-bad"
#define RUST "gst-plugins-rs (Debian has no package of it)"

static const RtpElements elements[CODEC_N] = {
    [CODEC_H264] = {"rtph264pay", "rtph264depay", "h264parse", GOOD, BAD,
                    "video/x-h264, stream-format=(string)avc, alignment=(string)au"},
    [CODEC_H265] = {"rtph265pay", "rtph265depay", "h265parse", GOOD, BAD,
                    "video/x-h265, stream-format=(string)hvc1, alignment=(string)au"},
    [CODEC_AV1] = {"rtpav1pay", "rtpav1depay", "av1parse", RUST, BAD,
                   "video/x-av1, stream-format=(string)obu-stream, alignment=(string)tu"},
    [CODEC_VP8] = {"rtpvp8pay", "rtpvp8depay", NULL, GOOD, NULL, "video/x-vp8"},
    /* No vp9parse: that of GStreamer 1.22 reads behind the end of short frames, and before them. */
    [CODEC_VP9] = {"rtpvp9pay", "rtpvp9depay", NULL, GOOD, NULL, "video/x-vp9"},
    [CODEC_MJPEG] = {"rtpjpegpay", "rtpjpegdepay", "jpegparse", GOOD, BAD, "image/jpeg",
                     .parser_optional = true},
    [CODEC_MPEG4] = {"rtpmp4vpay", "rtpmp4vdepay", "mpeg4videoparse", GOOD, BAD,
                     "video/mpeg, mpegversion=(int)4, systemstream=(boolean)false"},
    [CODEC_AAC] = {"rtpmp4gpay", "rtpmp4gdepay", "aacparse", GOOD, GOOD,
                   "audio/mpeg, mpegversion=(int)4, stream-format=(string)raw"},
    [CODEC_OPUS] = {"rtpopuspay", "rtpopusdepay", "opusparse", GOOD, BAD, "audio/x-opus"},
    [CODEC_MP3] = {"rtpmpapay", "rtpmpadepay", "mpegaudioparse", GOOD, GOOD,
                   "audio/mpeg, mpegversion=(int)1"},
    [CODEC_AC3] = {"rtpac3pay", "rtpac3depay", "ac3parse", GOOD, GOOD, "audio/x-ac3; audio/ac3"},
    [CODEC_PCMU] = {"rtppcmupay", "rtppcmudepay", NULL, GOOD, NULL, "audio/x-mulaw"},
    [CODEC_PCMA] = {"rtppcmapay", "rtppcmadepay", NULL, GOOD, NULL, "audio/x-alaw"},
    [CODEC_G722] = {"rtpg722pay", "rtpg722depay", NULL, GOOD, NULL, "audio/G722"},
    [CODEC_G726] = {"rtpg726pay", "rtpg726depay", NULL, GOOD, NULL, "audio/x-adpcm, layout=(string)g726"},
    [CODEC_L16] = {"rtpL16pay", "rtpL16depay", NULL, GOOD, NULL, "audio/x-raw, format=(string)S16BE"},
};

/* Fields that have their place elsewhere, or mean something to GStreamer only. */
static const char *const not_fmtp[] = {
    "media",      "payload",          "clock-rate",    "encoding-name", "encoding-params",
    "ssrc",       "timestamp-offset", "seqnum-offset", "timestamp",     "seqnum",
    "clock-base", "seqnum-base",      "ptime",         "maxptime",      "profile",
};

const RtpElements *
rtp_elements (Codec codec)
{
  return codec > CODEC_UNKNOWN && codec < CODEC_N ? &elements[codec] : NULL;
}

GstElement *
rtp_make_element (const char *factory, const char *package, GError **error)
{
  GstElement *element = gst_element_factory_make (factory, NULL);
  if (!element) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED,
                 "GStreamer element %s is missing: it is in package %s", factory, package);
    return NULL;
  }
  return gst_object_ref_sink (element);
}

static Codec
mpeg_audio_codec (const GstStructure *structure)
{
  int version = 0;
  gst_structure_get_int (structure, "mpegversion", &version);
  if (version == 4 || version == 2)
    return CODEC_AAC;
  return version == 1 ? CODEC_MP3 : CODEC_UNKNOWN;
}

Codec
rtp_codec_from_unit_caps (const GstCaps *caps)
{
  static const struct {
    const char *name;
    Codec codec;
  } names[] = {
      {"video/x-h264", CODEC_H264},  {"video/x-h265", CODEC_H265}, {"video/x-av1", CODEC_AV1},
      {"video/x-vp8", CODEC_VP8},    {"video/x-vp9", CODEC_VP9},   {"image/jpeg", CODEC_MJPEG},
      {"video/x-jpeg", CODEC_MJPEG}, {"video/mpeg", CODEC_MPEG4},  {"audio/x-opus", CODEC_OPUS},
      {"audio/x-ac3", CODEC_AC3},    {"audio/ac3", CODEC_AC3},     {"audio/x-mulaw", CODEC_PCMU},
      {"audio/x-alaw", CODEC_PCMA},  {"audio/G722", CODEC_G722},   {"audio/x-adpcm", CODEC_G726},
      {"audio/x-raw", CODEC_L16},
  };
  if (gst_caps_get_size (caps) == 0)
    return CODEC_UNKNOWN;
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  const char *name = gst_structure_get_name (structure);
  if (strcmp (name, "audio/mpeg") == 0)
    return mpeg_audio_codec (structure);
  int version = 4;
  if (strcmp (name, "video/mpeg") == 0 && gst_structure_get_int (structure, "mpegversion", &version) &&
      version != 4)
    return CODEC_UNKNOWN;
  for (unsigned i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (name, names[i].name) == 0)
      return names[i].codec;
  return CODEC_UNKNOWN;
}

static bool
is_fmtp_field (const char *name)
{
  if (g_str_has_prefix (name, "a-") || g_str_has_prefix (name, "x-") || g_str_has_prefix (name, "extmap-") ||
      g_str_has_prefix (name, "rtcp-fb-"))
    return false;
  for (unsigned i = 0; i < G_N_ELEMENTS (not_fmtp); i++)
    if (strcmp (name, not_fmtp[i]) == 0)
      return false;
  return true;
}

static void
add_attribute (TrackSpec *spec, const char *name, const char *value)
{
  if (!spec->attributes)
    spec->attributes = g_ptr_array_new_with_free_func (g_free);
  char *attribute = strcmp (name, "framesize") == 0
                        ? g_strdup_printf ("framesize:%u %s", spec->payload_type, value)
                        : g_strdup_printf ("%s:%s", name, value);
  g_ptr_array_add (spec->attributes, attribute);
}

/* What gst_sdp_media_set_media_from_caps() would put into an SDP. */
static void
read_format_fields (const GstStructure *structure, TrackSpec *spec)
{
  g_autoptr (GString) fmtp = g_string_new (NULL);
  for (int i = 0; i < gst_structure_n_fields (structure); i++) {
    const char *name = gst_structure_nth_field_name (structure, (unsigned)i);
    const char *value = gst_structure_get_string (structure, name);
    if (!value)
      continue;
    if (g_str_has_prefix (name, "a-"))
      add_attribute (spec, name + 2, value);
    else if (is_fmtp_field (name))
      g_string_append_printf (fmtp, "%s%s=%s", fmtp->len > 0 ? ";" : "", name, value);
  }
  if (fmtp->len > 0)
    spec->fmtp = g_strdup (fmtp->str);
}

static bool
read_rtp_caps (const GstCaps *caps, uint8_t default_channels, TrackSpec *spec)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  int payload_type = 0, clock_rate = 0;
  const char *encoding_name = gst_structure_get_string (structure, "encoding-name");
  const char *params = gst_structure_get_string (structure, "encoding-params");
  if (!encoding_name || !gst_structure_get_int (structure, "payload", &payload_type) ||
      !gst_structure_get_int (structure, "clock-rate", &clock_rate) || clock_rate <= 0)
    return false;
  spec->payload_type = (uint8_t)payload_type;
  spec->clock_rate = (uint32_t)clock_rate;
  /* As their RFCs write them. */
  const char *usual = strcmp (encoding_name, "MPEG4-GENERIC") == 0 ? "mpeg4-generic"
                      : strcmp (encoding_name, "OPUS") == 0        ? "opus"
                                                                   : encoding_name;
  spec->encoding_name = g_strdup (usual);
  spec->media = g_strdup (spec->kind == TRACK_VIDEO ? "video" : "audio");
  if (spec->kind == TRACK_AUDIO)
    spec->channels = params ? (uint8_t)CLAMP (g_ascii_strtoull (params, NULL, 10), 1, 255) : default_channels;
  read_format_fields (structure, spec);
  return true;
}

/* RFC 4184 §4.1 wants AC-3's channels in the rtpmap; the others that come without have one, or do not say
 * (MPA). */
static uint8_t
channels_without_params (Codec codec, const GstCaps *caps)
{
  int channels = 1;
  if (codec == CODEC_AC3)
    gst_structure_get_int (gst_caps_get_structure (caps, 0), "channels", &channels);
  return (uint8_t)CLAMP (channels, 1, 255);
}

/* RFC 3551 §6; L16 has static types for 44.1 kHz only. */
static uint8_t
choose_payload_type (Codec codec, GstCaps *caps, uint8_t dynamic)
{
  int rate = 0, channels = 0;
  gst_structure_get_int (gst_caps_get_structure (caps, 0), "rate", &rate);
  gst_structure_get_int (gst_caps_get_structure (caps, 0), "channels", &channels);
  for (uint8_t type = 0; type < 35; type++) {
    Codec its_codec;
    uint32_t its_rate;
    uint8_t its_channels;
    const char *its_name;
    if (!codec_from_static_payload_type (type, &its_codec, &its_rate, &its_channels, &its_name) ||
        its_codec != codec)
      continue;
    if (codec == CODEC_L16
            ? rate == (int)its_rate && channels == its_channels
            : codec == CODEC_MP3 || codec == CODEC_MJPEG || codec == CODEC_G722 || rate == 8000)
      return type;
  }
  return dynamic;
}

/* Without codec_data these payloaders wait for parameter sets in the first units; players then wait, too. */
static GstCaps *
minimal_rtp_caps (Codec codec, uint8_t payload_type)
{
  const char *name = codec == CODEC_H264    ? "H264, packetization-mode=(string)1"
                     : codec == CODEC_H265  ? "H265"
                     : codec == CODEC_MPEG4 ? "MP4V-ES"
                                            : NULL;
  if (!name)
    return NULL;
  g_autofree char *text = g_strdup_printf (
      "application/x-rtp, payload=(int)%u, clock-rate=(int)90000, encoding-name=%s", payload_type, name);
  return gst_caps_from_string (text);
}

bool
rtp_describe_units (GstCaps *caps, uint8_t payload_type, TrackSpec *ret, GError **error)
{
  Codec codec = rtp_codec_from_unit_caps (caps);
  if (codec == CODEC_UNKNOWN) {
    g_autofree char *text = gst_caps_to_string (caps);
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED, "no RTP payload format is known for %s",
                 text);
    return false;
  }
  g_auto (TrackSpec) spec = {.codec = codec, .kind = codec_kind (codec)};
  g_autoptr (Chain) chain =
      payload_chain_new (codec, choose_payload_type (codec, caps, payload_type), 1, 0, caps, error);
  if (!chain)
    return false;
  g_autoptr (GstCaps) rtp_caps = chain_dup_latest_caps (chain);
  if (!rtp_caps)
    rtp_caps = minimal_rtp_caps (codec, payload_type);
  if (!rtp_caps || !read_rtp_caps (rtp_caps, channels_without_params (codec, caps), &spec)) {
    g_autofree char *text = gst_caps_to_string (caps);
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "%s does not describe its RTP for %s",
                 elements[codec].payloader, text);
    return false;
  }
  spec.unit_caps = gst_caps_ref (caps);
  *ret = spec;
  spec = (TrackSpec){0};
  return true;
}
