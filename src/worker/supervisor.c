/* SPDX-License-Identifier: Apache-2.0 */
/* The watch over one worker process: its socket, its log, its end, and a tick that looks at its use of the
 * machine. A failure is told the moment it is known; the process itself is left to the reaper. */
#include "worker/supervisor.h"

#include "base/log.h"
#include "worker/process.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  TICK_MS = 500,
  HELLO_TIMEOUT_MS = 30 * 1000, /* the first start of a machine reads all plugins */
  GRACE_MS = 1000,              /* to leave by itself once the socket is closed */
  CPU_WINDOW_TICKS = 20,        /* 10 s */
  LOG_LINE_BYTES_MAX = 1024,
  /* What one worker may send in a tick; far above any real stream. */
  FLOOD_BYTES = 128 * 1024 * 1024,
  FLOOD_MESSAGES = 20000,
};

struct Worker {
  Loop *loop;
  char *name;
  WorkerLimits limits;
  const WorkerOps *ops;
  void *data;
  unsigned refs; /* of callbacks under way and of the owner */
  bool freed;
  bool failed;
  bool ready;
  bool deaf; /* it does not read what we send */
  Process process;
  LoopPoll *socket_poll;
  LoopPoll *log_poll;
  LoopPoll *exit_poll;
  LoopTimer *tick;
  GByteArray *pending; /* the beginning of a frame whose end has not arrived */
  GByteArray *out;
  GString *line;
  bool line_cut;
  LogSite log_site;
  size_t flood_bytes;
  unsigned flood_messages;
  bool paused;
  bool flood_told;
  int64_t started_us;
  int64_t closed_us; /* it closed its end of the socket; 0: not yet */
  int64_t heartbeat_us;
  int64_t progress_us;
  bool had_unit;
  int64_t cpu_us[CPU_WINDOW_TICKS]; /* a ring of readings */
  unsigned n_ticks;
  WorkerUsage usage;
};

static void
stop_watching (Worker *worker)
{
  g_clear_pointer (&worker->socket_poll, loop_poll_free);
  g_clear_pointer (&worker->log_poll, loop_poll_free);
  g_clear_pointer (&worker->exit_poll, loop_poll_free);
  g_clear_pointer (&worker->tick, loop_timer_free);
  worker_process_close_ends (&worker->process);
}

static void
unref_worker (Worker *worker)
{
  if (--worker->refs > 0)
    return;
  g_byte_array_unref (worker->pending);
  g_byte_array_unref (worker->out);
  g_string_free (worker->line, TRUE);
  g_free (worker->name);
  g_free (worker);
}

/* Takes over @error. */
static void
fail (Worker *worker, GError *error)
{
  g_autoptr (GError) why = error;
  if (worker->failed || worker->freed)
    return;
  worker->failed = true;
  stop_watching (worker);
  if (worker->process.pidfd >= 0)
    worker_process_bury (&worker->process, 0);
  worker->process.pidfd = -1;
  worker->ops->on_failed (worker->data, why);
}

static bool
is_over (const Worker *worker)
{
  return worker->failed || worker->freed;
}

/* --- messages ------------------------------------------------------------------------------------------ */

static void
account_unit (Worker *worker, size_t n_bytes)
{
  worker->usage.units++;
  worker->usage.bytes += n_bytes;
  worker->flood_bytes += n_bytes;
  worker->progress_us = loop_now_us ();
  worker->had_unit = true;
}

static void
take_hello (Worker *worker, const WorkerMessage *message)
{
  if (message->hello.version != WORKER_PROTOCOL_VERSION) {
    fail (worker,
          g_error_new (SLUICE_ERROR, SLUICE_ERROR_INTERNAL,
                       "the worker speaks version %u of the protocol, not %d: the program was replaced; "
                       "restart the daemon",
                       message->hello.version, WORKER_PROTOCOL_VERSION));
    return;
  }
  worker->ready = true;
  worker->heartbeat_us = worker->progress_us = loop_now_us ();
  worker->ops->on_ready (worker->data);
}

static void
take_shared_unit (Worker *worker, WorkerMessage *message)
{
  WorkerMessage release = {WORKER_RELEASE, .slot = message->unit.slot};
  message->type = WORKER_UNIT;
  message->unit.bytes = worker->process.arena + (size_t)message->unit.slot * WORKER_ARENA_SLOT_BYTES;
  account_unit (worker, message->unit.n_bytes);
  worker->ops->on_message (worker->data, message);
  if (!is_over (worker))
    worker_send (worker, &release);
}

