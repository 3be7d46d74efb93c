/* SPDX-License-Identifier: Apache-2.0 */
/* The whole API on a real registry, manager and journal, with the scripted source of the stream core's tests.
 */
#pragma once

#include "../stream/rig.h"
#include "fixture.h"
#include "http/api/api.h"

typedef struct {
  Fixture http; /* first: client functions take it */
  Rig *rig;
  Journal *journal;
  Manager *manager;
  Health *health;
  Metrics *metrics;
  Api *api;
} ApiFixture;

void api_fixture_set_up (ApiFixture *fixture);
void api_fixture_tear_down (ApiFixture *fixture);
