#!/usr/bin/env bash
# soundfile 0.14.0 (its libsndfile 1.2.2) beside PyAV 18.1.0 (ffmpeg 8.1.2): the order of channels in Ogg and in wav.
#
# Expected: a library that hides the format from its users hides the format's order of channels as well: the same sound
#           as wav, flac or Vorbis gives the same array.
# Happens:  libsndfile gives Vorbis and Opus in Xiph's order (5.1: left, centre, right, back left, back right, LFE) and
#           wav and flac in WAVE's (left, right, centre, LFE, back left, back right). It also writes what it is given
#           without reordering, so a test by libsndfile alone, out and in, sees nothing. PyAV gives WAVE's everywhere.
# Matters:  the first two channels are no stereo pair any more: a "stereo" cut takes left and centre, the LFE is
#           trained on as a back channel, and a wav turned into .ogg with it sounds wrong in every player.
#
# Seen: channel numbers in WAVE's order, 0 left, 1 right, 2 centre, and so on
#   libsndfile 1.2.2
#   3.0 wav  written by ffmpeg     read by libsndfile [0, 1, 2]           by PyAV [0, 1, 2]
#   3.0 flac written by ffmpeg     read by libsndfile [0, 1, 2]           by PyAV [0, 1, 2]
#   3.0 ogg  written by ffmpeg     read by libsndfile [0, 2, 1]           by PyAV [0, 1, 2]
#   3.0 opus written by ffmpeg     read by libsndfile [0, 2, 1]           by PyAV [0, 1, 2]
#   5.1 wav  written by ffmpeg     read by libsndfile [0, 1, 2, 3, 4, 5]  by PyAV [0, 1, 2, 3, 4, 5]
#   5.1 flac written by ffmpeg     read by libsndfile [0, 1, 2, 3, 4, 5]  by PyAV [0, 1, 2, 3, 4, 5]
#   5.1 ogg  written by ffmpeg     read by libsndfile [0, 2, 1, 4, 5, 3]  by PyAV [0, 1, 2, 3, 4, 5]
#   3.0 ogg  written by libsndfile read by libsndfile [0, 1, 2]           by PyAV [0, 2, 1]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet soundfile==0.14.0 av==18.1.0 imageio-ffmpeg==0.6.0 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import subprocess
import sys

import av
import imageio_ffmpeg
import numpy as np
import soundfile as sf

RATE = 48000
ENCODERS = {"wav": "pcm_s16le", "flac": "flac", "ogg": "libvorbis", "opus": "libopus"}


def tones(channels):
    """Channel k holds 200 + 100 k Hz."""
    time = np.arange(2 * RATE) / RATE
    return np.stack([0.2 * np.sin(2 * np.pi * (200 + 100 * k) * time) for k in range(channels)], 1)


def order(samples):
    bins = np.abs(np.fft.rfft(samples[:RATE], axis=0)).argmax(axis=0)
    return [round((int(bin) - 200) / 100) for bin in bins]


def by_pyav(path):
    planar = av.AudioResampler(format="fltp")
    with av.open(path) as file:
        parts = [part.to_ndarray() for frame in file.decode(audio=0) for part in planar.resample(frame)]
    return np.concatenate(parts, axis=1).T


print("libsndfile", sf.__libsndfile_version__)
ok = True
for layout, xiph, formats in (("3.0", [0, 2, 1], ENCODERS), ("5.1", [0, 2, 1, 4, 5, 3], ("wav", "flac", "ogg"))):
    wave = sorted(xiph)
    for name in formats:
        path = "sound." + name
        sf.write("in.wav", tones(len(wave)), RATE, format="WAVEX")
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", "in.wav", "-c:a", ENCODERS[name]]
        subprocess.run([*command, "-af", "channelmap=channel_layout=" + layout, path], check=True)
        found = order(sf.read(path, frames=RATE)[0]), order(by_pyav(path))
        print(f"{layout} {name:4} written by ffmpeg     read by libsndfile {found[0]!s:19} by PyAV {found[1]}")
        ok &= found == (wave if name in ("wav", "flac") else xiph, wave)
sf.write("own.ogg", tones(3), RATE)
found = order(sf.read("own.ogg", frames=RATE)[0]), order(by_pyav("own.ogg"))
print(f"3.0 ogg  written by libsndfile read by libsndfile {found[0]!s:19} by PyAV {found[1]}")
ok &= found == ([0, 1, 2], [0, 2, 1])
sys.exit(0 if ok else "behaviour has changed")
PY
