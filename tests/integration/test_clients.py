# SPDX-License-Identifier: Apache-2.0
"""ffmpeg, ffprobe, gst-launch and VLC play and publish over every transport, and get the very bytes that were sent."""

import os
import re
import shutil

import pytest

from clients import (assert_run_of, assert_same_timing, ffprobe, frames, gst_publish, gst_read, hashes, publish, run,
                     vlc_command, vlc_has_live555, vlc_record, wait_size)
from daemon import PORTS
from media import shared_file
from waiting import until

ANY = {"streams": {"*": {"publish": True}}}


def with_tls(media, config=ANY):
    certificate, key = media.certificate()
    port = PORTS.take()
    rtsp = {"tls_listen": [f"127.0.0.1:{port}"], "tls_certificate": certificate, "tls_key": key}
    return {**config, "rtsp": rtsp}, port


def url_for(daemon, tls_port, name, transport):
    """(URL, ffmpeg's -rtsp_transport) of a stream over one of our transports."""
    if transport == "rtsps":
        return f"rtsps://127.0.0.1:{tls_port}/{name}", "tcp"
    return daemon.rtsp_url(name), {"multicast": "udp_multicast"}.get(transport, transport)


@pytest.mark.parametrize("sent, received", [("tcp", "tcp"), ("udp", "udp"), ("tcp", "multicast"), ("udp", "http"),
                                            ("rtsps", "rtsps"), ("tcp", "udp")])
def test_ffmpeg_to_ffmpeg_is_bit_exact(sluice, processes, media, sent, received):
    """B-frames and AAC, with the presentation times of the file."""
    config, tls_port = with_tls(media)
    daemon = sluice(config)
    path = media.path("h264-aac.mp4")
    url, option = url_for(daemon, tls_port, "live/film", sent)
    publish(processes, path, url, option)
    daemon.wait_stream("live/film")
    url, option = url_for(daemon, tls_port, "live/film", received)
    got = frames(url, option, codec="h264", seconds=3)
    want = frames(path, codec="h264")
    assert_run_of(hashes(got, 0), hashes(want, 0), 50, loops=True)
    assert_run_of(hashes(got, 1), hashes(want, 1), 100, loops=True)
    assert_same_timing(got, want, 0)
    assert_same_timing(got, want, 1)


@pytest.mark.parametrize("recipe, codec, decode", [
    ("h264-opus.mkv", "h264", False), ("h265-opus.mkv", "hevc", False), ("vp8.mkv", None, False),
    ("mjpeg.mkv", None, True), ("mpeg4.mp4", None, True), ("mp3.mp3", None, False),
])
def test_every_codec_passes_untouched(sluice, processes, media, recipe, codec, decode):
    daemon = sluice(ANY)
    path = media.path(recipe)
    publish(processes, path, daemon.rtsp_url("codec"))
    stream = daemon.wait_stream("codec")
    want = frames(path, codec=codec, decode=decode)
    got = frames(daemon.rtsp_url("codec"), "tcp", codec=codec, seconds=3, decode=decode)
    for index in range(len(stream["tracks"])):
        assert_run_of(hashes(got, index), hashes(want, index), 50, loops=True)


@pytest.mark.parametrize("recipe, codec, elements, decode", [
    ("ac3.mkv", "AC-3", "ac3parse", False),
    # ffmpeg's own packets of VP9 call every frame a key frame.
    ("vp9.mkv", "VP9", "vp9parse", True),
])
def test_what_ffmpeg_cannot_send(sluice, processes, media, recipe, codec, elements, decode):
    """GStreamer can."""
    daemon = sluice(ANY)
    path = media.path(recipe)
    gst_publish(processes, daemon.rtsp_url("live"), source=f"filesrc location={path} ! matroskademux ! {elements} ! "
                "identity sync=true")
    assert daemon.wait_stream("live")["tracks"][0]["codec"] == codec
    got = frames(daemon.rtsp_url("live"), "tcp", seconds=2, decode=decode)
    assert_run_of(hashes(got), hashes(frames(path, decode=decode)), 30)


@pytest.mark.parametrize("recipe, codec", [("pcmu.nut", "PCMU"), ("pcma.nut", "PCMA"), ("g722.nut", "G722"),
                                           ("l16.nut", "L16")])
def test_every_telephone_codec_passes_untouched(sluice, processes, media, recipe, codec):
    """These have no frames: the bytes count."""
    daemon = sluice(ANY)
    path = media.path(recipe)
    publish(processes, path, daemon.rtsp_url("voice"))
    assert daemon.wait_stream("voice")["tracks"][0]["codec"] == codec
    read = ["ffmpeg", "-nostdin", "-loglevel", "error"]
    to_bytes = ["-map", "0:a", "-c", "copy", "-f", "data", "-"]
    want = run([*read, "-i", path, *to_bytes], 20).stdout
    got = run([*read, "-rtsp_transport", "tcp", "-i", daemon.rtsp_url("voice"), "-t", "2", *to_bytes], 20).stdout
    assert len(got) > len(want) // 5
    assert got in want * 3, "received bytes are not those of the file"


