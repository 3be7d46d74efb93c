/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include <math.h>
#include <stdio.h>

void
bench_report_add (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  if (isfinite (value))
    json_builder_add_double_value (builder, round (value * 1000) / 1000);
  else
    json_builder_add_null_value (builder);
}

static double
quantile_ms (const BenchHistogram *histogram, double quantile)
{
  int64_t us = bench_histogram_quantile (histogram, quantile);
  return us < 0 ? NAN : (double)us / 1000;
}

void
bench_report_add_histogram (JsonBuilder *builder, const char *name, const BenchHistogram *histogram)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_object (builder);
  bench_report_add (builder, "count", (double)bench_histogram_count (histogram));
  bench_report_add (builder, "p50", quantile_ms (histogram, 0.5));
  bench_report_add (builder, "p90", quantile_ms (histogram, 0.9));
  bench_report_add (builder, "p99", quantile_ms (histogram, 0.99));
  bench_report_add (builder, "max", quantile_ms (histogram, 1));
  json_builder_end_object (builder);
}

void
bench_report_add_process (JsonBuilder *builder, const char *name, const BenchProcess *before,
                          const BenchProcess *after)
{
  double seconds = MAX (after->at_seconds - before->at_seconds, 1e-3);
  json_builder_set_member_name (builder, name);
  json_builder_begin_object (builder);
  bench_report_add (builder, "cpu_percent", 100 * (after->cpu_seconds - before->cpu_seconds) / seconds);
  bench_report_add (builder, "rss_mb", (double)after->rss_bytes / (1024 * 1024));
  bench_report_add (builder, "threads", after->threads);
  bench_report_add (builder, "descriptors", after->descriptors);
  /* A thread that has ended takes its count along. */
  bench_report_add (builder, "voluntary_switches_per_s",
                    fmax (0, (double)after->voluntary_switches - (double)before->voluntary_switches) /
                        seconds);
  bench_report_add (builder, "involuntary_switches_per_s",
                    fmax (0, (double)after->involuntary_switches - (double)before->involuntary_switches) /
                        seconds);
  json_builder_end_object (builder);
}

static void
print_object (JsonObject *object, const char *prefix)
{
  g_autoptr (GList) names = json_object_get_members (object);
  for (GList *link = names; link; link = link->next) {
    JsonNode *node = json_object_get_member (object, link->data);
    g_autofree char *name = g_strconcat (prefix, *prefix ? "." : "", link->data, NULL);
    if (JSON_NODE_HOLDS_OBJECT (node))
      print_object (json_node_get_object (node), name);
    else if (JSON_NODE_HOLDS_NULL (node))
      printf ("  %-38s -\n", name);
    else if (json_node_get_value_type (node) == G_TYPE_STRING)
      printf ("  %-38s %s\n", name, json_node_get_string (node));
    else
      printf ("  %-38s %.15g\n", name, json_node_get_double (node));
  }
}

void
bench_report_print (JsonNode *report, bool json)
{
  if (json) {
    g_autofree char *text = json_to_string (report, TRUE);
    puts (text);
  } else {
    print_object (json_node_get_object (report), "");
  }
  fflush (stdout);
}
