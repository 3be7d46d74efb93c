/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON object is refused with a problem, or gives settings whose JSON gives the same settings. */
#include "config/json.h"

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  g_autofree char *text = g_strndup ((const char *)bytes, n_bytes);
  g_autoptr (JsonNode) node = json_from_string (text, NULL);
  if (!node || !JSON_NODE_HOLDS_OBJECT (node))
    return 0;
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (StreamSettings) base = stream_settings_new_default ("");
  g_autoptr (StreamSettings) settings =
      stream_settings_from_json (json_node_get_object (node), base, "a", problems);
  if (!settings) {
    if (problems->len == 0)
      g_error ("refused without a problem");
    return 0;
  }
  for (int reveal = 0; reveal <= 1; reveal++) {
    g_autoptr (JsonObject) object = stream_settings_to_json (settings, reveal);
    g_autoptr (StreamSettings) back = stream_settings_from_json (object, settings, "a", problems);
    if (!back || !stream_settings_equal (settings, back))
      g_error ("the JSON differs");
  }
  return 0;
}
