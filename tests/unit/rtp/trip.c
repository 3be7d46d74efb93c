/* SPDX-License-Identifier: Apache-2.0 */
#include "trip.h"

#include "rtp/describe.h"

void
trip_on_packet (void *data, const uint8_t *bytes, size_t n_bytes, bool last)
{
  Trip *trip = data;
  Packet packet = {.bytes = g_bytes_new (bytes, n_bytes), .last = last, .unit = trip->pushed};
  g_assert_cmpuint (n_bytes, <=, RTP_BRIDGE_MTU);
  g_assert_true (rtp_header_parse (bytes, n_bytes, &packet.header));
  g_array_append_val (trip->packets, packet);
}

void
trip_on_unit (void *data, GstBuffer *unit, GstCaps *caps)
{
  Trip *trip = data;
  g_assert_nonnull (caps);
  gst_caps_replace (&trip->caps, caps);
  g_ptr_array_add (trip->units, unit);
}

static void
clear_packet (Packet *packet)
{
  g_bytes_unref (packet->bytes);
}

/* Units may share the packets' bytes; when they are gone, all must have been given back. */
void
trip_clear (Trip *trip)
{
  g_clear_pointer (&trip->units, g_ptr_array_unref);
  g_assert_cmpuint (trip->alive, ==, 0);
  track_spec_clear (&trip->spec);
  g_clear_pointer (&trip->media, media_free);
  g_clear_pointer (&trip->packets, g_array_unref);
  gst_clear_caps (&trip->caps);
}

/* False: the encoder is missing. */
bool
trip_start (Trip *trip, const MediaKind *kind)
{
  g_autoptr (GError) error = NULL;
  *trip = (Trip){.media = media_make (kind)};
  if (!trip->media) {
    g_test_skip ("encoder not installed");
    return false;
  }
  trip->packets = g_array_new (FALSE, FALSE, sizeof (Packet));
  g_array_set_clear_func (trip->packets, (GDestroyNotify)clear_packet);
  trip->units = g_ptr_array_new_with_free_func ((GDestroyNotify)gst_buffer_unref);
  bool ok = rtp_describe_units (trip->media->caps, 97, &trip->spec, &error);
  g_assert_no_error (error);
  g_assert_true (ok);
  g_assert_cmpint (trip->spec.codec, ==, kind->codec);
  return true;
}

void
trip_payload (Trip *trip)
{
  g_autoptr (GError) error = NULL;
  Bridge *bridge = rtp_bridge_ops ()->new_payloader (&trip->spec, TRIP_SSRC, trip_on_packet, trip, &error);
  g_assert_no_error (error);
  for (trip->pushed = 0; trip->pushed < trip->media->units->len; trip->pushed++) {
    GstBuffer *unit = g_ptr_array_index (trip->media->units, trip->pushed);
    rtp_bridge_ops ()->push_unit (bridge, gst_buffer_ref (unit), NULL);
  }
  rtp_bridge_ops ()->free (bridge);
}

typedef struct {
  Trip *trip;
  uint8_t *bytes;
} Alive;

static void
release (void *data)
{
  Alive *alive = data;
  alive->trip->alive--;
  g_free (alive->bytes);
  g_free (alive);
}

void
trip_push_bytes (Trip *trip, Bridge *bridge, const uint8_t *bytes, size_t n_bytes)
{
  Alive *alive = g_new (Alive, 1);
  *alive = (Alive){trip, g_memdup2 (bytes, n_bytes)};
  trip->alive++;
  rtp_bridge_ops ()->push_packet (bridge, alive->bytes, n_bytes, 0, alive, release);
}

Bridge *
trip_make_depayloader (Trip *trip)
{
  g_autoptr (GError) error = NULL;
  Bridge *bridge = rtp_bridge_ops ()->new_depayloader (&trip->spec, trip_on_unit, trip, &error);
  g_assert_no_error (error);
  return bridge;
}

void
trip_depayload (Trip *trip, unsigned lost_every)
{
  Bridge *bridge = trip_make_depayloader (trip);
  for (unsigned i = 0; i < trip->packets->len; i++) {
    Packet *packet = &g_array_index (trip->packets, Packet, i);
    size_t n_bytes;
    const uint8_t *bytes = g_bytes_get_data (packet->bytes, &n_bytes);
    if (lost_every == 0 || i % lost_every != lost_every - 1)
      trip_push_bytes (trip, bridge, bytes, n_bytes);
  }
  rtp_bridge_ops ()->free (bridge);
}
