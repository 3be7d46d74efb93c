/* SPDX-License-Identifier: Apache-2.0 */
/* sluice ctl, the program itself, against a server in this process. */
#include "api-fixture.h"

#include <gio/gio.h>
#include <string.h>

/* NULL-terminated words behind "sluice ctl". Checks the exit status and what was printed on either side. */
static void
ctl (uint16_t port, int status, const char *out, const char *err, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (argv, g_strdup (g_getenv ("SLUICE_TEST_BINARY")));
  g_ptr_array_add (argv, g_strdup ("ctl"));
  g_ptr_array_add (argv, g_strdup_printf ("--url=http://127.0.0.1:%u/", port));
  va_list words;
  va_start (words, err);
  for (const char *word; (word = va_arg (words, const char *));)
    g_ptr_array_add (argv, g_strdup (word));
  va_end (words);
  g_ptr_array_add (argv, NULL);

  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process =
      g_subprocess_newv ((const char *const *)argv->pdata,
                         G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
  g_assert_no_error (error);
  g_autofree char *stdout_text = NULL;
  g_autofree char *stderr_text = NULL;
  g_subprocess_communicate_utf8 (process, NULL, NULL, &stdout_text, &stderr_text, &error);
  g_assert_no_error (error);
  g_autofree char *line = g_strjoinv (" ", (char **)argv->pdata);
  g_test_message ("%s\n%s%s", line, stdout_text, stderr_text);
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, status);
  if (out)
    g_assert_nonnull (strstr (stdout_text, out));
  if (err)
    g_assert_nonnull (strstr (stderr_text, err));
}

static void
operate (Fixture *fixture)
{
  uint16_t port = fixture->port;
  ctl (port, 0, "ID  STATE  TRACKS  READERS", NULL, "list", NULL);
  ctl (port, 0, "live/a: added", NULL, "add", "live/a", NULL);
  ctl (port, 0, "cam: added", NULL, "add", "cam", "fake:silent", "--set", "title=Door", "--set",
       "on_demand=false", NULL);
  ctl (port, 1, NULL, "exists already", "add", "cam", NULL);
  ctl (port, 1, NULL, "did you mean", "add", "x", "--set", "tittle=a", NULL);
  ctl (port, 0, "cam     starting  ", NULL, "list", NULL);
  ctl (port, 0, "\"id\" : \"live/a\"", NULL, "--json", "status", "live/a", NULL);
  ctl (port, 0, "name            Door\n", NULL, "status", "cam", NULL);
  ctl (port, 0, "streams         2\n", NULL, "status", NULL);
  ctl (port, 0, "cam: changed", NULL, "set", "cam", "--set", "title=Gate", NULL);
  ctl (port, 2, NULL, "nothing to set", "set", "cam", NULL);
  ctl (port, 2, NULL, "must be KEY=VALUE", "set", "cam", "--set", "title", NULL);
  ctl (port, 0, "cam: stopping", NULL, "stop", "cam", NULL);
  ctl (port, 0, "cam: starting", NULL, "start", "cam", NULL);
  ctl (port, 0, "cam: restarting", NULL, "restart", "cam", NULL);
  ctl (port, 0, "ID  PROTOCOL", NULL, "readers", "cam", NULL);
  ctl (port, 1, NULL, "no reader", "readers", "cam", "--kick", "nobody", NULL);
  ctl (port, 0, "system.started", NULL, "events", NULL);
  ctl (port, 0, "\"type\":\"system.started\"", NULL, "--json", "events", "--since", "0", NULL);
  ctl (port, 0, "live/a: removed", NULL, "rm", "live/a", NULL);
  ctl (port, 1, NULL, "no such stream", "rm", "live/a", NULL);
  ctl (port, 2, NULL, "usage: sluice ctl rm NAME", "rm", NULL);
  ctl (port, 2, NULL, "there is no verb \"dance\"", "dance", NULL);
  ctl (port, 2, NULL, "what shall it do", NULL);
}

static void
test_operate (void)
{
  ApiFixture fixture;
  api_fixture_set_up (&fixture);
  fixture_run (&fixture.http, operate);
  api_fixture_tear_down (&fixture);
}

/* Text of a peer must not move the cursor of an operator's terminal. */
static void
show_hostile_text (Fixture *fixture)
{
  journal_add (((ApiFixture *)fixture)->journal, "test.hostile", NULL, "a\033[2Jb\nc", NULL);
  ctl (fixture->port, 0, "a?[2Jb?c\n", NULL, "events", NULL);
}

static void
test_hostile_text (void)
{
  ApiFixture fixture;
  api_fixture_set_up (&fixture);
  fixture_run (&fixture.http, show_hostile_text);
  api_fixture_tear_down (&fixture);
}

static void
test_no_server (void)
{
  ApiFixture fixture;
  api_fixture_set_up (&fixture);
  uint16_t port = fixture.http.port;
  api_fixture_tear_down (&fixture);
  ctl (port, 1, NULL, "Start one with \"sluice serve", "list", NULL);
  ctl (port, 1, NULL, "no server answers", "events", "--follow", NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/http/ctl/operate", test_operate);
  g_test_add_func ("/http/ctl/hostile-text", test_hostile_text);
  g_test_add_func ("/http/ctl/no-server", test_no_server);
  return g_test_run ();
}
