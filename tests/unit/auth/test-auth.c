/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions from the outside: who gets which answer for what, before anything is configured and after. */
#include "auth/auth.h"
#include "auth/password.h"
#include "base/error.h"

#include <string.h>

/* --- settings by hand
 * ------------------------------------------------------------------------------------------ */

static GPtrArray *
permissions (unsigned actions, const char *path)
{
  GPtrArray *list = g_ptr_array_new ();
  SettingsPermission *permission = g_new0 (SettingsPermission, 1);
  permission->actions = actions;
  permission->path = g_strdup (path);
  g_ptr_array_add (list, permission);
  return list;
}

static void
add_user (Settings *settings, const char *name, const char *password, unsigned actions, const char *path)
{
  SettingsUser *user = g_new0 (SettingsUser, 1);
  user->name = g_strdup (name);
  user->password = g_strdup (password);
  user->permissions = permissions (actions, path);
  g_ptr_array_add (settings->users, user);
}

static void
add_token (Settings *settings, const char *name, const char *value, unsigned actions, const char *path)
{
  SettingsToken *token = g_new0 (SettingsToken, 1);
  token->name = g_strdup (name);
  token->token = g_strdup (value);
  token->permissions = permissions (actions, path);
  g_ptr_array_add (settings->tokens, token);
}

static void
add_anonymous (Settings *settings, unsigned actions, const char *path)
{
  GPtrArray *list = permissions (actions, path);
  g_ptr_array_add (settings->anonymous, list->pdata[0]);
  g_ptr_array_free (list, TRUE);
}

/* anna has a hash, paul a plain password; two tokens, one of them hashed; everybody may read what is public.
 */
static Settings *
make_settings (void)
{
  Settings *settings = settings_new_default ();
  g_autofree char *hash = auth_hash_password ("anna's secret", NULL);
  add_user (settings, "anna", hash, ACTION_READ | ACTION_PUBLISH, "live/*");
  add_user (settings, "paul", "plain secret", ACTION_READ | ACTION_API, "*");
  add_token (settings, "board", "0123456789abcdef", ACTION_METRICS, "*");
  /* sha256 of "abc" */
  add_token (settings, "hashed", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
             ACTION_API, "cam-*");
  add_anonymous (settings, ACTION_READ, "public/*");
  return settings;
}

static NetAddress
address (const char *text)
{
  NetAddress ret;
  g_assert_true (net_address_parse (text, &ret, NULL));
  return ret;
}

/* --- asking
 * ---------------------------------------------------------------------------------------------------- */

typedef struct {
  bool done;
  AuthResult result;
  char *user;
} Answer;

static void
on_answer (void *data, AuthResult result, const char *user)
{
  Answer *answer = data;
  g_assert_false (answer->done);
  answer->done = true;
  answer->result = result;
  answer->user = g_strdup (user);
}

static AuthResult
ask (Auth *auth, Loop *control, const AuthRequest *request, char **ret_user)
{
  Answer answer = {0};
  auth_check (auth, request, control, NULL, on_answer, &answer);
  g_assert_false (answer.done); /* never inline */
  int64_t deadline = loop_now_us () + 20 * G_USEC_PER_SEC;
  while (!answer.done && loop_now_us () < deadline)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (200);
  g_assert_true (answer.done);
  if (ret_user)
    *ret_user = answer.user;
  else
    g_free (answer.user);
  return answer.result;
}

