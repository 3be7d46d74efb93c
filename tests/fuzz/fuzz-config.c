/* SPDX-License-Identifier: Apache-2.0 */
/* A file of any bytes is refused with a problem, or gives settings whose dump gives the same settings. */
#include "config/diff.h"
#include "config/dump.h"
#include "config/load.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  static const char *const environment[] = {"HOME=/tmp", "SLUICE_STREAMS_A_SOURCE=test:", NULL};
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  ConfigSources sources = {
      .file = "f", .text = (const char *)bytes, .n_text = n_bytes, .environment = environment};
  g_autoptr (Settings) settings = config_load (&sources, problems);
  if (!settings) {
    if (problems->len == 0)
      g_error ("refused without a problem");
    return 0;
  }
  g_autofree char *dump = config_dump (settings, CONFIG_DUMP_HELP);
  ConfigSources again = {.file = "dump", .text = dump, .n_text = strlen (dump)};
  g_autoptr (Settings) back = config_load (&again, problems);
  if (!back)
    g_error ("%s", (char *)problems->pdata[0]);
  g_autoptr (ConfigDiff) diff = config_diff (settings, back);
  if (!config_diff_is_empty (diff))
    g_error ("the dump differs");
  return 0;
}
