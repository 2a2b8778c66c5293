// Players: all sounds of a song run in step from one start, and what is heard is a matter of gains.
const fade = 0.008;  // seconds, so that nothing clicks
let context = null, playing = null;

const bytesOf = (address) => Uint8Array.from(atob(address.slice(address.indexOf(",") + 1)), (c) => c.charCodeAt(0)).buffer;

const makePlayer = (article, number) => {
  const song = JSON.parse(article.querySelector("script").textContent);
  const stems = data.stems.filter((stem) => song.sounds.some((sound) => sound.stem === stem));
  const state = {stem: stems[0], sound: song.sounds[0], at: 0, started: null, running: null};
  const songIndex = data.songs.indexOf(song.name);

  const button = element("button", {type: "button", onclick: () => (state.running ? stop() : start())}, "Play");
  const slider = element("input", {type: "range", min: "0", max: String(song.seconds), step: "0.01", value: "0", ariaLabel: `Position in ${song.name} (s)`,
    oninput: () => seek(Number(slider.value))});
  const time = element("output", {}, "");

  // ---- Sound.
  const decode = async () => {
    context ??= new AudioContext();
    for (const sound of song.sounds) sound.buffer ??= await context.decodeAudioData(bytesOf(sound.audio));
  };
  const start = async () => {
    button.disabled = true;
    try {
      await decode();
      await context.resume();
    } catch (error) {
      time.textContent = `this browser cannot play it: ${error.message}`;
      return;
    } finally {
      button.disabled = false;
    }
    if (playing && playing !== player) playing.stop();
    playing = player;
    if (state.at >= song.seconds - 0.02) state.at = 0;
    run();
  };
  // All sources begin at the same moment and place.
  const run = () => {
    halt();
    const when = context.currentTime + 0.03;
    state.running = song.sounds.map((sound) => {
      const source = new AudioBufferSourceNode(context, {buffer: sound.buffer});
      const gain = new GainNode(context, {gain: sound === state.sound ? 1 : 0});
      source.connect(gain).connect(context.destination);
      source.start(when, state.at);
      return {sound, source, gain};
    });
    state.started = when - state.at;
    button.textContent = "Pause";
    requestAnimationFrame(tick);
  };
  const halt = () => {
    for (const {source, gain} of state.running ?? []) { source.stop(); gain.disconnect(); }
    state.running = null;
  };
  const position = () => state.running ? Math.min(Math.max(context.currentTime - state.started, 0), song.seconds) : state.at;
  const stop = () => {
    state.at = position();
    halt();
    button.textContent = "Play";
    show();
  };
  const seek = (seconds) => {
    state.at = Math.min(Math.max(seconds, 0), song.seconds);
    if (state.running) run();
    show();
  };
  const hear = (sound) => {
    state.sound = sound;
    for (const {sound: of, gain} of state.running ?? []) gain.gain.setTargetAtTime(of === sound ? 1 : 0, context.currentTime, fade / 3);
    sound.input.checked = true;
  };
  const tick = () => {
    if (!state.running) return;
    if (position() >= song.seconds) stop();
    else { show(); requestAnimationFrame(tick); }
  };
  const show = () => {
    const at = position();
    slider.value = String(at);
    slider.setAttribute("aria-valuetext", `${at.toFixed(1)} s`);
    time.textContent = `${at.toFixed(1)} of ${song.seconds.toFixed(1)} s`;
    for (const sound of song.sounds) sound.head.style.left = `${100 * at / song.seconds}%`;
  };

  // ---- What is seen.
  const stemName = `stem-${number}`, soundName = `sound-${number}`;
  const stemList = element("fieldset", {className: "stems"}, element("legend", {}, "Stem"), ...stems.map((stem) =>
    element("label", {}, element("input", {type: "radio", name: stemName, checked: stem === state.stem, onchange: () => chooseStem(stem)}), " ", stem)));
  const soundList = element("fieldset", {className: "sounds"}, element("legend", {}, "Sound"));
  const titleOf = (sound) => sound.stem === "" ? "mixture" : sound.method === "" ? "reference" : sound.method;
  const sdrOf = (sound) => {
    const method = data.methods.find((m) => m.name === sound.method);
    const sdr = method?.figures[songIndex]?.[data.stems.indexOf(sound.stem)]?.[0];
    return sdr == null ? "" : `song's SDR ${figure(sdr)} dB`;
  };
  for (const sound of song.sounds) {
    const title = titleOf(sound);
    sound.input = element("input", {type: "radio", name: soundName, checked: sound === state.sound, onchange: () => hear(sound)});
    sound.head = element("i", {style: "visibility: visible"});
    sound.image = element("img", {alt: `Spectrogram of ${song.name}, ${sound.stem ? sound.stem + ", " : ""}${title}`});
    const view = element("div", {className: "view", onclick: (event) => {
      hear(sound);
      seek(song.seconds * (event.clientX - view.getBoundingClientRect().left) / view.clientWidth);
    }}, sound.image, sound.head, article.querySelector("template").content.cloneNode(true));
    sound.row = element("div", {className: "sound"},
      element("label", {}, sound.input, element("b", {}, title), element("small", {}, sdrOf(sound))), view);
    soundList.append(sound.row);
  }
  const showStem = () => {
    for (const sound of song.sounds) {
      sound.row.hidden = sound.stem !== "" && sound.stem !== state.stem;
      if (!sound.row.hidden && !sound.image.src) sound.image.src = sound.picture;
    }
  };
  // The same method's sound of the other stem, or else the reference.
  const chooseStem = (stem) => {
    state.stem = stem;
    showStem();
    if (state.sound.stem === "") return;
    const of = (method) => song.sounds.find((sound) => sound.stem === stem && sound.method === method);
    hear(of(state.sound.method) ?? of(""));
  };
  article.append(element("div", {className: "transport"}, button, slider, time), stemList, soundList);
  const player = {stop};
  showStem();
  show();
};
document.querySelectorAll("article.song").forEach(makePlayer);

// The list of parts, for what there is.
for (const heading of document.querySelectorAll("main h2")) {
  const id = heading.id || heading.parentElement.id;
  document.querySelector("header nav").append(element("a", {href: `#${id}`}, heading.textContent));
}
