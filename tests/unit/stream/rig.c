/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "base/error.h"
#include "stream/bridge.h"

#include <string.h>

guint rig_source_opened, rig_source_closed;

/* --- scripted source ---------------------------------------------------------------------------------------
 */

typedef struct {
  Stream *stream;
  char *script;
  const SourceEvents *events;
  void *data;
  Ingest *ingest;
  LoopTimer *timer;
} FakeSource;

static void
take_specs (TrackSpec *specs, bool audio)
{
  memset (specs, 0, 2 * sizeof *specs);
  specs[0] = (TrackSpec){.kind = TRACK_VIDEO, .codec = CODEC_H264, .payload_type = 96, .clock_rate = 90000};
  specs[0].encoding_name = g_strdup ("H264");
  specs[0].media = g_strdup ("video");
  if (!audio)
    return;
  specs[1] = (TrackSpec){.kind = TRACK_AUDIO, .codec = CODEC_PCMU, .payload_type = 0, .clock_rate = 8000};
  specs[1].encoding_name = g_strdup ("PCMU");
  specs[1].media = g_strdup ("audio");
}

static void
on_source_ended (void *publisher, const GError *why)
{
  ((FakeSource *)publisher)->ingest = NULL;
}

static const IngestOps source_ingest_ops = {.on_ended = on_source_ended};

static void
on_source_timer (void *data)
{
  FakeSource *source = data;
  if (strcmp (source->script, "fake:fail") == 0) {
    g_autoptr (GError) error = g_error_new (SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "told to fail");
    source->events->on_failed (source->data, error);
    return;
  }
  if (strcmp (source->script, "fake:silent") == 0)
    return;
  TrackSpec specs[2];
  take_specs (specs, false);
  IngestInfo info = {.protocol = "fake"};
  source->ingest =
      ingest_begin (source->stream, specs, 1, INGEST_PACKETS, &source_ingest_ops, source, &info, NULL);
  g_assert_nonnull (source->ingest);
  if (strcmp (source->script, "fake:end") == 0) {
    ingest_end (g_steal_pointer (&source->ingest), NULL);
    g_autoptr (GError) error = g_error_new (SLUICE_ERROR, SLUICE_ERROR_CANCELLED, "end of file");
    source->events->on_failed (source->data, error);
  }
}

static void *
open_source (void *factory_data, Stream *stream, const char *url, const StreamSettings *settings,
             const SourceEvents *events, void *data)
{
  g_atomic_int_inc (&rig_source_opened);
  FakeSource *source = g_new0 (FakeSource, 1);
  *source = (FakeSource){.stream = stream, .script = g_strdup (url), .events = events, .data = data};
  source->timer = loop_timer_new (stream_home (stream), on_source_timer, source);
  loop_timer_start (source->timer, 1, 0);
  return source;
}

static void
close_source (void *data)
{
  FakeSource *source = data;
  g_atomic_int_inc (&rig_source_closed);
  ingest_end (source->ingest, NULL);
  loop_timer_free (source->timer);
  g_free (source->script);
  g_free (source);
}

static bool
check_source (const char *url, GError **error)
{
  return true;
}

static const char *const fake_schemes[] = {"fake", NULL};
static const SourceFactory fake_factory = {
    .schemes = fake_schemes, .check = check_source, .open = open_source, .close = close_source};

/* --- bridges: one packet a unit, one unit a packet
 * ------------------------------------------------------------ */

guint rig_bridges;

struct Bridge {
  BridgePacketFunc packet_func;
  BridgeUnitFunc unit_func;
  void *data;
  uint16_t sequence;
  GstCaps *caps;
};

static Bridge *
new_bridge (BridgePacketFunc packet_func, BridgeUnitFunc unit_func, void *data)
{
  Bridge *bridge = g_new (Bridge, 1);
  *bridge = (Bridge){.packet_func = packet_func, .unit_func = unit_func, .data = data, .sequence = 1000};
  bridge->caps = gst_caps_new_empty_simple ("video/x-h264");
  g_atomic_int_inc (&rig_bridges);
  return bridge;
}

