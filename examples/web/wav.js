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
