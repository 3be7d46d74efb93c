/* SPDX-License-Identifier: Apache-2.0 */
/* From a source URL to the head of a graph, one function a kind. Main thread. */
#pragma once

#include "media/graph.h"
#include "worker/protocol.h"

typedef struct {
  const WorkerUrl *url;
  bool tls_verify;
  unsigned connect_timeout_ms;
  const char *username, *password; /* empty: none */
} MediaBuild;

/* How the units of a kind are to be treated. */
typedef struct {
  bool paced;   /* comes as fast as it is read: sent out at the pace of its time stamps */
  bool waiting; /* depends on peers that may be silent */
} MediaManner;
MediaManner media_build_manner (const WorkerUrl *url);

/* What raw video and audio are encoded with. Texts are the URL's. */
void media_build_encoding (const WorkerUrl *url, MediaEncoding *ret);

/* Adds the elements for the URL. INVALID_ARGUMENT, NOT_FOUND, UNAVAILABLE. */
bool media_build (MediaGraph *graph, const MediaBuild *build, GError **error);

/* True when what was fetched by HTTP had a length (a file, a playlist), so that its end is no broken
 * connection. */
bool media_build_has_end (MediaGraph *graph);
