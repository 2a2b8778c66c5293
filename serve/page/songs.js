// New songs: their uploads, and the choice of what becomes of them.
import {announce, askJson, byId, clock, element, iconButton, percent, remember, remembered, see, size} from "/page/common.js";
import {upload} from "/page/upload.js";
import {drawWaveform} from "/page/waveform.js";

let offer = null;  // models, formats, presets, limits
const cards = new Set();
export const setOffer = (given) => { offer = given; makeChoice(); };

// ---- The choice, one for all new songs; at first what was chosen last.
const kinds = {ALL: "all", TWO: "two", OWN: "own"};  // or the name of a preset
const presetTitles = {"2stem": "Voice and the rest", "4stem": "Four stems"};
const form = byId("choice"), formFault = element("p", {className: "fault", role: "alert"});
const go = element("button", {className: "primary big"}, "Separate");
let chosen = null;  // what is sent for it; throws an Error for a choice that makes nothing

const makeChoice = () => {
  const last = remembered("choice", {});
  const usable = offer.models.filter((model) => !model.problem);
  let model = usable.find((candidate) => candidate.name === last.model) ?? usable[0] ?? offer.models[0];
  const state = {kind: last.kind ?? kinds.ALL, stem: last.stem, stems: new Set(last.stems ?? []), mixes: [...last.mixes ?? []], shifts: last.shifts ?? 0};
  const details = element("div", {className: "details"});

  const models = element("select", {onchange: () => { model = offer.models.find((other) => other.name === models.value); draw(); }},
    ...offer.models.map((other) => element("option", {value: other.name, disabled: Boolean(other.problem), selected: other === model, title: other.problem ?? ""},
      other.problem ? `${other.name} (cannot be used now)` : other.name)));
  const shifts = element("select", {onchange: () => { state.shifts = Number(shifts.value); }},
    ...[[0, "Normal"], [2, "Better, half as fast"], [5, "Best, a fifth as fast"]].map(([value, text]) =>
      element("option", {value: String(value), selected: value === state.shifts}, text)));
  const radios = element("fieldset", {className: "kinds"});

  const stemBox = (checked, stem, change) => element("label", {className: "chip"},
    element("input", {type: "checkbox", checked, onchange: (event) => change(event.target.checked)}), stem);

  const drawMix = (mix) => {
    const row = element("div", {className: "mix", role: "group", ariaLabel: "A sum of stems"},
      element("label", {}, "Name ", element("input", {type: "text", value: mix.name, maxLength: 64, placeholder: "karaoke",
        oninput: (event) => { mix.name = event.target.value; }})),
      element("span", {className: "muted"}, "is the sum of"),
      ...model.stems.map((stem) => stemBox(mix.stems.includes(stem), stem, (on) => {
        mix.stems = model.stems.filter((other) => other === stem ? on : mix.stems.includes(other));
      })),
      iconButton("remove", "Remove this sum", () => { state.mixes.splice(state.mixes.indexOf(mix), 1); drawDetails(); details.querySelector("button.add").focus(); }));
    return row;
  };
  const drawDetails = () => {
    if (state.kind === kinds.TWO) {
      const stems = element("select", {onchange: () => { state.stem = stems.value; }},
        ...model.stems.map((stem) => element("option", {value: stem, selected: stem === state.stem}, stem)));
      state.stem = stems.value;
      details.replaceChildren(element("label", {}, "Stem ", stems));
    } else if (state.kind === kinds.OWN) {
      details.replaceChildren(
        element("div", {className: "mix", role: "group", ariaLabel: "Stems"}, element("span", {className: "muted"}, "Stems"),
          ...model.stems.map((stem) => stemBox(state.stems.has(stem), stem, (on) => { if (on) state.stems.add(stem); else state.stems.delete(stem); }))),
        ...state.mixes.map(drawMix),
        element("p", {}, element("button", {type: "button", className: "add", onclick: () => {
          state.mixes.push({name: "", stems: []});
          drawDetails();
          details.querySelector(".mix:nth-last-child(2) input").focus();
        }}, "Add a sum of stems")));
    } else details.replaceChildren();
  };
  const draw = () => {
    state.stems = new Set(model.stems.filter((stem) => state.stems.has(stem)));
    if (state.stems.size === 0 && state.mixes.length === 0) state.stems = new Set(model.stems);
    for (const mix of state.mixes) mix.stems = mix.stems.filter((stem) => model.stems.includes(stem));
    const rows = [[kinds.ALL, model.stems.length > 1 ? "All stems" : "The stem", model.stems.join(", ")]];
    for (const preset of offer.presets)  // four stems of four are all of them
      if (model.presets.includes(preset.name) && !(preset.name === "4stem" && model.stems.length === 4))
        rows.push([preset.name, presetTitles[preset.name] ?? preset.name, preset.summary]);
    rows.push([kinds.TWO, "One stem and the rest", "such as practising without the bass"]);
    rows.push([kinds.OWN, "Your own choice", "some of the stems, and sums of them"]);
    if (!rows.some(([kind]) => kind === state.kind)) state.kind = kinds.ALL;
    radios.replaceChildren(element("legend", {}, "What to make"), ...rows.map(([kind, title, about]) => element("label", {className: "kind"},
      element("input", {type: "radio", name: "kind", checked: kind === state.kind, onchange: () => { state.kind = kind; drawDetails(); }}),
      element("span", {}, element("b", {}, title), element("small", {}, about)))));
    drawDetails();
  };
  draw();
  form.replaceChildren(radios, details, element("div", {className: "fields"},
    offer.models.length > 1 ? element("label", {}, "Model ", models) : element("p", {}, element("span", {className: "muted"}, "Model "), model.problem ? `${model.name} (cannot be used now: ${model.problem})` : model.name),
    element("label", {}, "Quality ", shifts)), formFault, go);
  chosen = () => {
    const request = {model: model.name};
    if (state.kind === kinds.TWO) request.two_stems = state.stem;
    else if (state.kind === kinds.OWN) {
      for (const mix of state.mixes)
        if (!mix.name.trim() || !mix.stems.length)
          throw new Error(mix.name.trim() ? `Choose the stems of '${mix.name.trim()}'.` : "Give the sum of stems a name.");
      request.stems = [...state.stems];
      request.mixes = state.mixes.map((mix) => `${mix.name.trim()}=${mix.stems.join("+")}`);
      if (!request.stems.length && !request.mixes.length) throw new Error("Choose a stem, or add a sum of stems.");
      if (!request.stems.length) delete request.stems;
      if (!request.mixes.length) delete request.mixes;
    } else if (state.kind !== kinds.ALL) request.preset = state.kind;
    if (state.shifts) request.shifts = state.shifts;
    remember("choice", {model: model.name, kind: state.kind, stem: state.stem, stems: [...state.stems], mixes: state.mixes, shifts: state.shifts});
    return request;
  };
};
form.onsubmit = async (event) => {
  event.preventDefault();
  const ready = [...cards].filter((card) => card.song), alone = cards.size === 1;
  for (const card of ready) if (!await separate(card, alone)) break;
};

