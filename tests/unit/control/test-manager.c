/* SPDX-License-Identifier: Apache-2.0 */
/* The transaction: validate, plan, commit, apply, on a real registry and a real state, with the configuration
 * as text that the test changes. */
#include "../stream/rig.h"
#include "base/error.h"
#include "base/log.h"
#include "config/load.h"
#include "control/manager.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

typedef struct {
  Rig *rig;
  char *directory;
  State *state;
  Journal *journal;
  Auth *auth;
  Manager *manager;
  char *config; /* TOML */
} Fixture;

static Settings *
load_config (void *data, GPtrArray *problems)
{
  Fixture *fixture = data;
  ConfigSources sources = {
      .file = "sluice.toml", .text = fixture->config, .n_text = strlen (fixture->config)};
  return config_load (&sources, problems);
}

static void
set_config (Fixture *fixture, const char *text)
{
  g_free (fixture->config);
  fixture->config = g_strdup (text);
}

static void
start (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (Settings) settings = load_config (fixture, problems);
  g_assert_cmpuint (problems->len, ==, 0);
  fixture->rig = rig_new ();
  fixture->state = state_open (fixture->directory, fixture->rig->control, &error);
  g_assert_no_error (error);
  fixture->journal = journal_new (1);
  fixture->auth = auth_new (settings);
  ManagerOptions options = {.control = fixture->rig->control,
                            .registry = fixture->rig->registry,
                            .auth = fixture->auth,
                            .journal = fixture->journal,
                            .state = fixture->state,
                            .load = load_config,
                            .load_data = fixture,
                            .config_file = "sluice.toml"};
  fixture->manager = manager_new (&options, settings);
  g_assert_true (manager_start (fixture->manager, &error));
  g_assert_no_error (error);
  rig_settle (fixture->rig);
}

static void
stop (Fixture *fixture)
{
  manager_free (fixture->manager);
  state_free (fixture->state);
  auth_free (fixture->auth);
  journal_free (fixture->journal);
  rig_free (fixture->rig);
}

