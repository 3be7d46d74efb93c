/* SPDX-License-Identifier: Apache-2.0 */
/* Lays the three layers over the defaults and reports everything that is wrong with them at once. What
 * several keys must agree on is cross.c. */
#include "config/load.h"

#include "config/cross.h"
#include "config/layer.h"
#include "config/value.h"

#include <string.h>

enum { N_LAYERS = 3 };

typedef struct {
  Settings *settings;
  ConfigProblems problems;
  ConfigNode *layers[N_LAYERS];
  GHashTable *places; /* "rtsp.listen" -> ConfigNode (of a layer) that set it last */
} Loader;

static void
set_keys (Loader *loader, const char *section, void *object, const ConfigNode *table, const char *path)
{
  for (unsigned i = 0; i < table->children->len; i++) {
    ConfigNode *node = table->children->pdata[i];
    g_autofree char *node_path = g_strdup_printf ("%s.%s", path, node->name);
    const Key *key = keys_find (section, node->name);
    if (!key && node->type == NODE_TABLE && g_str_has_prefix (path, "streams."))
      config_problem (
          &loader->problems, node, node_path,
          "unknown key; a stream name with a dot or slash is written in quotes: [streams.\"%s.%s\"]",
          path + strlen ("streams."), node->name);
    else if (!key)
      key_unknown (section, node, node_path, &loader->problems);
    else
      node->bad = !key_set (key, object, node, node_path, &loader->problems);
    g_hash_table_insert (loader->places, g_steal_pointer (&node_path), node);
  }
}

static bool
is_table (Loader *loader, const ConfigNode *node, const char *path)
{
  if (node->type != NODE_TABLE)
    config_problem (&loader->problems, node, path, "must be a section, not %s", config_node_type_text (node));
  return node->type == NODE_TABLE;
}

static void
set_section (Loader *loader, const ConfigNode *section)
{
  static const char *const known[] = {"log", "http", "rtsp", "limits", "state", "auth", NULL};
  if (g_strv_contains (known, section->name)) {
    if (is_table (loader, section, section->name))
      set_keys (loader, section->name, loader->settings, section, section->name);
    return;
  }
  const char *closest = keys_suggest_section (section->name);
  if (closest)
    config_problem (&loader->problems, section, section->name, "unknown section; did you mean [%s]?",
                    closest);
  else
    config_problem (&loader->problems, section, section->name, "unknown section");
}

static StreamSettings *
find_or_add_stream (Settings *settings, const char *name)
{
  GPtrArray *list = strchr (name, '*') ? settings->patterns : settings->streams;
  for (unsigned i = 0; i < list->len; i++) {
    StreamSettings *stream = list->pdata[i];
    if (g_str_equal (stream->name, name))
      return stream;
  }
  StreamSettings *stream = stream_settings_copy (settings->defaults, name);
  g_ptr_array_add (list, stream);
  return stream;
}

static void
set_streams (Loader *loader, const ConfigNode *streams)
{
  if (!is_table (loader, streams, "streams"))
    return;
  for (unsigned i = 0; i < streams->children->len; i++) {
    const ConfigNode *node = streams->children->pdata[i];
    g_autofree char *path = g_strdup_printf ("streams.%s", node->name);
    g_autoptr (GError) error = NULL;
    if (!settings_check_pattern (node->name, &error)) {
      config_problem (&loader->problems, node, "streams", "%s", error->message);
    } else if (node->type != NODE_TABLE && keys_find (KEY_STREAM_SECTION, node->name)) {
      config_problem (&loader->problems, node, path,
                      "a key of streams belongs under [streams.NAME] or [defaults]");
    } else if (is_table (loader, node, path)) {
      StreamSettings *stream = find_or_add_stream (loader->settings, node->name);
      g_hash_table_insert (loader->places, g_strdup (path), (void *)node);
      set_keys (loader, KEY_STREAM_SECTION, stream, node, path);
    }
  }
}

static void
apply_layers (Loader *loader)
{
  for (unsigned i = 0; i < N_LAYERS; i++) {
    const ConfigNode *layer = loader->layers[i];
    for (unsigned j = 0; layer && j < layer->children->len; j++) {
      const ConfigNode *section = layer->children->pdata[j];
      if (g_str_equal (section->name, "streams"))
        continue;
      if (!g_str_equal (section->name, "defaults"))
        set_section (loader, section);
      else if (is_table (loader, section, "defaults"))
        set_keys (loader, KEY_STREAM_SECTION, loader->settings->defaults, section, "defaults");
    }
  }
  /* Streams start from [defaults] of all layers. */
  for (unsigned i = 0; i < N_LAYERS; i++) {
    const ConfigNode *streams = loader->layers[i] ? config_node_get (loader->layers[i], "streams") : NULL;
    if (streams)
      set_streams (loader, streams);
  }
  settings_sort_patterns (loader->settings);
}

Settings *
config_load (const ConfigSources *sources, GPtrArray *ret_problems)
{
  unsigned n_before = ret_problems->len;
  g_autoptr (Settings) settings = settings_new_default ();
  Loader loader = {
      .settings = settings,
      .problems = {.list = ret_problems, .file = sources->file},
      .places = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
  };
  if (sources->file || sources->text)
    loader.layers[0] = config_layer_from_file (sources->file ? sources->file : "-", sources->text,
                                               sources->n_text, sources->environment, &loader.problems);
  loader.layers[1] = config_layer_from_environment (sources->environment, loader.layers[0], &loader.problems);
  loader.layers[2] = config_layer_from_overrides (sources->overrides, &loader.problems);
  apply_layers (&loader);
  config_check_together (settings, loader.places, &loader.problems);
  g_hash_table_unref (loader.places);
  for (unsigned i = 0; i < N_LAYERS; i++)
    config_node_free (loader.layers[i]);
  return ret_problems->len == n_before ? g_steal_pointer (&settings) : NULL;
}
