/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a pipeline into an appsink and cuts its access units into RTP packets (RFC 6184). The unit with the
 * send time of a test picture is as large as the other packets, so that a frame is two runs of equal packets,
 * its slice and what fills it up to the bit rate: little more than what a camera sends. */
#include "bench/film.h"

#include "base/error.h"
#include "bench/stamp.h"
#include "stream/batch.h"
#include "stream/rtp_header.h"

#include <gst/app/gstappsink.h>
#include <math.h>
#include <string.h>

enum {
  PAYLOAD_BYTES = 1088, /* 1100 with the RTP header */
  MAX_FRAMES = 10000,
  MAX_UNITS = 256, /* NAL units of an access unit */
  PULL_MS = 100,
  SILENCE_S = 20,
  SYNTHETIC_SECONDS = 4,
  NAL_IDR = 5,
  NAL_SEI = 6,
  NAL_SPS = 7,
  NAL_PPS = 8,
  NAL_AUD = 9,
  NAL_STAP_A = 24,
  NAL_FU_A = 28,
};

typedef struct {
  const uint8_t *bytes;
  size_t n_bytes;
} Unit;

typedef struct {
  BenchFilm *film;
  GArray *frames; /* of BenchFrame */
  bool pad_stamp;
  int64_t first_dts, last_dts;
  int64_t first_pts;
  int64_t frame_ns;
} Maker;

/* --- cutting -----------------------------------------------------------------------------------------------
 */

static size_t
find_start_code (const uint8_t *bytes, size_t n_bytes, size_t from)
{
  for (size_t i = from; i + 3 <= n_bytes; i++)
    if (bytes[i] == 0 && bytes[i + 1] == 0 && bytes[i + 2] == 1)
      return i;
  return n_bytes;
}

/* NAL units between start codes (H.264 annex B), without those that mean nothing here. */
static unsigned
split_units (const uint8_t *bytes, size_t n_bytes, Unit *units)
{
  unsigned n = 0;
  size_t code = find_start_code (bytes, n_bytes, 0);
  while (code < n_bytes && n < MAX_UNITS) {
    size_t start = code + 3;
    code = find_start_code (bytes, n_bytes, start);
    size_t stop = code;
    while (stop > start && bytes[stop - 1] == 0)
      stop--;
    if (stop == start)
      continue;
    unsigned type = bytes[start] & 0x1f;
    if (type != NAL_AUD && type != NAL_SEI)
      units[n++] = (Unit){bytes + start, stop - start};
  }
  return n;
}

typedef struct {
  GByteArray *slab;
  GArray *sizes; /* of uint16_t */
} Packing;

static void
begin_packet (Packing *packing)
{
  static const uint8_t room[BATCH_HEADER_BYTES + RTP_HEADER_BYTES] = {0};
  g_byte_array_append (packing->slab, room, sizeof room);
  uint16_t none = RTP_HEADER_BYTES;
  g_array_append_val (packing->sizes, none);
}

static void
append_payload (Packing *packing, const uint8_t *bytes, size_t n_bytes)
{
  g_byte_array_append (packing->slab, bytes, (guint)n_bytes);
  uint16_t *size = &g_array_index (packing->sizes, uint16_t, packing->sizes->len - 1);
  *size = (uint16_t)(*size + n_bytes);
}

static void
append_aggregated (Packing *packing, const uint8_t *unit, size_t n_bytes)
{
  append_payload (packing, (const uint8_t[]){(uint8_t)(n_bytes >> 8), (uint8_t)n_bytes}, 2);
  append_payload (packing, unit, n_bytes);
}

