// The page: takes the files, decodes the song, talks to the worker that runs the model, shows what comes.
import { Sounds } from "./sounds.js";
import { readWav, WavWriter } from "./wav.js";

const element = (id) => document.getElementById(id);
const sounds = new Sounds(element("sounds"));
let model = null; // {files, worker}, {manifest, threads} when it is open, {broken} when it cannot be used
let songFile = null;
let job = null; // {hear} while a song is in work: takes what the worker sends of it

const minutes = (time) => `${Math.floor(time / 60)}:${String(Math.floor(time % 60)).padStart(2, "0")}`;

function complain(problem) {
  element("problem").textContent = problem;
  element("problem").hidden = !problem;
}

function showStatus(status) {
  element("status").textContent = status;
  element("start").textContent = job ? "Stop" : "Separate";
  element("start").classList.toggle("stop", job !== null);
  element("start").disabled = !job && !(model?.manifest && songFile);
}

function showIdle() {
  const missing = [(!model || model.broken) && "a model", !songFile && "a song"].filter(Boolean);
  showStatus(missing.length ? `Choose ${missing.join(" and ")}.` : model.manifest ? "Ready." : "Opening the model …");
}

function showFacts() {
  const facts = element("facts");
  facts.hidden = !model?.manifest;
  if (facts.hidden) return;
  const { manifest, threads } = model;
  const rows = {
    Architecture: manifest.model, Stems: manifest.stems.join(", "), "Sample rate": `${manifest.sample_rate_hz / 1000} kHz`,
    Channels: manifest.channels, Segment: `${(manifest.segment_frames / manifest.sample_rate_hz).toFixed(1)} s`,
    Threads: crossOriginIsolated ? threads : "1, without COOP and COEP headers",
  };
  facts.replaceChildren(...Object.entries(rows).map(([name, value]) => {
    const row = document.createElement("div");
    row.append(Object.assign(document.createElement("dt"), { textContent: name }),
               Object.assign(document.createElement("dd"), { textContent: value }));
    return row;
  }));
}

// A worker whose messages go to `hear`, and {gone} when it ends without being asked to.
function startWorker(hear) {
  const name = crypto.randomUUID(), asked = new AbortController();
  const worker = new Worker("worker.js", { type: "module", name });
  let started = false;
  worker.onmessage = ({ data }) => {
    if (!data.started) return hear(data);
    started = true;
    navigator.locks.request(name, { signal: asked.signal }, () => hear({ gone: true })).catch(() => {});
  };
  worker.onerror = (event) => {
    event.preventDefault();
    hear({ problem: started ? `the worker failed: ${event.message}`
                            : "onnxruntime-web could not be loaded: run `npm install` in examples/web and load this page again" });
  };
  return {
    post: (...message) => worker.postMessage(...message),
    end: () => { asked.abort(); worker.terminate(); },
  };
}

function hear(message) {
  if (message.manifest) {
    Object.assign(model, message);
  } else if (message.problem || message.gone) {
    complain(message.problem ?? "the worker that ran the model has ended, perhaps for want of memory: choose the model again");
    job = null;
    if (message.gone || !model.manifest) {
      model.worker.end();
      model = { files: model.files, broken: true };
    }
  } else {
    return job?.hear(message);
  }
  showFacts();
  showIdle();
}

// In a worker of its own; that of the model before ends.
function openModel(files) {
  model?.worker?.end();
  job = null;
  const mine = model = { files, worker: startWorker((message) => mine === model && hear(message)) };
  model.worker.post(files);
  showFacts();
  showIdle();
}

// A Float32Array per channel at `rate`.
async function decode(file, rate) {
  const bytes = await file.arrayBuffer();
  const wav = readWav(bytes, rate);
  if (wav) return wav;
  let context;
  try {
    context = new OfflineAudioContext(1, 1, rate);
  } catch {
    throw new Error(`this browser does not decode at ${rate} Hz, the model's rate`);
  }
  try {
    const audio = await context.decodeAudioData(bytes);
    return Array.from({ length: audio.numberOfChannels }, (_, c) => audio.getChannelData(c));
  } catch {
    throw new Error(`${file.name} is no audio that this browser decodes`);
  }
}

async function separate() {
  complain("");
  sounds.clear();
  element("stems").hidden = true;
  element("progress").value = 0;
  const mine = job = { hear: () => {} };
  showStatus("Decoding …");
  const { worker, manifest } = model, file = songFile;
  const channels = await decode(file, manifest.sample_rate_hz).catch((error) => { mine.error = error; });
  if (job !== mine) return; // stopped meanwhile
  if (mine.error) {
    job = null;
    complain(mine.error.message);
    return showIdle();
  }
  const frames = channels[0].length;
  const base = file.name.replace(/\.[^.]*$/, "");
  element("title").textContent = base;
  element("stems").hidden = false;
  const mixture = sounds.add("mixture", frames);
  channels.forEach((samples) => mixture.add(samples, 1, 0));
  mixture.offer(file);
  const stems = manifest.stems.map((name) => (
    { name, sound: sounds.add(name, frames), wav: new WavWriter(manifest.sample_rate_hz, channels.length) }));
  const begin = performance.now();
  const took = () => (performance.now() - begin) / 1000;
  const count = channels.length;
  job.hear = (message) => {
    if (message.stems) {
      stems.forEach(({ sound, wav }, s) => {
        sound.add(message.stems[s], count, message.from);
        wav.write(message.stems[s]);
      });
      const share = (message.from + message.frames) / frames;
      element("progress").value = share;
      showStatus(`${Math.floor(100 * share)} %, ${minutes(took() / share - took())} left`);
    } else if (message.finished) {
      job = null;
      try {
        for (const { name, sound, wav } of stems) sound.offer(wav.finish(), `${base}_${name}.wav`);
        showStatus(`Done: ${minutes(frames / manifest.sample_rate_hz)} of sound in ${minutes(took())}.`);
      } catch (error) {
        complain(error.message);
        showIdle();
      }
    }
  };
  showStatus("Separating …");
  worker.post({ song: channels }, channels.map((samples) => samples.buffer));
}

// A run of the model cannot be broken off: its worker ends, and a new one opens the model again.
function stop() {
  element("progress").value = 0;
  openModel(model.files);
}

element("start").addEventListener("click", () => (job ? stop() : separate()));

function describe(id, name, bytes) {
  element(id).querySelector("strong").textContent = name;
  element(id).querySelector("small").textContent =
      bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

element("model").addEventListener("change", ({ target }) => {
  const files = [...target.files];
  if (!files.length) return;
  target.value = ""; // so that the same file can be chosen again
  const model = files.find((file) => !file.name.endsWith(".data")) ?? files[0];
  describe("model", model.name, files.reduce((sum, file) => sum + file.size, 0));
  complain("");
  openModel({ model, weights: files.find((file) => file !== model) });
});

element("song").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  target.value = "";
  songFile = file;
  describe("song", file.name, file.size);
  complain("");
  if (!job) showIdle();
});

for (const choice of document.querySelectorAll(".choice")) {
  for (const kind of ["dragenter", "dragover"]) choice.addEventListener(kind, () => choice.classList.add("over"));
  for (const kind of ["dragleave", "drop"]) choice.addEventListener(kind, () => choice.classList.remove("over"));
}
showIdle();
