#!/usr/bin/env bash
# Chromium 153.0.8010.0 beside PyAV 18.1.0 (ffmpeg 8.1.2): where sound begins that decodeAudioData reads.
#
# Expected: decoders of Opus and Vorbis need a run-in that is no sound. The codec's header says how long it is, some
#           containers say so as well, and decodeAudioData leaves it out once: sound is in step in every container.
# Happens:  where ffmpeg 9 writes both, Chromium takes it out twice. Opus in .mp4 begins 312 frames (6.5 ms) early, Vorbis in
#           .webm 128 frames, and real sound at the start is gone. The same Opus packets in .opus and .webm, the same
#           Vorbis in .ogg, AAC in .m4a and mp3 are in step. PyAV gives all of them in step.
# Matters:  separation in the browser reads songs so. Its stems lie before the film or the stems of another program; a mixer
#           that is handed one stem as .mp4 and others as .opus plays them against each other, which combs what they
#           share.
#
# Seen: frames by which the sound lies too late, and frames more than were encoded
#   opus in opus    Chromium    0     0   PyAV    0     0
#   opus in webm    Chromium    0     0   PyAV    0     0
#   opus in mp4     Chromium -312   213   PyAV    0   525
#   vorbis in ogg   Chromium    0     0   PyAV    0     0
#   vorbis in webm  Chromium -128  -251   PyAV    0     0
#   aac in m4a      Chromium    0     0   PyAV    0   261
#   mp3 in mp3      Chromium    0     0   PyAV    0     0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet imageio-ffmpeg==0.8.1 av==18.1.0 numpy==2.2.6
cd "$work"
npm install --no-audit --no-fund --loglevel=error @sparticuz/chromium@153.0.0 playwright-core@1.65.1 >/dev/null
cat >decode.mjs <<'JS'
import fs from "fs";
import chromium from "@sparticuz/chromium";
import { chromium as driver } from "playwright-core";

const browser = await driver.launch({ executablePath: await chromium.executablePath(), args: chromium.args });
const page = await browser.newPage();
for (const file of process.argv.slice(2)) {
  const samples = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const audio = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(bytes.buffer);
    return [...audio.getChannelData(0)];
  }, fs.readFileSync(file, "base64"));
  fs.writeFileSync(`${file}.f32`, Buffer.from(new Float32Array(samples).buffer));
}
await browser.close();
JS
venv/bin/python - <<'PY'
import subprocess
import sys

import av
import imageio_ffmpeg
import numpy as np

RATE, FRAMES, BEGIN, LENGTH = 48000, 48000 * 3 + 123, 60000, 8000
KINDS = [("opus", "opus", "libopus"), ("opus", "webm", "libopus"), ("opus", "mp4", "libopus"), ("vorbis", "ogg", "libvorbis"),
         ("vorbis", "webm", "libvorbis"), ("aac", "m4a", "aac"), ("mp3", "mp3", "libmp3lame")]
# Noise up to 8 kHz, which every codec keeps in place.
spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(FRAMES))
spectrum[np.fft.rfftfreq(FRAMES, 1 / RATE) > 8000] = 0
song = np.fft.irfft(spectrum, FRAMES).astype("f4")
song *= 0.1 / song.std()


def pyav(file):
    with av.open(file) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def late(decoded):
    """The shift at which the decoded sound is most like the song."""
    part = song[BEGIN : BEGIN + LENGTH]
    return max(range(-2000, 2001), key=lambda shift: float(decoded[BEGIN + shift : BEGIN + shift + LENGTH] @ part))


files = [f"{codec}.{ending}" for codec, ending, _ in KINDS]
for file, (_, _, encoder) in zip(files, KINDS):
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "f32le", "-ar", str(RATE), "-ac", "1", "-i", "-",
                    "-c:a", encoder, "-b:a", "128k", file], input=song.tobytes(), check=True)
subprocess.run(["node", "decode.mjs", *files], check=True)
ok = True
for file, (codec, ending, _) in zip(files, KINDS):
    browser, reference = np.fromfile(f"{file}.f32", "f4"), pyav(file)
    print(f"{codec} in {ending}".ljust(15), f"Chromium {late(browser):4} {len(browser) - FRAMES:5}   "
          f"PyAV {late(reference):4} {len(reference) - FRAMES:5}")
    ok &= late(browser) == {"opus.mp4": -312, "vorbis.webm": -128}.get(file, 0) and late(reference) == 0
sys.exit(0 if ok else "behaviour has changed")
PY