static void
take_message (Worker *worker, WorkerMessage *message)
{
  if (worker->ready == (message->type == WORKER_HELLO) || message->type >= WORKER_OPEN) {
    fail (worker, g_error_new (SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "the worker sent message %u out of turn",
                               message->type));
    return;
  }
  switch (message->type) {
  case WORKER_HELLO:
    take_hello (worker, message);
    break;
  case WORKER_HEARTBEAT:
    worker->heartbeat_us = loop_now_us ();
    worker->usage.queued_ms = message->heartbeat.queued_ms;
    if (message->heartbeat.waiting)
      worker->progress_us = worker->heartbeat_us;
    break;
  case WORKER_UNIT_SHARED:
    take_shared_unit (worker, message);
    break;
  case WORKER_UNIT:
    account_unit (worker, message->unit.n_bytes);
    worker->ops->on_message (worker->data, message);
    break;
  default:
    worker->ops->on_message (worker->data, message);
    break;
  }
}

/* Takes the whole frames at the beginning of @bytes. Returns how many bytes they had. */
static size_t
take_frames (Worker *worker, const uint8_t *bytes, size_t n_bytes)
{
  size_t done = 0;
  while (!is_over (worker)) {
    g_autoptr (GError) error = NULL;
    g_auto (WorkerMessage) message = {0};
    uint16_t type;
    size_t n_body;
    int found = worker_frame_peek (bytes + done, n_bytes - done, &type, &n_body, &error);
    if (found == 0 || (found > 0 && n_bytes - done - WORKER_FRAME_HEADER_BYTES < n_body))
      break;
    if (found < 0 ||
        !worker_message_parse (type, bytes + done + WORKER_FRAME_HEADER_BYTES, n_body, &message, &error)) {
      g_prefix_error (&error, "the worker broke the protocol: ");
      fail (worker, g_steal_pointer (&error));
      break;
    }
    done += WORKER_FRAME_HEADER_BYTES + n_body;
    worker->flood_messages++;
    take_message (worker, &message);
  }
  return done;
}

static void
take_bytes (Worker *worker, const uint8_t *bytes, size_t n_bytes)
{
  if (worker->pending->len > 0) {
    g_byte_array_append (worker->pending, bytes, n_bytes);
    size_t done = take_frames (worker, worker->pending->data, worker->pending->len);
    if (done == worker->pending->len)
      g_byte_array_set_size (worker->pending, 0);
    else if (done > 0)
      g_byte_array_remove_range (worker->pending, 0, done);
    return;
  }
  size_t done = take_frames (worker, bytes, n_bytes);
  if (done < n_bytes && !is_over (worker))
    g_byte_array_append (worker->pending, bytes + done, n_bytes - done);
}

typedef enum { READ_SOME, READ_NOTHING, READ_END } ReadResult;

static ReadResult
result_of_read (ssize_t n_bytes)
{
  if (n_bytes > 0)
    return READ_SOME;
  return n_bytes < 0 && (errno == EAGAIN || errno == EINTR) ? READ_NOTHING : READ_END;
}

static ReadResult
read_socket (Worker *worker)
{
  uint8_t *scratch = loop_scratch (worker->loop);
  ssize_t n_bytes = recv (worker->process.socket, scratch, LOOP_SCRATCH_BYTES, 0);
  ReadResult result = result_of_read (n_bytes);
  if (result == READ_SOME)
    take_bytes (worker, scratch, n_bytes);
  return result;
}

static void
on_socket (void *data, unsigned events)
{
  Worker *worker = data;
  worker->refs++;
  if (read_socket (worker) == READ_END && !is_over (worker)) {
    loop_poll_set (worker->socket_poll, 0); /* its end is on its way; the pidfd tells how */
    worker->closed_us = loop_now_us ();
  }
  if (!is_over (worker) && (worker->flood_bytes > FLOOD_BYTES || worker->flood_messages > FLOOD_MESSAGES)) {
    worker->paused = true;
    worker->usage.pauses++;
    loop_poll_set (worker->socket_poll, 0);
    if (!worker->flood_told)
      LOG (LOG_WORKER, LOG_WARNING, "worker-flood", (&(LogFields){.stream = worker->name}),
           "the worker sends more than %d MB or %d messages in %d ms and is slowed down", FLOOD_BYTES >> 20,
           FLOOD_MESSAGES, TICK_MS);
    worker->flood_told = true;
  }
  unref_worker (worker);
}

