/* SPDX-License-Identifier: Apache-2.0 */
/* Structured logging: log_write() turns a line into GLib's structured fields, and one writer, installed as
 * GLib's, prints those of ours and of every library alike. GLib's writer is one for the whole process, so its
 * settings (format, levels, rate limit) are too: the only state at file scope, all of it atomic.
 *
 * Our levels go to GLib as MESSAGE and below whatever they mean: its own WARNING and above may be fatal. The
 * true level travels in the field PRIORITY (syslog(3) numbers, 7 also for trace). */
#include "base/log.h"

#include "base/loop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  DEFAULT_BURST = 20,
  DEFAULT_INTERVAL_MS = 10000,
  LINE_FIELDS_MAX = 12,
};

static struct {
  guint levels[LOG_N_MODULES];
  guint format;
  guint burst;
  guint interval_ms;
  guint color;
  guint fatal_mask;
} settings = {
    .levels = {[0 ... LOG_N_MODULES - 1] = LOG_INFO},
    .format = LOG_FORMAT_PRETTY,
    .burst = DEFAULT_BURST,
    .interval_ms = DEFAULT_INTERVAL_MS,
};

static const char *const module_names[LOG_N_MODULES] = {
    [LOG_BASE] = "base", [LOG_CONFIG] = "config", [LOG_STREAM] = "stream", [LOG_RTP] = "rtp",
    [LOG_RTSP] = "rtsp", [LOG_WORKER] = "worker", [LOG_MEDIA] = "media",   [LOG_CONTROL] = "control",
    [LOG_HTTP] = "http", [LOG_AUTH] = "auth",
};

static const struct {
  const char *name;
  const char *priority;
  const char *color;
  GLogLevelFlags glib;
} level_table[] = {
    [LOG_ERROR] = {"error", "3", "\033[1;31m", G_LOG_LEVEL_MESSAGE},
    [LOG_WARNING] = {"warning", "4", "\033[33m", G_LOG_LEVEL_MESSAGE},
    [LOG_INFO] = {"info", "6", "\033[32m", G_LOG_LEVEL_INFO},
    [LOG_DEBUG] = {"debug", "7", "\033[36m", G_LOG_LEVEL_DEBUG},
    [LOG_TRACE] = {"trace", "7", "\033[2m", G_LOG_LEVEL_DEBUG},
};

/* --- settings ----------------------------------------------------------------------------------------------
 */

static guint
load (const guint *value)
{
  return __atomic_load_n (value, __ATOMIC_RELAXED);
}

static void
store (guint *target, guint value)
{
  __atomic_store_n (target, value, __ATOMIC_RELAXED);
}

void
log_set_level (LogModule module, LogLevel level)
{
  store (&settings.levels[module], level);
}

void
log_set_level_all (LogLevel level)
{
  for (unsigned i = 0; i < LOG_N_MODULES; i++)
    store (&settings.levels[i], level);
}

LogLevel
log_get_level (LogModule module)
{
  return load (&settings.levels[module]);
}

bool
log_enabled (LogModule module, LogLevel level)
{
  return level <= load (&settings.levels[module]);
}

void
log_set_rate_limit (unsigned burst, unsigned interval_ms)
{
  store (&settings.burst, burst);
  store (&settings.interval_ms, interval_ms);
}

const char *
log_module_name (LogModule module)
{
  return module_names[module];
}

bool
log_module_from_name (const char *name, LogModule *ret)
{
  for (unsigned i = 0; i < LOG_N_MODULES; i++) {
    if (g_ascii_strcasecmp (name, module_names[i]) == 0) {
      *ret = i;
      return true;
    }
  }
  return false;
}

const char *
log_level_name (LogLevel level)
{
  return level_table[level].name;
}

bool
log_level_from_name (const char *name, LogLevel *ret)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (level_table); i++) {
    if (g_ascii_strcasecmp (name, level_table[i].name) == 0) {
      *ret = i;
      return true;
    }
  }
  return false;
}

/* --- one line as the writer sees it ------------------------------------------------------------------------
 */

typedef struct {
  LogLevel level;
  const char *module, *event, *stream, *peer, *session, *error, *left_out, *message;
} Line;

static const struct {
  const char *field;
  size_t offset;
} line_fields[] = {
    {"MESSAGE", G_STRUCT_OFFSET (Line, message)},          {"GLIB_DOMAIN", G_STRUCT_OFFSET (Line, module)},
    {"SLUICE_MODULE", G_STRUCT_OFFSET (Line, module)},     {"SLUICE_EVENT", G_STRUCT_OFFSET (Line, event)},
    {"SLUICE_STREAM", G_STRUCT_OFFSET (Line, stream)},     {"SLUICE_PEER", G_STRUCT_OFFSET (Line, peer)},
    {"SLUICE_SESSION", G_STRUCT_OFFSET (Line, session)},   {"SLUICE_ERROR", G_STRUCT_OFFSET (Line, error)},
    {"SLUICE_LEFT_OUT", G_STRUCT_OFFSET (Line, left_out)},
};