static void
restart (Fixture *fixture)
{
  stop (fixture);
  start (fixture);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = g_dir_make_tmp ("sluice-manager-XXXXXX", NULL);
  fixture->config = g_strdup ("[streams.door]\n"
                              "source = 'fake:online'\n"
                              "title = 'Door'\n"
                              "[streams.hall]\n"
                              "source = 'fake:online'\n"
                              "[streams.'cam-*']\n"
                              "retry_min = '2s'\n");
  start (fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  stop (fixture);
  GDir *folder = g_dir_open (fixture->directory, 0, NULL);
  const char *name;
  while ((name = g_dir_read_name (folder))) {
    g_autofree char *path = g_build_filename (fixture->directory, name, NULL);
    g_unlink (path);
  }
  g_dir_close (folder);
  g_rmdir (fixture->directory);
  g_free (fixture->directory);
  g_free (fixture->config);
}

/* --- asking
 * ---------------------------------------------------------------------------------------------------- */

typedef struct {
  bool done;
  GError *error;
} Answer;

static void
on_answer (void *data, const char *id, const GError *error)
{
  Answer *answer = data;
  g_assert_false (answer->done);
  answer->done = true;
  answer->error = error ? g_error_copy (error) : NULL;
}

static bool
is_done (void *data)
{
  return ((Answer *)data)->done;
}

typedef enum { CREATE, UPDATE, REMOVE, START, STOP, RESTART } Verb;

static void
submit (Fixture *fixture, Verb verb, const char *id, const char *patch, Answer *answer)
{
  GVariant *variant = patch ? g_variant_parse (G_VARIANT_TYPE_VARDICT, patch, NULL, NULL, NULL) : NULL;
  g_assert_true (!patch || variant);
  Manager *manager = fixture->manager;
  switch (verb) {
  case CREATE:
    manager_create_stream (manager, id, variant, on_answer, answer);
    break;
  case UPDATE:
    manager_update_stream (manager, id, variant, on_answer, answer);
    break;
  case REMOVE:
    manager_remove_stream (manager, id, on_answer, answer);
    break;
  case START:
    manager_start_stream (manager, id, on_answer, answer);
    break;
  case STOP:
    manager_stop_stream (manager, id, on_answer, answer);
    break;
  case RESTART:
    manager_restart_stream (manager, id, on_answer, answer);
    break;
  }
  if (variant)
    g_variant_unref (variant);
  g_assert_false (answer->done); /* never inline */
}

/* Waits for the answer. (transfer full) (nullable) */
static GError *
ask (Fixture *fixture, Verb verb, const char *id, const char *patch)
{
  Answer answer = {0};
  submit (fixture, verb, id, patch, &answer);
  rig_wait (is_done, &answer);
  rig_settle (fixture->rig);
  return answer.error;
}

static void
ask_fine (Fixture *fixture, Verb verb, const char *id, const char *patch)
{
  g_autoptr (GError) error = ask (fixture, verb, id, patch);
  g_assert_no_error (error);
}

static StreamStatus *
status (Fixture *fixture, const char *id)
{
  return registry_get_status (fixture->rig->registry, id);
}

static bool
exists (Fixture *fixture, const char *id)
{
  g_autoptr (StreamStatus) found = status (fixture, id);
  return found != NULL;
}

static void
assert_title (Fixture *fixture, const char *id, const char *title)
{
  g_autoptr (StreamStatus) found = status (fixture, id);
  g_assert_nonnull (found);
  g_assert_cmpstr (found->settings->title, ==, title);
  g_autoptr (Settings) effective = manager_get_settings (fixture->manager);
  g_assert_cmpstr (settings_find_stream (effective, id)->title, ==, title);
}

static char *
find_event (Fixture *fixture, const char *type)
{
  const char *const types[] = {type, NULL};
  JournalFilter filter = {.types = types};
  g_auto (JournalPage) page;
  journal_read_last (fixture->journal, 1, &filter, &page);
  return page.events->len > 0 ? g_strdup (((JournalEvent *)page.events->pdata[0])->data) : NULL;
}

/* --- tests
 * ----------------------------------------------------------------------------------------------------- */

static void
test_create (Fixture *fixture, gconstpointer data)
{
  uint64_t generation = manager_generation (fixture->manager);
  ask_fine (fixture, CREATE, "cam-1",
            "{'source': <'fake:online'>, 'title': <'One'>, 'max_readers': <int64 3>}");
  g_assert_cmpuint (manager_generation (fixture->manager), ==, generation + 1);
  g_assert_cmpint (manager_stream_origin (fixture->manager, "cam-1"), ==, MANAGER_ORIGIN_CREATED);
  for (unsigned round = 0; round < 2; round++) {
    assert_title (fixture, "cam-1", "One");
    g_autoptr (StreamStatus) found = status (fixture, "cam-1");
    g_assert_true (found->configured);
    g_assert_cmpint (found->settings->max_readers, ==, 3);
    g_assert_cmpint (found->settings->retry_min_ms, ==, 2000); /* from the pattern */
    g_assert_cmpstr (found->settings->source[0], ==, "fake:online");
    restart (fixture);
  }
  g_assert_cmpuint (manager_generation (fixture->manager), >, generation + 1);
  ask_fine (fixture, REMOVE, "cam-1", NULL);
  g_assert_false (exists (fixture, "cam-1"));
  restart (fixture);
  g_assert_false (exists (fixture, "cam-1"));
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  static const struct {
    Verb verb;
    const char *id, *patch;
    SluiceErrorCode code;
    const char *message; /* a part of it */
  } rows[] = {
      {CREATE, "a", "{'sorce': <'fake:online'>}", SLUICE_ERROR_INVALID_ARGUMENT,
       "sorce: unknown key; did you mean"},
      {CREATE, "a", "{'sorce': <@mv nothing>}", SLUICE_ERROR_INVALID_ARGUMENT, "sorce: unknown key"},
      {CREATE, "a", "{'source': <'weird:x'>}", SLUICE_ERROR_INVALID_ARGUMENT,
       "source: weird:x: not a source"},
      {CREATE, "a", "{'source': <int64 4>}", SLUICE_ERROR_INVALID_ARGUMENT, "source: must be"},
      {CREATE, "a", "{'on_demand': <'maybe'>, 'title': <true>}", SLUICE_ERROR_INVALID_ARGUMENT, "\n"},
      {CREATE, "a", "{'title': <('a', 'b')>}", SLUICE_ERROR_INVALID_ARGUMENT, "title: "},
      {CREATE, "../a", "{}", SLUICE_ERROR_INVALID_ARGUMENT, "\"..\""},
      {CREATE, "", "{}", SLUICE_ERROR_INVALID_ARGUMENT, "empty"},
      {CREATE, "door", "{}", SLUICE_ERROR_ALREADY_EXISTS, "exists already"},
      {UPDATE, "nowhere", "{}", SLUICE_ERROR_NOT_FOUND, "no such stream"},
      {UPDATE, "door", "{'transport': <'avian'>}", SLUICE_ERROR_INVALID_ARGUMENT, "transport: "},
      {UPDATE, "door", "{'title': <'New'>, 'source': <['fake:online', 'weird:x']>}",
       SLUICE_ERROR_INVALID_ARGUMENT, "weird:x"},
      {REMOVE, "nowhere", NULL, SLUICE_ERROR_NOT_FOUND, "no such stream"},
      {REMOVE, "door", NULL, SLUICE_ERROR_FORBIDDEN, "defined in sluice.toml"},
      {START, "nowhere", NULL, SLUICE_ERROR_NOT_FOUND, "no such stream"},
      {STOP, "nowhere", NULL, SLUICE_ERROR_NOT_FOUND, "no such stream"},
      {RESTART, "nowhere", NULL, SLUICE_ERROR_NOT_FOUND, "no such stream"},
  };
  uint64_t generation = manager_generation (fixture->manager);
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("row %u", i);
    g_autoptr (GError) error = ask (fixture, rows[i].verb, rows[i].id, rows[i].patch);
    g_assert_error (error, SLUICE_ERROR, (int)rows[i].code);
    g_test_message ("%s", error->message);
    g_assert_nonnull (strstr (error->message, rows[i].message));
  }
  g_assert_cmpuint (manager_generation (fixture->manager), ==, generation);
  g_assert_cmpuint (registry_count (fixture->rig->registry), ==, 2);
  assert_title (fixture, "door", "Door");
}

