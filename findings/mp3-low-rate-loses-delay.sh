#!/usr/bin/env bash
# soundfile 0.13.1 (libsndfile 1.2.2 with LAME), decoded by ffmpeg 7.0.2 (imageio-ffmpeg 0.6.0): mp3 of a constant rate.
#
# Expected: an mp3 tells its decoder how many samples the encoder put before and behind the audio (LAME's information
#           frame), whatever the bit rate: the audio comes back at its place, with its length.
# Happens:  below 56 kbit/s (mono at 44.1 kHz) of constant rate the information frame is left out, as it does not fit
#           into a frame of that rate. The audio comes back late by 1105 samples and with silence behind; no warning
#           anywhere. With variable or average rates of the same size the frame is there.
# Matters:  such rates are usual for voices, and soundfile's compression_level=1.0 with bitrate_mode="CONSTANT" is one:
#           a stem made that way is 25 ms late against its mixture.
#
# Seen:
#   320 kbit/s constant  100000 frames of 100000, late by 0
#   320 kbit/s average   100000 frames of 100000, late by 0
#   128 kbit/s constant  100000 frames of 100000, late by 0
#   128 kbit/s average   100000 frames of 100000, late by 0
#    64 kbit/s constant  100000 frames of 100000, late by 0
#    64 kbit/s average   100000 frames of 100000, late by 0
#    56 kbit/s constant  100000 frames of 100000, late by 0
#    56 kbit/s average   100000 frames of 100000, late by 0
#    48 kbit/s constant  101376 frames of 100000, late by 1105
#    48 kbit/s average   100000 frames of 100000, late by 0
#    40 kbit/s constant  101376 frames of 100000, late by 1105
#    40 kbit/s average   100000 frames of 100000, late by 0
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

RATE, FRAMES, ONSET = 44100, 100000, 20000
noise = np.convolve(np.random.default_rng(0).uniform(-0.5, 0.5, FRAMES), np.ones(16) / 4, "same")
noise[:ONSET] = 0
late = {}
for kbps in (320, 128, 64, 56, 48, 40):
    for mode in ("CONSTANT", "AVERAGE"):
        # The level is a point between 320 and 32 kbit/s.
        sf.write("a.mp3", noise, RATE, bitrate_mode=mode, compression_level=(320 - kbps) / 288)
        raw = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-i", "a.mp3", "-f", "f32le", "-"],
                             capture_output=True, check=True).stdout
        back = np.frombuffer(raw, "<f4")
        lags = range(-100, 2000)
        late[kbps, mode] = lags[int(np.argmax([np.dot(noise[ONSET - 2000:ONSET + 8000],
                                                      back[ONSET - 2000 + lag:ONSET + 8000 + lag]) for lag in lags]))]
        print(f"{kbps:4} kbit/s {mode.lower():9} {len(back)} frames of {FRAMES}, late by {late[kbps, mode]}")
sys.exit(not (late[64, "CONSTANT"] == 0 and late[48, "CONSTANT"] > 1000 and late[48, "AVERAGE"] == 0))
PY
