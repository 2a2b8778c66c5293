#!/usr/bin/env bash
# soundfile 0.14.0 (its libsndfile 1.2.2), PyAV 18.1.0 (ffmpeg 8.1.2): wav, aiff, au whose length was never filled in,
# as a pipe, or a recorder that was switched off, leaves them.
#
# Expected: writers leave 0, 7FFFFFFF or FFFFFFFF there, and a reader takes all of them for "to the end of the file" in
#           every format, above all what its own library leaves.
# Happens:  libsndfile gives nothing, without an error, for a wav with 0 (but reads the wav that it leaves itself, whose
#           RIFF size is 8), for an au with 0 or 7FFFFFFF, and for an aiff or au that it leaves itself. An aiff of
#           zeros it reads. PyAV reads wav always, and refuses au with 0, and aiff with 0 or FFFFFFFF.
# Matters:  a recording that is all there counts as 0 seconds: it drops out of a data set, or becomes a silent stem.
#
# Seen: frames read, of 48000
#   libsndfile 1.2.2
#   wav  sizes 00000000    libsndfile     0, PyAV 48000
#   wav  sizes 7fffffff    libsndfile 48000, PyAV 48000
#   wav  sizes ffffffff    libsndfile 48000, PyAV 48000
#   wav  left by soundfile libsndfile 48000, PyAV 48000
#   aiff sizes 00000000    libsndfile 48000, PyAV refused
#   aiff sizes 7fffffff    libsndfile 48000, PyAV 48000
#   aiff sizes ffffffff    libsndfile 48000, PyAV refused
#   aiff left by soundfile libsndfile     0, PyAV 0
#   au   sizes 00000000    libsndfile     0, PyAV refused
#   au   sizes 7fffffff    libsndfile     0, PyAV 48000
#   au   sizes ffffffff    libsndfile 48000, PyAV 48000
#   au   left by soundfile libsndfile     0, PyAV refused
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

FRAMES = 48000
noise = np.random.default_rng(0).uniform(-0.3, 0.3, (FRAMES, 2))
SIZES = {"wav": (4, 40), "aiff": (4, 22, 42), "au": (8,)}  # where the format keeps its lengths


def unfinished(name, size):
    """A file of `name` with `size` in each of its lengths, or, without one, left by soundfile before it is closed."""
    path = "sound." + name
    file = sf.SoundFile(path, "w", 48000, 2, "PCM_16", format=name.upper())
    file.write(noise)
    if size is None:
        left = open(path, "rb").read()  # written, not closed
        file.close()
    else:
        file.close()
        left = bytearray(open(path, "rb").read())
        for at in SIZES[name]:
            left[at : at + 4] = bytes.fromhex(size)[:: -1 if name == "wav" else 1]
    open(path, "wb").write(left)
    return path


def by_pyav(path):
    try:
        with av.open(path) as file:
            return sum(frame.samples for frame in file.decode(audio=0))
    except (av.FFmpegError, OSError):
        return "refused"


print("libsndfile", sf.__libsndfile_version__)
whole, nothing, refused = (FRAMES, FRAMES), (0, 0), (0, "refused")
expected = {  # for sizes 0, 7FFFFFFF, FFFFFFFF and for what soundfile leaves
    "wav": [(0, FRAMES), whole, whole, whole],
    "aiff": [(FRAMES, "refused"), whole, (FRAMES, "refused"), nothing],
    "au": [refused, (0, FRAMES), whole, refused],
}
ok = True
for name in expected:
    for size, right in zip(("00000000", "7fffffff", "ffffffff", None), expected[name]):
        path = unfinished(name, size)
        found = len(sf.read(path)[0]), by_pyav(path)
        how = f"sizes {size}" if size else "left by soundfile"
        print(f"{name:4} {how:17} libsndfile {found[0]:5}, PyAV {found[1]}")
        ok &= found == right
sys.exit(0 if ok else "behaviour has changed")
PY
