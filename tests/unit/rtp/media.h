/* SPDX-License-Identifier: Apache-2.0 */
/* Real media for tests: short streams of units, encoded by GStreamer when the test runs. */
#pragma once

#include "stream/track.h"

typedef struct {
  Codec codec;
  const char *name;
  const char *encoder;  /* the element that has to be there */
  const char *pipeline; /* up to the appsink */
} MediaKind;

/* Ends with .name NULL. */
extern const MediaKind media_kinds[];

typedef struct {
  GstCaps *caps;
  GPtrArray *units; /* of GstBuffer */
} Media;

/* NULL when the encoder is not installed. */
Media *media_make (const MediaKind *kind);
void media_free (Media *media);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Media, media_free)
