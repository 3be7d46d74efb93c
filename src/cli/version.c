/* SPDX-License-Identifier: Apache-2.0 */
/* sluice version: what this is and what it stands on. */
#include "cli/cli.h"

#include "sluice-version.h"

#include <curl/curl.h>
#include <gst/gst.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <uv.h>

static int
run (int argc, char **argv)
{
  if (!cli_parse (&cli_version, NULL, "Prints the version of Sluice and of the libraries it runs on.", &argc,
                  &argv))
    return 2;
  guint major, minor, micro, nano;
  gst_version (&major, &minor, &micro, &nano);
  printf ("sluice %s\n", SLUICE_VERSION);
  printf ("GStreamer %u.%u.%u, GLib %u.%u.%u, libuv %s, libmicrohttpd %s, %s, SQLite %s, libcurl %s\n", major,
          minor, micro, glib_major_version, glib_minor_version, glib_micro_version, uv_version_string (),
          MHD_get_version (), OpenSSL_version (OPENSSL_VERSION), sqlite3_libversion (),
          curl_version_info (CURLVERSION_NOW)->version);
  return 0;
}

const CliCommand cli_version = {"version", "", "print the version", run};
