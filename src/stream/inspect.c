/* SPDX-License-Identifier: Apache-2.0 */
/* What an RTP payload's first bytes tell. `frame_start` is set only where the payload alone proves it: H.264
 * and H.265 prove it by an access unit delimiter only, since parameter sets and slices may come behind other
 * NAL units of the same access unit; the marker of the packet before is the other way to know.
 *
 * Every reader gets its bytes with their number and checks the one before the other. */
#include "stream/inspect.h"

#include "stream/vp8.h"
#include "stream/vp9.h"

enum {
  NAL_UNITS_MAX = 64, /* looked at in one aggregation packet */
  SEI_MESSAGES_MAX = 16,
  SEI_RECOVERY_POINT = 6,
  MPEG4_SEARCH_BYTES = 1024, /* where a VOP may begin behind headers and user data */
};

enum {
  H264_IDR = 5,
  H264_SEI = 6,
  H264_SPS = 7,
  H264_PPS = 8,
  H264_AUD = 9,
  H264_LAST_NON_PICTURE = 15, /* delimiters, ends, filler, extensions of parameter sets */
  H264_STAP_A = 24,
  H264_STAP_B = 25,
  H264_MTAP16 = 26,
  H264_MTAP24 = 27,
  H264_FU_A = 28,
  H264_FU_B = 29,
};

enum {
  H265_IRAP_FIRST = 16,
  H265_IRAP_LAST = 23,
  H265_VPS = 32,
  H265_PPS = 34,
  H265_AUD = 35,
  H265_AP = 48,
  H265_FU = 49,
  H265_PACI = 50,
};

enum { OBU_SEQUENCE_HEADER = 1 };

/* A stream of intra refresh has no IDR frame but the first; a decoder may begin at its recovery points
 * (H.264 §D.1.8). @sei: behind the NAL header. */
static bool
has_recovery_point (const uint8_t *sei, size_t n_bytes)
{
  size_t at = 0;
  for (unsigned i = 0; i < SEI_MESSAGES_MAX; i++) {
    unsigned type = 0, size = 0;
    while (at < n_bytes && sei[at] == 0xff) {
      type += 0xff;
      at++;
    }
    if (at >= n_bytes)
      return false;
    type += sei[at++];
    while (at < n_bytes && sei[at] == 0xff) {
      size += 0xff;
      at++;
    }
    if (at >= n_bytes)
      return false;
    size += sei[at++];
    if (type == SEI_RECOVERY_POINT)
      return true;
    if (size >= n_bytes - at)
      return false;
    at += size;
  }
  return false;
}

/* @nal: at least one byte. */
static void
inspect_h264_nal (const uint8_t *nal, size_t n_bytes, bool first, InspectResult *ret)
{
  switch (nal[0] & 0x1f) {
  case H264_IDR:
    ret->key = true;
    break;
  case H264_SEI:
    if (has_recovery_point (nal + 1, n_bytes - 1))
      ret->key = true;
    break;
  case H264_SPS:
  case H264_PPS:
    ret->parameters = true;
    break;
  case H264_AUD:
    if (first)
      ret->frame_start = true;
    break;
  default:
    break;
  }
  unsigned type = nal[0] & 0x1f;
  ret->picture |= type < H264_SEI || type > H264_LAST_NON_PICTURE;
}

/* The next NAL unit at or behind @at; its size, or 0 at the end. */
static size_t
next_nal (const uint8_t *unit, size_t n_bytes, bool start_codes, size_t *at)
{
  if (!start_codes) {
    if (n_bytes - *at < 5)
      return 0;
    size_t size =
        (size_t)unit[*at] << 24 | (size_t)unit[*at + 1] << 16 | (size_t)unit[*at + 2] << 8 | unit[*at + 3];
    *at += 4;
    return size <= n_bytes - *at ? size : 0;
  }
  while (n_bytes - *at > 3 && !(unit[*at] == 0 && unit[*at + 1] == 0 && unit[*at + 2] == 1))
    (*at)++;
  if (n_bytes - *at <= 3)
    return 0;
  *at += 3;
  size_t end = *at;
  while (end < n_bytes && !(n_bytes - end >= 3 && unit[end] == 0 && unit[end + 1] == 0 && unit[end + 2] <= 1))
    end++;
  return end - *at;
}

bool
inspect_h264_unit_is_key (const uint8_t *unit, size_t n_bytes)
{
  if (n_bytes < 5)
    return false;
  bool start_codes = unit[0] == 0 && unit[1] == 0 && (unit[2] == 1 || (unit[2] == 0 && unit[3] == 1));
  InspectResult found = {0};
  size_t at = 0, size;
  for (unsigned i = 0; i < NAL_UNITS_MAX && !found.key && (size = next_nal (unit, n_bytes, start_codes, &at));
       i++) {
    inspect_h264_nal (unit + at, size, i == 0, &found);
    at += size;
  }
  return found.key;
}

