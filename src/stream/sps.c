/* SPDX-License-Identifier: Apache-2.0 */
/* Sequence parameter sets of H.264 and H.265. Every count from the wire is checked against the limit that its
 * standard gives before it drives a loop. */
#include "stream/sps.h"

#include "stream/bits.h"

enum {
  PICTURE_SIZE_MAX = 16384,
  TIMING_MAX = G_MAXINT / 8,
  H264_NAL_SPS = 7,
  H264_NAL_SUBSET_SPS = 15, /* begins like an SPS */
  H265_NAL_SPS = 33,
  H264_REF_FRAMES_IN_CYCLE_MAX = 255,
  CPB_COUNT_MAX = 32,
  REORDER_MAX = 16,
  H265_SHORT_TERM_SETS_MAX = 64,
  H265_LONG_TERM_PICTURES_MAX = 32,
  H265_PICTURES_MAX = 16,
};

/* @num ticks are a second, @den a frame. */
static void
set_frame_rate (SpsInfo *info, uint32_t num, uint64_t den)
{
  info->odd_timing = num > TIMING_MAX || den > TIMING_MAX;
  /* Cameras leave rubbish here; no video has a frame a minute or ten thousand a second. */
  if (num == 0 || den == 0 || info->odd_timing || num / den > 10000 || den / num > 60)
    return;
  info->video.fps_num = num;
  info->video.fps_den = (unsigned)den;
}

static bool
set_size (InspectVideoInfo *video, uint64_t width, uint64_t height, uint64_t crop_x, uint64_t crop_y)
{
  if (width <= crop_x || height <= crop_y || width > PICTURE_SIZE_MAX || height > PICTURE_SIZE_MAX)
    return false;
  video->width = (unsigned)(width - crop_x);
  video->height = (unsigned)(height - crop_y);
  return true;
}

static void
name_h264_profile (InspectVideoInfo *video, unsigned profile, unsigned constraints, unsigned level)
{
  static const struct {
    unsigned idc;
    unsigned constraint; /* bit that must be set */
    const char *name;
  } profiles[] = {
      {66, 0x40, "Constrained Baseline"},
      {66, 0, "Baseline"},
      {77, 0, "Main"},
      {88, 0, "Extended"},
      {100, 0x0c, "Constrained High"},
      {100, 0, "High"},
      {110, 0, "High 10"},
      {122, 0, "High 4:2:2"},
      {244, 0, "High 4:4:4 Predictive"},
      {44, 0, "CAVLC 4:4:4 Intra"},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (profiles); i++)
    if (profiles[i].idc == profile && (constraints & profiles[i].constraint) == profiles[i].constraint) {
      g_strlcpy (video->profile, profiles[i].name, sizeof video->profile);
      break;
    }
  bool is_1b = level == 9 || (level == 11 && (constraints & 0x10) && profile <= 88);
  if (is_1b)
    g_strlcpy (video->level, "1b", sizeof video->level);
  else if (level > 0)
    g_snprintf (video->level, sizeof video->level, "%u.%u", level / 10, level % 10);
}

static void
skip_h264_scaling_list (BitReader *r, unsigned size)
{
  int last = 8, next = 8;
  for (unsigned i = 0; i < size && !r->failed; i++) {
    if (next != 0)
      next = (int)(((int64_t)last + bits_get_se (r)) & 0xff);
    last = next == 0 ? last : next;
  }
}

