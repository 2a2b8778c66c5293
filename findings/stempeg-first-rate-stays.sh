#!/usr/bin/env bash
# stempeg 0.2.6 (ffmpeg of the machine; seen with 5.1.9): write_stems(path, stems, sample_rate=…) of songs of different
# rates, one after the other.
#
# Expected: each file gets the rate that is given with its stems; the documentation says that without output_sample_rate
#           nothing is resampled.
# Happens:  the writer that is used when none is given is made once, with the module, and keeps the rate of the first song
#           of the program. All later songs are resampled to it, down as well as up, without a word. A StreamsWriter()
#           of one's own that is used for several songs does the same.
# Matters:  the order of a folder decides at which rate all of its songs are packed: behind a first song at 22.05 kHz a
#           data set loses everything above 11 kHz. Give a new StreamsWriter() for each file, or output_sample_rate.
#
# Seen: rates given, and those of the files that were written
#   no writer given:          22050, 44100, 48000 -> 22050, 22050, 22050
#   no writer given:          48000, 44100, 22050 -> 48000, 48000, 48000
#   one StreamsWriter() each: 22050, 44100, 48000 -> 22050, 44100, 48000
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ffmpeg -version | head -n 1 >&2 # any of the last years: this is not its doing
ffprobe -version >/dev/null
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet stempeg==0.2.6 numpy==1.26.4
cd "$work"
cat >write.py <<'PY'
import sys

import numpy as np
import stempeg

own, rates = sys.argv[1] == "own", [int(rate) for rate in sys.argv[2:]]
found = []
for rate in rates:
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
    stems = np.repeat(tone[None, :, None], 5, axis=0).repeat(2, axis=2).astype("f4")
    writer = {"writer": stempeg.StreamsWriter()} if own else {}
    stempeg.write_stems("song.stem.mp4", stems, sample_rate=rate, **writer)
    found.append(int(stempeg.Info("song.stem.mp4").sample_rate(0)))
label = "one StreamsWriter() each:" if own else "no writer given:"
print(f"{label:25}", ", ".join(map(str, rates)), "->", ", ".join(map(str, found)))
sys.exit(0 if found == (rates if own else rates[:1] * 3) else "behaviour has changed")
PY
venv/bin/python -W ignore write.py none 22050 44100 48000
venv/bin/python -W ignore write.py none 48000 44100 22050
venv/bin/python -W ignore write.py own 22050 44100 48000
