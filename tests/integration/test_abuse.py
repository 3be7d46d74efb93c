# SPDX-License-Identifier: Apache-2.0
"""Peers that are broken, slow or hostile. Each gets a clear end, and a bystander on another stream sees nothing."""

import os
import random
import socket
import struct
import threading
import time

import pytest

from camera import Camera
from daemon import SANITIZED
from rtsp import SDP_H264, Clip, Connection
from waiting import FACTOR, until

SHORT = {
    "rtsp": {"request_timeout": "2s", "session_timeout": "5s"},
    "http": {"header_timeout": "2s", "body_timeout": "2s", "idle_timeout": "5s"},
    "defaults": {"queue_bytes": "1MB", "queue_time": "1s", "slow_reader_timeout": "3s"},
    "streams": {"victim": {"publish": True}},
}


class Bystander:
    """Reads a stream and notices every gap in its packets."""

    def __init__(self, daemon, name):
        self.connection = Connection(daemon.rtsp_port)
        self.connection.play(daemon.rtsp_url(name))
        self.packets = 0
        self.problem = None
        self.stopping = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        last = None
        try:
            while not self.stopping:
                channel, packet = self.connection.read_interleaved()
                if channel == 0:
                    number = struct.unpack(">H", packet[2:4])[0]
                    if last is not None and number != (last + 1) & 0xffff:
                        self.problem = f"packet {number} after {last}"
                    last = number
                    self.packets += 1
        except (OSError, EOFError, AssertionError) as error:
            if not self.stopping:
                self.problem = repr(error)

    def finish(self):
        before = self.packets
        until(lambda: self.packets > before + 25 or self.problem, 10, "more packets for the bystander")
        self.stopping = True
        self.thread.join(5)
        self.connection.close()
        assert self.problem is None, self.problem


@pytest.fixture
def target(sluice, media):
    """A daemon with the streams "victim" (published by the test) and "other" (watched by a bystander)."""
    with Camera(media.path("h264.h264")) as camera:
        daemon = sluice({**SHORT, "streams": {**SHORT["streams"], "other": {"source": camera.url}}})
        daemon.wait_stream("other")
        bystander = Bystander(daemon, "other")
        yield daemon
        bystander.finish()
        assert camera.connections == 1


def garbage(number):
    return random.Random(number).randbytes(5000)


GARBAGE = {
    "noise": garbage(1),
    "zeros": b"\0" * 10000,
    "newlines": b"\r\n" * 5000,
    "no-version": b"OPTIONS *\r\n\r\n",
    "wrong-version": b"OPTIONS * RTSP/9.9\r\nCSeq: 1\r\n\r\n",
    "no-cseq": b"OPTIONS * RTSP/1.0\r\n\r\n",
    "negative-length": b"ANNOUNCE rtsp://x/victim RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n",
    "huge-length": b"ANNOUNCE rtsp://x/victim RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n",
    "long-line": b"OPTIONS rtsp://x/" + b"a" * 100_000 + b" RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    "long-header": b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: " + b"a" * 500_000 + b"\r\n\r\n",
    "many-headers": b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    "interleaved-before-setup": b"$\0\xff\xff" + b"x" * 65535,
    "nan-speed": b"PLAY rtsp://x/other RTSP/1.0\r\nCSeq: 1\r\nSpeed: nan\r\nScale: inf\r\n\r\n",
    "dots": b"DESCRIBE rtsp://x/../../etc/passwd RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    "tls-hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + garbage(2)[:500],
}


@pytest.mark.parametrize("kind", GARBAGE)
@pytest.mark.parametrize("port", ["rtsp", "http"])
def test_garbage_ends_with_an_answer_or_a_close(target, kind, port):
    number = target.rtsp_port if port == "rtsp" else target.http_port
    with Connection(number) as connection:
        try:
            connection.send(GARBAGE[kind])
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        assert connection.is_closed(8)


