/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of configuration keys. Defaults, the TOML reader, environment variables, command line, dump,
 * reference page, JSON bodies and the reload plan all come from it: a new key is a member of Settings or
 * StreamSettings and one line here.
 *
 * Threads: any; everything is constant. */
#pragma once

#include "config/settings.h"

typedef enum {
  KEY_BOOL,     /* bool */
  KEY_INT,      /* int64_t */
  KEY_DURATION, /* int64_t, milliseconds; "10s", or a number of seconds */
  KEY_SIZE,     /* int64_t, bytes; "8MiB", or a number of bytes */
  KEY_ENUM,     /* an enum: index into choices */
  KEY_FLAGS,    /* unsigned: bit n is choices[n]; a list of words */
  KEY_STRING,   /* char *, NULL when empty */
  KEY_STRINGS,  /* char **, never NULL; one string counts as a list of one */
  KEY_LEVELS,   /* GHashTable: log module -> level */
  KEY_OBJECTS,  /* GPtrArray of structs described by @element */
} KeyType;

typedef enum {
  CHECK_NONE,
  CHECK_LISTEN,      /* "address:port", ":port" */
  CHECK_URL,         /* a source: scheme and, for network ones, a host */
  CHECK_ORIGIN,      /* "https://host[:port]" or "*" */
  CHECK_MULTICAST,   /* "239.255.42.0/24" */
  CHECK_FINGERPRINT, /* SHA-256 in hexadecimal, colons allowed */
  CHECK_GLOB,        /* a stream name with any number of "*" */
  CHECK_USER,        /* no colon (RFC 7617 §2) and no control characters */
  CHECK_PASSWORD,
  CHECK_TOKEN,
} KeyCheck;

typedef enum {
  APPLY_HOT,     /* at once, or for whoever connects next */
  APPLY_SOURCE,  /* the source of the stream starts again */
  APPLY_RESTART, /* when the daemon starts again */
} KeyApply;

typedef struct KeyElement KeyElement;

typedef struct {
  const char *section; /* "http", ...; KEY_STREAM_SECTION for [defaults] and [streams.NAME] */
  const char *name;
  KeyType type;
  size_t offset;
  const char
      *initial; /* default, as in the environment ("10s", "tcp, udp"); NULL: settings_new_default() knows */
  int64_t min, max;           /* numbers; in ms or bytes where it is a duration or size. max 0: no number */
  const char *zero;           /* numbers: 0 is allowed too, and means this */
  const char *initial_help;   /* says the default when it is not a constant */
  const char *const *choices; /* allowed words; strings, lists, enums, flags */
  KeyCheck check;
  KeyApply apply;
  bool required; /* members of list elements: may not be left out */
  bool secret;
  const KeyElement *element;
  const char *example; /* as TOML */
  const char *help;
} Key;

/* A struct whose members the table describes. */
struct KeyElement {
  const char *section;
  size_t size;
};

#define KEY_STREAM_SECTION "stream"

/* All keys, section by section. */
const Key *keys_all (size_t *ret_n);
/* NULL when there is none. (transfer none) */
const Key *keys_find (const char *section, const char *name);
/* Iterates over one section: the first key after @after (NULL: the first), or NULL. */
const Key *keys_next (const char *section, const Key *after);
/* Name of the section in a file, and one line on it. NULL after the last. */
const char *keys_section (unsigned index, const char **ret_help);

/* The closest name of the section to @name, or NULL when none is close. Static. */
const char *keys_suggest (const char *section, const char *name);
const char *keys_suggest_section (const char *name);

/* "0 (none), 1 to 65535", "10s to 1h", "tcp, udp, multicast"; NULL without a bound. (transfer full) */
char *key_range_text (const Key *key);
/* "duration", "list of URLs". Static. */
const char *key_type_text (const Key *key);
/* "SLUICE_RTSP_LISTEN"; "SLUICE_DEFAULTS_SOURCE" for keys of streams. (transfer full) */
char *key_environment_name (const Key *key);