static void
test_change_of_file (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (manager_stream_origin (fixture->manager, "door"), ==, MANAGER_ORIGIN_FILE);
  ask_fine (fixture, UPDATE, "door", "{'title': <'Patched'>, 'max_readers': <int64 5>}");
  for (unsigned round = 0; round < 2; round++) {
    assert_title (fixture, "door", "Patched");
    g_assert_cmpint (manager_stream_origin (fixture->manager, "door"), ==, MANAGER_ORIGIN_CHANGED);
    g_auto (GStrv) keys = manager_stream_changed_keys (fixture->manager, "door");
    g_assert_cmpuint (g_strv_length (keys), ==, 2);
    restart (fixture);
  }
  /* What the file says of other keys goes on to hold; what was set here wins over it. */
  set_config (fixture, "[streams.door]\nsource = 'fake:online'\ntitle = 'Other'\ndescription = 'Bell'\n");
  g_autoptr (ManagerReload) reload = manager_reload (fixture->manager);
  g_assert_true (reload->applied);
  assert_title (fixture, "door", "Patched");
  g_autoptr (StreamStatus) found = status (fixture, "door");
  g_assert_cmpstr (found->settings->description, ==, "Bell");

  ask_fine (fixture, UPDATE, "door", "{'title': <@mv nothing>, 'max_readers': <@mv nothing>}");
  assert_title (fixture, "door", "Other");
  g_assert_cmpint (manager_stream_origin (fixture->manager, "door"), ==, MANAGER_ORIGIN_FILE);
  restart (fixture);
  assert_title (fixture, "door", "Other");
}

static void
test_secrets (Fixture *fixture, gconstpointer data)
{
  ask_fine (fixture, CREATE, "a", "{'source': <'fake:online'>, 'username': <'u'>, 'password': <'hush'>}");
  /* What was read, secrets hidden, is sent back with one change. */
  ask_fine (fixture, UPDATE, "a", "{'source': <'fake:online'>, 'password': <'***'>, 'title': <'T'>}");
  restart (fixture);
  g_autoptr (StreamStatus) found = status (fixture, "a");
  g_assert_cmpstr (found->settings->password, ==, "hush");
  g_assert_cmpstr (found->settings->title, ==, "T");
}

static void
test_stop_holds (Fixture *fixture, gconstpointer data)
{
  ask_fine (fixture, CREATE, "a", "{'source': <'fake:online'>}");
  static const char *const ids[] = {"a", "door"};
  for (unsigned i = 0; i < G_N_ELEMENTS (ids); i++) {
    ask_fine (fixture, STOP, ids[i], NULL);
    ask_fine (fixture, STOP, ids[i], NULL);
  }
  restart (fixture);
  for (unsigned i = 0; i < G_N_ELEMENTS (ids); i++) {
    g_autoptr (StreamStatus) found = status (fixture, ids[i]);
    g_assert_cmpint (found->state, ==, STREAM_STOPPED);
  }
  ask_fine (fixture, START, "a", NULL);
  ask_fine (fixture, RESTART, "door", NULL);
  restart (fixture);
  for (unsigned i = 0; i < G_N_ELEMENTS (ids); i++) {
    g_autoptr (StreamStatus) found = status (fixture, ids[i]);
    g_assert_cmpint (found->state, !=, STREAM_STOPPED);
  }
  g_assert_cmpint (manager_stream_origin (fixture->manager, "door"), ==, MANAGER_ORIGIN_FILE);
}

