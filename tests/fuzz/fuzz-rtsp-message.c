/* SPDX-License-Identifier: Apache-2.0 */
/* The RTSP parser: the same stream whole and cut at an offset gives the same events; what is accepted,
 * serialized and parsed again is the same. The first byte of the input chooses the cut. */
#include "rtsp/message.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

static void
check_round_trip (const RtspMessage *message)
{
  if (message->protocol == RTSP_PROTOCOL_HTTP)
    return;
  g_autoptr (GBytes) bytes = rtsp_message_serialize (message);
  g_autoptr (RtspParser) parser = rtsp_parser_new (&(RtspLimits){1 << 20, 1 << 20, 1000, 1 << 20});
  gsize n_bytes;
  const uint8_t *data = g_bytes_get_data (bytes, &n_bytes);
  RtspEvent again;
  g_assert (rtsp_parser_next (parser, &data, &n_bytes, &again, NULL) == RTSP_EVENT_MESSAGE);
  g_autoptr (RtspMessage) copy = again.message;
  g_assert (n_bytes == 0);
  g_autoptr (GBytes) second = rtsp_message_serialize (copy);
  g_assert (g_bytes_equal (bytes, second));
}

static bool
feed (RtspParser *parser, const uint8_t *bytes, size_t n_bytes, GChecksum *sum)
{
  g_autofree uint8_t *piece = g_memdup2 (bytes, n_bytes);
  const uint8_t *at = piece;
  RtspEvent event;
  RtspEventType type;
  while ((type = rtsp_parser_next (parser, &at, &n_bytes, &event, NULL)) != RTSP_EVENT_NONE) {
    g_checksum_update (sum, (const uint8_t *)&type, sizeof type);
    if (type == RTSP_EVENT_ERROR)
      return false;
    if (type == RTSP_EVENT_FRAME)
      g_checksum_update (sum, event.frame, (gssize)event.n_frame);
    if (type == RTSP_EVENT_MESSAGE) {
      g_autoptr (RtspMessage) message = event.message;
      g_autoptr (GBytes) serialized = rtsp_message_serialize (message);
      g_checksum_update (sum, g_bytes_get_data (serialized, NULL), (gssize)g_bytes_get_size (serialized));
      check_round_trip (message);
    }
  }
  return true;
}

static char *
run (const uint8_t *bytes, size_t n_bytes, size_t cut)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA1);
  g_autoptr (RtspParser) parser = rtsp_parser_new (NULL);
  if (feed (parser, bytes, cut, sum))
    feed (parser, bytes + cut, n_bytes - cut, sum);
  return g_strdup (g_checksum_get_string (sum));
}

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  if (n_bytes < 1)
    return 0;
  size_t n_stream = n_bytes - 1;
  size_t cut = n_stream * bytes[0] / 255;
  g_autofree char *whole = run (bytes + 1, n_stream, n_stream);
  g_autofree char *in_two = run (bytes + 1, n_stream, cut);
  g_assert (strcmp (whole, in_two) == 0);
  return 0;
}
