#!/usr/bin/env bash
# soundfile 0.14.0 (its libsndfile 1.2.2) and PyAV 18.1.0 (ffmpeg 8.1.2): `cat a.ogg b.ogg`, the same with Opus and mp3.
#
# Expected: joined Ogg files are one valid file ("chained", RFC 3533), joined mp3 files are an old habit, and a library
#           reads a file to its end or says that more follows.
# Happens:  libsndfile states and gives the length of the first part. Nothing is raised; only for mp3 the mpg123 in it
#           prints a warning on stderr, which speaks of seeking. PyAV reads both parts of all three. In mp3 it adds both
#           paddings, the second part's delay and its information frame (3627 frames here), in Vorbis 128 frames.
# Matters:  radio streams, live sets and discs ripped in parts are such files. A separated song, or a stem of a training
#           set, ends in the middle, and two decoders disagree about the length of one mixture.
#
# Seen:
#   libsndfile 1.2.2
#   ogg  parts of 220500 and 110000 frames, joined: libsndfile 220500 stated, 220500 read, PyAV 330628
#   opus parts of 220500 and 110000 frames, joined: libsndfile 220500 stated, 220500 read, PyAV 330500
#   mp3  parts of 220500 and 110000 frames, joined: libsndfile 220500 stated, 220500 read, PyAV 334127
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet soundfile==0.14.0 av==18.1.0 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import struct
import sys

import av
import numpy as np
import soundfile as sf

PARTS = (220500, 110000)
SUM = sum(PARTS)
RATE = 48000


def by_pyav(path):
    with av.open(path) as file:
        return sum(frame.samples for frame in file.decode(audio=0))


def serial(data):
    """The number of the first stream of an Ogg file; two streams of one file may not share theirs."""
    return struct.unpack_from("<I", data, 14)[0]


print("libsndfile", sf.__libsndfile_version__)
ok = True
for name, container, codec in (("ogg", "OGG", "VORBIS"), ("opus", "OGG", "OPUS"), ("mp3", "MP3", "MPEG_LAYER_III")):
    files = []
    for k, frames in enumerate(PARTS):
        path = f"{k}.{name}"
        noise = np.random.default_rng(k).uniform(-0.3, 0.3, frames)
        sf.write(path, noise, RATE, format=container, subtype=codec)
        ok &= sf.info(path).frames == by_pyav(path) == frames
        files.append(open(path, "rb").read())
    assert container == "MP3" or serial(files[0]) != serial(files[1])
    path = "joined." + name
    with open(path, "wb") as joined:
        joined.write(b"".join(files))
    with sf.SoundFile(path) as file:
        stated = file.frames
        read = len(file.read(stated))
    whole = by_pyav(path)
    print(f"{name:4} parts of {PARTS[0]} and {PARTS[1]} frames, joined: libsndfile {stated} stated, {read} read,"
          f" PyAV {whole}")
    ok &= stated == read == PARTS[0] and SUM <= whole < SUM + 4000
sys.exit(0 if ok else "behaviour has changed")
PY
