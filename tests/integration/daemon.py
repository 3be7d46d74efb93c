# SPDX-License-Identifier: Apache-2.0
"""Runs the real program with a configuration of its own, and checks on the way out that it left cleanly."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from waiting import FACTOR, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("SLUICE_BINARY") or os.path.join(ROOT, "build", "sluice"))
SANITIZED = "asan" in BINARY
LSAN = f"suppressions={ROOT}/tests/lsan.supp:print_suppressions=0"

BAD_LOG = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:|\bCRITICAL\b|"
                     r"Bail out!|assertion failed|double free|corrupted")


class Ports:
    """Numbers below the kernel's ephemeral range, apart for each test process."""

    def __init__(self):
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
        self.first = 11000 + (worker % 10) * 2000
        self.next = self.first + (os.getpid() * 16) % 1000 // 2 * 2

    def take(self, count=1, kinds=(socket.SOCK_STREAM,)):
        """The first of @count free ports in a row; even when @count is."""
        for _ in range(2000):
            port = self.next + (self.next & 1 if count > 1 else 0)
            self.next = port + count
            if self.next > self.first + 2000:
                self.next = self.first
            if all(is_free(port + i, kind) for i in range(count) for kind in kinds):
                return port
        raise RuntimeError("no free ports")


def is_free(port, kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


PORTS = Ports()


def to_value(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {to_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(to_value(v) for v in value) + "]"
    return json.dumps(value)


def to_toml(table, path=()):
    """A dict of dicts as TOML; keys are always quoted."""
    plain = "".join(f"{json.dumps(k)} = {to_value(v)}\n" for k, v in table.items() if not isinstance(v, dict))
    tables = [to_toml(value, (*path, key)) for key, value in table.items() if isinstance(value, dict)]
    head = f"[{'.'.join(json.dumps(part) for part in path)}]\n" if path and (plain or not tables) else ""
    return head + plain + "".join(tables)


def merge(base, extra):
    result = dict(base)
    for key, value in extra.items():
        result[key] = merge(result[key], value) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
    return result


class ApiError(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class Daemon:
    def __init__(self, directory, config=None, env=None, http_port=None, rtsp_port=None):
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        self.http_port = http_port or PORTS.take()
        self.rtsp_port = rtsp_port or PORTS.take()
        self.seen = {}  # pid: start time, of every process of ours
        self.extra_env = env or {}
        self.config = merge({
            "log": {"level": "debug", "modules": {"http": "info"}},
            "http": {"listen": [f"127.0.0.1:{self.http_port}"]},
            "rtsp": {"listen": [f"127.0.0.1:{self.rtsp_port}"], "udp_port_min": 0, "udp_port_max": 0,
                     "multicast_port": PORTS.take(2, [socket.SOCK_DGRAM])},
            "state": {"path": os.path.join(self.directory, "state")},
        }, config or {})
        self.config_path = os.path.join(self.directory, "sluice.toml")
        self.log_path = os.path.join(self.directory, "log")
        self.process = None
        self.listeners = []
        self.token = None
        self.killed = False
        self.expected_in_log = None
        os.makedirs(self.config["state"]["path"], exist_ok=True)

    # life

    def write_config(self, config=None):
        if config is not None:
            self.config = config
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(config if isinstance(config, str) else to_toml(self.config))

    def environment(self):
        return dict(os.environ, G_DEBUG="fatal-criticals,gc-friendly", LSAN_OPTIONS=LSAN,
                    ASAN_OPTIONS="fast_unwind_on_malloc=0:abort_on_error=1:detect_leaks=1",
                    UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1", **self.extra_env)

    def spawn(self):
        """Starts without waiting for anything."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([BINARY, "serve", "--config", self.config_path], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.environment(), cwd=self.directory)
        self.killed = False

    def start(self):
        self.write_config()
        self.spawn()
        try:
            until(self.is_ready, 20, lambda: f"ready\n{self.log()[-4000:]}")
        except BaseException:
            self.kill()
            raise
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with status {self.process.returncode}\n{self.log()[-4000:]}")
        try:
            return self.request("GET", "/health/ready")[0] == 200
        except OSError:
            return False

    def stop(self):
        """SIGTERM, and everything that must be true afterwards."""
        for listener in self.listeners:
            listener.close()
        self.listeners = []
        if self.process is None:
            return
        self.pids()
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(15 * FACTOR)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"did not stop within {15 * FACTOR:.0f} s of SIGTERM\n{self.log()[-4000:]}") from None
        finally:
            left = self.wait_for_no_process()
        assert self.killed or status == 0, f"exit status {status}\n{self.log()[-6000:]}"
        assert not left, f"processes left behind: {left}"
        self.check_log()

    def check_log(self):
        bad = [line for line in self.log().splitlines() if BAD_LOG.search(line)
               and not (self.expected_in_log and re.search(self.expected_in_log, line))]
        assert not bad, "in the log:\n" + "\n".join(bad[:20]) + "\n" + self.log()[-4000:]

    def kill(self):
        """As a crash would."""
        self.killed = True
        if self.process and self.process.poll() is None:
            self.pids()
            self.process.kill()
            self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def reload(self, config=None):
        self.write_config(config)
        self.process.send_signal(signal.SIGHUP)

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, pattern, seconds=10):
        return until(lambda: re.search(pattern, self.log()), seconds, f"{pattern!r} in the log\n{self.log()[-3000:]}")

    # processes

    def pids(self):
        """Of the daemon and everything it started, also what has lost its parent since it was last seen."""
        parents = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                status = process_status(int(name))
                if status and status[0] != "Z":
                    parents[int(name)] = status
        found = {pid for pid, (_, _, started) in parents.items() if self.seen.get(pid) == started}
        if self.process and self.process.pid in parents:
            found.add(self.process.pid)
        grown = True
        while grown:
            children = {pid for pid, (_, parent, _) in parents.items() if parent in found} - found
            found |= children
            grown = bool(children)
        self.seen.update({pid: parents[pid][2] for pid in found})
        return sorted(found)

    def workers(self):
        own = self.process.pid if self.process else -1
        return [pid for pid in self.pids() if pid != own]

    def wait_for_no_process(self):
        deadline = time.monotonic() + 5 * FACTOR
        while time.monotonic() < deadline:
            if not self.pids():
                return []
            time.sleep(0.05)
        left = {pid: command_line(pid) for pid in self.pids()}
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return left

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    # HTTP

    def request(self, method, path, body=None, headers=None):
        """Status, headers and bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10 * FACTOR)
        try:
            all_headers = dict(headers or {})
            if self.token:
                all_headers.setdefault("Authorization", f"Bearer {self.token}")
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
                all_headers.setdefault("Content-Type", "application/json")
            connection.request(method, path, body, all_headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def api_raw(self, method, path, body=None, headers=None):
        """Status and decoded JSON (None when the body is empty)."""
        status, _, data = self.request(method, path, body, headers)
        return status, json.loads(data) if data else None

    def api(self, method, path, body=None):
        """Decoded JSON of a call that must work."""
        status, answer = self.api_raw(method, path, body)
        if status >= 300:
            raise ApiError(status, answer)
        return answer

    def stream(self, name):
        return self.api("GET", f"/api/v1/streams/{quote(name)}")

    def wait_stream(self, name, state="running", seconds=15):
        def reached():
            status, stream = self.api_raw("GET", f"/api/v1/streams/{quote(name)}")
            return status == 200 and stream["state"] == state and stream

        def what():
            return (f"{name} to be {state}: {self.api_raw('GET', f'/api/v1/streams/{quote(name)}')}\n"
                    f"{self.log()[-3000:]}")

        return until(reached, seconds, what)

    def wait_gone(self, name, seconds=15):
        until(lambda: self.api_raw("GET", f"/api/v1/streams/{quote(name)}")[0] == 404, seconds, f"{name} to be gone")

    def readers(self, name):
        return self.api("GET", f"/api/v1/streams/{quote(name)}/readers")["readers"]

    def metrics(self):
        """{(name, labels as a sorted tuple of pairs): value}"""
        return parse_metrics(self.request("GET", "/metrics")[2].decode())

    def metric(self, name, **labels):
        wanted = set(labels.items())
        return sum(value for (metric, pairs), value in self.metrics().items()
                   if metric == name and wanted <= set(pairs))

    def events(self, query=""):
        listener = EventListener(self, query)
        self.listeners.append(listener)
        return listener

    # RTSP

    def rtsp_url(self, name, user=None):
        return f"rtsp://{user + '@' if user else ''}127.0.0.1:{self.rtsp_port}/{name}"

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class EventListener:
    """Server-sent events, collected from now on."""

    def __init__(self, daemon, query=""):
        self.events = []
        self.closed = False
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.http_port, timeout=60 * FACTOR)
        headers = {"Accept": "text/event-stream"}
        if daemon.token:
            headers["Authorization"] = f"Bearer {daemon.token}"
        self.connection.request("GET", f"/api/v1/events{query}", headers=headers)
        self.socket = self.connection.sock
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        event = {}
        try:
            for raw in self.response:
                line = raw.decode().rstrip("\n")
                if line.startswith(":"):
                    continue
                if not line:
                    if "data" in event:
                        self.events.append(json.loads(event["data"]))
                    event = {}
                elif ": " in line:
                    key, value = line.split(": ", 1)
                    event[key] = event[key] + "\n" + value if key in event else value
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            if not self.closed:
                raise

    def find(self, kind, stream=None):
        return [e for e in list(self.events) if re.fullmatch(kind, e["type"])
                and (stream is None or e.get("stream_id", e.get("stream")) == stream)]

    def wait(self, kind, stream=None, count=1, seconds=15):
        """The first @count events of that type (a regular expression)."""
        until(lambda: len(self.find(kind, stream)) >= count, seconds,
              lambda: f"{count} events {kind} of {stream}; there were {[(e['type'], e.get('stream_id')) for e in self.events]}")
        return self.find(kind, stream)[:count]

    def close(self):
        self.closed = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(5)
        self.connection.close()


def quote(name):
    return name.replace("%", "%25").replace("/", "%2F").replace("@", "%40")


def process_status(pid):
    """(state, parent, start time) or None when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), fields[19]


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def parse_metrics(text):
    metrics = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = re.findall(r'(\w+)="((?:\\.|[^"\\])*)"', labels or "")
            metrics[(name, tuple(sorted(pairs)))] = float(value)
    return metrics
