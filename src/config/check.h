/* SPDX-License-Identifier: Apache-2.0 */
/* What strings of the configuration must look like. Nothing is resolved, opened or connected. No state; any
 * thread. Errors are INVALID_ARGUMENT and never show a password. */
#pragma once

#include "config/keys.h"

bool config_check_string (KeyCheck check, const char *string, GError **error);
bool config_check_log_module (const char *module, GError **error);
