/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon and a worker process say to each other, and the source URLs that both understand.
 *
 * They share a stream socket and an arena: a sealed memfd made and mapped by the daemon. A message is a
 * frame: eight bytes of header (length of the body, type) and the body, in host byte order, because both ends
 * are the same program on the same machine. A unit of more than WORKER_INLINE_BYTES goes through a slot of
 * the arena when one is free: the worker fills it and sends UNIT_SHARED, the daemon copies it out and gives
 * it back with RELEASE.
 *
 * The daemon closes its end to stop a worker; a worker that reads the end of the socket leaves at once.
 *
 * A worker runs decoders and demuxers on foreign bytes, so the daemon takes nothing from it on trust: every
 * length has a bound, every text is checked UTF-8, and caps are made of the known names below only.
 *
 * Threads: any; all functions are pure. */
#pragma once

#include "base/error.h"

#include <gst/gst.h>
#include <stdbool.h>
#include <stdint.h>

enum {
  WORKER_PROTOCOL_VERSION = 1,
  WORKER_FRAME_HEADER_BYTES = 8,
  WORKER_UNIT_BYTES_MAX = 16 * 1024 * 1024,
  WORKER_MESSAGE_BYTES_MAX = WORKER_UNIT_BYTES_MAX + 1024, /* of a body */
  WORKER_INLINE_BYTES = 64 * 1024,
  WORKER_ARENA_SLOTS = 4,
  WORKER_ARENA_SLOT_BYTES = 2 * 1024 * 1024,
  WORKER_ARENA_BYTES = WORKER_ARENA_SLOTS * WORKER_ARENA_SLOT_BYTES,
  WORKER_TRACKS_MAX = 8,
  WORKER_TEXT_BYTES_MAX = 4 * 1024, /* error messages and other text, with the final NUL */
  WORKER_URL_BYTES_MAX = 16 * 1024, /* with the final NUL */
  WORKER_CODEC_DATA_BYTES_MAX = 64 * 1024,
  WORKER_CAPS_ITEMS_MAX = 8, /* buffers or numbers in one field of caps */
};

/* Time stamps of units are below this (146 years in ns), so that sums of them cannot overflow. */
#define WORKER_TIME_MAX  ((int64_t)1 << 62)
#define WORKER_TIME_NONE ((int64_t)-1)

typedef enum {
  /* worker to daemon */
  WORKER_HELLO = 1,
  WORKER_TRACKS,
  WORKER_UNIT,
  WORKER_UNIT_SHARED,
  WORKER_CAPS,
  WORKER_EOS,
  WORKER_FAILED,
  WORKER_PROGRESS,
  WORKER_HEARTBEAT,
  /* daemon to worker */
  WORKER_OPEN = 64,
  WORKER_KEYFRAME,
  WORKER_RELEASE,
} WorkerMessageType;

typedef enum {
  WORKER_STEP_STARTING,
  WORKER_STEP_CONNECTING,
  WORKER_STEP_WAITING, /* for a peer that connects to us */
  WORKER_STEP_DETECTING,
  WORKER_STEP_LAST
} WorkerStep;
const char *worker_step_name (WorkerStep step); /* for operators; static */

enum {
  WORKER_UNIT_DELTA = 1 << 0,   /* not a key frame */
  WORKER_UNIT_DISCONT = 1 << 1, /* something is missing before it */
  WORKER_UNIT_FLAGS = WORKER_UNIT_DELTA | WORKER_UNIT_DISCONT,
};

typedef struct {
  unsigned track;
  unsigned flags;
  int64_t pts, dts, duration; /* ns, dts and duration may be WORKER_TIME_NONE */
  int64_t captured_us;        /* wall clock, since 1970; WORKER_TIME_NONE unknown */
  const uint8_t *bytes;       /* UNIT only */
  size_t n_bytes;
  unsigned slot; /* UNIT_SHARED only */
} WorkerUnit;

