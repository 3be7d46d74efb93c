/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/guard.h"

#include "base/error.h"

#include <string.h>

enum { BYTES_MAX = 16 };

static const struct {
  const char *what;
  Codec codec;
  size_t n_bytes;
  uint8_t bytes[BYTES_MAX];
  bool ok;
} payloads[] = {
    {"empty", CODEC_H264, 0, {0}, false},
    {"a slice", CODEC_H264, 3, {0x41, 0x9a, 1}, true},
    {"end of sequence", CODEC_H264, 1, {0x0a}, true},
    {"FU-A without header", CODEC_H264, 1, {0x7c}, false},
    {"FU-A without data", CODEC_H264, 2, {0x7c, 0x85}, false},
    {"FU-A", CODEC_H264, 3, {0x7c, 0x85, 1}, true},
    {"parameter set in fragments", CODEC_H264, 3, {0x7c, 0x87, 1}, false},
    {"FU-B", CODEC_H264, 6, {0x7d, 0x85, 0, 0, 1, 2}, false},
    {"a parameter set of no sense", CODEC_H264, 4, {0x67, 1, 2, 3}, false},
    {"the same in a STAP-A", CODEC_H264, 9, {0x78, 0, 2, 0x09, 0x10, 0, 2, 0x67, 1}, false},
    {"STAP-A cut", CODEC_H264, 5, {0x78, 0, 9, 0x41, 1}, true},
    {"two bytes", CODEC_H265, 2, {0x02, 0x01}, false},
    {"a slice", CODEC_H265, 3, {0x02, 0x01, 0xd0}, true},
    {"FU without data", CODEC_H265, 3, {0x62, 0x01, 0x93}, false},
    {"FU", CODEC_H265, 4, {0x62, 0x01, 0x93, 1}, true},
    {"parameter set in fragments", CODEC_H265, 4, {0x62, 0x01, 0xa1, 1}, false},
    {"AP with a parameter set of no sense", CODEC_H265, 7, {0x60, 0x01, 0, 3, 0x42, 0x01, 1}, false},
    {"one access unit", CODEC_AAC, 6, {0, 16, 0, 16, 1, 2}, true},
    {"two access units", CODEC_AAC, 8, {0, 32, 0, 8, 0, 8, 1, 2}, true},
    {"access unit of no bytes", CODEC_AAC, 6, {0, 16, 0, 7, 1, 2}, false},
    {"headers only", CODEC_AAC, 4, {0, 16, 0, 16}, false},
    {"more headers than bytes", CODEC_AAC, 6, {0, 64, 0, 16, 1, 2}, false},
    {"no headers", CODEC_AAC, 4, {0, 0, 1, 2}, false},
    {"empty", CODEC_MPEG4, 0, {0}, false},
    {"empty", CODEC_OPUS, 0, {0}, true},
};

static void
test_payloads (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (payloads); i++) {
    g_test_message ("%s: %s", codec_name (payloads[i].codec), payloads[i].what);
    Guard guard = {.codec = payloads[i].codec, .size_bits = 13};
    g_autofree uint8_t *exact = g_memdup2 (payloads[i].bytes, payloads[i].n_bytes);
    g_assert_true (guard_payload (&guard, exact, payloads[i].n_bytes) == payloads[i].ok);
  }
}

#define HBR "sizelength=(string)13, indexlength=(string)3, indexdeltalength=(string)3"

static const struct {
  Codec codec;
  const char *fields;
  int code; /* of SLUICE_ERROR, -1: fine */
} descriptions[] = {
    {CODEC_AAC, HBR ", config=(string)1190", -1},
    {CODEC_AAC, HBR ", config=(string)119", SLUICE_ERROR_PROTOCOL},
    {CODEC_AAC, HBR ", config=(string)\"\"", SLUICE_ERROR_PROTOCOL},
    {CODEC_AAC, HBR ", config=(string)11zz", SLUICE_ERROR_PROTOCOL},
    {CODEC_AAC, HBR ", maxdisplacement=(string)4", SLUICE_ERROR_UNSUPPORTED},
    {CODEC_AAC, HBR ", ctsdeltalength=(string)0", -1},
    {CODEC_AAC, "sizelength=(string)6, indexlength=(string)2, indexdeltalength=(string)2",
     SLUICE_ERROR_UNSUPPORTED},
    {CODEC_AAC, "sizelength=(string)-1", SLUICE_ERROR_PROTOCOL},
    {CODEC_AAC, "sizelength=(string)99", SLUICE_ERROR_PROTOCOL},
    {CODEC_AAC, "mode=(string)generic", -1},
    {CODEC_AAC, "encoding-name=(string)MP4A-LATM, config=(string)40002320", -1},
    {CODEC_MPEG4, "config=(string)xx", SLUICE_ERROR_PROTOCOL},
    {CODEC_MPEG4, "config=(string)000001B0", -1},
    {CODEC_H264, "config=(string)xx", -1},
};

static void
test_descriptions (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (descriptions); i++) {
    g_autofree char *text = g_strconcat ("application/x-rtp, ", descriptions[i].fields, NULL);
    g_test_message ("%s", text);
    g_autoptr (GstCaps) caps = gst_caps_from_string (text);
    g_autoptr (GError) error = NULL;
    Guard guard;
    g_assert_true (guard_init (&guard, descriptions[i].codec, caps, &error) == (descriptions[i].code < 0));
    if (descriptions[i].code >= 0)
      g_assert_error (error, SLUICE_ERROR, descriptions[i].code);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtp/guard/payloads", test_payloads);
  g_test_add_func ("/rtp/guard/descriptions", test_descriptions);
  return g_test_run ();
}
