// WAV files, read and written.

// How a sample of each format and width becomes a float of full scale 1.
const kSamples = {
  "1/16": (view, at) => view.getInt16(at, true) / 2 ** 15,
  "1/24": (view, at) => (view.getInt16(at + 1, true) * 256 + view.getUint8(at)) / 2 ** 23,
  "1/32": (view, at) => view.getInt32(at, true) / 2 ** 31,
  "3/32": (view, at) => view.getFloat32(at, true),
};

// The samples of a WAV file in `bytes` (an ArrayBuffer), a Float32Array per channel; null where it is none, or not at
// `sampleRate`, or of a kind that is left to the browser. Chromium's decoder divides 16-bit samples by 32768 where they are
// negative and by 32767 where positive, which is too coarse to compare stems with those of other programs.
export function readWav(bytes, sampleRate) {
  const view = new DataView(bytes);
  const text = (at) => String.fromCharCode(...new Uint8Array(bytes, at, 4));
  if (view.byteLength < 12 || text(0) !== "RIFF" || text(8) !== "WAVE") return null;
  let read, channels, width;
  for (let at = 12; at + 8 <= view.byteLength;) {
    const name = text(at), size = view.getUint32(at + 4, true), begin = at + 8;
    if (begin + size > view.byteLength) return null;
    if (name === "fmt " && size >= 16) {
      const tag = view.getUint16(begin, true), bits = view.getUint16(begin + 14, true);
      width = bits / 8;
      read = kSamples[`${tag === 0xfffe && size >= 26 ? view.getUint16(begin + 24, true) : tag}/${bits}`];
      channels = view.getUint16(begin + 2, true);
      if (!read || !channels || view.getUint32(begin + 4, true) !== sampleRate) return null;
    } else if (name === "data") {
      const frames = read && Math.floor(size / (width * channels));
      if (!frames) return null;
      return Array.from({ length: channels }, (_, c) => {
        const samples = new Float32Array(frames);
        for (let t = 0; t < frames; ++t) samples[t] = read(view, begin + (t * channels + c) * width);
        return samples;
      });
    }
    at = begin + size + size % 2;
  }
  return null;
}

// A WAV file of 32-bit floats. Its samples come in blocks, each of which becomes a Blob at once: browsers move those out
// of memory when they are many.
export class WavWriter {
  #parts = [];
  #bytes = 0;
  constructor(sampleRate, channels) {
    this.sampleRate = sampleRate;
    this.channels = channels;
  }

  // Interleaved samples.
  write(samples) {
    this.#parts.push(new Blob([samples]));
    this.#bytes += samples.byteLength;
  }

  finish() {
    const header = new DataView(new ArrayBuffer(56));
    if (this.#bytes + header.byteLength > 2 ** 32) throw new Error("a stem is too long for a WAV file: cut the song");
    const text = (at, letters) => [...letters].forEach((letter, i) => header.setUint8(at + i, letter.charCodeAt(0)));
    text(0, "RIFF");
    header.setUint32(4, header.byteLength - 8 + this.#bytes, true);
    text(8, "WAVEfmt ");
    header.setUint32(16, 16, true);
    header.setUint16(20, 3, true); // floats
    header.setUint16(22, this.channels, true);
    header.setUint32(24, this.sampleRate, true);
    header.setUint32(28, this.sampleRate * this.channels * 4, true);
    header.setUint16(32, this.channels * 4, true);
    header.setUint16(34, 32, true);
    text(36, "fact");
    header.setUint32(40, 4, true);
    header.setUint32(44, this.#bytes / (4 * this.channels), true);
    text(48, "data");
    header.setUint32(52, this.#bytes, true);
    return new Blob([header, ...this.#parts], { type: "audio/wav" });
  }
}