/* The first packet: parameter sets, where there are any, and the send time. */
static void
pack_head (Packing *packing, const Unit *sets, unsigned n_sets, bool pad)
{
  uint8_t stamp[PAYLOAD_BYTES];
  size_t room = PAYLOAD_BYTES;
  begin_packet (packing);
  if (n_sets > 0) {
    append_payload (packing, (const uint8_t[]){3 << 5 | NAL_STAP_A}, 1);
    room -= 1 + 2;
    for (unsigned i = 0; i < n_sets; i++) {
      append_aggregated (packing, sets[i].bytes, sets[i].n_bytes);
      room -= 2 + sets[i].n_bytes;
    }
  }
  size_t n = bench_stamp_write_unit (stamp, pad ? room : BENCH_STAMP_MIN_BYTES);
  if (n_sets > 0)
    append_aggregated (packing, stamp, n);
  else
    append_payload (packing, stamp, n);
}

static void
pack_unit (Packing *packing, const Unit *unit)
{
  if (unit->n_bytes <= PAYLOAD_BYTES) {
    begin_packet (packing);
    append_payload (packing, unit->bytes, unit->n_bytes);
    return;
  }
  uint8_t indicator = (uint8_t)((unit->bytes[0] & 0xe0) | NAL_FU_A);
  size_t at = 1;
  while (at < unit->n_bytes) {
    size_t n = MIN (unit->n_bytes - at, PAYLOAD_BYTES - 2);
    uint8_t header = unit->bytes[0] & 0x1f;
    if (at == 1)
      header |= 0x80;
    if (at + n == unit->n_bytes)
      header |= 0x40;
    begin_packet (packing);
    append_payload (packing, (const uint8_t[]){indicator, header}, 2);
    append_payload (packing, unit->bytes + at, n);
    at += n;
  }
}

/* What never changes of the headers; sequence, time, SSRC and channel are the sender's. */
static void
finish_packets (Packing *packing, BenchFrame *frame)
{
  frame->n_packets = packing->sizes->len;
  frame->n_bytes = packing->slab->len;
  frame->slab = g_byte_array_free (g_steal_pointer (&packing->slab), FALSE);
  frame->packets = g_new (struct iovec, frame->n_packets);
  uint8_t *at = frame->slab;
  for (unsigned i = 0; i < frame->n_packets; i++) {
    uint16_t size = g_array_index (packing->sizes, uint16_t, i);
    at[0] = '$';
    at[2] = (uint8_t)(size >> 8);
    at[3] = (uint8_t)size;
    at += BATCH_HEADER_BYTES;
    at[0] = 2 << 6;
    at[1] = (uint8_t)((i + 1 == frame->n_packets ? 0x80 : 0) | BENCH_FILM_PAYLOAD_TYPE);
    frame->packets[i] = (struct iovec){at, size};
    at += size;
  }
  frame->stamp = bench_stamp_find (frame->slab + BATCH_HEADER_BYTES + RTP_HEADER_BYTES,
                                   frame->packets[0].iov_len - RTP_HEADER_BYTES);
  g_array_unref (packing->sizes);
}

static void
keep_parameters (BenchFilm *film, const Unit *sets, unsigned n_sets)
{
  if (film->spec.fmtp)
    return;
  g_autoptr (GString) fmtp = g_string_new ("packetization-mode=1");
  g_autoptr (GString) sprop = g_string_new (NULL);
  for (unsigned i = 0; i < n_sets; i++) {
    g_autofree char *text = g_base64_encode (sets[i].bytes, sets[i].n_bytes);
    g_string_append_printf (sprop, "%s%s", sprop->len ? "," : "", text);
    if ((sets[i].bytes[0] & 0x1f) == NAL_SPS && sets[i].n_bytes >= 4)
      g_string_append_printf (fmtp, ";profile-level-id=%02X%02X%02X", sets[i].bytes[1], sets[i].bytes[2],
                              sets[i].bytes[3]);
  }
  g_string_append_printf (fmtp, ";sprop-parameter-sets=%s", sprop->str);
  film->spec.fmtp = g_string_free (g_steal_pointer (&fmtp), FALSE);
}

