/* SPDX-License-Identifier: Apache-2.0 */
/* TOML by toml++, the only C++ of the project: it is compiled in here, so that its limits are ours. No
 * exception leaves this file. */
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY       1
#define TOML_EXCEPTIONS        0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 32
#include <toml++/toml.h>

#include "config/toml.h"

extern "C" {
#include "base/error.h"
}

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

static_assert (TOML_MAX_NESTED_VALUES == TOML_DEPTH_MAX, "one limit");

namespace
{

struct NodeDeleter {
  void
  operator() (ConfigNode *node) const
  {
    config_node_free (node);
  }
};
using NodePtr = std::unique_ptr<ConfigNode, NodeDeleter>;

struct Failure {
  std::string reason;
  unsigned line = 0;
};

bool
is_ascii (char c)
{
  return (unsigned char)c < 0x80;
}

/* Walks over a document before toml++ does, for what toml++ 3.3 does not take well:
 * - It limits how deep values are nested, but not dotted keys, whose tables it frees recursively: a line of a
 *   hundred thousand dots would overflow the stack.
 * - Where it looks for white space, most characters beyond ASCII are undefined behavior (its
 *   is_non_ascii_horizontal_whitespace). That is outside of strings and comments, where TOML has none of
 * them, and after a backslash in a string. */
class Scanner
{
public:
  Scanner (std::string_view document, Failure &to) : text (document), failure (to)
  {
  }

  bool
  run ()
  {
    /* A byte order mark is fine. */
    for (size_t at = text.substr (0, 3) == "\xef\xbb\xbf" ? 3 : 0;
         at < text.size () && failure.reason.empty ();)
      at = step (at);
    return failure.reason.empty ();
  }

private:
  std::string_view text;
  Failure &failure;
  unsigned line = 1;
  unsigned n_dots = 0;

  size_t
  step (size_t at)
  {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      const size_t end = skip_string (at);
      line += (unsigned)std::count (text.begin () + at, text.begin () + end, '\n');
      return end;
    }
    if (c == '#')
      return std::min (text.find ('\n', at), text.size ());
    if (!is_ascii (c))
      failure = {"a character beyond ASCII outside of quotes", line};
    line += c == '\n';
    if (c == '.')
      n_dots++;
    else if (c && std::strchr ("\n=,[]{}", c))
      n_dots = 0;
    if (n_dots >= TOML_DEPTH_MAX)
      failure = {"nested deeper than " + std::to_string (TOML_DEPTH_MAX) + " levels", line};
    return at + 1;
  }

  /* Where the string ends that starts at @at. */
  size_t
  skip_string (size_t at)
  {
    const char quote = text[at];
    const std::string triple (3, quote);
    const bool multi = text.substr (at, 3) == triple;
    for (at += multi ? 3 : 1; at < text.size (); at++) {
      if (text[at] == '\\' && quote == '"') {
        const size_t next = text.find_first_not_of (" \t\n\v\f\r", at + 1);
        if (next != text.npos && !is_ascii (text[next])) {
          failure = {"a backslash before a character beyond ASCII", line};
          return text.size ();
        }
        at++;
      } else if (text[at] == '\n' && !multi) {
        return at;
      } else if (text[at] == quote && !multi) {
        return at + 1;
      } else if (text[at] == quote && text.substr (at, 3) == triple) {
        /* Up to two more quotes before the closing ones belong to the string. */
        return std::min ({text.find_first_not_of (quote, at), at + 5, text.size ()});
      }
    }
    return text.size ();
  }
};

NodePtr convert (const toml::node &value, const char *name, Failure &failure);

const char *
checked (const std::string &text, unsigned line, Failure &failure)
{
  if (text.find ('\0') != std::string::npos && failure.reason.empty ())
    failure = {"a string holds a NUL character", line};
  return text.c_str ();
}

void
convert_table (const toml::table &table, ConfigNode *node, Failure &failure)
{
  struct Member {
    const toml::key *key;
    const toml::node *value;
  };
  std::vector<Member> members;
  for (auto &&[key, value] : table)
    members.push_back ({&key, &value});
  std::sort (members.begin (), members.end (), [] (const Member &a, const Member &b) {
    const auto &x = a.key->source ().begin, &y = b.key->source ().begin;
    return x.line != y.line ? x.line < y.line : x.column < y.column;
  });
  for (const Member &member : members) {
    const unsigned line = member.key->source ().begin.line;
    const std::string name (member.key->str ());
    NodePtr child = convert (*member.value, checked (name, line, failure), failure);
    child->line = line;
    config_node_add (node, child.release ());
  }
}

NodePtr
convert (const toml::node &value, const char *name, Failure &failure)
{
  auto make = [&] (ConfigNodeType type) {
    NodePtr node (config_node_new (type, name));
    node->line = value.source ().begin.line;
    return node;
  };
  if (const auto *table = value.as_table ()) {
    NodePtr node = make (NODE_TABLE);
    convert_table (*table, node.get (), failure);
    return node;
  }
  if (const auto *array = value.as_array ()) {
    NodePtr node = make (NODE_LIST);
    for (const toml::node &item : *array)
      config_node_add (node.get (), convert (item, nullptr, failure).release ());
    return node;
  }
  if (const auto *string = value.as_string ()) {
    NodePtr node = make (NODE_STRING);
    node->string = g_strdup (checked (string->get (), node->line, failure));
    return node;
  }
  NodePtr node = make (NODE_OTHER);
  if (const auto *boolean = value.as_boolean ()) {
    node->type = NODE_BOOL;
    node->boolean = boolean->get ();
  } else if (const auto *integer = value.as_integer ()) {
    node->type = NODE_INT;
    node->integer = integer->get ();
  } else if (const auto *real = value.as_floating_point ()) {
    node->type = NODE_REAL;
    node->real = real->get ();
  }
  return node;
}

NodePtr
parse (std::string_view text, Failure &failure)
{
  if (text.size () > TOML_BYTES_MAX) {
    failure = {"larger than " + std::to_string (TOML_BYTES_MAX) + " bytes", 0};
    return nullptr;
  }
  if (!Scanner (text, failure).run ())
    return nullptr;
  const toml::parse_result result = toml::parse (text);
  if (result.failed ()) {
    failure = {std::string (result.error ().description ()), result.error ().source ().begin.line};
    return nullptr;
  }
  NodePtr root = convert (result.table (), nullptr, failure);
  return failure.reason.empty () ? std::move (root) : nullptr;
}

} // namespace

ConfigNode *
config_toml_parse (const char *text, size_t n_bytes, unsigned *ret_line, GError **error)
{
  Failure failure;
  try {
    if (NodePtr root = parse (std::string_view (text, n_bytes), failure))
      return root.release ();
    *ret_line = failure.line;
    g_set_error_literal (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, failure.reason.c_str ());
  } catch (const std::exception &exception) {
    *ret_line = 0;
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_INVALID_ARGUMENT, "not TOML: %s", exception.what ());
  }
  return nullptr;
}
