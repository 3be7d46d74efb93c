# SPDX-License-Identifier: Apache-2.0
"""A hundred cameras cost no more threads than one, and one that goes wrong is seen on no other."""

import pytest

from camera import Camera, ShortCamera
from clients import publish
from daemon import SANITIZED
from waiting import FACTOR, holds, until

CAMERAS = 100


@pytest.mark.limit(120)
def test_a_hundred_cameras(sluice, processes, media):
    """Two megabits each from one origin; one more that flaps, one that stalls, one that dies."""
    count = 25 if SANITIZED else CAMERAS
    origin = sluice({"streams": {"film": {"publish": True}}, "log": {"level": "info"}})
    publish(processes, media.path("h264-2m.mp4"), origin.rtsp_url("film"))
    origin.wait_stream("film")
    with ShortCamera(media.path("h264.h264"), units=15) as flapping, Camera(media.path("h264.h264")) as stalling, \
            Camera(media.path("h264.h264")) as dying:
        fast = {"retry_min": "200ms", "retry_max": "500ms", "stall_timeout": "2s"}
        daemon = sluice({"log": {"level": "info"}, "streams": {"cam-0": {"source": origin.rtsp_url("film"), "transport": "tcp"}}})
        daemon.wait_stream("cam-0")
        threads_for_one = daemon.threads()
        for number in range(1, count):
            daemon.api("POST", "/api/v1/streams", {"id": f"cam-{number}", "source": origin.rtsp_url("film"), "transport": "tcp"})
        running = lambda: {s["id"] for s in daemon.api("GET", "/api/v1/streams?state=running&limit=1000")["streams"]}
        good = {f"cam-{number}" for number in range(count)}
        until(lambda: good <= running(), 60, lambda: f"all cameras to run, but not {sorted(good - running())[:5]}")
        assert daemon.threads() <= threads_for_one, "threads grow with cameras"

        events = daemon.events()
        for name, camera in (("flapping", flapping), ("stalling", stalling), ("dying", dying)):
            daemon.api("POST", "/api/v1/streams", {"id": name, "source": camera.url, **fast})
        daemon.wait_stream("stalling")
        daemon.wait_stream("dying")
        stalling.stalled.set()
        dying.listener.close()
        dying.drop()
        until(lambda: flapping.connections >= 3, 20, "the flapping camera to flap")
        daemon.wait_stream("stalling", "reconnecting")
        daemon.wait_stream("dying", "reconnecting")
        holds(lambda: good <= running(), 2, "all cameras to go on")
        disturbed = [e for e in events.events if e.get("stream_id") in good]
        assert not disturbed, disturbed
        lost = {name: daemon.stream(name)["stats"]["packets_lost"] for name in sorted(good)[:20]}
        assert not any(lost.values()), lost
        frames = daemon.stream("cam-0")["stats"]["frames_in"]
        until(lambda: daemon.stream("cam-0")["stats"]["frames_in"] > frames, 5 * FACTOR, "frames to go on")
        assert daemon.threads() <= threads_for_one