static void
add_frame (Maker *maker, const uint8_t *bytes, size_t n_bytes, int64_t dts, int64_t pts)
{
  Unit units[MAX_UNITS], sets[MAX_UNITS];
  unsigned n_units = split_units (bytes, n_bytes, units), n_sets = 0;
  size_t set_bytes = 0;
  bool key = false;
  for (unsigned i = 0; i < n_units; i++) {
    unsigned type = units[i].bytes[0] & 0x1f;
    key |= type == NAL_IDR;
    if ((type == NAL_SPS || type == NAL_PPS) &&
        set_bytes + units[i].n_bytes + 2 + 8 + BENCH_STAMP_MIN_BYTES < PAYLOAD_BYTES) {
      sets[n_sets++] = units[i];
      set_bytes += units[i].n_bytes + 2;
    }
  }
  if (maker->frames->len == 0) {
    if (!key)
      return;
    maker->first_dts = dts;
    maker->first_pts = pts;
  }
  if (n_sets > 0)
    keep_parameters (maker->film, sets, n_sets);
  Packing packing = {g_byte_array_new (), g_array_new (FALSE, FALSE, sizeof (uint16_t))};
  pack_head (&packing, sets, n_sets, maker->pad_stamp);
  for (unsigned i = 0; i < n_units; i++) {
    unsigned type = units[i].bytes[0] & 0x1f;
    if (type != NAL_SPS && type != NAL_PPS)
      pack_unit (&packing, &units[i]);
  }
  BenchFrame frame = {.key = key,
                      .send_us = (dts - maker->first_dts) / 1000,
                      .rtp_offset = (uint32_t)((pts - maker->first_pts) * 9 / 100000)};
  finish_packets (&packing, &frame);
  maker->last_dts = dts;
  g_array_append_val (maker->frames, frame);
}

/* --- the pipeline ------------------------------------------------------------------------------------------
 */

static void
add_sample (Maker *maker, GstSample *sample)
{
  GstBuffer *buffer = gst_sample_get_buffer (sample);
  GstMapInfo map;
  if (!buffer || !gst_buffer_map (buffer, &map, GST_MAP_READ))
    return;
  int64_t next = maker->frames->len ? maker->last_dts + maker->frame_ns : 0;
  int64_t dts = GST_BUFFER_DTS_IS_VALID (buffer)   ? (int64_t)GST_BUFFER_DTS (buffer)
                : GST_BUFFER_PTS_IS_VALID (buffer) ? (int64_t)GST_BUFFER_PTS (buffer)
                                                   : next;
  int64_t pts = GST_BUFFER_PTS_IS_VALID (buffer) ? (int64_t)GST_BUFFER_PTS (buffer) : dts;
  if (maker->frames->len && dts < maker->last_dts)
    dts = maker->last_dts;
  add_frame (maker, map.data, map.size, dts, pts);
  gst_buffer_unmap (buffer, &map);
}

static void
take_bus_error (GstElement *pipeline, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  if (message)
    gst_message_parse_error (message, error, NULL);
}

/* Errors do not always end the stream for the sink, so it is asked with a time limit. */
static void
take_samples (Maker *maker, GstElement *pipeline, GstAppSink *sink, GError **error)
{
  gint64 heard_us = g_get_monotonic_time ();
  while (maker->frames->len < MAX_FRAMES && !*error && !gst_app_sink_is_eos (sink)) {
    g_autoptr (GstSample) sample = gst_app_sink_try_pull_sample (sink, PULL_MS * GST_MSECOND);
    if (sample) {
      add_sample (maker, sample);
      heard_us = g_get_monotonic_time ();
      continue;
    }
    take_bus_error (pipeline, error);
    if (!*error && g_get_monotonic_time () - heard_us > SILENCE_S * G_USEC_PER_SEC)
      g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_TIMEOUT, "the pipeline is silent");
  }
}

static bool
run_pipeline (Maker *maker, GstElement *pipeline, GError **error)
{
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_autoptr (GError) failure = NULL;
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  take_samples (maker, pipeline, GST_APP_SINK (sink), &failure);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  if (maker->frames->len > 0 && maker->film->spec.fmtp)
    return true;
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "no H.264 pictures to send: %s",
               failure ? failure->message : "nothing came");
  return false;
}

