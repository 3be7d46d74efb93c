/* SPDX-License-Identifier: Apache-2.0 */
/* The reference page, from the key table. */
#include "config/dump.h"
#include "config/keys.h"

#include <string.h>

static const char preamble[] =
    "# Configuration\n"
    "\n"
    "<!-- Made by `sluice config --reference`; change src/config/keys.c instead. -->\n"
    "\n"
    "Everything has a default; an empty file is a good one. Values come from three places, later ones over "
    "earlier "
    "ones:\n"
    "\n"
    "1. the TOML file of `sluice serve --config FILE`,\n"
    "2. environment variables `SLUICE_SECTION_KEY`, such as `SLUICE_RTSP_LISTEN=:9554`; for all streams\n"
    "   `SLUICE_DEFAULTS_KEY`, and for one stream `SLUICE_STREAMS_NAME_KEY`, where NAME is the stream's name "
    "in upper "
    "case\n"
    "   with `_` for everything but letters and digits,\n"
    "3. `--set section.key=value` on the command line, such as `--set streams.cam-1.transport=tcp`.\n"
    "\n"
    "`sluice check FILE` reports everything that is wrong with a file, `sluice config --dump --config FILE` "
    "prints what "
    "holds\n"
    "in the end. A configuration with a mistake in it is refused whole, on start and on reload.\n"
    "\n"
    "* A **duration** is `\"500ms\"`, `\"10s\"`, `\"2m\"`, `\"1h\"`, `\"1d\"`, or a plain number of "
    "seconds.\n"
    "* A **size** is `\"512KiB\"`, `\"8MiB\"`, `\"2GiB\"` (powers of 1024), `\"4MB\"` (powers of 1000), or a "
    "plain number "
    "of bytes.\n"
    "* In a string of the file `${NAME}` is replaced by the environment variable NAME, which must be set; "
    "`$${` stands "
    "for\n"
    "  the characters `${`.\n"
    "* In the environment and on the command line a list is written with commas (`tcp, udp`) or as in TOML\n"
    "  (`[\"tcp\", \"udp\"]`).\n"
    "\n"
    "*Applied* says what a changed value does on reload (`SIGHUP`): **hot** ones hold at once, or for "
    "whoever connects\n"
    "next; **source** ones start the source of that stream again; **restart** ones wait for the daemon to "
    "start again.\n";

static void
append_cell (GString *out, const char *text)
{
  for (const char *c = text; *c; c++) {
    if (*c == '|')
      g_string_append_c (out, '\\');
    g_string_append_c (out, *c);
  }
}

static void
append_default (GString *out, const Key *key)
{
  if (key->required)
    g_string_append (out, "required");
  else if (key->initial_help)
    append_cell (out, key->initial_help);
  else if (!*key->initial)
    g_string_append (out, "none");
  else if (key->type == KEY_STRINGS && key->check != CHECK_URL) {
    g_auto (GStrv) items = g_strsplit (key->initial, ", ", -1);
    g_autofree char *joined = g_strjoinv ("\", \"", items);
    g_string_append_printf (out, "`[\"%s\"]`", joined);
  } else if (key->type == KEY_BOOL || key->type == KEY_INT)
    g_string_append_printf (out, "`%s`", key->initial);
  else
    g_string_append_printf (out, "`\"%s\"`", key->initial);
}

static void
append_key (GString *out, const Key *key)
{
  static const char *const applied[] = {
      [APPLY_HOT] = "hot", [APPLY_SOURCE] = "source", [APPLY_RESTART] = "restart"};
  g_autofree char *range = key_range_text (key);
  g_string_append_printf (out, "| `%s`", key->name);
  if (!strchr (key->section, '.') && !g_str_equal (key->section, "permission")) {
    g_autofree char *variable = key_environment_name (key);
    g_string_append_printf (out, "<br>`%s`", variable);
  }
  g_string_append_printf (out, " | %s%s%s | ", key_type_text (key), range ? ": " : "", range ? range : "");
  append_default (out, key);
  g_string_append_printf (out, " | %s | ", applied[key->apply]);
  append_cell (out, key->help);
  if (key->example) {
    g_string_append (out, " Example: `");
    append_cell (out, key->example);
    g_string_append (out, "`");
  }
  g_string_append (out, " |\n");
}

char *
config_reference_markdown (void)
{
  GString *out = g_string_new (preamble);
  const char *help;
  const char *section;
  for (unsigned i = 0; (section = keys_section (i, &help)); i++) {
    bool nested = strchr (section, '.') != NULL;
    if (g_str_equal (section, KEY_STREAM_SECTION))
      g_string_append (out, "\n## [streams.NAME] and [defaults]\n");
    else if (g_str_equal (section, "permission"))
      g_string_append (out, "\n## Permissions\n");
    else
      g_string_append_printf (out, nested ? "\n## [[%s]]\n" : "\n## [%s]\n", section);
    g_string_append_printf (out, "\n%s\n", help);
    g_string_append (out, "\n| Key | Type | Default | Applied | |\n| --- | --- | --- | --- | --- |\n");
    for (const Key *key = keys_next (section, NULL); key; key = keys_next (section, key))
      append_key (out, key);
  }
  return g_string_free (out, FALSE);
}

char *
config_key_list (void)
{
  GString *out = g_string_new (NULL);
  size_t n_keys;
  const Key *keys = keys_all (&n_keys);
  for (const Key *key = keys; key < keys + n_keys; key++)
    g_string_append_printf (out, "%s.%s\n",
                            g_str_equal (key->section, KEY_STREAM_SECTION) ? "streams.NAME" : key->section,
                            key->name);
  return g_string_free (out, FALSE);
}
