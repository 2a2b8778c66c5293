#!/usr/bin/env bash
# museval 0.4.1: what a gap in one second of an estimate does to the figures of the other seconds.
#
# Expected: ISR, SIR and SAR are given per second; a second in which the estimate is as good as before keeps its
#           figures.
# Happens:  one silent second out of three takes the ISR of the OTHER seconds from 41 to 9 dB, their SIR from 41 to 24
#           and their SAR from 20 to 6; their SDR stays to a hundredth of a dB. The distortion filters are fitted once
#           to the whole song.
# Matters:  medians over frames, meant to be proof against a few bad seconds, are not so for ISR, SIR and SAR, and two
#           programs that evaluate songs in pieces of different length cannot agree on them. SDR can be compared.
#
# Seen:
#   SDR of the first and the last second: [19.97 19.99], with a gap in the second: [19.97 19.99]
#   ISR of the first and the last second: [41.19 41.18], with a gap in the second: [9.48 9.48]
#   SIR of the first and the last second: [40.96 41.02], with a gap in the second: [24.06 24.06]
#   SAR of the first and the last second: [20.04 20.05], with a gap in the second: [5.68 5.65]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet museval==0.4.1 musdb==0.4.3 stempeg==0.2.6 numpy==1.26.4 scipy==1.11.4 pandas==2.2.3
cd "$work"
venv/bin/python -W ignore - <<'PY'
import sys

import museval
import numpy as np

RATE = 44100
rng = np.random.default_rng(0)
references = rng.standard_normal((2, 3 * RATE, 2))
whole = references + 0.1 * rng.standard_normal(references.shape)
gap = whole.copy()
gap[1, RATE : 2 * RATE] = 0

before = museval.evaluate(references, whole, win=RATE, hop=RATE)
after = museval.evaluate(references, gap, win=RATE, hop=RATE)
change = {}
for name, old, new in zip(("SDR", "ISR", "SIR", "SAR"), before, after):
    old, new = old[1, [0, 2]], new[1, [0, 2]]
    change[name] = float((new - old).max())
    print(f"{name} of the first and the last second: {old.round(2)}, with a gap in the second: {new.round(2)}")
ok = abs(change["SDR"]) < 0.01 and change["ISR"] < -25 and change["SIR"] < -10
sys.exit(0 if ok else "behaviour has changed")
PY
