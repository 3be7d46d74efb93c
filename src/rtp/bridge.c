/* SPDX-License-Identifier: Apache-2.0 */
/* Bridges. Output is collected by the chain and handed on after GStreamer has returned, so that a callback
 * may free the bridge. */
#include "rtp/bridge.h"

#include "base/error.h"
#include "base/log.h"
#include "rtp/chain.h"
#include "rtp/describe.h"
#include "rtp/dts.h"
#include "rtp/guard.h"
#include "rtp/payload.h"
#include "stream/rtp_header.h"
#include "stream/sps.h"

#include <sys/random.h>

/* PTS of the first packet: room below it for frames that are shown, or decoded, before it. */
#define PTS_START GST_SECOND

/* Assumed until caps tell. */
#define FRAME_DURATION_UNKNOWN (GST_SECOND / 30)

struct Bridge {
  Codec codec;
  Chain *chain;
  BridgePacketFunc packet_func; /* of a payloader */
  BridgeUnitFunc unit_func;     /* of a depayloader */
  void *data;
  bool busy; /* handing on output */
  bool dead; /* freed meanwhile */

  /* Payloader: a packet is handed on as one piece. */
  uint8_t packet[RTP_BRIDGE_MTU];

  /* Depayloader. */
  Guard guard;
  uint32_t clock_rate;
  bool started;
  bool lost;       /* packets, since the last unit */
  bool waits_mark; /* rtpmp4adepay passes the first packets on unread, up to one with a marker */
  uint16_t next_sequence;
  int64_t first_time; /* RTP time, unwrapped */
  int64_t time;
  GstClockTime last_pts;
  GstCaps *caps; /* the ones that `dts` is set up for */
  GstClockTime frame_duration;
  DtsMaker dts;
};

static void
free_bridge (Bridge *bridge)
{
  if (!bridge)
    return;
  bridge->dead = true;
  if (bridge->busy)
    return;
  chain_free (bridge->chain);
  gst_clear_caps (&bridge->caps);
  g_free (bridge);
}

static void
push_logged (Bridge *bridge, GstBuffer *buffer)
{
  GstFlowReturn result = chain_push (bridge->chain, buffer);
  if (result != GST_FLOW_OK)
    LOG (LOG_RTP, LOG_DEBUG, "bridge-refuses", NULL, "%s: GStreamer answers %s", codec_name (bridge->codec),
         gst_flow_get_name (result));
}

static void
hand_on_packet (Bridge *bridge, GstBuffer *buffer, bool is_last)
{
  size_t n_bytes = gst_buffer_extract (buffer, 0, bridge->packet, sizeof bridge->packet);
  if (n_bytes < RTP_HEADER_BYTES)
    return;
  bool last = codec_kind (bridge->codec) == TRACK_VIDEO ? (bridge->packet[1] & 0x80) != 0 : is_last;
  bridge->packet_func (bridge->data, bridge->packet, n_bytes, last);
}

static void
hand_on_packets (Bridge *bridge)
{
  bridge->busy = true;
  GstBuffer *buffer = chain_pull (bridge->chain);
  while (buffer && !bridge->dead) {
    GstBuffer *next = chain_pull (bridge->chain);
    hand_on_packet (bridge, buffer, !next);
    gst_buffer_unref (buffer);
    buffer = next;
  }
  gst_clear_buffer (&buffer);
  bridge->busy = false;
  if (bridge->dead)
    free_bridge (bridge);
}

static void
push_unit (Bridge *bridge, GstBuffer *unit, GstCaps *new_caps)
{
  if (new_caps && !chain_set_caps (bridge->chain, new_caps)) {
    g_autofree char *text = gst_caps_to_string (new_caps);
    LOG (LOG_RTP, LOG_WARNING, "payloader-refuses", NULL, "the payloader of %s refuses %s",
         codec_name (bridge->codec), text);
  }
  if (!GST_BUFFER_PTS_IS_VALID (unit)) {
    if (!GST_BUFFER_DTS_IS_VALID (unit)) {
      gst_buffer_unref (unit);
      return;
    }
    unit = gst_buffer_make_writable (unit);
    GST_BUFFER_PTS (unit) = GST_BUFFER_DTS (unit);
  }
  /* Negative, as an unsigned number. */
  if (GST_BUFFER_PTS (unit) > G_MAXINT64) {
    gst_buffer_unref (unit);
    return;
  }
  push_logged (bridge, unit);
  if (bridge->codec == CODEC_MPEG4)
    chain_push_segment (bridge->chain);
  hand_on_packets (bridge);
}

/* How many frames wait for a later one, by the parameter set in avcC (ISO/IEC 14496-15 §5.3.3.1); -1 unknown.
 */
static int
h264_depth (const uint8_t *config, size_t n_bytes)
{
  SpsInfo info;
  if (n_bytes < 8 || (config[5] & 0x1f) == 0)
    return -1;
  size_t n_sps = (size_t)config[6] << 8 | config[7];
  if (n_sps > n_bytes - 8 || !sps_parse_h264 (config + 8, n_sps, &info))
    return -1;
  return info.reorder_frames;
}

