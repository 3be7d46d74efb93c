/* SPDX-License-Identifier: Apache-2.0 */
/* Which Debian package has an element, and errors of GStreamer in our words. Any thread. */
#pragma once

#include "base/error.h"

#include <gst/gst.h>
#include <stdbool.h>

/* "gstreamer1.0-plugins-good" for "qtdemux"; NULL unknown. Static. */
const char *media_catalog_package (const char *element);

/* Sets UNAVAILABLE: no element "name", with the package to install where it is known. */
void media_catalog_set_missing (GError **error, const char *element);

/* A new element (floating), or the error above. */
GstElement *media_catalog_make (const char *element, GError **error);

/* The first of the NULL-terminated @elements that this machine has; the error names the first and its
 * package. */
const char *media_catalog_first (const char *const *elements, GError **error);

/* An error of gst_parse_launch_full(): names the element and the package when one is missing. (transfer full)
 */
GError *media_catalog_parse_error (const GError *error, GstParseContext *context);

/* An error message of a pipeline's bus as an error of ours: "NAME: text". (transfer full) */
GError *media_catalog_bus_error (GstMessage *message);
