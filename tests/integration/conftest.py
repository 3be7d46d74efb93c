# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the integration tests: the real program, real clients, real sockets, deadlines everywhere."""

import fcntl
import os
import signal
import subprocess
import tempfile
import traceback

import pytest

from daemon import BINARY, LSAN, Daemon
from media import Media
from waiting import FACTOR

DEFAULT_LIMIT_S = 60


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): time the test may take (default 60; more under sanitizers)")
    config.addinivalue_line("markers", "default_ports: uses ports 8080 and 8554; one such test runs at a time")


def pytest_sessionstart(session):
    if not os.path.exists(BINARY):
        pytest.exit(f"{BINARY} is missing; run make build", returncode=3)
    # For every program of ours that a test starts, when it was built with sanitizers.
    os.environ.setdefault("LSAN_OPTIONS", LSAN)
    os.environ.setdefault("ASAN_OPTIONS", "fast_unwind_on_malloc=0")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("default_ports"):
            item.add_marker(pytest.mark.xdist_group("default_ports"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    marker = item.get_closest_marker("limit")
    limit = int((marker.args[0] if marker else DEFAULT_LIMIT_S) * FACTOR)

    def on_alarm(_number, frame):
        raise AssertionError(f"the test took more than {limit} s, in:\n{''.join(traceback.format_stack(frame)[-6:])}")

    before = signal.signal(signal.SIGALRM, on_alarm)
    # Again and again, so that a teardown which hangs is ended too.
    signal.setitimer(signal.ITIMER_REAL, limit, 30)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for daemon in getattr(item, "daemons", []):
            report.sections.append((f"log of {daemon.directory}", daemon.log()[-8000:]))
        for process in getattr(item, "processes", []):
            process.log.seek(0)
            text = process.log.read().decode(errors="replace")[-3000:]
            report.sections.append((f"{' '.join(process.args)}: status {process.poll()}", text))


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    return Media((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "media")


@pytest.fixture
def sluice(request, tmp_path):
    """sluice({"streams": {...}}) starts a daemon; all of them are stopped and checked at the end."""
    daemons = request.node.daemons = []

    def start(config=None, wait=True, **options):
        daemon = Daemon(tmp_path / f"sluice-{len(daemons)}", config, **options)
        daemons.append(daemon)
        if wait:
            daemon.start()
        return daemon

    yield start
    errors = []
    for daemon in reversed(daemons):
        try:
            daemon.stop()
        except AssertionError as error:
            errors.append(error)
    if errors:
        raise errors[0]


@pytest.fixture
def processes(request):
    """processes(["ffmpeg", ...]) runs a client in the background; what still runs at the end is ended."""
    running = request.node.processes = []

    def start(command, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        log = tempfile.TemporaryFile()
        options.setdefault("stderr", log)
        process = subprocess.Popen(command, start_new_session=True, **options)
        process.log = log
        running.append(process)
        return process

    yield start
    for process in running:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


@pytest.fixture
def default_ports():
    """Ports 8080 and 8554 for one test of the machine at a time."""
    with open(os.path.join(tempfile.gettempdir(), "sluice-test-default-ports.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def public_folder():
    """A folder for programs that run as another user."""
    with tempfile.TemporaryDirectory(prefix="sluice-test-") as folder:
        os.chmod(folder, 0o777)
        yield folder
