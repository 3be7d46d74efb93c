/* SPDX-License-Identifier: Apache-2.0 */
/* One GStreamer pipeline from a source to units: builders add elements and hand over pads; the graph finds
 * out what comes out of them, plugs demuxers, parsers and encoders from the table of codecs.h, and ends each
 * track in an outlet.
 *
 * Threads:  the main thread, which runs the default main context; on_unit comes on GStreamer's streaming
 * threads and may wait by media_graph_wait(). All structural changes happen on the main thread: a pad whose
 * caps become known is blocked until it has been plugged. Limits:   WORKER_TRACKS_MAX outlets; queues of five
 * seconds or 32 MB each. Failure:  on_end, once. */
#pragma once

#include "media/codecs.h"

typedef struct MediaGraph MediaGraph;

typedef struct {
  unsigned outlet;
  GstBuffer *buffer;
  GstCaps *new_caps; /* NULL: as before */
  int64_t pts, dts;  /* running time in ns, may be negative; G_MININT64: none */
} MediaUnit;

typedef struct {
  void (*on_ready) (void *data); /* all tracks are known; no unit comes before media_graph_open() */
  void (*on_unit) (void *data, const MediaUnit *unit);
  void (*on_end) (void *data,
                  const GError *error); /* NULL: end of stream; free the graph later, not in here */
} MediaGraphOps;

MediaGraph *media_graph_new (const MediaEncoding *encoding, const MediaGraphOps *ops, void *data);

/* Stops the pipeline and waits for its threads; no callback follows. NULL-safe. */
void media_graph_free (MediaGraph *graph);

/* --- for builders --- */

/* A new element in the pipeline (transfer none), or UNAVAILABLE. */
GstElement *media_graph_add (MediaGraph *graph, const char *factory, GError **error);
/* The pipeline is what @description of gst-launch says; before anything else. UNAVAILABLE, INVALID_ARGUMENT.
 */
bool media_graph_parse (MediaGraph *graph, const char *description, GError **error);
bool media_graph_link (GstElement *from, GstElement *to, GError **error);
/* What comes out here becomes tracks. */
void media_graph_take_pad (MediaGraph *graph, GstPad *pad);
/* @element's "src" pad, whose caps are known before it runs: plugged at once, so that a demuxer can read a
 * file its own way. */
bool media_graph_take_known (MediaGraph *graph, GstElement *element, const GstCaps *caps, GError **error);
/* Like media_graph_take_pad() for the pads that @element has or will have. */
void media_graph_take_element (MediaGraph *graph, GstElement *element);
GstElement *media_graph_pipeline (MediaGraph *graph);

/* --- running --- */

/* So many tracks are known to come: on_ready need not wait for a demuxer that does not say when it has shown
 * all. */
void media_graph_expect (MediaGraph *graph, unsigned n_tracks);

/* Never blocks; a failure comes by on_end. */
void media_graph_start (MediaGraph *graph);
unsigned media_graph_n_outlets (const MediaGraph *graph);
/* Of an outlet that is ready, else NULL. (transfer none), valid until the outlet's next unit. */
GstCaps *media_graph_outlet_caps (const MediaGraph *graph, unsigned outlet);
void media_graph_open (MediaGraph *graph);
void media_graph_force_key_unit (MediaGraph *graph, unsigned outlet);
unsigned media_graph_queued_ms (MediaGraph *graph);

/* Streaming threads: waits until the monotonic time @until_us. False: the graph is being freed; come back at
 * once. */
bool media_graph_wait (MediaGraph *graph, int64_t until_us);

/* Streaming threads: how long ago in us the running time @time was, by the pipeline's clock. */
int64_t media_graph_age_us (MediaGraph *graph, int64_t time);