void
worker_send (Worker *worker, const WorkerMessage *message)
{
  if (is_over (worker) || worker->deaf)
    return;
  g_byte_array_set_size (worker->out, 0);
  worker_message_append (message, worker->out);
  ssize_t n_bytes =
      send (worker->process.socket, worker->out->data, worker->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n_bytes == (ssize_t)worker->out->len || (n_bytes < 0 && (errno == EPIPE || errno == ECONNRESET)))
    return;
  worker->deaf = true; /* told by the next tick: the caller does not expect a callback */
}

/* --- its log ------------------------------------------------------------------------------------------- */

/* A line may begin with a level of syslog, "<4>". */
static void
log_line (Worker *worker)
{
  const char *text = worker->line->str;
  LogLevel level = LOG_INFO;
  if (worker->line->len >= 3 && text[0] == '<' && g_ascii_isdigit (text[1]) && text[2] == '>') {
    level = text[1] <= '3' ? LOG_ERROR : text[1] == '4' ? LOG_WARNING : text[1] <= '6' ? LOG_INFO : LOG_DEBUG;
    text += 3;
  }
  if (*text && log_enabled (LOG_WORKER, level))
    log_write (&worker->log_site, LOG_WORKER, level, "worker-output", &(LogFields){.stream = worker->name},
               "%s%s", text, worker->line_cut ? " ..." : "");
  g_string_truncate (worker->line, 0);
  worker->line_cut = false;
}

static ReadResult
read_log (Worker *worker)
{
  char bytes[4096];
  ssize_t n_bytes = read (worker->process.log, bytes, sizeof bytes);
  for (ssize_t i = 0; i < n_bytes; i++) {
    if (bytes[i] == '\n')
      log_line (worker);
    else if (worker->line->len < LOG_LINE_BYTES_MAX)
      g_string_append_c (worker->line, bytes[i]);
    else
      worker->line_cut = true;
  }
  return result_of_read (n_bytes);
}

static void
on_log (void *data, unsigned events)
{
  Worker *worker = data;
  if (read_log (worker) == READ_END)
    loop_poll_set (worker->log_poll, 0);
}

/* --- its end and its limits ---------------------------------------------------------------------------- */

/* What it said before it went comes first: it may have said why. */
static void
on_exited (void *data, unsigned events)
{
  Worker *worker = data;
  worker->refs++;
  g_autoptr (GError) how = worker_process_reap (&worker->process);
  while (!is_over (worker) && read_socket (worker) == READ_SOME)
    ;
  for (int i = 0; i < 16 && !is_over (worker) && read_log (worker) == READ_SOME; i++)
    ;
  if (!is_over (worker) && worker->line->len > 0)
    log_line (worker);
  fail (worker, g_steal_pointer (&how));
  unref_worker (worker);
}

static GError *
check_silence (Worker *worker, int64_t now_us)
{
  unsigned hang_ms = worker->limits.hang_timeout_ms;
  if (worker->deaf)
    return g_error_new (SLUICE_ERROR, SLUICE_ERROR_TIMEOUT,
                        "the worker hangs: it does not read its commands");
  if (worker->closed_us && now_us - worker->closed_us > GRACE_MS * 1000)
    return g_error_new (SLUICE_ERROR, SLUICE_ERROR_PROTOCOL, "the worker closed its socket");
  if (!worker->ready) {
    unsigned limit_ms = MAX ((unsigned)HELLO_TIMEOUT_MS, hang_ms);
    if (now_us - worker->started_us > (int64_t)limit_ms * 1000)
      return g_error_new (SLUICE_ERROR, SLUICE_ERROR_TIMEOUT, "the worker did not come up within %u ms",
                          limit_ms);
    return NULL;
  }
  if (hang_ms == 0)
    return NULL;
  if (now_us - worker->heartbeat_us > (int64_t)hang_ms * 1000)
    return g_error_new (SLUICE_ERROR, SLUICE_ERROR_TIMEOUT, "the worker hangs: no sign of life for %u ms",
                        hang_ms);
  unsigned unit_ms = worker->had_unit ? hang_ms : MAX (hang_ms, worker->limits.start_timeout_ms);
  if (now_us - worker->progress_us > (int64_t)unit_ms * 1000)
    return g_error_new (SLUICE_ERROR, SLUICE_ERROR_TIMEOUT,
                        "the pipeline hangs: nothing came out of it for %u ms", unit_ms);
  return NULL;
}

