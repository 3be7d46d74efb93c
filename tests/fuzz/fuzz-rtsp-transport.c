/* SPDX-License-Identifier: Apache-2.0 */
/* Transport, Session, Range, RTP-Info and rates: what is accepted, written and parsed again is the same; no
 * number leaves its bounds. */
#include "rtsp/transport.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

static void
check_transport (const char *text)
{
  RtspTransport found[RTSP_TRANSPORT_MAX_ALTERNATIVES], again[RTSP_TRANSPORT_MAX_ALTERNATIVES];
  unsigned n_found = rtsp_transport_parse (text, found);
  g_assert (n_found <= RTSP_TRANSPORT_MAX_ALTERNATIVES);
  for (unsigned i = 0; i < n_found; i++) {
    g_autofree char *written = rtsp_transport_to_string (&found[i]);
    g_assert (rtsp_transport_parse (written, again) == 1);
    g_autofree char *second = rtsp_transport_to_string (&again[0]);
    g_assert (strcmp (written, second) == 0);
    g_assert (found[i].ttl <= 255);
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  g_autofree char *text = g_strndup ((const char *)bytes, n_bytes);
  check_transport (text);
  RtspSessionHeader session;
  if (rtsp_session_parse (text, &session))
    g_assert (*session.id && strlen (session.id) <= RTSP_SESSION_ID_MAX);
  RtspRange range, range_again;
  if (rtsp_range_parse (text, &range)) {
    g_autofree char *written = rtsp_range_to_string (&range);
    g_assert (rtsp_range_parse (written, &range_again));
    g_assert (memcmp (&range, &range_again, sizeof range) == 0);
    g_assert (range.start_us >= 0 && range.end_us >= 0);
  }
  g_autoptr (GArray) info = rtsp_rtp_info_parse (text);
  g_assert (info->len <= RTSP_RTP_INFO_MAX);
  g_free (rtsp_rtp_info_to_string (info));
  double rate;
  if (rtsp_rate_parse (text, &rate))
    g_assert (isfinite (rate) && rate != 0 && fabs (rate) <= 1000);
  return 0;
}
