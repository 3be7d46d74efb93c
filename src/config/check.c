/* SPDX-License-Identifier: Apache-2.0 */
/* What strings of the configuration must look like: one function for each KeyCheck. */
#include "config/check.h"

#include "base/error.h"
#include "base/log.h"
#include "base/net.h"
#include "config/node.h"
#include "config/text.h"

#include <gio/gio.h>
#include <string.h>

enum { SHA256_HEX_BYTES = 64 };

#define INVALID(error, ...) g_set_error ((error), SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, __VA_ARGS__)

/* Schemes of sources that need a host, and all that are known by name, to tell misspelt ones. Which sources
 * there really are is known where the stream starts. */
static const char *const host_schemes[] = {"rtsp", "rtsps", "http", "https", "srt", "udp", NULL};
static const char *const known_schemes[] = {"rtsp", "rtsps", "http", "https",    "srt", "udp",
                                            "test", "file",  "v4l2", "pipeline", NULL};

static bool
check_listen (const char *string, GError **error)
{
  NetAddress address;
  return net_address_parse (string, &address, error);
}

static bool
check_url (const char *string, GError **error)
{
  g_autofree char *scheme = g_uri_parse_scheme (string);
  if (!scheme) {
    INVALID (error, "not a URL such as \"rtsp://192.168.1.20/stream1\"");
    return false;
  }
  for (char *c = scheme; *c; c++)
    *c = g_ascii_tolower (*c);
  if (!g_strv_contains (known_schemes, scheme)) {
    const char *closest = text_closest (scheme, known_schemes);
    if (!closest)
      return true;
    g_autofree char *shown = config_quote (scheme);
    INVALID (error, "unknown scheme %s; did you mean \"%s\"?", shown, closest);
    return false;
  }
  for (const char *c = string; *c; c++) {
    if ((unsigned char)*c < 0x20 && !g_str_equal (scheme, "pipeline")) {
      INVALID (error, "holds a control character");
      return false;
    }
  }
  const char *rest = string + strlen (scheme) + 1;
  if (g_strv_contains (host_schemes, scheme) &&
      (!g_str_has_prefix (rest, "//") || !rest[2] || rest[2] == '/')) {
    INVALID (error, "%s URLs need \"//\" and a host, such as \"%s://192.168.1.20/...\"", scheme, scheme);
    return false;
  }
  if (!*rest && !g_str_equal (scheme, "test")) {
    INVALID (error, "there is nothing after \"%s:\"", scheme);
    return false;
  }
  return true;
}

static bool
check_origin (const char *string, GError **error)
{
  if (g_str_equal (string, "*"))
    return true;
  g_autoptr (GUri) uri = g_uri_parse (string, G_URI_FLAGS_NONE, NULL);
  const char *scheme = uri ? g_uri_get_scheme (uri) : NULL;
  if (uri && (g_str_equal (scheme, "http") || g_str_equal (scheme, "https")) && g_uri_get_host (uri) &&
      *g_uri_get_host (uri) && !*g_uri_get_path (uri) && !g_uri_get_userinfo (uri) &&
      !g_uri_get_query (uri) && !g_uri_get_fragment (uri))
    return true;
  g_autofree char *shown = config_quote (string);
  INVALID (error, "%s is not an origin such as \"https://video.example.org\": scheme and host, no path",
           shown);
  return false;
}

static bool
check_multicast (const char *string, GError **error)
{
  g_autoptr (GInetAddressMask) mask = g_inet_address_mask_new_from_string (string, NULL);
  if (mask && g_inet_address_get_is_multicast (g_inet_address_mask_get_address (mask)))
    return true;
  g_autofree char *shown = config_quote (string);
  INVALID (error, "%s is not a multicast network such as \"239.255.42.0/24\"", shown);
  return false;
}

static bool
is_sha256_hex (const char *string, bool colons)
{
  unsigned n_digits = 0;
  for (; *string; string++) {
    if (g_ascii_isxdigit (*string))
      n_digits++;
    else if (!colons || *string != ':')
      return false;
  }
  return n_digits == SHA256_HEX_BYTES;
}

static bool
check_fingerprint (const char *string, GError **error)
{
  if (is_sha256_hex (string, true))
    return true;
  INVALID (error, "not a SHA-256 fingerprint: %d hexadecimal digits, with or without colons",
           SHA256_HEX_BYTES);
  return false;
}

static bool
check_user (const char *string, GError **error)
{
  for (const char *c = string; *c; c++) {
    if (*c == ':' || (unsigned char)*c < 0x20 || *c == 0x7f) {
      INVALID (error, "holds a colon or a control character");
      return false;
    }
  }
  return true;
}

static bool
check_password (const char *string, GError **error)
{
  if (!g_str_has_prefix (string, "$argon2") || g_str_has_prefix (string, "$argon2id$v="))
    return true;
  INVALID (error, "not a hash as `sluice config hash-password` prints it: it starts with $argon2id$v=");
  return false;
}

static bool
check_token (const char *string, GError **error)
{
  if (!g_str_has_prefix (string, "sha256:") || is_sha256_hex (string + strlen ("sha256:"), false))
    return true;
  INVALID (error, "\"sha256:\" must be followed by %d hexadecimal digits", SHA256_HEX_BYTES);
  return false;
}

bool
config_check_string (KeyCheck check, const char *string, GError **error)
{
  switch (check) {
  case CHECK_NONE:
    return true;
  case CHECK_LISTEN:
    return check_listen (string, error);
  case CHECK_URL:
    return check_url (string, error);
  case CHECK_ORIGIN:
    return check_origin (string, error);
  case CHECK_MULTICAST:
    return check_multicast (string, error);
  case CHECK_FINGERPRINT:
    return check_fingerprint (string, error);
  case CHECK_GLOB:
    return settings_check_pattern (string, error);
  case CHECK_USER:
    return check_user (string, error);
  case CHECK_PASSWORD:
    return check_password (string, error);
  case CHECK_TOKEN:
    return check_token (string, error);
  }
  g_return_val_if_reached (false);
}

bool
config_check_log_module (const char *module, GError **error)
{
  LogModule found;
  if (log_module_from_name (module, &found))
    return true;
  const char *names[LOG_N_MODULES + 1] = {NULL};
  for (unsigned i = 0; i < LOG_N_MODULES; i++)
    names[i] = log_module_name (i);
  g_autofree char *all = g_strjoinv (", ", (char **)names);
  const char *closest = text_closest (module, names);
  g_autofree char *shown = config_quote (module);
  if (closest)
    INVALID (error, "unknown module %s; did you mean \"%s\"?", shown, closest);
  else
    INVALID (error, "unknown module %s; there are %s", shown, all);
  return false;
}
