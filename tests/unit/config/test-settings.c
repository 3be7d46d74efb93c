/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults, copies, names and patterns. */
#include "config/settings.h"

#include "config/value.h"

#include <string.h>

static void
test_defaults_are_the_tables (void)
{
  g_autoptr (Settings) settings = settings_new_default ();
  g_assert_cmpstr (settings->http_listen[0], ==, ":8080");
  g_assert_null (settings->http_listen[1]);
  g_assert_cmpint (settings->rtsp_session_timeout_ms, ==, 60000);
  g_assert_cmpint (settings->rtsp_request_line_bytes, ==, 8192);
  g_assert_cmpuint (g_strv_length (settings->rtsp_tls_listen), ==, 0);
  g_assert_true (g_strv_contains ((const char *const *)settings->rtsp_transports, "multicast"));
  g_assert_null (settings->http_tls_key);
  g_assert_cmpint (settings->defaults->worker_memory, ==, INT64_C (2) << 30);
  g_assert_cmpint (settings->defaults->transport, ==, TRANSPORT_AUTO);
  g_assert_true (settings->defaults->publish);
  g_assert_cmpuint (g_strv_length (settings->defaults->source), ==, 0);
  g_assert_nonnull (settings->state_path);
  g_assert_false (settings_has_access_rules (settings));
}

/* Every default must pass the check of its own key, and every key must be usable in print. */
static void
test_table_is_sound (void)
{
  size_t n_keys;
  const Key *keys = keys_all (&n_keys);
  for (const Key *key = keys; key < keys + n_keys; key++) {
    g_test_message ("%s.%s", key->section, key->name);
    g_assert_true (keys_find (key->section, key->name) == key);
    g_assert_nonnull (key->help);
    g_assert_true (g_str_has_suffix (key->help, "."));
    g_assert_true (key->initial || key->initial_help);
    g_assert_true (!key->required || key->example);
    g_assert_true (key->type != KEY_OBJECTS || key->element);
    bool number = key->type == KEY_INT || key->type == KEY_DURATION || key->type == KEY_SIZE;
    g_assert_true (number == (key->max > 0));
    g_assert_cmpint (key->min, <=, key->max);
  }
}

static void
test_copies_are_equal_and_apart (void)
{
  g_autoptr (StreamSettings) stream = stream_settings_new_default ("a");
  g_strfreev (stream->source);
  stream->source = g_strsplit ("rtsp://a rtsp://b", " ", -1);
  stream->title = g_strdup ("A");
  g_autoptr (StreamSettings) copy = stream_settings_copy (stream, "b");
  g_assert_cmpstr (copy->name, ==, "b");
  g_assert_true (stream_settings_equal (stream, copy));
  g_assert_true (stream_settings_equal_source (stream, copy));

  g_clear_pointer (&copy->title, g_free);
  g_assert_false (stream_settings_equal (stream, copy));
  g_assert_true (stream_settings_equal_source (stream, copy));

  copy->source[1][0] = 'R';
  g_assert_false (stream_settings_equal_source (stream, copy));
}

static void
test_copy_of_settings_shares_streams (void)
{
  g_autoptr (Settings) settings = settings_new_default ();
  g_ptr_array_add (settings->streams, stream_settings_new_default ("a"));
  g_autoptr (Settings) copy = settings_copy (settings);
  g_assert_true (copy->streams->pdata[0] == settings->streams->pdata[0]);
  g_ptr_array_set_size (copy->streams, 0);
  g_assert_cmpuint (settings->streams->len, ==, 1);
  g_assert_true (copy->http_listen != settings->http_listen);
  g_assert_cmpstr (copy->state_path, ==, settings->state_path);
}

static void
test_glob (void)
{
  static const struct {
    const char *pattern, *name;
    bool matches;
  } rows[] = {
      {"*", "", true},
      {"*", "a/b", true},
      {"", "", true},
      {"", "a", false},
      {"cam-*", "cam-", true},
      {"cam-*", "cam-1/x", true},
      {"cam-*", "cam", false},
      {"*-hd", "a-hd", true},
      {"*-hd", "a-hd-hd", true},
      {"*-hd", "a-hd-sd", false},
      {"a*b*c", "abc", true},
      {"a*b*c", "axbxbxc", true},
      {"a*b*c", "acb", false},
      {"**", "x", true},
      {"a?c", "abc", false},
      {"[a]", "a", false},
      {"a.c", "abc", false},
      {"live/*", "live", false},
      {"A", "a", false},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s on %s", rows[i].pattern, rows[i].name);
    g_assert_cmpint (settings_glob_match (rows[i].pattern, rows[i].name), ==, rows[i].matches);
  }
}

static void
test_names (void)
{
  static const struct {
    const char *name;
    bool stream, pattern;
  } rows[] = {
      {"cam-1", true, true},    {"live/my.stream~1@720p_x", true, true},
      {"...", true, true},      {"", false, false},
      {"/a", false, false},     {"a/", false, false},
      {"a//b", false, false},   {".", false, false},
      {"a/../b", false, false}, {"a b", false, false},
      {"a%2f", false, false},   {"\xc3\xa4", false, false},
      {"a\nb", false, false},   {"cam-*", false, true},
      {"*", false, true},       {"*/*", false, true},
      {"a?b", false, false},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_cmpint (settings_check_stream_name (rows[i].name, &error), ==, rows[i].stream);
    g_assert_cmpint (error == NULL, ==, rows[i].stream);
    g_assert_cmpint (settings_check_pattern (rows[i].name, NULL), ==, rows[i].pattern);
  }
  g_autofree char *longest = g_strnfill (255, 'a');
  g_autofree char *longer = g_strnfill (256, 'a');
  g_assert_true (settings_check_stream_name (longest, NULL));
  g_assert_false (settings_check_stream_name (longer, NULL));
}

static void
test_exact_name_then_longest_pattern (void)
{
  g_autoptr (Settings) settings = settings_new_default ();
  static const char *const patterns[] = {"*", "cam-*", "*-hd", "cam-door*"};
  for (size_t i = 0; i < G_N_ELEMENTS (patterns); i++)
    g_ptr_array_add (settings->patterns, stream_settings_new_default (patterns[i]));
  settings_sort_patterns (settings);
  g_ptr_array_add (settings->streams, stream_settings_new_default ("cam-door"));
  static const char *const rows[][2] = {
      {"cam-door", "cam-door"},
      {"cam-door2", "cam-door*"},
      {"cam-2-hd", "cam-*"},
      {"x-hd", "*-hd"},
      {"x", "*"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpstr (settings_find_stream (settings, rows[i][0])->name, ==, rows[i][1]);
  g_ptr_array_set_size (settings->patterns, 0);
  g_assert_null (settings_find_stream (settings, "x"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/settings/defaults-are-the-tables", test_defaults_are_the_tables);
  g_test_add_func ("/settings/table-is-sound", test_table_is_sound);
  g_test_add_func ("/settings/copies-are-equal-and-apart", test_copies_are_equal_and_apart);
  g_test_add_func ("/settings/copy-shares-streams", test_copy_of_settings_shares_streams);
  g_test_add_func ("/settings/glob", test_glob);
  g_test_add_func ("/settings/names", test_names);
  g_test_add_func ("/settings/exact-name-then-longest-pattern", test_exact_name_then_longest_pattern);
  return g_test_run ();
}
