# SPDX-License-Identifier: Apache-2.0
"""Streams made by GStreamer in worker processes: what happens in one stays in one."""

import os
import signal
import socket

import pytest

from clients import ffprobe, frames, publish
from daemon import PORTS, SANITIZED
from rtsp import Connection
from waiting import holds, until

FAST = {"retry_min": "100ms", "retry_max": "500ms"}
TEST = {"source": "test:", **FAST}


def only_worker(daemon):
    return until(lambda: len(daemon.workers()) == 1 and daemon.workers(), 10, "one worker")[0]


def test_the_test_pattern_has_picture_and_tone(sluice):
    daemon = sluice({"streams": {"demo": TEST}})
    daemon.wait_stream("demo")
    kinds = {s["codec_type"] for s in ffprobe(daemon.rtsp_url("demo"), "tcp")}
    assert kinds == {"video", "audio"}
    assert len(frames(daemon.rtsp_url("demo"), "tcp", maps=("0:v",), packets=50)) == 50


def test_the_daemon_itself_runs_no_pipeline(sluice):
    """Threads of the daemon do not grow with pipelines."""
    daemon = sluice({"streams": {"one": TEST}})
    daemon.wait_stream("one")
    before = daemon.threads()
    for name in ("two", "three"):
        daemon.api("POST", "/api/v1/streams", {"id": name, **TEST})
        daemon.wait_stream(name)
    assert daemon.threads() <= before
    assert len(daemon.workers()) == 3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSTOP])
def test_a_worker_that_dies_or_hangs_is_replaced(sluice, processes, media, number):
    """SIGSTOP looks like a pipeline that hangs. A reader waits; the other stream's reader sees nothing."""
    daemon = sluice({"streams": {"victim": {**TEST, "worker_hang_timeout": "2s"}, "other": {}}})
    publish(processes, media.path("h264.mp4"), daemon.rtsp_url("other"))
    daemon.wait_stream("victim")
    daemon.wait_stream("other")
    events = daemon.events()
    before = only_worker(daemon)
    with Connection(daemon.rtsp_port) as reader, Connection(daemon.rtsp_port) as other:
        reader.play(daemon.rtsp_url("victim"))
        other.play(daemon.rtsp_url("other"))
        os.kill(before, number)
        until(lambda: [pid for pid in daemon.workers() if pid != before], 15, "another worker")
        daemon.wait_stream("victim")
        until(lambda: before not in daemon.workers(), 10, "the old worker to be gone")
        for _ in range(200):
            reader.read_interleaved()
            other.read_interleaved()
    assert daemon.stream("other")["stats"]["packets_lost"] == 0
    assert not [e for e in events.events if e.get("stream_id") == "other" and e["type"] != "reader.closed"
                and not e["type"].startswith("reader")]
    assert daemon.stream("victim")["last_error"]


def test_a_worker_that_leaks_is_stopped_at_its_limit(sluice):
    """worker_memory bounds it, and the stream says why it failed."""
    if SANITIZED:
        pytest.skip("the address sanitizer reserves terabytes of address space, so no limit can be set")
    leak = ("pipeline: videotestsrc is-live=true ! video/x-raw,width=1920,height=1080 ! queue max-size-bytes=0 "
            "max-size-buffers=0 max-size-time=0 min-threshold-buffers=100000 ! x264enc ! identity name=video")
    daemon = sluice({"streams": {"leak": {**FAST, "source": leak, "worker_memory": "512MB"}, "other": TEST}})
    daemon.wait_stream("other")
    until(lambda: daemon.stream("leak")["last_error"], 30, lambda: f"an error, not {daemon.stream('leak')}")
    assert daemon.stream("other")["state"] == "running"
    assert daemon.stream("other")["stats"]["source_failures"] == 0


def test_no_worker_outlives_a_killed_daemon(sluice):
    daemon = sluice({"streams": {f"test-{i}": TEST for i in range(3)}})
    for i in range(3):
        daemon.wait_stream(f"test-{i}")
    assert len(daemon.workers()) == 3
    daemon.kill()
    until(lambda: not daemon.pids(), 5, lambda: f"no worker, but {daemon.pids()}")


