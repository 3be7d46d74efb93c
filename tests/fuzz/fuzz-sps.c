/* SPDX-License-Identifier: Apache-2.0 */
/* Sequence parameter sets, as H.264 and as H.265. */
#include "stream/sps.h"

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

static void
check (const SpsInfo *info)
{
  g_assert_cmpuint (info->video.width, >, 0);
  g_assert_cmpuint (info->video.height, >, 0);
  g_assert_cmpint (info->reorder_frames, >=, -1);
  g_assert_cmpint (info->reorder_frames, <=, 16);
}

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  SpsInfo info;
  if (sps_parse_h264 (bytes, n_bytes, &info))
    check (&info);
  if (sps_parse_h265 (bytes, n_bytes, &info))
    check (&info);
  return 0;
}
