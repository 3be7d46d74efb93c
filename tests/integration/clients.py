# SPDX-License-Identifier: Apache-2.0
"""The programs people use: ffmpeg, ffprobe, gst-launch-1.0, cvlc. Each is given a time to live."""

import functools
import glob
import json
import os
import subprocess
from collections import namedtuple
from fractions import Fraction

from waiting import FACTOR, until

Frame = namedtuple("Frame", "stream pts size hash")

# What is left of a video packet when containers and RTP have had their way: the slices.
SLICES = {
    "h264": ["-bsf:v", "h264_mp4toannexb,filter_units=pass_types=1-5"],
    "hevc": ["-bsf:v", "hevc_mp4toannexb,filter_units=pass_types=0-31"],
}


class ClientError(AssertionError):
    pass


def run(command, seconds, check=True, **options):
    """Output of a program that must end in time, and well."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds * FACTOR, **options)
    except subprocess.TimeoutExpired as error:
        tail = (error.stderr or b"").decode(errors="replace")[-3000:]
        raise ClientError(f"{' '.join(command)}\ndid not end within {seconds * FACTOR:.0f} s\n{tail}") from None
    if check and done.returncode:
        raise ClientError(f"{' '.join(command)}\nstatus {done.returncode}\n{done.stderr.decode(errors='replace')[-3000:]}"
                          f"{done.stdout.decode(errors='replace')[-1000:]}")
    return done


def input_options(transport):
    """Options before -i for ffmpeg and ffprobe."""
    if transport is None:
        return []
    return ["-rtsp_transport", transport]


def frames(source, transport=None, codec=None, maps=("0",), seconds=None, packets=None, limit=30, decode=False):
    """What ffmpeg reads from @source, a file or URL, as Frames: per packet or, with @decode, per decoded frame."""
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", *input_options(transport), "-i", source]
    for name in maps:
        command += ["-map", name]
    if not decode:
        command += ["-c", "copy", *SLICES.get(codec, [])]
    if seconds:
        command += ["-t", str(seconds)]
    if packets:
        command += ["-frames:v", str(packets)]
    command += ["-f", "framehash", "-hash", "md5", "-"]
    return parse_framehash(run(command, limit).stdout.decode())


def parse_framehash(text):
    found, bases = [], {}
    for line in text.splitlines():
        if line.startswith("#tb "):
            number, base = line[4:].split(": ")
            bases[int(number)] = Fraction(base)
        elif line and not line.startswith("#"):
            fields = [field.strip() for field in line.split(",")]
            stream = int(fields[0])
            found.append(Frame(stream, float(int(fields[2]) * bases[stream]), int(fields[4]), fields[5]))
    return found


def hashes(list_of_frames, stream=0):
    return [frame.hash for frame in list_of_frames if frame.stream == stream]


def assert_run_of(part, whole, least, loops=False):
    """@part, hashes as received, must be a gapless run of @whole, which may start again at its end."""
    assert len(part) >= least, f"only {len(part)} frames, wanted {least}"
    ring = whole * (2 + len(part) // len(whole)) if loops else whole
    starts = [i for i, value in enumerate(ring) if value == part[0]]
    assert starts, f"the first of {len(part)} received frames is none of the source's {len(whole)}"
    best = 0
    for start in starts:
        same = 0
        while same < len(part) and start + same < len(ring) and ring[start + same] == part[same]:
            same += 1
        if same == len(part):
            return
        best = max(best, same)
    raise AssertionError(f"received frame {best} of {len(part)} differs from the source")


def assert_same_timing(part, whole, stream, tolerance=0.003):
    """Distances between presentation times are those of the source, but for one step: ffmpeg sets its clock right
    when the first sender report comes. The run is found by its first frame."""
    received = [f for f in part if f.stream == stream]
    source = [f for f in whole if f.stream == stream]
    start = [f.hash for f in source].index(received[0].hash)
    # ffmpeg leaves the first packet of a stream with B-frames without a time, and guesses the second's.
    offsets = [got.pts - want.pts for got, want in zip(received, source[start:])][3:]
    steps = [after - before for before, after in zip(offsets, offsets[1:]) if abs(after - before) > tolerance]
    assert len(steps) <= 1 and all(abs(step) < 0.1 for step in steps), f"presentation times jump by {steps} s"


def ffprobe(url, transport=None, limit=20):
    done = run(["ffprobe", "-loglevel", "error", *input_options(transport), "-show_streams", "-of", "json", url], limit)
    return json.loads(done.stdout)["streams"]


def publish(processes, path, url, transport="tcp", loop=True, options=("-c", "copy")):
    """ffmpeg sends a file, in real time."""
    return processes(["ffmpeg", "-nostdin", "-loglevel", "warning", "-re", *(["-stream_loop", "-1"] if loop else []),
                      "-i", path, "-map", "0", *options, "-f", "rtsp", "-rtsp_transport", transport, url])


def gst_read(url, protocols, output, media="video", depay="rtph264depay ! h264parse", buffers=50, limit=30, properties=()):
    """rtspsrc receives @buffers access units, written to @output."""
    command = ["gst-launch-1.0", "-q", "rtspsrc", f"location={url}", *([f"protocols={protocols}"] if protocols else []),
               "latency=200", *properties, "!", f"application/x-rtp,media={media}", "!", *depay.split(), "!", "identity",
               f"eos-after={buffers}", "!", "filesink", f"location={output}"]
    return run(command, limit)


def gst_publish(processes, url, protocols="tcp", source=None, properties=()):
    """rtspclientsink sends a live test picture, or the elements of @source."""
    source = source or ("videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! x264enc "
                        "tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=500")
    return processes(["gst-launch-1.0", "-q", *source.split(), "!", "rtspclientsink", f"location={url}",
                      f"protocols={protocols}", *properties])


# VLC refuses to run as root.
AS_SOMEBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []


def vlc_command(*arguments):
    return [*AS_SOMEBODY, "env", "HOME=/nonexistent", "cvlc", "--no-plugins-cache", "--no-media-library",
            "--no-interact", "-q", *arguments]


@functools.cache
def vlc_has_live555():
    """Debian builds VLC without it; without it VLC plays RTSP only as SAT>IP (MPEG-TS inside)."""
    return bool(glob.glob("/usr/lib/*/vlc/plugins/access/liblive555_plugin.so"))


def vlc_record(processes, url, output, *options):
    """VLC plays @url and writes what it gets to @output as MPEG-TS, until it is ended."""
    return processes(vlc_command(url, *options, "--sout", f"#std{{access=file,mux=ts,dst={output}}}", "vlc://quit"))


def wait_size(path, n_bytes, seconds=20):
    until(lambda: os.path.exists(path) and os.path.getsize(path) >= n_bytes, seconds, f"{n_bytes} bytes in {path}")
