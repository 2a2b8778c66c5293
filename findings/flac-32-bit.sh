#!/usr/bin/env bash
# pedalboard 0.9.26, sphn 0.2.1, miniaudio 1.71, soundfile 0.13.1, PyAV 18.1.0: FLAC with 32 bits a sample.
#
# Expected: FLAC goes up to 32 bits (RFC 9639); a decoder that knows 24 only refuses the file.
# Happens:  pedalboard opens it, states the right length, and gives nothing but zeros. miniaudio gives no frames at all
#           and no error. sphn and soundfile refuse it, PyAV reads it.
# Matters:  a stem that is silent by mistake is a valid training example: a model learns that there are no drums.
#
# Seen:
#   24.flac PyAV (44100, 0.3)
#   24.flac soundfile (44100, 0.3)
#   24.flac sphn (44100, 0.3)
#   24.flac miniaudio (44100, 0.3)
#   24.flac pedalboard (44100, 0.3)
#   32.flac PyAV (44100, 0.3)
#   32.flac soundfile refused: LibsndfileError
#   32.flac sphn refused: ValueError
#   32.flac miniaudio (0, None)
#   32.flac pedalboard (44100, 0.0)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet pedalboard==0.9.26 sphn==0.2.1 miniaudio==1.71 soundfile==0.13.1 av==18.1.0 \
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

noise = np.random.default_rng(0).uniform(-0.3, 0.3, 44100)
sf.write("noise.wav", noise, 44100, subtype="PCM_32")
for name, options in (("24", ["-sample_fmt", "s32"]), ("32", ["-sample_fmt", "s32", "-strict", "-2"])):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", "noise.wav", "-c:a", "flac"]
    subprocess.run([*command, *options, f"{name}.flac"], check=True)


def by_pedalboard(path):
    with pedalboard.io.AudioFile(path) as file:
        return file.read(file.frames)[0]


def by_pyav(path):
    with av.open(path) as file:
        frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
    return np.concatenate(frames, axis=1)[0] / 2**31


def by_miniaudio(path):
    return np.asarray(miniaudio.decode_file(path, miniaudio.SampleFormat.FLOAT32, 1, 44100).samples)


decoders = {
    "PyAV": by_pyav,
    "soundfile": lambda path: sf.read(path)[0],
    "sphn": lambda path: sphn.read(path)[0][0],
    "miniaudio": by_miniaudio,
    "pedalboard": by_pedalboard,
}
found = {}
for path in ("24.flac", "32.flac"):
    for name, decode in decoders.items():
        try:
            samples = decode(path)
            peak = float(np.abs(samples).max()) if len(samples) else None
            result = (len(samples), peak and round(peak, 3))
        except Exception as error:
            result = "refused: " + type(error).__name__
        found[path, name] = result
        print(path, name, result)
right = (44100, 0.3)
ok = all(found["24.flac", name] == right for name in decoders) and found["32.flac", "PyAV"] == right
ok &= all("refused" in found["32.flac", name] for name in ("soundfile", "sphn"))
ok &= found["32.flac", "miniaudio"] == (0, None) and found["32.flac", "pedalboard"] == (44100, 0.0)
sys.exit(0 if ok else "behaviour has changed")
PY