/* The same by hvcC (§8.3.3.1): arrays of NAL units. */
static int
h265_depth (const uint8_t *config, size_t n_bytes)
{
  SpsInfo info;
  if (n_bytes < 23)
    return -1;
  size_t at = 23;
  for (unsigned i = 0; i < config[22]; i++) {
    if (n_bytes - at < 3)
      return -1;
    unsigned n_units = (unsigned)config[at + 1] << 8 | config[at + 2];
    at += 3;
    for (unsigned k = 0; k < n_units; k++) {
      if (n_bytes - at < 2)
        return -1;
      size_t size = (size_t)config[at] << 8 | config[at + 1];
      at += 2;
      if (size > n_bytes - at)
        return -1;
      if (sps_parse_h265 (config + at, size, &info))
        return info.reorder_frames;
      at += size;
    }
  }
  return -1;
}

static int
depth_from_caps (Codec codec, const GstStructure *structure)
{
  int depth = -1;
  const GValue *value = gst_structure_get_value (structure, "codec_data");
  GstBuffer *config = value && GST_VALUE_HOLDS_BUFFER (value) ? gst_value_get_buffer (value) : NULL;
  GstMapInfo map;
  if (!config || !gst_buffer_map (config, &map, GST_MAP_READ))
    return -1;
  if (codec == CODEC_H264)
    depth = h264_depth (map.data, map.size);
  else if (codec == CODEC_H265)
    depth = h265_depth (map.data, map.size);
  gst_buffer_unmap (config, &map);
  return depth;
}

static void
follow_caps (Bridge *bridge, GstCaps *caps)
{
  if (!caps || caps == bridge->caps)
    return;
  gst_caps_replace (&bridge->caps, caps);
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  int num = 0, den = 0;
  bridge->frame_duration = FRAME_DURATION_UNKNOWN;
  if (gst_structure_get_fraction (structure, "framerate", &num, &den) && num > 0 && den > 0)
    bridge->frame_duration = gst_util_uint64_scale_int (GST_SECOND, den, num);
  dts_set_depth (&bridge->dts, depth_from_caps (bridge->codec, structure));
}

static bool
can_reorder (Codec codec)
{
  return codec == CODEC_H264 || codec == CODEC_H265 || codec == CODEC_MPEG4;
}

static int64_t
ticks_since_start (const Bridge *bridge, GstClockTime pts)
{
  return (int64_t)gst_util_uint64_scale_round (pts, bridge->clock_rate, GST_SECOND) -
         (int64_t)gst_util_uint64_scale_round (PTS_START, bridge->clock_rate, GST_SECOND);
}

static GstBuffer *
complete_unit (Bridge *bridge, GstBuffer *unit)
{
  unit = gst_buffer_make_writable (unit);
  if (!GST_BUFFER_PTS_IS_VALID (unit))
    GST_BUFFER_PTS (unit) = bridge->last_pts;
  GstClockTime pts = GST_BUFFER_PTS (unit);
  bridge->last_pts = pts;
  GST_BUFFER_DTS (unit) =
      can_reorder (bridge->codec) ? dts_next (&bridge->dts, pts, bridge->frame_duration) : pts;
  GST_BUFFER_OFFSET (unit) = (uint64_t)(bridge->first_time + ticks_since_start (bridge, pts));
  GST_BUFFER_OFFSET_END (unit) = GST_BUFFER_OFFSET_NONE;
  /* Not every parser passes it on. */
  if (bridge->lost)
    GST_BUFFER_FLAG_SET (unit, GST_BUFFER_FLAG_DISCONT);
  bridge->lost = false;
  return unit;
}

static void
drop_units (Bridge *bridge)
{
  GstBuffer *unit;
  while ((unit = chain_pull (bridge->chain)))
    gst_buffer_unref (unit);
}

static void
hand_on_units (Bridge *bridge)
{
  GstBuffer *unit;
  bridge->busy = true;
  while (!bridge->dead && (unit = chain_pull (bridge->chain))) {
    follow_caps (bridge, chain_caps (bridge->chain));
    bridge->unit_func (bridge->data, complete_unit (bridge, unit), bridge->caps);
  }
  bridge->busy = false;
  if (bridge->dead)
    free_bridge (bridge);
}

/* RTP time goes on over its wraps (RFC 3550 §5.1). Where it falls back to before the start, PTS goes on from
 * where it was. */
static GstClockTime
pts_from_rtp_time (Bridge *bridge, uint32_t rtp_time)
{
  if (!bridge->started) {
    bridge->started = true;
    bridge->first_time = rtp_time;
    bridge->time = rtp_time;
  }
  bridge->time += (int32_t)(rtp_time - (uint32_t)bridge->time);
  int64_t ticks = bridge->time - bridge->first_time;
  if (ticks < -(int64_t)bridge->clock_rate) {
    ticks = ticks_since_start (bridge, bridge->last_pts);
    bridge->first_time = bridge->time - ticks;
    bridge->lost = true;
  }
  uint64_t distance = gst_util_uint64_scale_round ((uint64_t)ABS (ticks), GST_SECOND, bridge->clock_rate);
  return ticks >= 0 ? PTS_START + distance : PTS_START - MIN (distance, PTS_START);
}