def test_a_missing_element_is_named_with_its_package(sluice):
    daemon = sluice({"streams": {"broken": {**FAST, "source": "pipeline: nosuchsrc ! identity name=video"}}})
    error = until(lambda: daemon.stream("broken")["last_error"], 15, "an error")
    assert "nosuchsrc" in str(error)


@pytest.mark.parametrize("description", [
    "videotestsrc is-live=true ! x264enc tune=zerolatency key-int-max=25 name=video",
    "videotestsrc is-live=true ! vp8enc deadline=1 name=video  audiotestsrc is-live=true ! opusenc name=audio",
])
def test_any_pipeline_becomes_a_stream(sluice, description):
    daemon = sluice({"streams": {"custom": {**FAST, "source": f"pipeline: {description}"}}})
    daemon.wait_stream("custom")
    assert len(ffprobe(daemon.rtsp_url("custom"), "tcp")) == description.count("name=")


def test_a_file_played_once_ends(sluice, media):
    daemon = sluice({"streams": {"once": {"source": f"file:{media.path('h264.mp4')}", "loop": False,
                                          "retry_min": "60s", "retry_max": "60s"}}})
    daemon.wait_stream("once")
    until(lambda: daemon.stream("once")["state"] != "running", 10, "the end of the film")
    holds(lambda: daemon.stream("once")["state"] != "running", 1, "ended, and yet running again")


def test_mpegts_over_udp(sluice, processes, media):
    port = PORTS.take(kinds=(socket.SOCK_DGRAM,))
    daemon = sluice({"streams": {"ts": {**FAST, "source": f"udp://127.0.0.1:{port}"}}})
    processes(["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", media.path("h264-aac.ts"),
               "-c", "copy", "-f", "mpegts", f"udp://127.0.0.1:{port}?pkt_size=1316"])
    daemon.wait_stream("ts")
    assert {s["codec_name"] for s in ffprobe(daemon.rtsp_url("ts"), "tcp")} == {"h264", "aac"}


@pytest.mark.parametrize("mode", ["caller", "listener"])
def test_srt(sluice, processes, media, mode):
    port = PORTS.take(kinds=(socket.SOCK_DGRAM,))
    theirs = "listener" if mode == "caller" else "caller"
    daemon = sluice({"streams": {"srt": {**FAST, "source": f"srt://127.0.0.1:{port}?mode={mode}"}}})
    if mode == "listener":
        until(lambda: daemon.workers(), 10, "a worker")
    processes(["sh", "-c", f"while ! ffmpeg -nostdin -loglevel error -re -stream_loop -1 -i {media.path('h264-aac.ts')} "
               f"-c copy -f mpegts 'srt://127.0.0.1:{port}?mode={theirs}'; do :; done & trap 'kill $!' EXIT; wait"])
    daemon.wait_stream("srt", seconds=25)
    assert {s["codec_name"] for s in ffprobe(daemon.rtsp_url("srt"), "tcp")} == {"h264", "aac"}


@pytest.mark.parametrize("kind", ["http", "hls"])
def test_http_and_hls(sluice, processes, media, tmp_path, kind):
    port = PORTS.take()
    path = media.path("h264-aac.ts")
    folder = os.path.dirname(path)
    name = os.path.basename(path)
    if kind == "hls":
        folder, name = str(tmp_path / "hls"), "index.m3u8"
        os.mkdir(folder)
        processes(["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", path, "-c", "copy", "-f", "hls",
                   "-hls_time", "1", "-hls_list_size", "8", "-hls_flags", "delete_segments", os.path.join(folder, name)])
        until(lambda: os.path.exists(os.path.join(folder, "index2.ts")), 15, "the first segments")
    processes(["/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", folder, str(port)])
    daemon = sluice({"streams": {"web": {**FAST, "source": f"http://127.0.0.1:{port}/{name}"}}})
    daemon.wait_stream("web", seconds=20)
    assert "h264" in {s["codec_name"] for s in ffprobe(daemon.rtsp_url("web"), "tcp")}
