/* SPDX-License-Identifier: Apache-2.0 */
/* sluice serve: reads the configuration, runs the daemon, obeys signals. */
#include "cli/cli.h"
#include "cli/daemon.h"

#include "base/log.h"
#include "config/load.h"

#include <glib-unix.h>
#include <gst/gst.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/sluice/sluice.toml"

typedef struct {
  char *config_file;
  char **overrides;
  Daemon *daemon;
  unsigned stop_signals;
} Serve;

static Settings *
load_settings (void *data, GPtrArray *problems)
{
  Serve *serve = data;
  g_auto (GStrv) environment = g_get_environ ();
  ConfigSources sources = {.file = serve->config_file,
                           .environment = (const char *const *)environment,
                           .overrides = (const char *const *)serve->overrides};
  return config_load (&sources, problems);
}

static gboolean
on_stop_signal (void *data)
{
  Serve *serve = data;
  if (serve->stop_signals++ > 0) {
    LOG (LOG_CONTROL, LOG_WARNING, "killed", NULL, "asked to stop twice: leaving at once");
    _exit (1);
  }
  daemon_stop (serve->daemon);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_reload_signal (void *data)
{
  daemon_reload (((Serve *)data)->daemon);
  return G_SOURCE_CONTINUE;
}

/* A thousand readers are two thousand descriptors. */
static void
raise_descriptor_limit (void)
{
  struct rlimit limit;
  if (getrlimit (RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
    return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit (RLIMIT_NOFILE, &limit) < 0)
    LOG (LOG_CONTROL, LOG_WARNING, "descriptor-limit", NULL, "cannot raise the limit of open files");
}

static void
print_problems (const GPtrArray *problems)
{
  fputs ("Error: Invalid configuration\n", stderr);
  for (unsigned i = 0; i < problems->len; i++)
    fprintf (stderr, "  - %s\n", (const char *)problems->pdata[i]);
}

static int
serve_settings (Serve *serve, Settings *settings)
{
  log_install (LOG_FORMAT_AUTO);
  raise_descriptor_limit ();
  /* A peer that is gone is an error of write(), not the end of us. */
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction (SIGPIPE, &ignore, NULL);

  g_autoptr (GError) error = NULL;
  if (!gst_init_check (NULL, NULL, &error)) {
    fprintf (stderr, "sluice serve: GStreamer does not start: %s\n", error->message);
    return 1;
  }
  serve->daemon = daemon_new (settings, load_settings, serve, serve->config_file, &error);
  if (!serve->daemon) {
    fprintf (stderr, "sluice serve: %s\n", error->message);
    return 1;
  }
  guint signals[] = {g_unix_signal_add (SIGTERM, on_stop_signal, serve),
                     g_unix_signal_add (SIGINT, on_stop_signal, serve),
                     g_unix_signal_add (SIGHUP, on_reload_signal, serve)};
  daemon_run (serve->daemon);
  for (unsigned i = 0; i < G_N_ELEMENTS (signals); i++)
    g_source_remove (signals[i]);
  daemon_free (serve->daemon);
  return 0;
}

static int
run (int argc, char **argv)
{
  g_autofree char *config_file = NULL;
  g_auto (GStrv) overrides = NULL;
  GOptionEntry entries[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &config_file,
       "Configuration; " DEFAULT_CONFIG " when it is there, else all defaults", "FILE"},
      {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &overrides,
       "Sets one key, over file and environment; may be repeated", "SECTION.KEY=VALUE"},
      G_OPTION_ENTRY_NULL,
  };
  if (!cli_parse (
          &cli_serve, entries,
          "Runs the server until SIGTERM or SIGINT; SIGHUP reads the configuration again and touches only\n"
          "what changed.\n\n"
          "Examples:\n"
          "  sluice serve --config sluice.toml\n"
          "  sluice serve --set rtsp.listen=:9554 --set log.level=debug\n"
          "  SLUICE_HTTP_LISTEN=:9080 sluice serve\n\n"
          "'sluice check FILE' finds mistakes without serving, 'sluice config --reference' explains every "
          "key.",
          &argc, &argv))
    return 2;
  if (!config_file && g_file_test (DEFAULT_CONFIG, G_FILE_TEST_EXISTS))
    config_file = g_strdup (DEFAULT_CONFIG);

  Serve serve = {.config_file = config_file, .overrides = overrides};
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (Settings) settings = load_settings (&serve, problems);
  if (!settings) {
    print_problems (problems);
    return 1;
  }
  return serve_settings (&serve, settings);
}

const CliCommand cli_serve = {"serve", "[--config FILE]", "run the server", run};
