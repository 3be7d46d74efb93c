/* SPDX-License-Identifier: Apache-2.0 */
/* What changes from one configuration to another, so that a reload touches only that. Any thread. */
#pragma once

#include "config/settings.h"

typedef struct {
  char *key; /* "rtsp.listen" */
  bool hot;  /* false: takes effect when the daemon starts again */
} ConfigChange;

typedef struct {
  GPtrArray *changes; /* of ConfigChange: keys outside of streams and [defaults] */
  /* Names in [streams], patterns (with a "*") among them; of char *. */
  GPtrArray *added;
  GPtrArray *removed;
  GPtrArray *restarted; /* changed so that a running source starts again */
  GPtrArray *changed;   /* changed, source goes on */
  bool defaults;        /* [defaults] changed: streams that are in no file may have, too */
  bool needs_restart;   /* some change is not hot */
} ConfigDiff;

ConfigDiff *config_diff (const Settings *from, const Settings *to); /* (transfer full) */
bool config_diff_is_empty (const ConfigDiff *diff);
void config_diff_free (ConfigDiff *diff); /* NULL-safe */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ConfigDiff, config_diff_free)