typedef struct {
  WorkerMessageType type;
  union {
    struct {
      unsigned version;
      const char *gstreamer; /* its version, for people */
    } hello;
    struct {
      unsigned n;
      GstCaps *caps[WORKER_TRACKS_MAX];
    } tracks;
    WorkerUnit unit;
    struct {
      unsigned track;
      GstCaps *caps;
    } caps;
    struct {
      SluiceErrorCode code;
      const char *text;
    } failed;
    WorkerStep step;
    struct {
      bool waiting;       /* for the outside world: no unit within the hang time-out is all right */
      uint32_t queued_ms; /* of the track that has most waiting */
      uint64_t units, bytes;
      uint64_t arena_full; /* times a large unit went inline */
    } heartbeat;
    struct {
      const char *url;
      bool loop;
      bool tls_verify;
      uint32_t connect_timeout_ms;
      uint64_t memory;      /* bytes, 0: no limit */
      const char *username; /* empty: none */
      const char *password;
    } open;
    unsigned track; /* KEYFRAME */
    unsigned slot;  /* RELEASE */
  };
} WorkerMessage;

/* Appends a whole frame to @out. Only the payload of a UNIT stays out: the length counts it, and the caller
 * sends its bytes right behind. Caps lose what the daemon does not know; texts are cut to their bounds. */
void worker_message_append (const WorkerMessage *message, GByteArray *out);

/* Looks at the beginning of a byte stream. 1: a frame begins here, with a body of *@ret_body bytes; 0: too
 * few bytes to tell; -1: not ours (@error is set: PROTOCOL). */
int worker_frame_peek (const uint8_t *bytes, size_t n_bytes, uint16_t *ret_type, size_t *ret_body,
                       GError **error);

/* Parses one body. Texts and payload point into @body; caps are owned by @ret: worker_message_clear() it. On
 * error (PROTOCOL) there is nothing to clear. Knows nothing of what came before: track numbers are below
 * WORKER_TRACKS_MAX, slots below WORKER_ARENA_SLOTS, sizes of shared units at most a slot. */
bool worker_message_parse (uint16_t type, const uint8_t *body, size_t n_bytes, WorkerMessage *ret,
                           GError **error);
void worker_message_clear (WorkerMessage *message);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (WorkerMessage, worker_message_clear)

/* --- source URLs ---------------------------------------------------------------------------------------- */

typedef enum {
  WORKER_SOURCE_TEST,     /* test:pattern=smpte&size=1280x720 */
  WORKER_SOURCE_FILE,     /* file:PATH?loop=false, percent-encoded; relative to the daemon's directory */
  WORKER_SOURCE_V4L2,     /* v4l2:/dev/video0?size=1280x720 */
  WORKER_SOURCE_HTTP,     /* http://, https://: taken as it is; also HLS */
  WORKER_SOURCE_SRT,      /* srt://HOST:PORT?mode=caller */
  WORKER_SOURCE_UDP,      /* udp://HOST:PORT: MPEG-TS, HOST one of ours, a multicast group or empty */
  WORKER_SOURCE_PIPELINE, /* pipeline:DESCRIPTION */
  WORKER_SOURCE_LAST
} WorkerSourceKind;

typedef struct {
  WorkerSourceKind kind;
  char *location; /* path, device, whole URL, host (may be empty), description; NULL for test */
  uint16_t port;  /* SRT, UDP */
  /*< private >*/
  GHashTable *options; /* name -> text, checked against the table of the kind */
} WorkerUrl;

/* The schemes, NULL-terminated: "test", "file", ... */
extern const char *const worker_url_schemes[];

/* Checks everything that can be checked without touching the world; INVALID_ARGUMENT names the key and what
 * it may be. */
WorkerUrl *worker_url_parse (const char *text, GError **error);
void worker_url_free (WorkerUrl *url); /* NULL-safe */

bool worker_url_has (const WorkerUrl *url, const char *option);
const char *worker_url_text (const WorkerUrl *url, const char *option, const char *fallback);
int worker_url_int (const WorkerUrl *url, const char *option, int fallback);
bool worker_url_bool (const WorkerUrl *url, const char *option, bool fallback);
void worker_url_size (const WorkerUrl *url, const char *option, int *width,
                      int *height); /* untouched when not set */
void worker_url_rate (const WorkerUrl *url, const char *option, int *num, int *den); /* likewise */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (WorkerUrl, worker_url_free)
