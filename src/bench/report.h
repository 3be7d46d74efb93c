/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as JSON, and as lines for people. Any thread. */
#pragma once

#include "bench/histogram.h"
#include "bench/process.h"

#include <json-glib/json-glib.h>

/* A member of the object that @builder is in; @value not finite: null. */
void bench_report_add (JsonBuilder *builder, const char *name, double value);
/* {"count", "p50", "p90", "p99", "max"} in milliseconds. */
void bench_report_add_histogram (JsonBuilder *builder, const char *name, const BenchHistogram *histogram);
/* What a process used from @before to @after, in percent of one core and per second. */
void bench_report_add_process (JsonBuilder *builder, const char *name, const BenchProcess *before,
                               const BenchProcess *after);
/* One line a number: "latency_ms.p50   1.25". */
void bench_report_print (JsonNode *report, bool json);