def test_every_truncation_of_a_publisher_is_survived(target):
    """A request cut at each byte, then silence or hang-up."""
    request = (f"ANNOUNCE {target.rtsp_url('victim')} RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n"
               f"Content-Length: {len(SDP_H264)}\r\n\r\n{SDP_H264}").encode()
    for cut in range(1, len(request), 7):
        with Connection(target.rtsp_port) as connection:
            connection.send(request[:cut])


@pytest.mark.parametrize("sdp", [
    "", "v=0\r\n", "m=video\r\n", "v=0\r\nm=video 0 RTP/AVP 96\r\n", SDP_H264.replace("H264/90000", "H264/0"),
    SDP_H264.replace("H264/90000", "H264/99999999999"), SDP_H264.replace("96", "300"), "\0" * 100,
    SDP_H264 + "m=audio 0 RTP/AVP 97\r\n" * 100, SDP_H264.replace("\r\n", "\n" * 1000),
], ids=range(10))
def test_odd_descriptions_are_answered(target, sdp):
    with Connection(target.rtsp_port) as connection:
        answer = connection.request("ANNOUNCE", target.rtsp_url("victim"), {"Content-Type": "application/sdp"}, sdp)
        assert answer.status >= 200


@pytest.mark.parametrize("port, first", [
    ("rtsp", b""), ("rtsp", b"OPTIONS * RTSP/1.0\r\nX: "), ("http", b"GET / HTTP/1.1\r\nX: "),
    ("http", b"POST /api/v1/streams HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"),
], ids=["rtsp-nothing", "rtsp-header", "http-header", "http-body"])
def test_slowloris_is_cut_off(target, port, first):
    """Fifty connections that send a byte now and then."""
    number = target.rtsp_port if port == "rtsp" else target.http_port
    connections = [Connection(number) for _ in range(50)]
    open_ones = set(connections)
    for connection in connections:
        connection.send(first)
    deadline = time.monotonic() + 12 * FACTOR
    while open_ones and time.monotonic() < deadline:
        for connection in list(open_ones):
            try:
                if first:
                    connection.send(b"a")
            except OSError:
                open_ones.discard(connection)
                continue
            if connection.is_closed(0.01 / FACTOR):
                open_ones.discard(connection)
    for connection in connections:
        connection.close()
    assert not open_ones, f"{len(open_ones)} of 50 are still open"


def test_a_flood_of_connections_is_bounded_and_passes(target):
    before = target.descriptors()
    sockets = []
    for _ in range(500):
        try:
            sockets.append(socket.create_connection(("127.0.0.1", target.rtsp_port), timeout=2))
        except OSError:
            break
    for each in sockets:
        each.close()
    until(lambda: target.descriptors() <= before + 5, 10, "the connections to be closed")
    with Connection(target.rtsp_port) as connection:
        assert connection.request("OPTIONS", "*").status == 200


def test_a_reader_that_stops_reading_is_skipped_and_then_closed(target, media):
    """Its memory is bounded, and an operator sees why it went."""
    events = target.events()
    with Connection(target.rtsp_port) as publisher, Connection(target.rtsp_port) as reader:
        publisher.record(target.rtsp_url("victim"))
        target.wait_stream("victim")
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        clip = Clip(media.path("h264.h264"))
        for packet in clip.next_unit():
            publisher.send_packet(packet)
        reader.play(target.rtsp_url("victim"))
        before = target.memory_kb()
        closed, due = [], time.monotonic()
        deadline = due + 25 * FACTOR
        # A fast film: the kernel's buffers take some megabytes before anything waits at ours.
        while not closed and time.monotonic() < deadline:
            for packet in clip.next_unit():
                for _ in range(4):
                    publisher.send_packet(packet)
            due += 0.002
            time.sleep(max(0, due - time.monotonic()))
            closed = events.find("reader.closed", "victim")
        assert closed, "the reader was kept"
        assert "slow" in str(closed[0])
        # The address sanitizer keeps what was freed.
        assert target.memory_kb() < before + (200_000 if SANITIZED else 20_000)
    assert target.metric("sluice_readers_evicted_total", stream="victim") >= 1 or \
        target.stream("victim")["stats"]["readers_evicted"] >= 1