static Bridge *
new_payloader (const TrackSpec *spec, uint32_t ssrc, BridgePacketFunc func, void *data, GError **error)
{
  return new_bridge (func, NULL, data);
}

static Bridge *
new_depayloader (const TrackSpec *spec, BridgeUnitFunc func, void *data, GError **error)
{
  return new_bridge (NULL, func, data);
}

static void
push_unit (Bridge *bridge, GstBuffer *unit, GstCaps *new_caps)
{
  uint32_t time = (uint32_t)gst_util_uint64_scale (GST_BUFFER_PTS (unit), 90000, GST_SECOND);
  uint8_t packet[20] = {0x80, 0x80 | 96, (uint8_t)(bridge->sequence >> 8), (uint8_t)bridge->sequence};
  for (int i = 0; i < 4; i++)
    packet[4 + i] = (uint8_t)(time >> (24 - 8 * i));
  gst_buffer_extract (unit, 4, packet + 12, 2);
  bridge->sequence++;
  gst_buffer_unref (unit);
  bridge->packet_func (bridge->data, packet, sizeof packet, true);
}

static void
push_packet (Bridge *bridge, const uint8_t *bytes, size_t n_bytes, int64_t arrival_us, void *keep_alive,
             GDestroyNotify unref)
{
  uint8_t unit_bytes[8] = {0, 0, 0, 4, bytes[12], bytes[13]};
  GstBuffer *unit = gst_buffer_new_memdup (unit_bytes, sizeof unit_bytes);
  uint32_t time = (uint32_t)bytes[4] << 24 | (uint32_t)bytes[5] << 16 | (uint32_t)bytes[6] << 8 | bytes[7];
  GST_BUFFER_PTS (unit) = gst_util_uint64_scale (time, GST_SECOND, 90000);
  bridge->unit_func (bridge->data, unit, bridge->caps);
  unref (keep_alive);
}

static void
free_bridge (Bridge *bridge)
{
  if (!bridge)
    return;
  gst_caps_unref (bridge->caps);
  g_free (bridge);
  (void)g_atomic_int_dec_and_test (&rig_bridges);
}

static const BridgeOps fake_bridges = {.new_payloader = new_payloader,
                                       .new_depayloader = new_depayloader,
                                       .push_unit = push_unit,
                                       .push_packet = push_packet,
                                       .free = free_bridge};

/* --- rig ---------------------------------------------------------------------------------------------------
 */

static void
on_event (void *data, const StreamEvent *event)
{
  Rig *rig = data;
  g_string_append_printf (rig->events, "%s %s;", event->type, event->stream);
}

Rig *
rig_new (void)
{
  Rig *rig = g_new0 (Rig, 1);
  g_autoptr (GError) error = NULL;
  rig_source_opened = rig_source_closed = 0;
  rig->events = g_string_new (NULL);
  rig->control = loop_new_control ();
  rig->pool = loop_pool_new (2, &error);
  g_assert_no_error (error);
  rig->registry = registry_new (rig->control, rig->pool, &fake_bridges, on_event, rig);
  registry_add_source_factory (rig->registry, &fake_factory);
  rig->settings = settings_new_default ();
  registry_apply (rig->registry, rig->settings);
  return rig;
}

static void
set_true (void *data)
{
  *(bool *)data = true;
}

static bool
is_true (void *data)
{
  return *(bool *)data;
}

void
rig_wait (RigCondition done, void *data)
{
  int64_t deadline = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;
  while (!done (data)) {
    g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (200);
  }
}

static void
nothing (void *data)
{
}

void
rig_settle (Rig *rig)
{
  /* Control to home to reader and back is the longest way that news travel. */
  for (unsigned round = 0; round < 4; round++) {
    for (unsigned i = 0; i < loop_pool_size (rig->pool); i++)
      loop_call (loop_pool_get (rig->pool, i), nothing, NULL);
    bool done = false;
    loop_post (rig->control, set_true, &done);
    rig_wait (is_true, &done);
  }
}

