/* SPDX-License-Identifier: Apache-2.0 */
/* A neutral tree of values, whatever they were written in: TOML, JSON, the environment, the command line. And
 * the list of problems that reading it may give.
 *
 * Threads: any; a tree belongs to whoever made it. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

typedef enum {
  NODE_NULL, /* JSON only */
  NODE_BOOL,
  NODE_INT,
  NODE_REAL,
  NODE_STRING,
  NODE_LIST,
  NODE_TABLE,
  NODE_OTHER, /* dates and times of TOML: no key takes one */
} ConfigNodeType;

typedef struct ConfigNode ConfigNode;
struct ConfigNode {
  ConfigNodeType type;
  char *name;   /* as a member of a table, else NULL */
  char *origin; /* "SLUICE_RTSP_LISTEN", "--set rtsp.listen"; NULL: its parent's, or the file at @line */
  unsigned line;
  bool loose; /* a string from where all is text: may stand for a number, a truth value or a list as well */
  bool bad;   /* a problem was reported; nothing more is said about it */
  union {
    bool boolean;
    int64_t integer;
    double real;
  };
  char *string;
  GPtrArray
      *children; /* of ConfigNode, in the order they were written: items of a list, members of a table */
};

/* @name may be NULL. (transfer full) */
ConfigNode *config_node_new (ConfigNodeType type, const char *name);
ConfigNode *config_node_new_string (const char *name, const char *string);
void config_node_free (ConfigNode *node); /* NULL-safe */
/* (transfer full) of @child. */
void config_node_add (ConfigNode *parent, ConfigNode *child);
/* NULL when @node is no table or has no such member. (transfer none) */
ConfigNode *config_node_get (const ConfigNode *node, const char *name);
/* "a string", "a list". Static. */
const char *config_node_type_text (const ConfigNode *node);

/* Where problems go: each is one line, "file:line: section.key: reason". */
typedef struct {
  GPtrArray *list;  /* of char * */
  const char *file; /* for nodes without an origin; NULL: only the key is named */
} ConfigProblems;

enum { CONFIG_PROBLEMS_MAX = 200 /* later ones are left out */ };

/* @node may be NULL: no place is named then. @path: "section.key". Never put a secret into the reason. */
void config_problem (ConfigProblems *problems, const ConfigNode *node, const char *path, const char *format,
                     ...) G_GNUC_PRINTF (4, 5);

/* @text for a message: quoted, without control characters, shortened. (transfer full) */
char *config_quote (const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ConfigNode, config_node_free)

G_END_DECLS
