/* SPDX-License-Identifier: Apache-2.0 */
/* The API's client on libcurl. */
#include "cli/api_client.h"

#include "base/error.h"

#include <curl/curl.h>
#include <string.h>

enum {
  ANSWER_BYTES_MAX = 64 * 1024 * 1024,
  LINE_BYTES_MAX = 1024 * 1024,
  CONNECT_TIMEOUT_MS = 5000,
  REQUEST_TIMEOUT_MS = 60000,
};

struct ApiClient {
  CURL *curl;
  char *url;
  char *authorization; /* header line, or NULL */
  char error[CURL_ERROR_SIZE];
};

typedef struct {
  GString *text;
} Answer;

typedef struct {
  ApiClient *client;
  GString *line;
  GString *refusal; /* body of an answer that is no feed */
  ApiClientEventFunc func;
  void *data;
  bool ended; /* @func has had enough */
} Follow;

ApiClient *
api_client_new (const char *url, const char *token)
{
  ApiClient *client = g_new0 (ApiClient, 1);
  curl_global_init (CURL_GLOBAL_DEFAULT);
  client->curl = curl_easy_init ();
  client->url = g_strdup (url);
  size_t n = strlen (url);
  while (n > 0 && client->url[n - 1] == '/')
    client->url[--n] = '\0';
  if (token)
    client->authorization = g_strconcat ("Authorization: Bearer ", token, NULL);
  return client;
}

void
api_client_free (ApiClient *client)
{
  if (!client)
    return;
  curl_easy_cleanup (client->curl);
  g_free (client->url);
  g_free (client->authorization);
  g_free (client);
}

