/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords: argon2id (RFC 9106) by libargon2. Parameters are the second choice of OWASP's password storage
 * page: 19 MiB, 2 passes, 1 lane. */
#include "auth/password.h"

#include "auth/auth.h"
#include "auth/secret.h"
#include "base/error.h"

#include <argon2.h>
#include <string.h>

enum {
  ARGON_PASSES = 2,
  ARGON_KIB = 19 * 1024,
  ARGON_LANES = 1,
  ARGON_SALT_BYTES = 16,
  ARGON_HASH_BYTES = 32,
};

typedef struct {
  char *encoded;
  char *password;
  PasswordFunc func;
  void *data;
} Job;

struct PasswordHasher {
  GThreadPool *pool;
  int waiting; /* atomic: pushed and not finished */
  int closing; /* atomic */
};

static void
wipe_and_free (char *text)
{
  secret_wipe (text, strlen (text));
  g_free (text);
}

static void
run_job (gpointer data, gpointer user_data)
{
  Job *job = data;
  PasswordHasher *hasher = user_data;
  bool match = false;
  if (!g_atomic_int_get (&hasher->closing))
    match = argon2id_verify (job->encoded, job->password, strlen (job->password)) == ARGON2_OK;
  job->func (job->data, match);
  wipe_and_free (job->password);
  g_free (job->encoded);
  g_free (job);
  g_atomic_int_add (&hasher->waiting, -1);
}

PasswordHasher *
password_hasher_new (void)
{
  PasswordHasher *hasher = g_new0 (PasswordHasher, 1);
  hasher->pool = g_thread_pool_new (run_job, hasher, PASSWORD_THREADS, FALSE, NULL);
  return hasher;
}

void
password_hasher_free (PasswordHasher *hasher)
{
  if (!hasher)
    return;
  g_atomic_int_set (&hasher->closing, 1);
  g_thread_pool_free (hasher->pool, FALSE, TRUE);
  g_free (hasher);
}

bool
password_hasher_push (PasswordHasher *hasher, const char *encoded, const char *password, PasswordFunc func,
                      void *data)
{
  if (g_atomic_int_add (&hasher->waiting, 1) >= PASSWORD_MAX_WAITING) {
    g_atomic_int_add (&hasher->waiting, -1);
    return false;
  }
  Job *job = g_new (Job, 1);
  *job = (Job){.encoded = g_strdup (encoded), .password = g_strdup (password), .func = func, .data = data};
  /* Without a fresh thread the job waits for the ones that run; there is nothing to report. */
  g_thread_pool_push (hasher->pool, job, NULL);
  return true;
}

char *
auth_hash_password (const char *password, GError **error)
{
  size_t length = strlen (password);
  if (length == 0 || length > PASSWORD_MAX_BYTES) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "a password has 1 to %d bytes",
                 PASSWORD_MAX_BYTES);
    return NULL;
  }
  uint8_t salt[ARGON_SALT_BYTES];
  secret_random (salt, sizeof salt);
  size_t n_encoded =
      argon2_encodedlen (ARGON_PASSES, ARGON_KIB, ARGON_LANES, sizeof salt, ARGON_HASH_BYTES, Argon2_id);
  g_autofree char *encoded = g_malloc (n_encoded);
  int result = argon2id_hash_encoded (ARGON_PASSES, ARGON_KIB, ARGON_LANES, password, length, salt,
                                      sizeof salt, ARGON_HASH_BYTES, encoded, n_encoded);
  if (result != ARGON2_OK) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INTERNAL, "cannot hash the password: %s",
                 argon2_error_message (result));
    return NULL;
  }
  return g_steal_pointer (&encoded);
}
