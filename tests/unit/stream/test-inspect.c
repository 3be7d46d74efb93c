/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads written out from the RFCs; real encoders' payloads are in the tests of the bridges. */
#include "stream/inspect.h"
#include "stream/sps.h"

#include <string.h>

enum { KEY = 1, START = 2, PARAMETERS = 4 };

typedef struct {
  const char *what;
  Codec codec;
  const char *hex;
  unsigned expected;
} Row;

static const Row rows[] = {
    {"empty", CODEC_H264, "", 0},
    {"IDR", CODEC_H264, "6588", KEY},
    {"P slice", CODEC_H264, "419a", 0},
    {"SPS", CODEC_H264, "6742", PARAMETERS},
    {"PPS", CODEC_H264, "68ce", PARAMETERS},
    {"delimiter", CODEC_H264, "0910", START},
    {"SEI without recovery point", CODEC_H264, "060501ff80", 0},
    {"recovery point", CODEC_H264, "06060180", KEY},
    {"recovery point behind another message", CODEC_H264, "060502aabb06018080", KEY},
    {"message longer than the SEI", CODEC_H264, "0605ff06018080", 0},
    {"STAP-A: delimiter, SPS, IDR", CODEC_H264, "180002091000026742000265880000", KEY | START | PARAMETERS},
    {"STAP-A: SPS, P", CODEC_H264, "180002674200024188", PARAMETERS},
    {"STAP-A cut", CODEC_H264, "18000267", 0},
    {"STAP-A with an empty unit", CODEC_H264, "180000", 0},
    {"STAP-B: IDR", CODEC_H264, "19000000026588", KEY},
    {"MTAP16: IDR", CODEC_H264, "1a0000000500000065 88", KEY},
    {"MTAP24: SPS", CODEC_H264, "1b00000006000000006742", PARAMETERS},
    {"FU-A start of IDR", CODEC_H264, "7c8588", KEY},
    {"FU-A middle of IDR", CODEC_H264, "7c0588", KEY},
    {"FU-A of P", CODEC_H264, "5c8188", 0},
    {"FU-B start of IDR", CODEC_H264, "7d85000088", KEY},
    {"FU-A cut", CODEC_H264, "7c", 0},
    {"IDR_W_RADL", CODEC_H265, "2601af", KEY},
    {"CRA", CODEC_H265, "2a01af", KEY},
    {"TRAIL_R", CODEC_H265, "0201d0", 0},
    {"VPS", CODEC_H265, "40010c", PARAMETERS},
    {"delimiter", CODEC_H265, "460150", START},
    {"AP: VPS, SPS, IDR", CODEC_H265, "60010002400100024201 00022601", KEY | PARAMETERS},
    {"AP cut", CODEC_H265, "6001000940", 0},
    {"FU of IDR", CODEC_H265, "620193af", KEY},
    {"FU of TRAIL_R", CODEC_H265, "620181af", 0},
    {"FU cut", CODEC_H265, "6201", 0},
    {"PACI of IDR", CODEC_H265, "64012600af", KEY},
    {"new sequence with its header", CODEC_AV1, "18 0a0b000000", KEY | START | PARAMETERS},
    {"one frame", CODEC_AV1, "10 32ab", 0},
    {"goes on", CODEC_AV1, "90 0a0b", 0},
    {"sequence header behind its length", CODEC_AV1, "20 020a0b 32", PARAMETERS},
    {"header alone", CODEC_AV1, "18", KEY | START},
    {"key frame", CODEC_VP8, "10 50", KEY | START},
    {"inter frame", CODEC_VP8, "10 51", START},
    {"goes on", CODEC_VP8, "00 50", 0},
    {"second partition", CODEC_VP8, "11 50", 0},
    {"short picture ID", CODEC_VP8, "90 80 2a 50", KEY | START},
    {"long picture ID and layers", CODEC_VP8, "90 f0 812a 05 20 50", KEY | START},
    {"descriptor cut", CODEC_VP8, "90 80 81", START},
    {"key frame", CODEC_VP9, "0c 82", KEY | START},
    {"a fragment cannot tell", CODEC_VP9, "04 82", 0},
    {"inter frame without P", CODEC_VP9, "0c 86", START},
    {"another frame shown again", CODEC_VP9, "0c 88", START},
    {"inter frame", CODEC_VP9, "4c 86", START},
    {"long picture ID", CODEC_VP9, "8c 812a 82", KEY | START},
    {"second spatial layer", CODEC_VP9, "2c 03 00 82", KEY},
    {"picture ID cut", CODEC_VP9, "8c", 0},
    {"first fragment", CODEC_MJPEG, "00000000 01 5f 28 1e", KEY | START},
    {"second fragment", CODEC_MJPEG, "00000578 01 5f 28 1e", KEY},
    {"cut", CODEC_MJPEG, "000000", KEY},
    {"I-VOP", CODEC_MPEG4, "000001b6 10 60", KEY | START},
    {"P-VOP", CODEC_MPEG4, "000001b6 50 60", START},
    {"headers and I-VOP", CODEC_MPEG4, "000001b001 000001b58913 00000100 00000120 00c4 000001b6 10",
     KEY | START | PARAMETERS},
    {"goes on", CODEC_MPEG4, "a0b6000001b610", 0},
    {"VOP cut", CODEC_MPEG4, "000001b6", START},
    {"audio", CODEC_OPUS, "fc", KEY | START},
    {"empty audio", CODEC_AAC, "", KEY | START},
    {"unknown", CODEC_UNKNOWN, "0102", KEY | START},
};