static GError *
check_use (Worker *worker)
{
  worker->usage.resident_bytes = worker_process_resident_bytes (&worker->process);
  worker->usage.cpu_us = worker_process_cpu_us (&worker->process);
  uint64_t memory = worker->limits.memory;
  if (memory > 0 && worker->usage.resident_bytes > memory)
    return g_error_new (SLUICE_ERROR, SLUICE_ERROR_LIMIT,
                        "the worker used %" G_GUINT64_FORMAT
                        " MB of memory; worker_memory allows %" G_GUINT64_FORMAT " MB",
                        worker->usage.resident_bytes >> 20, memory >> 20);
  int64_t *oldest = &worker->cpu_us[worker->n_ticks % CPU_WINDOW_TICKS];
  int64_t used_us = worker->usage.cpu_us - *oldest;
  *oldest = worker->usage.cpu_us;
  if (worker->n_ticks++ < CPU_WINDOW_TICKS || worker->limits.cpu_percent == 0)
    return NULL;
  int64_t percent = used_us * 100 / ((int64_t)CPU_WINDOW_TICKS * TICK_MS * 1000);
  if (percent > worker->limits.cpu_percent)
    return g_error_new (SLUICE_ERROR, SLUICE_ERROR_LIMIT,
                        "the worker used %d %% of a core over %d s; worker_cpu allows %u %%", (int)percent,
                        CPU_WINDOW_TICKS * TICK_MS / 1000, worker->limits.cpu_percent);
  return NULL;
}

static void
on_tick (void *data)
{
  Worker *worker = data;
  worker->refs++;
  GError *error = check_silence (worker, loop_now_us ());
  if (!error)
    error = check_use (worker);
  worker->flood_bytes = 0;
  worker->flood_messages = 0;
  if (error) {
    fail (worker, error);
  } else if (worker->paused) {
    worker->paused = false;
    loop_poll_set (worker->socket_poll, LOOP_READ);
  }
  unref_worker (worker);
}

/* --- life ---------------------------------------------------------------------------------------------- */

Worker *
worker_start (Loop *loop, const char *name, const WorkerLimits *limits, const WorkerOps *ops, void *data,
              GError **error)
{
  Process process;
  if (!worker_process_start (&process, error))
    return NULL;
  Worker *worker = g_new0 (Worker, 1);
  worker->loop = loop;
  worker->name = g_strdup (name);
  worker->limits = *limits;
  worker->ops = ops;
  worker->data = data;
  worker->refs = 1;
  worker->process = process;
  worker->usage.pid = process.pid;
  worker->pending = g_byte_array_new ();
  worker->out = g_byte_array_new ();
  worker->line = g_string_new (NULL);
  worker->started_us = loop_now_us ();
  worker->tick = loop_timer_new (loop, on_tick, worker);
  worker->socket_poll = loop_poll_new (loop, process.socket, on_socket, worker, error);
  if (worker->socket_poll)
    worker->log_poll = loop_poll_new (loop, process.log, on_log, worker, error);
  if (worker->log_poll)
    worker->exit_poll = loop_poll_new (loop, process.pidfd, on_exited, worker, error);
  if (!worker->exit_poll) {
    worker_free (worker);
    return NULL;
  }
  loop_poll_set (worker->socket_poll, LOOP_READ);
  loop_poll_set (worker->log_poll, LOOP_READ);
  loop_poll_set (worker->exit_poll, LOOP_READ);
  loop_timer_start (worker->tick, TICK_MS, TICK_MS);
  return worker;
}

void
worker_get_usage (const Worker *worker, WorkerUsage *ret)
{
  *ret = worker->usage;
}

void
worker_free (Worker *worker)
{
  if (!worker)
    return;
  worker->freed = true;
  stop_watching (worker);
  if (worker->process.pidfd >= 0)
    worker_process_bury (&worker->process, GRACE_MS);
  worker->process.pidfd = -1;
  unref_worker (worker);
}
