/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/wire.h"

void
bench_wire_init (BenchWire *wire)
{
  *wire = (BenchWire){.unsent = g_byte_array_new ()};
}

void
bench_wire_clear (BenchWire *wire)
{
  g_clear_pointer (&wire->conn, conn_free);
  g_clear_pointer (&wire->unsent, g_byte_array_unref);
}

static size_t
write_now (BenchWire *wire, const uint8_t *bytes, size_t n_bytes)
{
  struct iovec iov = {(void *)bytes, n_bytes};
  ssize_t n = conn_writev (wire->conn, &iov, 1);
  /* A broken connection takes everything: its end is reported by itself. */
  return n < 0 ? n_bytes : (size_t)n;
}

bool
bench_wire_send (BenchWire *wire, const uint8_t *bytes, size_t n_bytes)
{
  if (wire->unsent->len > BENCH_WIRE_MAX_BYTES)
    return false;
  size_t sent = wire->unsent->len == 0 ? write_now (wire, bytes, n_bytes) : 0;
  if (sent < n_bytes) {
    g_byte_array_append (wire->unsent, bytes + sent, (guint)(n_bytes - sent));
    conn_want_write (wire->conn, true);
  }
  return true;
}

void
bench_wire_flush (BenchWire *wire)
{
  size_t sent = write_now (wire, wire->unsent->data, wire->unsent->len);
  g_byte_array_remove_range (wire->unsent, 0, (guint)sent);
  if (wire->unsent->len == 0)
    conn_want_write (wire->conn, false);
}