static void
test_unconfigured (void)
{
  static const struct {
    const char *peer;
    AuthResult result;
  } rows[] = {
      {"127.0.0.1:5", AUTH_ALLOWED},
      {"127.9.9.9:5", AUTH_ALLOWED},
      {"[::1]:5", AUTH_ALLOWED},
      {"[::ffff:127.0.0.1]:5", AUTH_ALLOWED},
      {"192.0.2.1:5", AUTH_LOOPBACK_ONLY},
      {"[::ffff:192.0.2.1]:5", AUTH_LOOPBACK_ONLY},
      {"[2001:db8::1]:5", AUTH_LOOPBACK_ONLY},
      {"0.0.0.0:5", AUTH_LOOPBACK_ONLY},
      {"[::7f00:1]:5", AUTH_LOOPBACK_ONLY},
  };
  Loop *control = loop_new_control ();
  g_autoptr (Settings) settings = settings_new_default ();
  Auth *auth = auth_new (settings);
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s", rows[i].peer);
    NetAddress peer = address (rows[i].peer);
    AuthRequest request = {.peer = &peer, .action = ACTION_PUBLISH, .path = "cam"};
    g_assert_cmpint (ask (auth, control, &request, NULL), ==, rows[i].result);
    /* Credentials that nobody asked for change nothing. */
    request.user = "x";
    request.password = "y";
    g_assert_cmpint (ask (auth, control, &request, NULL), ==, rows[i].result);
  }
  g_assert_nonnull (strstr (auth_loopback_only_message (), "[auth] anonymous"));
  auth_free (auth);
  loop_free (control);
}

static void
test_permissions (void)
{
  static const struct {
    const char *user, *password, *bearer;
    SettingsAction action;
    const char *path;
    AuthResult result;
    const char *who;
  } rows[] = {
      /* nobody in particular; loopback has no special right once there are rules */
      {NULL, NULL, NULL, ACTION_READ, "public/a", AUTH_ALLOWED, NULL},
      {NULL, NULL, NULL, ACTION_READ, "public", AUTH_UNAUTHENTICATED, NULL},
      {NULL, NULL, NULL, ACTION_PUBLISH, "public/a", AUTH_UNAUTHENTICATED, NULL},
      {NULL, NULL, NULL, ACTION_API, NULL, AUTH_UNAUTHENTICATED, NULL},
      /* a hash */
      {"anna", "anna's secret", NULL, ACTION_READ, "live/a", AUTH_ALLOWED, "anna"},
      {"anna", "anna's secret", NULL, ACTION_PUBLISH, "live/a/b", AUTH_ALLOWED, "anna"},
      {"anna", "anna's secret", NULL, ACTION_READ, "cam", AUTH_FORBIDDEN, "anna"},
      {"anna", "anna's secret", NULL, ACTION_READ, "public/a", AUTH_ALLOWED, "anna"},
      {"anna", "anna's secret", NULL, ACTION_API, NULL, AUTH_FORBIDDEN, "anna"},
      {"anna", "wrong", NULL, ACTION_READ, "live/a", AUTH_UNAUTHENTICATED, NULL},
      {"anna", "wrong", NULL, ACTION_READ, "public/a", AUTH_UNAUTHENTICATED, NULL},
      {"anna", NULL, NULL, ACTION_READ, "live/a", AUTH_UNAUTHENTICATED, NULL},
      /* plain */
      {"paul", "plain secret", NULL, ACTION_API, NULL, AUTH_ALLOWED, "paul"},
      {"paul", "plain secret", NULL, ACTION_PUBLISH, "live/a", AUTH_FORBIDDEN, "paul"},
      {"paul", "plain secre", NULL, ACTION_API, NULL, AUTH_UNAUTHENTICATED, NULL},
      {"paul", "", NULL, ACTION_API, NULL, AUTH_UNAUTHENTICATED, NULL},
      {"nobody", "anna's secret", NULL, ACTION_READ, "live/a", AUTH_UNAUTHENTICATED, NULL},
      {"", "", NULL, ACTION_READ, "live/a", AUTH_UNAUTHENTICATED, NULL},
      /* tokens */
      {NULL, NULL, "0123456789abcdef", ACTION_METRICS, NULL, AUTH_ALLOWED, "board"},
      {NULL, NULL, "0123456789abcdef", ACTION_READ, "cam", AUTH_FORBIDDEN, "board"},
      {NULL, NULL, "0123456789abcde", ACTION_METRICS, NULL, AUTH_UNAUTHENTICATED, NULL},
      {NULL, NULL, "abc", ACTION_API, "cam-1", AUTH_ALLOWED, "hashed"},
      {NULL, NULL, "abc", ACTION_API, "door", AUTH_FORBIDDEN, "hashed"},
      {NULL, NULL, "abc", ACTION_API, NULL, AUTH_FORBIDDEN, "hashed"},
      {NULL, NULL, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", ACTION_API,
       "cam-1", AUTH_UNAUTHENTICATED, NULL},
      {NULL, NULL, "", ACTION_API, "cam-1", AUTH_UNAUTHENTICATED, NULL},
  };
  Loop *control = loop_new_control ();
  g_autoptr (Settings) settings = make_settings ();
  Auth *auth = auth_new (settings);
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("row %u", i);
    /* A peer for each row, so that wrong ones do not add up; the users' own failures stay below the limit. */
    g_autofree char *text =
        i % 2 ? g_strdup_printf ("127.0.0.%u:5", i + 1) : g_strdup_printf ("192.0.2.%u:5", i + 1);
    NetAddress peer = address (text);
    AuthRequest request = {.peer = &peer,
                           .action = rows[i].action,
                           .path = rows[i].path,
                           .user = rows[i].user,
                           .password = rows[i].password,
                           .bearer = rows[i].bearer};
    g_autofree char *who = NULL;
    g_assert_cmpint (ask (auth, control, &request, &who), ==, rows[i].result);
    g_assert_cmpstr (who, ==, rows[i].who);
  }
  auth_free (auth);
  loop_free (control);
}

