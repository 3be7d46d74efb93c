/* SPDX-License-Identifier: Apache-2.0 */
#include "api-fixture.h"

static Settings *
load_nothing (void *data, GPtrArray *problems)
{
  g_ptr_array_add (problems, g_strdup ("sluice.toml:1: rtsp.listen: nonsense"));
  return NULL;
}

void
api_fixture_set_up (ApiFixture *fixture)
{
  g_autoptr (GError) error = NULL;
  fixture->rig = rig_new ();
  fixture_begin_on (&fixture->http, NULL, fixture->rig->control, fixture->rig->pool);
  fixture->journal = journal_new (100);
  ManagerOptions options = {.control = fixture->rig->control,
                            .registry = fixture->rig->registry,
                            .auth = fixture->http.auth,
                            .journal = fixture->journal,
                            .load = load_nothing};
  fixture->manager = manager_new (&options, fixture->http.settings);
  g_assert_true (manager_start (fixture->manager, &error));
  g_assert_no_error (error);
  fixture->health = health_new (fixture->rig->control, fixture->rig->pool, fixture->rig->registry);
  for (HealthPart part = 0; part < HEALTH_N_PARTS; part++)
    health_set_part (fixture->health, part, NULL);
  fixture->metrics = metrics_new (fixture->rig->registry, fixture->journal, NULL);
  fixture->api = api_new (&(ApiOptions){.control = fixture->rig->control,
                                        .manager = fixture->manager,
                                        .registry = fixture->rig->registry,
                                        .journal = fixture->journal,
                                        .health = fixture->health,
                                        .metrics = fixture->metrics});
  api_add_routes (fixture->http.router);
  fixture_serve (&fixture->http, fixture->api);
  api_set_server (fixture->api, fixture->http.server);
}

void
api_fixture_tear_down (ApiFixture *fixture)
{
  api_set_server (fixture->api, NULL);
  fixture_stop_serving (&fixture->http);
  api_free (fixture->api);
  metrics_free (fixture->metrics);
  health_free (fixture->health);
  manager_free (fixture->manager);
  fixture_end (&fixture->http);
  rig_settle (fixture->rig);
  journal_free (fixture->journal);
  rig_free (fixture->rig);
}
