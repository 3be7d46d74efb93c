/* SPDX-License-Identifier: Apache-2.0 */
/* One member of Settings, StreamSettings or an element of their lists, handled by its line of the key table.
 * No state; any thread that owns the object. */
#pragma once

#include "config/keys.h"
#include "config/node.h"

/* Stands for a secret that is not shown. */
#define KEY_HIDDEN "***"

/* The default. The member must be zero before. */
void key_init (const Key *key, void *object);
void key_clear (const Key *key, void *object); /* frees, and leaves zero */
void key_copy (const Key *key, void *to, const void *from);
bool key_equal (const Key *key, const void *a, const void *b);

/* The same for all members of a section. */
void keys_init (const char *section, void *object);
void keys_clear (const char *section, void *object);
void keys_copy (const char *section, void *to, const void *from);

/* Sets the member to what @node says. When that is wrong: false, a problem, and the member stays. @path names
 * it in problems. */
bool key_set (const Key *key, void *object, const ConfigNode *node, const char *path,
              ConfigProblems *problems);

/* The member as a node that key_set() reads back as the same value. Without @reveal secrets are "***", also
 * those in URLs. (transfer full) */
ConfigNode *key_get (const Key *key, const void *object, bool reveal);

/* The list that a KEY_OBJECTS member holds, and for each element a struct of key->element. */
GPtrArray *key_objects (const Key *key, const void *object);
void key_free_objects (const Key *key, GPtrArray *objects); /* NULL-safe */

/* Reports a member @node that the section has not, with the closest name that it has. */
void key_unknown (const char *section, const ConfigNode *node, const char *path, ConfigProblems *problems);
