/* SPDX-License-Identifier: Apache-2.0 */
/* The byte stream of a worker that has gone mad, or over to somebody else. What is accepted must come out the
 * same when it is written and read again. */
#include "worker/protocol.h"

int LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes);

static void
check_again (const WorkerMessage *message)
{
  g_autoptr (GByteArray) once = g_byte_array_new ();
  g_autoptr (GByteArray) twice = g_byte_array_new ();
  g_auto (WorkerMessage) again = {0};
  worker_message_append (message, once);
  if (message->type == WORKER_UNIT)
    g_byte_array_append (once, message->unit.bytes, message->unit.n_bytes);
  g_assert_true (worker_message_parse ((uint16_t)message->type, once->data + WORKER_FRAME_HEADER_BYTES,
                                       once->len - WORKER_FRAME_HEADER_BYTES, &again, NULL));
  worker_message_append (&again, twice);
  if (again.type == WORKER_UNIT)
    g_byte_array_append (twice, again.unit.bytes, again.unit.n_bytes);
  g_assert_cmpmem (once->data, once->len, twice->data, twice->len);
}

int
LLVMFuzzerTestOneInput (const uint8_t *bytes, size_t n_bytes)
{
  static gsize initialized;
  if (g_once_init_enter (&initialized)) {
    gst_init (NULL, NULL);
    g_once_init_leave (&initialized, 1);
  }
  uint16_t type;
  size_t n_body;
  while (worker_frame_peek (bytes, n_bytes, &type, &n_body, NULL) == 1) {
    bytes += WORKER_FRAME_HEADER_BYTES;
    n_bytes -= WORKER_FRAME_HEADER_BYTES;
    if (n_body > n_bytes)
      break;
    g_auto (WorkerMessage) message = {0};
    if (worker_message_parse (type, bytes, n_body, &message, NULL))
      check_again (&message);
    bytes += n_body;
    n_bytes -= n_body;
  }
  return 0;
}
