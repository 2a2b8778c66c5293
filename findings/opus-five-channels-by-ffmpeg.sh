#!/usr/bin/env bash
# ffmpeg 7.0.2 and 9.0.2 (imageio-ffmpeg 0.6.0, 0.8.1), encoder libopus: the order of five and of seven channels.
#
# Expected: ffmpeg keeps the meaning of channels, so that 5.0 and 6.1 survive Opus as 5.1 and 7.1 do, and as they
#           survive Vorbis and FLAC.
# Happens:  5.0 comes back with the centre at the back and the backs in front, 6.1 with centre and sides exchanged. The
#           ENCODER is wrong: an Opus file that libsndfile 1.2.2 wrote in Opus' order (left, centre, right, back left,
#           back right) is decoded by the same ffmpeg correctly.
# Matters:  files made so exist, and whoever tests the channel order of a reader of Opus with five channels from ffmpeg
#           "mends" a reader that was right.
#
# Seen:
#   ffmpeg 7.0.2 5.0: channels come back as [0, 1, 3, 4, 2]
#   ffmpeg 7.0.2 5.1: channels come back as [0, 1, 2, 3, 4, 5]
#   ffmpeg 7.0.2 6.1: channels come back as [0, 1, 5, 3, 2, 4, 6]
#   ffmpeg 7.0.2 7.1: channels come back as [0, 1, 2, 3, 4, 5, 6, 7]
#   ffmpeg 7.0.2 decodes 5.0 written by libsndfile as [0, 1, 2, 3, 4]
#   ffmpeg 9.0.2 5.0: channels come back as [0, 1, 3, 4, 2]
#   ffmpeg 9.0.2 5.1: channels come back as [0, 1, 2, 3, 4, 5]
#   ffmpeg 9.0.2 6.1: channels come back as [0, 1, 5, 3, 2, 4, 6]
#   ffmpeg 9.0.2 7.1: channels come back as [0, 1, 2, 3, 4, 5, 6, 7]
#   ffmpeg 9.0.2 decodes 5.0 written by libsndfile as [0, 1, 2, 3, 4]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet soundfile==0.13.1 numpy==2.2.6
for version in 0.6.0 0.8.1; do
  "$work/venv/bin/pip" install --quiet --no-deps --target "$work/$version" "imageio-ffmpeg==$version"
done
cd "$work"
venv/bin/python - <<'PY'
import glob
import subprocess
import sys

import numpy as np
import soundfile as sf

RATE = 48000


def tones(channels):
    """Channel k holds 200 + 100 k Hz."""
    time = np.arange(2 * RATE) / RATE
    return np.stack([0.2 * np.sin(2 * np.pi * (200 + 100 * k) * time) for k in range(channels)], 1)


def decoded_order(program, path, channels):
    command = [program, "-v", "error", "-i", path, "-f", "f32le", "-"]
    samples = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "f4")
    spectra = np.abs(np.fft.rfft(samples.reshape(-1, channels)[:RATE], axis=0))
    return [round((int(bin) - 200) / 100) for bin in spectra.argmax(axis=0)]


wrong = {5: [0, 1, 3, 4, 2], 7: [0, 1, 5, 3, 2, 4, 6]}
ok = True
for package in ("0.6.0", "0.8.1"):
    program = glob.glob(f"{package}/imageio_ffmpeg/binaries/ffmpeg*")[0]
    banner = subprocess.run([program, "-version"], capture_output=True, text=True).stdout.split()[2]
    banner = banner.split("-")[0].lstrip("n")
    for layout, channels in (("5.0", 5), ("5.1", 6), ("6.1", 7), ("7.1", 8)):
        sf.write("in.wav", tones(channels), RATE, format="WAVEX")
        filters = ["-af", f"channelmap=channel_layout={layout}", "-c:a", "libopus", "-b:a", "768k"]
        subprocess.run([program, "-v", "error", "-y", "-i", "in.wav", *filters, "out.opus"], check=True)
        order = decoded_order(program, "out.opus", channels)
        print(f"ffmpeg {banner} {layout}: channels come back as {order}")
        ok &= order == wrong.get(channels, list(range(channels)))
    sf.write("sndfile.opus", tones(5)[:, [0, 2, 1, 3, 4]], RATE, format="OGG", subtype="OPUS")
    order = decoded_order(program, "sndfile.opus", 5)
    print(f"ffmpeg {banner} decodes 5.0 written by libsndfile as {order}")
    ok &= order == [0, 1, 2, 3, 4]
sys.exit(0 if ok else "behaviour has changed")
PY