def feed(publisher, clip, count, keep=lambda nal: True):
    for _ in range(count):
        for packet in clip.next_unit(keep):
            publisher.send_packet(packet)
        time.sleep(1 / clip.rate)


def test_a_publisher_that_vanishes(target, media):
    """No TEARDOWN, no FIN from a process: a reset."""
    events = target.events()
    publisher = Connection(target.rtsp_port)
    publisher.record(target.rtsp_url("victim"))
    feed(publisher, Clip(media.path("h264.h264")), 10)
    target.wait_stream("victim")
    publisher.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    publisher.close()
    events.wait("publisher.disconnected", "victim")
    until(lambda: target.stream("victim")["state"] != "running", 5, "the stream to notice")
    with Connection(target.rtsp_port) as again:
        again.record(target.rtsp_url("victim"))
        feed(again, Clip(media.path("h264.h264")), 10)
        target.wait_stream("victim")


def test_time_stamps_that_jump(target, media):
    """An hour forward, then back: readers go on, with a monotonic clock or a clean end."""
    with Connection(target.rtsp_port) as publisher, Connection(target.rtsp_port) as reader:
        publisher.record(target.rtsp_url("victim"))
        clip = Clip(media.path("h264.h264"))
        feed(publisher, clip, 10)
        target.wait_stream("victim")
        reader.play(target.rtsp_url("victim"))
        for jump in (3600 * 90000, -1800 * 90000, 1 << 31):
            clip.timestamp += jump
            feed(publisher, clip, 10)
        got = 0
        while got < 30:
            channel, _ = reader.read_interleaved()
            got += channel == 0
        assert target.stream("victim")["state"] == "running"


def test_a_publisher_that_sends_no_key_frame(target, media):
    """It counts as running for nobody: a reader gets nothing broken, and nothing else is disturbed."""
    with Connection(target.rtsp_port) as publisher, Connection(target.rtsp_port, timeout=2) as reader:
        publisher.record(target.rtsp_url("victim"))
        feed(publisher, Clip(media.path("h264.h264")), 25, keep=lambda nal: nal[0] & 31 == 1)
        answer = reader.request("DESCRIBE", target.rtsp_url("victim"), {"Accept": "application/sdp"})
        assert answer.status in (200, 404, 503, 504)
        stats = target.stream("victim")["stats"]
        assert stats["key_frames_in"] == 0 and stats["frames_in"] > 0


def test_a_publisher_that_comes_back_with_other_tracks(target, media):
    """Readers of the old tracks are ended, new ones get the new tracks."""
    with Connection(target.rtsp_port) as reader:
        with Connection(target.rtsp_port) as publisher:
            publisher.record(target.rtsp_url("victim"))
            feed(publisher, Clip(media.path("h264.h264")), 10)
            target.wait_stream("victim")
            reader.play(target.rtsp_url("victim"))
        with Connection(target.rtsp_port) as publisher:
            publisher.record(target.rtsp_url("victim"), "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"
                                                         "a=control:track0\r\n")
            for number in range(20):
                publisher.send_packet(struct.pack(">BBHII", 0x80, 0, number, number * 160, 7) + b"\xff" * 160)
            until(lambda: target.stream("victim")["tracks"][0]["codec"] == "PCMU", 5, "the new track")
            assert reader.is_closed(5)