static AuthResult
ask_digest (Auth *auth, Loop *control, const char *user, const char *password, const char *algorithm,
            const char *nonce, const char *qop, const char *nc)
{
  NetAddress peer = address ("192.0.2.50:5");
  g_autofree char *response = auth_digest_response (algorithm ? algorithm : "MD5", user, "sluice", password,
                                                    nonce, "DESCRIBE", "rtsp://h/cam", qop, nc, "c0ffee");
  AuthDigest digest = {.username = user,
                       .realm = "sluice",
                       .nonce = nonce,
                       .uri = "rtsp://h/cam",
                       .response = response,
                       .algorithm = algorithm,
                       .qop = qop,
                       .nc = nc,
                       .cnonce = qop ? "c0ffee" : NULL,
                       .method = "DESCRIBE"};
  AuthRequest request = {.peer = &peer, .action = ACTION_READ, .path = "cam", .digest = &digest};
  return ask (auth, control, &request, NULL);
}

static void
test_digest (void)
{
  Loop *control = loop_new_control ();
  g_autoptr (Settings) settings = make_settings ();
  Auth *auth = auth_new (settings);
  g_assert_true (auth_can_digest (auth));
  g_autofree char *nonce = auth_make_nonce (auth);
  const char *right = "plain secret";
  g_assert_cmpint (ask_digest (auth, control, "paul", right, NULL, nonce, NULL, NULL), ==, AUTH_ALLOWED);
  g_assert_cmpint (ask_digest (auth, control, "paul", right, "SHA-256", nonce, NULL, NULL), ==, AUTH_ALLOWED);
  g_assert_cmpint (ask_digest (auth, control, "paul", right, "md5", nonce, "auth", "00000001"), ==,
                   AUTH_ALLOWED);
  /* A count that was used, a nonce of somebody else: right password, so it is only stale. */
  g_assert_cmpint (ask_digest (auth, control, "paul", right, "md5", nonce, "auth", "00000001"), ==,
                   AUTH_STALE);
  g_assert_cmpint (ask_digest (auth, control, "paul", right, NULL, "abc", NULL, NULL), ==, AUTH_STALE);
  g_assert_cmpint (ask_digest (auth, control, "paul", "wrong", NULL, "abc", NULL, NULL), ==,
                   AUTH_UNAUTHENTICATED);
  g_assert_cmpint (ask_digest (auth, control, "paul", "wrong", NULL, nonce, NULL, NULL), ==,
                   AUTH_UNAUTHENTICATED);
  g_assert_cmpint (ask_digest (auth, control, "nobody", "", NULL, nonce, NULL, NULL), ==,
                   AUTH_UNAUTHENTICATED);
  /* A hash cannot be used, not even as the password. */
  const SettingsUser *anna = settings->users->pdata[0];
  g_assert_cmpint (ask_digest (auth, control, "anna", anna->password, NULL, nonce, NULL, NULL), ==,
                   AUTH_UNAUTHENTICATED);
  g_assert_cmpint (ask_digest (auth, control, "anna", "", NULL, nonce, NULL, NULL), ==, AUTH_UNAUTHENTICATED);
  g_assert_cmpint (ask_digest (auth, control, "paul", right, "SHA-512", nonce, NULL, NULL), ==,
                   AUTH_UNAUTHENTICATED);

  NetAddress peer = address ("192.0.2.51:5");
  AuthDigest empty = {.username = "paul"};
  AuthRequest request = {.peer = &peer, .action = ACTION_READ, .path = "cam", .digest = &empty};
  g_assert_cmpint (ask (auth, control, &request, NULL), ==, AUTH_UNAUTHENTICATED);
  auth_free (auth);
  loop_free (control);
}

