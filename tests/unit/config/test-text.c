/* SPDX-License-Identifier: Apache-2.0 */
#include "config/text.h"

static void
test_durations (void)
{
  static const struct {
    const char *text;
    int64_t ms; /* -1: refused */
    const char *printed;
  } rows[] = {
      {"10s", 10000, "10s"},
      {"500ms", 500, "500ms"},
      {"2m", 120000, "2m"},
      {"2min", 120000, "2m"},
      {"1.5h", 5400000, "90m"},
      {"1d", 86400000, "1d"},
      {"90", 90000, "90s"},
      {"0", 0, "0s"},
      {"0.25", 250, "250ms"},
      {"10 s", 10000, "10s"},
      {"1S", 1000, "1s"},
      {"", -1, NULL},
      {"s", -1, NULL},
      {"-1s", -1, NULL},
      {"1x", -1, NULL},
      {"1.s", -1, NULL},
      {"1.2.3s", -1, NULL},
      {"1e3", -1, NULL},
      {"99999999999999999d", -1, NULL},
      {"18446744073709551616", -1, NULL},
      {"1s ", -1, NULL},
      {" 1s", -1, NULL},
      {"1.0000000001s", -1, NULL},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    int64_t ms = -1;
    g_test_message ("\"%s\"", rows[i].text);
    g_assert_cmpint (text_to_duration (rows[i].text, &ms), ==, rows[i].printed != NULL);
    g_assert_cmpint (ms, ==, rows[i].ms);
    if (!rows[i].printed)
      continue;
    g_autofree char *printed = text_from_duration (ms);
    g_assert_cmpstr (printed, ==, rows[i].printed);
  }
}

static void
test_sizes (void)
{
  static const struct {
    const char *text;
    int64_t bytes;
    const char *printed;
  } rows[] = {
      {"8MiB", 8 << 20, "8MiB"},
      {"4MB", 4000000, "4000000"},
      {"1024", 1024, "1KiB"},
      {"100B", 100, "100"},
      {"1kb", 1000, "1000"},
      {"2gib", INT64_C (2) << 30, "2GiB"},
      {"0.5MiB", 512 << 10, "512KiB"},
      {"0", 0, "0"},
      {"1M", -1, NULL},
      {"8 MiB x", -1, NULL},
      {"9999999999TiB", -1, NULL},
      {"MiB", -1, NULL},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    int64_t bytes = -1;
    g_test_message ("\"%s\"", rows[i].text);
    g_assert_cmpint (text_to_size (rows[i].text, &bytes), ==, rows[i].printed != NULL);
    g_assert_cmpint (bytes, ==, rows[i].bytes);
    if (!rows[i].printed)
      continue;
    g_autofree char *printed = text_from_size (bytes);
    g_assert_cmpstr (printed, ==, rows[i].printed);
  }
}

static void
test_printed_reads_back (void)
{
  for (int64_t value = 1; value < INT64_C (1) << 56; value = value * 3 + 7) {
    int64_t back;
    g_autofree char *duration = text_from_duration (value);
    g_assert_true (text_to_duration (duration, &back));
    g_assert_cmpint (back, ==, value);
    g_autofree char *size = text_from_size (value);
    g_assert_true (text_to_size (size, &back));
    g_assert_cmpint (back, ==, value);
  }
}

static void
test_closest_word (void)
{
  static const char *const words[] = {"listen", "tls_listen", "enabled", "rtsp", "loop", NULL};
  static const char *const rows[][2] = {
      {"listn", "listen"},
      {"Listen", "listen"},
      {"lisetn", "listen"},
      {"tlslisten", "tls_listen"},
      {"enable", "enabled"},
      {"rtps", "rtsp"},
      {"rt", NULL},
      {"http", NULL},
      {"", NULL},
      {"lop", "loop"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpstr (text_closest (rows[i][0], words), ==, rows[i][1]);
  g_assert_cmpuint (text_distance ("kitten", "sitting"), ==, 3);
  g_assert_cmpuint (text_distance ("ab", "ba"), ==, 1);
  g_autofree char *long_word = g_strnfill (65, 'a');
  g_assert_cmpuint (text_distance (long_word, "a"), ==, G_MAXUINT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/text/durations", test_durations);
  g_test_add_func ("/text/sizes", test_sizes);
  g_test_add_func ("/text/printed-reads-back", test_printed_reads_back);
  g_test_add_func ("/text/closest-word", test_closest_word);
  return g_test_run ();
}
