# SPDX-License-Identifier: Apache-2.0
"""Sluice pulls from another Sluice and from cameras of every temper."""

import hashlib
import socket
import ssl

import pytest

from camera import Camera, GarbageCamera, ShortCamera, SilentCamera, SloppyCamera
from clients import assert_run_of, ffprobe, frames, hashes, publish
from daemon import PORTS
from rtsp import Connection
from waiting import holds, until

FAST = {"retry_min": "100ms", "retry_max": "500ms"}


@pytest.fixture
def origin(sluice, processes, media):
    """A daemon that has the stream "film", over plain TCP, UDP, multicast and TLS."""
    certificate, key = media.certificate()
    tls_port = PORTS.take()
    daemon = sluice({"streams": {"film": {}}, "rtsp": {
        "tls_listen": [f"127.0.0.1:{tls_port}"], "tls_certificate": certificate, "tls_key": key}})
    daemon.tls_port = tls_port
    publish(processes, media.path("h264-aac.mp4"), daemon.rtsp_url("film"))
    daemon.wait_stream("film")
    return daemon


@pytest.mark.parametrize("transport", ["tcp", "udp", "multicast", "auto"])
def test_a_copy_is_bit_exact(origin, sluice, media, transport):
    daemon = sluice({"streams": {"copy": {"source": origin.rtsp_url("film"), "transport": transport}}})
    daemon.wait_stream("copy")
    got = frames(daemon.rtsp_url("copy"), "tcp", codec="h264", seconds=3)
    want = frames(media.path("h264-aac.mp4"), codec="h264")
    assert_run_of(hashes(got, 0), hashes(want, 0), 50, loops=True)
    assert_run_of(hashes(got, 1), hashes(want, 1), 100, loops=True)
    stats = daemon.stream("copy")["stats"]
    assert stats["packets_lost"] == 0, stats


def fingerprint(path):
    with open(path, encoding="ascii") as file:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()


def test_rtsps_checks_the_certificate(origin, sluice, media):
    url = f"rtsps://127.0.0.1:{origin.tls_port}/film"
    daemon = sluice({"defaults": FAST, "streams": {
        "checked": {"source": url},
        "unchecked": {"source": url, "tls_verify": False},
        "pinned": {"source": url, "tls_fingerprint": fingerprint(media.certificate()[0])},
        "wrong": {"source": url, "tls_fingerprint": "00" * 32},
    }})
    daemon.wait_stream("unchecked")
    daemon.wait_stream("pinned")
    for name in ("checked", "wrong"):
        until(lambda name=name: daemon.stream(name)["last_error"], 10, f"an error of {name}")
        assert daemon.stream(name)["state"] == "reconnecting"
        assert "ertificate" in str(daemon.stream(name)["last_error"]), daemon.stream(name)["last_error"]


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_authentication_in_both_directions(sluice, processes, media, method):
    origin = sluice({"rtsp": {"auth_methods": [method]}, "streams": {"film": {}}, "auth": {
        "users": [{"name": "camera", "password": "so secret", "permissions": [{"actions": ["read", "publish"]}]}]}}, wait=False)
    origin.write_config()
    origin.spawn()
    until(lambda: origin.process.poll() is None and is_listening(origin.rtsp_port), 15, lambda: origin.log())
    publish(processes, media.path("h264.mp4"), origin.rtsp_url("film", "camera:so%20secret"))
    url = f"rtsp://camera:so%20secret@127.0.0.1:{origin.rtsp_port}/film"
    daemon = sluice({"defaults": FAST, "streams": {
        "in-url": {"source": url},
        "in-keys": {"source": origin.rtsp_url("film"), "username": "camera", "password": "so secret"},
        "wrong": {"source": origin.rtsp_url("film", "camera:nonsense")},
        "none": {"source": origin.rtsp_url("film")},
    }})
    daemon.wait_stream("in-url")
    daemon.wait_stream("in-keys")
    for name in ("wrong", "none"):
        until(lambda name=name: daemon.stream(name)["last_error"], 10, f"an error of {name}")
    for text in (daemon.log(), origin.log(), daemon.request("GET", "/api/v1/streams")[2].decode()):
        assert "so secret" not in text and "so%20secret" not in text


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_fails_over_down_the_list(sluice, media):
    with Camera(media.path("h264.h264")) as first, Camera(media.path("h264.h264")) as second:
        daemon = sluice({"streams": {"door": {**FAST, "source": [first.url, second.url], "stall_timeout": "2s"}}})
        daemon.wait_stream("door")
        assert first.connections and not second.connections
        first.listener.close()
        first.drop()
        until(lambda: second.connections, 15, "the second camera to be asked")
        daemon.wait_stream("door")
        assert str(second.port) in daemon.stream("door")["source"]