void
rig_free (Rig *rig)
{
  bool done = false;
  registry_shutdown (rig->registry, set_true, &done);
  rig_wait (is_true, &done);
  rig_settle (rig);
  registry_free (rig->registry);
  loop_pool_free (rig->pool);
  loop_free (rig->control);
  settings_unref (rig->settings);
  g_string_free (rig->events, TRUE);
  g_free (rig);
}

StreamSettings *
rig_settings (Rig *rig, const char *name, const char *source)
{
  StreamSettings *settings = stream_settings_copy (rig->settings->defaults, name);
  g_strfreev (settings->source);
  settings->source = source ? g_strsplit (source, " ", -1) : g_new0 (char *, 1);
  settings->retry_min_ms = 10;
  settings->retry_max_ms = 40;
  settings->on_demand_close_after_ms = 50;
  return settings;
}

/* --- publishers --------------------------------------------------------------------------------------------
 */

static void
on_publisher_ended (void *data, const GError *why)
{
  RigPublisher *publisher = data;
  publisher->ended = g_strdup (why ? why->message : "");
  publisher->ingest = NULL;
}

static void
on_keyframe_request (void *data, unsigned track)
{
  ((RigPublisher *)data)->keyframe_requests++;
}

static const IngestOps publisher_ops = {.on_ended = on_publisher_ended,
                                        .request_keyframe = on_keyframe_request};

typedef struct {
  RigPublisher *publisher;
  bool audio;
  bool only_reserve;
  IngestPlane plane;
} PublishData;

static void
begin (RigPublisher *publisher, bool audio, IngestPlane plane)
{
  TrackSpec specs[2];
  take_specs (specs, audio);
  if (plane == INGEST_UNITS)
    specs[0].unit_caps = gst_caps_new_empty_simple ("video/x-h264");
  IngestInfo info = {.protocol = "test"};
  publisher->ingest = ingest_begin (publisher->stream, specs, audio ? 2 : 1, plane, &publisher_ops, publisher,
                                    &info, &publisher->error);
}

static void
on_publish_answer (void *data, PublishTicket *ticket, Stream *stream, const GError *error)
{
  PublishData *request = data;
  RigPublisher *publisher = request->publisher;
  if (error) {
    publisher->error = g_error_copy (error);
  } else {
    publisher->ticket = ticket;
    publisher->stream = stream_ref (stream);
    if (!request->only_reserve)
      begin (publisher, request->audio, request->plane);
  }
  g_free (request);
  __atomic_store_n (&publisher->done, true, __ATOMIC_RELEASE);
}

static bool
publisher_done (void *data)
{
  return __atomic_load_n (&((RigPublisher *)data)->done, __ATOMIC_ACQUIRE);
}

static void
publish (Rig *rig, const char *name, PublishData data)
{
  RigPublisher *publisher = data.publisher;
  *publisher = (RigPublisher){0};
  PublishData *request = g_memdup2 (&data, sizeof data);
  registry_open_publish (rig->registry, name, rig->control, NULL, on_publish_answer, request);
  rig_wait (publisher_done, publisher);
  rig_settle (rig);
}

void
rig_publish (Rig *rig, RigPublisher *publisher, const char *name, bool audio)
{
  publish (rig, name, (PublishData){.publisher = publisher, .audio = audio});
}

void
rig_publish_units (Rig *rig, RigPublisher *publisher, const char *name)
{
  publish (rig, name, (PublishData){.publisher = publisher, .plane = INGEST_UNITS});
}

void
rig_reserve (Rig *rig, RigPublisher *publisher, const char *name)
{
  publish (rig, name, (PublishData){.publisher = publisher, .only_reserve = true});
}

static void
begin_at_home (void *data)
{
  begin (data, false, INGEST_PACKETS);
}

