#!/usr/bin/env bash
# soundfile 0.14.0 (its libsndfile 1.2.2): float samples in a W64 file whose header is WAVEFORMATEXTENSIBLE.
#
# Expected: W64 takes over the format chunk of wav, and libsndfile reads the same chunk in a wav as float. ffmpeg writes
#           it in both for float samples of more than two channels or above 48 kHz.
# Happens:  in W64, 32-bit float is taken for 32-bit integers: samples are wrong without an error, nearly all of them
#           close to 0.48 or -0.52 by their sign. 64-bit float is refused. In wav the same header is read rightly.
# Matters:  W64 is what long recordings of many channels are kept in. A model is trained on, or separates, a crackle
#           whose peak and length look ordinary.
#
# Seen:
#   libsndfile 1.2.2; the first sample is -0.1170
#   wav 6 channels  48000 Hz pcm_f32le libsndfile FLOAT  -0.1170, PyAV -0.1170
#   w64 2 channels  48000 Hz pcm_f32le libsndfile FLOAT  -0.1170, PyAV -0.1170
#   w64 6 channels  48000 Hz pcm_f32le libsndfile PCM_32 -0.5161, PyAV -0.1170
#   w64 2 channels  96000 Hz pcm_f32le libsndfile PCM_32 -0.5161, PyAV -0.1170
#   w64 6 channels  48000 Hz pcm_f64le libsndfile refused, PyAV -0.1170
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet soundfile==0.14.0 av==18.1.0 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import av
import numpy as np
import soundfile as sf

FIRST = -0.117
LAYOUTS = {2: "stereo", 6: "5.1"}


def write(path, codec, channels, rate):
    kind, sample_format = {"pcm_f32le": ("f4", "flt"), "pcm_f64le": ("f8", "dbl")}[codec]
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 1024 * channels)).astype(kind)
    samples[0, 0] = FIRST
    with av.open(path, "w") as file:
        stream = file.add_stream(codec, rate=rate, layout=LAYOUTS[channels])
        frame = av.AudioFrame.from_ndarray(samples, sample_format, LAYOUTS[channels])
        frame.sample_rate = rate
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def by_libsndfile(path):
    try:
        return sf.info(path).subtype, round(float(sf.read(path)[0][0, 0]), 4)
    except sf.LibsndfileError:
        return "refused", None


def by_pyav(path):
    with av.open(path) as file:
        return round(float(next(file.decode(audio=0)).to_ndarray()[0, 0]), 4)


print(f"libsndfile {sf.__libsndfile_version__}; the first sample is {FIRST:.4f}")
integers = ("PCM_32", -0.5161)
ok = True
for container, channels, rate, codec, expected in (
    ("wav", 6, 48000, "pcm_f32le", ("FLOAT", FIRST)),
    ("w64", 2, 48000, "pcm_f32le", ("FLOAT", FIRST)),
    ("w64", 6, 48000, "pcm_f32le", integers),
    ("w64", 2, 96000, "pcm_f32le", integers),
    ("w64", 6, 48000, "pcm_f64le", ("refused", None)),
):
    path = "sound." + container
    write(path, codec, channels, rate)
    subtype, sample = by_libsndfile(path)
    right = by_pyav(path)
    shown = subtype if sample is None else f"{subtype:6} {sample:.4f}"
    print(f"{container} {channels} channels {rate:6} Hz {codec} libsndfile {shown}, PyAV {right:.4f}")
    ok &= (subtype, sample) == expected and right == FIRST
sys.exit(0 if ok else "behaviour has changed")
PY
