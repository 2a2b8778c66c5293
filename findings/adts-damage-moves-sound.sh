#!/usr/bin/env bash
# PyAV 18.1.0 (ffmpeg 8.1.2): an AAC file (adts) with one wrong byte in the middle, in the header of one block.
#
# Expected: what is behind the damage stays where it was, or something tells of the gap: an error or a warning, a
#           corrupt packet or frame, a jump in the times or in the packets' places in the file.
# Happens:  the block is passed over without a word. Times go on without a jump, and so do the places, which are no
#           longer those in the file; all sound behind it is one block (1024 frames) early.
# Matters:  a mixture in .aac and its stems are out of step by 23 ms from there on, and only the sizes of the packets,
#           added up and held against the file's, show it.
#
# The file is damaged on purpose, as a bad disc or a stream that lost something does it.
#
# Seen:
#   whole:   217 packets of 45031 in 45031 bytes, jumps: time 0, place 0; corrupt 0, messages 0; early by    0 frames
#   damaged: 216 packets of 44828 in 45031 bytes, jumps: time 0, place 0; corrupt 0, messages 0; early by 1024 frames
#   the packet behind the damage says that it is at byte 20846; it is at 21049
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet av==18.1.0 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import sys

import av
import av.logging
import numpy as np

FRAMES, BLOCK = 220500, 100
noise = np.random.default_rng(0).uniform(-0.3, 0.3, FRAMES + 7)
noise = np.convolve(noise, np.ones(8) / 3, "valid").astype("f4")[None]  # low-pass: AAC keeps it
with av.open("whole.aac", "w", format="adts") as file:
    stream = file.add_stream("aac", rate=44100, layout="mono")
    stream.bit_rate = 69000
    frame = av.AudioFrame.from_ndarray(noise, "fltp", "mono")
    frame.sample_rate = 44100
    for part in (frame, None):
        file.mux(stream.encode(part))


def read(path):
    """The packets, the sound, and how many things tell of damage."""
    with av.logging.Capture(local=False) as messages, av.open(path) as file:
        packets = [packet for packet in file.demux(audio=0) if packet.size]
        frames = [frame for packet in packets for frame in packet.decode()]
    pairs = list(zip(packets, packets[1:]))
    times = sum(b.pts - a.pts != a.duration for a, b in pairs)
    places = sum(b.pos - a.pos != a.size for a, b in pairs)
    corrupt = sum(part.is_corrupt for part in packets + frames)
    messages = [text for _, _, text in messages if "Estimating duration" not in text]  # said of any adts file
    sound = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return packets, sound, (times, places, corrupt, len(messages))


av.logging.set_level(av.logging.WARNING)
whole = read("whole.aac")
data = bytearray(open("whole.aac", "rb").read())
data[whole[0][BLOCK].pos] = 0
open("damaged.aac", "wb").write(data)
damaged = read("damaged.aac")
ok = True
for name, (packets, sound, signs), expected in (("whole", whole, 0), ("damaged", damaged, 1024)):
    excerpt = sound[150000:160000]
    early = int(np.correlate(whole[1][148000:162000], excerpt).argmax()) - 2000
    print(f"{name + ':':8} {len(packets)} packets of {sum(p.size for p in packets)} in {len(data)} bytes,"
          f" jumps: time {signs[0]}, place {signs[1]}; corrupt {signs[2]}, messages {signs[3]}; early by {early:4} frames")
    ok &= early == expected and not any(signs)
behind = damaged[0][BLOCK]
real = data.find(bytes(behind))
print(f"the packet behind the damage says that it is at byte {behind.pos}; it is at {real}")
ok &= behind.pos < real
sys.exit(0 if ok else "behaviour has changed")
PY
