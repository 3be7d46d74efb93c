/* SPDX-License-Identifier: Apache-2.0 */
/* The decision. evaluate() answers what can be answered at once, or says that a hash must run first; the
 * hash's result comes back through finish_hash(). Every failure looks the same to the peer, and where some
 * user has a hashed password it also takes the same time: unknown users are checked against somebody else's
 * hash. */
#include "auth/auth.h"

#include "auth/digest.h"
#include "auth/password.h"
#include "auth/policy.h"
#include "auth/throttle.h"
#include "base/log.h"

#include <string.h>

struct Auth {
  GMutex lock; /* leaf: policy */
  Policy *policy;
  PasswordHasher *hasher;
  Throttle *throttle;
  DigestNonces *nonces;
  GMutex pending_lock; /* leaf: pending */
  GHashTable *pending; /* credential being hashed -> GPtrArray of Check that wait for it */
  int warned_loopback; /* atomic */
};

/* What evaluate() found. */
typedef struct {
  AuthResult result;
  const char *user; /* of the policy; who it was */
  const char *hash; /* not NULL: hash first; @result is what follows when it matches */
  bool decoy;       /* @hash is somebody else's: no match counts */
} Verdict;

/* --- the parts of a decision
 * ----------------------------------------------------------------------------------- */

static Policy *
ref_policy (Auth *auth)
{
  g_mutex_lock (&auth->lock);
  Policy *policy = policy_ref (auth->policy);
  g_mutex_unlock (&auth->lock);
  return policy;
}

const char *
auth_loopback_only_message (void)
{
  return "no user, token or anonymous permission is configured, so only loopback peers are served; add one "
         "to the "
         "configuration, for example: [auth] anonymous = [{ actions = [\"read\"], path = \"*\" }]";
}

static AuthResult
decide_unconfigured (Auth *auth, const AuthRequest *request)
{
  if (net_address_is_loopback (request->peer))
    return AUTH_ALLOWED;
  if (g_atomic_int_compare_and_exchange (&auth->warned_loopback, 0, 1)) {
    g_autofree char *peer = net_address_to_string (request->peer);
    LOG (LOG_AUTH, LOG_WARNING, "loopback-only", (&(LogFields){.peer = peer}), "%s",
         auth_loopback_only_message ());
  }
  return AUTH_LOOPBACK_ONLY;
}

static void
permit (const Policy *policy, const AuthRequest *request, GPtrArray *permissions, const char *user,
        Verdict *verdict)
{
  verdict->user = user;
  verdict->result =
      policy_permits (policy, permissions, request->action, request->path) ? AUTH_ALLOWED : AUTH_FORBIDDEN;
}

static void
evaluate_password (Policy *policy, const AuthRequest *request, Verdict *verdict)
{
  const SettingsUser *user = policy_find_user (policy, request->user);
  const char *password = request->password ? request->password : "";
  if (strlen (password) > PASSWORD_MAX_BYTES)
    return;
  bool match = policy_plain_equal (policy, user, password);
  if (!match && user && policy_is_hashed (user)) {
    g_autoptr (GBytes) credential = policy_credential (policy, user->name, password);
    match = policy_was_verified (policy, credential);
  }
  if (match) {
    permit (policy, request, user->permissions, user->name, verdict);
    return;
  }
  verdict->decoy = !user || !policy_is_hashed (user);
  verdict->hash = verdict->decoy ? policy_decoy (policy) : user->password;
  if (verdict->hash && !verdict->decoy)
    permit (policy, request, user->permissions, user->name, verdict);
}

static bool
is_digest_sound (const AuthDigest *digest)
{
  const char *needed[] = {digest->username, digest->realm,    digest->nonce,
                          digest->uri,      digest->response, digest->method};
  for (unsigned i = 0; i < G_N_ELEMENTS (needed); i++)
    if (!needed[i] || strlen (needed[i]) > DIGEST_MAX_FIELD_BYTES)
      return false;
  if (digest->algorithm && g_ascii_strcasecmp (digest->algorithm, "MD5") != 0 &&
      g_ascii_strcasecmp (digest->algorithm, "SHA-256") != 0)
    return false;
  if (!digest->qop)
    return true;
  return g_ascii_strcasecmp (digest->qop, "auth") == 0 && digest->nc && strlen (digest->nc) == 8 &&
         digest->cnonce && strlen (digest->cnonce) <= DIGEST_MAX_FIELD_BYTES;
}

