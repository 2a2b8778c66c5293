#!/usr/bin/env bash
# LAME 3.100 (lameenc 1.9.0, read by soundfile 0.13.1; also ffmpeg of imageio-ffmpeg 0.6.0): the level of mp3 files.
#
# Expected: a lossy format loses detail, not level: a tone comes back as loud as it went in, at every bit rate.
# Happens:  with constant bit rates LAME multiplies all samples by 0.95 up to 160 kbit/s, by 0.97 at 192 and by 0.98 at 224;
#           only from 256 on by 1. Below 32 kHz no bit rate is above 160, so that everything becomes 5 % quieter. It does so
#           whatever the level is, with no word in its interface; programs that use it, such as ffmpeg, do the same.
# Matters:  stems written as mp3 of 128 kbit/s no longer add up to the song, and a separator that is measured on them is
#           capped at 26 dB of SDR by the level alone (scale-invariant measures hide it). Pairs of mixtures and stems in mp3
#           of different bit rates do not belong together. Divide by these factors before encoding, or take 256 kbit/s.
#
# Seen: level that comes back of a tone of 0.5, as a share
#   lameenc, 44.1 kHz  128: 0.950  160: 0.950  192: 0.970  224: 0.980  256: 1.000  320: 1.000
#   lameenc, 16 kHz    64: 0.950  160: 0.950
#   ffmpeg, 44.1 kHz   128: 0.950  320: 1.000
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet lameenc==1.9.0 soundfile==0.13.1 numpy==2.2.6 imageio-ffmpeg==0.6.0
cd "$work"
venv/bin/python - <<'PY'
import io
import subprocess
import sys

import imageio_ffmpeg
import lameenc
import numpy as np
import soundfile


def tone(rate):
    return 0.5 * np.sin(2 * np.pi * 441 * np.arange(4 * rate) / rate)


def share(mp3):
    sound, _ = soundfile.read(io.BytesIO(mp3), always_2d=True)
    middle = sound[len(sound) // 4:3 * len(sound) // 4, 0]
    return float(np.sqrt(2 * np.mean(middle ** 2)) / 0.5)


def by_lameenc(rate, kbps):
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(kbps)
    encoder.set_in_sample_rate(rate)
    encoder.set_channels(1)
    encoder.silence()
    return bytes(encoder.encode((tone(rate) * 32767).round().astype("<i2").tobytes()) + encoder.flush())


def by_ffmpeg(rate, kbps):
    soundfile.write("tone.wav", tone(rate), rate)
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", "tone.wav", "-c:a", "libmp3lame", "-b:a", f"{kbps}k", "tone.mp3"],
                   check=True)
    return open("tone.mp3", "rb").read()


ok = True
for name, encode, rate, expected in (
        ("lameenc, 44.1 kHz", by_lameenc, 44100, {128: 0.95, 160: 0.95, 192: 0.97, 224: 0.98, 256: 1, 320: 1}),
        ("lameenc, 16 kHz", by_lameenc, 16000, {64: 0.95, 160: 0.95}),
        ("ffmpeg, 44.1 kHz", by_ffmpeg, 44100, {128: 0.95, 320: 1})):
    shares = {kbps: share(encode(rate, kbps)) for kbps in expected}
    print(f"{name:18}", "  ".join(f"{kbps}: {value:.3f}" for kbps, value in shares.items()))
    ok &= all(abs(shares[kbps] - value) < 0.003 for kbps, value in expected.items())
sys.exit(0 if ok else "behaviour has changed")
PY
