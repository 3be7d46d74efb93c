# SPDX-License-Identifier: Apache-2.0
"""Configuration: checked as a whole, reloaded without touching what did not change."""

import os
import re
import signal
import socket
import subprocess

import pytest

from camera import Camera
from daemon import BINARY, ROOT
from rtsp import Connection
from waiting import FACTOR, holds, until

TEST = {"source": "test:"}


def check(tmp_path, text):
    path = tmp_path / "checked.toml"
    path.write_text(text)
    done = subprocess.run([BINARY, "check", str(path)], capture_output=True, text=True, timeout=20 * FACTOR)
    return done.returncode, done.stdout + done.stderr


def test_a_good_file_passes(tmp_path):
    status, output = check(tmp_path, '[streams.demo]\nsource = "test:"\n')
    assert status == 0, output


def test_the_shipped_example_passes():
    done = subprocess.run([BINARY, "check", os.path.join(ROOT, "data", "sluice.toml")], capture_output=True, text=True,
                          timeout=20 * FACTOR)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_problem_is_told_with_file_and_line(tmp_path):
    status, output = check(tmp_path, '[rtsp]\nlisten = "nonsense"\n\n[streams.a]\nsorce = "test:"\n[streams.b]\nmax_readers = -5\n')
    assert status == 1
    lines = [line for line in output.splitlines() if "checked.toml:" in line]
    assert [int(re.search(r"checked\.toml:(\d+)", line).group(1)) for line in lines] == [2, 5, 7], output
    assert "rtsp.listen" in lines[0] and "streams.b.max_readers" in lines[2]
    assert "source" in lines[1] and "sorce" in lines[1], "a misspelt key gets a suggestion"


@pytest.mark.parametrize("text", ["[streams", "a = ", "\0\0\0", "[streams.demo]\nsource = 5\n", "[nonsense]\n"])
def test_a_bad_file_is_refused(tmp_path, text):
    status, output = check(tmp_path, text)
    assert status == 1 and "checked.toml" in output


@pytest.mark.parametrize("make", [
    lambda path: None,
    lambda path: os.mkdir(path),
    lambda path: open(path, "w", encoding="ascii").write("[rtsp]\nlisten = 12\n"),
])
def test_it_does_not_start_with_a_bad_file(tmp_path, make):
    path = str(tmp_path / "sluice.toml")
    make(path)
    done = subprocess.run([BINARY, "serve", "--config", path], capture_output=True, text=True, timeout=20 * FACTOR)
    assert done.returncode == 1 and path in done.stderr


@pytest.mark.parametrize("which", ["rtsp", "http"])
def test_a_port_in_use_is_told(sluice, which):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        daemon = sluice(wait=False, **{f"{which}_port": port})
        daemon.write_config()
        daemon.spawn()
        assert daemon.process.wait(20 * FACTOR) == 1
        daemon.process = None
        assert re.search(rf"{port}.*(in use|use)", daemon.log()) and f"{which}.listen" in daemon.log()


def test_reload_touches_only_what_changed(sluice, media):
    with Camera(media.path("h264.h264")) as camera:
        daemon = sluice({"streams": {"same": {"source": camera.url}, "gone": TEST, "changed": TEST}})
        for name in ("same", "gone", "changed"):
            daemon.wait_stream(name)
        events = daemon.events()
        config = dict(daemon.config, streams={"same": {"source": camera.url}, "changed": {"source": "test:", "title": "New"},
                                              "added": TEST})
        with Connection(daemon.rtsp_port) as reader:
            reader.play(daemon.rtsp_url("same"))
            daemon.reload(config)
            events.wait("config.reloaded")
            daemon.wait_stream("added")
            daemon.wait_gone("gone")
            until(lambda: daemon.stream("changed")["name"] == "New", 10, "the new title")
            for _ in range(100):
                reader.read_interleaved()
        assert camera.connections == 1, "the unchanged stream was touched"
        assert not [e for e in events.events if e.get("stream_id") == "same" and e["type"].startswith("stream.")]


