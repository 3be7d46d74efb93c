/* SPDX-License-Identifier: Apache-2.0 */
/* Truncated and damaged packets and descriptions through depayloaders and inspectors. Criticals are fatal in
 * tests, and each packet lies in a block of exactly its size. */
#include "stream/inspect.h"
#include "trip.h"

#include <string.h>

static void
test_truncation (gconstpointer data)
{
  enum { PACKETS = 12, BYTES = 60 };
  g_auto (Trip) trip;
  if (!trip_start (&trip, data))
    return;
  trip_payload (&trip);
  Bridge *bridge = trip_make_depayloader (&trip);
  for (unsigned i = 0; i < MIN (trip.packets->len, PACKETS); i++) {
    Packet *packet = &g_array_index (trip.packets, Packet, i);
    size_t n_bytes = g_bytes_get_size (packet->bytes), offset = packet->header.payload_offset;
    for (size_t n = 0; n <= n_bytes; n += n < BYTES || n + BYTES > n_bytes ? 1 : 37) {
      g_autofree uint8_t *cut = g_memdup2 (g_bytes_get_data (packet->bytes, NULL), n);
      trip_push_bytes (&trip, bridge, cut, n);
      if (n < offset)
        continue;
      InspectResult result;
      InspectVideoInfo info;
      g_autofree uint8_t *payload = g_memdup2 (cut + offset, n - offset);
      inspect_payload (trip.spec.codec, payload, n - offset, packet->header.marker, &result);
      inspect_video_payload (trip.spec.codec, payload, n - offset, &info);
    }
  }
  rtp_bridge_ops ()->free (bridge);
}

/* Real packets with random damage: bytes, length, sequence, time, marker. */
static void
test_damage (gconstpointer data)
{
  enum { ROUNDS = 2000 };
  g_auto (Trip) trip;
  if (!trip_start (&trip, data))
    return;
  trip_payload (&trip);
  Bridge *bridge = trip_make_depayloader (&trip);
  for (unsigned i = 0; i < ROUNDS; i++) {
    Packet *packet = &g_array_index (trip.packets, Packet, i % trip.packets->len);
    size_t n_bytes = g_bytes_get_size (packet->bytes);
    g_autofree uint8_t *bytes = g_memdup2 (g_bytes_get_data (packet->bytes, NULL), n_bytes);
    for (int flips = g_test_rand_int_range (0, 4); flips > 0; flips--) {
      /* Mostly where headers are. */
      int range = g_test_rand_int_range (0, 4) ? MIN ((int)n_bytes, 32) : (int)n_bytes;
      bytes[g_test_rand_int_range (0, range)] = (uint8_t)g_test_rand_int ();
    }
    if (g_test_rand_int_range (0, 4) == 0)
      n_bytes = (size_t)g_test_rand_int_range (0, (int)n_bytes + 1);
    trip_push_bytes (&trip, bridge, bytes, n_bytes);
    g_ptr_array_set_size (trip.units, 0);
  }
  rtp_bridge_ops ()->free (bridge);
}

/* An SDP is as hostile as packets: its fmtp goes to the depayloader, too. */
static void
test_damaged_description (gconstpointer data)
{
  enum { ROUNDS = 60, PACKETS = 10 };
  static const char letters[] = ";=,:/+- 0123456789abcdefABCDEF";
  g_auto (Trip) trip;
  if (!trip_start (&trip, data))
    return;
  trip_payload (&trip);
  for (unsigned i = 0; i < ROUNDS; i++) {
    g_auto (TrackSpec) spec;
    track_spec_copy (&trip.spec, &spec);
    size_t n = spec.fmtp ? strlen (spec.fmtp) : 0;
    for (int flips = g_test_rand_int_range (1, 6); n > 0 && flips > 0; flips--)
      spec.fmtp[g_test_rand_int_range (0, (int)n)] =
          letters[g_test_rand_int_range (0, (int)sizeof letters - 1)];
    if (n > 0 && g_test_rand_bit ())
      spec.fmtp[g_test_rand_int_range (0, (int)n)] = '\0';
    if (g_test_rand_int_range (0, 4) == 0)
      spec.clock_rate = (uint32_t)g_test_rand_int ();
    Bridge *bridge = rtp_bridge_ops ()->new_depayloader (&spec, trip_on_unit, &trip, NULL);
    for (unsigned k = 0; bridge && k < MIN (trip.packets->len, PACKETS); k++) {
      size_t n_bytes;
      const uint8_t *bytes = g_bytes_get_data (g_array_index (trip.packets, Packet, k).bytes, &n_bytes);
      trip_push_bytes (&trip, bridge, bytes, n_bytes);
    }
    rtp_bridge_ops ()->free (bridge);
    g_ptr_array_set_size (trip.units, 0);
  }
}

typedef struct {
  Bridge *bridge;
  unsigned calls;
} Suicide;

static void
on_unit_free (void *data, GstBuffer *unit, GstCaps *caps)
{
  Suicide *suicide = data;
  suicide->calls++;
  gst_buffer_unref (unit);
  rtp_bridge_ops ()->free (suicide->bridge);
}

static void
test_free_in_callback (void)
{
  g_auto (Trip) trip;
  Suicide suicide = {0};
  if (!trip_start (&trip, &media_kinds[0]))
    return;
  trip_payload (&trip);
  suicide.bridge = rtp_bridge_ops ()->new_depayloader (&trip.spec, on_unit_free, &suicide, NULL);
  for (unsigned i = 0; suicide.calls == 0 && i < trip.packets->len; i++) {
    size_t n_bytes;
    const uint8_t *bytes = g_bytes_get_data (g_array_index (trip.packets, Packet, i).bytes, &n_bytes);
    trip_push_bytes (&trip, suicide.bridge, bytes, n_bytes);
  }
  g_assert_cmpuint (suicide.calls, ==, 1);
}

static void
add_tests (const char *what, void (*func) (gconstpointer))
{
  for (const MediaKind *kind = media_kinds; kind->name; kind++) {
    g_autofree char *path = g_strdup_printf ("/rtp/hostile/%s/%s", what, kind->name);
    g_test_add_data_func (path, kind, func);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  add_tests ("truncation", test_truncation);
  add_tests ("damage", test_damage);
  add_tests ("damaged-description", test_damaged_description);
  g_test_add_func ("/rtp/hostile/free-in-callback", test_free_in_callback);
  return g_test_run ();
}