/* RFC 6184 §5.7.1 and §5.7.2. @skip: bytes before the first size; @extra: bytes between a size and its NAL
 * unit, which MTAPs count in the size. */
static void
inspect_h264_aggregate (const uint8_t *payload, size_t n_bytes, size_t skip, size_t extra, InspectResult *ret)
{
  size_t at = skip;
  for (unsigned i = 0; i < NAL_UNITS_MAX && at + 2 + extra < n_bytes; i++) {
    size_t size = (size_t)payload[at] << 8 | payload[at + 1];
    at += 2;
    if (size <= extra || size > n_bytes - at)
      return;
    inspect_h264_nal (payload + at + extra, size - extra, i == 0, ret);
    at += size;
  }
}

static void
inspect_h264 (const uint8_t *payload, size_t n_bytes, InspectResult *ret)
{
  switch (payload[0] & 0x1f) {
  case H264_STAP_A:
    inspect_h264_aggregate (payload, n_bytes, 1, 0, ret);
    break;
  case H264_STAP_B:
    inspect_h264_aggregate (payload, n_bytes, 3, 0, ret);
    break;
  case H264_MTAP16:
    inspect_h264_aggregate (payload, n_bytes, 3, 3, ret);
    break;
  case H264_MTAP24:
    inspect_h264_aggregate (payload, n_bytes, 3, 4, ret);
    break;
  case H264_FU_A:
  case H264_FU_B:
    /* Of a fragment only the type is sure; SEI and AUD in fragments do not occur. */
    if (n_bytes >= 2)
      inspect_h264_nal (payload + 1, 1, false, ret);
    break;
  default:
    inspect_h264_nal (payload, n_bytes, true, ret);
    break;
  }
}

static void
inspect_h265_type (unsigned type, bool first, InspectResult *ret)
{
  ret->picture |= type < H265_VPS;
  if (type >= H265_IRAP_FIRST && type <= H265_IRAP_LAST)
    ret->key = true;
  else if (type >= H265_VPS && type <= H265_PPS)
    ret->parameters = true;
  else if (type == H265_AUD && first)
    ret->frame_start = true;
}

/* RFC 7798 §4.4. DONL fields (sprop-max-don-diff above 0) are not looked for: nobody sends them. */
static void
inspect_h265 (const uint8_t *payload, size_t n_bytes, InspectResult *ret)
{
  unsigned type = payload[0] >> 1 & 0x3f;
  if (type == H265_FU) {
    if (n_bytes >= 3)
      inspect_h265_type (payload[2] & 0x3f, false, ret);
  } else if (type == H265_PACI) {
    if (n_bytes >= 4)
      inspect_h265_type (payload[2] >> 1 & 0x3f, false, ret);
  } else if (type == H265_AP) {
    size_t at = 2;
    for (unsigned i = 0; i < NAL_UNITS_MAX && at + 2 < n_bytes; i++) {
      size_t size = (size_t)payload[at] << 8 | payload[at + 1];
      at += 2;
      if (size == 0 || size > n_bytes - at)
        return;
      inspect_h265_type (payload[at] >> 1 & 0x3f, i == 0, ret);
      at += size;
    }
  } else {
    inspect_h265_type (type, true, ret);
  }
}

/* RTP payload format for AV1 §4.4: Z Y W W N - - - */
static void
inspect_av1 (const uint8_t *payload, size_t n_bytes, InspectResult *ret)
{
  if (payload[0] & 0x08) {
    ret->key = true;
    ret->frame_start = true;
  }
  bool continues = payload[0] & 0x80;
  size_t at = 1;
  if ((payload[0] >> 4 & 3) != 1) {
    /* The first element has a length before it, in LEB128. */
    while (at < n_bytes && at < 9 && (payload[at] & 0x80))
      at++;
    at++;
  }
  if (!continues && at < n_bytes && (payload[at] >> 3 & 0x0f) == OBU_SEQUENCE_HEADER)
    ret->parameters = true;
}

static bool
is_vp8_start (const uint8_t *payload)
{
  return (payload[0] & 0x10) && (payload[0] & 0x0f) == 0;
}

static void
inspect_vp8 (const uint8_t *payload, size_t n_bytes, InspectResult *ret)
{
  if (!is_vp8_start (payload))
    return;
  ret->frame_start = true;
  size_t at = vp8_skip_descriptor (payload, n_bytes);
  ret->key = at > 0 && !(payload[at] & 1);
}

