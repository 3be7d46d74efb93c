# SPDX-License-Identifier: Apache-2.0
"""REST, events, metrics and health, as a client of the documented contract sees them."""

import asyncio
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import websockets
import yaml

from camera import Camera
from clients import ClientError, ffprobe, publish
from daemon import BINARY, quote
from rtsp import Connection
from waiting import FACTOR, until

TEST = {"source": "test:"}
PUBLISHED = {"publish": True}


def test_a_stream_through_its_life(sluice, media):
    with Camera(media.path("h264.h264")) as camera:
        daemon = sluice()
        status, headers, body = daemon.request("POST", "/api/v1/streams", {"id": "door", "source": camera.url})
        assert status == 201, body
        assert headers["Location"].endswith("/api/v1/streams/door")
        assert json.loads(body)["id"] == "door"
        stream = daemon.wait_stream("door")
        assert stream["id"] == "door" and stream["source"].startswith("rtsp://")
        assert stream["tracks"][0]["codec"] == "H264"
        assert stream["uptime"] >= 0 and stream["last_error"] is None
        until(lambda: daemon.stream("door")["stats"]["frames_in"] > 50, 10, "frames to be counted")
        for command, state in (("stop", "stopped"), ("start", "running"), ("restart", "running")):
            status, answer = daemon.api_raw("POST", f"/api/v1/streams/door/{command}")
            assert status in (200, 202), answer
            daemon.wait_stream("door", state)
        daemon.api("PATCH", "/api/v1/streams/door", {"title": "Front door"})
        assert daemon.stream("door")["name"] == "Front door"
        assert camera.connections == 3, "a new title must not touch the source"
        assert daemon.request("DELETE", "/api/v1/streams/door")[0] == 204
        daemon.wait_gone("door")


def test_names_with_slashes(sluice):
    daemon = sluice()
    daemon.api("POST", "/api/v1/streams", {"id": "building/floor-1/door", **TEST})
    assert daemon.stream("building/floor-1/door")["id"] == "building/floor-1/door"
    daemon.wait_stream("building/floor-1/door")
    assert daemon.request("DELETE", "/api/v1/streams/" + quote("building/floor-1/door"))[0] == 204


def test_the_list_filters_and_pages(sluice):
    daemon = sluice({"streams": {f"cam-{i}": PUBLISHED for i in range(5)}})
    daemon.api("POST", "/api/v1/streams", {"id": "live", **TEST})
    daemon.wait_stream("live")
    assert [s["id"] for s in daemon.api("GET", "/api/v1/streams")["streams"]] == [*(f"cam-{i}" for i in range(5)), "live"]
    assert daemon.api("GET", "/api/streams")["streams"]
    assert [s["id"] for s in daemon.api("GET", "/api/v1/streams?state=running")["streams"]] == ["live"]
    assert [s["id"] for s in daemon.api("GET", "/api/v1/streams?status=active")["streams"]] == ["live"]
    seen, page = [], 0
    while len(seen) < 6 and page < 6:
        got = daemon.api("GET", f"/api/v1/streams?limit=2&offset={2 * page}")["streams"]
        assert len(got) <= 2
        seen += [s["id"] for s in got]
        page += 1
    assert len(set(seen)) == 6


@pytest.mark.parametrize("method, path, body, status, code", [
    ("GET", "/api/v1/streams/none", None, 404, "STREAM_NOT_FOUND"),
    ("DELETE", "/api/v1/streams/none", None, 404, "STREAM_NOT_FOUND"),
    ("POST", "/api/v1/streams/none/start", None, 404, "STREAM_NOT_FOUND"),
    ("POST", "/api/v1/streams", {"id": "there", "source": "test:"}, 409, "STREAM_ALREADY_EXISTS"),
    ("POST", "/api/v1/streams", {"source": "test:"}, 400, "INVALID_CONFIGURATION"),
    ("POST", "/api/v1/streams", {"id": "x", "source": "gopher://x"}, 400, "INVALID_CONFIGURATION"),
    ("POST", "/api/v1/streams", {"id": "../x", "source": "test:"}, 400, "INVALID_CONFIGURATION"),
    ("POST", "/api/v1/streams", {"id": "x", "sauce": "test:"}, 400, "INVALID_CONFIGURATION"),
    ("POST", "/api/v1/streams", "{", 400, None),
    ("PATCH", "/api/v1/streams/there", {"max_readers": "many"}, 400, "INVALID_CONFIGURATION"),
    ("GET", "/api/v1/nothing", None, 404, None),
    ("PUT", "/api/v1/streams", {}, 405, None),
])
def test_errors_have_one_shape(sluice, method, path, body, status, code):
    daemon = sluice({"streams": {"there": PUBLISHED}})
    got, answer = daemon.api_raw(method, path, body, {"Content-Type": "application/json"} if body else None)
    assert got == status, answer
    assert set(answer["error"]) == {"code", "message", "details"}, answer
    assert code is None or answer["error"]["code"] == code


