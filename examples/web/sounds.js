// The rows of the page: name, waveform, player, link. One plays at a time; another goes on where it was.

const kColumns = 1000, kHeight = 100;
let playing = null; // the player that played last

class Sound {
  #peaks = new Float32Array(kColumns);
  #frames;
  #waiting = false; // for the next picture of the screen

  // A row named `name` in the colour `--c0` … `--c7` for a sound of `frames` frames.
  constructor(place, name, colour, frames) {
    this.#frames = frames;
    this.name = name;
    this.colour = colour;
    this.box = document.createElement("div");
    this.box.className = "sound";
    this.box.innerHTML = `<p><strong></strong></p><div class="view"><canvas width="${kColumns}" height="${kHeight}"></canvas><i></i></div>`;
    this.box.querySelector("strong").textContent = name;
    this.canvas = this.box.querySelector("canvas");
    place.append(this.box);
    this.draw();
  }

  // Interleaved samples of `channels` channels, from frame `from` on.
  add(samples, channels, from) {
    for (let i = 0; i < samples.length; ++i) {
      const column = Math.floor((from + Math.floor(i / channels)) * kColumns / this.#frames);
      const size = Math.abs(samples[i]);
      if (size > this.#peaks[column]) this.#peaks[column] = size;
    }
    this.draw();
  }

  // With the screen's next picture, however often it is asked for.
  draw() {
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => this.#drawNow());
  }

  #drawNow() {
    this.#waiting = false;
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, kColumns, kHeight);
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(this.colour);
    this.#peaks.forEach((peak, x) => {
      const height = Math.max(1, Math.min(1, peak) * kHeight);
      pen.fillRect(x, (kHeight - height) / 2, 1, height);
    });
  }

  // Puts the player under the waveform, and a link to `file` (a Blob) where it has a name to be saved under.
  offer(file, saveAs) {
    const url = URL.createObjectURL(file);
    const audio = document.createElement("audio");
    audio.controls = true;
    audio.src = url;
    audio.setAttribute("aria-label", this.name);
    this.box.append(audio);
    if (saveAs) {
      const link = document.createElement("a");
      link.href = url;
      link.download = saveAs;
      link.textContent = "Download";
      link.setAttribute("aria-label", `Download ${saveAs}`);
      this.box.querySelector("p").append(link);
    }
    const view = this.box.querySelector(".view"), head = this.box.querySelector("i");
    audio.addEventListener("play", () => {
      if (playing && playing !== audio) {
        playing.pause();
        if (!playing.ended && playing.isConnected) audio.currentTime = playing.currentTime;
      }
      playing = audio;
    });
    audio.addEventListener("timeupdate", () => {
      head.style.visibility = "visible";
      head.style.left = `${100 * audio.currentTime / (audio.duration || 1)}%`;
    });
    view.addEventListener("click", (event) => { audio.currentTime = audio.duration * event.offsetX / view.clientWidth || 0; });
    this.release = () => URL.revokeObjectURL(url);
  }
}

// All rows. `clear` lets go of the files of the rows before.
export class Sounds {
  #place;
  #sounds = [];
  constructor(place) {
    this.#place = place;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#sounds.forEach((sound) => sound.draw()));
  }

  clear() {
    for (const sound of this.#sounds) sound.release?.();
    this.#sounds = [];
    this.#place.replaceChildren();
  }

  add(name, frames) {
    const sound = new Sound(this.#place, name, `--c${this.#sounds.length && (this.#sounds.length - 1) % 7 + 1}`, frames);
    this.#sounds.push(sound);
    return sound;
  }
}
