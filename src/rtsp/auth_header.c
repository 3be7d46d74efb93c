/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials and challenges: see auth_header.h. One scanner of "name=value" lists serves both. */
#include "rtsp/auth_header.h"

#include <string.h>

static bool
is_token_byte (char c)
{
  return g_ascii_isalnum (c) || (c && strchr ("!#$%&'*+-.^_`|~", c));
}

static void
skip_separators (const char **text)
{
  *text += strspn (*text, " \t,");
}

static char *
take_token (const char **text)
{
  size_t n = 0;
  while (is_token_byte ((*text)[n]))
    n++;
  char *token = g_strndup (*text, n);
  *text += n;
  return token;
}

/* A token or a quoted string (RFC 9110 §5.6.4); NULL when it is neither or holds control bytes. Values
 * without quotes may hold more than tokens: cameras write nonce=a/b==. */
static char *
take_value (const char **text)
{
  GString *value = g_string_new (NULL);
  bool quoted = **text == '"';
  if (quoted)
    ++*text;
  while (**text && (quoted ? **text != '"' : **text != ',' && **text != ' ' && **text != '\t')) {
    if (quoted && **text == '\\' && (*text)[1])
      ++*text;
    if ((uint8_t) * *text < 0x20 || **text == 0x7f || (!quoted && **text == '"'))
      break;
    g_string_append_c (value, **text);
    ++*text;
  }
  if (quoted ? **text != '"' : **text && **text != ',' && **text != ' ' && **text != '\t') {
    g_string_free (value, TRUE);
    return NULL;
  }
  if (quoted)
    ++*text;
  return g_string_free (value, FALSE);
}

/* "name=value" at *@text; false when it is none, and *@text stays. */
static bool
take_parameter (const char **text, char **ret_name, char **ret_value)
{
  const char *at = *text;
  g_autofree char *name = take_token (&at);
  at += strspn (at, " \t");
  if (!*name || *at != '=')
    return false;
  at++;
  at += strspn (at, " \t");
  char *value = take_value (&at);
  if (!value)
    return false;
  *ret_name = g_steal_pointer (&name);
  *ret_value = value;
  *text = at;
  return true;
}

static bool
is_token (const char *text)
{
  if (!*text)
    return false;
  while (is_token_byte (*text))
    text++;
  return *text == 0;
}

static bool
has_control_bytes (const char *text, size_t n_bytes)
{
  for (size_t i = 0; i < n_bytes; i++)
    if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f)
      return true;
  return false;
}

static bool
parse_basic (const char *text, AuthCredentials *ret)
{
  size_t n_text = strlen (text);
  if (n_text == 0 || n_text % 4 != 0 ||
      strspn (text, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "+/") + 2 < n_text)
    return false;
  gsize n_bytes;
  g_autofree char *bytes = (char *)g_base64_decode (text, &n_bytes);
  const char *colon = memchr (bytes, ':', n_bytes);
  if (!colon || has_control_bytes (bytes, n_bytes))
    return false;
  ret->user = g_strndup (bytes, (size_t)(colon - bytes));
  ret->password = g_strndup (colon + 1, n_bytes - (size_t)(colon - bytes) - 1);
  return true;
}