static struct curl_slist *
prepare (ApiClient *client, const char *method, const char *path, const char *accept)
{
  g_autofree char *url = g_strconcat (client->url, path, NULL);
  curl_easy_reset (client->curl);
  *client->error = '\0';
  curl_easy_setopt (client->curl, CURLOPT_URL, url);
  curl_easy_setopt (client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt (client->curl, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt (client->curl, CURLOPT_ERRORBUFFER, client->error);
  curl_easy_setopt (client->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
  curl_easy_setopt (client->curl, CURLOPT_NOSIGNAL, 1L);
  struct curl_slist *headers = curl_slist_append (NULL, accept);
  if (client->authorization)
    headers = curl_slist_append (headers, client->authorization);
  return headers;
}

static void
set_curl_error (ApiClient *client, CURLcode code, GError **error)
{
  const char *why = *client->error ? client->error : curl_easy_strerror (code);
  if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
    g_set_error (
        error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE,
        "no server answers at %s: %s\nStart one with \"sluice serve --config FILE\", or name another with "
        "--url.",
        client->url, why);
  else
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "%s: %s", client->url, why);
}

/* {"error": {"message", "details": {"problems"}}} */
static void
set_api_error (long status, JsonObject *answer, GError **error)
{
  JsonNode *node = answer ? json_object_get_member (answer, "error") : NULL;
  JsonObject *inner = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *message = inner ? json_object_get_string_member_with_default (inner, "message", NULL) : NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  if (message)
    g_string_append (text, message);
  else
    g_string_append_printf (text, "the server answered with status %ld", status);
  JsonNode *details = inner ? json_object_get_member (inner, "details") : NULL;
  JsonNode *problems = details && JSON_NODE_HOLDS_OBJECT (details)
                           ? json_object_get_member (json_node_get_object (details), "problems")
                           : NULL;
  JsonArray *array = problems && JSON_NODE_HOLDS_ARRAY (problems) ? json_node_get_array (problems) : NULL;
  for (unsigned i = 0; array && i < json_array_get_length (array); i++) {
    JsonNode *problem = json_array_get_element (array, i);
    const char *line = JSON_NODE_HOLDS_VALUE (problem) ? json_node_get_string (problem) : NULL;
    if (line && !strstr (text->str, line))
      g_string_append_printf (text, "\n  - %s", line);
  }
  if (status == 401)
    g_string_append (text, "\nGive a token with --token or in SLUICE_TOKEN.");
  g_set_error_literal (error, SLUICE_ERROR,
                       status == 404   ? SLUICE_ERROR_NOT_FOUND
                       : status == 401 ? SLUICE_ERROR_UNAUTHENTICATED
                                       : SLUICE_ERROR_INVALID_ARGUMENT,
                       text->str);
}

static JsonObject *
parse_object (const char *text, size_t n)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  if (!json_parser_load_from_data (parser, text, (gssize)n, NULL))
    return NULL;
  JsonNode *root = json_parser_get_root (parser);
  return root && JSON_NODE_HOLDS_OBJECT (root) ? json_node_dup_object (root) : NULL;
}

static size_t
on_answer (char *bytes, size_t size, size_t n, void *data)
{
  Answer *answer = data;
  if (answer->text->len + n > ANSWER_BYTES_MAX)
    return 0;
  g_string_append_len (answer->text, bytes, (gssize)n);
  return n;
}

JsonObject *
api_client_request (ApiClient *client, const char *method, const char *path, JsonObject *body, GError **error)
{
  struct curl_slist *headers = prepare (client, method, path, "Accept: application/json");
  g_autofree char *text = NULL;
  if (body) {
    g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
    json_node_set_object (node, body);
    text = json_to_string (node, FALSE);
    headers = curl_slist_append (headers, "Content-Type: application/json");
    curl_easy_setopt (client->curl, CURLOPT_POSTFIELDS, text);
  }
  g_autoptr (GString) received = g_string_new (NULL);
  Answer answer = {.text = received};
  curl_easy_setopt (client->curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt (client->curl, CURLOPT_TIMEOUT_MS, (long)REQUEST_TIMEOUT_MS);
  curl_easy_setopt (client->curl, CURLOPT_WRITEFUNCTION, on_answer);
  curl_easy_setopt (client->curl, CURLOPT_WRITEDATA, &answer);
  CURLcode code = curl_easy_perform (client->curl);
  curl_slist_free_all (headers);
  if (code != CURLE_OK) {
    set_curl_error (client, code, error);
    return NULL;
  }
  long status = 0;
  curl_easy_getinfo (client->curl, CURLINFO_RESPONSE_CODE, &status);
  g_autoptr (JsonObject) object =
      received->len ? parse_object (received->str, received->len) : json_object_new ();
  if (status >= 400) {
    set_api_error (status, object, error);
    return NULL;
  }
  if (!object)
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "%s does not answer like a Sluice server",
                 client->url);
  return g_steal_pointer (&object);
}

/* --- feeds
 * --------------------------------------------------------------------------------------------------- */

static void
take_line (Follow *follow)
{
  if (!g_str_has_prefix (follow->line->str, "data: "))
    return;
  g_autoptr (JsonObject) event = parse_object (follow->line->str + 6, follow->line->len - 6);
  if (event && !follow->func (follow->data, event))
    follow->ended = true;
}

static size_t
on_feed (char *bytes, size_t size, size_t n, void *data)
{
  Follow *follow = data;
  long status = 0;
  curl_easy_getinfo (follow->client->curl, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 400) {
    if (follow->refusal->len + n <= LINE_BYTES_MAX)
      g_string_append_len (follow->refusal, bytes, (gssize)n);
    return n;
  }
  for (size_t i = 0; i < n && !follow->ended; i++) {
    if (bytes[i] == '\n') {
      take_line (follow);
      g_string_truncate (follow->line, 0);
    } else if (follow->line->len < LINE_BYTES_MAX) {
      g_string_append_c (follow->line, bytes[i]);
    }
  }
  return follow->ended ? 0 : n;
}

bool
api_client_follow (ApiClient *client, const char *path, ApiClientEventFunc func, void *data, GError **error)
{
  struct curl_slist *headers = prepare (client, "GET", path, "Accept: text/event-stream");
  g_autoptr (GString) line = g_string_new (NULL);
  g_autoptr (GString) refusal = g_string_new (NULL);
  Follow follow = {.client = client, .line = line, .refusal = refusal, .func = func, .data = data};
  curl_easy_setopt (client->curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt (client->curl, CURLOPT_WRITEFUNCTION, on_feed);
  curl_easy_setopt (client->curl, CURLOPT_WRITEDATA, &follow);
  CURLcode code = curl_easy_perform (client->curl);
  curl_slist_free_all (headers);
  long status = 0;
  curl_easy_getinfo (client->curl, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 400) {
    g_autoptr (JsonObject) object = parse_object (refusal->str, refusal->len);
    set_api_error (status, object, error);
    return false;
  }
  /* A feed that was up and broke off has just ended. */
  if (code == CURLE_OK || follow.ended || status == 200)
    return true;
  set_curl_error (client, code, error);
  return false;
}
