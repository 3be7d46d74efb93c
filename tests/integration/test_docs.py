# SPDX-License-Identifier: Apache-2.0
"""What the documentation prints, works: every sh block of README, CONTRIBUTING and docs/ runs as printed, block by
block, in a folder that looks like a checkout with a film in it; every toml block passes `sluice check`; every link
inside the project leads somewhere.

A comment before a block says what is special about it:
    <!-- test: skip: REASON -->                   it does not run
    <!-- test: runs for 5 s -->                   it goes on until somebody ends it; after that time it is
    <!-- test: background, until COMMAND -->      it runs until the end of the page; the page waits for COMMAND
    <!-- test: fails with N -->                   its exit status
A comment <!-- test: daemon --> on a page starts `sluice serve --config data/sluice.toml` first.
"""

import glob
import os
import re
import signal
import subprocess

import pytest

from daemon import BINARY, LSAN, ROOT
from waiting import FACTOR, until

PAGES = sorted(os.path.relpath(path, ROOT) for path in
               [*glob.glob(f"{ROOT}/*.md"), *glob.glob(f"{ROOT}/docs/**/*.md", recursive=True)])
BLOCK = re.compile(r"^(?:<!-- test: (?P<how>[^\n]*?) -->\n\n?)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.S | re.M)
BLOCK_LIMIT_S = 60


def blocks(page, language):
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        text = file.read()
    for match in BLOCK.finditer(text):
        if match["language"] == language:
            yield text.count("\n", 0, match.start("text")) + 1, match["how"] or "", match["text"]


class Shell:
    """A folder with links to the project, and the programs in PATH that an installation would put there."""

    def __init__(self, folder, media):
        self.folder = str(folder / "checkout")
        os.mkdir(self.folder)
        for name in os.listdir(ROOT):
            if not name.startswith((".", "build")):
                os.symlink(os.path.join(ROOT, name), os.path.join(self.folder, name))
        os.symlink(os.path.dirname(BINARY), os.path.join(self.folder, "build"))
        os.symlink(media.path("h264-aac.mp4"), os.path.join(self.folder, "film.mp4"))
        programs, home = str(folder / "bin"), str(folder / "home")
        os.mkdir(programs)
        os.mkdir(home)
        os.symlink(BINARY, os.path.join(programs, "sluice"))
        # What `make test` was called with is nothing that a reader of the page has.
        outside = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARGS")}
        self.environment = dict(outside, PATH=f"{programs}:{os.environ['PATH']}", HOME=home,
                                SDL_VIDEODRIVER="dummy", SDL_AUDIODRIVER="dummy", SLUICE_NO_INSTALL="1",
                                LSAN_OPTIONS=LSAN, ASAN_OPTIONS="fast_unwind_on_malloc=0")
        self.environment.pop("XDG_STATE_HOME", None)
        self.processes = []

    def start(self, text):
        log_path = os.path.join(self.folder, f"log-{len(self.processes)}")
        with open(log_path, "wb") as log:
            process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", text], cwd=self.folder, env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                       start_new_session=True)
        process.log_path = log_path
        self.processes.append(process)
        return process

    @staticmethod
    def output(process):
        with open(process.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def run(self, where, how, text):
        if how.startswith("skip: "):
            return
        process = self.start(text)
        if how.startswith("background"):
            if ", until " in how:
                self.wait_for(where, process, how.split(", until ", 1)[1])
            return
        long = re.fullmatch(r"runs for (\d+) s", how)
        status = int(how.split()[-1]) if how.startswith("fails with") else 0
        assert long or status or not how, f"{where}: what does {how!r} mean?"
        try:
            process.wait(int(long.group(1)) if long else BLOCK_LIMIT_S * FACTOR)
        except subprocess.TimeoutExpired:
            self.end(process, signal.SIGINT)
            assert long, f"{where} did not end within {BLOCK_LIMIT_S * FACTOR:.0f} s\n{text}\n{self.output(process)}"
            return
        assert process.returncode == status, f"{where}: status {process.returncode}\n{text}\n{self.output(process)}"

    def wait_for(self, where, process, command):
        def done():
            assert process.poll() is None, f"{where} ended with {process.returncode}\n{self.output(process)}"
            return not subprocess.run(["bash", "-c", command], cwd=self.folder, env=self.environment, capture_output=True,
                                      timeout=20 * FACTOR).returncode
        until(done, 30, lambda: f"{where}: {command}\n{self.output(process)}")

    @staticmethod
    def end(process, first=signal.SIGTERM):
        for number in (first, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(10 * FACTOR)
                return
            except ProcessLookupError:
                process.wait()
                return
            except subprocess.TimeoutExpired:
                pass

    def close(self):
        for process in reversed(self.processes):
            self.end(process)


@pytest.mark.default_ports
@pytest.mark.limit(240)
@pytest.mark.parametrize("page", [page for page in PAGES if any(True for _ in blocks(page, "sh"))])
def test_commands_run_as_printed(tmp_path, media, default_ports, page):
    shell = Shell(tmp_path, media)
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        needs_daemon = "<!-- test: daemon -->" in file.read()
    try:
        if needs_daemon:
            serve = shell.start("exec sluice serve --config data/sluice.toml")
            shell.wait_for("sluice serve", serve, "curl -fs http://localhost:8080/health/ready && "
                           "sluice ctl status demo | grep -q running")
        for line, how, text in blocks(page, "sh"):
            shell.run(f"{page}:{line}", how, text)
        if needs_daemon:
            Shell.end(serve)
            assert serve.returncode == 0, Shell.output(serve)
    finally:
        shell.close()


@pytest.mark.parametrize("page", [page for page in PAGES if any(True for _ in blocks(page, "toml"))])
def test_configuration_examples_are_right(tmp_path, page):
    for line, how, text in blocks(page, "toml"):
        if how.startswith("skip: "):
            continue
        path = tmp_path / "example.toml"
        path.write_text(text)
        values = {name: "example" for name in re.findall(r"\$\{(\w+)\}", text)}
        done = subprocess.run([BINARY, "check", str(path)], capture_output=True, text=True, timeout=20 * FACTOR,
                              env={**os.environ, **values})
        assert done.returncode == 0, f"{page}:{line}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", PAGES)
def test_links_inside_the_project_lead_somewhere(page):
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        text = re.sub(r"```.*?```", "", file.read(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        path = os.path.normpath(os.path.join(ROOT, os.path.dirname(page), path)) if path else os.path.join(ROOT, page)
        assert os.path.exists(path), f"{page}: {target}"
        if anchor:
            with open(path, encoding="utf-8") as file:
                titles = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
                          for title in re.findall(r"^#+ (.*)$", file.read(), re.M)]
            assert anchor in titles, f"{page}: {target}"


def test_a_failing_command_is_seen(tmp_path, media):
    """The runner itself can fail."""
    shell = Shell(tmp_path, media)
    try:
        with pytest.raises(AssertionError):
            shell.run("here", "", "false; true")
        shell.run("here", "fails with 3", "exit 3")
        shell.run("here", "runs for 1 s", "sleep 60")
        with pytest.raises(AssertionError):
            shell.run("here", "runs for 1 s", "exit 1")
        with pytest.raises(AssertionError):
            shell.run("here", "nonsense", "true")
    finally:
        shell.close()
