/* SPDX-License-Identifier: Apache-2.0 */
/* "sluice config": the effective configuration, the reference page, and hashes of passwords. */
#include "cli/cli.h"

#include "auth/auth.h"
#include "config/dump.h"
#include "config/load.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PASSWORD_LINE_BYTES = 4096 };

/* One line of standard input without its end; on a terminal it is asked for and not shown. NULL at the end of
 * the input. */
static char *
read_password (const char *prompt)
{
  bool terminal = isatty (STDIN_FILENO);
  struct termios before;
  if (terminal) {
    fputs (prompt, stderr);
    terminal = tcgetattr (STDIN_FILENO, &before) == 0;
  }
  if (terminal) {
    struct termios hidden = before;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr (STDIN_FILENO, TCSAFLUSH, &hidden);
  }
  char line[PASSWORD_LINE_BYTES];
  bool got = fgets (line, sizeof line, stdin) != NULL;
  if (terminal) {
    tcsetattr (STDIN_FILENO, TCSAFLUSH, &before);
    fputc ('\n', stderr);
  }
  if (!got)
    return NULL;
  line[strcspn (line, "\r\n")] = '\0';
  return g_strdup (line);
}

static int
hash_password (void)
{
  g_autofree char *password = read_password ("Password: ");
  if (!password) {
    fputs ("sluice config: no password on standard input\n", stderr);
    return 1;
  }
  if (isatty (STDIN_FILENO)) {
    g_autofree char *again = read_password ("Again: ");
    if (g_strcmp0 (password, again) != 0) {
      fputs ("sluice config: the two passwords differ\n", stderr);
      return 1;
    }
  }
  g_autoptr (GError) error = NULL;
  g_autofree char *hash = auth_hash_password (password, &error);
  if (!hash) {
    fprintf (stderr, "sluice config: %s\n", error->message);
    return 1;
  }
  puts (hash);
  return 0;
}

static int
dump (const char *file, char **overrides, unsigned flags)
{
  g_auto (GStrv) environment = g_get_environ ();
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  ConfigSources sources = {.file = file,
                           .environment = (const char *const *)environment,
                           .overrides = (const char *const *)overrides};
  g_autoptr (Settings) settings = config_load (&sources, problems);
  if (!settings) {
    fputs ("Error: Invalid configuration\n", stderr);
    for (unsigned i = 0; i < problems->len; i++)
      fprintf (stderr, "  - %s\n", (const char *)problems->pdata[i]);
    return 1;
  }
  g_autofree char *text = config_dump (settings, flags);
  fputs (text, stdout);
  return 0;
}

static int
print (char *text)
{
  fputs (text, stdout);
  g_free (text);
  return 0;
}

static const char description[] =
    "Examples:\n"
    "  sluice config --dump --config sluice.toml     what holds in the end: file, environment, --set, "
    "defaults\n"
    "  sluice config --dump --with-help > all.toml   a file with every key, its meaning and its default\n"
    "  sluice config --keys                          all keys\n"
    "  sluice config --reference                     the page docs/configuration.md\n"
    "  sluice config hash-password                   asks for a password and prints what goes into "
    "[[auth.users]]\n\n"
    "--dump shows passwords and tokens as \"***\" unless --reveal is given, too.";

static int
run (int argc, char **argv)
{
  g_autofree char *file = NULL;
  g_auto (GStrv) overrides = NULL;
  gboolean want_dump = FALSE, want_help = FALSE, reveal = FALSE, want_reference = FALSE, want_keys = FALSE;
  const GOptionEntry entries[] = {
      {"dump", 0, 0, G_OPTION_ARG_NONE, &want_dump, "Print the effective configuration as TOML", NULL},
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &file, "With --dump: read this file", "FILE"},
      {"set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &overrides, "With --dump: set this over the file",
       "SECTION.KEY=VALUE"},
      {"with-help", 0, 0, G_OPTION_ARG_NONE, &want_help, "With --dump: say what each key means", NULL},
      {"reveal", 0, 0, G_OPTION_ARG_NONE, &reveal, "With --dump: show passwords and tokens", NULL},
      {"reference", 0, 0, G_OPTION_ARG_NONE, &want_reference, "Print the reference page", NULL},
      {"keys", 0, 0, G_OPTION_ARG_NONE, &want_keys, "Print the names of all keys", NULL},
      {NULL},
  };
  if (!cli_parse (&cli_config, entries, description, &argc, &argv))
    return 2;
  bool want_hash = argc == 2 && g_str_equal (argv[1], "hash-password");
  if (want_dump + want_reference + want_keys + want_hash != 1 || (argc > 1 && !want_hash)) {
    fputs ("sluice config: needs one of --dump, --reference, --keys and hash-password\n"
           "'sluice config --help' tells how it is used.\n",
           stderr);
    return 2;
  }
  if (want_hash)
    return hash_password ();
  if (want_reference)
    return print (config_reference_markdown ());
  if (want_keys)
    return print (config_key_list ());
  return dump (file, overrides, (want_help ? CONFIG_DUMP_HELP : 0) | (reveal ? 0 : CONFIG_DUMP_HIDE_SECRETS));
}

const CliCommand cli_config = {"config", "[hash-password]", "Show the configuration, or hash a password",
                               run};