def test_what_was_made_survives_a_restart(sluice):
    daemon = sluice({"streams": {"from-file": PUBLISHED}})
    daemon.api("POST", "/api/v1/streams", {"id": "made/here", **TEST, "title": "Made here"})
    daemon.api("PATCH", "/api/v1/streams/from-file", {"title": "Changed here"})
    daemon.wait_stream("made/here")
    daemon.restart()
    assert daemon.wait_stream("made/here")["name"] == "Made here"
    assert daemon.stream("from-file")["name"] == "Changed here"
    daemon.api("DELETE", "/api/v1/streams/" + quote("made/here"))
    daemon.restart()
    assert daemon.api_raw("GET", "/api/v1/streams/" + quote("made/here"))[0] == 404


def test_what_was_acknowledged_survives_a_kill(sluice):
    daemon = sluice()
    for i in range(5):
        daemon.api("POST", "/api/v1/streams", {"id": f"s-{i}", **PUBLISHED})
    daemon.kill()
    daemon.wait_for_no_process()
    daemon.start()
    assert len(daemon.api("GET", "/api/v1/streams")["streams"]) == 5


def test_readers_are_listed_and_kicked(sluice, processes, media):
    daemon = sluice({"streams": {"film": PUBLISHED}})
    events = daemon.events()
    publish(processes, media.path("h264.mp4"), daemon.rtsp_url("film"))
    daemon.wait_stream("film")
    with Connection(daemon.rtsp_port) as reader:
        reader.play(daemon.rtsp_url("film"))
        listed = until(lambda: daemon.readers("film"), 5, "a reader")[0]
        assert listed["protocol"] == "rtsp" and listed["transport"] == "tcp" and listed["peer"].startswith("127.0.0.1")
        events.wait("reader.opened", "film")
        assert daemon.request("DELETE", f"/api/v1/streams/film/readers/{quote(listed['id'])}")[0] == 204
        assert reader.is_closed(5)
    events.wait("reader.closed", "film")
    until(lambda: not daemon.readers("film"), 5, "no reader")


def test_events_tell_a_streams_life_with_a_cursor(sluice):
    daemon = sluice()
    events = daemon.events()
    daemon.api("POST", "/api/v1/streams", {"id": "demo", **TEST})
    daemon.wait_stream("demo")
    daemon.api("DELETE", "/api/v1/streams/demo")
    events.wait("stream.removed", "demo")
    kinds = [e["type"] for e in events.events if e.get("stream_id") == "demo"]
    assert kinds.index("stream.created") < kinds.index("stream.started") < kinds.index("stream.removed")
    numbers = [e["seq"] for e in events.events]
    assert numbers == sorted(set(numbers))
    # A client that was away goes on where it was.
    created = events.find("stream.created", "demo")[0]["seq"]
    again = daemon.events(f"?cursor={created}")
    again.wait("stream.removed", "demo")
    assert not again.find("stream.created", "demo")


def test_events_over_websocket(sluice):
    daemon = sluice()

    async def listen():
        async with websockets.connect(f"ws://127.0.0.1:{daemon.http_port}/api/v1/events", open_timeout=10) as socket:
            await asyncio.to_thread(daemon.api, "POST", "/api/v1/streams", {"id": "demo", **PUBLISHED})
            while True:
                event = json.loads(await asyncio.wait_for(socket.recv(), 10 * FACTOR))
                if event["type"] == "stream.created":
                    return event

    event = asyncio.run(listen())
    assert event["stream_id"] == "demo" and re.match(r"\d{4}-\d\d-\d\dT", event["timestamp"])


