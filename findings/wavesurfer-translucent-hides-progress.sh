#!/usr/bin/env bash
# wavesurfer.js 8.0.1 (in Chromium, @sparticuz/chromium 153.0.0): a translucent `waveColor`.
#
# Expected: the part of a waveform that was played has `progressColor`, whatever `waveColor` is: they are two options, each a
#           colour of its own.
# Happens:  the played part gets the opacity of `waveColor` as well. It is the same drawing with `progressColor` laid over it
#           where there is something ("source-in"), so that its opacity is that of both multiplied. With the usual faint
#           colour for what is still to come, the progress can hardly be seen, and with a transparent one not at all.
# Matters:  players that draw the rest of a song faintly look as if they did not move. Mix the faint colour with that of the
#           ground, and pass it opaque.
#
# Seen: the opacity of a bar of the waveform in the played half and in the other, of 255
#   waveColor rgba(0, 0, 255, 1)     played 255, not played 255
#   waveColor rgba(0, 0, 255, 0.2)   played  51, not played  51
#   waveColor rgba(0, 0, 255, 0)     played   0, not played   0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --no-audit --no-fund --loglevel=error wavesurfer.js@8.0.1 @sparticuz/chromium@153.0.0 playwright-core@1.65.1 >/dev/null
cat >try.mjs <<'JS'
import chromium from "@sparticuz/chromium";
import { readFileSync } from "node:fs";
import { chromium as driver } from "playwright-core";

const source = readFileSync("node_modules/wavesurfer.js/dist/wavesurfer.esm.js", "utf8");
const browser = await driver.launch({ executablePath: await chromium.executablePath(), args: chromium.args });
const page = await browser.newPage();
const opacities = await page.evaluate(async (source) => {
  const { default: WaveSurfer } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const seen = [];
  for (const opacity of [1, 0.2, 0]) {
    const container = document.body.appendChild(document.createElement("div"));
    container.style.width = "400px";
    const wave = WaveSurfer.create({ container, height: 100, cursorWidth: 0, barWidth: 10, barGap: 0,
      waveColor: `rgba(0, 0, 255, ${opacity})`, progressColor: "rgb(255, 0, 0)" });
    await wave.load("", [new Float32Array(1000).fill(0.9)], 10);
    wave.setTime(5);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const root = [...container.children].find((child) => child.shadowRoot).shadowRoot;
    // Of the one that is drawn and the one that lies over its played part.
    const opacityIn = (part) => {
      const canvas = root.querySelector(`[part~="${part}"] canvas, .${part} canvas`);
      return canvas.getContext("2d").getImageData(20, canvas.height / 2, 1, 1).data[3];
    };
    seen.push([opacity, opacityIn("progress"), opacityIn("canvases")]);
  }
  return seen;
}, source);
await browser.close();
for (const [opacity, played, rest] of opacities)
  console.log(`waveColor rgba(0, 0, 255, ${opacity})`.padEnd(32), `played ${String(played).padStart(3)}, not played ${String(rest).padStart(3)}`);
const near = (a, b) => Math.abs(a - b) <= 1;
if (!opacities.every(([opacity, played, rest]) => near(played, 255 * opacity) && near(rest, 255 * opacity))) {
  console.error("behaviour has changed");
  process.exit(1);
}
JS
node try.mjs
