#!/usr/bin/env bash
# ffmpeg 7.0.2 (imageio-ffmpeg 0.6.0), soundfile 0.13.1: three channels without a channel mask, as AAC.
#
# Expected: three channels come out of a good bit rate as they went in, all three alike; left, right and centre are the
#           first guess.
# Happens:  ffmpeg takes three channels for 2.1 (four for 4.0, five for 5.0, six for 5.1), and the AAC encoder keeps of
#           the third what a bass loudspeaker plays: the rest is gone, without a warning. In Vorbis it stays.
# Matters:  a wav of three channels that soundfile wrote says nothing of speakers. A vocal or an overhead on the third
#           channel of a stem is almost lost on the way through .m4a or .stem.mp4; who encodes with libav must set the
#           layout (3.0) and not leave it to av_channel_layout_default.
#
# Seen: level of each channel after the codec, in dB
#   -c:a aac -b:a 384k                                -0.2   -0.2  -19.4
#   -c:a libvorbis -q:a 8                             -0.3   -0.3   -0.3
#   -af channelmap=0|1|2:3.0 -c:a aac -b:a 384k       -0.1   -0.1   -0.2
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet soundfile==0.13.1 imageio-ffmpeg==0.6.0 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import subprocess
import sys

import imageio_ffmpeg
import numpy as np
import soundfile as sf

RATE = 44100
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
noise = np.random.default_rng(0).uniform(-0.3, 0.3, (4 * RATE, 3)).astype("float32")
sf.write("three.wav", noise, RATE, subtype="FLOAT")


def levels(name, *options):
    subprocess.run([FFMPEG, "-v", "error", "-y", "-i", "three.wav", *options, name], check=True)
    raw = subprocess.run([FFMPEG, "-v", "error", "-i", name, "-f", "f32le", "-"], capture_output=True, check=True).stdout
    back = np.frombuffer(raw, "<f4").reshape(-1, 3)
    result = 20 * np.log10(np.sqrt(np.mean(back**2, axis=0) / np.mean(noise**2, axis=0)))
    print(f"{' '.join(options):47} " + " ".join(f"{level:6.1f}" for level in result))
    return result


as_it_comes = levels("guessed.m4a", "-c:a", "aac", "-b:a", "384k")
levels("guessed.ogg", "-c:a", "libvorbis", "-q:a", "8")
said = levels("said.m4a", "-af", "channelmap=0|1|2:3.0", "-c:a", "aac", "-b:a", "384k")
sys.exit(not (as_it_comes[2] < -15 and said[2] > -2))
PY