static void
evaluate_digest (Auth *auth, Policy *policy, const AuthRequest *request, bool take, Verdict *verdict)
{
  const AuthDigest *digest = request->digest;
  if (!is_digest_sound (digest))
    return;
  const SettingsUser *user = policy_find_user (policy, digest->username);
  bool usable = user && !policy_is_hashed (user);
  g_autofree char *expected =
      auth_digest_response (digest->algorithm ? digest->algorithm : "MD5", digest->username, digest->realm,
                            usable ? user->password : "", digest->nonce, digest->method, digest->uri,
                            digest->qop, digest->nc, digest->cnonce);
  g_autofree char *given = g_ascii_strdown (digest->response, -1);
  size_t length = strlen (expected);
  if (strlen (given) != length || !secret_equal (expected, given, length) || !usable)
    return;
  /* Only whoever knows the password learns that the nonce is too old (RFC 7616 §3.3, stale). */
  if (!digest_nonces_accept (auth->nonces, digest->nonce, digest->qop ? digest->nc : NULL, take)) {
    verdict->result = AUTH_STALE;
    return;
  }
  permit (policy, request, user->permissions, user->name, verdict);
}

/* Name that failures are counted by; NULL for tokens. */
static const char *
claimed_user (const AuthRequest *request)
{
  if (request->user)
    return request->user;
  return request->digest ? request->digest->username : NULL;
}

static bool
has_credentials (const AuthRequest *request)
{
  return request->user || request->bearer || request->digest;
}

/* With @take the request is being answered: attempts and nonce counts are used up. */
static Verdict
evaluate (Auth *auth, Policy *policy, const AuthRequest *request, bool take)
{
  Verdict verdict = {.result = AUTH_UNAUTHENTICATED};
  if (!policy_has_rules (policy)) {
    verdict.result = decide_unconfigured (auth, request);
    return verdict;
  }
  if (!has_credentials (request)) {
    if (policy_permits (policy, NULL, request->action, request->path))
      verdict.result = AUTH_ALLOWED;
    return verdict;
  }
  if (!throttle_allow (auth->throttle, request->peer, claimed_user (request), take)) {
    verdict.result = AUTH_THROTTLED;
    return verdict;
  }
  if (request->bearer) {
    const SettingsToken *token = policy_find_token (policy, request->bearer);
    if (token)
      permit (policy, request, token->permissions, token->name, &verdict);
  } else if (request->digest) {
    evaluate_digest (auth, policy, request, take, &verdict);
  } else {
    evaluate_password (policy, request, &verdict);
  }
  return verdict;
}

/* Books a final @result of a request with credentials. */
static void
account (Auth *auth, const NetAddress *peer, const char *user, AuthResult result)
{
  if (result == AUTH_UNAUTHENTICATED)
    throttle_failure (auth->throttle, peer, user);
  else if (result == AUTH_ALLOWED || result == AUTH_FORBIDDEN)
    throttle_success (auth->throttle, peer, user);
}

/* --- answers
 * ----------------------------------------------------------------------------------------------------*/

typedef struct {
  Auth *auth;
  Policy *policy;
  Loop *loop;
  GCancellable *cancellable;
  AuthFunc func;
  void *data;
  AuthResult result;
  char *user;
  /* while a hash runs */
  NetAddress peer;
  char *claimed;
  GBytes *credential;
  bool decoy;
} Check;

static void
deliver (void *data)
{
  Check *check = data;
  if (!check->cancellable || !g_cancellable_is_cancelled (check->cancellable))
    check->func (check->data, check->result, check->user);
  g_clear_object (&check->cancellable);
  policy_unref (check->policy);
  g_clear_pointer (&check->credential, g_bytes_unref);
  g_free (check->claimed);
  g_free (check->user);
  g_free (check);
}

/* Each wrong one counts for its own peer; the first was counted when the hash began. */
static void
settle (Check *check, bool match, bool first)
{
  Throttle *throttle = check->auth->throttle;
  if (match && !check->decoy) {
    if (first)
      throttle_forgive (throttle, &check->peer, check->claimed);
    throttle_success (throttle, &check->peer, check->claimed);
  } else {
    check->result = AUTH_UNAUTHENTICATED;
    g_clear_pointer (&check->user, g_free);
    if (!first)
      throttle_failure (throttle, &check->peer, check->claimed);
  }
  loop_post (check->loop, deliver, check);
}

/* On a hasher's thread. */
static void
finish_hash (void *data, bool match)
{
  Check *first = data;
  Auth *auth = first->auth;
  if (match && !first->decoy)
    policy_remember_verified (first->policy, first->credential);
  g_autoptr (GPtrArray) checks = NULL;
  g_mutex_lock (&auth->pending_lock);
  g_hash_table_steal_extended (auth->pending, first->credential, NULL, (void **)&checks);
  g_mutex_unlock (&auth->pending_lock);
  for (unsigned i = 0; i < checks->len; i++)
    settle (checks->pdata[i], match, i == 0);
}

/* True when the same credentials are being hashed already: @check waits for that. A hundred players that
 * connect at once with one password cost one hash, and a guess sent a hundred times is one guess. */