def test_metrics_count_what_happens(sluice, processes, media):
    daemon = sluice({"streams": {"film": PUBLISHED}})
    publish(processes, media.path("h264.mp4"), daemon.rtsp_url("film"))
    daemon.wait_stream("film")
    with Connection(daemon.rtsp_port) as reader:
        reader.play(daemon.rtsp_url("film"))
        for _ in range(50):
            reader.read_interleaved()
        metrics = daemon.metrics()
        of_film = {name: value for (name, labels), value in metrics.items() if ("stream", "film") in labels}
        assert any("bytes" in name and value > 0 for name, value in of_film.items()), of_film
        assert any("readers" in name and value == 1 for name, value in of_film.items()), of_film
    text = daemon.request("GET", "/metrics")
    assert text[1]["Content-Type"].startswith("text/plain; version=0.0.4")
    for line in text[2].decode().splitlines():
        assert re.fullmatch(r"#.*|[a-zA-Z_:][\w:]*(\{.*\})? (\S+)", line), line


def test_health(sluice):
    daemon = sluice({"streams": {"demo": TEST}})
    daemon.wait_stream("demo")
    status, answer = daemon.api_raw("GET", "/health")
    assert status == 200 and answer["status"] == "healthy" and answer["uptime"] >= 0 and answer["version"]
    assert daemon.request("GET", "/health/live")[0] == 200
    assert daemon.request("GET", "/health/ready")[0] == 200


def test_the_configuration_can_be_read_without_secrets(sluice):
    daemon = sluice({"auth": {"users": [{"name": "a", "password": "so secret", "permissions": [{"actions": ["api"]}]}],
                              "anonymous": [{"actions": ["api", "read", "publish", "metrics"]}]}})
    status, _, body = daemon.request("GET", "/api/v1/config")
    assert status == 200 and b"so secret" not in body
    assert json.loads(body)["rtsp"]["listen"] == [f"127.0.0.1:{daemon.rtsp_port}"]


def test_openapi_is_served(sluice):
    daemon = sluice()
    found = [path for path in ("/api/v1/openapi.json", "/api/openapi.yaml", "/openapi.yaml", "/api/v1/openapi.yaml",
                               "/openapi.json") if daemon.request("GET", path)[0] == 200]
    assert found
    document = yaml.safe_load(daemon.request("GET", found[0])[2])
    assert document["openapi"].startswith("3.") and "/api/v1/streams" in document["paths"]


def test_tokens_and_users(sluice):
    daemon = sluice({"auth": {
        "tokens": [{"name": "ops", "token": "a-token-of-ours", "permissions": [{"actions": ["api", "metrics"]}]}],
        "users": [{"name": "viewer", "password": "look", "permissions": [{"actions": ["read"], "path": "public/*"}]}]},
        "streams": {"public/demo": TEST, "private": TEST}}, wait=False)
    daemon.token = "a-token-of-ours"
    daemon.start()
    daemon.wait_stream("public/demo")
    daemon.wait_stream("private")
    assert daemon.request("GET", "/api/v1/streams", headers={"Authorization": "Bearer nonsense"})[0] == 401
    daemon.token = None
    status, headers, _ = daemon.request("GET", "/api/v1/streams")
    assert status == 401 and "WWW-Authenticate" in headers
    assert ffprobe(daemon.rtsp_url("public/demo", "viewer:look"), "tcp")
    for user in (None, "viewer:wrong"):
        with pytest.raises(ClientError, match="401"):
            ffprobe(daemon.rtsp_url("public/demo", user), "tcp")
    with pytest.raises(ClientError, match="403|401"):
        ffprobe(daemon.rtsp_url("private", "viewer:look"), "tcp")
    assert "a-token-of-ours" not in daemon.log() and "look" not in re.findall(r"password\S*", daemon.log())


def ctl(daemon, *arguments, check=True):
    done = subprocess.run([BINARY, "ctl", "--url", f"http://127.0.0.1:{daemon.http_port}", *arguments], capture_output=True,
                          text=True, timeout=20 * FACTOR, env=daemon.environment())
    assert not check or done.returncode == 0, done.stderr + done.stdout
    return done