static uint8_t *
from_hex (const char *hex, size_t *ret_n)
{
  GByteArray *bytes = g_byte_array_new ();
  int high = -1;
  for (; *hex; hex++) {
    int digit = g_ascii_xdigit_value (*hex);
    if (digit < 0)
      continue;
    uint8_t byte = (uint8_t)(high < 0 ? 0 : high << 4 | digit);
    if (high >= 0)
      g_byte_array_append (bytes, &byte, 1);
    high = high < 0 ? digit : -1;
  }
  /* No byte more than there are, so that a read past the end is seen. */
  uint8_t *exact = g_memdup2 (bytes->data, bytes->len);
  *ret_n = bytes->len;
  g_byte_array_unref (bytes);
  return exact;
}

static void
test_payloads (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_test_message ("%s: %s", codec_name (rows[i].codec), rows[i].what);
    size_t n;
    g_autofree uint8_t *payload = from_hex (rows[i].hex, &n);
    InspectResult result;
    inspect_payload (rows[i].codec, payload, n, false, &result);
    unsigned found =
        (result.key ? KEY : 0) | (result.frame_start ? START : 0) | (result.parameters ? PARAMETERS : 0);
    g_assert_cmpuint (found, ==, rows[i].expected);
  }
}

static void
test_truncated (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    size_t n;
    g_autofree uint8_t *payload = from_hex (rows[i].hex, &n);
    for (size_t cut = 0; cut <= n; cut++)
      for (unsigned codec = 0; codec < CODEC_N; codec++) {
        g_autofree uint8_t *exact = g_memdup2 (payload, cut);
        InspectResult result;
        InspectVideoInfo info;
        inspect_payload ((Codec)codec, exact, cut, true, &result);
        inspect_video_payload ((Codec)codec, exact, cut, &info);
      }
  }
}

typedef struct {
  const char *what;
  Codec codec;
  const char *hex;
  unsigned width, height, fps_num, fps_den;
  const char *profile, *level;
  int reorder;
} SpsRow;

/* Made by encoders of known settings. */
static const SpsRow sps_rows[] = {
    {"x264 High with B-frames", CODEC_H264, "67640014acd94141fb016a0c0c0d4a000003000200000300651e28532c", 320,
     240, 50, 2, "High", "2.0", 2},
    {"x264 High, no B-frames", CODEC_H264, "67640014acb20283f602d418181a94000003000400000300ca3c50a920", 320,
     240, 100, 4, "High", "2.0", 0},
    {"x265 Main with B-frames", CODEC_H265,
     "420101016000000300900000030000 03003fa00a080f16595964932bffc00040005a83030302000003000200000300 3210",
     320, 240, 25, 1, "Main", "2.1", 2},
};

static void
test_sps (void)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (sps_rows); i++) {
    const SpsRow *row = &sps_rows[i];
    g_test_message ("%s", row->what);
    size_t n;
    g_autofree uint8_t *nal = from_hex (row->hex, &n);
    SpsInfo info;
    bool ok = row->codec == CODEC_H264 ? sps_parse_h264 (nal, n, &info) : sps_parse_h265 (nal, n, &info);
    g_assert_true (ok);
    g_assert_cmpuint (info.video.width, ==, row->width);
    g_assert_cmpuint (info.video.height, ==, row->height);
    g_assert_cmpuint (info.video.fps_num * row->fps_den, ==, info.video.fps_den * row->fps_num);
    g_assert_cmpuint (info.video.fps_den, >, 0);
    g_assert_cmpstr (info.video.profile, ==, row->profile);
    g_assert_cmpstr (info.video.level, ==, row->level);
    g_assert_cmpint (info.reorder_frames, ==, row->reorder);
    for (size_t cut = 0; cut < n; cut++) {
      g_autofree uint8_t *exact = g_memdup2 (nal, cut);
      sps_parse_h264 (exact, cut, &info);
      sps_parse_h265 (exact, cut, &info);
    }
  }
}