void
rig_begin (RigPublisher *publisher)
{
  loop_call (stream_home (publisher->stream), begin_at_home, publisher);
}

typedef struct {
  RigPublisher *publisher;
  RigPacket packet;
  GstClockTime pts;
  const char *why;
} HomeCall;

static void
send_at_home (void *data)
{
  HomeCall *call = data;
  const RigPacket *p = &call->packet;
  uint8_t type = p->payload_type ? p->payload_type : (p->track == 0 ? 96 : 0);
  uint8_t bytes[64] = {0x80, (uint8_t)((p->marker ? 0x80 : 0) | type)};
  bytes[2] = (uint8_t)(p->sequence >> 8);
  bytes[3] = (uint8_t)p->sequence;
  for (int i = 0; i < 4; i++) {
    bytes[4 + i] = (uint8_t)(p->timestamp >> (24 - 8 * i));
    bytes[8 + i] = (uint8_t)(p->ssrc >> (24 - 8 * i));
  }
  bytes[12] = p->nal;
  bytes[13] = 0x88; /* first_mb_in_slice 0 */
  ingest_packet (call->publisher->ingest, p->track, bytes, sizeof bytes, loop_now_us () + p->later_us);
  ingest_burst_end (call->publisher->ingest);
}

void
rig_send (RigPublisher *publisher, RigPacket packet)
{
  HomeCall call = {.publisher = publisher, .packet = packet};
  loop_call (stream_home (publisher->stream), send_at_home, &call);
}

static void
send_unit_at_home (void *data)
{
  HomeCall *call = data;
  uint8_t bytes[8] = {0, 0, 0, 4, call->packet.nal, 0x88};
  GstBuffer *unit = gst_buffer_new_memdup (bytes, sizeof bytes);
  GST_BUFFER_PTS (unit) = call->pts;
  ingest_unit (call->publisher->ingest, 0, unit, NULL);
}

void
rig_send_unit (RigPublisher *publisher, uint8_t nal, GstClockTime pts)
{
  HomeCall call = {.publisher = publisher, .packet = {.nal = nal}, .pts = pts};
  loop_call (stream_home (publisher->stream), send_unit_at_home, &call);
}

static void
end_at_home (void *data)
{
  HomeCall *call = data;
  g_autoptr (GError) why = call->why ? g_error_new_literal (SLUICE_ERROR, SLUICE_ERROR_IO, call->why) : NULL;
  ingest_end (g_steal_pointer (&call->publisher->ingest), why);
}

void
rig_end (RigPublisher *publisher, const char *why)
{
  HomeCall call = {.publisher = publisher, .why = why};
  loop_call (stream_home (publisher->stream), end_at_home, &call);
}

void
rig_publisher_clear (RigPublisher *publisher)
{
  if (publisher->ingest)
    rig_end (publisher, NULL);
  publish_ticket_free (publisher->ticket);
  stream_unref (publisher->stream);
  g_clear_error (&publisher->error);
  g_free (publisher->ended);
}

/* --- readers -----------------------------------------------------------------------------------------------
 */

static void
on_lease (void *data, Lease *lease, const GError *error)
{
  RigReader *reader = data;
  reader->lease = lease;
  reader->error = error ? g_error_copy (error) : NULL;
  __atomic_store_n (&reader->done, true, __ATOMIC_RELEASE);
}

void
rig_ask (Rig *rig, RigReader *reader, const char *name)
{
  *reader = (RigReader){0};
  g_mutex_init (&reader->lock);
  reader->sequences = g_array_new (FALSE, FALSE, sizeof (uint16_t));
  reader->times = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  reader->captures = g_array_new (FALSE, FALSE, sizeof (int64_t));
  reader->flags = g_string_new (NULL);
  registry_open_read (rig->registry, name, rig->control, NULL, on_lease, reader);
}

static bool
reader_done (void *data)
{
  return __atomic_load_n (&((RigReader *)data)->done, __ATOMIC_ACQUIRE);
}