static bool
parse_bearer (const char *text, AuthCredentials *ret)
{
  if (!*text || text[strspn (text, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-._~+/=")])
    return false;
  ret->token = g_strdup (text);
  return true;
}

static bool
parse_digest (const char *text, AuthCredentials *ret)
{
  const struct {
    const char *name;
    char **target;
    bool token;
  } known[] = {
      {"username", &ret->username, false},
      {"realm", &ret->realm, false},
      {"nonce", &ret->nonce, false},
      {"uri", &ret->uri, false},
      {"response", &ret->response, false},
      {"algorithm", &ret->algorithm, true},
      {"qop", &ret->qop, true},
      {"nc", &ret->nc, true},
      {"cnonce", &ret->cnonce, false},
      {"opaque", &ret->opaque, false},
  };
  skip_separators (&text);
  while (*text) {
    g_autofree char *name = NULL;
    g_autofree char *value = NULL;
    if (!take_parameter (&text, &name, &value))
      return false;
    for (unsigned i = 0; i < G_N_ELEMENTS (known); i++) {
      if (g_ascii_strcasecmp (name, known[i].name) != 0)
        continue;
      if (*known[i].target || (known[i].token && !is_token (value)))
        return false;
      *known[i].target = g_steal_pointer (&value);
      break;
    }
    skip_separators (&text);
  }
  return ret->username && ret->realm && ret->nonce && ret->uri && ret->response;
}

bool
auth_credentials_parse (const char *value, AuthCredentials *ret)
{
  memset (ret, 0, sizeof *ret);
  if (strlen (value) > AUTH_HEADER_MAX_BYTES)
    return false;
  const char *text = value + strspn (value, " \t");
  g_autofree char *scheme = take_token (&text);
  g_autofree char *rest = g_strstrip (g_strdup (text));
  if (*text != ' ' && *text != '\t')
    return false;
  bool ok = false;
  if (g_ascii_strcasecmp (scheme, "Basic") == 0 && (ok = parse_basic (rest, ret)))
    ret->scheme = AUTH_SCHEME_BASIC;
  else if (g_ascii_strcasecmp (scheme, "Digest") == 0 && (ok = parse_digest (rest, ret)))
    ret->scheme = AUTH_SCHEME_DIGEST;
  else if (g_ascii_strcasecmp (scheme, "Bearer") == 0 && (ok = parse_bearer (rest, ret)))
    ret->scheme = AUTH_SCHEME_BEARER;
  if (!ok)
    auth_credentials_clear (ret);
  return ok;
}

void
auth_credentials_clear (AuthCredentials *credentials)
{
  g_free (credentials->user);
  g_free (credentials->password);
  g_free (credentials->token);
  g_free (credentials->username);
  g_free (credentials->realm);
  g_free (credentials->nonce);
  g_free (credentials->uri);
  g_free (credentials->response);
  g_free (credentials->algorithm);
  g_free (credentials->qop);
  g_free (credentials->nc);
  g_free (credentials->cnonce);
  g_free (credentials->opaque);
  memset (credentials, 0, sizeof *credentials);
}

static void
append_quoted (GString *out, const char *name, const char *value)
{
  if (!value)
    return;
  if (out->str[out->len - 1] != ' ')
    g_string_append (out, ", ");
  g_string_append_printf (out, "%s=\"", name);
  for (const char *c = value; *c; c++) {
    if ((uint8_t)*c < 0x20 || *c == 0x7f)
      continue;
    if (*c == '"' || *c == '\\')
      g_string_append_c (out, '\\');
    g_string_append_c (out, *c);
  }
  g_string_append_c (out, '"');
}

/* Some peers do not understand quotes around these (RFC 7616 §3.4 forbids them). */
static void
append_bare (GString *out, const char *name, const char *value)
{
  if (value && is_token (value))
    g_string_append_printf (out, ", %s=%s", name, value);
}

char *
auth_credentials_to_string (const AuthCredentials *credentials)
{
  GString *out;
  switch (credentials->scheme) {
  case AUTH_SCHEME_BASIC: {
    g_autofree char *pair = g_strdup_printf ("%s:%s", credentials->user, credentials->password);
    g_autofree char *base64 = g_base64_encode ((const uint8_t *)pair, strlen (pair));
    return g_strdup_printf ("Basic %s", base64);
  }
  case AUTH_SCHEME_BEARER:
    return g_strdup_printf ("Bearer %s", credentials->token);
  case AUTH_SCHEME_DIGEST:
    out = g_string_new ("Digest ");
    append_quoted (out, "username", credentials->username);
    append_quoted (out, "realm", credentials->realm);
    append_quoted (out, "nonce", credentials->nonce);
    append_quoted (out, "uri", credentials->uri);
    append_quoted (out, "response", credentials->response);
    append_bare (out, "algorithm", credentials->algorithm);
    append_bare (out, "qop", credentials->qop);
    append_bare (out, "nc", credentials->nc);
    append_quoted (out, "cnonce", credentials->cnonce);
    append_quoted (out, "opaque", credentials->opaque);
    return g_string_free (out, FALSE);
  case AUTH_SCHEME_NONE:
    break;
  }
  return NULL;
}

static AuthScheme
challenge_scheme (const char *name)
{
  if (g_ascii_strcasecmp (name, "Basic") == 0)
    return AUTH_SCHEME_BASIC;
  if (g_ascii_strcasecmp (name, "Digest") == 0)
    return AUTH_SCHEME_DIGEST;
  if (g_ascii_strcasecmp (name, "Bearer") == 0)
    return AUTH_SCHEME_BEARER;
  return AUTH_SCHEME_NONE;
}

static void
set_once (char **target, char **value)
{
  if (!*target)
    *target = g_steal_pointer (value);
}

/* "auth,auth-int" */
static bool
list_has_auth (const char *list)
{
  g_auto (GStrv) words = g_strsplit (list, ",", 8);
  for (unsigned i = 0; words[i]; i++)
    if (g_ascii_strcasecmp (g_strstrip (words[i]), "auth") == 0)
      return true;
  return false;
}

static void
set_challenge_parameter (AuthChallenge *challenge, const char *name, char **value)
{
  if (g_ascii_strcasecmp (name, "realm") == 0)
    set_once (&challenge->realm, value);
  else if (g_ascii_strcasecmp (name, "nonce") == 0)
    set_once (&challenge->nonce, value);
  else if (g_ascii_strcasecmp (name, "opaque") == 0)
    set_once (&challenge->opaque, value);
  else if (g_ascii_strcasecmp (name, "algorithm") == 0 && is_token (*value))
    set_once (&challenge->algorithm, value);
  else if (g_ascii_strcasecmp (name, "qop") == 0)
    challenge->qop_auth = list_has_auth (*value);
  else if (g_ascii_strcasecmp (name, "stale") == 0)
    challenge->stale = g_ascii_strcasecmp (*value, "true") == 0;
}

unsigned
auth_challenges_parse (const char *value, AuthChallenge ret[AUTH_CHALLENGES_MAX])
{
  unsigned n_found = 0;
  AuthChallenge current = {0};
  bool more = strlen (value) <= AUTH_HEADER_MAX_BYTES;
  while (more) {
    g_autofree char *name = NULL;
    g_autofree char *parameter = NULL;
    g_autofree char *scheme = NULL;
    skip_separators (&value);
    if (*value && take_parameter (&value, &name, &parameter)) {
      set_challenge_parameter (&current, name, &parameter);
      continue;
    }
    scheme = take_token (&value);
    /* The next scheme, the end, or nonsense: what was collected is complete. */
    bool usable = current.scheme != AUTH_SCHEME_NONE && current.realm &&
                  (current.scheme != AUTH_SCHEME_DIGEST || current.nonce);
    if (usable)
      ret[n_found++] = current;
    else
      auth_challenge_clear (&current);
    memset (&current, 0, sizeof current);
    current.scheme = challenge_scheme (scheme);
    more = *scheme && (*value == ' ' || *value == '\t') && n_found < AUTH_CHALLENGES_MAX;
  }
  auth_challenge_clear (&current);
  return n_found;
}

void
auth_challenge_clear (AuthChallenge *challenge)
{
  g_free (challenge->realm);
  g_free (challenge->nonce);
  g_free (challenge->opaque);
  g_free (challenge->algorithm);
  memset (challenge, 0, sizeof *challenge);
}

char *
auth_challenge_to_string (const AuthChallenge *challenge)
{
  static const char *const schemes[] = {
      [AUTH_SCHEME_NONE] = "Basic ",
      [AUTH_SCHEME_BASIC] = "Basic ",
      [AUTH_SCHEME_DIGEST] = "Digest ",
      [AUTH_SCHEME_BEARER] = "Bearer ",
  };
  GString *out = g_string_new (schemes[challenge->scheme]);
  append_quoted (out, "realm", challenge->realm);
  if (challenge->scheme == AUTH_SCHEME_DIGEST) {
    append_quoted (out, "nonce", challenge->nonce);
    append_quoted (out, "opaque", challenge->opaque);
    append_bare (out, "algorithm", challenge->algorithm);
    if (challenge->qop_auth)
      append_quoted (out, "qop", "auth");
    if (challenge->stale)
      append_bare (out, "stale", "true");
  }
  return g_string_free (out, FALSE);
}