@pytest.mark.parametrize("recipe, codec", [("h264-aac.mp4", "h264"), ("h265-opus.mkv", "hevc")])
def test_a_file_source_is_bit_exact(sluice, media, recipe, codec):
    path = media.path(recipe)
    daemon = sluice({"streams": {"film": {"source": f"file:{path}", "loop": True}}})
    daemon.wait_stream("film")
    got = frames(daemon.rtsp_url("film"), "tcp", codec=codec, seconds=4)
    want = frames(path, codec=codec)
    assert_run_of(hashes(got, 0), hashes(want, 0), 75, loops=True)
    assert_run_of(hashes(got, 1), hashes(want, 1), 100, loops=True)
    assert_same_timing(got, want, 0)


@pytest.mark.parametrize("way", ["file", "publish"])
def test_a_real_film_is_bit_exact(sluice, processes, way):
    path = shared_file("big-buck-bunny-360p.mp4")
    if not path:
        pytest.skip("no big-buck-bunny-360p.mp4 in SLUICE_SHARED_MEDIA")
    daemon = sluice({"streams": {"film": {"source": f"file:{path}"} if way == "file" else {}}})
    if way == "publish":
        publish(processes, path, daemon.rtsp_url("film"))
    daemon.wait_stream("film")
    got = frames(daemon.rtsp_url("film"), "tcp", codec="h264", seconds=8)
    want = frames(path, codec="h264")
    assert_run_of(hashes(got, 0), hashes(want, 0), 150)
    assert_run_of(hashes(got, 1), hashes(want, 1), 200)
    assert_same_timing(got, want, 0)


@pytest.mark.parametrize("transport", ["tcp", "udp", "udp_multicast", "http"])
def test_ffprobe(sluice, processes, media, transport):
    daemon = sluice(ANY)
    publish(processes, media.path("h264-aac.mp4"), daemon.rtsp_url("film"))
    daemon.wait_stream("film")
    video, audio = ffprobe(daemon.rtsp_url("film"), transport)
    assert (video["codec_name"], video["width"], video["height"]) == ("h264", 320, 240)
    assert (audio["codec_name"], audio["sample_rate"], audio["channels"]) == ("aac", "48000", 1)


def test_ipv6(sluice, processes, media):
    daemon = sluice(ANY, rtsp_port=(port := PORTS.take()), wait=False)
    daemon.config["rtsp"]["listen"] = [f"127.0.0.1:{port}", f"[::1]:{port}"]
    daemon.start()
    path, url = media.path("h264.mp4"), f"rtsp://[::1]:{port}/six"
    publish(processes, path, url, "udp")
    daemon.wait_stream("six")
    for transport in ("tcp", "udp"):
        got = frames(url, transport, codec="h264", seconds=2)
        assert_run_of(hashes(got), hashes(frames(path, codec="h264")), 30, loops=True)


GST_H264 = "rtph264depay ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au"


@pytest.mark.parametrize("transport", ["tcp", "udp", "udp-mcast", "rtsph", "rtsps"])
def test_rtspsrc_is_bit_exact(sluice, processes, media, tmp_path, transport):
    config, tls_port = with_tls(media)
    daemon = sluice(config)
    path = media.path("h264.mp4")
    publish(processes, path, daemon.rtsp_url("film"))
    daemon.wait_stream("film")
    url, protocols, properties = daemon.rtsp_url("film"), transport, []
    if transport == "rtsph":
        url, protocols = url.replace("rtsp:", "rtsph:"), None
    elif transport == "rtsps":
        url, protocols, properties = f"rtsps://127.0.0.1:{tls_port}/film", "tcp", ["tls-validation-flags=0"]
    output = str(tmp_path / "received.h264")
    gst_read(url, protocols, output, depay=GST_H264, buffers=75, properties=properties)
    got = frames(output, codec="h264")
    assert_run_of(hashes(got), hashes(frames(path, codec="h264")), 60, loops=True)


@pytest.mark.parametrize("protocols", ["tcp", "udp", "tls"])
def test_rtspclientsink(sluice, processes, media, tmp_path, protocols):
    """An encoded film keeps its slices through rtspclientsink as well."""
    config, tls_port = with_tls(media)
    daemon = sluice(config)
    path = media.path("h264-long.mp4")
    url, properties = daemon.rtsp_url("pushed"), []
    if protocols == "tls":
        url, properties = f"rtsps://127.0.0.1:{tls_port}/pushed", ["tls-validation-flags=0"]
    gst_publish(processes, url, protocols="tcp" if protocols == "tls" else protocols, properties=properties,
                source=f"filesrc location={path} ! qtdemux ! h264parse ! identity sync=true")
    daemon.wait_stream("pushed")
    got = frames(daemon.rtsp_url("pushed"), "tcp", codec="h264", seconds=2)
    assert_run_of(hashes(got), hashes(frames(path, codec="h264")), 25)