static bool
join_pending (Auth *auth, Check *check)
{
  g_mutex_lock (&auth->pending_lock);
  GPtrArray *checks = g_hash_table_lookup (auth->pending, check->credential);
  bool joined = checks != NULL;
  if (!joined) {
    checks = g_ptr_array_new ();
    g_hash_table_insert (auth->pending, check->credential, checks);
  }
  g_ptr_array_add (checks, check);
  g_mutex_unlock (&auth->pending_lock);
  return joined;
}

/* Counted as wrong until it proves right, or many guesses could be under way before the first one counts. */
static void
begin_hash (Auth *auth, const AuthRequest *request, const char *encoded, Check *check)
{
  const char *password = request->password ? request->password : "";
  check->peer = *request->peer;
  check->claimed = g_strdup (request->user);
  check->credential = policy_credential (check->policy, request->user, password);
  if (join_pending (auth, check))
    return;
  throttle_failure (auth->throttle, request->peer, request->user);
  if (password_hasher_push (auth->hasher, encoded, password, finish_hash, check))
    return;
  throttle_forgive (auth->throttle, request->peer, request->user);
  g_autoptr (GPtrArray) checks = NULL;
  g_mutex_lock (&auth->pending_lock);
  g_hash_table_steal_extended (auth->pending, check->credential, NULL, (void **)&checks);
  g_mutex_unlock (&auth->pending_lock);
  for (unsigned i = 0; i < checks->len; i++) {
    Check *refused = checks->pdata[i];
    refused->result = AUTH_THROTTLED;
    g_clear_pointer (&refused->user, g_free);
    loop_post (refused->loop, deliver, refused);
  }
}

void
auth_check (Auth *auth, const AuthRequest *request, Loop *loop, GCancellable *cancellable, AuthFunc func,
            void *data)
{
  Check *check = g_new0 (Check, 1);
  check->auth = auth;
  check->policy = ref_policy (auth);
  check->loop = loop;
  check->cancellable = cancellable ? g_object_ref (cancellable) : NULL;
  check->func = func;
  check->data = data;

  Verdict verdict = evaluate (auth, check->policy, request, true);
  check->result = verdict.result;
  check->user = g_strdup (verdict.user);
  check->decoy = verdict.decoy;
  if (verdict.hash) {
    begin_hash (auth, request, verdict.hash, check);
    return;
  }
  if (has_credentials (request) && policy_has_rules (check->policy))
    account (auth, request->peer, claimed_user (request), check->result);
  loop_post (loop, deliver, check);
}

bool
auth_check_now (Auth *auth, const AuthRequest *request, AuthResult *ret, char **ret_user)
{
  g_autoptr (Policy) policy = ref_policy (auth);
  /* Only a password may need a hash; nothing is used up before we know that the answer is ours. */
  if (request->user && policy_has_rules (policy) && evaluate (auth, policy, request, false).hash)
    return false;
  Verdict verdict = evaluate (auth, policy, request, true);
  if (has_credentials (request) && policy_has_rules (policy))
    account (auth, request->peer, claimed_user (request), verdict.result);
  *ret = verdict.result;
  *ret_user = g_strdup (verdict.user);
  return true;
}

/* --- the object
 * ------------------------------------------------------------------------------------------------ */

Auth *
auth_new (Settings *settings)
{
  Auth *auth = g_new0 (Auth, 1);
  g_mutex_init (&auth->lock);
  auth->policy = policy_new (settings);
  auth->hasher = password_hasher_new ();
  auth->throttle = throttle_new (AUTH_FAILURES_PER_MINUTE, loop_now_us);
  auth->nonces = digest_nonces_new (loop_now_us);
  g_mutex_init (&auth->pending_lock);
  auth->pending = g_hash_table_new (g_bytes_hash, g_bytes_equal);
  return auth;
}

void
auth_free (Auth *auth)
{
  if (!auth)
    return;
  password_hasher_free (auth->hasher);
  g_hash_table_unref (auth->pending);
  g_mutex_clear (&auth->pending_lock);
  digest_nonces_free (auth->nonces);
  throttle_free (auth->throttle);
  policy_unref (auth->policy);
  g_mutex_clear (&auth->lock);
  g_free (auth);
}

void
auth_set_settings (Auth *auth, Settings *settings)
{
  Policy *fresh = policy_new (settings);
  g_mutex_lock (&auth->lock);
  Policy *old = auth->policy;
  auth->policy = fresh;
  g_mutex_unlock (&auth->lock);
  policy_unref (old);
}

bool
auth_can_digest (Auth *auth)
{
  g_autoptr (Policy) policy = ref_policy (auth);
  return policy_can_digest (policy);
}

char *
auth_make_nonce (Auth *auth)
{
  return digest_nonces_make (auth->nonces);
}