def test_a_bad_reload_is_refused_whole(sluice, media):
    with Camera(media.path("h264.h264")) as camera:
        daemon = sluice({"streams": {"same": {"source": camera.url}}})
        daemon.wait_stream("same")
        events = daemon.events()
        daemon.reload(open(daemon.config_path, encoding="utf-8").read() + '\n[streams.new]\nsource = "test:"\nmax_readers = -1\n')
        rejected = events.wait("config.rejected")[0]
        assert "max_readers" in str(rejected)
        assert daemon.api_raw("GET", "/api/v1/streams/new")[0] == 404
        assert daemon.stream("same")["state"] == "running" and camera.connections == 1
        # An unreadable file is no better.
        os.unlink(daemon.config_path)
        daemon.process.send_signal(signal.SIGHUP)
        events.wait("config.rejected", count=2)
        holds(lambda: daemon.stream("same")["state"] == "running", 0.5, "running")


def test_environment_and_substitution(sluice):
    daemon = sluice({"streams": {"demo": {"source": "test:", "title": "${WHO}'s camera"}}},
                    env={"WHO": "Ada", "SLUICE_LOG_LEVEL": "info"})
    assert daemon.stream("demo")["name"] == "Ada's camera"
    dumped = subprocess.run([BINARY, "config", "--dump", "--config", daemon.config_path], capture_output=True, text=True,
                            env=daemon.environment(), timeout=20 * FACTOR)
    assert dumped.returncode == 0, dumped.stderr
    assert re.search(r'level\s*=\s*"info"', dumped.stdout), dumped.stdout


@pytest.mark.parametrize("command", [[], ["serve"], ["ctl"], ["probe"], ["check"], ["config"], ["version"]])
def test_help_teaches(command):
    done = subprocess.run([BINARY, *command, "--help"], capture_output=True, text=True, timeout=20 * FACTOR)
    assert done.returncode == 0 and len(done.stdout) > 100, done.stdout + done.stderr


def test_wrong_usage_says_how():
    for command in (["nonsense"], ["serve", "--nonsense"], ["check"]):
        done = subprocess.run([BINARY, *command], capture_output=True, text=True, timeout=20 * FACTOR)
        assert done.returncode == 2 and "--help" in done.stdout + done.stderr, (command, done)


def test_peers_from_elsewhere_are_refused_until_access_is_configured(sluice):
    """Served on every address, but without users only loopback peers are let in."""
    elsewhere = subprocess.run(["ip", "-4", "-o", "addr", "show", "scope", "global"], capture_output=True, text=True).stdout
    address = re.search(r"inet (\d+\.\d+\.\d+\.\d+)", elsewhere)
    if not address:
        # In a network of our own there is none: lend lo one that is not of 127.0.0.0/8.
        if subprocess.run(["ip", "addr", "add", "192.0.2.1/32", "dev", "lo"], capture_output=True).returncode:
            pytest.skip("this machine has no address but loopback, and we may not add one")
    host = address.group(1) if address else "192.0.2.1"
    daemon = sluice(wait=False)
    daemon.config["rtsp"]["listen"] = [f":{daemon.rtsp_port}"]
    daemon.config["http"]["listen"] = [f":{daemon.http_port}"]
    daemon.config["streams"] = {"demo": TEST}
    daemon.start()
    daemon.wait_stream("demo")
    with Connection(daemon.rtsp_port, host=host) as connection:
        connection.socket.getsockname()
        answer = connection.request("DESCRIBE", f"rtsp://{host}:{daemon.rtsp_port}/demo")
    assert answer.status == 403, answer
    done = subprocess.run(["curl", "-sS", "-m", "10", "-w", "%{http_code}", f"http://{host}:{daemon.http_port}/api/v1/streams"],
                          capture_output=True, text=True, timeout=20)
    assert done.stdout.endswith("403") and "auth" in done.stdout
    assert len(re.findall(r"auth\.anonymous|\[auth\]", daemon.log())) >= 1, "the line to add must be in the log"
