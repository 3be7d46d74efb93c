/* SPDX-License-Identifier: Apache-2.0 */
/* The table of containers and codecs, and the default encoders. Units leave in one shape per codec: what RTP
 * payloaders, muxers and browsers take without another parser. */
#include "media/codecs.h"

#include "media/catalog.h"

typedef struct {
  const char *caps;
  const char *elements[3]; /* the first that is there */
  unsigned traits;
} Container;

static const Container containers[] = {
    {"video/quicktime; audio/x-m4a; application/x-3gp", {"qtdemux"}},
    {"video/x-matroska; audio/x-matroska; video/webm; audio/webm",
     {"matroskademux"},
     MEDIA_TRAIT_NO_DTS | MEDIA_TRAIT_FLAT_TIME},
    {"video/mpegts", {"tsdemux"}},
    {"video/x-flv", {"flvdemux"}},
    {"video/x-msvideo", {"avidemux"}, MEDIA_TRAIT_NO_DTS},
    {"application/ogg; audio/ogg; video/ogg", {"oggdemux"}},
    {"video/mpeg, mpegversion=(int){1, 2}, systemstream=(boolean)true; video/x-cdxa", {"mpegpsdemux"}},
    {"audio/x-wav", {"wavparse"}},
    {"application/x-id3", {"id3demux"}},
    {"multipart/x-mixed-replace", {"multipartdemux"}, MEDIA_TRAIT_ARRIVAL},
    {"application/x-hls", {"hlsdemux2", "hlsdemux"}},
};

typedef struct {
  const char *caps;
  MediaPlugKind kind;
  const char *parser;      /* or NULL */
  const char *timestamper; /* makes decoding times; or NULL */
  const char *units;
} CodecRow;

static const CodecRow codecs[] = {
    {"video/x-h264", MEDIA_PLUG_VIDEO, "h264parse", "h264timestamper",
     "video/x-h264,stream-format=avc,alignment=au"},
    {"video/x-h265", MEDIA_PLUG_VIDEO, "h265parse", "h265timestamper",
     "video/x-h265,stream-format=hvc1,alignment=au"},
    {"video/x-av1", MEDIA_PLUG_VIDEO, "av1parse", NULL, "video/x-av1,stream-format=obu-stream,alignment=tu"},
    {"video/x-vp8", MEDIA_PLUG_VIDEO, NULL, NULL, "video/x-vp8"},
    {"video/x-vp9", MEDIA_PLUG_VIDEO, NULL, NULL, "video/x-vp9"},
    {"image/jpeg", MEDIA_PLUG_VIDEO, "jpegparse", NULL, "image/jpeg"},
    {"video/mpeg, mpegversion=(int)4", MEDIA_PLUG_VIDEO, "mpeg4videoparse", NULL,
     "video/mpeg,mpegversion=4,systemstream=false,parsed=true"},
    {"audio/mpeg, mpegversion=(int){2, 4}", MEDIA_PLUG_AUDIO, "aacparse", NULL,
     "audio/mpeg,mpegversion=4,stream-format=raw,framed=true"},
    {"audio/mpeg, mpegversion=(int)1", MEDIA_PLUG_AUDIO, "mpegaudioparse", NULL,
     "audio/mpeg,mpegversion=1,parsed=true"},
    {"audio/x-opus", MEDIA_PLUG_AUDIO, "opusparse", NULL, "audio/x-opus"},
    {"audio/x-ac3", MEDIA_PLUG_AUDIO, "ac3parse", NULL, "audio/x-ac3,framed=true,alignment=frame"},
    {"audio/x-mulaw", MEDIA_PLUG_AUDIO, NULL, NULL, "audio/x-mulaw"},
    {"audio/x-alaw", MEDIA_PLUG_AUDIO, NULL, NULL, "audio/x-alaw"},
    {"audio/G722", MEDIA_PLUG_AUDIO, NULL, NULL, "audio/G722"},
};

/* Descriptions with the rate in kbit/s, the key-frame distance in frames and x264's preset, in this order. */
typedef struct {
  const char *codec;
  const char *media; /* a row of the table above */
  const char *element;
  const char *converter;
  const char *chain;
} Encoder;

static const Encoder video_encoders[] = {
    {"h264", "video/x-h264", "x264enc", "videoconvert ! video/x-raw,format=I420",
     "x264enc tune=zerolatency speed-preset=%3$s threads=1 sliced-threads=false bitrate=%1$d "
     "key-int-max=%2$d ! "
     "video/x-h264,profile=main"},
    {"h264", "video/x-h264", "openh264enc", "videoconvert ! video/x-raw,format=I420",
     "openh264enc rate-control=bitrate bitrate=%1$d000 gop-size=%2$d complexity=low"},
    {"h265", "video/x-h265", "x265enc", "videoconvert ! video/x-raw,format=I420",
     "x265enc tune=zerolatency speed-preset=ultrafast bitrate=%1$d key-int-max=%2$d"},
    {"vp8", "video/x-vp8", "vp8enc", "videoconvert ! video/x-raw,format=I420",
     "vp8enc deadline=1 cpu-used=8 end-usage=cbr lag-in-frames=0 target-bitrate=%1$d000 "
     "keyframe-max-dist=%2$d"},
    {"vp9", "video/x-vp9", "vp9enc", "videoconvert ! video/x-raw,format=I420",
     "vp9enc deadline=1 cpu-used=8 end-usage=cbr lag-in-frames=0 target-bitrate=%1$d000 "
     "keyframe-max-dist=%2$d"},
    {"mjpeg", "image/jpeg", "jpegenc", "videoconvert ! video/x-raw,format=I420", "jpegenc quality=75"},
};

