# SPDX-License-Identifier: Apache-2.0
"""The checks of the sources can fail: each rule is broken once in a small tree."""

import os
import re
import subprocess

import pytest

from daemon import ROOT

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def check(tool, root):
    done = subprocess.run([os.path.join(ROOT, "tools", tool), str(root)], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.mark.parametrize("path, include, allowed", [
    ("src/stream/a.c", '"base/loop.h"', True),
    ("src/stream/a.c", '"stream/track.h"', True),
    ("src/stream/a.c", '"rtp/rtcp.h"', False),
    ("src/base/a.c", '"config/settings.h"', False),
    ("src/base/a.c", "<gst/gst.h>", True),
    ("src/base/a.c", "<gst/video/video.h>", False),
    ("src/auth/a.c", '"stream/stream.h"', False),
    ("src/rtsp/a.c", '"auth/auth.h"', True),
    ("src/rtsp/a.c", '"worker/protocol.h"', False),
    ("src/worker/a.c", '"rtsp/session.h"', False),
    ("src/media/a.c", '"worker/protocol.h"', True),
    ("src/media/a.c", '"worker/supervisor.h"', False),
    ("src/control/a.c", '"http/server.h"', False),
    ("src/http/a.c", '"control/events.h"', True),
    ("src/unheard-of/a.c", '"base/loop.h"', False),
    ("src/main.c", '"http/server.h"', True),
])
def test_layers(tmp_path, path, include, allowed):
    write(tmp_path, path, f"{SPDX}# include {include}\n")
    status, output = check("check-layers", tmp_path)
    assert (status == 0) == allowed, output
    assert allowed or output.startswith(f"{path}:"), output


def function_of(lines):
    return "static void\nf (void)\n{\n" + "  g ();\n" * lines + "}\n"


@pytest.mark.parametrize("path, text, complaint", [
    ("src/a.c", SPDX + function_of(120), None),
    ("src/a.c", SPDX + function_of(121), "function of 121 lines"),
    ("src/a.c", SPDX + "\n" * 1199, None),
    ("src/a.c", SPDX + "\n" * 1200, "1201 lines"),
    ("src/a.c", "int a;\n", "no SPDX"),
    ("src/a.c", SPDX + "strcpy (a, b);\n", r"strcpy\(\) is banned"),
    ("src/a.c", SPDX + 'f ("strcpy (a)"); /* strcpy (a) */\n', None),
    ("src/a.c", SPDX + "g_string_printf (a); my_system (b); x->system (c);\n", None),
    ("src/a.c", SPDX + "/* TO" + "DO */\n", "unfinished mark"),
    ("README.md", "The colo" + "ur of it\n", "British spelling"),
    ("README.md", "in /ho" + "me/user/sluice\n", "path of one machine"),
])
def test_source_rules(tmp_path, path, text, complaint):
    write(tmp_path, path, text)
    status, output = check("check-source", tmp_path)
    assert (status == 0) == (complaint is None), output
    assert complaint is None or re.search(complaint, output), output


def test_a_waiver_needs_a_reason_and_a_use(tmp_path):
    write(tmp_path, "src/a.c", SPDX + function_of(121))
    write(tmp_path, "tools/check-source.waivers", "src/a.c function a table of states\n")
    assert check("check-source", tmp_path)[0] == 0
    write(tmp_path, "src/a.c", SPDX)
    status, output = check("check-source", tmp_path)
    assert status == 1 and "not needed any more" in output