def test_a_second_publisher_takes_over_or_is_refused(target, media):
    with Connection(target.rtsp_port) as first, Connection(target.rtsp_port) as second:
        first.record(target.rtsp_url("victim"))
        feed(first, Clip(media.path("h264.h264")), 5)
        answer = second.request("ANNOUNCE", target.rtsp_url("victim"), {"Content-Type": "application/sdp"}, SDP_H264)
        if answer.status == 200:
            assert second.request("SETUP", target.rtsp_url("victim") + "/track0",
                                  {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"}).status == 200
            assert second.request("RECORD", target.rtsp_url("victim")).status == 200
            feed(second, Clip(media.path("h264.h264")), 10)
            assert first.is_closed(5)
        target.wait_stream("victim")


@pytest.mark.parametrize("packet", [b"", b"\x80", b"\x80\x60" + b"\0" * 9, b"\x00" * 200, b"\xbf\x60" + b"\xff" * 30,
                                    b"\x80\xe0\0\1\0\0\0\1\0\0\0\1", b"\x80\xe0\0\1\0\0\0\1\0\0\0\1" + b"\x7c\x85",
                                    b"\x80\xe0\0\1\0\0\0\1\0\0\0\1" + b"\x78\xff\xff" + b"a" * 20, os.urandom(1500)],
                         ids=range(9))
def test_broken_packets_are_counted_and_dropped(target, media, packet):
    with Connection(target.rtsp_port) as publisher:
        publisher.record(target.rtsp_url("victim"))
        clip = Clip(media.path("h264.h264"))
        feed(publisher, clip, 5)
        for _ in range(20):
            publisher.send_packet(packet)
        feed(publisher, clip, 5)
        target.wait_stream("victim")


def test_sessions_cannot_be_taken_over(target, media):
    """A valid session id on another connection opens nothing."""
    with Connection(target.rtsp_port) as publisher, Connection(target.rtsp_port) as reader, \
            Connection(target.rtsp_port) as thief:
        publisher.record(target.rtsp_url("victim"))
        feed(publisher, Clip(media.path("h264.h264")), 5)
        target.wait_stream("victim")
        reader.play(target.rtsp_url("victim"))
        thief.session = reader.session
        assert thief.request("TEARDOWN", target.rtsp_url("victim")).status in (403, 454, 401)
        feed(publisher, Clip(media.path("h264.h264")), 5)
        assert reader.request("GET_PARAMETER", target.rtsp_url("victim")).status == 200


@pytest.mark.parametrize("method, path, headers, body, statuses", [
    ("GET", "/api/v1/streams/%2e%2e%2f%2e%2e%2fetc%2fpasswd", {}, None, (400, 404)),
    ("GET", "/../../../../etc/passwd", {}, None, (400, 404)),
    ("GET", "/%00", {}, None, (400, 404)),
    ("POST", "/api/v1/streams", {"Content-Type": "application/json"}, "[" * 100_000, (400, 413)),
    ("POST", "/api/v1/streams", {"Content-Type": "application/json"}, '{"id":"' + "a" * 3_000_000 + '"}', (413, 400)),
    ("POST", "/api/v1/streams", {"Content-Type": "text/plain", "Origin": "http://evil.example"}, '{"id":"x"}', (400, 403, 415)),
    ("GET", "/api/v1/streams?limit=-1", {}, None, (400, 200)),
    ("GET", "/api/v1/streams?limit=99999999999999999999", {}, None, (400, 200)),
], ids=["dots", "path", "nul", "deep", "large", "page-of-another-site", "negative", "huge"])
def test_bad_http_is_answered(target, method, path, headers, body, statuses):
    try:
        status, _, answer = target.request(method, path, body, headers)
    except (ConnectionError, BrokenPipeError):
        return
    assert status in statuses, answer[:500]
    assert b"root:" not in answer


def test_events_listener_that_stops_reading_hurts_nobody(target):
    stuck = [socket.create_connection(("127.0.0.1", target.http_port)) for _ in range(10)]
    for each in stuck:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        each.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
    before = target.memory_kb()
    for number in range(150):
        target.api("POST", "/api/v1/streams", {"id": f"s-{number}", "publish": True, "title": "x" * 200})
    for number in range(150):
        target.request("DELETE", f"/api/v1/streams/s-{number}")
    assert target.memory_kb() < before + (200_000 if SANITIZED else 40_000)
    for each in stuck:
        each.close()