/* Submitted without waiting: each sees what those before it did. */
static void
test_in_order (Fixture *fixture, gconstpointer data)
{
  static const struct {
    Verb verb;
    const char *patch;
    int code; /* -1: fine */
  } rows[] = {
      {UPDATE, "{'title': <'x'>}", SLUICE_ERROR_NOT_FOUND},
      {CREATE, "{'title': <'1'>}", -1},
      {CREATE, "{}", SLUICE_ERROR_ALREADY_EXISTS},
      {UPDATE, "{'title': <'2'>}", -1},
      {STOP, NULL, -1},
      {REMOVE, NULL, -1},
      {REMOVE, NULL, SLUICE_ERROR_NOT_FOUND},
      {CREATE, "{'title': <'3'>}", -1},
  };
  Answer answers[G_N_ELEMENTS (rows)] = {0};
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++)
    submit (fixture, rows[i].verb, "a", rows[i].patch, &answers[i]);
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("row %u", i);
    rig_wait (is_done, &answers[i]);
    if (rows[i].code < 0)
      g_assert_no_error (answers[i].error);
    else
      g_assert_error (answers[i].error, SLUICE_ERROR, rows[i].code);
    g_clear_error (&answers[i].error);
  }
  assert_title (fixture, "a", "3");
}

static void
test_many_at_once (Fixture *fixture, gconstpointer data)
{
  enum { N = 1000 };
  Answer answers[N] = {0};
  int64_t start_us = loop_now_us ();
  for (unsigned i = 0; i < N; i++) {
    g_autofree char *id = g_strdup_printf ("many/%u", i);
    submit (fixture, CREATE, id, "{'title': <'x'>}", &answers[i]);
  }
  int64_t asked_us = loop_now_us () - start_us;
  for (unsigned i = 0; i < N; i++) {
    rig_wait (is_done, &answers[i]);
    g_assert_no_error (answers[i].error);
  }
  StateStats stats;
  state_get_stats (fixture->state, &stats);
  g_test_message ("%d streams: asked in %d us, all there after %d us, %u commits", N, (int)asked_us,
                  (int)(loop_now_us () - start_us), (unsigned)stats.commits);
  restart (fixture);
  g_assert_cmpuint (registry_count (fixture->rig->registry), ==, N + 2);
}

/* Nothing may run that is not on disk: with no room there the request fails, and a later one works again. */
static void
test_disk_full (Fixture *fixture, gconstpointer data)
{
  struct rlimit limit, none = {0};
  getrlimit (RLIMIT_FSIZE, &limit);
  none.rlim_max = limit.rlim_max;
  struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
  sigaction (SIGXFSZ, &ignore, &before);
  Answer answers[2] = {0};
  setrlimit (RLIMIT_FSIZE, &none);
  submit (fixture, CREATE, "a", "{}", &answers[0]);
  submit (fixture, UPDATE, "door", "{'title': <'New'>}", &answers[1]);
  rig_wait (is_done, &answers[0]);
  rig_wait (is_done, &answers[1]);
  setrlimit (RLIMIT_FSIZE, &limit);
  sigaction (SIGXFSZ, &before, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (answers); i++) {
    g_assert_error (answers[i].error, SLUICE_ERROR, SLUICE_ERROR_IO);
    g_clear_error (&answers[i].error);
  }
  g_assert_false (exists (fixture, "a"));
  assert_title (fixture, "door", "Door");
  g_assert_cmpint (manager_stream_origin (fixture->manager, "a"), ==, MANAGER_ORIGIN_NONE);
  ask_fine (fixture, CREATE, "a", "{}");
  restart (fixture);
  g_assert_true (exists (fixture, "a"));
}

