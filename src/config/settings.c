/* SPDX-License-Identifier: Apache-2.0 */
/* Life of the settings structs, names and patterns of streams. What the members mean is in the key table. */
#include "config/settings.h"

#include "base/error.h"
#include "config/node.h"
#include "config/value.h"

#include <string.h>
#include <unistd.h>

enum { STREAM_NAME_BYTES_MAX = 255 };

/* Sections whose members are in Settings itself. */
static const char *const sections[] = {"log", "http", "rtsp", "limits", "state", "auth"};

#define INVALID(error, ...) g_set_error ((error), SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, __VA_ARGS__)

static char *
default_state_path (void)
{
  const char *service = g_getenv ("STATE_DIRECTORY");
  if (service && *service)
    return g_strndup (service, strcspn (service, ":"));
  if (geteuid () == 0 &&
      access (g_file_test ("/var/lib/sluice", G_FILE_TEST_IS_DIR) ? "/var/lib/sluice" : "/var/lib", W_OK) ==
          0)
    return g_strdup ("/var/lib/sluice");
  return g_build_filename (g_get_user_state_dir (), "sluice", NULL);
}

static Settings *
new_empty (void)
{
  Settings *settings = g_new0 (Settings, 1);
  g_atomic_ref_count_init (&settings->ref);
  settings->streams = g_ptr_array_new_with_free_func ((GDestroyNotify)stream_settings_unref);
  settings->patterns = g_ptr_array_new_with_free_func ((GDestroyNotify)stream_settings_unref);
  return settings;
}

Settings *
settings_new_default (void)
{
  Settings *settings = new_empty ();
  for (unsigned i = 0; i < G_N_ELEMENTS (sections); i++)
    keys_init (sections[i], settings);
  settings->state_path = default_state_path ();
  settings->defaults = stream_settings_new_default ("");
  return settings;
}

static void *
copy_ref (const void *stream, void *data)
{
  return stream_settings_ref ((StreamSettings *)stream);
}

Settings *
settings_copy (const Settings *settings)
{
  Settings *copy = new_empty ();
  for (unsigned i = 0; i < G_N_ELEMENTS (sections); i++)
    keys_copy (sections[i], copy, settings);
  copy->defaults = stream_settings_ref (settings->defaults);
  g_ptr_array_extend (copy->streams, settings->streams, copy_ref, NULL);
  g_ptr_array_extend (copy->patterns, settings->patterns, copy_ref, NULL);
  return copy;
}

Settings *
settings_ref (Settings *settings)
{
  g_atomic_ref_count_inc (&settings->ref);
  return settings;
}

void
settings_unref (Settings *settings)
{
  if (!settings || !g_atomic_ref_count_dec (&settings->ref))
    return;
  for (unsigned i = 0; i < G_N_ELEMENTS (sections); i++)
    keys_clear (sections[i], settings);
  stream_settings_unref (settings->defaults);
  g_ptr_array_unref (settings->streams);
  g_ptr_array_unref (settings->patterns);
  g_free (settings);
}

StreamSettings *
stream_settings_new_default (const char *name)
{
  StreamSettings *settings = g_atomic_rc_box_new0 (StreamSettings);
  settings->name = g_strdup (name);
  keys_init (KEY_STREAM_SECTION, settings);
  return settings;
}

StreamSettings *
stream_settings_copy (const StreamSettings *base, const char *name)
{
  StreamSettings *settings = g_atomic_rc_box_new0 (StreamSettings);
  settings->name = g_strdup (name);
  keys_copy (KEY_STREAM_SECTION, settings, base);
  return settings;
}

StreamSettings *
stream_settings_ref (StreamSettings *settings)
{
  return g_atomic_rc_box_acquire (settings);
}

static void
clear_stream_settings (void *data)
{
  StreamSettings *settings = data;
  keys_clear (KEY_STREAM_SECTION, settings);
  g_free (settings->name);
}

void
stream_settings_unref (StreamSettings *settings)
{
  if (settings)
    g_atomic_rc_box_release_full (settings, clear_stream_settings);
}