static void
test_fmtp (void)
{
  static const struct {
    Codec codec;
    const char *fmtp;
    unsigned width; /* 0: tells nothing */
  } table[] = {
      {CODEC_H264,
       "packetization-mode=1;sprop-parameter-sets=Z2QAFKyyAoP2AtQYGBqUAAADAAQAAAMAyjxQqSA=,aOvMsiw=", 320},
      {CODEC_H264, "sprop-parameter-sets=aOvMsiw=,Z2QAFKyyAoP2AtQYGBqUAAADAAQAAAMAyjxQqSA=; x=y", 320},
      {CODEC_H264, "SPROP-PARAMETER-SETS=Z2QAFKyyAoP2AtQYGBqUAAADAAQAAAMAyjxQqSA=", 320},
      {CODEC_H264, "packetization-mode=1", 0},
      {CODEC_H264, "x-sprop-parameter-sets=Z2QAFKyyAoP2AtQYGBqUAAADAAQAAAMAyjxQqSA=", 0},
      {CODEC_H264, "sprop-parameter-sets=!!!!,,=;;", 0},
      {CODEC_H264, "sprop-parameter-sets=", 0},
      {CODEC_H264, "", 0},
      {CODEC_H265,
       "sprop-vps=QAEM;sprop-sps=QgEBAWAAAAMAkAAAAwAAAwA/oAoIDxZZWWSTK//AAEAAWoMDAwIAAAMAAgAAAwAyEA==", 320},
      {CODEC_MPEG4, "profile-level-id=1;config=000001b001000001b58913000001000000012000c48d8ffffd0a041e1463",
       320},
      {CODEC_MPEG4, "config=000001b00", 0},
      {CODEC_MPEG4, "config=xx", 0},
      {CODEC_VP8, "max-fr=30", 0},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (table); i++) {
    InspectVideoInfo info = {0};
    g_test_message ("%s", table[i].fmtp);
    g_assert_true (inspect_video_fmtp (table[i].codec, table[i].fmtp, &info) == (table[i].width > 0));
    g_assert_cmpuint (info.width, ==, table[i].width);
    g_assert_cmpuint (info.height, ==, table[i].width * 3 / 4);
  }
  InspectVideoInfo info;
  g_assert_false (inspect_video_fmtp (CODEC_H264, NULL, &info));
}

static void
test_h264_units (void)
{
  static const struct {
    const char *what;
    uint8_t bytes[24];
    size_t n_bytes;
    bool key;
  } table[] = {
      {"IDR behind a parameter set, lengths", {0, 0, 0, 2, 0x67, 1, 0, 0, 0, 2, 0x65, 0x88}, 12, true},
      {"intra picture that is no IDR", {0, 0, 0, 2, 0x67, 1, 0, 0, 0, 2, 0x41, 0x88}, 12, false},
      {"IDR behind a delimiter, start codes", {0, 0, 0, 1, 0x09, 0xf0, 0, 0, 1, 0x65, 0x88}, 11, true},
      {"recovery point", {0, 0, 1, 0x06, 6, 1, 0x84, 0x80, 0, 0, 1, 0x41, 0x88}, 13, true},
      {"other picture, start codes", {0, 0, 1, 0x41, 0x88}, 5, false},
      {"length beyond the end", {0, 0, 0, 9, 0x65, 0x88}, 6, false},
      {"too short", {0, 0, 1, 0x65}, 4, false},
      {"nothing", {0}, 0, false},
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (table); i++) {
    g_test_message ("%s", table[i].what);
    for (size_t n = 0; n <= table[i].n_bytes; n++) {
      g_autofree uint8_t *exact = g_memdup2 (table[i].bytes, n);
      bool key = inspect_h264_unit_is_key (exact, n);
      if (n == table[i].n_bytes)
        g_assert_cmpint (key, ==, table[i].key);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stream/inspect/payloads", test_payloads);
  g_test_add_func ("/stream/inspect/truncated", test_truncated);
  g_test_add_func ("/stream/inspect/sps", test_sps);
  g_test_add_func ("/stream/inspect/fmtp", test_fmtp);
  g_test_add_func ("/stream/inspect/h264-units", test_h264_units);
  return g_test_run ();
}
