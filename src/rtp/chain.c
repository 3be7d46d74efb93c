/* SPDX-License-Identifier: Apache-2.0 */
/* Elements in a row between two pads of our own: the one pushes into the first element, the other collects
 * what the last one makes. Caps travel in the same queue as buffers, so that each buffer is seen with its
 * own. */
#include "rtp/chain.h"

#include "base/error.h"

struct Chain {
  GstElement *elements[CHAIN_ELEMENTS_MAX];
  unsigned n_elements;
  GstPad *in;  /* a source pad: feeds the first element */
  GstPad *out; /* a sink pad: fed by the last */
  bool started;
  GQueue output; /* of GstBuffer and GstCaps */
  GstCaps *caps; /* of the last buffer pulled */
};

static GstFlowReturn
on_buffer (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  Chain *chain = gst_pad_get_element_private (pad);
  g_queue_push_tail (&chain->output, buffer);
  return GST_FLOW_OK;
}

static GstFlowReturn
on_buffer_list (GstPad *pad, GstObject *parent, GstBufferList *list)
{
  Chain *chain = gst_pad_get_element_private (pad);
  for (unsigned i = 0; i < gst_buffer_list_length (list); i++)
    g_queue_push_tail (&chain->output, gst_buffer_ref (gst_buffer_list_get (list, i)));
  gst_buffer_list_unref (list);
  return GST_FLOW_OK;
}

static gboolean
on_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  Chain *chain = gst_pad_get_element_private (pad);
  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    GstCaps *caps;
    gst_event_parse_caps (event, &caps);
    g_queue_push_tail (&chain->output, gst_caps_ref (caps));
  }
  gst_event_unref (event);
  return TRUE;
}

static GstPad *
make_pad (GstPadDirection direction, const char *caps_text)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (caps_text);
  g_autoptr (GstPadTemplate) template =
      gst_pad_template_new (direction == GST_PAD_SRC ? "src" : "sink", direction, GST_PAD_ALWAYS, caps);
  GstPad *pad = gst_pad_new_from_template (template, "pad");
  gst_object_ref_sink (pad);
  return pad;
}

static bool
link_all (Chain *chain)
{
  g_autoptr (GstPad) first = gst_element_get_static_pad (chain->elements[0], "sink");
  g_autoptr (GstPad) last = gst_element_get_static_pad (chain->elements[chain->n_elements - 1], "src");
  if (!first || !last || gst_pad_link (chain->in, first) != GST_PAD_LINK_OK ||
      gst_pad_link (last, chain->out) != GST_PAD_LINK_OK)
    return false;
  for (unsigned i = 1; i < chain->n_elements; i++) {
    g_autoptr (GstPad) src = gst_element_get_static_pad (chain->elements[i - 1], "src");
    g_autoptr (GstPad) sink = gst_element_get_static_pad (chain->elements[i], "sink");
    /* Not gst_element_link(), which wants a common parent. */
    if (gst_pad_link (src, sink) != GST_PAD_LINK_OK)
      return false;
  }
  return true;
}

Chain *
chain_new (GstElement **elements, unsigned n_elements, const char *out_caps, GError **error)
{
  g_autoptr (Chain) chain = g_new0 (Chain, 1);
  g_queue_init (&chain->output);
  chain->n_elements = MIN (n_elements, CHAIN_ELEMENTS_MAX);
  for (unsigned i = 0; i < chain->n_elements; i++)
    chain->elements[i] = elements[i];
  chain->in = make_pad (GST_PAD_SRC, "ANY");
  chain->out = make_pad (GST_PAD_SINK, out_caps);
  gst_pad_set_element_private (chain->out, chain);
  gst_pad_set_chain_function (chain->out, on_buffer);
  gst_pad_set_chain_list_function (chain->out, on_buffer_list);
  gst_pad_set_event_function (chain->out, on_event);
  gst_pad_set_active (chain->out, TRUE);
  bool ok = link_all (chain);
  for (unsigned i = chain->n_elements; ok && i > 0; i--)
    ok = gst_element_set_state (chain->elements[i - 1], GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
  gst_pad_set_active (chain->in, TRUE);
  if (!ok) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED, "GStreamer element %s does not give %s",
                 GST_OBJECT_NAME (gst_element_get_factory (chain->elements[chain->n_elements - 1])),
                 out_caps);
    return NULL;
  }
  return g_steal_pointer (&chain);
}

void
chain_free (Chain *chain)
{
  if (!chain)
    return;
  gst_pad_set_active (chain->in, FALSE);
  for (unsigned i = 0; i < chain->n_elements; i++)
    gst_element_set_state (chain->elements[i], GST_STATE_NULL);
  gst_pad_set_active (chain->out, FALSE);
  for (unsigned i = 0; i < chain->n_elements; i++)
    gst_object_unref (chain->elements[i]);
  gst_object_unref (chain->in);
  gst_object_unref (chain->out);
  g_queue_clear_full (&chain->output, (GDestroyNotify)gst_mini_object_unref);
  gst_clear_caps (&chain->caps);
  g_free (chain);
}

void
chain_push_segment (Chain *chain)
{
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (chain->in, gst_event_new_segment (&segment));
}

bool
chain_set_caps (Chain *chain, GstCaps *caps)
{
  if (!chain->started)
    gst_pad_push_event (chain->in, gst_event_new_stream_start ("sluice"));
  bool ok = gst_pad_push_event (chain->in, gst_event_new_caps (caps));
  if (!chain->started)
    chain_push_segment (chain);
  chain->started = true;
  return ok;
}

GstFlowReturn
chain_push (Chain *chain, GstBuffer *buffer)
{
  return gst_pad_push (chain->in, buffer);
}

GstBuffer *
chain_pull (Chain *chain)
{
  while (!g_queue_is_empty (&chain->output) && GST_IS_CAPS (g_queue_peek_head (&chain->output))) {
    gst_clear_caps (&chain->caps);
    chain->caps = g_queue_pop_head (&chain->output);
  }
  return g_queue_pop_head (&chain->output);
}

GstCaps *
chain_caps (const Chain *chain)
{
  return chain->caps;
}

GstCaps *
chain_dup_latest_caps (const Chain *chain)
{
  return gst_pad_get_current_caps (chain->out);
}
