/* SPDX-License-Identifier: Apache-2.0 */
/* Families of streams. The format wants all samples of a family together, so the counters of all streams are
 * read once and each family walks over them. */
#include "control/metrics_private.h"

#include <math.h>
#include <stdarg.h>

typedef struct {
  const StreamStatus *status;
  const char *id;
  StreamCounters counters;
  StreamRates rates;
} Sample;

typedef struct {
  const char *name, *help;
  size_t offset; /* of a uint64_t in StreamCounters */
} CounterFamily;

#define COUNTER(member) offsetof (StreamCounters, member)

static const CounterFamily counter_families[] = {
    {"sluice_stream_received_bytes_total", "Bytes of RTP packets taken from the source.", COUNTER (bytes_in)},
    {"sluice_stream_received_packets_total", "RTP packets taken from the source.", COUNTER (packets_in)},
    {"sluice_stream_received_frames_total", "Video frames taken from the source.", COUNTER (frames_in)},
    {"sluice_stream_received_key_frames_total", "Key frames taken from the source.", COUNTER (key_frames_in)},
    {"sluice_stream_lost_packets_total", "Packets missing in the source's sequence numbers.",
     COUNTER (packets_lost)},
    {"sluice_stream_reordered_packets_total", "Packets that came late and were put right.",
     COUNTER (packets_reordered)},
    {"sluice_stream_invalid_packets_total", "Packets dropped because they are not what was announced.",
     COUNTER (packets_invalid)},
    {"sluice_stream_sent_bytes_total", "Bytes sent to readers.", COUNTER (bytes_out)},
    {"sluice_stream_sent_packets_total", "Packets sent to readers.", COUNTER (packets_out)},
    {"sluice_stream_reader_skips_total", "Times that a slow reader jumped to the next key frame.",
     COUNTER (reader_skips)},
    {"sluice_stream_evicted_readers_total", "Readers closed for being too slow.", COUNTER (readers_evicted)},
    {"sluice_stream_source_starts_total", "Times that a source was started.", COUNTER (source_starts)},
    {"sluice_stream_source_failures_total", "Times that a source failed.", COUNTER (source_failures)},
    {"sluice_stream_stalls_total", "Times that a source sent no frame for too long.", COUNTER (stalls)},
};

static double
get_bitrate (const Sample *sample)
{
  return sample->rates.bitrate_bps;
}

static double
get_frame_rate (const Sample *sample)
{
  return sample->rates.frame_rate;
}

static double
get_gop_frames (const Sample *sample)
{
  return sample->rates.gop_frames ? (double)sample->rates.gop_frames : NAN;
}

static double
get_gop_seconds (const Sample *sample)
{
  return sample->rates.gop_frames ? (double)sample->rates.gop_us / 1e6 : NAN;
}

static double
get_width (const Sample *sample)
{
  return sample->rates.width ? (double)sample->rates.width : NAN;
}

static double
get_height (const Sample *sample)
{
  return sample->rates.height ? (double)sample->rates.height : NAN;
}

static double
get_frame_age (const Sample *sample)
{
  return sample->rates.last_frame_us ? (double)(loop_now_us () - sample->rates.last_frame_us) / 1e6 : NAN;
}

static double
get_uptime (const Sample *sample)
{
  bool runs = sample->status->state == STREAM_RUNNING && sample->status->running_since_mono_us;
  return runs ? (double)(loop_now_us () - sample->status->running_since_mono_us) / 1e6 : 0;
}

static double
get_up (const Sample *sample)
{
  return sample->status->state == STREAM_RUNNING;
}

/* @get gives NAN where a stream has no such number: no sample then. */
static const struct {
  const char *name, *help;
  double (*get) (const Sample *sample);
} gauge_families[] = {
    {"sluice_stream_up", "1 while the stream runs.", get_up},
    {"sluice_stream_uptime_seconds", "How long the stream has run; 0 when it does not.", get_uptime},
    {"sluice_stream_bitrate_bits_per_second", "Of the last full second.", get_bitrate},
    {"sluice_stream_frame_rate", "Video frames of the last full second.", get_frame_rate},
    {"sluice_stream_gop_frames", "Frames of the last whole group of pictures.", get_gop_frames},
    {"sluice_stream_gop_seconds", "Duration of the last whole group of pictures.", get_gop_seconds},
    {"sluice_stream_width_pixels", "Width of the picture.", get_width},
    {"sluice_stream_height_pixels", "Height of the picture.", get_height},
    {"sluice_stream_last_frame_age_seconds", "Time since the last frame came.", get_frame_age},
};