bool
stream_settings_equal (const StreamSettings *a, const StreamSettings *b)
{
  for (const Key *key = keys_next (KEY_STREAM_SECTION, NULL); key; key = keys_next (KEY_STREAM_SECTION, key))
    if (!key_equal (key, a, b))
      return false;
  return true;
}

bool
stream_settings_equal_source (const StreamSettings *a, const StreamSettings *b)
{
  for (const Key *key = keys_next (KEY_STREAM_SECTION, NULL); key; key = keys_next (KEY_STREAM_SECTION, key))
    if (key->apply == APPLY_SOURCE && !key_equal (key, a, b))
      return false;
  return true;
}

StreamSettings *
settings_find_stream (const Settings *settings, const char *name)
{
  for (unsigned i = 0; i < settings->streams->len; i++) {
    StreamSettings *stream = settings->streams->pdata[i];
    if (g_str_equal (stream->name, name))
      return stream;
  }
  for (unsigned i = 0; i < settings->patterns->len; i++) {
    StreamSettings *pattern = settings->patterns->pdata[i];
    if (settings_glob_match (pattern->name, name))
      return pattern;
  }
  return NULL;
}

bool
settings_check_stream_name (const char *name, GError **error)
{
  g_autofree char *shown = config_quote (name);
  if (!*name) {
    INVALID (error, "a stream name must not be empty");
    return false;
  }
  if (strlen (name) > STREAM_NAME_BYTES_MAX) {
    INVALID (error, "stream name %s is longer than %d bytes", shown, STREAM_NAME_BYTES_MAX);
    return false;
  }
  for (const char *c = name; *c; c++) {
    if (!g_ascii_isalnum (*c) && !strchr ("_-.~@/", *c)) {
      INVALID (error, "stream name %s holds a character other than letters, digits and _-.~@/", shown);
      return false;
    }
  }
  g_auto (GStrv) parts = g_strsplit (name, "/", -1);
  for (char **part = parts; *part; part++) {
    if (!**part) {
      INVALID (error, "stream name %s starts or ends with a slash, or holds two in a row", shown);
      return false;
    }
    if (g_str_equal (*part, ".") || g_str_equal (*part, "..")) {
      INVALID (error, "stream name %s holds \"%s\" between slashes", shown, *part);
      return false;
    }
  }
  return true;
}

bool
settings_check_pattern (const char *pattern, GError **error)
{
  g_autofree char *name = g_strdup (pattern);
  /* As if each star stood for one letter. */
  return settings_check_stream_name (g_strdelimit (name, "*", 'x'), error);
}

bool
settings_glob_match (const char *pattern, const char *name)
{
  const char *star = NULL, *resume = NULL;
  while (*name) {
    if (*pattern == '*') {
      star = ++pattern;
      resume = name;
    } else if (*pattern == *name) {
      pattern++;
      name++;
    } else if (star) {
      /* The star takes one character more. */
      pattern = star;
      name = ++resume;
    } else {
      return false;
    }
  }
  while (*pattern == '*')
    pattern++;
  return !*pattern;
}

static unsigned
literal_length (const StreamSettings *pattern)
{
  unsigned n = 0;
  for (const char *c = pattern->name; *c; c++)
    n += *c != '*';
  return n;
}

static int
compare_patterns (const void *a, const void *b)
{
  const StreamSettings *x = *(StreamSettings *const *)a, *y = *(StreamSettings *const *)b;
  unsigned n_x = literal_length (x), n_y = literal_length (y);
  if (n_x != n_y)
    return n_x > n_y ? -1 : 1;
  return strcmp (x->name, y->name);
}

void
settings_sort_patterns (Settings *settings)
{
  g_ptr_array_sort (settings->patterns, compare_patterns);
}

bool
settings_has_access_rules (const Settings *settings)
{
  return settings->users->len > 0 || settings->tokens->len > 0 || settings->anonymous->len > 0;
}
