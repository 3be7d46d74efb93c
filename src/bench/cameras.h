/* SPDX-License-Identifier: Apache-2.0 */
/* An RTSP server that plays a film on any path to anybody, over TCP and UDP. On one I/O loop. */
#pragma once

#include "bench/playout.h"

typedef struct BenchCameras BenchCameras;

/* All of them on @playout's loop, @loop. @playout must stay. */
BenchCameras *bench_cameras_new (Loop *loop, const NetAddress *listen, BenchPlayout *playout, BenchFilm *film,
                                 GError **error);
void bench_cameras_free (BenchCameras *cameras); /* NULL-safe; closes all connections */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BenchCameras, bench_cameras_free)
const NetAddress *bench_cameras_address (const BenchCameras *cameras); /* as bound */
