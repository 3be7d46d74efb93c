/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines as they arrive on stderr: formats, escaping, levels, and the limit of each call site. */
#include "base/log.h"

#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Runs @write_lines with stderr going to a file and returns what was written. (transfer full) */
static char *
capture (LogFormat format, void (*write_lines) (void))
{
  g_autofree char *path = NULL;
  int fd = g_file_open_tmp ("sluice-log-XXXXXX", &path, NULL);
  g_assert_cmpint (fd, >=, 0);
  int saved = dup (STDERR_FILENO);
  dup2 (fd, STDERR_FILENO);
  log_set_format (format);
  write_lines ();
  dup2 (saved, STDERR_FILENO);
  close (saved);
  close (fd);
  char *text = NULL;
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  unlink (path);
  return text;
}

static unsigned
count_lines (const char *text)
{
  unsigned n = 0;
  for (const char *p = text; *p; p++)
    n += *p == '\n';
  return n;
}

static void
write_full_line (void)
{
  LOG (LOG_RTSP, LOG_WARNING, "session-closed",
       (&(LogFields){.stream = "cam\n1", .peer = "1.2.3.4:5", .session = "s1", .error = "TIMEOUT"}),
       "evil %s \"quoted\" \xc3\xa9", "\r\n\033[31m\xff\xe2\x80\xae\xc2\x9b");
}

static void
test_pretty (void)
{
  g_autofree char *text = capture (LOG_FORMAT_PRETTY, write_full_line);
  g_test_message ("%s", text);
  g_assert_cmpuint (count_lines (text), ==, 1);
  g_assert_nonnull (
      strstr (text, " warning rtsp    cam\\n1: evil \\r\\n\\x1b[31m\\xff\\u202e\\x9b \"quoted\" \xc3\xa9 "
                    "peer=1.2.3.4:5 session=s1 error=TIMEOUT\n"));
  g_assert_null (strchr (text, '\033'));
}

static void
test_json (void)
{
  g_autofree char *text = capture (LOG_FORMAT_JSON, write_full_line);
  g_assert_cmpuint (count_lines (text), ==, 1);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_assert_true (json_parser_load_from_data (parser, text, -1, &error));
  JsonObject *line = json_node_get_object (json_parser_get_root (parser));
  static const char *const expected[][2] = {
      {"level", "warning"},        {"module", "rtsp"},
      {"event", "session-closed"}, {"stream", "cam\n1"},
      {"peer", "1.2.3.4:5"},       {"session", "s1"},
      {"error", "TIMEOUT"},        {"message", "evil \\r\\n\\x1b[31m\\xff\\u202e\\x9b \"quoted\" \xc3\xa9"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpstr (json_object_get_string_member (line, expected[i][0]), ==, expected[i][1]);
  g_autoptr (GDateTime) time =
      g_date_time_new_from_iso8601 (json_object_get_string_member (line, "time"), NULL);
  g_assert_nonnull (time);
}

static void
write_foreign_lines (void)
{
  g_log_structured ("Foreign", G_LOG_LEVEL_MESSAGE, "MESSAGE", "of another\nlibrary");
  g_log_structured ("Foreign", G_LOG_LEVEL_DEBUG, "MESSAGE", "%s", "unwanted detail");
}

static void
test_foreign (void)
{
  g_autofree char *text = capture (LOG_FORMAT_PRETTY, write_foreign_lines);
  g_assert_nonnull (strstr (text, " info    Foreign of another\\nlibrary\n"));
  g_assert_cmpuint (count_lines (text), ==, 1);
}

static void
write_each_level (void)
{
  for (LogLevel level = LOG_ERROR; level <= LOG_TRACE; level++) {
    LOG (LOG_HTTP, level, "level", NULL, "http at %s", log_level_name (level));
    LOG (LOG_AUTH, level, "level", NULL, "auth at %s", log_level_name (level));
  }
}

static void
test_levels (void)
{
  log_set_level (LOG_HTTP, LOG_TRACE);
  log_set_level (LOG_AUTH, LOG_ERROR);
  g_autofree char *text = capture (LOG_FORMAT_PRETTY, write_each_level);
  g_assert_cmpuint (count_lines (text), ==, 6);
  g_assert_nonnull (strstr (text, "http at trace"));
  g_assert_nonnull (strstr (text, "auth at error"));
  g_assert_cmpint (log_get_level (LOG_AUTH), ==, LOG_ERROR);
  g_assert_false (log_enabled (LOG_AUTH, LOG_WARNING));
  log_set_level_all (LOG_INFO);
  g_assert_cmpint (log_get_level (LOG_HTTP), ==, LOG_INFO);
}

static void
write_flood (void)
{
  static const unsigned pause_us = 30 * 1000;
  gint64 end = g_get_monotonic_time () + pause_us;
  for (unsigned i = 0; i < 10 || g_get_monotonic_time () < end; i++)
    LOG (LOG_BASE, LOG_INFO, "flood", NULL, "flooding");
}

static void
test_rate_limit (void)
{
  log_set_rate_limit (3, 20);
  g_autofree char *text = capture (LOG_FORMAT_PRETTY, write_flood);
  log_set_rate_limit (20, 10000);
  g_assert_cmpuint (count_lines (text), >=, 4);
  g_assert_cmpuint (count_lines (text), <=, 9);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (unsigned i = 0; i < 3; i++)
    g_assert_null (strstr (lines[i], "left out"));
  g_assert_nonnull (strstr (lines[3], " more such lines were left out before)"));
}

static void
write_many (void)
{
  for (unsigned i = 0; i < 100; i++)
    LOG (LOG_BASE, LOG_INFO, "many", NULL, "line %u", i);
}

static void
test_rate_limit_off (void)
{
  log_set_rate_limit (0, 10000);
  g_autofree char *text = capture (LOG_FORMAT_JSON, write_many);
  log_set_rate_limit (20, 10000);
  g_assert_cmpuint (count_lines (text), ==, 100);
}

static void
test_names (void)
{
  for (unsigned i = 0; i < LOG_N_MODULES; i++) {
    LogModule module;
    g_assert_true (log_module_from_name (log_module_name (i), &module));
    g_assert_cmpuint (module, ==, i);
  }
  LogLevel level;
  g_assert_true (log_level_from_name ("WARNING", &level));
  g_assert_cmpuint (level, ==, LOG_WARNING);
  g_assert_false (log_level_from_name ("loud", &level));
  LogModule module;
  g_assert_false (log_module_from_name ("", &module));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  log_install (LOG_FORMAT_PRETTY);
  g_test_add_func ("/log/pretty", test_pretty);
  g_test_add_func ("/log/json", test_json);
  g_test_add_func ("/log/foreign", test_foreign);
  g_test_add_func ("/log/levels", test_levels);
  g_test_add_func ("/log/rate-limit", test_rate_limit);
  g_test_add_func ("/log/rate-limit-off", test_rate_limit_off);
  g_test_add_func ("/log/names", test_names);
  return g_test_run ();
}
