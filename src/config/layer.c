/* SPDX-License-Identifier: Apache-2.0 */
/* The file, the environment and the command line as trees of the same shape. */
#include "config/layer.h"

#include "config/keys.h"
#include "config/text.h"
#include "config/toml.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define VARIABLE_PREFIX "SLUICE_"

/* At most TOML_BYTES_MAX + 1 bytes of @file, which may be a pipe; NULL and errno when it cannot be read. */
static GByteArray *
read_file (const char *file)
{
  int fd = open (file, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return NULL;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  uint8_t chunk[16 * 1024];
  ssize_t n = 1;
  while (n > 0 && bytes->len <= TOML_BYTES_MAX) {
    n = read (fd, chunk, sizeof chunk);
    if (n > 0)
      g_byte_array_append (bytes, chunk, (guint)n);
    else if (n < 0 && errno == EINTR)
      n = 1;
  }
  int saved_errno = errno;
  close (fd);
  errno = saved_errno;
  return n < 0 ? NULL : g_steal_pointer (&bytes);
}

/* Appends the variable that starts at @text ("${NAME}..."); the rest after it, or NULL and a problem. */
static const char *
append_variable (GString *result, const char *text, const char *const *environment, const ConfigNode *node,
                 const char *path, ConfigProblems *problems)
{
  const char *name = text + strlen ("${");
  size_t n_name = strspn (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_");
  if (n_name == 0 || g_ascii_isdigit (*name) || name[n_name] != '}') {
    config_problem (problems, node, path,
                    "\"${\" must be followed by the name of a variable and \"}\"; write \"$${\" "
                    "for the characters themselves");
    return NULL;
  }
  g_autofree char *variable = g_strndup (name, n_name);
  const char *value = g_environ_getenv ((char **)environment, variable);
  if (!value) {
    config_problem (problems, node, path, "the environment has no variable %s", variable);
    return NULL;
  }
  g_string_append (result, value);
  return name + n_name + 1;
}

static void
substitute_string (ConfigNode *node, const char *const *environment, const char *path,
                   ConfigProblems *problems)
{
  if (!strstr (node->string, "${"))
    return;
  g_autoptr (GString) result = g_string_new (NULL);
  for (const char *text = node->string; *text;) {
    if (g_str_has_prefix (text, "$${")) {
      g_string_append (result, "${");
      text += strlen ("$${");
    } else if (g_str_has_prefix (text, "${")) {
      text = append_variable (result, text, environment, node, path, problems);
      node->bad = !text;
      if (!text)
        return;
      node->loose = true;
    } else {
      g_string_append_c (result, *text++);
    }
  }
  g_free (node->string);
  node->string = g_string_free (g_steal_pointer (&result), FALSE);
}

static void
substitute (ConfigNode *node, const char *const *environment, const char *path, ConfigProblems *problems)
{
  if (node->type == NODE_STRING)
    substitute_string (node, environment, path, problems);
  for (unsigned i = 0; node->children && i < node->children->len; i++) {
    ConfigNode *child = node->children->pdata[i];
    g_autofree char *child_path = !child->name ? g_strdup (path)
                                  : *path      ? g_strdup_printf ("%s.%s", path, child->name)
                                               : g_strdup (child->name);
    substitute (child, environment, child_path, problems);
  }
}

ConfigNode *
config_layer_from_file (const char *file, const char *text, size_t n_text, const char *const *environment,
                        ConfigProblems *problems)
{
  g_autoptr (GByteArray) bytes = NULL;
  if (!text) {
    bytes = read_file (file);
    if (!bytes) {
      g_ptr_array_add (problems->list, g_strdup_printf ("%s: cannot be read: %s", file, g_strerror (errno)));
      return NULL;
    }
    text = bytes->data ? (const char *)bytes->data : "";
    n_text = bytes->len;
  }
  unsigned line = 0;
  g_autoptr (GError) error = NULL;
  g_autoptr (ConfigNode) root = config_toml_parse (text, n_text, &line, &error);
  if (!root) {
    g_autofree char *where = line > 0 ? g_strdup_printf ("%s:%u", file, line) : g_strdup (file);
    g_ptr_array_add (problems->list, g_strdup_printf ("%s: %s", where, error->message));
    return NULL;
  }
  substitute (root, environment, "", problems);
  return g_steal_pointer (&root);
}

static void
set_origin (ConfigNode *node, const char *origin)
{
  g_free (node->origin);
  node->origin = g_strdup (origin);
  for (unsigned i = 0; node->children && i < node->children->len; i++)
    set_origin (node->children->pdata[i], origin);
}

/* @text as a value: TOML when it looks like a list or table and is one ("[::1]:8554" is not), else text that
 * may stand for anything. */
static ConfigNode *
value_from_text (const char *name, const char *text, const char *origin)
{
  ConfigNode *node = NULL;
  if (*text == '[' || *text == '{') {
    unsigned line;
    g_autofree char *document = g_strdup_printf ("value = %s", text);
    g_autoptr (ConfigNode) root = config_toml_parse (document, strlen (document), &line, NULL);
    if (root && root->children->len == 1) {
      node = g_ptr_array_steal_index (root->children, 0);
      g_free (node->name);
      node->name = g_strdup (name);
    }
  }
  if (!node) {
    node = config_node_new_string (name, text);
    node->loose = true;
  }
  set_origin (node, origin);
  return node;
}

static ConfigNode *
get_table (ConfigNode *parent, const char *name, const char *origin)
{
  ConfigNode *table = config_node_get (parent, name);
  if (!table) {
    table = config_node_new (NODE_TABLE, name);
    table->origin = g_strdup (origin);
    config_node_add (parent, table);
  }
  return table;
}

/* Sets section.key, or streams.@stream.key when @stream is not NULL; the last one wins. */
static void
set_value (ConfigNode *root, const char *section, const char *stream, const char *key, const char *text,
           const char *origin)
{
  ConfigNode *table = get_table (root, section, origin);
  if (stream)
    table = get_table (table, stream, origin);
  ConfigNode *old = config_node_get (table, key);
  if (old)
    g_ptr_array_remove (table->children, old);
  config_node_add (table, value_from_text (key, text, origin));
}

/* The name that a stream has in a variable: "cam-1" is CAM_1. */
static char *
variable_form (const char *name)
{
  char *form = g_ascii_strup (name, -1);
  for (char *c = form; *c; c++)
    if (!g_ascii_isalnum (*c))
      *c = '_';
  return form;
}

/* The stream of the file that NAME means; NULL: none. */
static const char *
find_stream (const ConfigNode *file_layer, const char *form)
{
  const ConfigNode *streams = file_layer ? config_node_get (file_layer, "streams") : NULL;
  for (unsigned i = 0; streams && streams->type == NODE_TABLE && i < streams->children->len; i++) {
    const ConfigNode *stream = streams->children->pdata[i];
    g_autofree char *stream_form = variable_form (stream->name);
    if (g_str_equal (stream_form, form))
      return stream->name;
  }
  return NULL;
}

/* NAME_KEY: the stream of the file that fits, else the longest key. */
static bool
set_stream_variable (ConfigNode *root, const char *rest, const char *value, const char *origin,
                     const ConfigNode *file_layer)
{
  const Key *best = NULL;
  const char *stream = NULL;
  g_autofree char *new_stream = NULL;
  for (const Key *key = keys_next (KEY_STREAM_SECTION, NULL); key;
       key = keys_next (KEY_STREAM_SECTION, key)) {
    g_autofree char *key_form = variable_form (key->name);
    g_autofree char *suffix = g_strconcat ("_", key_form, NULL);
    if (!g_str_has_suffix (rest, suffix) || strlen (rest) == strlen (suffix))
      continue;
    g_autofree char *form = g_strndup (rest, strlen (rest) - strlen (suffix));
    const char *known = find_stream (file_layer, form);
    if (best && ((stream && !known) || (!stream == !known && strlen (best->name) > strlen (key->name))))
      continue;
    best = key;
    stream = known;
    g_free (new_stream);
    new_stream = g_ascii_strdown (form, -1);
  }
  if (best)
    set_value (root, "streams", stream ? stream : new_stream, best->name, value, origin);
  return best != NULL;
}

/* Kubernetes and Docker links set variables such as SLUICE_RTSP_SERVICE_HOST and SLUICE_RTSP_PORT for a
 * service that happens to be called sluice-rtsp. */
static bool
is_service_link (const char *rest, const char *value)
{
  return g_str_has_suffix (rest, "_SERVICE_HOST") || strstr (rest, "_SERVICE_PORT") ||
         (strstr (rest, "_PORT") &&
          (strstr (value, "://") || strstr (rest, "_TCP") || strstr (rest, "_UDP")));
}

static void
unknown_variable (const char *section, const char *rest, const char *name, ConfigProblems *problems)
{
  const ConfigNode at = {.origin = (char *)name};
  const char *in = g_str_equal (section, "defaults") ? KEY_STREAM_SECTION : section;
  const char *closest = keys_suggest (in, rest);
  if (g_str_equal (section, "streams")) {
    config_problem (problems, &at, name,
                    "must be " VARIABLE_PREFIX "STREAMS_NAME_KEY with a key of [streams.NAME]");
  } else if (closest) {
    const Key *key = keys_find (in, closest);
    g_autofree char *variable = key_environment_name (key);
    config_problem (problems, &at, name, "no such key in [%s]; did you mean %s?", section, variable);
  } else {
    config_problem (problems, &at, name, "no such key in [%s]", section);
  }
}

static void
set_variable (ConfigNode *root, const char *name, const char *value, const ConfigNode *file_layer,
              ConfigProblems *problems)
{
  const char *rest = name + strlen (VARIABLE_PREFIX);
  const char *underscore = strchr (rest, '_');
  if (!underscore || is_service_link (rest, value))
    return;
  g_autofree char *section_form = g_strndup (rest, (size_t)(underscore - rest));
  g_autofree char *section = g_ascii_strdown (section_form, -1);
  rest = underscore + 1;
  if (g_str_equal (section, "streams")) {
    if (!set_stream_variable (root, rest, value, name, file_layer))
      unknown_variable (section, rest, name, problems);
    return;
  }
  bool defaults = g_str_equal (section, "defaults");
  const char *in = defaults ? KEY_STREAM_SECTION : section;
  if (!keys_next (in, NULL) || g_str_equal (section, KEY_STREAM_SECTION) ||
      g_str_equal (section, "permission")) {
    /* SLUICE_ variables of other programs are none of ours, but a slip of one letter is. */
    const char *closest = keys_suggest_section (section);
    const ConfigNode at = {.origin = (char *)name};
    g_autofree char *meant = closest ? g_ascii_strup (closest, -1) : NULL;
    if (closest && text_distance (section, closest) <= 1)
      config_problem (problems, &at, name, "no such section; did you mean " VARIABLE_PREFIX "%s_%s?", meant,
                      rest);
    return;
  }
  for (const Key *key = keys_next (in, NULL); key; key = keys_next (in, key)) {
    g_autofree char *form = variable_form (key->name);
    if (g_str_equal (form, rest)) {
      set_value (root, section, NULL, key->name, value, name);
      return;
    }
  }
  unknown_variable (section, rest, name, problems);
}

ConfigNode *
config_layer_from_environment (const char *const *environment, const ConfigNode *file_layer,
                               ConfigProblems *problems)
{
  ConfigNode *root = config_node_new (NODE_TABLE, NULL);
  for (; environment && *environment; environment++) {
    const char *equals = strchr (*environment, '=');
    if (!equals || !g_str_has_prefix (*environment, VARIABLE_PREFIX))
      continue;
    g_autofree char *name = g_strndup (*environment, (size_t)(equals - *environment));
    set_variable (root, name, equals + 1, file_layer, problems);
  }
  return root;
}

/* "streams.NAME.key": NAME may hold dots, and may be quoted as in a file. */
static void
set_stream_override (ConfigNode *root, const char *rest, const char *value, const char *origin,
                     ConfigProblems *problems)
{
  const ConfigNode at = {.origin = (char *)origin};
  const char *dot = strrchr (rest, '.');
  if (!dot || dot == rest) {
    config_problem (problems, &at, origin, "must be streams.NAME.KEY=VALUE");
    return;
  }
  g_autofree char *name = g_strndup (rest, (size_t)(dot - rest));
  size_t n = strlen (name);
  if (n >= 2 && (name[0] == '"' || name[0] == '\'') && name[n - 1] == name[0]) {
    name[n - 1] = '\0';
    memmove (name, name + 1, n - 1);
  }
  set_value (root, "streams", name, dot + 1, value, origin);
}

ConfigNode *
config_layer_from_overrides (const char *const *overrides, ConfigProblems *problems)
{
  ConfigNode *root = config_node_new (NODE_TABLE, NULL);
  for (; overrides && *overrides; overrides++) {
    const char *equals = strchr (*overrides, '=');
    g_autofree char *path =
        g_strndup (*overrides, equals ? (size_t)(equals - *overrides) : strlen (*overrides));
    g_strstrip (path);
    g_autofree char *origin = g_strdup_printf ("--set %s", path);
    char *dot = strchr (path, '.');
    if (!equals || !dot || dot == path || !dot[1]) {
      const ConfigNode at = {.origin = origin};
      config_problem (problems, &at, path, "must be SECTION.KEY=VALUE, such as rtsp.listen=:8554");
      continue;
    }
    *dot = '\0';
    if (g_str_equal (path, "streams"))
      set_stream_override (root, dot + 1, equals + 1, origin, problems);
    else
      set_value (root, path, NULL, dot + 1, equals + 1, origin);
  }
  return root;
}
