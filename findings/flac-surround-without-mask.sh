#!/usr/bin/env bash
# ffmpeg 7.0.2 (imageio-ffmpeg 0.6.0) and 8.1.2 (PyAV 18.1.0): which speakers the channels of a FLAC file belong to.
#
# Expected: 5.1 with back speakers (mask 0x3f) goes through FLAC and comes back as 5.1 with back speakers, whoever
#           encodes it, just as six channels of a wav without a mask are taken for just that.
# Happens:  without the comment WAVEFORMATEXTENSIBLE_CHANNEL_MASK ffmpeg takes six channels for 5.1(side), 0x60f, and
#           five for 5.0(side), 0x607. Its own encoder writes that comment for back speakers, libsndfile (soundfile
#           0.14.0) does not. FLAC's format (RFC 9639) leaves it open: "back/surround".
# Matters:  samples and their order stay right, names do not: a filter that takes BL out of such a file gives SILENCE,
#           without a warning, and stems in wav and a mixture in FLAC of one song differ in layout.
#
# Seen:
#   5.1 wav:                    layout 5.1       back to wav: mask  0x3f, BL's peak 0.2
#   5.1 flac by ffmpeg:         layout 5.1       back to wav: mask  0x3f, BL's peak 0.2
#   5.1 flac by libsndfile:     layout 5.1(side) back to wav: mask 0x60f, BL's peak 0.0
#   5.0 wav:                    layout 5.0       back to wav: mask  0x37, BL's peak 0.2
#   5.0 flac by ffmpeg:         layout 5.0       back to wav: mask  0x37, BL's peak 0.2
#   5.0 flac by libsndfile:     layout 5.0(side) back to wav: mask 0x607, BL's peak 0.0
#   wav of 6 channels without a mask, flac by ffmpeg: layout 5.1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet soundfile==0.14.0 av==18.1.0 imageio-ffmpeg==0.6.0 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import struct
import subprocess
import sys

import av
import imageio_ffmpeg
import numpy as np
import soundfile as sf

RATE = 48000


def ffmpeg(source, *options):
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", source, *options], check=True)


def layout(path):
    with av.open(path) as file:
        return file.streams.audio[0].layout.name


def mask_of_wav(path):
    with open(path, "rb") as file:
        return hex(struct.unpack_from("<I", file.read(44), 40)[0])


ok = True
for name, mask, side_mask in (("5.1", "0x3f", "0x60f"), ("5.0", "0x37", "0x607")):
    channels = {"5.1": 6, "5.0": 5}[name]
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, (RATE, channels))
    sf.write("plain.wav", noise, RATE, format="WAVEX")
    ffmpeg("plain.wav", "-af", "channelmap=channel_layout=" + name, "song.wav")
    ffmpeg("song.wav", "ffmpeg.flac")
    sf.write("libsndfile.flac", *sf.read("song.wav"))
    for path, what, right in (
        ("song.wav", "wav:", (name, mask, 0.2)),
        ("ffmpeg.flac", "flac by ffmpeg:", (name, mask, 0.2)),
        ("libsndfile.flac", "flac by libsndfile:", (name + "(side)", side_mask, 0.0)),
    ):
        ffmpeg(path, "back.wav")
        ffmpeg(path, "-af", "pan=mono|c0=BL", "left.wav")
        found = layout(path), mask_of_wav("back.wav"), round(float(np.abs(sf.read("left.wav")[0]).max()), 1)
        print(f"{name} {what:23} layout {found[0]:9} back to wav: mask {found[1]:>5}, BL's peak {found[2]}")
        ok &= found == right
sf.write("plain.wav", np.zeros((RATE, 6)), RATE)
ffmpeg("plain.wav", "plain.flac")
print("wav of 6 channels without a mask, flac by ffmpeg: layout", layout("plain.flac"))
ok &= layout("plain.flac") == "5.1"
sys.exit(0 if ok else "behaviour has changed")
PY