void
rig_open (Rig *rig, RigReader *reader, const char *name)
{
  rig_ask (rig, reader, name);
  rig_wait (reader_done, reader);
}

static void
on_batch (void *data, Batch *batch)
{
  RigReader *reader = data;
  g_assert_true (loop_is_current (reader->loop));
  g_mutex_lock (&reader->lock);
  for (unsigned i = 0; i < batch->n_packets; i++) {
    const uint8_t *packet = batch->packets[i].iov_base;
    uint16_t sequence = (uint16_t)(packet[2] << 8 | packet[3]);
    g_array_append_val (reader->sequences, sequence);
  }
  g_array_append_val (reader->times, batch->rtp_time);
  g_array_append_val (reader->captures, batch->ntp_us);
  g_string_append_printf (reader->flags, "%s%s%s%s%u ", batch->flags & BATCH_KEY ? "k" : "",
                          batch->flags & BATCH_FRAME_START ? "s" : "",
                          batch->flags & BATCH_FRAME_END ? "e" : "",
                          batch->flags & BATCH_PARAMETERS ? "p" : "", batch->n_packets);
  g_mutex_unlock (&reader->lock);
}

static void
on_unit (void *data, unsigned track, GstBuffer *unit, GstCaps *caps)
{
  RigReader *reader = data;
  int64_t pts_us = (int64_t)GST_BUFFER_PTS (unit) / 1000;
  g_assert_nonnull (gst_buffer_get_reference_timestamp_meta (unit, NULL));
  g_mutex_lock (&reader->lock);
  g_array_append_val (reader->captures, pts_us);
  g_string_append (reader->flags, GST_BUFFER_FLAG_IS_SET (unit, GST_BUFFER_FLAG_DELTA_UNIT) ? "d" : "k");
  g_mutex_unlock (&reader->lock);
}

static void
on_gone (void *data, ReaderGone why)
{
  ((RigReader *)data)->gone = (int)why + 1;
}

static const ReaderOps reader_ops = {.on_batch = on_batch, .on_unit = on_unit, .on_gone = on_gone};

typedef struct {
  RigReader *reader;
  bool with_gop_cache;
} PlayCall;

static void
play_on_loop (void *data)
{
  PlayCall *call = data;
  RigReader *reader = call->reader;
  ReaderInfo info = {.protocol = "test", .transport = "none", .peer = (char *)"127.0.0.1:1"};
  if (!reader->reader) {
    reader->reader =
        reader_new (lease_stream (reader->lease), reader->loop, reader->plane, &reader_ops, reader, &info);
    reader_expect_tracks (reader->reader, lease_tracks (reader->lease));
  }
  reader_start (reader->reader, call->with_gop_cache);
}

void
rig_play (Rig *rig, RigReader *reader, unsigned loop, bool with_gop_cache)
{
  reader->loop = loop_pool_get (rig->pool, loop);
  PlayCall call = {reader, with_gop_cache};
  loop_call (reader->loop, play_on_loop, &call);
  rig_settle (rig);
}

static void
stop_on_loop (void *data)
{
  reader_stop (((RigReader *)data)->reader);
}

void
rig_stop (RigReader *reader)
{
  loop_call (reader->loop, stop_on_loop, reader);
}

unsigned
rig_count (RigReader *reader)
{
  g_mutex_lock (&reader->lock);
  unsigned n = reader->sequences->len;
  g_mutex_unlock (&reader->lock);
  return n;
}

static void
free_on_loop (void *data)
{
  reader_free (((RigReader *)data)->reader, NULL);
}

void
rig_reader_clear (RigReader *reader)
{
  if (reader->reader)
    loop_call (reader->loop, free_on_loop, reader);
  lease_free (reader->lease);
  g_clear_error (&reader->error);
  g_array_unref (reader->sequences);
  g_array_unref (reader->times);
  g_array_unref (reader->captures);
  g_string_free (reader->flags, TRUE);
  g_mutex_clear (&reader->lock);
}
