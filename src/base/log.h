/* SPDX-License-Identifier: Apache-2.0 */
/* Structured logging on top of GLib's. A line has a level, a module, an event name ("stream-online") that
 * stays the same for ever, a text for people, and fields for machines. Exactly one line at warning or above
 * per failed operation, at the place that decides what to do about it. Level by cause: a peer's fault is
 * info, the operator's fault warning, our own fault or exhaustion error.
 *
 * Threads: any. A line below its module's level costs one relaxed atomic load. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_TRACE } LogLevel;

typedef enum {
  LOG_BASE,
  LOG_CONFIG,
  LOG_STREAM,
  LOG_RTP,
  LOG_RTSP,
  LOG_WORKER,
  LOG_MEDIA,
  LOG_CONTROL,
  LOG_HTTP,
  LOG_AUTH,
  LOG_N_MODULES
} LogModule;

typedef enum { LOG_FORMAT_AUTO, LOG_FORMAT_PRETTY, LOG_FORMAT_JSON, LOG_FORMAT_JOURNALD } LogFormat;

/* Installs our writer as GLib's (once, from main, before other threads start). AUTO is journald when stderr
 * is the journal, else pretty. Lines of other libraries logged through GLib come out the same way. */
void log_install (LogFormat format);
void log_set_format (LogFormat format);

/* Changeable while running. */
void log_set_level (LogModule module, LogLevel level);
void log_set_level_all (LogLevel level);
LogLevel log_get_level (LogModule module);
bool log_enabled (LogModule module, LogLevel level);

/* Of one call site at most @burst lines in @interval_ms are written; the next line then says how many were
 * left out. Defaults: 20 in 10 s. @burst 0 turns the limit off. */
void log_set_rate_limit (unsigned burst, unsigned interval_ms);

const char *log_module_name (LogModule module);
bool log_module_from_name (const char *name, LogModule *ret);
const char *log_level_name (LogLevel level);
bool log_level_from_name (const char *name, LogLevel *ret);

/* One line. @event is a stable kebab-case name. @extra: NULL, or whom the line is
 * about. Text that came from a peer is escaped by the writer (no CR, LF or terminal escapes). */
typedef struct {
  const char *stream;  /* stream id, or NULL */
  const char *peer;    /* "address:port", or NULL */
  const char *session; /* session id shown to operators (never a secret one), or NULL */
  const char *error;   /* sluice_error_name(), or NULL */
} LogFields;

typedef struct {
  /*< private >*/
  gint64 window_start_us;
  guint written;
  guint left_out;
} LogSite;

void log_write (LogSite *site, LogModule module, LogLevel level, const char *event, const LogFields *extra,
                const char *format, ...) G_GNUC_PRINTF (6, 7);

/* LOG (LOG_RTSP, LOG_INFO, "session-closed", (&(LogFields){ .peer = peer }), "text %s", arg); fields may be
 * NULL. */
#define LOG(module, level, event, fields, ...)                                                               \
  G_STMT_START                                                                                               \
  {                                                                                                          \
    static LogSite log_site_;                                                                                \
    if (log_enabled ((module), (level)))                                                                     \
      log_write (&log_site_, (module), (level), (event), (fields), __VA_ARGS__);                             \
  }                                                                                                          \
  G_STMT_END