def test_rtspclientsink_with_sound(sluice, processes):
    daemon = sluice(ANY)
    processes(["gst-launch-1.0", "-q", "rtspclientsink", "name=out", f"location={daemon.rtsp_url('av')}", "protocols=tcp",
               *"videotestsrc is-live=true ! video/x-raw,width=320,height=240 ! x264enc tune=zerolatency ! out.".split(),
               *"audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! out.".split()])
    daemon.wait_stream("av")
    assert {s["codec_name"] for s in ffprobe(daemon.rtsp_url("av"), "tcp")} == {"h264", "opus"}


def vlc_run(processes, folder, url, *options):
    """What VLC received, as it wrote it down."""
    recorded = os.path.join(folder, "received.ts")
    process = vlc_record(processes, url, recorded, *options)
    try:
        wait_size(recorded, 100_000)
    except AssertionError as error:
        process.log.seek(0)
        raise AssertionError(f"{error}\n{process.log.read().decode(errors='replace')[-3000:]}") from None
    process.terminate()
    process.wait(10)
    return recorded


@pytest.mark.parametrize("transport", ["tcp", "udp", "multicast", "http"])
def test_vlc_plays(sluice, processes, media, public_folder, transport):
    if not vlc_has_live555():
        pytest.skip("this VLC is built without live555: it plays no RTSP but SAT>IP (tested apart)")
    daemon = sluice(ANY)
    path = media.path("h264-aac.mp4")
    publish(processes, path, daemon.rtsp_url("film"))
    daemon.wait_stream("film")
    options = {"tcp": ["--rtsp-tcp"], "udp": [], "multicast": ["--rtsp-mcast"],
               "http": ["--rtsp-http", f"--rtsp-http-port={daemon.rtsp_port}"]}[transport]
    recorded = vlc_run(processes, public_folder, daemon.rtsp_url("film"), *options)
    assert_run_of(hashes(frames(recorded, codec="h264", maps=("0:v",))), hashes(frames(path, codec="h264")), 25, loops=True)


def test_vlc_plays_transport_streams(sluice, processes, media, public_folder):
    """VLC's own RTSP client, that of SAT>IP, wants MPEG-TS over UDP: a payload that we pass through unseen. It sets
    up the stream's URL without asking for a description, and plays "/stream=0"."""
    daemon = sluice(ANY)
    path = media.path("h264-long.ts")
    gst_publish(processes, daemon.rtsp_url("ts"), source=f"filesrc location={path} ! tsparse "
                "set-timestamps=true ! video/mpegts,packetsize=188 ! identity sync=true")
    daemon.wait_stream("ts")
    recorded = vlc_run(processes, public_folder, daemon.rtsp_url("ts").replace("rtsp:", "satip:"))
    got = hashes(frames(recorded, codec="h264", maps=("0:v",)))
    assert_run_of(got[1:-1], hashes(frames(path, codec="h264", maps=("0:v",))), 15)


@pytest.mark.parametrize("transport", ["auto", "udp"])
def test_vlc_serves_and_sluice_pulls(sluice, processes, media, public_folder, transport):
    """VLC publishes over RTSP as a server, and only over UDP."""
    path, port = shutil.copy(media.path("h264-long.mp4"), public_folder), PORTS.take()
    processes(vlc_command(path, "--sout", f"#rtp{{sdp=rtsp://127.0.0.1:{port}/vlc}}"))
    daemon = sluice({"streams": {"vlc": {"source": f"rtsp://127.0.0.1:{port}/vlc", "transport": transport,
                                         "retry_min": "500ms", "retry_max": "1s"}}})
    daemon.wait_stream("vlc", seconds=20)
    got = frames(daemon.rtsp_url("vlc"), "tcp", codec="h264", seconds=2)
    assert_run_of(hashes(got), hashes(frames(path, codec="h264")), 25)


def test_readers_are_listed_with_their_transport(sluice, processes, media):
    daemon = sluice(ANY)
    publish(processes, media.path("h264.mp4"), daemon.rtsp_url("film"))
    daemon.wait_stream("film")
    for transport in ("tcp", "udp"):
        processes(["ffmpeg", "-nostdin", "-loglevel", "error", "-rtsp_transport", transport, "-i",
                   daemon.rtsp_url("film"), "-c", "copy", "-f", "null", "-"])
    until(lambda: {r["transport"] for r in daemon.readers("film")} == {"tcp", "udp"}, 10,
          lambda: f"two readers, not {daemon.readers('film')}")
    assert all(re.search(r"(?i)lavf", r["user_agent"]) for r in daemon.readers("film"))
