/* SPDX-License-Identifier: Apache-2.0 */
/* What several keys must agree on. Any thread. */
#pragma once

#include "config/node.h"
#include "config/settings.h"

/* @places: "section.key" -> ConfigNode that set it, for messages; keys with their default are not in it. */
void config_check_together (const Settings *settings, GHashTable *places, ConfigProblems *problems);

/* Of one stream; @path is "streams.NAME", "defaults", or NULL for an API body, where keys stand alone.
 * @inherited (may be NULL) is what it was laid over: what is wrong there already is not reported again. */
void config_check_stream_together (const StreamSettings *stream, const StreamSettings *inherited,
                                   const char *path, GHashTable *places, ConfigProblems *problems);
