/* SPDX-License-Identifier: Apache-2.0 */
/* Wishes to read and to publish: from any thread to the control loop, and the answer back. */
#include "stream/life-private.h"

#include "base/error.h"

struct ReadRequest {
  Registry *registry;
  char *name;
  Loop *loop;
  GCancellable *cancellable;
  LeaseFunc func;
  void *data;
  Life *life; /* while it waits */
  guint timeout;
  Lease *lease; /* the answer: this or the error */
  GError *error;
};

struct Lease {
  Stream *stream;
  TrackSet *tracks;
};

struct PublishTicket {
  Stream *stream;
  guint timeout; /* control loop */
};

/* --- leases ------------------------------------------------------------------------------------------------
 */

Stream *
lease_stream (const Lease *lease)
{
  return lease->stream;
}

TrackSet *
lease_tracks (const Lease *lease)
{
  return lease->tracks;
}

static void
return_lease (void *data)
{
  Stream *stream = data;
  Life *life = stream->life;
  if (life) {
    life->n_leases--;
    life_schedule_close (life);
  }
  stream_unref (stream);
}

void
lease_free (Lease *lease)
{
  if (!lease)
    return;
  loop_post (lease->stream->control, return_lease, lease->stream);
  track_set_unref (lease->tracks);
  g_free (lease);
}

/* --- reading -----------------------------------------------------------------------------------------------
 */

static void
read_request_free (ReadRequest *request)
{
  g_free (request->name);
  g_clear_object (&request->cancellable);
  g_clear_error (&request->error);
  g_free (request);
}

static void
deliver_answer (void *data)
{
  ReadRequest *request = data;
  if (request->cancellable && g_cancellable_is_cancelled (request->cancellable))
    lease_free (request->lease);
  else
    request->func (request->data, request->lease, request->error);
  read_request_free (request);
}

static void
answer (ReadRequest *request)
{
  g_clear_handle_id (&request->timeout, g_source_remove);
  loop_post (request->loop, deliver_answer, request);
}

static void
refuse (ReadRequest *request, SluiceErrorCode code, const char *message)
{
  request->error = g_error_new_literal (SLUICE_ERROR, code, message);
  answer (request);
}

static void
grant (Life *life, ReadRequest *request)
{
  Lease *lease = g_new (Lease, 1);
  *lease = (Lease){stream_ref (life->stream), track_set_ref (life->tracks)};
  request->lease = lease;
  answer (request);
}

void
access_grant_waiting (Life *life)
{
  ReadRequest *request;
  while ((request = g_queue_pop_head (&life->waiting)))
    grant (life, request);
}

/* A waiting request counts as a lease from the beginning. */
static void
give_up (Life *life, ReadRequest *request)
{
  life->n_leases--;
  request->life = NULL;
}

void
access_fail_waiting (Life *life, const GError *error)
{
  ReadRequest *request;
  while ((request = g_queue_pop_head (&life->waiting))) {
    give_up (life, request);
    request->error = g_error_copy (error);
    answer (request);
  }
  life_schedule_close (life);
}

/* Whoever went away while waiting takes no place from those who are here. */
static void
forget_cancelled (Life *life)
{
  GList *next;
  for (GList *link = life->waiting.head; link; link = next) {
    ReadRequest *request = link->data;
    next = link->next;
    if (!request->cancellable || !g_cancellable_is_cancelled (request->cancellable))
      continue;
    g_queue_delete_link (&life->waiting, link);
    give_up (life, request);
    answer (request);
  }
}

static gboolean
on_wait_timeout (void *data)
{
  ReadRequest *request = data;
  Life *life = request->life;
  request->timeout = 0;
  g_queue_remove (&life->waiting, request);
  give_up (life, request);
  g_autofree char *message =
      life->last_error ? g_strdup_printf ("the source did not come in time (on_demand_start_timeout): %s",
                                          life->last_error)
                       : g_strdup ("the source did not come in time (on_demand_start_timeout)");
  refuse (request, life->last_error ? SLUICE_ERROR_UNAVAILABLE : SLUICE_ERROR_TIMEOUT, message);
  life_schedule_close (life);
  return G_SOURCE_REMOVE;
}

