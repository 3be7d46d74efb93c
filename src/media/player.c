/* SPDX-License-Identifier: Apache-2.0 */
/* The time line. Units of a graph have running times from about zero; ours go on over all graphs of a loop
 * and never become negative, although the first decoding times of a file with B-frames do.
 *
 * Each round of a loop is a graph of its own: what a demuxer gives after a seek to the start is not always
 * what it gave at first, and a file that has been replaced meanwhile is read afresh. */
#include "media/player.h"

#include "media/build.h"

#include <stdio.h>
#include <string.h>

/* Room below the first running time for negative ones. */
#define TIME_BASE (10 * (int64_t)GST_SECOND)
/* A demuxer that follows the sender's clock may step back by a few milliseconds; decoding times may not. More
 * than this is a jump, and the stream's business. */
#define WOBBLE (500 * (int64_t)GST_MSECOND)
/* A unit due later than this is not waited for, and one later than LATE does not make its followers hurry:
 * the time stamps jumped, or the machine slept. */
#define AHEAD_US (60 * G_USEC_PER_SEC)
#define LATE_US  (5 * G_USEC_PER_SEC)

typedef struct {
  GstCaps *caps;
  int64_t last_pts; /* on our time line */
  int64_t last_dts;
  int64_t last_delta; /* between two units, where a unit tells no duration */
  int64_t from, to;   /* lowest and highest time of this round, in decoding order */
} PlayerTrack;

struct MediaPlayer {
  MediaLink *link;
  WorkerUrl *url;
  MediaManner manner;
  bool loop;
  bool tls_verify;
  unsigned connect_timeout_ms;
  char *username, *password;
  MediaGraph *graph;
  GError *end; /* why the graph ended; NULL: regularly */
  unsigned n_tracks;
  int outlet_of[WORKER_TRACKS_MAX];
  int track_of[WORKER_TRACKS_MAX]; /* by outlet; -1: left out. Set before the graph is opened */
  GMutex lock;                     /* leaf: everything below; graphs' threads come and go */
  PlayerTrack tracks[WORKER_TRACKS_MAX];
  int64_t offset; /* of this graph's running times to our time line */
  bool anchored;
  int64_t anchor_time; /* a point of our time line ... */
  int64_t anchor_us;   /* ... on the monotonic clock ... */
  int64_t anchor_wall; /* ... and on the wall clock */
};

static void start_round (MediaPlayer *player);

/* --- streaming threads --------------------------------------------------------------------------------- */

/* Fills in what the unit does not say. False: it has no time at all. Lock held. */
static bool
place_unit (MediaPlayer *player, PlayerTrack *track, const MediaUnit *unit, WorkerUnit *ret)
{
  bool has_pts = unit->pts != G_MININT64;
  bool has_dts = unit->dts != G_MININT64;
  int64_t base = TIME_BASE + player->offset;
  if (has_pts)
    ret->pts = base + unit->pts;
  else if (has_dts)
    ret->pts = base + unit->dts;
  else if (track->last_pts > 0 && track->last_delta > 0)
    ret->pts = track->last_pts + track->last_delta;
  else
    return false;
  ret->pts = CLAMP (ret->pts, 0, WORKER_TIME_MAX - 1);
  ret->dts = has_dts ? CLAMP (base + unit->dts, 0, ret->pts) : WORKER_TIME_NONE;
  if (has_dts && ret->dts < track->last_dts && track->last_dts - ret->dts < WOBBLE) {
    ret->dts = track->last_dts;
    ret->pts = MAX (ret->pts, ret->dts);
  }
  track->last_dts = ret->dts;
  GstClockTime duration = GST_BUFFER_DURATION (unit->buffer);
  ret->duration = duration < (GstClockTime)WORKER_TIME_MAX ? (int64_t)duration : WORKER_TIME_NONE;
  if (ret->duration > 0)
    track->last_delta = ret->duration;
  else if (track->last_pts > 0 && ret->pts > track->last_pts)
    track->last_delta = ret->pts - track->last_pts;
  track->last_pts = ret->pts;
  int64_t time = ret->dts >= 0 ? ret->dts : ret->pts;
  track->from = MIN (track->from, time);
  track->to = MAX (track->to, time + track->last_delta);
  return true;
}

/* When @time is due by the monotonic clock. Lock held. */
static int64_t
due_us (MediaPlayer *player, int64_t time)
{
  int64_t now_us = g_get_monotonic_time ();
  int64_t due = player->anchor_us + (time - player->anchor_time) / 1000;
  if (player->anchored && due < now_us + AHEAD_US && due > now_us - LATE_US)
    return due;
  player->anchored = true;
  player->anchor_time = time;
  player->anchor_us = now_us;
  player->anchor_wall = g_get_real_time ();
  return now_us;
}

