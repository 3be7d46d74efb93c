/* SPDX-License-Identifier: Apache-2.0 */
/* Readers: clients with a reception each. They come, they all get a key frame, they settle, and then they are
 * measured, together with the server. */
#include "bench/client.h"
#include "bench/crowd.h"
#include "bench/reception.h"
#include "bench/stamp.h"

#include <math.h>
#include <unistd.h>

enum {
  LOOK_MS = 10,
  FIRST_FRAME_SECONDS = 15, /* longer than that nobody waits for a silent reader */
};

typedef enum { PHASE_JOINING, PHASE_SETTLING, PHASE_MEASURING, PHASE_DONE } Phase;

typedef struct {
  BenchReaders *readers;
  BenchClient *client; /* NULL: ended */
  BenchReception reception;
  uint64_t begun_ns;
  bool ready, counted;
} BenchReader;

struct BenchReaders {
  Loop *loop;
  const BenchCrowdOptions *crowd;
  BenchReadersOptions options;
  LoopFunc on_done;
  void *data;
  LoopTimer *timer;
  Phase phase;
  uint64_t phase_ns; /* its begin */
  BenchReader *all;
  unsigned n_begun, n_connecting, n_ended, n_ended_measured;
  GError *first_error;
  BenchHistogram *latency, *first_frame, *first_key;
  uint64_t begun_ns, measured_ns;
  BenchProcess server[2], self[2];
};

static void begin_some (BenchReaders *readers);

static void
on_ready (void *data)
{
  BenchReader *reader = data;
  reader->ready = true;
  reader->readers->n_connecting--;
  begin_some (reader->readers);
}

static void
on_packet (void *data, const uint8_t *packet, size_t n_bytes, uint64_t now_ns)
{
  BenchReader *reader = data;
  bench_reception_add (&reader->reception, packet, n_bytes, now_ns);
}

static void
on_ended (void *data, const GError *error)
{
  BenchReader *reader = data;
  BenchReaders *readers = reader->readers;
  if (!readers->first_error)
    readers->first_error = g_error_copy (error);
  readers->n_ended++;
  if (readers->phase == PHASE_MEASURING)
    readers->n_ended_measured++;
  if (!reader->ready)
    readers->n_connecting--;
  g_clear_pointer (&reader->client, bench_client_free);
  begin_some (readers);
}

static const BenchClientOps client_ops = {.on_ready = on_ready, .on_packet = on_packet, .on_ended = on_ended};

static bool
may_begin (const BenchReaders *readers)
{
  const BenchCrowdOptions *crowd = readers->crowd;
  if (readers->n_begun == crowd->count || readers->n_connecting >= crowd->at_once)
    return false;
  double passed = (double)(bench_now_ns () - readers->begun_ns) / 1e9;
  return passed * crowd->count >= crowd->spread * readers->n_begun;
}

static void
begin_some (BenchReaders *readers)
{
  const BenchCrowdOptions *crowd = readers->crowd;
  while (may_begin (readers)) {
    BenchReader *reader = &readers->all[readers->n_begun];
    g_autofree char *url = bench_crowd_url (crowd, readers->n_begun++);
    readers->n_connecting++;
    reader->readers = readers;
    reader->begun_ns = bench_now_ns ();
    reader->client = bench_client_new (
        readers->loop, &(BenchClientOptions){.url = url, .lower = crowd->lower}, &client_ops, reader);
  }
}

/* --- phases ------------------------------------------------------------------------------------------------
 */

static bool
all_have_begun (BenchReaders *readers)
{
  unsigned n_silent = 0;
  for (unsigned i = 0; i < readers->n_begun; i++) {
    BenchReader *reader = &readers->all[i];
    if (reader->client && !reader->reception.first_key_ns)
      n_silent++;
    if (reader->counted || !reader->reception.first_key_ns)
      continue;
    reader->counted = true;
    bench_histogram_add (readers->first_frame,
                         (int64_t)(reader->reception.first_frame_ns - reader->begun_ns) / 1000);
    bench_histogram_add (readers->first_key,
                         (int64_t)(reader->reception.first_key_ns - reader->begun_ns) / 1000);
  }
  return readers->n_begun == readers->crowd->count && n_silent == 0;
}

static void
look_at_processes (BenchReaders *readers, unsigned which)
{
  if (readers->options.server)
    (void)bench_process_read (readers->options.server, &readers->server[which], NULL);
  (void)bench_process_read (getpid (), &readers->self[which], NULL);
}

static void
enter (BenchReaders *readers, Phase phase, uint64_t now_ns)
{
  readers->phase = phase;
  readers->phase_ns = now_ns;
  if (phase == PHASE_MEASURING) {
    for (unsigned i = 0; i < readers->n_begun; i++) {
      bench_reception_mark (&readers->all[i].reception);
      readers->all[i].reception.latency = readers->latency;
    }
    look_at_processes (readers, 0);
  } else if (phase == PHASE_DONE) {
    look_at_processes (readers, 1);
    for (unsigned i = 0; i < readers->n_begun; i++)
      readers->all[i].reception.latency = NULL;
    loop_timer_stop (readers->timer);
  }
}

