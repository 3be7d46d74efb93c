/* SPDX-License-Identifier: Apache-2.0 */
/* The access rules of one configuration, prepared for checking: immutable but for the memory of passwords
 * that were verified, and refcounted, so that a check under way is not hurt by a reload. Any thread. */
#pragma once

#include "auth/secret.h"
#include "config/settings.h"

/* Verified passwords that are remembered. */
enum { POLICY_MAX_VERIFIED = 1024 };

typedef struct Policy Policy;

Policy *policy_new (Settings *settings);
Policy *policy_ref (Policy *policy);
void policy_unref (Policy *policy); /* NULL-safe */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Policy, policy_unref)

bool policy_has_rules (const Policy *policy);
bool policy_can_digest (const Policy *policy); /* a user has a plain password */

const SettingsUser *policy_find_user (const Policy *policy, const char *name);
/* Compares with every token, whichever matches. */
const SettingsToken *policy_find_token (const Policy *policy, const char *token);

/* Whether @permissions (of SettingsPermission), or those of everybody, allow it. @permissions may be NULL:
 * nobody in particular. @path NULL (what belongs to no stream, such as the configuration) needs a permission
 * on all ("*"). */
bool policy_permits (const Policy *policy, GPtrArray *permissions, SettingsAction action, const char *path);

/* An argon2 hash of some user, to spend the same time on users that do not exist; NULL when nobody has one.
 */
const char *policy_decoy (const Policy *policy);
bool policy_is_hashed (const SettingsUser *user);
/* False for users with a hash, and for @user NULL. */
bool policy_plain_equal (const Policy *policy, const SettingsUser *user, const char *password);

/* Keyed hash of a name and a password, different for every policy. (transfer full) */
GBytes *policy_credential (const Policy *policy, const char *name, const char *password);
/* Credentials that argon2 has found right. */
bool policy_was_verified (Policy *policy, GBytes *credential);
void policy_remember_verified (Policy *policy, GBytes *credential);