static void
push_packet (Bridge *bridge, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us, void *keep_alive,
             GDestroyNotify unref)
{
  RtpHeader header;
  if (!rtp_header_parse (bytes, n_bytes, &header) ||
      !guard_payload (&bridge->guard, bytes + header.payload_offset, header.payload_bytes)) {
    if (unref)
      unref (keep_alive);
    return;
  }
  if (bridge->started && header.sequence != bridge->next_sequence)
    bridge->lost = true;
  bridge->next_sequence = (uint16_t)(header.sequence + 1);
  GstBuffer *buffer = gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY, (void *)bytes, n_bytes, 0,
                                                   n_bytes, keep_alive, unref);
  GST_BUFFER_PTS (buffer) = pts_from_rtp_time (bridge, header.timestamp);
  push_logged (bridge, buffer);
  if (bridge->waits_mark) {
    drop_units (bridge);
    bridge->waits_mark = !header.marker;
  }
  hand_on_units (bridge);
}

static Bridge *
new_payloader (const TrackSpec *spec, uint32_t ssrc, BridgePacketFunc func, void *data, GError **error)
{
  if (!spec->unit_caps) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "the track has no caps of its units");
    return NULL;
  }
  uint32_t timestamp_offset;
  while (getrandom (&timestamp_offset, sizeof timestamp_offset, 0) != sizeof timestamp_offset)
    continue;
  /* All ones would be taken as "choose one". */
  Chain *chain = payload_chain_new (spec->codec, spec->payload_type, ssrc, timestamp_offset & 0x7fffffff,
                                    spec->unit_caps, error);
  if (!chain)
    return NULL;
  Bridge *bridge = g_new0 (Bridge, 1);
  bridge->codec = spec->codec;
  bridge->chain = chain;
  bridge->packet_func = func;
  bridge->data = data;
  return bridge;
}

static bool
is_latm (const TrackSpec *spec)
{
  return spec->encoding_name && g_ascii_strcasecmp (spec->encoding_name, "MP4A-LATM") == 0;
}

static bool
make_depayloaders (const TrackSpec *spec, GstElement **ret, unsigned *ret_n, GError **error)
{
  const RtpElements *names = rtp_elements (spec->codec);
  if (!names) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED, "no depayloader is known for %s",
                 spec->encoding_name ? spec->encoding_name : "this codec");
    return false;
  }
  ret[0] = rtp_make_element (is_latm (spec) ? "rtpmp4adepay" : names->depayloader, names->rtp_package, error);
  if (!ret[0])
    return false;
  *ret_n = 1;
  if (!names->parser)
    return true;
  ret[1] = rtp_make_element (names->parser, names->parser_package, names->parser_optional ? NULL : error);
  if (ret[1])
    *ret_n = 2;
  else if (!names->parser_optional)
    g_clear_pointer (&ret[0], gst_object_unref);
  return ret[0] != NULL;
}

static Bridge *
new_depayloader (const TrackSpec *spec, BridgeUnitFunc func, void *data, GError **error)
{
  GstElement *elements[CHAIN_ELEMENTS_MAX];
  unsigned n_elements = 0;
  Guard guard;
  g_autoptr (GstCaps) caps = track_spec_to_rtp_caps (spec);
  if (!guard_init (&guard, spec->codec, caps, error) ||
      !make_depayloaders (spec, elements, &n_elements, error))
    return NULL;
  g_autoptr (Chain) chain = chain_new (elements, n_elements, rtp_elements (spec->codec)->unit_caps, error);
  if (!chain)
    return NULL;
  if (spec->clock_rate == 0 || !chain_set_caps (chain, caps)) {
    g_autofree char *text = gst_caps_to_string (caps);
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED, "GStreamer's depayloader refuses %s", text);
    return NULL;
  }
  Bridge *bridge = g_new0 (Bridge, 1);
  bridge->codec = spec->codec;
  bridge->guard = guard;
  bridge->chain = g_steal_pointer (&chain);
  bridge->unit_func = func;
  bridge->data = data;
  bridge->clock_rate = spec->clock_rate;
  bridge->frame_duration = FRAME_DURATION_UNKNOWN;
  bridge->last_pts = PTS_START;
  bridge->waits_mark = is_latm (spec);
  dts_set_depth (&bridge->dts, -1);
  return bridge;
}

static const BridgeOps ops = {
    .new_payloader = new_payloader,
    .new_depayloader = new_depayloader,
    .push_unit = push_unit,
    .push_packet = push_packet,
    .free = free_bridge,
};

const BridgeOps *
rtp_bridge_ops (void)
{
  return &ops;
}
