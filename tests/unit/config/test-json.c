/* SPDX-License-Identifier: Apache-2.0 */
/* Streams as JSON bodies, and the plan of a reload. */
#include "config/diff.h"
#include "config/json.h"
#include "config/load.h"

#include <string.h>

static StreamSettings *
from_json (const char *text, const StreamSettings *base, char **ret_problems)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_from_string (text, &error);
  g_assert_no_error (error);
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  StreamSettings *settings = stream_settings_from_json (json_node_get_object (node), base, "cam", problems);
  g_assert_true ((settings == NULL) == (problems->len > 0));
  g_ptr_array_add (problems, NULL);
  *ret_problems = g_strjoinv ("\n", (char **)problems->pdata);
  return settings;
}

static StreamSettings *
from_good_json (const char *text, const StreamSettings *base)
{
  g_autofree char *problems = NULL;
  StreamSettings *settings = from_json (text, base, &problems);
  g_assert_cmpstr (problems, ==, "");
  return settings;
}

static void
test_values (void)
{
  g_autoptr (StreamSettings) base = stream_settings_new_default ("");
  base->on_demand = true;
  g_autoptr (StreamSettings) s = from_good_json ("{\"id\": \"cam\", \"source\": [\"rtsp://a\", \"test:\"], "
                                                 "\"transport\": \"tcp\", \"stall_timeout\": 2.5, "
                                                 "\"connect_timeout\": \"1m\", \"gop_cache_bytes\": "
                                                 "\"1MiB\", \"queue_bytes\": 100000, \"max_readers\": 5, "
                                                 "\"title\": \"x ${HOME}\", \"loop\": false}",
                                                 base);
  g_assert_cmpstr (s->name, ==, "cam");
  g_assert_cmpstr (s->source[1], ==, "test:");
  g_assert_cmpint (s->transport, ==, TRANSPORT_TCP);
  g_assert_cmpint (s->stall_timeout_ms, ==, 2500);
  g_assert_cmpint (s->connect_timeout_ms, ==, 60000);
  g_assert_cmpint (s->gop_cache_bytes, ==, 1 << 20);
  g_assert_cmpint (s->queue_bytes, ==, 100000);
  g_assert_cmpint (s->max_readers, ==, 5);
  g_assert_cmpstr (s->title, ==, "x ${HOME}");
  g_assert_false (s->loop);
  g_assert_true (s->on_demand);
  g_assert_cmpuint (g_strv_length (base->source), ==, 0);

  g_autoptr (StreamSettings) reset =
      from_good_json ("{\"on_demand\": null, \"source\": null, \"title\": null}", s);
  g_assert_false (reset->on_demand);
  g_assert_cmpuint (g_strv_length (reset->source), ==, 0);
  g_assert_null (reset->title);
}

static void
test_names_of_the_source (void)
{
  g_autoptr (StreamSettings) base = stream_settings_new_default ("");
  static const char *const names[] = {"source", "source_url", "uri", "source_uri"};
  for (size_t i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *text = g_strdup_printf ("{\"%s\": \"rtsp://a\"}", names[i]);
    g_autoptr (StreamSettings) s = from_good_json (text, base);
    g_assert_cmpstr (s->source[0], ==, "rtsp://a");
  }
}

static void
test_problems (void)
{
  static const struct {
    const char *text, *problem;
  } rows[] = {
      {"{\"sorce\": \"test:\"}", "sorce: unknown key; did you mean \"source\"?"},
      {"{\"zebra\": 1}", "zebra: unknown key"},
      {"{\"id\": \"other\"}", "id: must be the name *"},
      {"{\"name\": 1}", "name: must be the name *"},
      {"{\"uri\": \"test:\", \"source\": \"test:\"}", "source: the source is given twice"},
      {"{\"uri\": 1}", "uri: must be a URL or list of URLs *, not a number"},
      {"{\"source\": [null]}", "source: item 1 must be a string *"},
      {"{\"source\": {}}", "source: *, not a table"},
      {"{\"source\": [[[[[[[[[[[[]]]]]]]]]]]]}", "source: item 1 must be *"},
      {"{\"loop\": \"yes\"}", "loop: must be true or false*"},
      {"{\"max_readers\": 0}", "max_readers: must be 1 to 1000000"},
      {"{\"max_readers\": 1e30}", "max_readers: 1e+30 is not a number *"},
      {"{\"retry_min\": \"1m\"}", "retry_min: must be at most retry_max, which is 30s"},
      {"{\"zebra\": 1, \"loop\": 1}", "zebra: unknown key\nloop: *"},
  };
  g_autoptr (StreamSettings) base = stream_settings_new_default ("");
  for (size_t i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *problems = NULL;
    g_assert_null (from_json (rows[i].text, base, &problems));
    if (!settings_glob_match (rows[i].problem, problems))
      g_assert_cmpstr (problems, ==, rows[i].problem);
  }
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  g_assert_null (stream_settings_from_json (object, base, "a b", list));
  g_assert_true (g_str_has_prefix (list->pdata[0], "id: "));
}

