/* SPDX-License-Identifier: Apache-2.0 */
/* The one error domain of Sluice. A code says what the caller can do about it; the message says what
 * happened, names the field or address, and where possible the fix. */
#pragma once

#include <glib.h>

typedef enum {
  SLUICE_ERROR_INVALID_ARGUMENT, /* the request or configuration is wrong; fix it and try again */
  SLUICE_ERROR_NOT_FOUND,        /* no such stream, session, file or element */
  SLUICE_ERROR_ALREADY_EXISTS,   /* the name is taken */
  SLUICE_ERROR_UNAUTHENTICATED,  /* credentials are missing or wrong */
  SLUICE_ERROR_FORBIDDEN,        /* credentials are fine, permission is missing */
  SLUICE_ERROR_LIMIT,            /* a configured limit struck; the message names its key */
  SLUICE_ERROR_BUSY,             /* somebody else holds it just now */
  SLUICE_ERROR_TIMEOUT,          /* the peer or the source did not answer in time */
  SLUICE_ERROR_UNSUPPORTED,      /* understood, but not something we can do */
  SLUICE_ERROR_PROTOCOL,         /* the peer broke its protocol */
  SLUICE_ERROR_IO,               /* the operating system refused */
  SLUICE_ERROR_CANCELLED,        /* we ended it ourselves */
  SLUICE_ERROR_UNAVAILABLE,      /* a source, worker, plugin or service is not there at the moment */
  SLUICE_ERROR_INTERNAL,         /* a bug of ours */
  SLUICE_ERROR_LAST
} SluiceErrorCode;

#define SLUICE_ERROR (sluice_error_quark ())
GQuark sluice_error_quark (void);

/* HTTP status (RFC 9110) and RTSP status (RFC 2326 §7.1.1) for an error of any domain; foreign domains
 * count as SLUICE_ERROR_INTERNAL. Any thread. */
unsigned sluice_error_http_status (const GError *error);
unsigned sluice_error_rtsp_status (const GError *error);

/* Stable upper-case word for @error, such as "NOT_FOUND", for JSON answers and metric labels. Static. */
const char *sluice_error_name (const GError *error);

/* Sets @error to code IO with "@what: strerror(@errno_value)". */
void sluice_error_set_errno (GError **error, int errno_value, const char *what);
