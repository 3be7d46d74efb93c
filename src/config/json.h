/* SPDX-License-Identifier: Apache-2.0 */
/* Settings as JSON, for the API; the same keys, values and checks as in the file. No state; any thread. */
#pragma once

#include "config/settings.h"

#include <json-glib/json-glib.h>

/* The keys of @object laid over @base, under @name. A null sets a key to the table's default. The source may
 * be called source, source_url, uri or source_uri; "id" and "name" may repeat @name. A secret that is "***",
 * and a URL that has "***" where @base has its secret, stay as in @base, so that what was read can be sent
 * back.
 * @base: settings->defaults for a new stream, its own settings for a changed one. ${NAME} is not replaced.
 * NULL when anything is wrong; then all of it is in @problems (of char *, "key: reason"). (transfer full) */
StreamSettings *stream_settings_from_json (JsonObject *object, const StreamSettings *base, const char *name,
                                           GPtrArray *problems);

/* All keys; secrets are "***" unless @reveal_secrets. Durations are text ("10s"), as are sizes ("8MiB"); an
 * empty string is null. (transfer full) */
JsonObject *stream_settings_to_json (const StreamSettings *settings, bool reveal_secrets);

/* {"log": {...}, ..., "defaults": {...}, "streams": {NAME: {...}}}, patterns among the streams. (transfer
 * full) */
JsonObject *settings_to_json (const Settings *settings, bool reveal_secrets);

/* JSON Schema (as in OpenAPI 3.1) of the body that stream_settings_from_json() takes. (transfer full) */
JsonObject *stream_settings_json_schema (void);