def test_on_demand_starts_and_closes(sluice, media):
    with Camera(media.path("h264.h264")) as camera:
        daemon = sluice({"streams": {"lazy": {"source": camera.url, "on_demand": True,
                                              "on_demand_close_after": "1s"}}})
        holds(lambda: camera.connections == 0, 1, "nobody asked, and yet the camera was called")
        assert daemon.stream("lazy")["state"] == "stopped"
        assert ffprobe(daemon.rtsp_url("lazy"), "tcp")[0]["codec_name"] == "h264"
        assert camera.connections == 1
        daemon.wait_stream("lazy", "stopped")
        until(lambda: not camera.open, 5, "the camera to be left alone")


def test_on_demand_says_when_the_source_does_not_come(sluice):
    with SilentCamera(None) as camera:
        daemon = sluice({"streams": {"lazy": {"source": camera.url, "on_demand": True,
                                              "on_demand_start_timeout": "1s"}}})
        with Connection(daemon.rtsp_port) as connection:
            answer = connection.request("DESCRIBE", daemon.rtsp_url("lazy"), {"Accept": "application/sdp"})
        assert answer.status in (503, 504, 404), answer


def test_a_sloppy_camera_works(sluice, media):
    path = media.path("h264.h264")
    with SloppyCamera(path) as camera:
        daemon = sluice({"streams": {"door": {"source": camera.url}}})
        daemon.wait_stream("door")
        got = frames(daemon.rtsp_url("door"), "tcp", codec="h264", packets=30)
        assert_run_of(hashes(got), hashes(frames(path, codec="h264")), 25, loops=True)


@pytest.mark.parametrize("kind", [SilentCamera, GarbageCamera])
def test_a_bad_camera_is_told_and_retried(sluice, media, kind):
    with kind(media.path("h264.h264")) as camera, Camera(media.path("h264.h264")) as other:
        daemon = sluice({"defaults": FAST, "streams": {"bad": {"source": camera.url, "connect_timeout": "1s"},
                                                       "good": {"source": other.url}}})
        daemon.wait_stream("good")
        until(lambda: camera.connections >= 2, 15, "a second attempt")
        stream = daemon.stream("bad")
        assert stream["state"] in ("starting", "reconnecting") and stream["last_error"], stream
        assert other.connections == 1


def test_a_camera_that_stalls_is_called_again(sluice, media):
    """The watchdog looks at frames: the connection is up and fine."""
    with Camera(media.path("h264.h264")) as camera:
        daemon = sluice({"streams": {"door": {**FAST, "source": camera.url, "stall_timeout": "1s"}}})
        events = daemon.events()
        daemon.wait_stream("door")
        camera.stalled.set()
        daemon.wait_stream("door", "reconnecting")
        camera.stalled.clear()
        daemon.wait_stream("door")
        assert camera.connections >= 2
        assert "frame" in str(events.find("stream.*", "door")).lower() or daemon.stream("door")["last_error"]


def test_readers_wait_for_a_camera_that_comes_back(sluice, processes, media, tmp_path):
    """The reader's RTP goes on without a break in numbers, so that it needs not reconnect."""
    with Camera(media.path("h264.h264")) as camera:
        daemon = sluice({"streams": {"door": {**FAST, "source": camera.url}}})
        daemon.wait_stream("door")
        with Connection(daemon.rtsp_port) as reader:
            reader.play(daemon.rtsp_url("door"))
            last = next_sequence(reader)
            camera.drop()
            until(lambda: camera.connections >= 2, 10, "a second connection")
            daemon.wait_stream("door")
            for _ in range(100):
                number = next_sequence(reader)
                assert number == (last + 1) & 0xffff
                last = number


def next_sequence(reader):
    while True:
        channel, packet = reader.read_interleaved()
        if channel == 0:
            return int.from_bytes(packet[2:4], "big")


def test_retries_back_off(sluice, media):
    with ShortCamera(media.path("h264.h264"), units=0) as camera:
        daemon = sluice({"streams": {"flap": {"source": camera.url, "retry_min": "200ms", "retry_max": "1s"}}})
        until(lambda: camera.connections >= 3, 15, "three attempts")
        before = camera.connections
        holds(lambda: camera.connections <= before + 6, 2, "called again more often than once in retry_min")
        assert daemon.stream("flap")["state"] == "reconnecting"
