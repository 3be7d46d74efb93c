/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over every file of the folders and files given: the corpus as a regression test, with
 * any compiler. Each input is handed over in a block of exactly its size, so that a read past its end is
 * seen. */
#include <glib.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

static unsigned n_inputs;

static void
replay_file (const char *path)
{
  g_autofree char *bytes = NULL;
  gsize n_bytes = 0;
  g_autoptr (GError) error = NULL;
  if (!g_file_get_contents (path, &bytes, &n_bytes, &error))
    g_error ("%s", error->message);
  /* g_file_get_contents() appends a NUL that would hide a one-byte over-read. */
  g_autofree uint8_t *exact = g_memdup2 (bytes, n_bytes);
  LLVMFuzzerTestOneInput (exact, n_bytes);
  n_inputs++;
}

static void
replay (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  if (!dir) {
    replay_file (path);
    return;
  }
  const char *name;
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *child = g_build_filename (path, name, NULL);
    replay (child);
  }
}

int
main (int argc, char **argv)
{
  for (int i = 1; i < argc; i++)
    replay (argv[i]);
  if (n_inputs == 0)
    g_error ("no input found");
  g_print ("%u inputs\n", n_inputs);
  return 0;
}
