// Reads the manifest that `stemsmith export` writes into model.onnx: docs/model_format.md of the project says what each
// key means. ONNX Runtime's JavaScript does not hand out a model's metadata, so it is read from the file, which is one
// protobuf message: https://protobuf.dev/programming-guides/encoding.

const kGraph = 7, kMetadata = 14; // fields of ONNX's ModelProto
const kFields = new Set([1, 2, 3, 4, 5, 6, kGraph, 8, kMetadata, 20, 25, 26]);

// The number at bytes[at], seven bits a byte, and where it ends.
function readNumber(bytes, at) {
  let value = 0;
  for (let i = 0; i < 10 && at + i < bytes.length; ++i) {
    value += (bytes[at + i] & 127) * 2 ** (7 * i);
    if (bytes[at + i] < 128) return [value, at + i + 1];
  }
  throw new Error("no number");
}

// The two texts of a metadata entry, as [key, value].
function readEntry(bytes) {
  const texts = ["", ""];
  for (let at = 0; at < bytes.length;) {
    const [tag, begin] = readNumber(bytes, at);
    const [size, text] = readNumber(bytes, begin);
    texts[(tag >> 3) - 1] = new TextDecoder().decode(bytes.subarray(text, text + size));
    at = text + size;
  }
  return texts;
}

// Metadata of the model in `file` (a Blob) by key. Reads a few bytes per field: the graph with its weights is one.
async function readMetadata(file) {
  const read = async (from, to) => new Uint8Array(await file.slice(from, to).arrayBuffer());
  const metadata = new Map();
  let graph = false;
  for (let at = 0; at < file.size;) {
    const head = await read(at, at + 20);
    const [tag, value] = readNumber(head, 0);
    const [number, end] = readNumber(head, value);
    const field = Math.floor(tag / 8), kind = tag % 8;
    if (!kFields.has(field) || (kind !== 0 && kind !== 2)) throw new Error("no field of ONNX");
    at += end;
    if (kind === 0) continue;
    if (at + number > file.size) throw new Error("cut off");
    if (field === kMetadata) metadata.set(...readEntry(await read(at, at + number)));
    graph ||= field === kGraph;
    at += number;
  }
  if (!graph) throw new Error("no graph");
  return metadata;
}

function check(manifest) {
  const whole = (value, least) => Number.isInteger(value) && value >= least;
  if (manifest.version > 1) return `it has version ${manifest.version}, and this page reads 1`;
  if (!Array.isArray(manifest.stems) || !manifest.stems.length || !manifest.stems.every((s) => typeof s === "string"))
    return "it names no stems";
  const { length } = manifest;
  if (!whole(manifest.sample_rate_hz, 1) || !whole(manifest.channels, 1) || !whole(manifest.segment_frames, 1) ||
      typeof length?.dynamic !== "boolean" || !whole(length.offset_frames, 0) || !whole(length.multiple_frames, 1) ||
      !(manifest.overlap >= 0 && manifest.overlap < 1))
    return "a number is missing or out of range";
  if (!["triangle", "hann", "rectangle"].includes(manifest.window) || !["zeros", "context"].includes(manifest.tail) ||
      !["none", "mean_std"].includes(manifest.song_normalization))
    return "it asks for a window, a tail or a normalisation that this page does not know";
  return "";
}

// The manifest of `file`. Throws Errors whose message is a line for the user.
export async function readManifest(file) {
  let metadata;
  try {
    metadata = await readMetadata(file);
  } catch {
    throw new Error(`${file.name} is no ONNX model, or was cut off: take the model.onnx that \`stemsmith export\` wrote`);
  }
  const text = metadata.get("stemsmith.manifest");
  if (text === undefined)
    throw new Error(`${file.name} carries no stemsmith manifest: take a model.onnx that \`stemsmith export\` wrote`);
  let manifest;
  try {
    manifest = { tail: "zeros", ...JSON.parse(text) };
  } catch {
    throw new Error(`the manifest of ${file.name} is not JSON: export the model again`);
  }
  const problem = check(manifest);
  if (problem) throw new Error(`the manifest of ${file.name} makes no sense: ${problem}`);
  return manifest;
}

// Throws where `weights` (a File, or undefined) is not what the manifest says lies beside `model`.
export async function checkWeights(manifest, model, weights) {
  const expected = manifest.external_data;
  if (!expected) return;
  if (!weights) throw new Error(`the weights of ${model.name} lie in ${expected.file}: choose both files together`);
  const head = await weights.slice(0, 64).text();
  if (weights.size !== expected.bytes || !head.startsWith(`stemsmith weights ${expected.id}\n`))
    throw new Error(`${weights.name} does not belong to ${model.name}: take both files of one export`);
}