static void
wait_for_source (Life *life, ReadRequest *request)
{
  request->life = life;
  g_queue_push_tail (&life->waiting, request);
  request->timeout =
      g_timeout_add ((guint)life->settings->on_demand_start_timeout_ms, on_wait_timeout, request);
  life_reconcile (life);
}

static Stream *
find_or_derive (Registry *registry, const char *name)
{
  Stream *stream = registry_find (registry, name);
  if (stream)
    return stream;
  g_autoptr (StreamSettings) settings = registry_derive_settings (registry, name);
  if (!settings || !settings->source || !settings->source[0])
    return NULL;
  return registry_add (registry, settings, ORIGIN_DYNAMIC, NULL);
}

static void
take_read_request (void *data)
{
  ReadRequest *request = data;
  Registry *registry = request->registry;
  if (registry->shutting_down) {
    refuse (request, SLUICE_ERROR_UNAVAILABLE, "the server is stopping");
    return;
  }
  Stream *stream = find_or_derive (registry, request->name);
  if (!stream) {
    refuse (request, SLUICE_ERROR_NOT_FOUND, "no such stream, and nobody publishes it");
    return;
  }
  Life *life = stream->life;
  if (!life->settings->enabled || life->stopped_by_operator) {
    refuse (request, SLUICE_ERROR_UNAVAILABLE, "the stream is stopped");
    life_schedule_close (life);
    return;
  }
  if (life->n_leases >= (unsigned)life->settings->max_readers)
    forget_cancelled (life);
  if (life->n_leases >= (unsigned)life->settings->max_readers) {
    refuse (request, SLUICE_ERROR_LIMIT, "the stream has as many readers as max_readers allows");
    return;
  }
  bool known = life->tracks && (life->online || life->state == STREAM_RECONNECTING);
  if (!known && !life_has_source (life) && !life->ticket) {
    refuse (request, SLUICE_ERROR_NOT_FOUND, "nobody publishes this stream at the moment");
    return;
  }
  life->ended = life->ended && life->online;
  life->n_leases++;
  if (known)
    grant (life, request);
  else
    wait_for_source (life, request);
}

void
registry_open_read (Registry *registry, const char *name, Loop *loop, GCancellable *cancellable,
                    LeaseFunc func, void *data)
{
  ReadRequest *request = g_new0 (ReadRequest, 1);
  *request = (ReadRequest){.registry = registry,
                           .name = g_strdup (name),
                           .loop = loop,
                           .cancellable = cancellable ? g_object_ref (cancellable) : NULL,
                           .func = func,
                           .data = data};
  loop_post (registry->control, take_read_request, request);
}

/* --- publishing --------------------------------------------------------------------------------------------
 */

typedef struct {
  Registry *registry;
  char *name;
  Loop *error_loop;
  GCancellable *cancellable;
  PublishFunc func;
  void *data;
  PublishTicket *ticket;
  GError *error;
} PublishRequest;

static void
publish_request_free (PublishRequest *request)
{
  g_free (request->name);
  g_clear_object (&request->cancellable);
  g_clear_error (&request->error);
  g_free (request);
}

/* The ticket was given back or ran out without a publisher. */
static void
give_up_ticket (Life *life)
{
  life->ticket = NULL;
  if (life->online || life->hold_timer || life_has_source (life))
    return;
  if (life->origin == ORIGIN_DYNAMIC && !life->stopped_by_operator)
    registry_drop (life->registry, life->stream, READER_GONE_STREAM_REMOVED);
  else
    life_await_publisher (life);
}

static void
return_ticket (void *data)
{
  PublishTicket *ticket = data;
  Life *life = ticket->stream->life;
  g_clear_handle_id (&ticket->timeout, g_source_remove);
  if (life && life->ticket == ticket)
    give_up_ticket (life);
  stream_unref (ticket->stream);
  g_free (ticket);
}

