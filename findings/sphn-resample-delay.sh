#!/usr/bin/env bash
# sphn 0.2.1: sphn.resample() beside soxr 0.5.0.post1, resampy 0.4.3 and samplerate 0.2.4.
#
# Expected: resampling a whole array gives round(n · to / from) frames in which every sound stays where it was, and the
#           cheap converters of a library are merely rougher than the good ones.
# Happens:  sphn's result is some hundred frames too long and everything in it more than 10 ms late: the delay of its
#           filter is left in. samplerate's "linear" and "zero_order_hold" are late too, by 1 and by 1.5 input frames,
#           while its "sinc_*" are in place.
# Matters:  stems at 48 kHz brought to 44.1 kHz by one of these no longer add up to a mixture brought there by another.
#
# Seen:
#   44100 -> 48000 soxr HQ                    frames   +0, late by    0.000 input frames
#   44100 -> 48000 soxr QQ                    frames   +0, late by    0.000 input frames
#   44100 -> 48000 resampy                    frames   +0, late by   -0.000 input frames
#   44100 -> 48000 samplerate sinc_best       frames   +0, late by    0.000 input frames
#   44100 -> 48000 samplerate sinc_fastest    frames   +0, late by    0.000 input frames
#   44100 -> 48000 samplerate linear          frames   +0, late by    1.000 input frames
#   44100 -> 48000 samplerate zero_order_hold frames   +1, late by    1.500 input frames
#   44100 -> 48000 sphn                       frames +160, late by  514.000 input frames
#   48000 -> 44100 soxr HQ                    frames   +0, late by    0.000 input frames
#   48000 -> 44100 soxr QQ                    frames   +0, late by   -0.000 input frames
#   48000 -> 44100 resampy                    frames   +0, late by   -0.000 input frames
#   48000 -> 44100 samplerate sinc_best       frames   +0, late by   -0.000 input frames
#   48000 -> 44100 samplerate sinc_fastest    frames   -1, late by    0.000 input frames
#   48000 -> 44100 samplerate linear          frames   +0, late by    1.000 input frames
#   48000 -> 44100 samplerate zero_order_hold frames   +0, late by    1.500 input frames
#   48000 -> 44100 sphn                       frames +147, late by  560.000 input frames
#   44100 -> 16000 soxr HQ                    frames   +0, late by    0.000 input frames
#   44100 -> 16000 soxr QQ                    frames   +0, late by   -0.000 input frames
#   44100 -> 16000 resampy                    frames   +0, late by   -0.000 input frames
#   44100 -> 16000 samplerate sinc_best       frames   +0, late by    0.000 input frames
#   44100 -> 16000 samplerate sinc_fastest    frames   -1, late by    0.000 input frames
#   44100 -> 16000 samplerate linear          frames   +0, late by    1.000 input frames
#   44100 -> 16000 samplerate zero_order_hold frames   +0, late by    1.503 input frames
#   44100 -> 16000 sphn                       frames +320, late by  661.000 input frames
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet sphn==0.2.1 soxr==0.5.0.post1 resampy==0.4.3 samplerate==0.2.4 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import numpy as np
import resampy
import samplerate
import soxr
import sphn


def converters(bump, rate, to):
    yield "soxr HQ", soxr.resample(bump, rate, to)
    yield "soxr QQ", soxr.resample(bump, rate, to, quality="QQ")
    yield "resampy", resampy.resample(bump, rate, to)
    for kind in ("sinc_best", "sinc_fastest", "linear", "zero_order_hold"):
        yield "samplerate " + kind, samplerate.resample(bump, to / rate, kind)
    yield "sphn", sphn.resample(bump[None], rate, to)[0]


ok = True
for rate, to in ((44100, 48000), (48000, 44100), (44100, 16000)):
    frames, middle = rate, rate // 2
    bump = np.exp(-0.5 * ((np.arange(frames) - middle) / 40) ** 2).astype("f4")
    for name, result in converters(bump, rate, to):
        power = result.astype("f8") ** 2
        centre = (power * np.arange(len(power))).sum() / power.sum()
        late = centre * rate / to - middle
        print(f"{rate} -> {to} {name:26} frames {len(result) - to:+4}, late by {late:8.3f} input frames")
        if name == "sphn":
            ok &= len(result) - to > 100 and late > 400
        elif name.endswith("linear"):
            ok &= abs(late - 1) < 0.02
        elif name.endswith("hold"):
            ok &= abs(late - 1.5) < 0.02
        else:
            ok &= abs(late) < 0.02
sys.exit(0 if ok else "behaviour has changed")
PY
