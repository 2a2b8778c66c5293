// Waveforms from the server's peaks, drawn by wavesurfer; and what the page knows of colours.
import WaveSurfer from "/page/wavesurfer.esm.js";

const nonce = document.querySelector("meta[name=csp-nonce]").content;
const dark = matchMedia("(prefers-color-scheme: dark)");
const shown = new Set();

let table = [];  // of {light, dark}
export const setColours = (colours) => {
  table = colours;
  colours.forEach((colour, i) =>
    document.documentElement.style.setProperty(`--stem-${i}`, `light-dark(${colour.light}, ${colour.dark})`));
};
// Canvases take no custom properties.
const property = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const plain = (index) => index == null ? property("--accent") : table[index][dark.matches ? "dark" : "light"];
// Opaque: wavesurfer lays the colour of what has been played over this one, with its transparency.
const faded = (colour, ground) => "#" + [1, 3, 5].map((at) =>
  Math.round(0.42 * parseInt(colour.slice(at, at + 2), 16) + 0.58 * parseInt(ground.slice(at, at + 2), 16)).toString(16).padStart(2, "0")).join("");
const colours = (index) => ({waveColor: faded(plain(index), property("--strip")), progressColor: plain(index)});
dark.addEventListener("change", () => { for (const wave of shown) wave.setOptions(colours(wave.stemColour)); });

export const loudest = (peaks) => peaks.reduce((most, peak) => Math.max(most, Math.abs(peak)), 0);

// `colour`: of the stem colours; null: the accent. `full` is the peak that fills the height.
// setTime(seconds) shows what has been played.
export const drawWaveform = (container, {seconds, peaks}, {colour = null, height = 72, full = loudest(peaks)} = {}) => {
  const part = (which) => Float32Array.from({length: peaks.length / 2}, (_, i) => peaks[2 * i + which] / Math.max(full, 1e-3));
  const wave = WaveSurfer.create({
    container, height, peaks: [part(1), part(0)], duration: Math.max(seconds, 1e-3), interact: false, cursorWidth: 0, barWidth: 2, barGap: 1, barRadius: 1,
    cspNonce: nonce, ...colours(colour)});
  wave.stemColour = colour;
  shown.add(wave);
  wave.on("destroy", () => shown.delete(wave));
  return wave;
};
