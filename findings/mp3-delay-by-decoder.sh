#!/usr/bin/env bash
# pedalboard 0.9.26 and sphn 0.2.1 beside soundfile 0.13.1, miniaudio 1.71, PyAV 18.1.0: delay and padding of an mp3.
#
# Expected: LAME writes the encoder's delay and padding into the first frame of the file, all decoders of today take
#           both out, and decoded mp3 is as long as what was encoded and in step with it.
# Happens:  pedalboard and sphn leave both in: 1713 frames more than the others, everything 1105 frames (25 ms) late.
#           sphn leaves the padding at the end of Ogg Vorbis in as well, which pedalboard does not.
# Matters:  a mixture read by one of them and stems or estimates read by another are shifted against each other; a
#           subtraction (the accompaniment as mixture minus vocals) or an SDR over such a pair means nothing.
#
# Seen:
#   song.mp3 soundfile  frames too many:    0, late by    0 frames
#   song.mp3 miniaudio  frames too many:    0, late by    0 frames
#   song.mp3 PyAV       frames too many:    0, late by    0 frames
#   song.mp3 pedalboard frames too many: 1713, late by 1105 frames
#   song.mp3 sphn       frames too many: 1713, late by 1105 frames
#   song.ogg soundfile  frames too many:    0, late by    0 frames
#   song.ogg miniaudio  frames too many:    0, late by    0 frames
#   song.ogg PyAV       frames too many:    0, late by    0 frames
#   song.ogg pedalboard frames too many:    0, late by    0 frames
#   song.ogg sphn       frames too many:   49, late by    0 frames
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pedalboard==0.9.26 sphn==0.2.1 soundfile==0.13.1 miniaudio==1.71 av==18.1.0 \
  imageio-ffmpeg==0.6.0 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import subprocess
import sys

import av
import imageio_ffmpeg
import miniaudio
import numpy as np
import pedalboard.io
import soundfile as sf
import sphn

FRAMES = 220623
noise = np.random.default_rng(0).uniform(-0.3, 0.3, (FRAMES + 7, 1))
noise = (sum(noise[k : k + FRAMES] for k in range(8)) / 3).astype("f4")  # low-pass: mp3 keeps it
sf.write("song.wav", noise, 44100, subtype="FLOAT")
for options in (["-c:a", "libmp3lame", "-b:a", "320k", "song.mp3"], ["-c:a", "libvorbis", "song.ogg"]):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", "song.wav", *options]
    subprocess.run(command, check=True)


def by_pedalboard(path):
    with pedalboard.io.AudioFile(path) as file:
        return file.read(file.frames)[0]


def by_pyav(path):
    with av.open(path) as file:
        return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


def by_miniaudio(path):
    decoded = miniaudio.decode_file(path, miniaudio.SampleFormat.FLOAT32, 1, 44100)
    return np.asarray(decoded.samples)


decoders = {
    "soundfile": lambda path: sf.read(path, dtype="float32")[0],
    "miniaudio": by_miniaudio,
    "PyAV": by_pyav,
    "pedalboard": by_pedalboard,
    "sphn": lambda path: sphn.read(path)[0][0],
}
expected = {("pedalboard", "song.mp3"): (1713, 1105), ("sphn", "song.mp3"): (1713, 1105),
            ("sphn", "song.ogg"): (49, 0)}
ok = True
for path in ("song.mp3", "song.ogg"):
    for name, decode in decoders.items():
        samples = decode(path)
        match = np.correlate(samples[20000:34000], noise[22000:32000, 0])
        found = (len(samples) - FRAMES, int(match.argmax()) - 2000)
        print(f"{path} {name:10} frames too many: {found[0]:4}, late by {found[1]:4} frames")
        ok &= found == expected.get((name, path), (0, 0))
sys.exit(0 if ok else "behaviour has changed")
PY
