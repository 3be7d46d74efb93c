# SPDX-License-Identifier: Apache-2.0
"""Small media files, made by ffmpeg when a test first asks for one and shared by all test processes of a run."""

import fcntl
import os
import subprocess

SECONDS = 5
VIDEO = ["-f", "lavfi", "-i", f"testsrc2=size=320x240:rate=25:duration={SECONDS}"]
AUDIO = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={SECONDS}"]
VOICE = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=8000:duration={SECONDS}"]
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "25", "-b:v", "500k"]
STILL = ["-frames:v", str(SECONDS * 25), "-g", "25", "-b:v", "500k", "-pix_fmt", "yuv420p"]

RECIPES = {
    "h264.mp4": [*VIDEO, *X264, "-bf", "0"],
    "h264-long.mp4": ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=40", *X264, "-bf", "0"],
    "h264-long.ts": ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=40", *X264, "-bf", "0"],
    "h264-aac.mp4": [*VIDEO, *AUDIO, *X264, "-bf", "2", "-profile:v", "main", "-c:a", "aac", "-b:a", "64k"],
    "h264-2m.mp4": ["-f", "lavfi", "-i", f"testsrc2=size=640x360:rate=30:duration={SECONDS}", *X264[:-2], "-bf", "0", "-b:v",
                    "2M", "-minrate", "2M", "-maxrate", "2M", "-bufsize", "1M", "-x264-params", "nal-hrd=cbr"],
    "h264-opus.mkv": [*VIDEO, *AUDIO, *X264, "-bf", "0", "-c:a", "libopus", "-b:a", "48k"],
    "h265-opus.mkv": [*VIDEO, *AUDIO, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
                      "keyint=25:log-level=error", *STILL, "-c:a", "libopus", "-b:a", "48k"],
    "vp8.mkv": [*VIDEO, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", *STILL],
    "vp9.mkv": [*VIDEO, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", *STILL],
    "mpeg4.mp4": [*VIDEO, "-c:v", "mpeg4", *STILL],
    "mjpeg.mkv": [*VIDEO, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "6", "-huffman", "default"],
    "mp3.mp3": [*AUDIO, "-c:a", "libmp3lame", "-b:a", "64k"],
    "ac3.mkv": [*AUDIO, "-c:a", "ac3", "-b:a", "96k"],
    "pcmu.nut": [*VOICE, "-c:a", "pcm_mulaw"],
    "pcma.nut": [*VOICE, "-c:a", "pcm_alaw"],
    "g722.nut": [*AUDIO, "-ar", "16000", "-c:a", "g722"],
    "l16.nut": [*AUDIO, "-c:a", "pcm_s16be"],
    "h264.h264": [*VIDEO, *X264, "-bf", "0", "-x264-params", "sliced-threads=0:slices=1"],
    "h264-aac.ts": [*VIDEO, *AUDIO, *X264, "-bf", "0", "-c:a", "aac", "-b:a", "64k"],
}


class Media:
    def __init__(self, folder):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)

    def path(self, name):
        """The file of that recipe."""
        path = os.path.join(self.folder, name)
        with open(path + ".lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(path):
                part = os.path.join(self.folder, "part-" + name)
                subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", *RECIPES[name], part], check=True,
                               timeout=180)
                os.rename(part, path)
        return path

    def certificate(self):
        """A self-signed certificate for localhost, and its key."""
        certificate, key = os.path.join(self.folder, "certificate.pem"), os.path.join(self.folder, "key.pem")
        with open(certificate + ".lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(certificate):
                subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                                "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                                "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60)
        return certificate, key


def shared_file(name):
    """A real film outside the project, for those who have some; None when there is none."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in (os.environ.get("SLUICE_SHARED_MEDIA"), os.path.join(here, "..", "..", "..", "shared", "media"),
                   os.path.join(here, "..", "..", "shared", "media")):
        if folder and os.path.exists(os.path.join(folder, name)):
            return os.path.abspath(os.path.join(folder, name))
    return None
