// Runs the model away from the page, which so stays alive. One worker per model: a new one frees the memory of the old.
//
// Gets {model, weights} (Files; weights may be missing) and answers {manifest, threads}; then any number of times {song}
// (a Float32Array per channel at the model's rate), answered by {from, frames, stems} of separateSong() and {finished}.
// Whatever fails is answered by {problem}, a line for the user.
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";
import { checkWeights, readManifest } from "./manifest.js";
import { separateSong } from "./song.js";

ort.env.wasm.numThreads = self.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
ort.env.logLevel = "fatal"; // what is thrown says the same

let manifest, session, name;

// What ONNX Runtime threw, in a line.
function explain(what, error) {
  const text = String(error?.message ?? error).split("\n")[0];
  return /alloc|memory|Aborted|RangeError/i.test(text)
    ? new Error(`${what}: it needs more memory than a page gets (4 GiB). Close other pages, or use \`separate\``)
    : new Error(`${what}: ${text}`);
}

async function open(model, weights) {
  name = model.name;
  manifest = await readManifest(model);
  await checkWeights(manifest, model, weights);
  try {
    const externalData = manifest.external_data ? [{ path: manifest.external_data.file, data: weights }] : [];
    session = await ort.InferenceSession.create(new Uint8Array(await model.arrayBuffer()), {
      executionProviders: ["wasm"], externalData });
  } catch (error) {
    throw explain(`${name} could not be opened`, error);
  }
  postMessage({ manifest, threads: ort.env.wasm.numThreads });
}

async function run(mix, length) {
  const { channels, stems } = manifest;
  let output;
  try {
    const input = new ort.Tensor("float32", mix, [1, channels, length]);
    ({ [session.outputNames[0]]: output } = await session.run({ [session.inputNames[0]]: input }));
  } catch (error) {
    throw explain(`${name} could not be run`, error);
  }
  if (String(output.dims) !== String([1, stems.length, channels, length]) || output.type !== "float32")
    throw new Error(`${name} gives ${output.type} [${output.dims}], not what its manifest says: export it again`);
  for (const value of output.data) {
    if (!Number.isFinite(value)) throw new Error(`${name} gives values that are not finite: its training diverged, or the song is damaged`);
  }
  return output.data;
}

async function separate(song) {
  for await (const block of separateSong(song, manifest, run))
    postMessage(block, block.stems.map((samples) => samples.buffer));
  postMessage({ finished: true });
}

self.onmessage = async ({ data }) => {
  try {
    await (data.song ? separate(data.song) : open(data.model, data.weights));
  } catch (error) {
    postMessage({ problem: error.message });
  }
};

// Held as long as this worker lives. The page asks for the same lock, and gets it when the worker has gone, however.
navigator.locks.request(self.name, () => {
  postMessage({ started: true });
  return new Promise(() => {});
});