static bool
has_h264_chroma (unsigned profile)
{
  static const uint8_t with_chroma[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
  for (unsigned i = 0; i < G_N_ELEMENTS (with_chroma); i++)
    if (with_chroma[i] == profile)
      return true;
  return false;
}

/* chroma_format_idc and all up to the scaling lists. */
static unsigned
read_h264_chroma (BitReader *r, bool *ret_separate)
{
  unsigned chroma = bits_get_ue (r);
  if (chroma == 3)
    *ret_separate = bits_get_1 (r);
  bits_get_ue (r);
  bits_get_ue (r);
  bits_get_1 (r);
  if (bits_get_1 (r))
    for (unsigned i = 0; i < (chroma == 3 ? 12u : 8u); i++)
      if (bits_get_1 (r))
        skip_h264_scaling_list (r, i < 6 ? 16 : 64);
  return chroma;
}

/* Returns pic_order_cnt_type. */
static unsigned
read_h264_order (BitReader *r)
{
  unsigned type = bits_get_ue (r);
  if (type == 0) {
    bits_get_ue (r);
  } else if (type == 1) {
    bits_get_1 (r);
    bits_get_se (r);
    bits_get_se (r);
    unsigned n = bits_get_ue (r);
    if (n > H264_REF_FRAMES_IN_CYCLE_MAX)
      r->failed = true;
    for (unsigned i = 0; i < n && !r->failed; i++)
      bits_get_se (r);
  }
  return type;
}

static void
skip_h264_hrd (BitReader *r)
{
  unsigned count = bits_get_ue (r) + 1;
  if (count > CPB_COUNT_MAX)
    r->failed = true;
  bits_skip (r, 8);
  for (unsigned i = 0; i < count && !r->failed; i++) {
    bits_get_ue (r);
    bits_get_ue (r);
    bits_get_1 (r);
  }
  bits_skip (r, 20);
}

/* What the VUI of both standards begins with (H.264 §E.1.1, H.265 §E.2.1). */
static void
skip_vui_picture (BitReader *r)
{
  if (bits_get_1 (r) && bits_get (r, 8) == 255)
    bits_skip (r, 32);
  if (bits_get_1 (r))
    bits_get_1 (r);
  if (bits_get_1 (r)) {
    bits_skip (r, 4);
    if (bits_get_1 (r))
      bits_skip (r, 24);
  }
  if (bits_get_1 (r)) {
    bits_get_ue (r);
    bits_get_ue (r);
  }
}

static void
read_h264_vui (BitReader *r, SpsInfo *ret)
{
  skip_vui_picture (r);
  if (bits_get_1 (r)) {
    uint32_t units = bits_get (r, 32), scale = bits_get (r, 32);
    bits_get_1 (r);
    if (!r->failed)
      set_frame_rate (ret, scale, 2 * (uint64_t)units);
  }
  bool nal_hrd = bits_get_1 (r);
  if (nal_hrd)
    skip_h264_hrd (r);
  bool vcl_hrd = bits_get_1 (r);
  if (vcl_hrd)
    skip_h264_hrd (r);
  if (nal_hrd || vcl_hrd)
    bits_get_1 (r);
  bits_get_1 (r);
  if (!bits_get_1 (r))
    return;
  bits_get_1 (r);
  for (unsigned i = 0; i < 4; i++)
    bits_get_ue (r);
  uint32_t reorder = bits_get_ue (r);
  if (!r->failed && reorder <= REORDER_MAX)
    ret->reorder_frames = (int)reorder;
}

bool
sps_parse_h264 (const uint8_t *nal, size_t n_bytes, SpsInfo *ret)
{
  if (n_bytes < 4 || ((nal[0] & 0x1f) != H264_NAL_SPS && (nal[0] & 0x1f) != H264_NAL_SUBSET_SPS))
    return false;
  BitReader r = {.bytes = nal + 1, .n_bytes = n_bytes - 1, .escaped = true};
  SpsInfo info = {.reorder_frames = -1};
  unsigned profile = bits_get (&r, 8), constraints = bits_get (&r, 8), level = bits_get (&r, 8);
  info.profile_idc = profile;
  name_h264_profile (&info.video, profile, constraints, level);
  bits_get_ue (&r);
  unsigned chroma = 1;
  bool separate = false;
  if (has_h264_chroma (profile))
    chroma = read_h264_chroma (&r, &separate);
  bits_get_ue (&r);
  unsigned order = read_h264_order (&r);
  bits_get_ue (&r);
  bits_get_1 (&r);
  uint64_t width = 16 * ((uint64_t)bits_get_ue (&r) + 1), height = 16 * ((uint64_t)bits_get_ue (&r) + 1);
  bool frames_only = bits_get_1 (&r);
  if (!frames_only) {
    height *= 2;
    bits_get_1 (&r);
  }
  bits_get_1 (&r);
  uint64_t crop[4] = {0};
  if (bits_get_1 (&r))
    for (unsigned i = 0; i < 4; i++)
      crop[i] = bits_get_ue (&r);
  bool has_vui = bits_get_1 (&r);
  if (r.failed || order > 2 || chroma > 3)
    return false;
  /* With 4:0:0 and with planes apart, cropping counts in single samples. */
  unsigned array = separate ? 0 : chroma;
  unsigned unit_x = array == 1 || array == 2 ? 2 : 1, unit_y = (array == 1 ? 2 : 1) * (frames_only ? 1 : 2);
  if (!set_size (&info.video, width, height, unit_x * (crop[0] + crop[1]), unit_y * (crop[2] + crop[3])))
    return false;
  if (order == 2 || profile == 66 || ((constraints & 0x10) && profile >= 100) || profile == 44)
    info.reorder_frames = 0;
  if (has_vui)
    read_h264_vui (&r, &info);
  *ret = info;
  return true;
}

static void
read_h265_profile (BitReader *r, unsigned sub_layers, SpsInfo *ret)
{
  static const char *const names[] = {
      [1] = "Main", [2] = "Main 10", [3] = "Main Still Picture", [4] = "Format Range Extensions"};
  bits_skip (r, 3);
  ret->profile_idc = bits_get (r, 5);
  bits_skip (r, 80);
  unsigned level = bits_get (r, 8);
  if (ret->profile_idc > 0 && ret->profile_idc < G_N_ELEMENTS (names))
    g_strlcpy (ret->video.profile, names[ret->profile_idc], sizeof ret->video.profile);
  if (level > 0)
    g_snprintf (ret->video.level, sizeof ret->video.level, "%u.%u", level / 30, level % 30 / 3);
  unsigned present[8] = {0};
  for (unsigned i = 0; i < sub_layers; i++)
    present[i] = bits_get (r, 2);
  if (sub_layers > 0)
    bits_skip (r, 2 * (8 - sub_layers));
  for (unsigned i = 0; i < sub_layers; i++)
    bits_skip (r, (present[i] & 2 ? 88 : 0) + (present[i] & 1 ? 8 : 0));
}

static void
skip_h265_scaling_lists (BitReader *r)
{
  for (unsigned size = 0; size < 4; size++)
    for (unsigned matrix = 0; matrix < 6; matrix += size == 3 ? 3 : 1) {
      if (!bits_get_1 (r)) {
        bits_get_ue (r);
        continue;
      }
      unsigned coefficients = MIN (64, 1u << (4 + 2 * size));
      if (size > 1)
        bits_get_se (r);
      for (unsigned i = 0; i < coefficients && !r->failed; i++)
        bits_get_se (r);
    }
}

/* One st_ref_pic_set() (§7.3.7); @previous: pictures of the set before. Returns the pictures of this one. */
static unsigned
skip_h265_short_term_set (BitReader *r, bool first, unsigned previous)
{
  unsigned n = 0;
  if (!first && bits_get_1 (r)) {
    bits_get_1 (r);
    bits_get_ue (r);
    for (unsigned i = 0; i <= previous && !r->failed; i++)
      if (bits_get_1 (r) || bits_get_1 (r))
        n++;
    return n;
  }
  unsigned negative = bits_get_ue (r), positive = bits_get_ue (r);
  if (negative > H265_PICTURES_MAX || positive > H265_PICTURES_MAX) {
    r->failed = true;
    return 0;
  }
  n = negative + positive;
  for (unsigned i = 0; i < n && !r->failed; i++) {
    bits_get_ue (r);
    bits_get_1 (r);
  }
  return n;
}

static void
skip_h265_references (BitReader *r, unsigned order_bits)
{
  unsigned sets = bits_get_ue (r);
  if (sets > H265_SHORT_TERM_SETS_MAX)
    r->failed = true;
  unsigned pictures = 0;
  for (unsigned i = 0; i < sets && !r->failed; i++)
    pictures = skip_h265_short_term_set (r, i == 0, pictures);
  if (!bits_get_1 (r))
    return;
  unsigned n = bits_get_ue (r);
  if (n > H265_LONG_TERM_PICTURES_MAX)
    r->failed = true;
  for (unsigned i = 0; i < n && !r->failed; i++)
    bits_skip (r, order_bits + 1);
}

/* From log2_min_luma_coding_block_size_minus3 to the VUI's timing. */
static void
read_h265_frame_rate (BitReader *r, unsigned order_bits, SpsInfo *ret)
{
  for (unsigned i = 0; i < 6; i++)
    bits_get_ue (r);
  if (bits_get_1 (r) && bits_get_1 (r))
    skip_h265_scaling_lists (r);
  bits_skip (r, 2);
  if (bits_get_1 (r)) {
    bits_skip (r, 8);
    bits_get_ue (r);
    bits_get_ue (r);
    bits_get_1 (r);
  }
  skip_h265_references (r, order_bits);
  bits_skip (r, 2);
  if (!bits_get_1 (r))
    return;
  skip_vui_picture (r);
  bits_skip (r, 3);
  if (bits_get_1 (r))
    for (unsigned i = 0; i < 4; i++)
      bits_get_ue (r);
  if (!bits_get_1 (r))
    return;
  uint32_t units = bits_get (r, 32), scale = bits_get (r, 32);
  if (!r->failed)
    set_frame_rate (ret, scale, units);
}

bool
sps_parse_h265 (const uint8_t *nal, size_t n_bytes, SpsInfo *ret)
{
  if (n_bytes < 4 || (nal[0] >> 1 & 0x3f) != H265_NAL_SPS)
    return false;
  BitReader r = {.bytes = nal + 2, .n_bytes = n_bytes - 2, .escaped = true};
  SpsInfo info = {.reorder_frames = -1};
  bits_skip (&r, 4);
  unsigned sub_layers = bits_get (&r, 3);
  bits_get_1 (&r);
  if (sub_layers > 6)
    return false;
  read_h265_profile (&r, sub_layers, &info);
  bits_get_ue (&r);
  unsigned chroma = bits_get_ue (&r);
  bool separate = chroma == 3 && bits_get_1 (&r);
  uint64_t width = bits_get_ue (&r), height = bits_get_ue (&r);
  uint64_t crop[4] = {0};
  if (bits_get_1 (&r))
    for (unsigned i = 0; i < 4; i++)
      crop[i] = bits_get_ue (&r);
  bits_get_ue (&r);
  bits_get_ue (&r);
  unsigned order_bits = bits_get_ue (&r) + 4;
  bool all_layers = bits_get_1 (&r);
  uint32_t reorder = 0;
  for (unsigned i = all_layers ? 0 : sub_layers; i <= sub_layers; i++) {
    bits_get_ue (&r);
    reorder = bits_get_ue (&r);
    bits_get_ue (&r);
  }
  if (r.failed || chroma > 3 || order_bits > 16)
    return false;
  unsigned array = separate ? 0 : chroma;
  unsigned unit_x = array == 1 || array == 2 ? 2 : 1, unit_y = array == 1 ? 2 : 1;
  if (!set_size (&info.video, width, height, unit_x * (crop[0] + crop[1]), unit_y * (crop[2] + crop[3])))
    return false;
  if (reorder <= REORDER_MAX)
    info.reorder_frames = (int)reorder;
  read_h265_frame_rate (&r, order_bits, &info);
  *ret = info;
  return true;
}
