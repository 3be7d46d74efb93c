/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed must read back as the same settings, and what is shipped must be good and fresh. */
#include "config/diff.h"
#include "config/dump.h"
#include "config/load.h"

#include <string.h>

static Settings *
load (const char *text)
{
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  ConfigSources sources = {.file = "x", .text = text, .n_text = strlen (text)};
  Settings *settings = config_load (&sources, problems);
  if (!settings)
    g_error ("%s\n%s", (char *)problems->pdata[0], text);
  return settings;
}

static const char *const texts[] = {
    "",
    "[http]\nenabled = false\nlisten = []\ncors_origins = ['*']\ntls_certificate = 'a'\ntls_key = 'b'\n"
    "[log]\nmodules = { rtsp = 'debug', base = 'trace' }\n",
    "[rtsp]\nsession_timeout = 61\nheader_bytes = 5000\ntransports = 'udp'\n",
    "[auth]\nanonymous = [{ actions = ['read', 'metrics'] }, { actions = ['publish'], path = 'a/*' }]\n"
    "[[auth.users]]\nname = 'a \"b\\'\npassword = '''$${p}'\"'''\npermissions = [{ actions = ['api'] }]\n"
    "[[auth.users]]\nname = 'c'\npassword = 'd'\npermissions = []\n"
    "[[auth.tokens]]\nname = 't'\ntoken = 'x'\npermissions = [{ actions = ['api'] }]\n",
    "[defaults]\nusername = 'u'\ntitle = 't'\ntransport = 'tcp'\nretry_min = 0.5\n"
    "[streams.a]\nusername = ''\nsource = 'pipeline: x ! \"y\" name=video $${V}'\ndescription = "
    "\"a\\nb\\u0007\\u00e4\"\n"
    "[streams.'l/b.c']\nsource = ['rtsp://u:p@h/', 'test:']\ntransport = 'auto'\n"
    "[streams.'*']\non_demand = true\n"
    "[streams.'x-*']\nmax_attempts = 3\nworker_memory = 0\n",
};

static void
test_dump_reads_back_as_the_same (void)
{
  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (Settings) settings = load (texts[i]);
    for (unsigned flags = 0; flags <= CONFIG_DUMP_HELP; flags++) {
      g_autofree char *dump = config_dump (settings, flags);
      g_autoptr (Settings) back = load (dump);
      g_autoptr (ConfigDiff) diff = config_diff (settings, back);
      if (!config_diff_is_empty (diff))
        g_error ("%s", dump);
      g_autofree char *again = config_dump (back, flags);
      g_assert_cmpstr (dump, ==, again);
    }
  }
}

static void
test_secrets_can_be_hidden (void)
{
  g_autoptr (Settings) settings =
      load ("[[auth.users]]\nname = 'a'\npassword = 'hunter2'\npermissions = []\n"
            "[[auth.tokens]]\nname = 'a'\ntoken = 'hunter2'\npermissions = []\n"
            "[defaults]\npassword = 'hunter2'\n"
            "[streams.a]\nsource = ['rtsp://u:hunter2@h/', 'rtsp://u:p@hunter2@h/x',"
            "'srt://h:1?x=1&passphrase=hunter2hunter2&y=2']\n");
  g_autofree char *dump = config_dump (settings, CONFIG_DUMP_HIDE_SECRETS);
  g_assert_null (strstr (dump, "hunter2"));
  g_assert_nonnull (strstr (dump, "\"rtsp://***@h/\""));
  g_assert_nonnull (strstr (dump, "\"srt://h:1?x=1&passphrase=***&y=2\""));
  g_autofree char *revealed = config_dump (settings, 0);
  g_assert_nonnull (strstr (revealed, "rtsp://u:hunter2@h/"));
}

static char *
read_source_file (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "..", folder, name, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

static void
test_shipped_example_is_good (void)
{
  g_autofree char *text = read_source_file ("data", "sluice.toml");
  g_autoptr (Settings) settings = load (text);
  g_assert_nonnull (settings_find_stream (settings, "demo"));

  /* And what it shows in comments, too: lines that look like TOML, but for the words between them. */
  GString *shown = g_string_new (NULL);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line; line++) {
    bool toml = g_regex_match_simple ("^# (\\[|[a-z_]+ = )", *line, 0, 0);
    g_string_append (shown, toml ? *line + 2 : *line);
    g_string_append_c (shown, '\n');
  }
  static const char *const environment[] = {"CAMERA_PASSWORD=x", NULL};
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  char *hash = strstr (shown->str, "$argon2id$...");
  g_assert_nonnull (hash);
  memcpy (hash, "$argon2id$v=1", strlen ("$argon2id$v=1"));
  ConfigSources sources = {
      .file = "shown", .text = shown->str, .n_text = shown->len, .environment = environment};
  g_autoptr (Settings) all = config_load (&sources, problems);
  if (!all)
    g_error ("%s", (char *)problems->pdata[0]);
  g_assert_cmpuint (all->streams->len, ==, 2);
  g_assert_cmpuint (all->patterns->len, ==, 1);
  g_assert_cmpuint (all->users->len, ==, 1);
  g_assert_cmpuint (all->anonymous->len, ==, 1);
  g_string_free (shown, TRUE);
}

static void
test_reference_page_is_fresh (void)
{
  g_autofree char *page = read_source_file ("docs", "configuration.md");
  g_autofree char *reference = config_reference_markdown ();
  if (!g_str_equal (page, reference))
    g_error ("docs/configuration.md is stale; run: build/sluice config --reference > docs/configuration.md");
}

static void
test_key_list (void)
{
  g_autofree char *list = config_key_list ();
  g_assert_nonnull (strstr (list, "rtsp.listen\n"));
  g_assert_nonnull (strstr (list, "streams.NAME.source\n"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dump/reads-back-as-the-same", test_dump_reads_back_as_the_same);
  g_test_add_func ("/dump/secrets-can-be-hidden", test_secrets_can_be_hidden);
  g_test_add_func ("/dump/shipped-example-is-good", test_shipped_example_is_good);
  g_test_add_func ("/dump/reference-page-is-fresh", test_reference_page_is_fresh);
  g_test_add_func ("/dump/key-list", test_key_list);
  return g_test_run ();
}
