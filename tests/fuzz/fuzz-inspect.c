/* SPDX-License-Identifier: Apache-2.0 */
/* RTP payloads: the first byte chooses the codec; the rest is a payload and, as text, an fmtp. */
#include "stream/inspect.h"

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

static void
check_info (const InspectVideoInfo *info)
{
  g_assert_cmpuint (info->width, >, 0);
  g_assert_cmpuint (info->width, <=, 65536);
  g_assert_cmpuint (info->height, >, 0);
  g_assert_cmpuint (info->height, <=, 65536);
  g_assert_true (info->fps_num == 0 || info->fps_den > 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  if (n_bytes == 0)
    return 0;
  Codec codec = (Codec)(bytes[0] % CODEC_N);
  /* On its own, so that not even the byte before it is there. */
  g_autofree uint8_t *payload = g_memdup2 (bytes + 1, n_bytes - 1);
  InspectResult result;
  InspectVideoInfo info;
  inspect_payload (codec, payload, n_bytes - 1, true, &result);
  if (inspect_video_payload (codec, payload, n_bytes - 1, &info))
    check_info (&info);
  g_autofree char *fmtp = g_strndup ((const char *)bytes + 1, n_bytes - 1);
  if (inspect_video_fmtp (codec, fmtp, &info))
    check_info (&info);
  return 0;
}
