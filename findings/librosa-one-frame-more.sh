#!/usr/bin/env bash
# librosa 0.11.0: the length of librosa.resample() beside that of soxr 0.5.0.post1, which it calls.
#
# Expected: the documentation says ceil(n · to / from); one second at 44.1 kHz is then 48 000 frames at 48 kHz, as
#           exactly divisible lengths need no rounding.
# Happens:  the ratio is rounded before it is multiplied, so the product lies a little above the whole number and ceil
#           adds one frame: 44 100 frames become 48 001, the last of them an added zero. It happens for one direction
#           and not for the other, and for some lengths only.
# Matters:  stems cut to whole seconds and a mixture resampled elsewhere differ in length by one frame; stacking them
#           fails, or a reader that compares lengths calls the song damaged.
#
# Seen:
#   44100 -> 48000: 15 of 20 whole numbers of seconds get one frame more, 15 of them a zero
#   48000 -> 44100:  0 of 20 whole numbers of seconds get one frame more, 0 of them a zero
#   44100 -> 32000:  0 of 20 whole numbers of seconds get one frame more, 0 of them a zero
#   44100 -> 16000:  0 of 20 whole numbers of seconds get one frame more, 0 of them a zero
#   96000 -> 44100:  0 of 20 whole numbers of seconds get one frame more, 0 of them a zero
#   44100 frames at 44.1 kHz -> 48001 frames at 48 kHz
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet librosa==0.11.0 soxr==0.5.0.post1 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import librosa
import numpy as np
import soxr

found = {}
for rate, to in ((44100, 48000), (48000, 44100), (44100, 32000), (44100, 16000), (96000, 44100)):
    longer, zeros = 0, 0
    for seconds in range(1, 21):
        noise = np.random.default_rng(0).uniform(-0.3, 0.3, rate * seconds).astype("f4")
        result = librosa.resample(noise, orig_sr=rate, target_sr=to, res_type="soxr_qq")
        direct = soxr.resample(noise, rate, to, quality="QQ")
        assert len(direct) == to * seconds
        longer += len(result) == to * seconds + 1
        zeros += len(result) == to * seconds + 1 and result[-1] == 0
    found[rate, to] = longer
    print(f"{rate} -> {to}: {longer:2} of 20 whole numbers of seconds get one frame more, {zeros} of them a zero")
one = librosa.resample(np.zeros(44100, "f4"), orig_sr=44100, target_sr=48000)
print("44100 frames at 44.1 kHz ->", len(one), "frames at 48 kHz")
ok = len(one) == 48001 and found[44100, 48000] > 0 and found[48000, 44100] == 0
sys.exit(0 if ok else "behaviour has changed")
PY
