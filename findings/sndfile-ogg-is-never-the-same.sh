#!/usr/bin/env bash
# soundfile 0.13.1 (libsndfile 1.2.2): Ogg/Vorbis and Ogg/Opus files.
#
# Expected: the same samples written twice with the same settings give the same bytes, as with WAV, FLAC and MP3.
# Happens:  every Ogg file differs from every other, and no setting of libsndfile changes that: each stream gets a random
#           serial number, which stands in every page, and so every page's checksum differs, too. All else is the same.
# Matters:  results cannot be compared or found again by a checksum of the file, copies of one song in a data set look
#           like two, and a server that makes files anew breaks ranges of downloads that began before. Compare decoded
#           samples, or give the pages a serial number of your own and compute their checksums again.
#
# Seen: bytes that differ between two writes, in pages; with serial numbers and checksums set to zero
#   WAV     0
#   FLAC    0
#   MP3     0
#   VORBIS  some in every page; then 0
#   OPUS    some in every page; then 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet soundfile==0.13.1 numpy==2.2.6
cd "$work"
cat >write.py <<'PY'
import sys

import numpy as np
import soundfile

song = 0.1 * np.random.default_rng(0).standard_normal((96000, 2)).astype("f4")
for kind, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", None), ("VORBIS", "VORBIS"), ("OPUS", "OPUS")):
    soundfile.write(f"{sys.argv[1]}.{kind}", song, 48000, subtype, format="OGG" if kind in ("VORBIS", "OPUS") else kind)
PY
venv/bin/python write.py one
venv/bin/python write.py two
venv/bin/python - <<'PY'
import sys


def pages(data):
    """Begins of the pages of an Ogg file."""
    begins, at = [], 0
    while at < len(data):
        assert data[at:at + 4] == b"OggS"
        begins.append(at)
        segments = data[at + 26]
        at += 27 + segments + sum(data[at + 27:at + 27 + segments])
    return begins


def without_serial(data):
    data = bytearray(data)
    for page in pages(data):
        data[page + 14:page + 18] = data[page + 22:page + 26] = bytes(4)  # serial number; checksum
    return data


ok = True
for kind in ("WAV", "FLAC", "MP3", "VORBIS", "OPUS"):
    one, two = (open(f"{name}.{kind}", "rb").read() for name in ("one", "two"))
    if kind in ("VORBIS", "OPUS"):
        ends = pages(one)[1:] + [len(one)]
        differ = sum(one[a:b] != two[a:b] for a, b in zip(pages(one), ends))
        then = without_serial(one) == without_serial(two)
        print(f"{kind:7} {differ} of {len(ends)} pages differ; then {'0' if then else 'some'}")
        ok &= pages(one) == pages(two) and differ == len(ends) and then
    else:
        print(f"{kind:7} {'0' if one == two else 'some'}")
        ok &= one == two
sys.exit(0 if ok else "behaviour has changed")
PY
