/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of POST and PATCH on streams, by the same way as in the server. */
#include "http/api/stream_body.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  g_auto (StreamBody) body = {0};
  g_autoptr (GError) error = NULL;
  bool ok = stream_body_parse (n_bytes ? (const char *)bytes : "", n_bytes, &body, &error);
  if (ok ? !g_variant_is_of_type (body.patch, G_VARIANT_TYPE_VARDICT) : !error)
    __builtin_trap ();
  return 0;
}
