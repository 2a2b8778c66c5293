#!/usr/bin/env bash
# Chromium 153 (@sparticuz/chromium 153.0.0, playwright-core 1.65.1): what decodeAudioData makes of 16-bit samples.
#
# Expected: a 16-bit sample n becomes n / 32768, as in libsndfile, ffmpeg and soundfile.
# Happens:  negative samples are divided by 32768, positive ones by 32767; so 32767 becomes 1.0.
# Matters:  what a page computes from a 16-bit file differs from what other programs do by up to 3e-5, by the sign of the
#           sample, so that no gain makes them equal; a U-Net's stems differed by 2e-4 of their peak. Take 24-bit or
#           float files where results are compared, or read WAV files yourself.
#
# Seen:
#   153.0.8010.0
#   -32768 → -1, divided by 32768
#   -16384 → -0.5, divided by 32768
#       -1 → -0.000030517578125, divided by 32768
#        1 → 0.000030518509447574615, divided by 32767
#    16384 → 0.5000152587890625, divided by 32767
#    32767 → 1, divided by 32767
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --no-audit --no-fund --loglevel=error @sparticuz/chromium@153.0.0 playwright-core@1.65.1 >/dev/null
cat >try.mjs <<'JS'
import chromium from "@sparticuz/chromium";
import { chromium as driver } from "playwright-core";

const browser = await driver.launch({ executablePath: await chromium.executablePath(), args: chromium.args });
const page = await browser.newPage();
const decoded = await page.evaluate(async () => {
  const samples = [-32768, -16384, -1, 1, 16384, 32767];
  const file = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => file.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); file.setUint32(4, file.byteLength - 8, true);
  text(8, "WAVEfmt "); file.setUint32(16, 16, true); file.setUint16(20, 1, true); file.setUint16(22, 1, true);
  file.setUint32(24, 44100, true); file.setUint32(28, 88200, true); file.setUint16(32, 2, true); file.setUint16(34, 16, true);
  text(36, "data"); file.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => file.setInt16(44 + 2 * i, sample, true));
  const audio = await new OfflineAudioContext(1, 1, 44100).decodeAudioData(file.buffer);
  return samples.map((sample, i) => [sample, audio.getChannelData(0)[i]]);
});
console.log(browser.version());
for (const [sample, value] of decoded)
  console.log(`${String(sample).padStart(6)} → ${value}, divided by ${Math.round(sample / value)}`);
await browser.close();
const asSeen = decoded.every(([sample, value]) => value === Math.fround(sample < 0 ? sample / 32768 : sample / 32767));
if (!asSeen) { console.log("no longer so"); process.exit(1); }
JS
node try.mjs
