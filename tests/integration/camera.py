# SPDX-License-Identifier: Apache-2.0
"""A camera that can be told to misbehave: an RTSP server of one H.264 track over TCP."""

import re
import socket
import struct
import threading
import time

from rtsp import SDP_H264, Clip


class Camera:
    """Subclasses override on_request() or feed(). Used as a context manager."""

    def __init__(self, path, rate=25):
        self.path = path
        self.rate = rate
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.requests = []
        self.open = set()
        self.stopping = threading.Event()
        self.stalled = threading.Event()
        self.threads = []

    @property
    def url(self):
        return f"rtsp://127.0.0.1:{self.port}/camera"

    def __enter__(self):
        self.run(self.accept)
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.listener.close()
        self.drop()
        for thread in self.threads:
            thread.join(5)

    def run(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def drop(self):
        """Cuts every connection."""
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept(self):
        self.listener.settimeout(0.2)
        while not self.stopping.is_set():
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            connection.settimeout(None)
            self.connections += 1
            self.open.add(connection)
            self.run(self.serve, connection)

    def serve(self, connection):
        try:
            self.talk(connection)
        except (OSError, ValueError):
            pass
        finally:
            self.open.discard(connection)
            connection.close()

    def talk(self, connection):
        buffer = b""
        while not self.stopping.is_set():
            data = connection.recv(65536)
            if not data:
                return
            buffer += data
            while buffer:
                if buffer[:1] == b"$":
                    size = 4 + struct.unpack(">H", buffer[2:4])[0] if len(buffer) >= 4 else 4
                    if len(buffer) < size:
                        break
                    buffer = buffer[size:]
                    continue
                if b"\r\n\r\n" not in buffer:
                    break
                head, buffer = buffer.split(b"\r\n\r\n", 1)
                method = head.split(b" ", 1)[0].decode()
                self.requests.append(method)
                self.on_request(connection, method, head.decode())

    def answer(self, connection, request, headers=None, body="", status="200 OK"):
        sequence = re.search(r"(?im)^cseq:\s*(\d+)", request)
        lines = [f"RTSP/1.0 {status}", f"CSeq: {sequence.group(1) if sequence else 0}"]
        lines += [f"{key}: {value}" for key, value in (headers or {}).items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def on_request(self, connection, method, request):
        if method == "OPTIONS":
            self.answer(connection, request, {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"})
        elif method == "DESCRIBE":
            self.answer(connection, request, {"Content-Type": "application/sdp", "Content-Base": self.url + "/"},
                        self.sdp())
        elif method == "SETUP":
            if "RTP/AVP/TCP" not in request:
                self.answer(connection, request, status="461 Unsupported Transport")
            else:
                self.answer(connection, request, {"Session": "12345678;timeout=60",
                                                  "Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"})
        elif method == "PLAY":
            self.answer(connection, request, {"Session": "12345678", "Range": "npt=0-"})
            self.run(self.feed_safely, connection)
        else:
            self.answer(connection, request, {"Session": "12345678"})

    def sdp(self):
        return SDP_H264

    def feed_safely(self, connection):
        try:
            self.feed(connection)
        except OSError:
            pass

    def feed(self, connection):
        clip = Clip(self.path, self.rate)
        due = time.monotonic()
        while not self.stopping.is_set() and connection in self.open:
            if not self.stalled.is_set():
                for packet in clip.next_unit():
                    connection.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            due += 1 / self.rate
            self.stopping.wait(max(0, due - time.monotonic()))


class SilentCamera(Camera):
    """Accepts, and says nothing."""

    def on_request(self, connection, method, request):
        pass


class GarbageCamera(Camera):
    """Answers with noise."""

    def on_request(self, connection, method, request):
        connection.sendall(bytes((i * 7 + 13) % 256 for i in range(4096)))


class SloppyCamera(Camera):
    """Sends media before the answer to PLAY, an odd Content-Base, no RTP-Info, and nonsense in its SDP."""

    def on_request(self, connection, method, request):
        if method == "DESCRIBE":
            self.answer(connection, request, {"Content-Type": "application/sdp;charset=utf-8",
                                              "Content-Base": f"rtsp://0.0.0.0:554/wrong{self.port}"}, self.sdp())
        elif method == "PLAY":
            clip = Clip(self.path, self.rate)
            for packet in clip.next_unit():
                connection.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            super().on_request(connection, method, request)
        else:
            super().on_request(connection, method, request)

    def sdp(self):
        return SDP_H264.replace("t=0 0\r\n", "t=0 0\r\na=\r\nb=\r\nz=nonsense\r\na=range:npt=0-\r\n")


class ShortCamera(Camera):
    """Hangs up after @units pictures, each time."""

    def __init__(self, path, units=20, **options):
        super().__init__(path, **options)
        self.units = units

    def feed(self, connection):
        clip = Clip(self.path, self.rate)
        for _ in range(self.units):
            for packet in clip.next_unit():
                connection.sendall(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
            if self.stopping.wait(1 / self.rate):
                return
        connection.shutdown(socket.SHUT_RDWR)
