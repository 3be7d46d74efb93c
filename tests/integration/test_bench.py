# SPDX-License-Identifier: Apache-2.0
"""The load generator against the real daemon: cameras in, readers out, and numbers that make sense."""

import json
import signal
import subprocess

import pytest

from daemon import BINARY
from waiting import FACTOR, until

READERS = 20


def bench(role, *options):
    done = subprocess.run([BINARY, "bench", role, "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=50 * FACTOR)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Background:
    """A role that goes on until it is told to stop; `address` and the like are in its first line."""

    def __init__(self, role, *options):
        self.process = subprocess.Popen([BINARY, "bench", role, "--json", *options], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.line = self.process.stderr.readline()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        out, error = self.process.communicate(timeout=20 * FACTOR)
        assert self.process.returncode == 0, error
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def check(report, readers, seconds):
    """Two megabits, thirty frames a second, nothing lost."""
    assert report["readers_with_key_frame"] == readers, report
    assert report["readers_ended"] == 0, report
    assert report["lost_packets"] == 0, report
    assert 1.5 < report["bitrate_mbps"]["min"] <= report["bitrate_mbps"]["median"] < 2.5, report
    assert 0.75 * 30 * seconds * readers < report["frames"] < 1.25 * 30 * seconds * readers, report
    assert report["latency_ms"]["count"] >= report["frames"] - 2 * readers, report
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"] <= report["latency_ms"]["max"] < 2000, report
    assert 0 < report["first_frame_ms"]["p50"] <= report["first_key_frame_ms"]["p50"], report


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_cameras_and_readers(sluice, transport):
    with Background("cameras") as cameras:
        source = cameras.line.split()[-1].replace("ANY", "door")
        daemon = sluice({"streams": {"door": {"source": source, "transport": transport}}})
        daemon.wait_stream("door")
        report = bench("read", "--url", daemon.rtsp_url("door"), "--count", str(READERS), "--transport", transport,
                       "--seconds", "2", "--server-pid", str(daemon.process.pid))
        check(report, READERS, 2)
        server = report["server"]
        assert 0 < server["cpu_percent"] < 200 and server["threads"] == daemon.threads(), server
        assert READERS < server["descriptors"] < 200 and 5 < server["rss_mb"] < 2000, server
        assert daemon.readers("door") == []
        played = cameras.stop()
        assert played["senders"] == 1 and played["frames"] > 60, played


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_publishers(sluice, transport):
    daemon = sluice({"streams": {"live/*": {}}})
    with Background("publish", "--url", daemon.rtsp_url("live/%d"), "--count", "3", "--transport", transport) as publishers:
        assert publishers.line == "publishing: 3\n"
        report = bench("read", "--url", daemon.rtsp_url("live/%d"), "--count", "3", "--seconds", "2", "--server-pid", "auto")
        check(report, 3, 2)
        assert report["server"]["threads"] == daemon.threads()
        assert publishers.stop()["senders"] == 3
    daemon.wait_gone("live/0")


def test_loss_is_made_and_seen(sluice):
    """A tenth of the packets leaves no camera: the daemon counts them, and readers see the gaps."""
    with Background("cameras", "--drop", "10") as cameras:
        daemon = sluice({"streams": {"door": {"source": cameras.line.split()[-1].replace("ANY", "door")}}})
        daemon.wait_stream("door")
        until(lambda: daemon.stream("door")["stats"]["packets_lost"] > 20, 15, "losses to be counted")


def test_a_camera_closes(sluice):
    with Background("cameras", "--close-after", "1") as cameras:
        daemon = sluice({"streams": {"door": {"source": cameras.line.split()[-1].replace("ANY", "door"),
                                              "retry_min": "500ms"}}})
        until(lambda: daemon.stream("door")["state"] == "reconnecting", 15,
              lambda: f"the stream to notice: {daemon.stream('door')}")


def test_a_film(tmp_path, media):
    """Cameras play files too."""
    with Background("cameras", "--file", media.path("h264-2m.mp4")) as cameras:
        report = bench("read", "--url", cameras.line.split()[-1].replace("ANY", "x"), "--count", "2", "--seconds", "2")
        assert report["lost_packets"] == 0 and report["readers_with_key_frame"] == 2, report
        assert report["latency_ms"]["count"] > 60, report


@pytest.mark.parametrize("arguments, says", [
    (["dance"], "choose"),
    (["read"], "--url"),
    (["cameras", "--drop", "101"], "percent"),
    (["cameras", "--bitrate", "fast"], "--bitrate"),
    (["read", "--url", "rtsp://127.0.0.1:1/x", "--transport", "pigeon"], "tcp or udp"),
    (["watch"], "--server-pid"),
])
def test_wrong_usage(arguments, says):
    done = subprocess.run([BINARY, "bench", *arguments], stderr=subprocess.PIPE, text=True, timeout=20 * FACTOR)
    assert done.returncode in (1, 2) and says in done.stderr, done.stderr


def test_nobody_there():
    report = bench("read", "--url", "rtsp://127.0.0.1:1/x", "--count", "3", "--seconds", "1")
    assert report["readers_ended"] == 3 and report["first_error"], report