static void
clear_frame (void *data)
{
  BenchFrame *frame = data;
  g_free (frame->slab);
  g_free (frame->packets);
}

static BenchFilm *
make_film (GstElement *pipeline, bool pad_stamp, double frames_per_second, GError **error)
{
  g_autoptr (BenchFilm) film = g_new0 (BenchFilm, 1);
  film->spec = (TrackSpec){.kind = TRACK_VIDEO,
                           .codec = CODEC_H264,
                           .payload_type = BENCH_FILM_PAYLOAD_TYPE,
                           .clock_rate = BENCH_FILM_CLOCK,
                           .encoding_name = g_strdup ("H264"),
                           .media = g_strdup ("video")};
  Maker maker = {.film = film,
                 .frames = g_array_new (FALSE, FALSE, sizeof (BenchFrame)),
                 .pad_stamp = pad_stamp,
                 .frame_ns = (int64_t)(1e9 / frames_per_second)};
  bool ok = run_pipeline (&maker, pipeline, error);
  if (maker.frames->len > 1)
    maker.frame_ns = (maker.last_dts - maker.first_dts) / (maker.frames->len - 1);
  film->duration_us = (maker.last_dts - maker.first_dts + maker.frame_ns) / 1000;
  film->n_frames = maker.frames->len;
  film->frames = (BenchFrame *)g_array_free (maker.frames, FALSE);
  return ok ? g_steal_pointer (&film) : NULL;
}

BenchFilm *
bench_film_new_synthetic (const BenchFilmOptions *options, GError **error)
{
  unsigned gop = (unsigned)MAX (1, lround (options->gop_seconds * options->frames_per_second));
  unsigned seconds = MAX (SYNTHETIC_SECONDS, (unsigned)ceil (options->gop_seconds));
  unsigned n_frames = MAX (1, seconds * options->frames_per_second / gop) * gop;
  /* The packet with the send time and the headers of all of them are part of the bit rate. */
  double overhead = 8.0 * options->frames_per_second * (PAYLOAD_BYTES + RTP_HEADER_BYTES);
  double video =
      ((double)options->bits_per_second - overhead) * PAYLOAD_BYTES / (PAYLOAD_BYTES + RTP_HEADER_BYTES);
  if (video < 0.2 * (double)options->bits_per_second)
    video = 0.2 * (double)options->bits_per_second;
  g_autofree char *text =
      g_strdup_printf ("videotestsrc num-buffers=%u pattern=smpte ! "
                       "video/x-raw,format=I420,width=640,height=360,framerate=%u/1 ! "
                       "x264enc bitrate=%u vbv-buf-capacity=100 key-int-max=%u bframes=0 "
                       "speed-preset=ultrafast tune=zerolatency "
                       "option-string=scenecut=0:nal-hrd=cbr:filler=1 ! "
                       "video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=sink sync=false",
                       n_frames, options->frames_per_second, (unsigned)MAX (1, video / 1000), gop);
  g_autoptr (GstElement) pipeline = gst_parse_launch (text, error);
  if (!pipeline)
    return NULL;
  return make_film (pipeline, true, options->frames_per_second, error);
}

BenchFilm *
bench_film_new_file (const char *path, GError **error)
{
  g_autoptr (GstElement) pipeline =
      gst_parse_launch ("filesrc name=source ! parsebin ! h264parse config-interval=-1 ! "
                        "video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=sink sync=false",
                        error);
  if (!pipeline)
    return NULL;
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  g_object_set (source, "location", path, NULL);
  return make_film (pipeline, false, 30, error);
}

void
bench_film_free (BenchFilm *film)
{
  if (!film)
    return;
  for (unsigned i = 0; i < film->n_frames; i++)
    clear_frame (&film->frames[i]);
  g_free (film->frames);
  track_spec_clear (&film->spec);
  g_free (film);
}