static LogLevel
level_of_glib (GLogLevelFlags flags)
{
  if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return LOG_ERROR;
  if (flags & G_LOG_LEVEL_WARNING)
    return LOG_WARNING;
  return flags & G_LOG_LEVEL_MESSAGE ? LOG_INFO : LOG_DEBUG;
}

static Line
read_fields (GLogLevelFlags flags, const GLogField *fields, size_t n_fields)
{
  Line line = {.level = level_of_glib (flags), .module = "glib", .message = ""};
  for (size_t i = 0; i < n_fields; i++) {
    if (strcmp (fields[i].key, "SLUICE_LEVEL") == 0) {
      log_level_from_name (fields[i].value, &line.level);
      continue;
    }
    for (size_t k = 0; k < G_N_ELEMENTS (line_fields); k++) {
      if (strcmp (fields[i].key, line_fields[k].field) == 0 && fields[i].length < 0)
        *(const char **)G_STRUCT_MEMBER_P (&line, line_fields[k].offset) = fields[i].value;
    }
  }
  return line;
}

/* --- formats -----------------------------------------------------------------------------------------------
 */

/* Controls, C1 controls and characters that turn the direction of text around could forge or hide a line. */
static bool
is_harmless (gunichar c)
{
  return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0x2028 && c != 0x2029 &&
         !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

static void
append_escaped (GString *out, const char *text)
{
  const char *end = text + strlen (text);
  while (text < end) {
    gunichar c = g_utf8_get_char_validated (text, end - text);
    if (c == (gunichar)-1 || c == (gunichar)-2) {
      g_string_append_printf (out, "\\x%02x", (unsigned)(uint8_t)*text++);
      continue;
    }
    if (c == '\n')
      g_string_append (out, "\\n");
    else if (c == '\r')
      g_string_append (out, "\\r");
    else if (c == '\t')
      g_string_append (out, "\\t");
    else if (is_harmless (c))
      g_string_append_unichar (out, c);
    else
      g_string_append_printf (out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
    text = g_utf8_next_char (text);
  }
}

static void
append_json_string (GString *out, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_string_append_c (out, '"');
  for (const char *p = valid; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    if (c == '"' || c == '\\')
      g_string_append_printf (out, "\\%c", (int)c);
    else if (is_harmless (c))
      g_string_append_unichar (out, c);
    else
      g_string_append_printf (out, "\\u%04x", c);
  }
  g_string_append_c (out, '"');
}

static void
append_time (GString *out, bool utc)
{
  struct timespec now;
  clock_gettime (CLOCK_REALTIME, &now);
  struct tm parts;
  if (utc)
    gmtime_r (&now.tv_sec, &parts);
  else
    localtime_r (&now.tv_sec, &parts);
  char text[32];
  strftime (text, sizeof text, utc ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &parts);
  g_string_append_printf (out, "%s.%03ld%s", text, now.tv_nsec / 1000000, utc ? "Z" : "");
}

static void
append_pretty_pair (GString *out, const char *key, const char *value)
{
  if (!value)
    return;
  g_string_append_printf (out, " %s=", key);
  append_escaped (out, value);
}

static void
format_pretty (GString *out, const Line *line)
{
  bool color = load (&settings.color);
  append_time (out, false);
  g_string_append_printf (out, " %s%-7s%s %-7s ", color ? level_table[line->level].color : "",
                          level_table[line->level].name, color ? "\033[0m" : "", line->module);
  if (line->stream) {
    g_string_append (out, color ? "\033[1m" : "");
    append_escaped (out, line->stream);
    g_string_append (out, color ? "\033[0m: " : ": ");
  }
  append_escaped (out, line->message);
  g_string_append (out, color ? "\033[2m" : "");
  append_pretty_pair (out, "peer", line->peer);
  append_pretty_pair (out, "session", line->session);
  append_pretty_pair (out, "error", line->error);
  if (line->left_out)
    g_string_append_printf (out, " (%s more such lines were left out before)", line->left_out);
  g_string_append (out, color ? "\033[0m\n" : "\n");
}

static void
append_json_pair (GString *out, const char *key, const char *value)
{
  if (!value)
    return;
  g_string_append_printf (out, ",\"%s\":", key);
  append_json_string (out, value);
}

static void
format_json (GString *out, const Line *line)
{
  g_string_append (out, "{\"time\":\"");
  append_time (out, true);
  g_string_append_printf (out, "\",\"level\":\"%s\"", level_table[line->level].name);
  append_json_pair (out, "module", line->module);
  append_json_pair (out, "event", line->event);
  append_json_pair (out, "stream", line->stream);
  append_json_pair (out, "peer", line->peer);
  append_json_pair (out, "session", line->session);
  append_json_pair (out, "error", line->error);
  append_json_pair (out, "message", line->message);
  if (line->left_out)
    g_string_append_printf (out, ",\"left_out\":%s", line->left_out);
  g_string_append (out, "}\n");
}

static void
write_all (const char *bytes, size_t n_bytes)
{
  while (n_bytes > 0) {
    ssize_t written = write (STDERR_FILENO, bytes, n_bytes);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return;
    bytes += written;
    n_bytes -= (size_t)written;
  }
}

/* --- the writer --------------------------------------------------------------------------------------------
 */

/* Lines of other libraries obey the level of module "base". */
static bool
is_wanted (const Line *line)
{
  return line->event || log_enabled (LOG_BASE, line->level);
}

static GLogWriterOutput
on_glib_line (GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer data)
{
  Line line = read_fields (flags, fields, n_fields);
  if (is_wanted (&line)) {
    LogFormat format = load (&settings.format);
    if (format != LOG_FORMAT_JOURNALD ||
        g_log_writer_journald (flags, fields, n_fields, NULL) != G_LOG_WRITER_HANDLED) {
      g_autoptr (GString) out = g_string_sized_new (256);
      if (format == LOG_FORMAT_JSON)
        format_json (out, &line);
      else
        format_pretty (out, &line);
      write_all (out->str, out->len);
    }
  }
  /* What GLib's own writer would do: G_DEBUG=fatal-criticals and tests rely on it. */
  if (flags & load (&settings.fatal_mask))
    G_BREAKPOINT ();
  return G_LOG_WRITER_HANDLED;
}

void
log_set_format (LogFormat format)
{
  if (format == LOG_FORMAT_AUTO)
    format = g_log_writer_is_journald (STDERR_FILENO) ? LOG_FORMAT_JOURNALD : LOG_FORMAT_PRETTY;
  const char *no_color = g_getenv ("NO_COLOR");
  store (&settings.color, (!no_color || !*no_color) && g_log_writer_supports_color (STDERR_FILENO));
  store (&settings.format, format);
}

void
log_install (LogFormat format)
{
  log_set_format (format);
  /* There is no getter. */
  GLogLevelFlags mask = g_log_set_always_fatal (G_LOG_FATAL_MASK);
  g_log_set_always_fatal (mask);
  store (&settings.fatal_mask, mask);
  g_log_set_writer_func (on_glib_line, NULL, NULL);
}

/* --- our own lines -----------------------------------------------------------------------------------------
 */

/* False when the line is over the limit of its call site; else *@ret_left_out lines were before it. */
static bool
take_turn (LogSite *site, guint *ret_left_out)
{
  *ret_left_out = 0;
  guint burst = load (&settings.burst);
  if (burst == 0)
    return true;

  gint64 now = loop_now_us ();
  gint64 start = __atomic_load_n (&site->window_start_us, __ATOMIC_RELAXED);
  bool over = start == 0 || now - start >= (gint64)load (&settings.interval_ms) * 1000;
  if (over && __atomic_compare_exchange_n (&site->window_start_us, &start, now, false, __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED)) {
    __atomic_store_n (&site->written, 1, __ATOMIC_RELAXED);
    *ret_left_out = __atomic_exchange_n (&site->left_out, 0, __ATOMIC_RELAXED);
    return true;
  }
  if (__atomic_add_fetch (&site->written, 1, __ATOMIC_RELAXED) <= burst)
    return true;
  __atomic_add_fetch (&site->left_out, 1, __ATOMIC_RELAXED);
  return false;
}

static void
add_field (GLogField *fields, size_t *n_fields, const char *key, const char *value)
{
  if (value)
    fields[(*n_fields)++] = (GLogField){.key = key, .value = value, .length = -1};
}

void
log_write (LogSite *site, LogModule module, LogLevel level, const char *event, const LogFields *extra,
           const char *format, ...)
{
  guint left_out;
  if (!take_turn (site, &left_out))
    return;
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  /* The journal and GLib's own writer print what they get. */
  g_autoptr (GString) message = g_string_sized_new (strlen (text) + 16);
  append_escaped (message, text);

  char left_out_text[16] = "";
  if (left_out)
    g_snprintf (left_out_text, sizeof left_out_text, "%u", left_out);
  GLogField fields[LINE_FIELDS_MAX];
  size_t n_fields = 0;
  add_field (fields, &n_fields, "MESSAGE", message->str);
  add_field (fields, &n_fields, "PRIORITY", level_table[level].priority);
  add_field (fields, &n_fields, "GLIB_DOMAIN", "sluice");
  add_field (fields, &n_fields, "SLUICE_LEVEL", level_table[level].name);
  add_field (fields, &n_fields, "SLUICE_MODULE", module_names[module]);
  add_field (fields, &n_fields, "SLUICE_EVENT", event);
  if (extra) {
    add_field (fields, &n_fields, "SLUICE_STREAM", extra->stream);
    add_field (fields, &n_fields, "SLUICE_PEER", extra->peer);
    add_field (fields, &n_fields, "SLUICE_SESSION", extra->session);
    add_field (fields, &n_fields, "SLUICE_ERROR", extra->error);
  }
  add_field (fields, &n_fields, "SLUICE_LEFT_OUT", left_out ? left_out_text : NULL);
  g_log_structured_array (level_table[level].glib, fields, n_fields);
}
