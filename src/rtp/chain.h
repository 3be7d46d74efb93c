/* SPDX-License-Identifier: Apache-2.0 */
/* A few GStreamer elements in a row, run without pipeline, clock, bus and thread: what is pushed in comes out
 * (or stays) before the call returns, on the caller's thread.
 *
 * Owner: whoever made it; one thread at a time. Elements that need a thread or a clock have no place in it.
 */
#pragma once

#include <gst/gst.h>
#include <stdbool.h>

typedef struct Chain Chain;

enum { CHAIN_ELEMENTS_MAX = 3 };

/* Links and starts @elements (each transfer full). @out_caps: what the last one is asked for. Errors:
 * UNSUPPORTED when the elements do not fit together. */
Chain *chain_new (GstElement **elements, unsigned n_elements, const char *out_caps, GError **error);
void chain_free (Chain *chain); /* NULL-safe */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Chain, chain_free)

/* The caps of what is pushed from now on. False when the first element refuses them. */
bool chain_set_caps (Chain *chain, GstCaps *caps);
GstFlowReturn chain_push (Chain *chain, GstBuffer *buffer); /* (transfer full) */

/* A new segment, the same as before: makes payloaders that wait for the next frame let go of the last. */
void chain_push_segment (Chain *chain);

/* What came out, in order: NULL when there is no more. (transfer full) */
GstBuffer *chain_pull (Chain *chain);
/* Of what chain_pull() gave last; NULL before. (transfer none) */
GstCaps *chain_caps (const Chain *chain);
/* Of what comes out from now on; NULL unknown yet. (transfer full) */
GstCaps *chain_dup_latest_caps (const Chain *chain);