static void
test_now (void)
{
  Loop *control = loop_new_control ();
  g_autoptr (Settings) settings = make_settings ();
  Auth *auth = auth_new (settings);
  NetAddress peer = address ("192.0.2.60:5");
  AuthRequest request = {
      .peer = &peer, .action = ACTION_READ, .path = "live/a", .user = "anna", .password = "anna's secret"};
  AuthResult result;
  g_autofree char *user = NULL;
  g_assert_false (auth_check_now (auth, &request, &result, &user));
  g_assert_cmpint (ask (auth, control, &request, NULL), ==, AUTH_ALLOWED);
  /* Remembered now. */
  g_assert_true (auth_check_now (auth, &request, &result, &user));
  g_assert_cmpint (result, ==, AUTH_ALLOWED);
  g_assert_cmpstr (user, ==, "anna");
  /* Unknown users and wrong plain passwords cost a hash as well, and look the same. */
  request.user = "nobody";
  g_clear_pointer (&user, g_free);
  g_assert_false (auth_check_now (auth, &request, &result, &user));
  request.user = "paul";
  g_assert_false (auth_check_now (auth, &request, &result, &user));
  /* New settings forget. */
  request.user = "anna";
  auth_set_settings (auth, settings);
  g_assert_false (auth_check_now (auth, &request, &result, &user));
  auth_free (auth);
  loop_free (control);
}

static void
test_throttled (void)
{
  Loop *control = loop_new_control ();
  g_autoptr (Settings) settings = make_settings ();
  Auth *auth = auth_new (settings);
  NetAddress home = address ("192.0.2.70:5"), bad = address ("192.0.2.71:5");
  AuthRequest right = {
      .peer = &home, .action = ACTION_READ, .path = "cam", .user = "paul", .password = "plain secret"};
  g_assert_cmpint (ask (auth, control, &right, NULL), ==, AUTH_ALLOWED);
  AuthRequest wrong = right;
  wrong.peer = &bad;
  wrong.password = "guess";
  for (unsigned i = 0; i < AUTH_FAILURES_PER_MINUTE; i++)
    g_assert_cmpint (ask (auth, control, &wrong, NULL), ==, AUTH_UNAUTHENTICATED);
  g_assert_cmpint (ask (auth, control, &wrong, NULL), ==, AUTH_UNAUTHENTICATED); /* the one of this second */
  g_assert_cmpint (ask (auth, control, &wrong, NULL), ==, AUTH_THROTTLED);
  wrong.password = "plain secret";
  g_assert_cmpint (ask (auth, control, &wrong, NULL), ==, AUTH_THROTTLED);
  /* Paul himself, where he was before, notices nothing. */
  g_assert_cmpint (ask (auth, control, &right, NULL), ==, AUTH_ALLOWED);
  auth_free (auth);
  loop_free (control);
}

