#!/usr/bin/env bash
# soundfile 0.13.1 (libsndfile 1.2.2), ffmpeg 7.0.2 (imageio-ffmpeg 0.6.0): a w64 file whose audio is filled up to 8 bytes.
#
# Expected: chunks of w64 begin at multiples of 8, so that up to 7 bytes may stand behind the audio; its length, which
#           the chunk states to the byte, does not count them.
# Happens:  soundfile gives them as audio: one frame of 16-bit stereo more, three of mono. ffmpeg does not. (Neither of
#           them writes such bytes.)
# Matters:  programs that keep to the format write them: a stem read by soundfile is then longer than its mixture, and
#           what compares lengths refuses the song.
#
# Seen:
#   a.w64      1 channels, 1001 frames: soundfile 1001, ffmpeg 1001
#   filled.w64 1 channels, 1001 frames: soundfile 1004, ffmpeg 1001
#   a.w64      2 channels, 1001 frames: soundfile 1001, ffmpeg 1001
#   filled.w64 2 channels, 1001 frames: soundfile 1002, ffmpeg 1001
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet soundfile==0.13.1 imageio-ffmpeg==0.6.0 numpy==2.2.6
cd "$work"
venv/bin/python - <<'PY'
import struct
import subprocess
import sys

import imageio_ffmpeg
import numpy as np
import soundfile as sf

wrong = 0
for channels, frames in ((1, 1001), (2, 1001)):
    sf.write("a.w64", np.full((frames, channels), 0.5), 44100, subtype="PCM_16")
    data = open("a.w64", "rb").read()
    filled = data + b"\0" * (-len(data) % 8)
    filled = filled[:16] + struct.pack("<q", len(filled)) + filled[24:]
    open("filled.w64", "wb").write(filled)
    for name in ("a.w64", "filled.w64"):
        raw = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", name, "-f", "s16le", "-"],
                             capture_output=True, check=True).stdout
        print(f"{name:10} {channels} channels, {frames} frames: soundfile {sf.info(name).frames}, "
              f"ffmpeg {len(raw) // (2 * channels)}")
    wrong += sf.info("filled.w64").frames > frames
sys.exit(wrong == 0)
PY
