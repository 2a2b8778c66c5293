#!/usr/bin/env bash
# soxr 1.1.0: resample() of 16-bit integers.
#
# Expected: as with its other types of samples (float32, float64, int32), silence stays silence, channels that are alike
#           stay alike, a constant stays constant, and to the rate that it has already a song is returned as it is.
# Happens:  for int16 alone noise is added before rounding (dither), other noise in each channel, and also where nothing
#           is to be resampled. Neither the documentation of the function nor an argument of it speaks of that.
# Matters:  digital silence in a stem becomes noise of ±1, so that whatever looks for silence by zeros (active stems of
#           a data set, gaps, a mono song stored as stereo) no longer finds it, and FLAC files grow. Convert to float32
#           first and round afterwards.
#
# Seen: 44.1 -> 48 kHz and 44.1 -> 44.1 kHz
#   int16    silence: 23 % not zero, 23 %; equal channels: 45 % differ, 40 %; returned as it is: no
#   int32    silence:  0 % not zero,  0 %; equal channels:  0 % differ,  0 %; returned as it is: yes
#   float32  silence:  0 % not zero,  0 %; equal channels:  0 % differ,  0 %; returned as it is: yes
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet soxr==1.1.0 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import numpy as np
import soxr

silence = np.zeros(44100, "i2")
song = np.random.default_rng(0).integers(-3000, 3000, 44100).astype("i2")
stereo = np.stack([song, song], 1)
seen = {}
for kind in ("int16", "int32", "float32"):
    sounds, unlike = [], []
    for rate in (48000, 44100):
        sounds.append(np.mean(soxr.resample(silence.astype(kind), 44100, rate) != 0))
        result = soxr.resample(stereo.astype(kind), 44100, rate)
        unlike.append(np.mean(result[:, 0] != result[:, 1]))
    same = np.array_equal(soxr.resample(stereo.astype(kind), 44100, 44100), stereo)
    print(f"{kind:8} silence: {100 * sounds[0]:2.0f} % not zero, {100 * sounds[1]:2.0f} %; equal channels:",
          f"{100 * unlike[0]:2.0f} % differ, {100 * unlike[1]:2.0f} %; returned as it is: {'yes' if same else 'no'}")
    seen[kind] = (min(sounds + unlike), max(sounds + unlike), same)
ok = seen["int16"][0] > 0.1 and not seen["int16"][2]
ok &= all(seen[kind][1] == 0 and seen[kind][2] for kind in ("int32", "float32"))
sys.exit(0 if ok else "behaviour has changed")
PY
