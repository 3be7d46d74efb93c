/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/guard.h"

#include "base/error.h"
#include "stream/sps.h"

#include <string.h>

enum {
  H264_SPS = 7,
  H264_SUBSET_SPS = 15,
  H264_STAP_A = 24,
  H264_FU_A = 28,
  H264_FU_B = 29,
  H265_SPS = 33,
  H265_AP = 48,
  H265_FU = 49,
  CONFIG_DIGITS_MAX = 2048,
  AU_HEADER_BITS = 16,
};

/* The parsers turn the VUI's timing into a signed fraction without looking. */
static bool
is_good_h264_unit (const uint8_t *nal, size_t n_bytes)
{
  SpsInfo info;
  unsigned type = n_bytes > 0 ? nal[0] & 0x1f : 0;
  if (type == H264_SPS || type == H264_SUBSET_SPS)
    return sps_parse_h264 (nal, n_bytes, &info) && !info.odd_timing;
  return true;
}

static bool
is_good_h265_unit (const uint8_t *nal, size_t n_bytes)
{
  SpsInfo info;
  if (n_bytes >= 2 && (nal[0] >> 1 & 0x3f) == H265_SPS)
    return sps_parse_h265 (nal, n_bytes, &info) && !info.odd_timing;
  return true;
}

/* NAL units, each behind its size in two bytes; one that is cut off is taken as far as it goes, as the
 * depayloaders do. */
static bool
are_good_units (const uint8_t *bytes, size_t n_bytes, bool (*is_good) (const uint8_t *nal, size_t n_bytes))
{
  for (size_t at = 0; at + 2 < n_bytes;) {
    size_t size = MIN ((size_t)bytes[at] << 8 | bytes[at + 1], n_bytes - at - 2);
    at += 2;
    if (!is_good (bytes + at, size))
      return false;
    at += size;
  }
  return true;
}

static bool
guard_h264 (const uint8_t *payload, size_t n_bytes)
{
  if (n_bytes == 0)
    return false;
  switch (payload[0] & 0x1f) {
  case H264_STAP_A:
    return are_good_units (payload + 1, n_bytes - 1, is_good_h264_unit);
  case H264_FU_A: {
    /* rtph264depay takes the size of a fragment's headers off its length unchecked, and copies 4 GB. */
    unsigned type = n_bytes > 2 ? payload[1] & 0x1f : H264_SPS;
    return type != H264_SPS && type != H264_SUBSET_SPS;
  }
  case H264_FU_B:
    return false;
  default:
    return is_good_h264_unit (payload, n_bytes);
  }
}

static bool
guard_h265 (const uint8_t *payload, size_t n_bytes)
{
  if (n_bytes < 3)
    return false;
  switch (payload[0] >> 1 & 0x3f) {
  case H265_AP:
    return are_good_units (payload + 2, n_bytes - 2, is_good_h265_unit);
  case H265_FU:
    /* As with H.264. */
    return n_bytes > 3 && (payload[2] & 0x3f) != H265_SPS;
  default:
    return is_good_h265_unit (payload, n_bytes);
  }
}

/* rtpmp4gdepay takes an access unit of 0 bytes out of its adapter: a critical warning. */
static bool
guard_aac (const Guard *guard, const uint8_t *payload, size_t n_bytes)
{
  if (guard->size_bits == 0)
    return n_bytes > 0;
  if (n_bytes < 2)
    return false;
  size_t n_headers = ((size_t)payload[0] << 8 | payload[1]) / AU_HEADER_BITS;
  if (n_headers == 0 || n_bytes - 2 < 2 * n_headers + 1)
    return false;
  for (size_t i = 0; i < n_headers; i++) {
    unsigned header = (unsigned)payload[2 + 2 * i] << 8 | payload[3 + 2 * i];
    if (header >> (AU_HEADER_BITS - guard->size_bits) == 0)
      return false;
  }
  return true;
}

bool
guard_payload (const Guard *guard, const uint8_t *payload, size_t n_bytes)
{
  switch (guard->codec) {
  case CODEC_H264:
    return guard_h264 (payload, n_bytes);
  case CODEC_H265:
    return guard_h265 (payload, n_bytes);
  case CODEC_AAC:
    return guard_aac (guard, payload, n_bytes);
  case CODEC_MPEG4:
    /* rtpmp4vdepay takes 0 bytes out of its adapter, too. */
    return n_bytes > 0;
  default:
    return true;
  }
}

static bool
check_config (const char *config, GError **error)
{
  size_t n = strlen (config);
  if (n >= 2 && n % 2 == 0 && n <= CONFIG_DIGITS_MAX && strspn (config, "0123456789abcdefABCDEF") == n)
    return true;
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "fmtp: config is not a row of hexadecimal bytes");
  return false;
}

/* 0 when it is not there. */
static bool
read_number (const GstStructure *fields, const char *name, unsigned max, unsigned *ret, GError **error)
{
  uint64_t value = 0;
  const char *text = gst_structure_get_string (fields, name);
  if (text && !g_ascii_string_to_unsigned (text, 10, 0, max, &value, NULL)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "fmtp: %s is not a number from 0 to %u", name,
                 max);
    return false;
  }
  *ret = (unsigned)value;
  return true;
}

/* RFC 3640 allows for much that nobody sends with AAC, and that rtpmp4gdepay takes for headers of 16 bits. */
static bool
init_aac (Guard *guard, const GstStructure *fields, GError **error)
{
  static const char *const unused[] = {"auxiliarydatasizelength", "ctsdeltalength",
                                       "dtsdeltalength",          "maxdisplacement",
                                       "streamstateindication",   "randomaccessindication"};
  unsigned index_bits, delta_bits, constant_duration, value;
  if (!read_number (fields, "sizelength", AU_HEADER_BITS, &guard->size_bits, error) ||
      !read_number (fields, "indexlength", AU_HEADER_BITS, &index_bits, error) ||
      !read_number (fields, "indexdeltalength", AU_HEADER_BITS, &delta_bits, error) ||
      !read_number (fields, "constantduration", 1 << 20, &constant_duration, error))
    return false;
  bool ok = guard->size_bits == 0 ? index_bits == 0 && delta_bits == 0
                                  : guard->size_bits + index_bits == AU_HEADER_BITS &&
                                        guard->size_bits + delta_bits == AU_HEADER_BITS;
  for (unsigned i = 0; ok && i < G_N_ELEMENTS (unused); i++) {
    if (!read_number (fields, unused[i], 1 << 20, &value, error))
      return false;
    ok = value == 0;
  }
  if (!ok)
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED,
                 "AAC interleaved or with other AU headers than those of mode AAC-hbr cannot be unpacked");
  return ok;
}

bool
guard_init (Guard *guard, Codec codec, const GstCaps *rtp_caps, GError **error)
{
  const GstStructure *fields = gst_caps_get_structure (rtp_caps, 0);
  const char *config = gst_structure_get_string (fields, "config");
  const char *encoding_name = gst_structure_get_string (fields, "encoding-name");
  *guard = (Guard){.codec = codec};
  if ((codec == CODEC_AAC || codec == CODEC_MPEG4) && config && !check_config (config, error))
    return false;
  if (codec == CODEC_AAC && g_strcmp0 (encoding_name, "MP4A-LATM") != 0)
    return init_aac (guard, fields, error);
  return true;
}