static const Encoder audio_encoders[] = {
    {"aac", "audio/mpeg, mpegversion=(int)4", "fdkaacenc",
     "audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=[1,2]", "fdkaacenc bitrate=128000"},
    {"aac", "audio/mpeg, mpegversion=(int)4", "avenc_aac",
     "audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=[1,2]", "avenc_aac bitrate=128000"},
    {"aac", "audio/mpeg, mpegversion=(int)4", "voaacenc",
     "audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=[1,2]", "voaacenc bitrate=128000"},
    {"opus", "audio/x-opus", "opusenc",
     "audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=[1,2]", "opusenc bitrate=96000"},
    {"pcmu", "audio/x-mulaw", "mulawenc", "audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1",
     "mulawenc"},
    {"pcma", "audio/x-alaw", "alawenc", "audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1",
     "alawenc"},
};

static bool
has_element (const char *name)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (name);
  return factory != NULL;
}

static bool
is_like (const GstCaps *caps, const char *pattern)
{
  g_autoptr (GstCaps) wanted = gst_caps_from_string (pattern);
  return gst_caps_can_intersect (caps, wanted);
}

/* The first encoder of @codec that is there; the error names the one to install. */
static const Encoder *
find_encoder (const Encoder *table, size_t n, const char *codec, GError **error)
{
  const Encoder *wanted = NULL;
  for (size_t i = 0; i < n; i++) {
    if (!g_str_equal (table[i].codec, codec))
      continue;
    if (has_element (table[i].element))
      return &table[i];
    /* fdkaacenc is in no free package */
    if (!wanted || !g_str_equal (table[i].element, "voaacenc"))
      wanted = &table[i];
  }
  media_catalog_set_missing (error, wanted->element);
  return NULL;
}

static bool
append_units (GString *chain, const CodecRow *row, bool make_dts, GError **error)
{
  if (row->parser) {
    if (!has_element (row->parser)) {
      media_catalog_set_missing (error, row->parser);
      return false;
    }
    g_string_append_printf (chain, " ! %s", row->parser);
  }
  g_string_append_printf (chain, " ! %s", row->units);
  if (make_dts && row->timestamper && has_element (row->timestamper))
    g_string_append_printf (chain, " ! %s", row->timestamper);
  return true;
}

/* Good quality at 0.1 bit a pixel, 30 pictures a second. */
static int
bitrate_for (const GstStructure *raw)
{
  int width = 640;
  int height = 360;
  gst_structure_get_int (raw, "width", &width);
  gst_structure_get_int (raw, "height", &height);
  return (int)CLAMP ((int64_t)width * height * 3 / 1000, 200, 20000);
}

static int
gop_for (const GstStructure *raw)
{
  int num = 30;
  int den = 1;
  gst_structure_get_fraction (raw, "framerate", &num, &den);
  return num > 0 && den > 0 ? MAX (2 * num / den, 1) : 60;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static bool
encode (const GstCaps *caps, bool video, const MediaEncoding *encoding, MediaPlug *ret, GError **error)
{
  const GstStructure *raw = gst_caps_get_structure (caps, 0);
  const Encoder *encoder =
      video ? find_encoder (video_encoders, G_N_ELEMENTS (video_encoders), encoding->video_codec, error)
            : find_encoder (audio_encoders, G_N_ELEMENTS (audio_encoders), encoding->audio_codec, error);
  if (!encoder)
    return false;
  int bitrate = encoding->bitrate_kbps > 0 ? encoding->bitrate_kbps : bitrate_for (raw);
  int gop = encoding->gop_frames > 0 ? encoding->gop_frames : gop_for (raw);
  g_autoptr (GString) chain = g_string_new (encoder->converter);
  g_string_append (chain, " ! ");
  g_string_append_printf (chain, encoder->chain, bitrate, gop, encoding->cheap ? "ultrafast" : "superfast");
  for (guint i = 0; i < G_N_ELEMENTS (codecs); i++) {
    if (!g_str_equal (codecs[i].caps, encoder->media))
      continue;
    if (!append_units (chain, &codecs[i], false, error))
      return false;
  }
  ret->kind = video ? MEDIA_PLUG_VIDEO : MEDIA_PLUG_AUDIO;
  ret->chain = g_string_free (g_steal_pointer (&chain), FALSE);
  return true;
}

#pragma GCC diagnostic pop

bool
media_codecs_plug (const GstCaps *caps, const MediaEncoding *encoding, bool make_dts, MediaPlug *ret,
                   GError **error)
{
  *ret = (MediaPlug){.kind = MEDIA_PLUG_NOTHING};
  for (guint i = 0; i < G_N_ELEMENTS (containers); i++) {
    if (!is_like (caps, containers[i].caps))
      continue;
    ret->demuxer = media_catalog_first (containers[i].elements, error);
    ret->kind = MEDIA_PLUG_DEMUXER;
    ret->traits = containers[i].traits;
    return ret->demuxer != NULL;
  }
  if (is_like (caps, "video/x-raw"))
    return encode (caps, true, encoding, ret, error);
  if (is_like (caps, "audio/x-raw"))
    return encode (caps, false, encoding, ret, error);
  for (guint i = 0; i < G_N_ELEMENTS (codecs); i++) {
    if (!is_like (caps, codecs[i].caps))
      continue;
    g_autoptr (GString) chain = g_string_new ("identity silent=true");
    if (!append_units (chain, &codecs[i], make_dts, error))
      return false;
    ret->kind = codecs[i].kind;
    ret->chain = g_string_free (g_steal_pointer (&chain), FALSE);
    return true;
  }
  return true;
}
