/* SPDX-License-Identifier: Apache-2.0 */
/* Publishers: clients with a sender each. */
#include "bench/client.h"
#include "bench/crowd.h"

typedef struct {
  BenchPublishers *publishers;
  BenchClient *client;
  BenchSender *sender;
  bool ended;
} Publisher;

struct BenchPublishers {
  Loop *loop;
  const BenchCrowdOptions *options;
  BenchPlayout *playout;
  BenchFilm *film;
  Publisher *all;
  unsigned n_begun, n_connecting;
  unsigned n_publishing, n_ended;
  GError *first_error;
};

char *
bench_crowd_url (const BenchCrowdOptions *options, unsigned number)
{
  g_autofree char *text = g_strdup_printf ("%u", number);
  g_autoptr (GString) url = g_string_new (options->url);
  g_string_replace (url, "%d", text, 0);
  return g_string_free (g_steal_pointer (&url), FALSE);
}

static void begin_some (BenchPublishers *publishers);

static void
end (Publisher *publisher)
{
  publisher->ended = true;
  publisher->publishers->n_ended++;
  g_clear_pointer (&publisher->sender, bench_sender_free);
  g_clear_pointer (&publisher->client, bench_client_free);
}

static void
on_sender_end (void *data)
{
  Publisher *publisher = data;
  publisher->publishers->n_publishing--;
  end (publisher);
}

static void
on_ready (void *data)
{
  Publisher *publisher = data;
  BenchPublishers *publishers = publisher->publishers;
  if (publishers->options->lower == RTSP_LOWER_TCP) {
    publisher->sender =
        bench_sender_new_tcp (publishers->playout, bench_client_wire (publisher->client),
                              bench_client_channel (publisher->client), on_sender_end, publisher);
  } else {
    NetAddress to;
    int fd = bench_client_udp (publisher->client, &to);
    publisher->sender = bench_sender_new_udp (publishers->playout, fd, &to, on_sender_end, publisher);
  }
  publishers->n_connecting--;
  publishers->n_publishing++;
  begin_some (publishers);
}

static void
on_ended (void *data, const GError *error)
{
  Publisher *publisher = data;
  BenchPublishers *publishers = publisher->publishers;
  if (!publishers->first_error)
    publishers->first_error = g_error_copy (error);
  if (publisher->sender)
    publishers->n_publishing--;
  else
    publishers->n_connecting--;
  end (publisher);
  begin_some (publishers);
}

static const BenchClientOps client_ops = {.on_ready = on_ready, .on_ended = on_ended};

static void
begin_some (BenchPublishers *publishers)
{
  const BenchCrowdOptions *options = publishers->options;
  while (publishers->n_begun < options->count && publishers->n_connecting < options->at_once) {
    unsigned number = publishers->n_begun++;
    Publisher *publisher = &publishers->all[number];
    g_autofree char *url = bench_crowd_url (options, number);
    publishers->n_connecting++;
    publisher->publishers = publishers;
    publisher->client = bench_client_new (
        publishers->loop,
        &(BenchClientOptions){.url = url, .lower = options->lower, .publish = &publishers->film->spec},
        &client_ops, publisher);
  }
}

BenchPublishers *
bench_publishers_new (Loop *loop, const BenchCrowdOptions *options, BenchPlayout *playout, BenchFilm *film)
{
  BenchPublishers *publishers = g_new0 (BenchPublishers, 1);
  publishers->loop = loop;
  publishers->options = options;
  publishers->playout = playout;
  publishers->film = film;
  publishers->all = g_new0 (Publisher, options->count);
  begin_some (publishers);
  return publishers;
}

void
bench_publishers_free (BenchPublishers *publishers)
{
  if (!publishers)
    return;
  for (unsigned i = 0; i < publishers->n_begun; i++) {
    bench_sender_free (publishers->all[i].sender);
    bench_client_free (publishers->all[i].client);
  }
  g_clear_error (&publishers->first_error);
  g_free (publishers->all);
  g_free (publishers);
}

void
bench_publishers_state (const BenchPublishers *publishers, BenchPublishersState *ret)
{
  *ret = (BenchPublishersState){.publishing = publishers->n_publishing,
                                .ended = publishers->n_ended,
                                .error = publishers->first_error ? publishers->first_error->message : NULL};
}
