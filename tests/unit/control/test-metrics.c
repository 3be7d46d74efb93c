/* SPDX-License-Identifier: Apache-2.0 */
/* The exposition: a strict reader of the format checks every line, and numbers of a real stream come through.
 */
#include "../stream/rig.h"
#include "control/metrics.h"

#include <math.h>
#include <string.h>

/* --- a reader of the format
 * ------------------------------------------------------------------------------------ */

typedef struct {
  GHashTable *families; /* name -> type */
  GHashTable *samples;  /* "name{labels}" -> value as text */
  char *family;
} Scrape;

static void
read_comment (Scrape *scrape, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 4);
  g_assert_cmpuint (g_strv_length (words), ==, 4);
  if (g_str_equal (words[1], "HELP")) {
    g_assert_false (g_hash_table_contains (scrape->families, words[2]));
    g_free (scrape->family);
    scrape->family = g_strdup (words[2]);
    return;
  }
  g_assert_cmpstr (words[1], ==, "TYPE");
  g_assert_cmpstr (words[2], ==, scrape->family);
  g_hash_table_insert (scrape->families, g_strdup (words[2]), g_strdup (words[3]));
}

/* Returns what stands behind the labels. */
static const char *
skip_labels (const char *at)
{
  if (*at != '{')
    return at;
  do {
    at++;
    const char *name = at;
    while (g_ascii_isalnum (*at) || *at == '_')
      at++;
    g_assert_true (at > name && at[0] == '=' && at[1] == '"');
    for (at += 2; *at != '"'; at++) {
      g_assert_cmpint (*at, !=, '\0');
      if (*at == '\\') {
        at++;
        g_assert_nonnull (strchr ("\\\"n", *at));
      }
    }
    at++;
  } while (*at == ',');
  g_assert_cmpint (*at, ==, '}');
  return at + 1;
}

static void
read_sample (Scrape *scrape, const char *line)
{
  const char *name_end = line + strcspn (line, "{ ");
  g_autofree char *name = g_strndup (line, (size_t)(name_end - line));
  const char *type = g_hash_table_lookup (scrape->families, scrape->family);
  if (g_str_equal (type, "histogram"))
    g_assert_true (g_str_has_prefix (name, scrape->family));
  else
    g_assert_cmpstr (name, ==, scrape->family);
  const char *value = skip_labels (name_end);
  g_assert_cmpint (*value, ==, ' ');
  char *end;
  g_ascii_strtod (value + 1, &end);
  g_assert_true (end > value + 1 && *end == '\0');
  char *key = g_strndup (line, (size_t)(value - line));
  g_assert_true (g_hash_table_insert (scrape->samples, key, g_strdup (value + 1)));
}

static void
scrape_text (Scrape *scrape, const char *text)
{
  scrape->families = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  scrape->samples = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  scrape->family = NULL;
  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_true (g_str_has_suffix (text, "\n"));
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; line[0] && line[1]; line++) {
    if ((*line)[0] == '#')
      read_comment (scrape, *line);
    else
      read_sample (scrape, *line);
  }
}

static void
scrape_clear (Scrape *scrape)
{
  g_hash_table_unref (scrape->families);
  g_hash_table_unref (scrape->samples);
  g_free (scrape->family);
}

static const char *
value_of (const Scrape *scrape, const char *key)
{
  const char *value = g_hash_table_lookup (scrape->samples, key);
  if (!value)
    g_test_message ("no sample %s", key);
  g_assert_nonnull (value);
  return value;
}

/* --- tests
 * ----------------------------------------------------------------------------------------------------- */

static void
write_odd (void *data, MetricsWriter *writer)
{
  metrics_family (writer, "odd", METRICS_GAUGE, "Odd values.");
  metrics_sample (writer, 0.1, "label", "a\\b\"c\nd\xff", "absent", NULL, "other", "2", NULL);
  metrics_sample (writer, INFINITY, "label", "inf", NULL);
  metrics_sample (writer, -INFINITY, "label", "minf", NULL);
  metrics_sample (writer, NAN, "label", "nan", NULL);
  metrics_sample (writer, 9007199254740991.0, "label", "large", NULL);
  metrics_sample (writer, -3, "label", "negative", NULL);
  metrics_sample (writer, 1e300, "label", "huge", NULL);
  metrics_sample (writer, 7, NULL);
}

static void
test_format (void)
{
  Rig *rig = rig_new ();
  g_autoptr (Journal) journal = journal_new (1);
  g_autoptr (Metrics) metrics = metrics_new (rig->registry, journal, NULL);
  metrics_add_collector (metrics, write_odd, NULL);
  size_t length;
  g_autofree char *text = metrics_render (metrics, &length);
  g_assert_cmpuint (length, ==, strlen (text));
  Scrape scrape;
  scrape_text (&scrape, text);
  g_assert_cmpstr (value_of (&scrape, "odd{label=\"a\\\\b\\\"c\\nd\xef\xbf\xbd\",other=\"2\"}"), ==, "0.1");
  g_assert_cmpstr (value_of (&scrape, "odd{label=\"inf\"}"), ==, "+Inf");
  g_assert_cmpstr (value_of (&scrape, "odd{label=\"minf\"}"), ==, "-Inf");
  g_assert_cmpstr (value_of (&scrape, "odd{label=\"nan\"}"), ==, "NaN");
  g_assert_cmpstr (value_of (&scrape, "odd{label=\"large\"}"), ==, "9007199254740991");
  g_assert_cmpstr (value_of (&scrape, "odd{label=\"negative\"}"), ==, "-3");
  g_assert_cmpstr (value_of (&scrape, "odd{label=\"huge\"}"), ==, "1e+300");
  g_assert_cmpstr (value_of (&scrape, "odd"), ==, "7");
  scrape_clear (&scrape);
  rig_free (rig);
}