void
publish_ticket_free (PublishTicket *ticket)
{
  if (ticket)
    loop_post (ticket->stream->control, return_ticket, ticket);
}

static gboolean
on_ticket_timeout (void *data)
{
  PublishTicket *ticket = data;
  Life *life = ticket->stream->life;
  ticket->timeout = 0;
  if (life && life->ticket == ticket && !life->online)
    give_up_ticket (life);
  return G_SOURCE_REMOVE;
}

static void
deliver_refusal (void *data)
{
  PublishRequest *request = data;
  if (!request->cancellable || !g_cancellable_is_cancelled (request->cancellable))
    request->func (request->data, NULL, NULL, request->error);
  publish_request_free (request);
}

/* On the home loop: the present publisher goes before the new one comes. */
static void
deliver_ticket (void *data)
{
  PublishRequest *request = data;
  PublishTicket *ticket = request->ticket;
  g_autoptr (GError) why = g_error_new_literal (SLUICE_ERROR, SLUICE_ERROR_BUSY,
                                                "replaced by another publisher (override_publisher)");
  hub_end_ingest (ticket->stream, why);
  if (request->cancellable && g_cancellable_is_cancelled (request->cancellable))
    publish_ticket_free (ticket);
  else
    request->func (request->data, ticket, ticket->stream, NULL);
  publish_request_free (request);
}

static bool
may_publish (const Life *life, GError **error)
{
  if (life_has_source (life)) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_FORBIDDEN,
                 "stream %s has a source of its own: nobody can publish it", life->stream->id);
    return false;
  }
  if (!life->settings->publish || !life->settings->enabled || life->stopped_by_operator) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_FORBIDDEN,
                 "stream %s takes no publisher (publish, enabled)", life->stream->id);
    return false;
  }
  if ((life->online || life->ticket) && !life->settings->override_publisher) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_BUSY,
                 "stream %s has a publisher already (override_publisher is off)", life->stream->id);
    return false;
  }
  return true;
}

static Stream *
find_for_publish (Registry *registry, const char *name, GError **error)
{
  if (registry->shutting_down) {
    g_set_error_literal (error, SLUICE_ERROR, SLUICE_ERROR_UNAVAILABLE, "the server is stopping");
    return NULL;
  }
  Stream *stream = registry_find (registry, name);
  if (stream)
    return stream;
  if (!settings_check_stream_name (name, error))
    return NULL;
  g_autoptr (StreamSettings) settings = registry_derive_settings (registry, name);
  if (!settings->publish) {
    g_set_error (error, SLUICE_ERROR, SLUICE_ERROR_NOT_FOUND, "no such stream: %s", name);
    return NULL;
  }
  return registry_add (registry, settings, ORIGIN_DYNAMIC, error);
}

static void
take_publish_request (void *data)
{
  PublishRequest *request = data;
  Stream *stream = find_for_publish (request->registry, request->name, &request->error);
  if (!stream || !may_publish (stream->life, &request->error)) {
    loop_post (request->error_loop, deliver_refusal, request);
    return;
  }
  PublishTicket *ticket = g_new0 (PublishTicket, 1);
  ticket->stream = stream_ref (stream);
  ticket->timeout = g_timeout_add (PUBLISH_TICKET_MS, on_ticket_timeout, ticket);
  stream->life->ticket = ticket;
  request->ticket = ticket;
  loop_post (stream->home, deliver_ticket, request);
}

void
registry_open_publish (Registry *registry, const char *name, Loop *error_loop, GCancellable *cancellable,
                       PublishFunc func, void *data)
{
  PublishRequest *request = g_new0 (PublishRequest, 1);
  *request = (PublishRequest){.registry = registry,
                              .name = g_strdup (name),
                              .error_loop = error_loop,
                              .cancellable = cancellable ? g_object_ref (cancellable) : NULL,
                              .func = func,
                              .data = data};
  loop_post (registry->control, take_publish_request, request);
}
