/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/reception.h"

#include "bench/stamp.h"
#include "stream/inspect.h"
#include "stream/rtp_header.h"

enum { MAX_JUMP = 3000 }; /* further: a sequence of its own (RFC 3550 §A.1, MAX_DROPOUT) */

static int64_t
lost_now (const BenchReception *reception)
{
  if (!reception->begun)
    return 0;
  int64_t expected = (int64_t)reception->highest - reception->first_sequence + 1;
  return reception->lost_before + expected - (int64_t)reception->received;
}

static void
begin_sequence (BenchReception *reception, const RtpHeader *header)
{
  reception->lost_before = lost_now (reception);
  reception->begun = true;
  reception->ssrc = header->ssrc;
  reception->first_sequence = header->sequence;
  reception->highest = header->sequence;
  reception->received = 0;
}

static void
count_sequence (BenchReception *reception, const RtpHeader *header)
{
  int ahead = reception->begun ? rtp_sequence_diff (header->sequence, (uint16_t)reception->highest) : 0;
  if (!reception->begun || header->ssrc != reception->ssrc || ahead > MAX_JUMP || ahead < -MAX_JUMP)
    begin_sequence (reception, header);
  else if (ahead > 0)
    reception->highest += (uint32_t)ahead;
  reception->received++;
}

static void
end_frame (BenchReception *reception, uint64_t now_ns)
{
  reception->total.frames++;
  if (!reception->first_frame_ns)
    reception->first_frame_ns = now_ns;
  if (!reception->first_key_ns && reception->key_seen)
    reception->first_key_ns = now_ns;
  if (reception->latency && reception->sent_ns)
    bench_histogram_add (reception->latency, (int64_t)(now_ns - reception->sent_ns) / 1000);
  reception->sent_ns = 0;
  reception->key_seen = false;
}

void
bench_reception_add (BenchReception *reception, const uint8_t *packet, size_t n_bytes, uint64_t now_ns)
{
  RtpHeader header;
  if (!rtp_header_parse (packet, n_bytes, &header))
    return;
  count_sequence (reception, &header);
  reception->total.packets++;
  reception->total.bytes += n_bytes;
  const uint8_t *payload = packet + header.payload_offset;
  const uint8_t *stamp = bench_stamp_find (payload, header.payload_bytes);
  if (stamp)
    reception->sent_ns = bench_stamp_get (stamp);
  if (!reception->first_key_ns) {
    InspectResult result;
    inspect_payload (CODEC_H264, payload, header.payload_bytes, header.marker, &result);
    reception->key_seen |= result.key;
  }
  if (header.marker)
    end_frame (reception, now_ns);
}

void
bench_reception_mark (BenchReception *reception)
{
  reception->mark = reception->total;
  reception->mark.lost = lost_now (reception);
}

void
bench_reception_since_mark (const BenchReception *reception, BenchReceived *ret)
{
  *ret = (BenchReceived){.packets = reception->total.packets - reception->mark.packets,
                         .bytes = reception->total.bytes - reception->mark.bytes,
                         .frames = reception->total.frames - reception->mark.frames,
                         .lost = lost_now (reception) - reception->mark.lost};
}
