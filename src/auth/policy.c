/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups of names are ordinary (a name is no secret once every failure looks and takes the same); everything
 * that is a secret is compared as a keyed hash, in constant time. */
#include "auth/policy.h"

#include <string.h>

#define HASH_PREFIX  "$argon2"
#define TOKEN_PREFIX "sha256:"

typedef struct {
  const SettingsToken *token;
  uint8_t sha256[SECRET_BYTES];
} PolicyToken;

struct Policy {
  gatomicrefcount ref;
  Settings *settings;
  GHashTable *users; /* name -> SettingsUser, both of settings */
  GArray *tokens;    /* of PolicyToken */
  const char *decoy;
  bool can_digest;
  SecretKey key;
  GMutex lock;          /* leaf: verified */
  GHashTable *verified; /* of GBytes: keyed hashes of user and password */
};

static bool
parse_token_hash (const char *text, uint8_t ret[SECRET_BYTES])
{
  const char *hex = text + strlen (TOKEN_PREFIX);
  if (strlen (hex) != 2 * SECRET_BYTES)
    return false;
  for (unsigned i = 0; i < SECRET_BYTES; i++) {
    int high = g_ascii_xdigit_value (hex[2 * i]), low = g_ascii_xdigit_value (hex[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    ret[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}

static void
add_token (Policy *policy, const SettingsToken *token)
{
  PolicyToken entry = {.token = token};
  if (g_str_has_prefix (token->token, TOKEN_PREFIX)) {
    /* The configuration was checked; should a bad hash come through all the same, it matches nothing. */
    if (!parse_token_hash (token->token, entry.sha256))
      return;
  } else {
    secret_sha256 (token->token, strlen (token->token), entry.sha256);
  }
  g_array_append_val (policy->tokens, entry);
}

Policy *
policy_new (Settings *settings)
{
  Policy *policy = g_new0 (Policy, 1);
  g_atomic_ref_count_init (&policy->ref);
  policy->settings = settings_ref (settings);
  policy->users = g_hash_table_new (g_str_hash, g_str_equal);
  policy->tokens = g_array_new (FALSE, FALSE, sizeof (PolicyToken));
  policy->verified = g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
  g_mutex_init (&policy->lock);
  secret_key_init (&policy->key);
  for (unsigned i = 0; settings->users && i < settings->users->len; i++) {
    SettingsUser *user = settings->users->pdata[i];
    g_hash_table_insert (policy->users, user->name, user);
    if (!policy_is_hashed (user))
      policy->can_digest = true;
    else if (!policy->decoy)
      policy->decoy = user->password;
  }
  for (unsigned i = 0; settings->tokens && i < settings->tokens->len; i++)
    add_token (policy, settings->tokens->pdata[i]);
  return policy;
}

Policy *
policy_ref (Policy *policy)
{
  g_atomic_ref_count_inc (&policy->ref);
  return policy;
}

void
policy_unref (Policy *policy)
{
  if (!policy || !g_atomic_ref_count_dec (&policy->ref))
    return;
  g_hash_table_unref (policy->users);
  g_hash_table_unref (policy->verified);
  g_array_unref (policy->tokens);
  settings_unref (policy->settings);
  g_mutex_clear (&policy->lock);
  secret_wipe (&policy->key, sizeof policy->key);
  g_free (policy);
}

bool
policy_has_rules (const Policy *policy)
{
  return settings_has_access_rules (policy->settings);
}

bool
policy_can_digest (const Policy *policy)
{
  return policy->can_digest;
}

const SettingsUser *
policy_find_user (const Policy *policy, const char *name)
{
  return g_hash_table_lookup (policy->users, name);
}

const SettingsToken *
policy_find_token (const Policy *policy, const char *token)
{
  uint8_t sha256[SECRET_BYTES];
  secret_sha256 (token, strlen (token), sha256);
  const SettingsToken *found = NULL;
  for (unsigned i = 0; i < policy->tokens->len; i++) {
    const PolicyToken *entry = &g_array_index (policy->tokens, PolicyToken, i);
    if (secret_equal (entry->sha256, sha256, sizeof sha256))
      found = entry->token;
  }
  return found;
}

static bool
list_permits (GPtrArray *permissions, SettingsAction action, const char *path)
{
  for (unsigned i = 0; permissions && i < permissions->len; i++) {
    const SettingsPermission *permission = permissions->pdata[i];
    if (!(permission->actions & action))
      continue;
    if (!permission->path || strcmp (permission->path, "*") == 0)
      return true;
    if (path && settings_glob_match (permission->path, path))
      return true;
  }
  return false;
}

bool
policy_permits (const Policy *policy, GPtrArray *permissions, SettingsAction action, const char *path)
{
  return list_permits (permissions, action, path) || list_permits (policy->settings->anonymous, action, path);
}

const char *
policy_decoy (const Policy *policy)
{
  return policy->decoy;
}

bool
policy_is_hashed (const SettingsUser *user)
{
  return g_str_has_prefix (user->password, HASH_PREFIX);
}

bool
policy_plain_equal (const Policy *policy, const SettingsUser *user, const char *password)
{
  /* A comparison is made in every case, so that its time does not tell whether the user exists. */
  bool usable = user && !policy_is_hashed (user);
  return secret_equal_text (&policy->key, usable ? user->password : "", password) && usable;
}

GBytes *
policy_credential (const Policy *policy, const char *name, const char *password)
{
  uint8_t digest[SECRET_BYTES];
  /* With its closing NUL the name cannot run into the password. */
  secret_hmac (&policy->key, digest, name, strlen (name) + 1, password, strlen (password), NULL);
  return g_bytes_new (digest, sizeof digest);
}

bool
policy_was_verified (Policy *policy, GBytes *credential)
{
  g_mutex_lock (&policy->lock);
  bool found = g_hash_table_contains (policy->verified, credential);
  g_mutex_unlock (&policy->lock);
  return found;
}

void
policy_remember_verified (Policy *policy, GBytes *credential)
{
  g_mutex_lock (&policy->lock);
  /* Only right passwords come here, one a user: the bound is for configurations with more users than that. */
  if (g_hash_table_size (policy->verified) >= POLICY_MAX_VERIFIED)
    g_hash_table_remove_all (policy->verified);
  g_hash_table_add (policy->verified, g_bytes_ref (credential));
  g_mutex_unlock (&policy->lock);
}
