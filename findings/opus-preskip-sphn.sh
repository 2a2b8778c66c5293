#!/usr/bin/env bash
# sphn 0.2.1 (beside soundfile 0.13.1 and PyAV 18.1.0): Opus files that it writes and reads.
#
# Expected: the header of an Opus file says how many frames at its start are the codec's run-in ("pre-skip"); a writer
#           puts in what its encoder needs, a reader leaves them out, and write followed by read keeps everything in
#           place.
# Happens:  write_opus announces 3840 frames where its encoder needs 312: other readers drop 73 ms of real sound, and
#           the file is 3840 frames short for them. read_opus leaves nothing out, so that sphn's own files come back 6.5
#           ms late and Opus from elsewhere late and too long.
# Matters:  a data set packed with sphn trains unnoticed with sphn and is out of step with its other stems everywhere
#           else.
#
# Seen:
#   sphn.opus      (pre-skip 3840) read by sphn     : frames 96000, late by 311
#   sphn.opus      (pre-skip 3840) read by soundfile: frames 92160, late by -3529
#   sphn.opus      (pre-skip 3840) read by PyAV     : frames 92160, late by -3528
#   soundfile.opus (pre-skip  312) read by sphn     : frames 96480, late by 312
#   soundfile.opus (pre-skip  312) read by soundfile: frames 96000, late by 0
#   soundfile.opus (pre-skip  312) read by PyAV     : frames 96000, late by 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet sphn==0.2.1 soundfile==0.13.1 av==18.1.0 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import av
import numpy as np
import soundfile as sf
import sphn

FRAMES = 96000
noise = np.random.default_rng(0).uniform(-0.3, 0.3, FRAMES + 7)
noise = (sum(noise[k : k + FRAMES] for k in range(8)) / 3).astype("f4")
sphn.write_opus("sphn.opus", noise, 48000)
sf.write("soundfile.opus", noise, 48000, format="OGG", subtype="OPUS")


def by_pyav(path):
    with av.open(path) as file:
        return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


readers = {
    "sphn": lambda path: sphn.read_opus(path)[0][0],
    "soundfile": lambda path: sf.read(path, dtype="float32")[0],
    "PyAV": by_pyav,
}
found = {}
for path in ("sphn.opus", "soundfile.opus"):
    skip = int.from_bytes(open(path, "rb").read()[38:40], "little")
    for name, read in readers.items():
        samples = read(path)
        match = np.correlate(samples[26000:46000], noise[30000:40000])
        late = int(match.argmax()) - 4000
        found[path, name] = (len(samples) - FRAMES, late)
        print(f"{path:14} (pre-skip {skip:4}) read by {name:9}: frames {len(samples)}, late by {late}")
ok = (
    found["soundfile.opus", "soundfile"] == found["soundfile.opus", "PyAV"] == (0, 0)
    and found["soundfile.opus", "sphn"][0] > 0
    and all(300 < found[path, "sphn"][1] < 330 for path in ("sphn.opus", "soundfile.opus"))
    and found["sphn.opus", "soundfile"][0] == -3840
    and all(-3550 < found["sphn.opus", name][1] < -3500 for name in ("soundfile", "PyAV"))
)
sys.exit(0 if ok else "behaviour has changed")
PY