static void
test_reload_rejected (Fixture *fixture, gconstpointer data)
{
  uint64_t generation = manager_generation (fixture->manager);
  unsigned opened = rig_source_opened, closed = rig_source_closed;
  static const char *const bad[] = {
      "[streams.door]\nsource = 'fake:online'\ntitel = 'x'\n[rtsp]\nlisten = 'nonsense'\n",
      "[streams.door\n",
      "[streams.door]\nsource = 'weird:x'\n[streams.hall]\nsource = 'strange:y'\n",
  };
  static const unsigned n_problems[] = {2, 1, 2};
  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++) {
    set_config (fixture, bad[i]);
    g_autoptr (ManagerReload) reload = manager_reload (fixture->manager);
    g_assert_false (reload->applied);
    g_assert_cmpuint (reload->problems->len, ==, n_problems[i]);
    g_assert_true (g_str_has_prefix (reload->problems->pdata[0], "sluice.toml:"));
    g_autofree char *event = find_event (fixture, "config.rejected");
    g_assert_nonnull (strstr (event, "sluice.toml:"));
  }
  rig_settle (fixture->rig);
  g_assert_cmpuint (manager_generation (fixture->manager), ==, generation);
  g_assert_cmpuint (rig_source_opened, ==, opened);
  g_assert_cmpuint (rig_source_closed, ==, closed);
  assert_title (fixture, "door", "Door");
  g_assert_true (exists (fixture, "hall"));
  int64_t when;
  g_assert_cmpuint (manager_last_reload (fixture->manager, &when)->problems->len, ==, 2);
  g_assert_cmpint (when, >, 0);
}

static void
test_reload_applied (Fixture *fixture, gconstpointer data)
{
  ask_fine (fixture, CREATE, "cam-9", "{'source': <'fake:online'>}");
  uint64_t generation = manager_generation (fixture->manager);
  unsigned opened = rig_source_opened, closed = rig_source_closed;
  set_config (
      fixture,
      "[log]\nlevel = 'debug'\nmodules = { rtsp = 'error' }\n"
      "[rtsp]\nlisten = '127.0.0.1:0'\n"
      "[[auth.tokens]]\nname = 't'\ntoken = '0123456789abcdef'\npermissions = [{ actions = ['api'] }]\n"
      "[streams.door]\nsource = 'fake:online'\ntitle = 'Renamed'\n"
      "[streams.porch]\nsource = 'fake:online'\n"
      "[streams.'cam-*']\ndescription = 'Any'\n");
  g_autoptr (ManagerReload) reload = manager_reload (fixture->manager);
  g_assert_true (reload->applied);
  g_assert_cmpuint (reload->added, ==, 1);
  g_assert_cmpuint (reload->removed, ==, 1);
  g_assert_cmpuint (reload->changed, ==, 2); /* door, and cam-9 through its pattern */
  g_assert_cmpuint (reload->restart->len, ==, 1);
  g_assert_cmpstr (reload->restart->pdata[0], ==, "rtsp.listen");
  g_assert_cmpuint (reload->generation, ==, generation + 1);
  rig_settle (fixture->rig);

  assert_title (fixture, "door", "Renamed");
  g_assert_false (exists (fixture, "hall"));
  g_assert_true (exists (fixture, "porch"));
  g_autoptr (StreamStatus) created = status (fixture, "cam-9");
  g_assert_cmpstr (created->settings->description, ==, "Any");
  /* Only porch was opened and hall closed: a title is no reason to start a source again. */
  g_assert_cmpuint (rig_source_opened, ==, opened + 1);
  g_assert_cmpuint (rig_source_closed, ==, closed + 1);

  g_assert_cmpint (log_get_level (LOG_CONTROL), ==, LOG_DEBUG);
  g_assert_cmpint (log_get_level (LOG_RTSP), ==, LOG_ERROR);
  log_set_level_all (LOG_INFO);
  NetAddress peer;
  net_address_parse ("127.0.0.1:1", &peer, NULL);
  AuthRequest request = {.peer = &peer, .action = ACTION_API};
  AuthResult result;
  g_autofree char *user = NULL;
  g_assert_true (auth_check_now (fixture->auth, &request, &result, &user));
  g_assert_cmpint (result, ==, AUTH_UNAUTHENTICATED);

  /* The same again changes nothing, but still waits for the restart. */
  g_autoptr (ManagerReload) again = manager_reload (fixture->manager);
  g_assert_true (again->applied);
  g_assert_cmpuint (again->added + again->removed + again->changed, ==, 0);
  g_assert_cmpuint (again->restart->len, ==, 1);
  g_assert_cmpuint (again->generation, ==, generation + 1);
}