static void
on_look (void *data)
{
  BenchReaders *readers = data;
  uint64_t now_ns = bench_now_ns ();
  double passed = (double)(now_ns - readers->phase_ns) / 1e9;
  bool all_ended = readers->n_ended == readers->crowd->count;
  switch (readers->phase) {
  case PHASE_JOINING:
    begin_some (readers);
    if (readers->n_connecting > 0 || readers->n_begun < readers->crowd->count)
      readers->phase_ns = now_ns;
    if (all_have_begun (readers) || passed > FIRST_FRAME_SECONDS)
      enter (readers, PHASE_SETTLING, now_ns);
    break;
  case PHASE_SETTLING:
    if (passed >= readers->options.warmup_seconds)
      enter (readers, PHASE_MEASURING, now_ns);
    break;
  case PHASE_MEASURING:
    if (passed < readers->options.seconds && !all_ended)
      break;
    readers->measured_ns = now_ns - readers->phase_ns;
    enter (readers, PHASE_DONE, now_ns);
    readers->on_done (readers->data);
    break;
  case PHASE_DONE:
    break;
  }
}

/* --- life --------------------------------------------------------------------------------------------------
 */

BenchReaders *
bench_readers_new (Loop *loop, const BenchCrowdOptions *crowd, const BenchReadersOptions *options,
                   LoopFunc on_done, void *data)
{
  BenchReaders *readers = g_new0 (BenchReaders, 1);
  readers->loop = loop;
  readers->crowd = crowd;
  readers->options = *options;
  readers->on_done = on_done;
  readers->data = data;
  readers->all = g_new0 (BenchReader, crowd->count);
  readers->latency = bench_histogram_new ();
  readers->first_frame = bench_histogram_new ();
  readers->first_key = bench_histogram_new ();
  readers->begun_ns = readers->phase_ns = bench_now_ns ();
  readers->timer = loop_timer_new (loop, on_look, readers);
  loop_timer_start (readers->timer, LOOK_MS, LOOK_MS);
  begin_some (readers);
  return readers;
}

void
bench_readers_free (BenchReaders *readers)
{
  if (!readers)
    return;
  loop_timer_free (readers->timer);
  for (unsigned i = 0; i < readers->n_begun; i++)
    bench_client_free (readers->all[i].client);
  bench_histogram_free (readers->latency);
  bench_histogram_free (readers->first_frame);
  bench_histogram_free (readers->first_key);
  g_clear_error (&readers->first_error);
  g_free (readers->all);
  g_free (readers);
}

/* --- the report --------------------------------------------------------------------------------------------
 */

static int
compare_numbers (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static void
add_received (const BenchReaders *readers, JsonBuilder *builder, double seconds)
{
  BenchReceived sum = {0};
  unsigned n_with_loss = 0;
  int64_t most_lost = 0;
  g_autoptr (GArray) bytes = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  for (unsigned i = 0; i < readers->n_begun; i++) {
    BenchReceived one;
    bench_reception_since_mark (&readers->all[i].reception, &one);
    sum.packets += one.packets;
    sum.bytes += one.bytes;
    sum.frames += one.frames;
    sum.lost += one.lost;
    n_with_loss += one.lost > 0;
    most_lost = MAX (most_lost, one.lost);
    g_array_append_val (bytes, one.bytes);
  }
  g_array_sort (bytes, compare_numbers);
  bench_report_add (builder, "packets", (double)sum.packets);
  bench_report_add (builder, "bytes", (double)sum.bytes);
  bench_report_add (builder, "frames", (double)sum.frames);
  bench_report_add (builder, "lost_packets", (double)sum.lost);
  bench_report_add (builder, "lost_packets_worst_reader", (double)most_lost);
  bench_report_add (builder, "readers_with_loss", n_with_loss);
  json_builder_set_member_name (builder, "bitrate_mbps");
  json_builder_begin_object (builder);
  guint middle = bytes->len / 2;
  bench_report_add (builder, "min", 8e-6 * (double)g_array_index (bytes, uint64_t, 0) / seconds);
  bench_report_add (builder, "median",
                    8e-6 * (double)g_array_index (bytes, uint64_t, middle) / seconds);
  json_builder_end_object (builder);
}

JsonNode *
bench_readers_report (const BenchReaders *readers)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  double seconds = MAX ((double)readers->measured_ns / 1e9, 1e-3);
  json_builder_begin_object (builder);
  bench_report_add (builder, "seconds", seconds);
  bench_report_add (builder, "readers", readers->crowd->count);
  bench_report_add (builder, "readers_with_key_frame", (double)bench_histogram_count (readers->first_key));
  bench_report_add (builder, "readers_ended", readers->n_ended);
  bench_report_add (builder, "readers_ended_while_measured", readers->n_ended_measured);
  if (readers->first_error) {
    json_builder_set_member_name (builder, "first_error");
    json_builder_add_string_value (builder, readers->first_error->message);
  }
  bench_report_add_histogram (builder, "first_frame_ms", readers->first_frame);
  bench_report_add_histogram (builder, "first_key_frame_ms", readers->first_key);
  bench_report_add_histogram (builder, "latency_ms", readers->latency);
  if (readers->n_begun > 0)
    add_received (readers, builder, seconds);
  if (readers->server[1].at_seconds > 0)
    bench_report_add_process (builder, "server", &readers->server[0], &readers->server[1]);
  bench_report_add_process (builder, "load", &readers->self[0], &readers->self[1]);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}