static void
on_unit (void *data, const MediaUnit *unit)
{
  MediaPlayer *player = data;
  int index = unit->outlet < WORKER_TRACKS_MAX ? player->track_of[unit->outlet] : -1;
  WorkerUnit out = {.captured_us = WORKER_TIME_NONE};
  if (index < 0)
    return;
  PlayerTrack *track = &player->tracks[index];
  g_mutex_lock (&player->lock);
  bool placed = place_unit (player, track, unit, &out);
  int64_t due = 0;
  if (placed && player->manner.paced) {
    due = due_us (player, out.dts >= 0 ? out.dts : out.pts);
    out.captured_us = player->anchor_wall + (out.pts - player->anchor_time) / 1000;
  }
  bool new_caps = unit->new_caps && !gst_caps_is_equal (unit->new_caps, track->caps);
  if (new_caps)
    gst_caps_replace (&track->caps, unit->new_caps);
  g_mutex_unlock (&player->lock);
  if (!placed || (player->manner.paced && !media_graph_wait (player->graph, due)))
    return;
  if (!player->manner.paced && unit->pts != G_MININT64)
    out.captured_us = g_get_real_time () - MAX (media_graph_age_us (player->graph, unit->pts), 0);
  if (new_caps) {
    WorkerMessage message = {WORKER_CAPS, .caps = {(unsigned)index, unit->new_caps}};
    media_link_send (player->link, &message);
  }
  GstMapInfo map;
  if (!gst_buffer_map (unit->buffer, &map, GST_MAP_READ))
    return;
  out.track = (unsigned)index;
  out.flags = (GST_BUFFER_FLAG_IS_SET (unit->buffer, GST_BUFFER_FLAG_DELTA_UNIT) ? WORKER_UNIT_DELTA : 0) |
              (GST_BUFFER_FLAG_IS_SET (unit->buffer, GST_BUFFER_FLAG_DISCONT) ? WORKER_UNIT_DISCONT : 0);
  out.bytes = map.data;
  out.n_bytes = map.size;
  media_link_send_unit (player->link, &out);
  gst_buffer_unmap (unit->buffer, &map);
}

/* --- main thread --------------------------------------------------------------------------------------- */

static bool
is_video (const GstCaps *caps)
{
  return !g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure (caps, 0)), "audio/");
}

/* Numbers the outlets that have shown themselves: video first. */
static unsigned
number_tracks (MediaPlayer *player)
{
  unsigned n_tracks = 0;
  unsigned n_outlets = media_graph_n_outlets (player->graph);
  for (unsigned i = 0; i < WORKER_TRACKS_MAX; i++)
    player->track_of[i] = -1;
  for (int video = 1; video >= 0; video--) {
    for (unsigned i = 0; i < n_outlets; i++) {
      GstCaps *caps = media_graph_outlet_caps (player->graph, i);
      if (!caps || is_video (caps) != video)
        continue;
      player->track_of[i] = (int)n_tracks;
      player->outlet_of[n_tracks] = (int)i;
      n_tracks++;
    }
  }
  return n_tracks;
}

static void
tell_tracks (MediaPlayer *player)
{
  WorkerMessage message = {WORKER_TRACKS, .tracks = {.n = player->n_tracks}};
  for (unsigned i = 0; i < player->n_tracks; i++) {
    GstCaps *caps = media_graph_outlet_caps (player->graph, (unsigned)player->outlet_of[i]);
    player->tracks[i].caps = gst_caps_ref (caps);
    message.tracks.caps[i] = caps;
  }
  media_link_send (player->link, &message);
}

/* A later round must have the tracks of the first. */
static bool
tracks_fit (MediaPlayer *player, unsigned n_tracks)
{
  if (n_tracks != player->n_tracks)
    return false;
  for (unsigned i = 0; i < n_tracks; i++) {
    GstCaps *caps = media_graph_outlet_caps (player->graph, (unsigned)player->outlet_of[i]);
    if (!gst_structure_has_name (gst_caps_get_structure (caps, 0),
                                 gst_structure_get_name (gst_caps_get_structure (player->tracks[i].caps, 0))))
      return false;
  }
  return true;
}

static void
on_ready (void *data)
{
  MediaPlayer *player = data;
  unsigned n_tracks = number_tracks (player);
  if (player->n_tracks == 0) {
    player->n_tracks = n_tracks;
    tell_tracks (player);
  } else if (!tracks_fit (player, n_tracks)) {
    g_autoptr (GError) error = g_error_new (SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE,
                                            "the file was replaced by one with other tracks");
    media_link_send_end (player->link, error);
    return;
  }
  media_graph_open (player->graph);
}

/* The end of a source that should have none. */
static GError *
unexpected_end (MediaPlayer *player)
{
  switch (player->url->kind) {
  case WORKER_SOURCE_FILE:
    return NULL;
  case WORKER_SOURCE_HTTP:
    return media_build_has_end (player->graph)
               ? NULL
               : g_error_new (SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "the server closed the connection");
  case WORKER_SOURCE_SRT:
    return g_error_new (SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "the SRT peer has gone");
  default:
    return g_error_new (SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "the pipeline came to its end");
  }
}