static void
test_round_trip_keeps_hidden_secrets (void)
{
  g_autoptr (StreamSettings) base = stream_settings_new_default ("");
  g_autoptr (StreamSettings) s =
      from_good_json ("{\"source\": [\"rtsp://u:hunter2@a/\", \"rtsp://v:hunter3@b/\", \"test:\"], "
                      "\"password\": \"hunter4\", "
                      "\"worker_memory\": 0, \"reorder\": 0}",
                      base);
  for (int reveal = 0; reveal <= 1; reveal++) {
    g_autoptr (JsonObject) object = stream_settings_to_json (s, reveal);
    g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);
    g_autofree char *text = json_to_string (node, FALSE);
    g_assert_cmpint (strstr (text, "hunter") != NULL, ==, reveal);
    g_autoptr (StreamSettings) back = from_good_json (text, s);
    g_assert_true (stream_settings_equal (s, back));
  }
  /* Another host does not get the secret. */
  g_autoptr (StreamSettings) moved = from_good_json ("{\"source\": \"rtsp://***@evil/\"}", s);
  g_assert_cmpstr (moved->source[0], ==, "rtsp://***@evil/");
}

static void
test_all_settings (void)
{
  g_autoptr (Settings) settings = settings_new_default ();
  g_ptr_array_add (settings->streams, stream_settings_new_default ("a"));
  g_ptr_array_add (settings->patterns, stream_settings_new_default ("b-*"));
  g_autoptr (JsonObject) object = settings_to_json (settings, false);
  JsonObject *rtsp = json_object_get_object_member (object, "rtsp");
  g_assert_cmpstr (json_array_get_string_element (json_object_get_array_member (rtsp, "listen"), 0), ==,
                   ":8554");
  g_assert_cmpstr (json_object_get_string_member (rtsp, "session_timeout"), ==, "1m");
  g_assert_true (json_object_get_null_member (rtsp, "tls_key"));
  JsonObject *streams = json_object_get_object_member (object, "streams");
  g_assert_true (json_object_has_member (streams, "a"));
  g_assert_true (json_object_has_member (streams, "b-*"));
}

static void
test_schema_names_every_member (void)
{
  g_autoptr (JsonObject) schema = stream_settings_json_schema ();
  JsonObject *properties = json_object_get_object_member (schema, "properties");
  g_autoptr (StreamSettings) base = stream_settings_new_default ("");
  g_autoptr (JsonObject) object = stream_settings_to_json (base, true);
  g_assert_cmpuint (json_object_get_size (properties), ==, json_object_get_size (object));
  JsonObject *readers = json_object_get_object_member (properties, "max_readers");
  g_assert_cmpint (json_object_get_int_member (readers, "default"), ==, 1000);
}

static Settings *
load (const char *text)
{
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  ConfigSources sources = {.file = "x", .text = text, .n_text = strlen (text)};
  Settings *settings = config_load (&sources, problems);
  g_assert_cmpuint (problems->len, ==, 0);
  return settings;
}

static char *
join (const GPtrArray *names)
{
  GString *joined = g_string_new (NULL);
  for (unsigned i = 0; i < names->len; i++)
    g_string_append_printf (joined, "%s ", (char *)names->pdata[i]);
  return g_string_free (joined, FALSE);
}

static void
test_diff (void)
{
  g_autoptr (Settings) from =
      load ("[streams.same]\nsource='test:'\n[streams.gone]\n[streams.source]\nsource='test:'\n"
            "[streams.hot]\n[streams.'p-*']\n");
  g_autoptr (Settings) to =
      load ("[log]\nlevel='debug'\n[rtsp]\nlisten=':1'\n"
            "[streams.same]\nsource='test:'\n[streams.new]\n[streams.source]\nsource='test:x'\n"
            "[streams.hot]\nmax_readers=3\n[streams.'p-*']\ntransport='tcp'\n");
  g_autoptr (ConfigDiff) none = config_diff (from, from);
  g_assert_true (config_diff_is_empty (none));

  g_autoptr (ConfigDiff) diff = config_diff (from, to);
  g_assert_false (config_diff_is_empty (diff));
  g_autofree char *added = join (diff->added), *removed = join (diff->removed);
  g_autofree char *restarted = join (diff->restarted), *changed = join (diff->changed);
  g_assert_cmpstr (added, ==, "new ");
  g_assert_cmpstr (removed, ==, "gone ");
  g_assert_cmpstr (restarted, ==, "source p-* ");
  g_assert_cmpstr (changed, ==, "hot ");
  g_assert_false (diff->defaults);
  g_assert_true (diff->needs_restart);
  g_assert_cmpuint (diff->changes->len, ==, 2);
  const ConfigChange *level = diff->changes->pdata[0], *listen = diff->changes->pdata[1];
  g_assert_cmpstr (level->key, ==, "log.level");
  g_assert_true (level->hot);
  g_assert_cmpstr (listen->key, ==, "rtsp.listen");
  g_assert_false (listen->hot);

  g_autoptr (Settings) other = load ("[defaults]\ntransport='tcp'\n");
  g_autoptr (Settings) plain = load ("");
  g_autoptr (ConfigDiff) defaults = config_diff (plain, other);
  g_assert_true (defaults->defaults);
  g_assert_false (config_diff_is_empty (defaults));
  g_assert_false (defaults->needs_restart);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/values", test_values);
  g_test_add_func ("/json/names-of-the-source", test_names_of_the_source);
  g_test_add_func ("/json/problems", test_problems);
  g_test_add_func ("/json/round-trip-keeps-hidden-secrets", test_round_trip_keeps_hidden_secrets);
  g_test_add_func ("/json/all-settings", test_all_settings);
  g_test_add_func ("/json/schema-names-every-member", test_schema_names_every_member);
  g_test_add_func ("/diff", test_diff);
  return g_test_run ();
}
