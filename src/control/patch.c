/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a request is not its own text but how the resulting settings would be written: names in
 * their one form, secrets filled in. */
#include "control/patch.h"

#include "base/error.h"
#include "config/json.h"
#include "config/keys.h"

/* Sorts the members of @request: nulls into @nulls, the rest into @values. */
static void
split_request (GVariant *request, JsonObject *values, JsonObject *nulls)
{
  g_autoptr (JsonNode) node = json_gvariant_serialize (request);
  JsonObject *object = json_node_get_object (node);
  JsonObjectIter iter;
  const char *name;
  JsonNode *value;
  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &name, &value))
    json_object_set_member (json_node_is_null (value) ? nulls : values, name, json_node_copy (value));
}

/* Nulls set nothing, but their names must exist. */
static void
check_nulls (JsonObject *nulls, const char *id, GPtrArray *problems)
{
  g_autoptr (StreamSettings) blank = stream_settings_new_default (id);
  stream_settings_unref (stream_settings_from_json (nulls, blank, id, problems));
}

static void
copy_members (JsonObject *from, JsonObject *to)
{
  g_autoptr (GList) names = json_object_get_members (from);
  for (GList *link = names; link; link = link->next)
    json_object_set_member (to, link->data, json_node_copy (json_object_get_member (from, link->data)));
}

static void
take_out (JsonObject *merged, JsonObject *nulls)
{
  g_autoptr (GList) names = json_object_get_members (nulls);
  for (GList *link = names; link; link = link->next)
    if (json_object_has_member (merged, link->data))
      json_object_remove_member (merged, link->data);
}

/* "id" and other words that are no key of their own are left behind. */
static void
set_keys (JsonObject *merged, JsonObject *values, const StreamSettings *settings)
{
  g_autoptr (JsonObject) written = stream_settings_to_json (settings, true);
  g_autoptr (GList) names = json_object_get_members (values);
  for (GList *link = names; link; link = link->next)
    if (keys_find (KEY_STREAM_SECTION, link->data))
      json_object_set_member (merged, link->data,
                              json_node_copy (json_object_get_member (written, link->data)));
}

JsonObject *
patch_merge (JsonObject *old, GVariant *request, const StreamSettings *current, GPtrArray *problems)
{
  g_autoptr (JsonObject) merged = json_object_new ();
  if (old)
    copy_members (old, merged);
  if (!request)
    return g_steal_pointer (&merged);
  g_autoptr (JsonObject) values = json_object_new (), nulls = json_object_new ();
  split_request (request, values, nulls);
  unsigned before = problems->len;
  check_nulls (nulls, current->name, problems);
  take_out (merged, nulls);
  g_autoptr (StreamSettings) settings = stream_settings_from_json (values, current, current->name, problems);
  if (problems->len > before)
    return NULL;
  set_keys (merged, values, settings);
  return g_steal_pointer (&merged);
}

StreamSettings *
patch_apply (JsonObject *patch, const StreamSettings *base, GPtrArray *problems)
{
  return stream_settings_from_json (patch, base, base->name, problems);
}

char *
patch_to_text (JsonObject *patch)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), patch);
  return json_to_string (node, FALSE);
}

JsonObject *
patch_from_text (const char *text, GError **error)
{
  g_autoptr (JsonNode) node = json_from_string (text, error);
  if (node && JSON_NODE_HOLDS_OBJECT (node))
    return json_node_dup_object (node);
  if (!error || !*error)
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "not a JSON object");
  return NULL;
}
