# SPDX-License-Identifier: Apache-2.0
"""What the other tests lean on must itself be right: a comparison that accepts everything proves nothing."""

import tomllib

import pytest

from camera import Camera
from clients import assert_run_of, frames, hashes
from daemon import to_toml




@pytest.mark.parametrize("part, loops, fits", [
    ("cdef", False, True), ("fgab", True, True), ("fgab", False, False), ("cdf", False, False), ("xyz", False, False),
    ("abcdefgabcdefga", True, True),
])
def test_a_run_is_gapless(part, loops, fits):
    try:
        assert_run_of(list(part), list("abcdefg"), 3, loops=loops)
    except AssertionError:
        assert not fits
    else:
        assert fits
    with pytest.raises(AssertionError):
        assert_run_of(list("ab"), list("abcdefg"), 3)


def test_toml_is_what_was_meant():
    config = {"http": {"listen": ["127.0.0.1:1"]}, "streams": {"live/a b": {"source": "test:", "on_demand": True}},
              "auth": {"users": [{"name": "x", "permissions": [{"actions": ["read"], "path": 'a"b'}]}, {"name": "y"}]}}
    assert tomllib.loads(to_toml(config)) == config


def test_the_camera_sends_its_film_bit_exact(media):
    path = media.path("h264.h264")
    with Camera(path) as camera:
        received = frames(camera.url, "tcp", codec="h264", packets=30)
    assert_run_of(hashes(received), hashes(frames(path, codec="h264")), 25)


@pytest.mark.parametrize("recipe", ["h264-aac.mp4", "h265-opus.mkv", "vp8.mkv", "vp9.mkv", "mjpeg.mkv", "mpeg4.mp4",
                                    "mp3.mp3", "ac3.mkv", "pcmu.nut", "pcma.nut", "g722.nut", "l16.nut"])
def test_media_can_be_made(media, recipe):
    assert len(frames(media.path(recipe))) >= 10
