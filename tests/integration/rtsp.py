# SPDX-License-Identifier: Apache-2.0
"""RTSP by hand, for what no decent client does; and H.264 in RTP packets to go with it."""

import os
import re
import socket
import struct
import time

from waiting import FACTOR

SDP_H264 = ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track0\r\n")


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:200]!r}"


class Connection:
    """One RTSP connection."""

    def __init__(self, port, timeout=10, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=timeout * FACTOR)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sequence = 0
        self.session = None
        self.interleaved = []

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError("connection closed")
        self.buffer += data

    def need(self, count):
        while len(self.buffer) < count:
            self.fill()

    def read_interleaved(self):
        """(channel, packet), those first that came between answers"""
        return self.interleaved.pop(0) if self.interleaved else self.parse_interleaved()

    def parse_interleaved(self):
        self.need(4)
        assert self.buffer[:1] == b"$", self.buffer[:40]
        size = 4 + struct.unpack(">H", self.buffer[2:4])[0]
        self.need(size)
        packet = (self.buffer[1], self.buffer[4:size])
        self.buffer = self.buffer[size:]
        return packet

    def read_answer(self):
        while True:
            self.need(1)
            if self.buffer[:1] != b"$":
                break
            self.interleaved.append(self.parse_interleaved())
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        status = int(lines[0].split()[1])
        headers = {}
        for line in lines[1:]:
            key, value = line.split(":", 1)
            headers[key.strip().lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        self.need(length)
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        if "session" in headers:
            self.session = headers["session"].split(";")[0]
        return Answer(status, headers, body)

    def request(self, method, url, headers=None, body=b""):
        self.sequence += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.sequence}"]
        if self.session:
            lines.append(f"Session: {self.session}")
        lines += [f"{key}: {value}" for key, value in (headers or {}).items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        body = body if isinstance(body, bytes) else body.encode()
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.read_answer()

    def play(self, url):
        """Plays the first track over this connection."""
        described = self.request("DESCRIBE", url, {"Accept": "application/sdp"})
        assert described.status == 200, described
        base = described.headers.get("content-base", url).rstrip("/") + "/"
        control = re.findall(r"a=control:(\S+)", described.body.decode())
        track = [c for c in control if c != "*"][0]
        track = track if track.startswith("rtsp") else base + track
        done = self.request("SETUP", track, {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"})
        assert done.status == 200, done
        done = self.request("PLAY", url, {"Range": "npt=0-"})
        assert done.status == 200, done
        return done

    def record(self, url, sdp=SDP_H264):
        """Announces and starts to publish one track over this connection."""
        done = self.request("ANNOUNCE", url, {"Content-Type": "application/sdp"}, sdp)
        assert done.status == 200, done
        done = self.request("SETUP", f"{url}/track0", {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"})
        assert done.status == 200, done
        done = self.request("RECORD", url, {"Range": "npt=0-"})
        assert done.status == 200, done

    def send_packet(self, packet, channel=0):
        self.send(struct.pack(">cBH", b"$", channel, len(packet)) + packet)

    def is_closed(self, seconds):
        """Whether the peer closes within that time; reads and forgets what comes before."""
        deadline = time.monotonic() + seconds * FACTOR
        try:
            while time.monotonic() < deadline:
                self.socket.settimeout(max(0.05, deadline - time.monotonic()))
                if not self.socket.recv(65536):
                    return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return False


def split_access_units(path):
    """NAL units of an Annex B file, grouped by picture (one slice a picture)."""
    with open(path, "rb") as file:
        data = file.read()
    units, current = [], []
    for nal in re.split(b"\x00\x00\x00?\x01", data)[1:]:
        nal = nal.rstrip(b"\x00") or nal
        if nal[0] & 31 == 9:
            continue
        current.append(nal)
        if nal[0] & 31 in (1, 5):
            units.append(current)
            current = []
    return units


class Packetizer:
    """RFC 6184, packetization mode 1."""

    def __init__(self, payload_type=96, ssrc=None, mtu=1200):
        self.payload_type = payload_type
        self.ssrc = ssrc if ssrc is not None else int.from_bytes(os.urandom(4), "big")
        self.sequence = int.from_bytes(os.urandom(2), "big")
        self.mtu = mtu

    def packet(self, payload, timestamp, marker):
        header = struct.pack(">BBHII", 0x80, (0x80 if marker else 0) | self.payload_type, self.sequence,
                             timestamp & 0xffffffff, self.ssrc)
        self.sequence = (self.sequence + 1) & 0xffff
        return header + payload

    def access_unit(self, nals, timestamp):
        payloads = []
        for nal in nals:
            if len(nal) <= self.mtu:
                payloads.append(nal)
                continue
            pieces = [nal[i:i + self.mtu] for i in range(1, len(nal), self.mtu)]
            for number, piece in enumerate(pieces):
                flags = (0x80 if number == 0 else 0) | (0x40 if number == len(pieces) - 1 else 0)
                payloads.append(bytes([nal[0] & 0xe0 | 28, flags | nal[0] & 31]) + piece)
        return [self.packet(p, timestamp, i == len(payloads) - 1) for i, p in enumerate(payloads)]


class Clip:
    """Endless packets of a short film: next_unit() gives those of one picture."""

    def __init__(self, path, rate=25, **options):
        self.units = split_access_units(path)
        self.packetizer = Packetizer(**options)
        self.rate = rate
        self.number = 0
        self.timestamp = int.from_bytes(os.urandom(4), "big")

    def next_unit(self, keep=lambda nal: True):
        nals = [nal for nal in self.units[self.number % len(self.units)] if keep(nal)]
        self.number += 1
        self.timestamp += 90000 // self.rate
        return self.packetizer.access_unit(nals, self.timestamp)