/* Of the longest track; each counted by itself, since one may begin earlier than another. */
static int64_t
round_length (MediaPlayer *player)
{
  int64_t longest = 0;
  for (unsigned i = 0; i < player->n_tracks; i++) {
    if (player->tracks[i].to > player->tracks[i].from)
      longest = MAX (longest, player->tracks[i].to - player->tracks[i].from);
  }
  return longest;
}

/* souphttpsrc says no more than this of a connection that it did not get. */
static void
explain (MediaPlayer *player, GError **error)
{
  if (player->url->kind != WORKER_SOURCE_HTTP || player->n_tracks > 0 ||
      !g_error_matches (*error, SLUICE_ERROR, SLUICE_ERROR_IO))
    return;
  g_autoptr (GUri) uri = g_uri_parse (player->url->location, G_URI_FLAGS_ENCODED, NULL);
  g_prefix_error (error, "%s cannot be reached or broke off: ", uri ? g_uri_get_host (uri) : "the server");
}

static void
end_round (MediaPlayer *player)
{
  g_autoptr (GError) error = g_steal_pointer (&player->end);
  bool once_more = !error && player->loop && player->n_tracks > 0;
  int64_t length = once_more ? round_length (player) : 0;
  if (once_more && length <= 0)
    error =
        g_error_new (SLUICE_ERROR, SLUICE_ERROR_UNSUPPORTED, "the file has no duration and cannot be looped");
  else if (once_more) {
    player->offset += length;
    g_clear_pointer (&player->graph, media_graph_free);
    start_round (player);
    return;
  }
  if (error)
    explain (player, &error);
  else
    error = unexpected_end (player);
  media_link_send_end (player->link, error);
}

/* Not from inside a callback of the graph, which it frees. */
static gboolean
on_end_later (gpointer data)
{
  end_round (data);
  return G_SOURCE_REMOVE;
}

static void
on_end (void *data, const GError *error)
{
  MediaPlayer *player = data;
  player->end = error ? g_error_copy (error) : NULL;
  g_idle_add (on_end_later, player);
}

static const MediaGraphOps graph_ops = {on_ready, on_unit, on_end};

static void
start_round (MediaPlayer *player)
{
  GError *error = NULL;
  MediaEncoding encoding;
  MediaBuild build = {player->url, player->tls_verify, player->connect_timeout_ms, player->username,
                      player->password};
  for (unsigned i = 0; i < WORKER_TRACKS_MAX; i++) {
    player->tracks[i].from = G_MAXINT64;
    player->tracks[i].to = G_MININT64;
  }
  media_build_encoding (player->url, &encoding);
  player->graph = media_graph_new (&encoding, &graph_ops, player);
  media_graph_expect (player->graph, player->n_tracks);
  if (media_build (player->graph, &build, &error)) {
    media_graph_start (player->graph);
    return;
  }
  media_link_send_end (player->link, error);
  g_error_free (error);
}

static WorkerStep
first_step (const WorkerUrl *url)
{
  if (url->kind == WORKER_SOURCE_HTTP)
    return WORKER_STEP_CONNECTING;
  if (url->kind == WORKER_SOURCE_SRT)
    return g_str_equal (worker_url_text (url, "mode", "caller"), "caller") ? WORKER_STEP_CONNECTING
                                                                           : WORKER_STEP_WAITING;
  return url->kind == WORKER_SOURCE_UDP ? WORKER_STEP_WAITING : WORKER_STEP_DETECTING;
}

MediaPlayer *
media_player_new (MediaLink *link, const WorkerMessage *open)
{
  g_autoptr (GError) error = NULL;
  WorkerUrl *url = worker_url_parse (open->open.url, &error);
  if (!url) {
    media_link_send_end (link, error);
    return NULL;
  }
  MediaPlayer *player = g_new0 (MediaPlayer, 1);
  g_mutex_init (&player->lock);
  player->link = link;
  player->url = url;
  player->manner = media_build_manner (url);
  player->loop = url->kind == WORKER_SOURCE_FILE && worker_url_bool (url, "loop", open->open.loop);
  player->tls_verify = open->open.tls_verify;
  player->connect_timeout_ms = open->open.connect_timeout_ms;
  player->username = g_strdup (open->open.username);
  player->password = g_strdup (open->open.password);
  WorkerMessage progress = {WORKER_PROGRESS, .step = first_step (url)};
  media_link_send (link, &progress);
  start_round (player);
  return player;
}

void
media_player_force_key_unit (MediaPlayer *player, unsigned track)
{
  if (player->graph && track < player->n_tracks)
    media_graph_force_key_unit (player->graph, (unsigned)player->outlet_of[track]);
}

void
media_player_send_heartbeat (MediaPlayer *player)
{
  media_link_send_heartbeat (player->link, player->manner.waiting,
                             player->graph ? media_graph_queued_ms (player->graph) : 0);
}
