/* SPDX-License-Identifier: Apache-2.0 */
/* Picture size, frame rate, profile and level from an RTP payload or from the fmtp of an SDP. A result counts
 * only with a size in it. */
#include "stream/inspect.h"

#include "stream/bits.h"
#include "stream/sps.h"
#include "stream/vp8.h"
#include "stream/vp9.h"

#include <string.h>

enum {
  NAL_UNITS_MAX = 64,
  FMTP_VALUE_MAX = 4096, /* characters read of one parameter */
  MPEG4_SEARCH_BYTES = 1024,
};

typedef bool (*SpsParseFunc) (const uint8_t *nal, size_t n_bytes, SpsInfo *ret);

static bool
parse_sps (SpsParseFunc parse, const uint8_t *nal, size_t n_bytes, InspectVideoInfo *ret)
{
  SpsInfo info;
  if (!parse (nal, n_bytes, &info))
    return false;
  *ret = info.video;
  return true;
}

/* Looks for a parameter set in a row of NAL units, each behind its size in two bytes. */
static bool
find_sps (SpsParseFunc parse, const uint8_t *bytes, size_t n_bytes, InspectVideoInfo *ret)
{
  size_t at = 0;
  for (unsigned i = 0; i < NAL_UNITS_MAX && at + 2 < n_bytes; i++) {
    size_t size = (size_t)bytes[at] << 8 | bytes[at + 1];
    at += 2;
    if (size > n_bytes - at)
      return false;
    if (parse_sps (parse, bytes + at, size, ret))
      return true;
    at += size;
  }
  return false;
}

static bool
inspect_h264 (const uint8_t *payload, size_t n_bytes, InspectVideoInfo *ret)
{
  unsigned type = payload[0] & 0x1f;
  if (type == 24)
    return find_sps (sps_parse_h264, payload + 1, n_bytes - 1, ret);
  if (type == 25 && n_bytes > 3)
    return find_sps (sps_parse_h264, payload + 3, n_bytes - 3, ret);
  return parse_sps (sps_parse_h264, payload, n_bytes, ret);
}

static bool
inspect_h265 (const uint8_t *payload, size_t n_bytes, InspectVideoInfo *ret)
{
  if ((payload[0] >> 1 & 0x3f) == 48 && n_bytes > 2)
    return find_sps (sps_parse_h265, payload + 2, n_bytes - 2, ret);
  return parse_sps (sps_parse_h265, payload, n_bytes, ret);
}

/* RFC 7741 §4.3, then the key frame's header (RFC 6386 §9.1). */
static bool
inspect_vp8 (const uint8_t *payload, size_t n_bytes, InspectVideoInfo *ret)
{
  InspectResult result;
  inspect_payload (CODEC_VP8, payload, n_bytes, false, &result);
  if (!result.key)
    return false;
  size_t at = vp8_skip_descriptor (payload, n_bytes);
  if (n_bytes < at + 10)
    return false;
  const uint8_t *header = payload + at;
  if (header[3] != 0x9d || header[4] != 0x01 || header[5] != 0x2a)
    return false;
  ret->width = (header[6] | (unsigned)header[7] << 8) & 0x3fff;
  ret->height = (header[8] | (unsigned)header[9] << 8) & 0x3fff;
  return ret->width > 0 && ret->height > 0;
}

/* The uncompressed header of a key frame (VP9 bitstream §6.2). */
static bool
inspect_vp9 (const uint8_t *payload, size_t n_bytes, InspectVideoInfo *ret)
{
  InspectResult result;
  inspect_payload (CODEC_VP9, payload, n_bytes, false, &result);
  size_t at = vp9_skip_descriptor (payload, n_bytes);
  if (!result.key || !result.frame_start || at == 0)
    return false;
  BitReader r = {.bytes = payload + at, .n_bytes = n_bytes - at};
  Vp9FrameStart start;
  if (!vp9_read_frame_start (&r, &start) || !start.key)
    return false;
  unsigned profile = start.profile;
  bits_skip (&r, 2);
  if (bits_get (&r, 24) != 0x498342)
    return false;
  if (profile >= 2)
    bits_get_1 (&r);
  unsigned color_space = bits_get (&r, 3);
  if (color_space != 7) {
    bits_get_1 (&r);
    if (profile & 1)
      bits_skip (&r, 3);
  } else if (profile & 1) {
    bits_get_1 (&r);
  }
  unsigned width = bits_get (&r, 16) + 1, height = bits_get (&r, 16) + 1;
  if (r.failed)
    return false;
  ret->width = width;
  ret->height = height;
  g_snprintf (ret->profile, sizeof ret->profile, "Profile %u", profile);
  return true;
}

static bool
inspect_mjpeg (const uint8_t *payload, size_t n_bytes, InspectVideoInfo *ret)
{
  if (n_bytes < 8)
    return false;
  ret->width = 8u * payload[6];
  ret->height = 8u * payload[7];
  return ret->width > 0 && ret->height > 0;
}

