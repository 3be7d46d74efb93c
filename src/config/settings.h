/* SPDX-License-Identifier: Apache-2.0 */
/* The effective configuration as plain structs, filled from the key table (config/keys.c), which holds type,
 * default, range, unit and help of each member. Immutable once built and refcounted: any thread may hold one.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum { TRANSPORT_AUTO, TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_MULTICAST } SettingsTransport;

/* One permission: what (an action) on which streams (a glob; "*" is all). */
typedef enum {
  ACTION_READ = 1 << 0,
  ACTION_PUBLISH = 1 << 1,
  ACTION_API = 1 << 2,     /* everything below /api, and the pages */
  ACTION_METRICS = 1 << 3, /* /metrics */
  ACTION_ALL = (1 << 4) - 1
} SettingsAction;

typedef struct {
  unsigned actions; /* of SettingsAction */
  char *path;
} SettingsPermission;

typedef struct {
  char *name;
  char *password;         /* "$argon2id$..." or plain text (plain allows Digest) */
  GPtrArray *permissions; /* of SettingsPermission */
} SettingsUser;

typedef struct {
  char *name;
  char *token; /* "sha256:<hex>" or plain text */
  GPtrArray *permissions;
} SettingsToken;

/* [streams.NAME] laid over [defaults]. Times in ms, sizes in bytes. */
typedef struct {
  char *name;  /* of a stream, or a glob pattern with * */
  char *title; /* for people */
  char *description;
  bool enabled;
  char **source; /* URLs in order of preference; empty: published to us */
  SettingsTransport transport;
  bool on_demand;
  int64_t on_demand_start_timeout_ms;
  int64_t on_demand_close_after_ms;
  int64_t connect_timeout_ms;
  int64_t stall_timeout_ms;
  int64_t retry_min_ms;
  int64_t retry_max_ms;
  int64_t max_attempts; /* 0: for ever */
  char *username;       /* for the source, when its URL has none */
  char *password;
  bool tls_verify;
  char *tls_fingerprint;
  int64_t reorder_ms; /* UDP: wait this long for a late packet */
  bool publish;       /* accept ANNOUNCE while no source is set */
  bool override_publisher;
  int64_t max_readers;
  bool gop_cache;
  int64_t gop_cache_bytes;
  int64_t queue_bytes;    /* per reader, hard */
  int64_t queue_ms;       /* per reader: older than this means too slow */
  int64_t slow_reader_ms; /* closed after being too slow for this long */
  bool loop;              /* file: sources start again at the end */
  int64_t worker_memory;  /* bytes of a worker's address space limit; 0: none */
  int64_t worker_cpu;     /* percent of one core a worker may use over 10 s; 0: no limit */
  int64_t worker_hang_timeout_ms;
} StreamSettings;

typedef struct Settings {
  /* [log] */
  char *log_level;
  char *log_format;
  GHashTable *log_modules; /* module name -> level name */
  /* [http] */
  bool http_enabled;
  char **http_listen;
  int64_t http_threads;
  int64_t http_max_connections;
  int64_t http_max_connections_per_address;
  int64_t http_header_bytes;
  int64_t http_body_bytes;
  int64_t http_header_timeout_ms;
  int64_t http_body_timeout_ms;
  int64_t http_idle_timeout_ms;
  char **http_cors_origins;
  char *http_tls_certificate;
  char *http_tls_key;
  /* [rtsp] */
  bool rtsp_enabled;
  char **rtsp_listen;
  char **rtsp_tls_listen;
  char *rtsp_tls_certificate;
  char *rtsp_tls_key;
  char **rtsp_transports;    /* of "tcp", "udp", "multicast" */
  int64_t rtsp_udp_port_min; /* RTP and RTCP of the server, a pair for each I/O loop */
  int64_t rtsp_udp_port_max;
  char *rtsp_multicast_network; /* "239.255.42.0/24" */
  int64_t rtsp_multicast_port;
  int64_t rtsp_multicast_ttl;
  char **rtsp_auth_methods; /* of "basic", "digest" */
  bool rtsp_http_tunnel;
  int64_t rtsp_max_connections;
  int64_t rtsp_max_connections_per_address;
  int64_t rtsp_request_line_bytes;
  int64_t rtsp_header_bytes;
  int64_t rtsp_header_fields;
  int64_t rtsp_body_bytes;
  int64_t rtsp_request_timeout_ms; /* an unfinished request, and a fresh connection that says nothing */
  int64_t rtsp_session_timeout_ms; /* UDP and multicast sessions that show no life */
  int64_t rtsp_backlog;
  /* [limits] */
  int64_t io_threads;
  int64_t max_streams;
  /* [state] */
  char *state_path; /* directory of state.db */
  /* [auth] */
  GPtrArray *users;     /* of SettingsUser */
  GPtrArray *tokens;    /* of SettingsToken */
  GPtrArray *anonymous; /* of SettingsPermission */
  /* streams */
  StreamSettings *defaults;
  GPtrArray *streams; /* of StreamSettings, exact names, in file order */
  GPtrArray
      *patterns; /* of StreamSettings whose name holds a *, most specific (longest literal part) first */
  /*< private >*/
  gatomicrefcount ref;
} Settings;

/* All defaults. */
Settings *settings_new_default (void);
/* One of its own, to be changed before others see it; the streams are shared with @settings. */
Settings *settings_copy (const Settings *settings);
Settings *settings_ref (Settings *settings);
void settings_unref (Settings *settings); /* NULL-safe */

/* Refcounted as well. */
StreamSettings *stream_settings_ref (StreamSettings *settings);
void stream_settings_unref (StreamSettings *settings); /* NULL-safe */

/* The table's defaults under @name, and a copy of @base (say [defaults]) under another name. (transfer full)
 */
StreamSettings *stream_settings_new_default (const char *name);
StreamSettings *stream_settings_copy (const StreamSettings *base, const char *name);
bool stream_settings_equal (const StreamSettings *a,
                            const StreamSettings *b); /* all keys; names may differ */
/* True when a running source may go on although the settings change from @a to @b. */
bool stream_settings_equal_source (const StreamSettings *a, const StreamSettings *b);

/* What @name gets: its exact entry, else the first pattern that matches, else NULL. (transfer none) */
StreamSettings *settings_find_stream (const Settings *settings, const char *name);

/* A name may hold letters, digits and _-.~@ in parts divided by single slashes; no part is "." or "..", at
 * most 255 bytes. */
bool settings_check_stream_name (const char *name, GError **error);

/* "*" matches any run of characters, slashes too; everything else itself. */
bool settings_glob_match (const char *pattern, const char *name);
/* A name that may hold "*" as well. */
bool settings_check_pattern (const char *pattern, GError **error);
/* Brings @patterns in their order: most specific first. For who adds to it. */
void settings_sort_patterns (Settings *settings);

/* True when somebody set a user, a token or an anonymous permission: before that only loopback is served. */
bool settings_has_access_rules (const Settings *settings);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Settings, settings_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (StreamSettings, stream_settings_unref)
