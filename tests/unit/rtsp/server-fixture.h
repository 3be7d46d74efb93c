/* SPDX-License-Identifier: Apache-2.0 */
/* A server in this process with a real registry, and raw clients that speak bytes to it. The control loop is
 * the main context of the test, so every wait here turns it; every wait has a deadline. */
#pragma once

#include "rtsp/server.h"

enum { FIXTURE_DEADLINE_MS = 30000 };

typedef struct {
  Loop *control;
  LoopPool *pool;
  Registry *registry;
  Settings *settings;
  Auth *auth;
  RtspServer *server;
  uint16_t port;
} Fixture;

/* @configure may be NULL: anybody may do everything. */
void fixture_open (Fixture *f, void (*configure) (Settings *settings));
void fixture_close (Fixture *f);
/* Turns the main context until @done (@data); fails the test at the deadline. */
void fixture_wait (Fixture *f, bool (*done) (void *data), void *data);

int client_connect (Fixture *f);
void client_send (int fd, const char *text);
void client_send_bytes (int fd, const void *bytes, size_t n_bytes);
/* One thing from the server: a message as text, or "$CHANNEL LENGTH" of a frame, whose bytes go to @frame
 * when it is given; NULL when the server has closed. (transfer full) */
char *client_receive (Fixture *f, int fd, GByteArray *frame);
/* The next message; frames before it are skipped. */
char *client_receive_message (Fixture *f, int fd);
/* Sends "METHOD URL RTSP/1.0" with CSeq and @fields ("Name: value\r\n..." or ""), and returns the answer. */
char *client_ask (Fixture *f, int fd, const char *method, const char *path, const char *fields);
unsigned status_of (const char *answer);
/* Value of a field. NULL: none. (transfer full) */
char *field_of (const char *answer, const char *name);

/* A publisher of one H.264 track and one PCMA track over TCP, recording. */
int publisher_open (Fixture *f, const char *path);
/* One access unit of one packet on the video track. */
void publisher_send_video (int fd, uint16_t sequence, uint32_t rtp_time, bool key);
void publisher_send_audio (int fd, uint16_t sequence, uint32_t rtp_time);

/* A player that has SETUP the video track with @transport; its session id. (transfer full) */
char *player_setup (Fixture *f, int fd, const char *path, const char *transport);
