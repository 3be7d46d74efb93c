/* SPDX-License-Identifier: Apache-2.0 */
/* Talks to a running server's API for the command line. Blocking; one thread. */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

typedef struct ApiClient ApiClient;

/* @url: of the server, "http://127.0.0.1:8080"; @token: bearer token or NULL. */
ApiClient *api_client_new (const char *url, const char *token);
void api_client_free (ApiClient *client); /* NULL-safe */

/* @path: below the URL, escaped. @body: object to send, or NULL. The answer's object, an empty one for none,
 * or NULL: UNAVAILABLE when the server cannot be reached (the message says how to start it); the server's own
 * error, with its problems line by line; PROTOCOL when the answer is not what we know. (transfer full) */
JsonObject *api_client_request (ApiClient *client, const char *method, const char *path, JsonObject *body,
                                GError **error);

/* Reads server-sent events of @path; @func gets each event's object, and returns false to end. Returns when
 * the feed has ended (true), or failed. */
typedef bool (*ApiClientEventFunc) (void *data, JsonObject *event);
bool api_client_follow (ApiClient *client, const char *path, ApiClientEventFunc func, void *data,
                        GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ApiClient, api_client_free)