static void
write_counters (MetricsWriter *writer, const Sample *samples, unsigned n)
{
  for (unsigned f = 0; f < G_N_ELEMENTS (counter_families); f++) {
    const CounterFamily *family = &counter_families[f];
    metrics_family (writer, family->name, METRICS_COUNTER, family->help);
    for (unsigned i = 0; i < n; i++) {
      const char *counters = (const char *)&samples[i].counters;
      metrics_sample (writer, (double)*(const uint64_t *)(const void *)(counters + family->offset), "stream",
                      samples[i].id, NULL);
    }
  }
}

static void
write_gauges (MetricsWriter *writer, const Sample *samples, unsigned n)
{
  for (unsigned f = 0; f < G_N_ELEMENTS (gauge_families); f++) {
    metrics_family (writer, gauge_families[f].name, METRICS_GAUGE, gauge_families[f].help);
    for (unsigned i = 0; i < n; i++) {
      double value = gauge_families[f].get (&samples[i]);
      if (!isnan (value))
        metrics_sample (writer, value, "stream", samples[i].id, NULL);
    }
  }
}

static void
write_states (MetricsWriter *writer, const Sample *samples, unsigned n)
{
  unsigned totals[STREAM_ERROR + 1] = {0};
  metrics_family (writer, "sluice_stream_state", METRICS_GAUGE, "1 for the state that the stream is in.");
  for (unsigned i = 0; i < n; i++) {
    StreamState state = samples[i].status->state;
    metrics_sample (writer, 1, "stream", samples[i].id, "state", stream_state_name (state), NULL);
    totals[state]++;
  }
  metrics_family (writer, "sluice_streams", METRICS_GAUGE, "Streams in each state.");
  for (unsigned state = 0; state < G_N_ELEMENTS (totals); state++)
    metrics_sample (writer, totals[state], "state", stream_state_name ((StreamState)state), NULL);
}

static const char *
kind_name (TrackKind kind)
{
  switch (kind) {
  case TRACK_VIDEO:
    return "video";
  case TRACK_AUDIO:
    return "audio";
  case TRACK_DATA:
    break;
  }
  return "data";
}

static void
write_tracks (MetricsWriter *writer, const Sample *samples, unsigned n)
{
  metrics_family (writer, "sluice_stream_track_info", METRICS_GAUGE, "One for each track; always 1.");
  for (unsigned i = 0; i < n; i++) {
    const TrackSet *set = samples[i].status->tracks;
    for (unsigned t = 0; set && t < set->n_tracks; t++) {
      const TrackSpec *spec = &set->tracks[t].spec;
      g_autofree char *index = g_strdup_printf ("%u", t);
      metrics_sample (writer, 1, "stream", samples[i].id, "track", index, "kind", kind_name (spec->kind),
                      "codec", codec_name (spec->codec), NULL);
    }
  }
}

static void
write_readers (MetricsWriter *writer, const Sample *samples, unsigned n)
{
  metrics_family (writer, "sluice_stream_readers", METRICS_GAUGE, "Readers of the stream by protocol.");
  for (unsigned i = 0; i < n; i++) {
    g_autoptr (GHashTable) counts = g_hash_table_new (g_str_hash, g_str_equal);
    const GPtrArray *readers = samples[i].status->readers;
    for (unsigned r = 0; readers && r < readers->len; r++) {
      const ReaderStatus *reader = readers->pdata[r];
      const char *protocol = reader->protocol ? reader->protocol : "unknown";
      unsigned count = GPOINTER_TO_UINT (g_hash_table_lookup (counts, protocol));
      g_hash_table_insert (counts, (void *)protocol, GUINT_TO_POINTER (count + 1));
    }
    GHashTableIter iter;
    void *protocol, *count;
    g_hash_table_iter_init (&iter, counts);
    while (g_hash_table_iter_next (&iter, &protocol, &count))
      metrics_sample (writer, GPOINTER_TO_UINT (count), "stream", samples[i].id, "protocol", protocol, NULL);
    if (g_hash_table_size (counts) == 0)
      metrics_sample (writer, 0, "stream", samples[i].id, NULL);
  }
}

static void
write_dwell (MetricsWriter *writer, const Sample *samples, unsigned n)
{
  metrics_family (writer, "sluice_stream_dwell_seconds", METRICS_HISTOGRAM,
                  "From the arrival of a batch of packets to its hand-over to a reader's socket.");
  for (unsigned i = 0; i < n; i++) {
    uint64_t buckets[STREAM_DWELL_BUCKETS], sum_us, total = 0;
    stream_get_dwell (samples[i].status->stream, buckets, &sum_us);
    for (unsigned b = 0; b < STREAM_DWELL_BUCKETS; b++) {
      total += buckets[b];
      char bound[G_ASCII_DTOSTR_BUF_SIZE] = "+Inf";
      if (b < STREAM_DWELL_BUCKETS - 1)
        g_ascii_formatd (bound, sizeof bound, "%g", (double)stream_dwell_bounds_us[b] / 1e6);
      metrics_sample_suffix (writer, "_bucket", (double)total, "stream", samples[i].id, "le", bound, NULL);
    }
    metrics_sample_suffix (writer, "_sum", (double)sum_us / 1e6, "stream", samples[i].id, NULL);
    metrics_sample_suffix (writer, "_count", (double)total, "stream", samples[i].id, NULL);
  }
}

