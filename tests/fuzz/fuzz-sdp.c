/* SPDX-License-Identifier: Apache-2.0 */
/* SDP: what is accepted, generated and parsed again describes the same tracks. */
#include "rtsp/sdp.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  g_autoptr (Sdp) sdp = sdp_parse ((const char *)bytes, n_bytes, NULL);
  if (!sdp)
    return 0;
  g_assert (sdp->n_media > 0 && sdp->n_media <= TRACKS_MAX);
  const TrackSpec *specs[TRACKS_MAX];
  for (unsigned i = 0; i < sdp->n_media; i++) {
    specs[i] = &sdp->media[i].spec;
    g_assert (specs[i]->encoding_name && specs[i]->clock_rate > 0 && specs[i]->payload_type < 128);
    g_free (sdp_resolve_control ("rtsp://host/stream", sdp->media[i].control));
  }
  g_autofree char *text = sdp_generate (specs, sdp->n_media, &(SdpOptions){0});
  if (strlen (text) > SDP_MAX_BYTES)
    return 0;
  g_autoptr (Sdp) again = sdp_parse (text, strlen (text), NULL);
  g_assert (again && again->n_media == sdp->n_media);
  for (unsigned i = 0; i < sdp->n_media; i++)
    specs[i] = &again->media[i].spec;
  g_autofree char *second = sdp_generate (specs, again->n_media, &(SdpOptions){0});
  g_assert (strcmp (text, second) == 0);
  return 0;
}
