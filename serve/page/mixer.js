// The mixer of a job that is done: its stems in step, seen as waveforms or spectrograms, and saved.
import {announce, ask, askJson, clock, element, icon, iconButton, remember, remembered, size} from "/page/common.js";
import {makePlayer} from "/page/player.js";
import {drawWaveform, loudest} from "/page/waveform.js";

// Decoded audio is float32. Stems that would take more than this together are not fetched by themselves: of a
// long song one fetches those that one wants to hear.
const mostBytes = 1.5e9;

let offer = null;
export const setFormats = (given) => { offer = given; };

const fine = (seconds) => `${clock(seconds)}.${Math.floor(seconds * 10 + 1e-6) % 10}`;

// The bytes of an answer, with the share that has come.
const fetchBytes = async (path, signal, progress) => {
  const answer = await ask(path, {signal});
  const total = Number(answer.headers.get("Content-Length")) || 0;
  const pieces = [];
  let count = 0;
  for (const reader = answer.body.getReader();;) {
    const {done, value} = await reader.read();
    if (done) break;
    pieces.push(value);
    count += value.length;
    if (total) progress(count / total);
  }
  return new Blob(pieces).arrayBuffer();
};

// What is saved: a format, its bits, and links that follow the choice.
const makeSaving = (address, stems) => {
  const single = offer.formats.filter((format) => !format.many_streams);
  const last = remembered("saving", {});
  let format = single.find((other) => other.name === last.format) ?? single[0];
  const links = [];
  const formats = element("select", {onchange: () => { format = single.find((other) => other.name === formats.value); draw(); }},
    ...single.map((other) => element("option", {value: other.name, selected: other === format}, `${other.name} – ${other.summary}`)));
  const bits = element("select", {onchange: () => follow()});
  const bitsLabel = element("label", {}, "Bits ", bits);
  const query = (more = {}) => new URLSearchParams({...(bitsLabel.hidden ? {} : {bits: bits.value}), ...more, download: "1"});
  const ending = (of) => of.ending.replace(/^\.?/, ".");
  const follow = () => {
    remember("saving", {format: format.name, bits: bits.value});
    for (const {link, stem} of links)
      link.href = `${address}/files/${stem ? encodeURIComponent(stem + ending(format)) : "stems.zip"}?${query({format: format.name})}`;
  };
  const draw = () => {
    bits.replaceChildren(...format.bits.map((count) => element("option", {value: count, selected: count === last.bits}, count === "32f" ? "32 (float)" : count)));
    bitsLabel.hidden = format.bits.length === 0;
    follow();
  };
  const add = (link, stem) => { links.push({link, stem}); follow(); return link; };
  draw();
  const together = offer.formats.filter((other) => other.many_streams).map((other) => {
    const fits = other.stem_counts.length === 0 || other.stem_counts.includes(stems.length);
    return fits
      ? element("a", {className: "button", href: `${address}/files/${encodeURIComponent(`stems${ending(other)}`)}?download=1`, download: ""}, icon("download"), `One ${ending(other)} file`)
      : element("p", {className: "muted"}, `A ${ending(other)} file holds exactly ${other.stem_counts.join(" or ")} stems, these are ${stems.length}.`);
  });
  return {
    link: (stem) => add(element("a", {className: "button icon", download: "", title: `Save ${stem}`, ariaLabel: `Save ${stem}`}, icon("download")), stem),
    root: element("section", {className: "card saving", ariaLabel: "Save"}, element("h2", {}, "Save"),
      element("div", {className: "fields"}, element("label", {}, "Format ", formats), bitsLabel,
        add(element("a", {className: "button primary", download: ""}, icon("download"), "All stems as zip"), null), ...together)),
  };
};