// ---- Cards.
const keep = () => {
  remember("songs", [...cards].filter((card) => card.song).map((card) => card.song.id));
  byId("new_songs").hidden = cards.size === 0;
  const ready = [...cards].filter((card) => card.song).length;
  go.disabled = ready === 0;
  go.textContent = ready > 1 ? `Separate ${ready} songs` : "Separate";
  for (const card of cards) if (card.only) card.only.hidden = cards.size < 2;
};

const makeCard = (name) => {
  const fault = element("p", {className: "fault", role: "alert"});
  const state = element("p", {className: "muted facts"});
  const body = element("div");
  const buttons = element("span", {className: "buttons"});
  const title = element("h3", {tabIndex: -1}, name);
  const card = {fault, body, song: null, root: element("article", {className: "card", ariaLabel: name},
    element("div", {className: "heading"}, title, buttons), state, fault, body)};
  card.say = (text) => { state.textContent = text; };
  card.focus = () => title.focus();
  card.rename = (text) => { title.textContent = text; card.root.ariaLabel = text; };
  card.end = () => {
    const focused = card.root.contains(document.activeElement);
    card.wave?.destroy();
    card.root.remove();
    cards.delete(card);
    keep();
    if (focused) (cards.size ? go : byId("choose")).focus();
  };
  card.buttons = (...list) => buttons.replaceChildren(...list);
  cards.add(card);
  byId("cards").append(card.root);
  keep();
  return card;
};

