#!/usr/bin/env bash
# museval 0.4.1: which estimate eval_dir compares with which reference.
#
# Expected: eval_dir(references, estimates) compares files of the same name, as its documentation asks for.
# Happens:  it lists both folders and compares the first file with the first, the second with the second …, in the order
#           in which the file system lists them. Nothing sorts, and no name is looked at but for the label. On a tmpfs
#           (newest first), and on others that list by creation, estimates that were written in another order than the
#           references are compared with the wrong stems; so is everything where the reference folder holds a mixture.
# Matters:  figures of good estimates turn negative, or, with some stems in their right places, merely too low, with
#           no warning. What is evaluated in one place and repeated in another need not agree.
#
# Seen (tmpfs; estimates are the references at 0.9 of their level, 20 dB):
#   references listed as ['vocals.wav', 'drums.wav', 'bass.wav'], estimates as ['bass.wav', 'drums.wav', 'vocals.wav']
#   SDR {'bass.wav': -2.6, 'drums.wav': 20.0, 'vocals.wav': -2.6}
set -euo pipefail
work=$(mktemp -d)
memory=$(mktemp -d -p /dev/shm)  # a tmpfs on any Linux
trap 'rm -rf "$work" "$memory"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet museval==0.4.1 musdb==0.4.3 stempeg==0.2.6 numpy==1.26.4 scipy==1.11.4 pandas==2.2.3
cd "$memory"
"$work/venv/bin/python" -W ignore - <<'PY'
import os
import sys

import museval
import numpy as np
import soundfile

RATE = 8000
rng = np.random.default_rng(0)
stems = {name: 0.1 * rng.standard_normal((2 * RATE, 2)) for name in ("bass", "drums", "vocals")}
for folder, names, gain in (("references", ["bass", "drums", "vocals"], 1), ("estimates", ["vocals", "drums", "bass"], 0.9)):
    os.mkdir(folder)
    for name in names:
        soundfile.write(f"{folder}/{name}.wav", gain * stems[name], RATE)
print(f"references listed as {os.listdir('references')}, estimates as {os.listdir('estimates')}")
scores = museval.eval_dir("references", "estimates").scores
sdr = {target["name"]: round(float(np.median([float(f["metrics"]["SDR"]) for f in target["frames"]])), 1)
       for target in scores["targets"]}
print("SDR", sdr)
if os.listdir("references") == os.listdir("estimates"):
    sys.exit("this file system lists both folders alike: nothing was tried")
if min(sdr.values()) > 19:
    sys.exit("museval now compares files by name")
PY