static void
test_stream (void)
{
  Rig *rig = rig_new ();
  g_autoptr (Journal) journal = journal_new (1);
  journal_add (journal, "system.started", NULL, NULL, NULL);
  g_autoptr (Metrics) metrics = metrics_new (rig->registry, journal, NULL);
  RigPublisher publisher = {0};
  rig_publish (rig, &publisher, "live/x", true);
  g_assert_no_error (publisher.error);
  RigReader reader = {0};
  rig_open (rig, &reader, "live/x");
  rig_play (rig, &reader, 0, true);
  rig_send (&publisher, (RigPacket){.payload_type = 96, .sequence = 10, .marker = true, .nal = 0x65});
  rig_send (&publisher,
            (RigPacket){.payload_type = 96, .sequence = 13, .timestamp = 3000, .marker = true, .nal = 0x41});
  rig_settle (rig);

  g_autofree char *text = metrics_render (metrics, NULL);
  Scrape scrape;
  scrape_text (&scrape, text);
  static const struct {
    const char *key, *value;
  } rows[] = {
      {"sluice_streams{state=\"running\"}", "1"},
      {"sluice_streams{state=\"error\"}", "0"},
      {"sluice_stream_up{stream=\"live/x\"}", "1"},
      {"sluice_stream_state{stream=\"live/x\",state=\"running\"}", "1"},
      {"sluice_stream_received_packets_total{stream=\"live/x\"}", "2"},
      {"sluice_stream_received_frames_total{stream=\"live/x\"}", "2"},
      {"sluice_stream_received_key_frames_total{stream=\"live/x\"}", "1"},
      {"sluice_stream_lost_packets_total{stream=\"live/x\"}", "2"},
      {"sluice_stream_track_info{stream=\"live/x\",track=\"0\",kind=\"video\",codec=\"H264\"}", "1"},
      {"sluice_events_total", "1"},
      {"stream_manager_active_streams", "1"},
      {"stream_manager_streams_total", "1"},
      {"stream_manager_packets_lost{stream=\"live/x\"}", "2"},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpstr (value_of (&scrape, rows[i].key), ==, rows[i].value);
  g_assert_cmpstr (value_of (&scrape, "stream_manager_bytes_received{stream=\"live/x\"}"), ==,
                   value_of (&scrape, "sluice_stream_received_bytes_total{stream=\"live/x\"}"));
  g_assert_cmpstr (value_of (&scrape, "sluice_stream_dwell_seconds_bucket{stream=\"live/x\",le=\"+Inf\"}"),
                   ==, value_of (&scrape, "sluice_stream_dwell_seconds_count{stream=\"live/x\"}"));
  g_assert_cmpstr (g_hash_table_lookup (scrape.families, "sluice_stream_dwell_seconds"), ==, "histogram");
  bool has_reader = false;
  GHashTableIter iter;
  const char *key;
  g_hash_table_iter_init (&iter, scrape.samples);
  while (g_hash_table_iter_next (&iter, (void **)&key, NULL))
    has_reader = has_reader || g_str_has_prefix (key, "sluice_stream_readers{stream=\"live/x\",protocol=\"");
  g_assert_true (has_reader);
  scrape_clear (&scrape);

  rig_stop (&reader);
  rig_reader_clear (&reader);
  rig_end (&publisher, NULL);
  rig_publisher_clear (&publisher);
  rig_free (rig);
}

static void
test_process (void)
{
  ProcessUsage usage;
  process_usage_get (&usage);
  g_assert_cmpfloat (usage.cpu_seconds, >=, 0);
  g_assert_cmpint (usage.rss_bytes, >, 1024 * 1024);
  g_assert_cmpint (usage.virtual_bytes, >=, usage.rss_bytes);
  g_assert_cmpint (usage.threads, >=, 1);
  g_assert_cmpint (usage.open_fds, >=, 3);
  /* Started a moment ago: the clock's ticks are coarse. */
  int64_t age_us = g_get_real_time () - usage.start_unix_us;
  g_assert_cmpint (age_us, >=, -G_USEC_PER_SEC);
  g_assert_cmpint (age_us, <, 60 * G_USEC_PER_SEC);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/metrics/process", test_process);
  g_test_add_func ("/control/metrics/format", test_format);
  g_test_add_func ("/control/metrics/stream", test_stream);
  return g_test_run ();
}