/* video_object_layer() behind its start code (ISO/IEC 14496-2 §6.2.3). */
static bool
parse_mpeg4_layer (const uint8_t *bytes, size_t n_bytes, InspectVideoInfo *ret)
{
  BitReader r = {.bytes = bytes, .n_bytes = n_bytes};
  bits_skip (&r, 9);
  unsigned version = 1;
  if (bits_get_1 (&r)) {
    version = bits_get (&r, 4);
    bits_skip (&r, 3);
  }
  if (bits_get (&r, 4) == 15)
    bits_skip (&r, 16);
  if (bits_get_1 (&r)) {
    bits_skip (&r, 3);
    if (bits_get_1 (&r))
      bits_skip (&r, 79);
  }
  unsigned shape = bits_get (&r, 2);
  if (shape == 3 && version != 1)
    bits_skip (&r, 4);
  bits_get_1 (&r);
  unsigned resolution = bits_get (&r, 16), increment = 0;
  bits_get_1 (&r);
  if (bits_get_1 (&r))
    increment = bits_get (&r, MAX (1, g_bit_storage (MAX (resolution, 1) - 1)));
  if (shape != 0 || r.failed)
    return false;
  bits_get_1 (&r);
  unsigned width = bits_get (&r, 13);
  bits_get_1 (&r);
  unsigned height = bits_get (&r, 13);
  if (r.failed || width == 0 || height == 0)
    return false;
  ret->width = width;
  ret->height = height;
  if (resolution > 0 && increment > 0) {
    ret->fps_num = resolution;
    ret->fps_den = increment;
  }
  return true;
}

static bool
inspect_mpeg4 (const uint8_t *bytes, size_t n_bytes, InspectVideoInfo *ret)
{
  size_t end = MIN (n_bytes, MPEG4_SEARCH_BYTES);
  for (size_t at = 0; at + 4 < end; at++) {
    if (bytes[at] != 0 || bytes[at + 1] != 0 || bytes[at + 2] != 1)
      continue;
    unsigned code = bytes[at + 3];
    if (code == 0xb0) {
      unsigned profile = bytes[at + 4];
      const char *name = profile >= 0x01 && profile <= 0x0f   ? "Simple"
                         : profile >= 0xf0 && profile <= 0xf7 ? "Advanced Simple"
                                                              : "";
      g_strlcpy (ret->profile, name, sizeof ret->profile);
      if (name[0])
        g_snprintf (ret->level, sizeof ret->level, "%u", profile == 0x08 ? 0 : profile & 0x0f);
    } else if (code >= 0x20 && code <= 0x2f) {
      return parse_mpeg4_layer (bytes + at + 4, n_bytes - at - 4, ret);
    }
    at += 3;
  }
  return false;
}

bool
inspect_video_payload (Codec codec, const uint8_t *payload, size_t n_bytes, InspectVideoInfo *ret)
{
  InspectVideoInfo info = {0};
  bool found = false;
  if (n_bytes == 0)
    return false;
  if (codec == CODEC_H264)
    found = inspect_h264 (payload, n_bytes, &info);
  else if (codec == CODEC_H265)
    found = inspect_h265 (payload, n_bytes, &info);
  else if (codec == CODEC_VP8)
    found = inspect_vp8 (payload, n_bytes, &info);
  else if (codec == CODEC_VP9)
    found = inspect_vp9 (payload, n_bytes, &info);
  else if (codec == CODEC_MJPEG)
    found = inspect_mjpeg (payload, n_bytes, &info);
  else if (codec == CODEC_MPEG4)
    found = inspect_mpeg4 (payload, n_bytes, &info);
  if (found)
    *ret = info;
  return found;
}

/* The value of parameter @name, cut to FMTP_VALUE_MAX; NULL when it is not there. (transfer full) */
static char *
dup_fmtp_value (const char *fmtp, const char *name)
{
  size_t n_name = strlen (name);
  for (const char *at = fmtp; at; at = strchr (at, ';')) {
    at += strspn (at, "; \t");
    if (g_ascii_strncasecmp (at, name, n_name) != 0 || at[n_name] != '=')
      continue;
    at += n_name + 1;
    return g_strndup (at, MIN (strcspn (at, "; \t"), FMTP_VALUE_MAX));
  }
  return NULL;
}

static bool
inspect_sprop (SpsParseFunc parse, const char *fmtp, const char *name, InspectVideoInfo *ret)
{
  g_autofree char *value = dup_fmtp_value (fmtp, name);
  if (!value)
    return false;
  g_auto (GStrv) sets = g_strsplit (value, ",", NAL_UNITS_MAX);
  for (unsigned i = 0; sets[i]; i++) {
    size_t n_bytes = 0;
    g_autofree uint8_t *nal = g_base64_decode (sets[i], &n_bytes);
    if (parse_sps (parse, nal, n_bytes, ret))
      return true;
  }
  return false;
}

static bool
inspect_config (const char *fmtp, InspectVideoInfo *ret)
{
  g_autofree char *hex = dup_fmtp_value (fmtp, "config");
  if (!hex)
    return false;
  size_t n_bytes = strlen (hex) / 2;
  g_autofree uint8_t *bytes = g_malloc (n_bytes + 1);
  for (size_t i = 0; i < n_bytes; i++) {
    int high = g_ascii_xdigit_value (hex[2 * i]), low = g_ascii_xdigit_value (hex[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    bytes[i] = (uint8_t)(high << 4 | low);
  }
  return inspect_mpeg4 (bytes, n_bytes, ret);
}

bool
inspect_video_fmtp (Codec codec, const char *fmtp, InspectVideoInfo *ret)
{
  InspectVideoInfo info = {0};
  bool found = false;
  if (!fmtp)
    return false;
  if (codec == CODEC_H264)
    found = inspect_sprop (sps_parse_h264, fmtp, "sprop-parameter-sets", &info);
  else if (codec == CODEC_H265)
    found = inspect_sprop (sps_parse_h265, fmtp, "sprop-sps", &info);
  else if (codec == CODEC_MPEG4)
    found = inspect_config (fmtp, &info);
  if (found)
    *ret = info;
  return found;
}