// `open` shows the job.
const separate = async (card, open) => {
  card.fault.textContent = formFault.textContent = "";
  let request;
  try { request = chosen(); } catch (error) { formFault.textContent = error.message; return false; }
  go.disabled = card.only.disabled = true;
  try {
    const job = see(await askJson("jobs", {method: "POST", json: {song: card.song.id, ...request}}));
    announce(`${card.song.name} is ${job.state === "done" ? "separated already" : "in the queue"}.`);
    card.end();
    if (open) location.hash = `job=${job.id}`;
    return true;
  } catch (error) {
    card.fault.textContent = error.message;
    card.root.scrollIntoView({block: "nearest"});  // the button may be far below it
    return false;
  } finally {
    card.only.disabled = false;
    keep();
  }
};

const showSong = async (card, song) => {
  const twin = [...cards].find((other) => other !== card && other.song?.id === song.id);
  if (twin) {
    card.end();
    announce(`${song.name} is there already.`);
    return twin;
  }
  card.song = song;
  card.rename(song.name);
  card.say(`${clock(song.seconds)} · ${song.format} · ${song.sample_rate_hz / 1000} kHz · ${song.channels === 1 ? "mono" : song.channels === 2 ? "stereo" : `${song.channels} channels`} · ${size(song.bytes)}`);
  const wave = element("div", {className: "waveform", ariaHidden: "true"});
  card.only = element("button", {type: "button", ariaLabel: `Separate ${song.name}`, onclick: () => separate(card, false)}, "Separate only this");
  card.buttons(card.only, iconButton("remove", `Remove ${song.name}`, async () => {
    card.end();
    // One that a job has stays.
    await askJson(`songs/${song.id}`, {method: "DELETE"}).catch(() => null);
  }));
  card.body.replaceChildren(wave);
  keep();
  const peaks = await askJson(`songs/${song.id}/peaks`).catch(() => null);
  if (peaks && wave.isConnected) card.wave = drawWaveform(wave, peaks, {height: 84});
  return card;
};

const begin = (file) => {
  const card = makeCard(file.name);
  const bar = element("progress", {max: file.size || 1, value: 0, ariaLabel: `Upload of ${file.name}`});
  const start = async () => {
    const stop = new AbortController();
    const started = {at: performance.now(), sent: null};
    card.buttons(iconButton("remove", `Cancel the upload of ${file.name}`, () => { stop.abort(); card.end(); }));
    card.fault.textContent = "";
    card.body.replaceChildren(bar);
    card.say("Waiting …");
    try {
      if (file.size === 0) throw new Error("The file is empty.");
      if (file.size > offer.limits.upload_bytes)
        throw new Error(`The file has ${size(file.size)}; this server takes up to ${size(offer.limits.upload_bytes)}.`);
      const id = await upload(file, stop.signal, ({sent, paused}) => {
        if (paused) { card.say(paused); started.sent = null; return; }
        if (started.sent === null) { started.sent = sent; started.at = performance.now(); }
        bar.value = sent;
        const speed = (sent - started.sent) / (performance.now() - started.at) * 1000;
        const left = speed > 0 ? Math.ceil((file.size - sent) / speed) : null;
        card.say(sent >= file.size ? "Reading the song …" :
          `Uploading: ${percent(sent / file.size)} of ${size(file.size)}${left > 2 ? `, ${left < 90 ? `${left} s` : `${Math.ceil(left / 60)} min`} left` : ""}`);
      });
      const song = await askJson(`songs/${id}`);
      announce(`${song.name} is uploaded.`);
      await showSong(card, song);
    } catch (error) {
      if (error.name === "AbortError") return;
      card.say("");
      card.body.replaceChildren();
      card.fault.textContent = error.message;
      card.buttons(iconButton("again", `Upload ${file.name} again`, start), iconButton("remove", `Remove ${file.name}`, () => card.end()));
    }
  };
  start();
};

export const addFiles = (files) => {
  if (byId("songs_view").hidden) location.hash = "songs";
  for (const file of files) begin(file);
};
// A song that the server has.
export const addSong = async (id) => {
  const there = [...cards].find((card) => card.song?.id === id);
  if (there) return there.focus();
  const song = await askJson(`songs/${id}`);
  (await showSong(makeCard(song.name), song)).focus();
};
// Those that were uploaded before the page was loaded again.
export const addWaiting = async () => {
  for (const id of remembered("songs", [])) {
    const song = await askJson(`songs/${id}`).catch(() => null);
    if (song) await showSong(makeCard(song.name), song);
  }
};
