/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: publishers that a stream starts itself (RTSP pull, workers). A protocol module registers one
 * factory for its URL schemes; the stream core starts, retries and stops them. */
#pragma once

#include "stream/ingest.h"

typedef struct SourceFactory SourceFactory;

/* Reports of a running source to its stream, on the home loop. on_failed and on_ended come at most once and
 * nothing after them; the core then calls close(). Going online is ingest_begin(). */
typedef struct {
  void (*on_failed) (void *data, const GError *error);
  void (*on_progress) (void *data, const char *what); /* "connecting", "describing": for operators; static */
} SourceEvents;

struct SourceFactory {
  const char *const *schemes; /* "rtsp", "rtsps", NULL-terminated, lower case */
  /* Checks @url without side effects; any thread. The error names what is wrong. */
  bool (*check) (const char *url, GError **error);
  /* Starts on the stream's home loop and returns at once; failures come by @events. A source that reaches its
   * regular end calls ingest_end(ingest, NULL) and then on_failed with code CANCELLED. */
  void *(*open) (void *factory_data, Stream *stream, const char *url, const StreamSettings *settings,
                 const SourceEvents *events, void *events_data);
  /* Ends it for good and frees it: sockets closed, ingest ended (ingest_end() called by the source if it
   * still has one). Home loop. */
  void (*close) (void *source);
  void *data; /* factory_data */
};

/* "rtsp" of "rtsp://...", "test" of "test:...", NULL when there is none. (transfer full) */
char *source_url_scheme (const char *url);

/* @url with user information and secrets of the query (passphrase, token, ...) replaced by "***", for logs,
 * events and API answers. (transfer full) */
char *source_url_redact (const char *url);
