/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted RTSP server for tests of the client: as sloppy as it is told to be. One thread, one session at a
 * time, blocking sockets. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
  const char *name;
  /* what it answers */
  bool lf_only;
  bool lower_case; /* field names */
  bool no_cseq;
  const char *public_methods; /* NULL: OPTIONS is refused with 501 */
  const char *content_base;   /* NULL: none; may hold %u for the port */
  const char *sdp;            /* NULL: two tracks, "trackID=0" and "trackID=1" */
  const char *sdp_noise;      /* put before the media */
  const char *session;        /* value of Session; NULL: "12345678" */
  bool no_session;
  unsigned channel_shift; /* interleaved channels other than asked */
  bool no_transport;      /* field missing in the answer to SETUP */
  bool answer_udp;        /* says UDP though TCP was asked */
  bool early_data;        /* packets before the answer to PLAY */
  bool bye;               /* ends by RTCP BYE */
  bool close_after_play;
  const char *silent_method; /* never answered */
  bool garbage;              /* answers OPTIONS with nonsense */
  unsigned refuse_tcp;       /* status for SETUP over TCP, 0: none */
  unsigned refuse_udp;
  unsigned refuse_second_track;
  unsigned describe_status; /* instead of 200 */
  bool refuse_range;        /* 457 for PLAY with Range */
  bool refuse_get_parameter;
  unsigned n_redirects;    /* of DESCRIBE, to itself */
  const char *redirect_to; /* instead */
  bool mute;               /* plays, but sends nothing */
  const char *challenge;   /* WWW-Authenticate; %s is the nonce */
  bool second_challenge;   /* another field with Basic */
  bool stale_once;         /* the nonce grows old after the first use */
  unsigned refuse_tunnel;  /* status for the GET of a tunnel */
  bool reverse_order;      /* UDP: every two packets swapped */
} FakeBehavior;

typedef struct FakeServer FakeServer;

/* Serves rtsp://127.0.0.1:PORT/stream, or rtsps with the given PEM files. */
FakeServer *fake_server_new (const FakeBehavior *behavior, const char *certificate_file,
                             const char *key_file);
void fake_server_free (FakeServer *server);
unsigned fake_server_port (const FakeServer *server);

/* Whether, and how many, lines of requests ("METHOD URL RTSP/1.0", "Name: value") begin with @start. */
bool fake_server_saw_request (FakeServer *server, const char *start);
unsigned fake_server_count_requests (FakeServer *server, const char *start);
bool fake_server_saw_report (FakeServer *server); /* an RTCP receiver report came */
/* All lines of requests, for messages. (transfer full) */
char *fake_server_transcript (FakeServer *server);