export const openMixer = (view, job) => {
  const {seconds, sample_rate_hz: rate, channels, stems} = job.result;
  const address = `/api/v1/jobs/${job.id}`;
  const stop = new AbortController();
  const lanes = [];
  let closed = false;
  const player = makePlayer(rate, seconds, () => showState());
  const share = (time) => `${100 * Math.min(time / seconds, 1)}%`;

  // ---- Transport.
  const play = element("button", {type: "button", className: "play primary", onclick: () => toggle()});
  const slider = element("input", {type: "range", className: "position", min: "0", max: String(seconds), step: "0.01", value: "0", ariaLabel: "Position",
    oninput: () => { player.seek(Number(slider.value)); showTime(); },
    // Arrows move by seconds, not by the step.
    onkeydown: (event) => {
      const by = {ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30}[event.key];
      if (by === undefined) return;
      event.preventDefault();
      player.seek(player.position() + by);
      showTime();
    }});
  const time = element("span", {className: "time"});
  const loopButton = element("button", {type: "button", className: "toggle", ariaPressed: "false", onclick: () => setLoop({on: !player.loop.on})}, icon("loop"), "Loop");
  const bound = (name, which) => element("input", {type: "number", min: "0", max: String(seconds), step: "0.1", ariaLabel: `${name} of the loop in seconds`,
    onchange: (event) => { if (event.target.value !== "") setLoop({[which]: Number(event.target.value), on: true}); }});
  const loopStart = bound("Start", "start"), loopEnd = bound("End", "end");
  const volume = element("input", {type: "range", min: "0", max: "1.5", step: "0.01", value: "1", ariaLabel: "Volume of all",
    oninput: () => { player.setVolume(Number(volume.value)); showVolume(volume); }});
  const showVolume = (range) => range.setAttribute("aria-valuetext", `${Math.round(100 * range.value)} %`);
  const spectrograms = element("button", {type: "button", className: "toggle", ariaPressed: "false",
    onclick: () => { const on = lanes.some((lane) => !lane.pictured); for (const lane of lanes) lane.picture(on); }}, icon("spectrogram"), "Spectrograms");
  // The song as it came, in place of the stems and in step with them; fetched when it is first wanted.
  let song = null;
  const original = element("button", {type: "button", className: "toggle", ariaPressed: "false", title: "Hear the song as it came", onclick: async () => {
    song ??= {sound: player.addOriginal(), name: "mixture", bar: original.querySelector("progress")};
    song.sound.on = !song.sound.on;
    original.ariaPressed = String(song.sound.on);
    showLanes();
    if (!song.sound.buffer && !song.loading) await load(song);
  }}, "Original", element("progress", {max: 1, value: 0, ariaLabel: "Loading the original", hidden: true}));
  const note = element("p", {className: "note", hidden: true});

  const toggle = () => player.playing() ? player.pause() : player.play();
  const setLoop = (change) => { player.setLoop(change); showLoop(); };
  const showLoop = () => {
    const {on, start, end} = player.loop;
    loopButton.ariaPressed = String(on);
    loopStart.value = start.toFixed(1);
    loopEnd.value = end.toFixed(1);
    root.classList.toggle("looping", on);
    root.style.setProperty("--loop-start", share(start));
    root.style.setProperty("--loop-end", share(end));
  };
  const showTime = () => {
    const at = player.position();
    slider.value = String(at);
    slider.setAttribute("aria-valuetext", `${clock(at)} of ${clock(seconds)}`);
    time.textContent = `${fine(at)} / ${clock(seconds)}`;
    root.style.setProperty("--at", share(at));
    for (const lane of lanes) lane.wave?.setTime(at);
  };
  const tick = () => {
    if (closed || !player.playing()) return;
    showTime();
    requestAnimationFrame(tick);
  };
  const showState = () => {
    if (closed) return;
    const playing = player.playing();
    play.replaceChildren(icon(playing ? "pause" : "play"));
    play.ariaLabel = play.title = playing ? "Pause" : "Play";
    showTime();
    if (playing) requestAnimationFrame(tick);
  };

  // ---- Lanes.
  const saving = makeSaving(address, stems);
  const showLanes = () => {
    for (const lane of lanes) {
      lane.root.classList.toggle("silent", !player.heard(lane.sound));
      lane.mute.ariaPressed = String(lane.sound.muted);
      lane.solo.ariaPressed = String(lane.sound.solo);
    }
    player.setGains();
  };
  const makeLane = ({name, colour}) => {
    const sound = player.add(name);
    const lane = {sound, name, pictured: false, wave: null};
    const wave = element("div", {className: "waveform"});
    const image = element("img", {alt: `Spectrogram of ${name}`, hidden: true, draggable: false});
    lane.mute = element("button", {type: "button", className: "toggle square", ariaPressed: "false", ariaLabel: `Mute ${name}`, title: `Mute ${name}`,
      onclick: () => { sound.muted = !sound.muted; showLanes(); }}, "M");
    lane.solo = element("button", {type: "button", className: "toggle square", ariaPressed: "false", ariaLabel: `Solo ${name}`, title: `Solo ${name}`,
      onclick: () => { sound.solo = !sound.solo; showLanes(); }}, "S");
    const volume = element("input", {type: "range", min: "0", max: "1.5", step: "0.01", value: "1", ariaLabel: `Volume of ${name}`, title: "Volume (double click: as it was)",
      oninput: () => { sound.volume = Number(volume.value); showVolume(volume); showLanes(); },
      ondblclick: () => { volume.value = "1"; sound.volume = 1; showVolume(volume); showLanes(); }});
    showVolume(volume);
    const picture = iconButton("spectrogram", `Spectrogram of ${name}`, () => lane.picture(!lane.pictured), {className: "icon toggle", ariaPressed: "false"});
    lane.picture = (on) => {
      lane.pictured = on;
      if (on && !lane.asked) {
        lane.asked = true;
        ask(`jobs/${job.id}/spectrograms/${encodeURIComponent(name)}`, {signal: stop.signal}).then((answer) => answer.blob())
          .then((blob) => { image.src = URL.createObjectURL(blob); image.onload = () => URL.revokeObjectURL(image.src); })
          .catch((error) => { lane.asked = false; if (!closed) lane.fault.textContent = error.message; });
      }
      image.hidden = !on;
      picture.ariaPressed = String(on);
      spectrograms.ariaPressed = String(lanes.every((other) => other.pictured));
    };
    lane.bar = element("progress", {max: 1, value: 0, ariaLabel: `Loading ${name}`, hidden: true});
    lane.fault = element("p", {className: "fault", role: "alert"});
    lane.loader = element("button", {type: "button", hidden: true, onclick: () => load(lane)}, `Load (${size(4 * rate * channels * seconds)})`);
    const strip = element("div", {className: "strip"}, wave, image, element("i", {className: "region"}), element("i", {className: "head"}), lane.bar);
    select(strip);
    lane.draw = (peaks, full) => { lane.wave = drawWaveform(wave, peaks, {colour, full, height: 76}); };
    lane.root = element("section", {className: "lane", ariaLabel: name, css: {"--stem": `var(--stem-${colour})`}},
      element("div", {className: "controls"}, element("h2", {}, element("i", {className: "dot"}), name),
        element("div", {className: "buttons"}, lane.mute, lane.solo, picture, saving.link(name)), volume),
      element("div", {}, strip, lane.fault, lane.loader));
    return lane;
  };
  // A click seeks, a drag along it is a loop.
  const select = (strip) => {
    const timeAt = (event) => {
      const box = strip.getBoundingClientRect();
      return seconds * Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    };
    let from = null;
    strip.onpointerdown = (event) => {
      if (event.button !== 0) return;
      from = {x: event.clientX, time: timeAt(event), drag: false};
      strip.setPointerCapture(event.pointerId);
    };
    strip.onpointermove = (event) => {
      if (!from || (!from.drag && Math.abs(event.clientX - from.x) < 6)) return;
      from.drag = true;
      const to = timeAt(event);
      root.classList.add("looping");
      root.style.setProperty("--loop-start", share(Math.min(from.time, to)));
      root.style.setProperty("--loop-end", share(Math.max(from.time, to)));
    };
    strip.onpointerup = (event) => {
      if (!from) return;
      const to = timeAt(event), {time: begin, drag} = from;
      from = null;
      if (drag) {
        setLoop({on: true, start: Math.min(begin, to), end: Math.max(begin, to)});
        player.seek(player.loop.start);
      } else player.seek(to);
      showTime();
    };
    strip.onpointercancel = () => { from = null; showLoop(); };
  };

  // ---- Sounds.
  const showLoading = () => {
    play.disabled = !player.playing() && (!player.ready() || lanes.some((lane) => lane.loading));
    play.classList.toggle("busy", lanes.some((lane) => lane.loading));
  };
  const load = async (lane) => {
    lane.loading = true;
    if (lane.loader) lane.loader.hidden = true;
    if (lane.fault) lane.fault.textContent = "";
    lane.bar.hidden = false;
    showLoading();
    try {
      const bytes = await fetchBytes(`jobs/${job.id}/files/${encodeURIComponent(`${lane.name}.flac`)}?bits=16`, stop.signal, (part) => { lane.bar.value = part; });
      lane.bar.removeAttribute("value");
      await player.decode(lane.sound, bytes);
    } catch (error) {
      if (closed) return;
      if (lane === song) {
        song.sound.on = false;
        original.ariaPressed = "false";
        showLanes();
        note.hidden = false;
        note.textContent = `The original cannot be played: ${error.message}`;
        return;
      }
      lane.fault.textContent = `${lane.name} cannot be played: ${error.message}`;
      lane.loader.textContent = "Try again";
      lane.loader.hidden = false;
    } finally {
      lane.loading = false;
      lane.bar.hidden = true;
      showLoading();
    }
  };

  const root = element("div", {className: "mixer"});
  lanes.push(...stems.map(makeLane));
  const ruler = element("div", {className: "ruler", ariaHidden: "true"});
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600].find((each) => seconds / each <= 8) ?? 7200;
  for (let at = 0; at < seconds - 0.3 * step || at === 0; at += step) ruler.append(element("span", {css: {"--place": share(at)}}, clock(at)));
  const keys = [["Space", "play and pause"], ["← →", "5 seconds"], ["[ ]", "start and end of the loop here"], ["L", "loop"], ["1 … 9", "solo"], ["O", "the original"], ["M", "mute the stem that has the focus"]];
  root.append(note,
    element("div", {className: "transport"}, play, time, slider),
    element("div", {className: "tools"},
      element("div", {className: "loop"}, loopButton, loopStart, element("span", {ariaHidden: "true"}, "–"), loopEnd, element("span", {className: "muted", ariaHidden: "true"}, "s")),
      original, spectrograms, element("label", {className: "volume"}, "Volume ", volume)),
    element("div", {className: "lanes"}, ...lanes.map((lane) => lane.root), ruler),
    element("details", {className: "muted"}, element("summary", {}, "Keys"), element("p", {}, "A click on a waveform goes there, a drag along it is a loop. With the focus in the mixer:"),
      element("dl", {}, ...keys.map(([key, what]) => element("div", {}, element("dt", {}, key), element("dd", {}, what))))),
    saving.root);

  // Only with the focus inside, and not where a field or button has its own use of the key.
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=range]), select")) return;
    const {key} = event;
    if (key === " ") {
      if (event.target.matches("button, summary, a")) return;
      toggle();
    } else if ((key === "ArrowLeft" || key === "ArrowRight") && !event.target.matches("input")) {
      player.seek(player.position() + (key === "ArrowLeft" ? -5 : 5));
      showTime();
    } else if (key === "[") setLoop({start: player.position(), on: true});
    else if (key === "]") setLoop({end: player.position(), on: true});
    else if (key === "l" || key === "L") setLoop({on: !player.loop.on});
    else if (key === "o" || key === "O") original.click();
    else if (lanes[Number(key) - 1]) lanes[Number(key) - 1].solo.click();
    else if (key === "m" || key === "M") lanes.find((lane) => lane.root.contains(event.target))?.mute.click();
    else return;
    event.preventDefault();
  });

  showLoop();
  showState();
  showVolume(volume);
  view.append(root);
  // One after another: the server makes what it is asked for in turn, too.
  (async () => {
    const all = [];
    for (const lane of lanes) all.push(await askJson(`jobs/${job.id}/peaks/${encodeURIComponent(lane.name)}`, {signal: stop.signal}));
    if (closed) return;
    const full = Math.max(...all.map(({peaks}) => loudest(peaks)));
    lanes.forEach((lane, i) => lane.draw(all[i], full));
  })().catch((error) => { if (!closed) lanes[0].fault.textContent = error.message; });

  const total = 4 * rate * channels * seconds * stems.length;
  if (total > mostBytes) {
    note.hidden = false;
    note.textContent = `This song is long: all its stems would take ${size(total)} of this device's memory. Load those that you want to hear.`;
    for (const lane of lanes) lane.loader.hidden = false;
    showLoading();
  } else {
    for (const lane of lanes) lane.loading = true;
    lanes.reduce((before, lane) => before.then(() => closed || load(lane)), Promise.resolve())
      .then(() => { if (!closed && player.ready()) announce("The stems are ready to play."); });
    showLoading();
  }

  return {close: () => {
    closed = true;
    stop.abort();
    player.close();
    for (const lane of lanes) lane.wave?.destroy();
  }};
};
