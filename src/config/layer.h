/* SPDX-License-Identifier: Apache-2.0 */
/* The places that configuration comes from, each as one tree: section -> key -> value, and streams -> name ->
 * key
 * -> value. Any thread. */
#pragma once

#include "config/node.h"

/* Of the file @file with the content @text (NULL: is read). ${NAME} in strings is replaced by the variable of
 * @environment; $${ stands for ${ itself. NULL and a problem when it is no TOML; a missing
 * variable is a problem too, and its node is bad. (transfer full) */
ConfigNode *config_layer_from_file (const char *file, const char *text, size_t n_text,
                                    const char *const *environment, ConfigProblems *problems);

/* Of the variables SLUICE_SECTION_KEY, SLUICE_DEFAULTS_KEY and SLUICE_STREAMS_NAME_KEY. NAME is that of a
 * stream of
 * @file_layer (may be NULL) in upper case with _ for everything but letters and digits; else it becomes a
 * stream of that name in lower case. (transfer full) */
ConfigNode *config_layer_from_environment (const char *const *environment, const ConfigNode *file_layer,
                                           ConfigProblems *problems);

/* Of "section.key=value", "streams.NAME.key=value". (transfer full) */
ConfigNode *config_layer_from_overrides (const char *const *overrides, ConfigProblems *problems);
