/* SPDX-License-Identifier: Apache-2.0 */
/* Durations, sizes and misspelt words as text. Units are exact integers, so that what is printed reads back
 * as the same value. */
#include "config/text.h"

#include <math.h>
#include <string.h>

enum { DISTANCE_BYTES_MAX = 64 };

typedef struct {
  const char *name;
  int64_t factor;
} Unit;

static const Unit duration_units[] = {
    {"", 1000},         {"ms", 1},          {"s", 1000},     {"m", 60 * 1000},
    {"min", 60 * 1000}, {"h", 3600 * 1000}, {"d", 86400000},
};

static const Unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"kB", 1000},
    {"KiB", INT64_C (1) << 10},
    {"MB", 1000 * 1000},
    {"MiB", INT64_C (1) << 20},
    {"GB", 1000 * 1000 * 1000},
    {"GiB", INT64_C (1) << 30},
    {"TB", INT64_C (1000) * 1000 * 1000 * 1000},
    {"TiB", INT64_C (1) << 40},
};

/* Digits, an optional fraction, and a unit. */
static bool
to_quantity (const char *text, const Unit *units, size_t n_units, int64_t *ret)
{
  if (!g_ascii_isdigit (text[0]))
    return false;
  char *end;
  int64_t whole = (int64_t)g_ascii_strtoull (text, &end, 10);
  if (whole < 0 || end - text > 18)
    return false;
  double fraction = 0;
  if (*end == '.') {
    const char *point = end;
    size_t n_digits = strspn (point + 1, "0123456789");
    if (n_digits == 0 || n_digits > 9)
      return false;
    g_autofree char *digits = g_strndup (point, n_digits + 1);
    fraction = g_ascii_strtod (digits, NULL);
    end += n_digits + 1;
  }
  while (*end == ' ')
    end++;
  for (size_t i = 0; i < n_units; i++) {
    if (g_ascii_strcasecmp (end, units[i].name) != 0)
      continue;
    if (whole > INT64_MAX / units[i].factor - 1)
      return false;
    *ret = whole * units[i].factor + (int64_t)round (fraction * (double)units[i].factor);
    return true;
  }
  return false;
}

bool
text_to_duration (const char *text, int64_t *ret_ms)
{
  return to_quantity (text, duration_units, G_N_ELEMENTS (duration_units), ret_ms);
}

bool
text_to_size (const char *text, int64_t *ret_bytes)
{
  return to_quantity (text, size_units, G_N_ELEMENTS (size_units), ret_bytes);
}

bool
text_to_int (const char *text, int64_t *ret)
{
  return g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, ret, NULL);
}

bool
text_to_bool (const char *text, bool *ret)
{
  static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
  for (size_t i = 0; i < G_N_ELEMENTS (words); i++) {
    if (g_ascii_strcasecmp (text, words[i]) == 0) {
      *ret = i % 2 == 1;
      return true;
    }
  }
  return false;
}

char *
text_from_duration (int64_t ms)
{
  static const Unit units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};
  for (size_t i = 0; i < G_N_ELEMENTS (units); i++)
    if (ms != 0 && ms % units[i].factor == 0)
      return g_strdup_printf ("%" G_GINT64_FORMAT "%s", ms / units[i].factor, units[i].name);
  return ms == 0 ? g_strdup ("0s") : g_strdup_printf ("%" G_GINT64_FORMAT "ms", ms);
}

char *
text_from_size (int64_t bytes)
{
  static const Unit units[] = {{"GiB", INT64_C (1) << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}};
  for (size_t i = 0; i < G_N_ELEMENTS (units); i++)
    if (bytes != 0 && bytes % units[i].factor == 0)
      return g_strdup_printf ("%" G_GINT64_FORMAT "%s", bytes / units[i].factor, units[i].name);
  return g_strdup_printf ("%" G_GINT64_FORMAT, bytes);
}

unsigned
text_distance (const char *a, const char *b)
{
  size_t n_a = strlen (a), n_b = strlen (b);
  if (n_a > DISTANCE_BYTES_MAX || n_b > DISTANCE_BYTES_MAX)
    return G_MAXUINT;
  unsigned cost[DISTANCE_BYTES_MAX + 1][DISTANCE_BYTES_MAX + 1];
  for (size_t i = 0; i <= n_a; i++)
    cost[i][0] = (unsigned)i;
  for (size_t j = 0; j <= n_b; j++)
    cost[0][j] = (unsigned)j;
  for (size_t i = 1; i <= n_a; i++) {
    for (size_t j = 1; j <= n_b; j++) {
      char x = g_ascii_tolower (a[i - 1]), y = g_ascii_tolower (b[j - 1]);
      unsigned best = MIN (cost[i - 1][j], cost[i][j - 1]) + 1;
      best = MIN (best, cost[i - 1][j - 1] + (x != y));
      if (i > 1 && j > 1 && x == g_ascii_tolower (b[j - 2]) && g_ascii_tolower (a[i - 2]) == y)
        best = MIN (best, cost[i - 2][j - 2] + 1);
      cost[i][j] = best;
    }
  }
  return cost[n_a][n_b];
}

const char *
text_closest (const char *text, const char *const *words)
{
  const char *closest = NULL;
  unsigned best = G_MAXUINT;
  for (; *words; words++) {
    unsigned distance = text_distance (text, *words);
    /* A third of the letters may be wrong, but in a short word one. */
    if (distance > MAX (1, strlen (*words) / 3))
      continue;
    /* Of two equally close words the one with as many letters: swapped letters are the commonest slip. */
    if (distance < best || (distance == best && strlen (*words) == strlen (text))) {
      best = distance;
      closest = *words;
    }
  }
  return closest;
}