enum { AT_ONCE = 40 };

/* Sends AT_ONCE requests before any is answered; how many got @result. */
static unsigned
ask_at_once (Auth *auth, Loop *control, const char *prefix, AuthResult result)
{
  NetAddress peer = address ("192.0.2.72:5");
  Answer answers[AT_ONCE] = {0};
  for (unsigned i = 0; i < AT_ONCE; i++) {
    g_autofree char *password = g_strdup_printf ("%s%u", prefix ? prefix : "", i);
    AuthRequest request = {.peer = &peer,
                           .action = ACTION_READ,
                           .path = "live/a",
                           .user = "anna",
                           .password = prefix ? password : "anna's secret"};
    auth_check (auth, &request, control, NULL, on_answer, &answers[i]);
  }
  unsigned count = 0;
  int64_t deadline = loop_now_us () + 20 * G_USEC_PER_SEC;
  for (unsigned i = 0; i < AT_ONCE; i++) {
    while (!answers[i].done && loop_now_us () < deadline)
      if (!g_main_context_iteration (NULL, FALSE))
        g_usleep (200);
    g_assert_true (answers[i].done);
    count += answers[i].result == result;
    g_free (answers[i].user);
  }
  return count;
}

static void
test_at_once (void)
{
  Loop *control = loop_new_control ();
  g_autoptr (Settings) settings = make_settings ();
  Auth *auth = auth_new (settings);
  /* Players that connect together with the right password all get in. */
  g_assert_cmpuint (ask_at_once (auth, control, NULL, AUTH_ALLOWED), ==, AT_ONCE);
  auth_free (auth);
  /* Guesses must not slip in before the first one is found wrong. */
  auth = auth_new (settings);
  g_assert_cmpuint (ask_at_once (auth, control, "guess", AUTH_UNAUTHENTICATED), <=,
                    AUTH_FAILURES_PER_MINUTE + 1);
  auth_free (auth);
  loop_free (control);
}

static void
test_cancelled (void)
{
  Loop *control = loop_new_control ();
  g_autoptr (Settings) settings = make_settings ();
  Auth *auth = auth_new (settings);
  NetAddress peer = address ("192.0.2.80:5");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  AuthRequest request = {
      .peer = &peer, .action = ACTION_READ, .path = "live/a", .user = "anna", .password = "anna's secret"};
  Answer answer = {0};
  auth_check (auth, &request, control, cancellable, on_answer, &answer);
  g_cancellable_cancel (cancellable);
  /* Waits for the hash, whose answer is then on the loop. */
  auth_free (auth);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_false (answer.done);
  loop_free (control);
}

static void
test_hash (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *one = auth_hash_password ("secret", &error), *two = auth_hash_password ("secret", &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (one, "$argon2id$v=19$m=19456,t=2,p=1$"));
  g_assert_cmpstr (one, !=, two);
  g_assert_null (auth_hash_password ("", &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_autofree char *huge = g_strnfill (PASSWORD_MAX_BYTES + 1, 'x');
  g_assert_null (auth_hash_password (huge, &error));
  g_assert_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/auth/unconfigured", test_unconfigured);
  g_test_add_func ("/auth/permissions", test_permissions);
  g_test_add_func ("/auth/digest", test_digest);
  g_test_add_func ("/auth/now", test_now);
  g_test_add_func ("/auth/throttled", test_throttled);
  g_test_add_func ("/auth/at-once", test_at_once);
  g_test_add_func ("/auth/cancelled", test_cancelled);
  g_test_add_func ("/auth/hash", test_hash);
  return g_test_run ();
}