static void
test_stale_change (Fixture *fixture, gconstpointer data)
{
  ask_fine (fixture, UPDATE, "door", "{'retry_max': <'5s'>}");
  /* The file now wants a retry_min above that. */
  set_config (fixture, "[streams.door]\nsource = 'fake:online'\nretry_min = '10s'\ntitle = 'File'\n");
  g_autoptr (ManagerReload) reload = manager_reload (fixture->manager);
  g_assert_true (reload->applied);
  assert_title (fixture, "door", "File");
  g_autofree char *event = find_event (fixture, "system.warning");
  g_assert_nonnull (event);
  /* It is kept, and holds again when it fits. */
  set_config (fixture, "[streams.door]\nsource = 'fake:online'\nretry_min = '1s'\n");
  restart (fixture);
  g_autoptr (StreamStatus) found = status (fixture, "door");
  g_assert_cmpint (found->settings->retry_max_ms, ==, 5000);
}

/* The file is read again while the disk is busy with a change: the change is checked against the new one. */
static void
test_reload_meanwhile (Fixture *fixture, gconstpointer data)
{
  Answer answers[3] = {0};
  submit (fixture, CREATE, "cam-1", "{'title': <'Fits'>}", &answers[0]);
  submit (fixture, CREATE, "cam-2", "{'retry_max': <'5s'>}", &answers[1]);
  submit (fixture, UPDATE, "door", "{'title': <@mv nothing>}", &answers[2]);
  set_config (
      fixture,
      "[streams.door]\nsource = 'fake:online'\ntitle = 'New'\n[streams.'cam-*']\nretry_min = '10s'\n");
  g_autoptr (ManagerReload) reload = manager_reload (fixture->manager);
  g_assert_true (reload->applied);
  for (unsigned i = 0; i < G_N_ELEMENTS (answers); i++)
    rig_wait (is_done, &answers[i]);
  g_assert_no_error (answers[0].error);
  g_assert_error (answers[1].error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
  g_assert_no_error (answers[2].error);
  g_clear_error (&answers[1].error);
  assert_title (fixture, "door", "New");
  for (unsigned round = 0; round < 2; round++) {
    g_autoptr (StreamStatus) found = status (fixture, "cam-1");
    g_assert_cmpint (found->settings->retry_min_ms, ==, 10000);
    g_assert_false (exists (fixture, "cam-2"));
    restart (fixture);
  }
}

static void
on_unwanted_answer (void *data, const char *id, const GError *error)
{
  g_assert_not_reached ();
}

/* What is being written when the manager goes is kept; what waits behind it is not begun; nobody is called.
 */
static void
test_freed_meanwhile (Fixture *fixture, gconstpointer data)
{
  manager_create_stream (fixture->manager, "a", NULL, on_unwanted_answer, NULL);
  manager_remove_stream (fixture->manager, "a", on_unwanted_answer, NULL);
  manager_remove_stream (fixture->manager, "nowhere", on_unwanted_answer, NULL);
  restart (fixture);
  g_assert_true (exists (fixture, "a"));
}

static void
test_publisher_made (Fixture *fixture, gconstpointer data)
{
  RigPublisher publisher = {0};
  rig_publish (fixture->rig, &publisher, "live/x", false);
  g_assert_no_error (publisher.error);
  g_autoptr (GError) error = ask (fixture, UPDATE, "live/x", "{'title': <'x'>}");
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND);
  /* It may be made permanent without its publisher noticing. */
  ask_fine (fixture, CREATE, "live/x", "{'title': <'Mine'>}");
  assert_title (fixture, "live/x", "Mine");
  g_assert_null (publisher.ended);
  rig_end (&publisher, NULL);
  rig_publisher_clear (&publisher);
  rig_settle (fixture->rig);
  g_assert_true (exists (fixture, "live/x"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/control/manager/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("create", test_create);
  ADD ("refused", test_refused);
  ADD ("change-of-file", test_change_of_file);
  ADD ("secrets", test_secrets);
  ADD ("stop-holds", test_stop_holds);
  ADD ("in-order", test_in_order);
  ADD ("many-at-once", test_many_at_once);
  ADD ("disk-full", test_disk_full);
  ADD ("reload-rejected", test_reload_rejected);
  ADD ("reload-applied", test_reload_applied);
  ADD ("stale-change", test_stale_change);
  ADD ("reload-meanwhile", test_reload_meanwhile);
  ADD ("freed-meanwhile", test_freed_meanwhile);
  ADD ("publisher-made", test_publisher_made);
  return g_test_run ();
}