/* RFC 9628 §4.2: I P L F B E V Z, then M|picture id, layer indices, reference indices, scalability structure.
 */
static void
inspect_vp9 (const uint8_t *payload, size_t n_bytes, InspectResult *ret)
{
  size_t at = vp9_skip_descriptor (payload, n_bytes);
  if (at == 0)
    return;
  unsigned flags = payload[0];
  unsigned spatial = 0;
  if (flags & 0x20) {
    size_t layers = !(flags & 0x80) ? 1 : payload[1] & 0x80 ? 3 : 2;
    spatial = payload[layers] >> 1 & 7;
  }
  bool starts = flags & 0x08;
  ret->frame_start = starts && spatial == 0;
  /* Some senders never set P (inter-picture predicted): the frame itself must say that it is a key frame. */
  BitReader r = {.bytes = payload + at, .n_bytes = n_bytes - at};
  Vp9FrameStart start;
  ret->key = starts && !(flags & 0x40) && vp9_read_frame_start (&r, &start) && start.key;
}

/* RFC 2435 §3.1: the offset of the fragment is 0 in the first packet of a frame. */
static void
inspect_mjpeg (const uint8_t *payload, size_t n_bytes, InspectResult *ret)
{
  ret->key = true;
  ret->frame_start = n_bytes >= 4 && payload[1] == 0 && payload[2] == 0 && payload[3] == 0;
}

/* RFC 6416 §4.2: headers and VOPs begin at the start of a payload. */
static void
inspect_mpeg4 (const uint8_t *payload, size_t n_bytes, InspectResult *ret)
{
  if (n_bytes < 4 || payload[0] != 0 || payload[1] != 0 || payload[2] != 1)
    return;
  ret->frame_start = true;
  size_t end = MIN (n_bytes, MPEG4_SEARCH_BYTES);
  for (size_t at = 0; at + 4 <= end; at++) {
    if (payload[at] != 0 || payload[at + 1] != 0 || payload[at + 2] != 1)
      continue;
    unsigned code = payload[at + 3];
    if (code <= 0x2f || code == 0xb0 || code == 0xb5)
      ret->parameters = true;
    if (code == 0xb6) {
      ret->key = at + 4 < n_bytes && payload[at + 4] >> 6 == 0;
      return;
    }
    at += 3;
  }
}

/* Fragments say themselves whether they are the first; the other formats prove it by their frame start. */
static bool
continues_unit (Codec codec, const uint8_t *payload, size_t n_bytes, bool frame_start)
{
  switch (codec) {
  case CODEC_H264: {
    unsigned type = payload[0] & 0x1f;
    return (type == H264_FU_A || type == H264_FU_B) && n_bytes >= 2 && !(payload[1] & 0x80);
  }
  case CODEC_H265:
    return (payload[0] >> 1 & 0x3f) == H265_FU && n_bytes >= 3 && !(payload[2] & 0x80);
  case CODEC_AV1:
    return payload[0] & 0x80;
  case CODEC_VP8:
  case CODEC_VP9:
  case CODEC_MJPEG:
  case CODEC_MPEG4:
    return !frame_start;
  default:
    return false;
  }
}

void
inspect_payload (Codec codec, const uint8_t *payload, size_t n_bytes, bool marker, InspectResult *ret)
{
  *ret = (InspectResult){0};
  if (codec_kind (codec) != TRACK_VIDEO) {
    ret->key = true;
    ret->frame_start = true;
    ret->picture = true;
    return;
  }
  if (n_bytes == 0)
    return;
  /* The other formats send no packet without picture data. */
  ret->picture = codec != CODEC_H264 && codec != CODEC_H265;
  switch (codec) {
  case CODEC_H264:
    inspect_h264 (payload, n_bytes, ret);
    break;
  case CODEC_H265:
    inspect_h265 (payload, n_bytes, ret);
    break;
  case CODEC_AV1:
    inspect_av1 (payload, n_bytes, ret);
    break;
  case CODEC_VP8:
    inspect_vp8 (payload, n_bytes, ret);
    break;
  case CODEC_VP9:
    inspect_vp9 (payload, n_bytes, ret);
    break;
  case CODEC_MJPEG:
    inspect_mjpeg (payload, n_bytes, ret);
    break;
  case CODEC_MPEG4:
    inspect_mpeg4 (payload, n_bytes, ret);
    break;
  default:
    break;
  }
  ret->continuation = continues_unit (codec, payload, n_bytes, ret->frame_start);
}

bool
inspect_marker_ends_frame (Codec codec)
{
  return codec_kind (codec) == TRACK_VIDEO;
}