static Sample *
read_samples (GPtrArray *streams)
{
  Sample *samples = g_new0 (Sample, streams->len + 1);
  for (unsigned i = 0; i < streams->len; i++) {
    const StreamStatus *status = streams->pdata[i];
    samples[i].status = status;
    samples[i].id = stream_id (status->stream);
    stream_get_counters (status->stream, &samples[i].counters);
    stream_get_rates (status->stream, &samples[i].rates);
  }
  return samples;
}

void
metrics_write_streams (MetricsWriter *writer, GPtrArray *streams)
{
  g_autofree Sample *samples = read_samples (streams);
  write_states (writer, samples, streams->len);
  write_gauges (writer, samples, streams->len);
  write_counters (writer, samples, streams->len);
  write_tracks (writer, samples, streams->len);
  write_readers (writer, samples, streams->len);
  write_dwell (writer, samples, streams->len);
}

/* --- names of an earlier service
 * ------------------------------------------------------------------------------- */

static void
write_legacy_totals (MetricsWriter *writer, const Sample *samples, unsigned n)
{
  unsigned active = 0, failed = 0;
  for (unsigned i = 0; i < n; i++) {
    active += samples[i].status->state == STREAM_RUNNING;
    failed += samples[i].status->state == STREAM_ERROR;
  }
  const struct {
    const char *name, *help;
    unsigned value;
  } totals[] = {
      {"stream_manager_active_streams", "Same as sluice_streams of state running.", active},
      {"stream_manager_streams_active", "Same as sluice_streams of state running.", active},
      {"stream_manager_streams_total", "All streams.", n},
      {"stream_manager_streams_failed", "Same as sluice_streams of state error.", failed},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (totals); i++) {
    metrics_family (writer, totals[i].name, METRICS_GAUGE, totals[i].help);
    metrics_sample (writer, totals[i].value, NULL);
  }
}

/* One family of a counter, by the label that the earlier service used. */
static const struct {
  const char *name, *help, *label;
  size_t offset;
  bool with_source_type;
} legacy_counters[] = {
    {"stream_manager_bytes_received", "Same as sluice_stream_received_bytes_total.", "stream",
     COUNTER (bytes_in)},
    {"stream_manager_packets_lost", "Same as sluice_stream_lost_packets_total.", "stream",
     COUNTER (packets_lost)},
    {"stream_manager_stream_errors_total", "Same as sluice_stream_source_failures_total.", "stream",
     COUNTER (source_failures)},
    {"stream_manager_frames_processed_total", "Same as sluice_stream_received_frames_total.", "stream_id",
     COUNTER (frames_in), true},
    {"stream_manager_bytes_processed_total", "Same as sluice_stream_received_bytes_total.", "stream_id",
     COUNTER (bytes_in), true},
};

void
metrics_write_legacy (MetricsWriter *writer, GPtrArray *streams)
{
  g_autofree Sample *samples = read_samples (streams);
  unsigned n = streams->len;
  write_legacy_totals (writer, samples, n);
  for (unsigned f = 0; f < G_N_ELEMENTS (legacy_counters); f++) {
    metrics_family (writer, legacy_counters[f].name, METRICS_COUNTER, legacy_counters[f].help);
    for (unsigned i = 0; i < n; i++) {
      const char *counters = (const char *)&samples[i].counters;
      double value = (double)*(const uint64_t *)(const void *)(counters + legacy_counters[f].offset);
      metrics_sample (writer, value, legacy_counters[f].label, samples[i].id,
                      legacy_counters[f].with_source_type ? "source_type" : NULL,
                      samples[i].status->source_type, NULL);
    }
  }
  metrics_family (writer, "stream_manager_bitrate_bps", METRICS_GAUGE,
                  "Same as sluice_stream_bitrate_bits_per_second.");
  for (unsigned i = 0; i < n; i++)
    metrics_sample (writer, get_bitrate (&samples[i]), "stream_id", samples[i].id, NULL);
  metrics_family (writer, "stream_manager_fps", METRICS_GAUGE, "Same as sluice_stream_frame_rate.");
  for (unsigned i = 0; i < n; i++)
    metrics_sample (writer, get_frame_rate (&samples[i]), "stream_id", samples[i].id, NULL);
  metrics_family (writer, "stream_manager_reconnect_count", METRICS_GAUGE,
                  "Starts of the source after the first one.");
  for (unsigned i = 0; i < n; i++) {
    uint64_t starts = samples[i].counters.source_starts;
    metrics_sample (writer, starts > 1 ? (double)(starts - 1) : 0, "stream_id", samples[i].id, NULL);
  }
}