def test_the_command_line_does_the_same(sluice):
    daemon = sluice()
    ctl(daemon, "add", "demo", "test:")
    daemon.wait_stream("demo")
    assert "demo" in ctl(daemon, "list").stdout and "running" in ctl(daemon, "list").stdout
    listed = json.loads(ctl(daemon, "list", "--json").stdout)
    assert [s["id"] for s in (listed["streams"] if isinstance(listed, dict) else listed)] == ["demo"]
    assert json.loads(ctl(daemon, "status", "demo", "--json").stdout)["id"] == "demo"
    ctl(daemon, "stop", "demo")
    daemon.wait_stream("demo", "stopped")
    ctl(daemon, "start", "demo")
    daemon.wait_stream("demo")
    ctl(daemon, "restart", "demo")
    ctl(daemon, "readers", "demo")
    ctl(daemon, "rm", "demo")
    daemon.wait_gone("demo")
    failed = ctl(daemon, "status", "demo", check=False)
    assert failed.returncode == 1 and "demo" in failed.stderr


def test_probe_tells_what_a_stream_is(sluice, processes, media):
    daemon = sluice({"streams": {"film": PUBLISHED}})
    publish(processes, media.path("h264-aac.mp4"), daemon.rtsp_url("film"))
    daemon.wait_stream("film")
    done = subprocess.run([BINARY, "probe", daemon.rtsp_url("film")], capture_output=True, text=True,
                          timeout=30 * FACTOR, env=daemon.environment())
    assert done.returncode == 0, done.stderr
    assert "H264" in done.stdout and "AAC" in done.stdout


@pytest.mark.default_ports
def test_examples_of_the_older_service_on_its_port(sluice, default_ports, media):
    """The contract of the stream manager that this program follows: create and status, with its names."""
    with Camera(media.path("h264.h264")) as camera:
        daemon = sluice(http_port=8080)

        def curl(*arguments):
            done = subprocess.run(["curl", "-sS", "-m", "10", *arguments], capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, done.stderr
            return done.stdout

        created = json.loads(curl("-X", "POST", "http://localhost:8080/api/v1/streams", "-H", "Content-Type: application/json",
                                  "-d", json.dumps({
                                      "id": "camera-1", "source_url": camera.url,
                                      "recording": {"enabled": False, "segment_duration": 300, "retention_days": 7},
                                      "inference": {"enabled": False},
                                      "reconnect": {"enabled": True, "max_attempts": 5, "backoff_ms": 1000}})))
        assert created["id"] == "camera-1" and created["status"] == "initializing"
        daemon.wait_stream("camera-1")
        stream = json.loads(curl("http://localhost:8080/api/v1/streams/camera-1"))
        assert stream["id"] == "camera-1" and stream["source_url"] == camera.url and stream["status"] == "active"
        assert stream["reconnect"]["max_attempts"] == 5 and stream["reconnect"]["backoff_ms"] == 1000
        assert stream["recording"]["enabled"] is False and stream["pipeline"]["state"] == "playing"
        assert {"bitrate", "framerate", "resolution", "packets_received", "packets_lost"} <= set(stream["metrics"])
        assert stream["errors"] == []
        assert "camera-1" in {s["id"] for s in json.loads(curl("http://localhost:8080/api/v1/streams?status=active"))["streams"]}
        health = json.loads(curl("http://localhost:8080/health"))
        assert health["status"] == "healthy" and isinstance(health["uptime"], int)
        summary = json.loads(curl("http://localhost:8080/api/v1/status"))
        assert summary["total_streams"] == 1 and summary["active_streams"] == 1
        assert json.loads(curl("-X", "POST", "http://localhost:8080/api/v1/streams/camera-1/stop"))["status"] == "stopping"
        error = json.loads(curl("http://localhost:8080/api/v1/streams/none"))["error"]
        assert error["code"] == "STREAM_NOT_FOUND"
        assert curl("-X", "DELETE", "-o", "/dev/null", "-w", "%{http_code}", "http://localhost:8080/api/v1/streams/camera-1") == "204"


def test_many_changes_at_once_lose_nothing(sluice):
    """Sixteen clients create and delete; what was acknowledged is there afterwards, also after a restart."""
    daemon = sluice()

    def one(number):
        for round_ in range(3):
            daemon.api("POST", "/api/v1/streams", {"id": f"s-{number}-{round_}", **PUBLISHED})
        daemon.api("DELETE", f"/api/v1/streams/s-{number}-1")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(16)))
    want = {f"s-{number}-{round_}" for number in range(16) for round_ in (0, 2)}
    assert {s["id"] for s in daemon.api("GET", "/api/v1/streams?limit=1000")["streams"]} == want
    daemon.restart()
    assert {s["id"] for s in daemon.api("GET", "/api/v1/streams?limit=1000")["streams"]} == want
