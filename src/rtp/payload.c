/* SPDX-License-Identifier: Apache-2.0 */
/* Payloaders: RTP time is PTS times clock rate plus an offset (no "perfect" time that counts samples and
 * forgets gaps), parameter sets go with every key frame, and small NAL units share a packet. */
#include "rtp/payload.h"

#include "base/error.h"
#include "rtp/bridge.h"
#include "rtp/describe.h"

static void
set_up (GstElement *payloader, Codec codec, uint8_t payload_type, uint32_t ssrc, uint32_t timestamp_offset)
{
  g_object_set (payloader, "pt", (unsigned)payload_type, "ssrc", ssrc, "timestamp-offset", timestamp_offset,
                "mtu", (unsigned)RTP_BRIDGE_MTU, "perfect-rtptime", FALSE, NULL);
  if (codec == CODEC_H264 || codec == CODEC_H265 || codec == CODEC_MPEG4)
    g_object_set (payloader, "config-interval", -1, NULL);
  if (codec == CODEC_H264 || codec == CODEC_H265)
    gst_util_set_object_arg (G_OBJECT (payloader), "aggregate-mode", "zero-latency");
  /* Else it collects frames until a packet is full. */
  if (codec == CODEC_MP3)
    g_object_set (payloader, "max-ptime", G_GINT64_CONSTANT (1), NULL);
  /* WebRTC players want a picture ID in VP8 and VP9. */
  if (codec == CODEC_VP8 || codec == CODEC_VP9)
    gst_util_set_object_arg (G_OBJECT (payloader), "picture-id-mode", "15-bit");
}

Chain *
payload_chain_new (Codec codec, uint8_t payload_type, uint32_t ssrc, uint32_t timestamp_offset, GstCaps *caps,
                   GError **error)
{
  const RtpElements *names = rtp_elements (codec);
  if (!names) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED,
                 "no RTP payload format is known for this codec");
    return NULL;
  }
  GstElement *payloader = rtp_make_element (names->payloader, names->rtp_package, error);
  if (!payloader)
    return NULL;
  set_up (payloader, codec, payload_type, ssrc, timestamp_offset);
  g_autoptr (Chain) chain = chain_new (&payloader, 1, "application/x-rtp", error);
  if (!chain)
    return NULL;
  if (!chain_set_caps (chain, caps)) {
    g_autofree char *text = gst_caps_to_string (caps);
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "%s does not take %s", names->payloader,
                 text);
    return NULL;
  }
  return g_steal_pointer (&chain);
}
