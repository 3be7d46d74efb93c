/* SPDX-License-Identifier: Apache-2.0 */
/* The error domain: one table maps each code to its name and to the status codes of the protocols. */
#include "base/error.h"

/* G_DEFINE_QUARK keeps what it found in a plain variable, for which threads race. */
GQuark
sluice_error_quark (void)
{
  static GQuark known;
  GQuark quark = __atomic_load_n (&known, __ATOMIC_RELAXED);
  if (quark == 0) {
    quark = g_quark_from_static_string ("sluice-error");
    __atomic_store_n (&known, quark, __ATOMIC_RELAXED);
  }
  return quark;
}

static const struct {
  const char *name;
  unsigned http;
  unsigned rtsp;
} codes[SLUICE_ERROR_LAST] = {
    [SLUICE_ERROR_INVALID_ARGUMENT] = {"INVALID_ARGUMENT", 400, 400},
    [SLUICE_ERROR_NOT_FOUND] = {"NOT_FOUND", 404, 404},
    [SLUICE_ERROR_ALREADY_EXISTS] = {"ALREADY_EXISTS", 409, 403},
    [SLUICE_ERROR_UNAUTHENTICATED] = {"UNAUTHENTICATED", 401, 401},
    [SLUICE_ERROR_FORBIDDEN] = {"FORBIDDEN", 403, 403},
    [SLUICE_ERROR_LIMIT] = {"LIMIT", 429, 453},
    [SLUICE_ERROR_BUSY] = {"BUSY", 409, 403},
    [SLUICE_ERROR_TIMEOUT] = {"TIMEOUT", 504, 504},
    [SLUICE_ERROR_UNSUPPORTED] = {"UNSUPPORTED", 501, 501},
    [SLUICE_ERROR_PROTOCOL] = {"PROTOCOL", 400, 400},
    [SLUICE_ERROR_IO] = {"IO", 500, 500},
    [SLUICE_ERROR_CANCELLED] = {"CANCELLED", 503, 503},
    [SLUICE_ERROR_UNAVAILABLE] = {"UNAVAILABLE", 503, 503},
    [SLUICE_ERROR_INTERNAL] = {"INTERNAL", 500, 500},
};

static SluiceErrorCode
code_of (const GError *error)
{
  if (error->domain != SLUICE_ERROR || error->code < 0 || error->code >= SLUICE_ERROR_LAST)
    return SLUICE_ERROR_INTERNAL;
  return (SluiceErrorCode)error->code;
}

unsigned
sluice_error_http_status (const GError *error)
{
  return codes[code_of (error)].http;
}

unsigned
sluice_error_rtsp_status (const GError *error)
{
  return codes[code_of (error)].rtsp;
}

const char *
sluice_error_name (const GError *error)
{
  return codes[code_of (error)].name;
}

void
sluice_error_set_errno (GError **error, int errno_value, const char *what)
{
  g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_IO, "%s: %s", what, g_strerror (errno_value));
}
