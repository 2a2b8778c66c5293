#include "separate/manifest_file.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file_kind.h"
#include "core/files.h"
#include "core/json_fields.h"
#include "core/names.h"
#include "core/option.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr std::int64_t kMostFrames = std::int64_t{1} << 31;
constexpr char kAdvice[] =
    "\"Models of other programs\" in docs/model_format.md describes the keys";

constexpr const char* kKeys[] = {
    "version", "model",  "stems",   "sample_rate_hz",     "channels", "segment_frames", "length",
    "window", "overlap", "tail",    "song_normalization", "input",    "stft",           "compensate"};
constexpr const char* kLengthKeys[] = {"dynamic", "offset_frames", "multiple_frames"};
constexpr const char* kStftKeys[] = {"n_fft", "hop", "zeroed_bins"};
constexpr const char* kSpectrumKeys[] = {"stft", "compensate"};

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  return "[" + JoinNames(shape, ", ", [](std::int64_t size) {
           return size < 0 ? std::string("?") : std::to_string(size);
         }) + "]";
}

Error WrongGraph(const std::string& problem, const fs::path& model) {
  return Error::Input(problem, model.string(),
                      "a model must map audio [B, C, T] to stems [B, S, C, T], or to one stem "
                      "[B, C, T]; or real and imaginary parts of spectra, [B, 2 C, F, N], to the same");
}

// The graph's one input and one output, of which the input's shape is known.
void CheckKind(const GraphTypes& types, const fs::path& model) {
  const auto refuse = [&](const std::string& problem) { throw WrongGraph(problem, model); };
  if (types.inputs.size() != 1 || types.outputs.size() != 1)
    refuse("the graph has " + std::to_string(types.inputs.size()) + " inputs and " +
           std::to_string(types.outputs.size()) + " outputs, not one of each");
  const GraphValue &in = types.inputs[0], &out = types.outputs[0];
  if (!in.is_float32 || !out.is_float32) refuse("the graph's numbers are not float32");
  if (in.shape.size() != 3 && in.shape.size() != 4)
    refuse("the graph's input has the shape " + ShapeText(in.shape));
  if (in.shape[0] > 1)
    refuse("the graph takes " + std::to_string(in.shape[0]) + " segments at once, not any number");
  const std::size_t more = out.shape.size() - in.shape.size();
  if (!out.shape.empty() && more > 1)
    refuse("the graph makes " + ShapeText(out.shape) + " of " + ShapeText(in.shape));
  for (std::size_t i = 1; i < in.shape.size() && !out.shape.empty(); ++i)
    if (in.shape[i] > 0 && out.shape[i + more] > 0 && in.shape[i] != out.shape[i + more])
      refuse("the graph makes " + ShapeText(out.shape) + " of " + ShapeText(in.shape));
}

// What the file has to hold for this graph.
std::string Example(const std::vector<std::int64_t>& in) {
  std::string text = "{\"stems\": [\"vocals\"], \"sample_rate_hz\": 44100";
  if (in.size() == 4) text += ", \"input\": \"spectrum\", \"stft\": {\"n_fft\": …}";
  if (in.size() == 3 && in[1] < 0) text += ", \"channels\": 2";
  if (in.back() < 0) text += ", \"segment_frames\": …";
  return text + "}";
}

std::string Shown(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

template <typename Known>
void CheckKeys(const json& object, const Known& known, const std::string& where) {
  if (!object.is_object()) return;
  for (const auto& [key, value] : object.items())
    if (std::find(std::begin(known), std::end(known), key) == std::end(known))
      throw Error::Input("unknown key '" + key + "'", where,
                         DidYouMean(key, known, "known: " + JoinNames(known)));
}

json ReadObject(const fs::path& file) {
  CheckIsFile(file);
  const std::string text = ReadFile(file);
  if (const std::string problem = JsonProblem(text); !problem.empty())
    throw Error::Input("the manifest is not JSON: " + problem, file.string(), kAdvice);
  json object = ParseJson(text);
  if (!object.is_object())
    throw Error::Input("the manifest is no map of keys", file.string(), kAdvice);
  CheckKeys(object, kKeys, file.string());
  if (object.contains("length")) CheckKeys(object["length"], kLengthKeys, file.string());
  if (object.contains("stft")) CheckKeys(object["stft"], kStftKeys, file.string());
  return object;
}

// What `given` says, and of what it leaves out what the graph says or most models want.
json Completed(const JsonFields& fields, const json& given, const std::string& name,
               std::int64_t channels, std::int64_t frames) {
  json all = {{"version", Manifest::kVersion},
              {"model", name},
              {"length", {{"dynamic", false}, {"offset_frames", 0}, {"multiple_frames", 1}}},
              {"song_normalization", NameOf(SongNormalization::kNone)},
              {"window", NameOf(Manifest().window)},
              {"overlap", Manifest().overlap},
              {"precision", Manifest().precision}};
  const auto settle = [&](const char* key, std::int64_t value) {
    if (value < 0) return;
    if (given.contains(key) && given[key] != json(value))
      throw fields.Problem("'" + std::string(key) + "' is " + Shown(given[key]) +
                           ", and the graph has " + std::to_string(value));
    all[key] = value;
  };
  settle("channels", channels);
  settle("segment_frames", frames);
  all.merge_patch(given);
  return all;
}

SpectrumInput ReadSpectrum(const JsonFields& fields, std::int64_t bins) {
  constexpr int kMostFft = 1 << 20;
  const JsonFields stft = fields.Object("stft");
  SpectrumInput spectrum;
  spectrum.n_fft = stft.Number<int>("n_fft", {2, kMostFft});
  if (spectrum.n_fft % 2 != 0)
    throw fields.Problem("'n_fft' is " + std::to_string(spectrum.n_fft) + ", not an even number");
  if (bins > spectrum.n_fft / 2 + 1)
    throw fields.Problem("'n_fft' is " + std::to_string(spectrum.n_fft) + ", which has " +
                         std::to_string(spectrum.n_fft / 2 + 1) + " bins, and the graph has " +
                         std::to_string(bins));
  spectrum.hop = stft.Number<int>("hop", {1, kMostFft}, spectrum.hop);
  // Frames that overlap less cannot be joined.
  if (spectrum.hop > spectrum.n_fft / 2)
    throw fields.Problem("'hop' is " + std::to_string(spectrum.hop) +
                         ", more than half of 'n_fft', " + std::to_string(spectrum.n_fft));
  spectrum.zeroed_bins = stft.Number<int>("zeroed_bins", {0, kMostFft}, spectrum.zeroed_bins);
  if (spectrum.zeroed_bins >= bins)
    throw fields.Problem("'zeroed_bins' is " + std::to_string(spectrum.zeroed_bins) +
                         ", and the graph has " + std::to_string(bins) +
                         " bins: none would be left");
  spectrum.compensate = static_cast<float>(fields.Number<double>("compensate", {1e-3, 1e3}, 1.0));
  return spectrum;
}

void CheckLength(const JsonFields& fields, const Manifest& manifest, std::int64_t frames) {
  const std::int64_t segment = manifest.segment_frames;
  const std::string says = "'segment_frames' is " + std::to_string(segment) + ", ";
  if (!manifest.spectrum) {
    if (manifest.length.dynamic && frames > 0)
      throw fields.Problem("'length' is dynamic, and the graph takes " + std::to_string(frames) +
                           " frames alone");
    if (manifest.length.dynamic && manifest.length.AtLeast(segment) != segment)
      throw fields.Problem(says + "a length that 'length' does not have");
    return;
  }
  const SpectrumInput& spectrum = *manifest.spectrum;
  if (segment % spectrum.hop != 0)
    throw fields.Problem(says + "not a multiple of 'hop', " + std::to_string(spectrum.hop));
  if (segment <= spectrum.n_fft / 2)
    throw fields.Problem(says + "and must be longer than half of 'n_fft', " +
                         std::to_string(spectrum.n_fft / 2));
  constexpr double kMostBytes = 8.0 * (1 << 30);
  if (2.0 * manifest.channels * static_cast<double>(manifest.layout.bins) *
          static_cast<double>(segment / spectrum.hop + 1) *
          static_cast<double>(manifest.stems.size() + 1) * sizeof(float) >
      kMostBytes)
    throw fields.Problem("the spectra of a segment take more than 8 GiB");
}

}  // namespace

fs::path ManifestBeside(const fs::path& model) {
  fs::path file = model;
  file.replace_extension(".json");
  std::error_code code;
  // A link that leads nowhere is said by who reads it.
  const bool is_there = file != model && fs::exists(fs::symlink_status(file, code));
  return is_there && !ReadOnnxManifest(model) ? file : fs::path();
}

Manifest ReadManifestFile(const fs::path& file, const fs::path& model, const GraphTypes& types) {
  CheckKind(types, model);
  const std::vector<std::int64_t>&in = types.inputs[0].shape, &out = types.outputs[0].shape;
  if (file.empty())
    throw Error::Input("the ONNX model carries no stemsmith manifest, which says its stems, its "
                       "sample rate and the like",
                       model.string(),
                       "write them into " + model.stem().string() + ".json beside it, " +
                           Example(in) + ", or give such a file with " +
                           Option("manifest", "FILE") + "; " + kAdvice);
  const json given = ReadObject(file);
  const std::string where = file.string();
  const JsonFields fields(
      given, [&](const std::string& problem) { return Error::Input(problem, where, kAdvice); });

  const std::string input = fields.Text("input", "waveform");
  const bool is_spectrum = input == "spectrum";
  if (!is_spectrum && input != "waveform")
    throw fields.Problem("'input' is '" + input + "', neither 'waveform' nor 'spectrum'");
  if (is_spectrum != (in.size() == 4))
    throw fields.Problem("the graph takes " + ShapeText(in) + ", and 'input' is '" + input + "'");
  for (const char* key : kSpectrumKeys)
    if (!is_spectrum && given.contains(key))
      throw fields.Problem(std::string("'") + key + "' is for the input 'spectrum'");
  if (is_spectrum && given.contains("length"))
    throw fields.Problem("'length' is for the input 'waveform'");

  std::int64_t channels = in[1], frames = in.back();
  std::optional<SpectrumInput> spectrum;
  if (is_spectrum) {
    if (channels < 2 || channels % 2 != 0 || in[2] < 1)
      throw WrongGraph(
          "the graph takes " + ShapeText(in) + ", not pairs of channels of so many bins", model);
    spectrum = ReadSpectrum(fields, in[2]);
    channels /= 2;
    if (frames > 0) frames = (std::min(frames, kMostFrames) - 1) * spectrum->hop;
  }
  Manifest manifest = Manifest::FromJson(
      Shown(Completed(fields, given, model.stem().string(), channels, frames)), where, kAdvice);
  manifest.spectrum = spectrum;
  manifest.layout.bins = is_spectrum ? in[2] : 0;
  manifest.layout.one_at_a_time = in[0] == 1;
  for (const std::string& stem : manifest.stems)
    if (stem.find_first_of(",=+\n\r\t") != std::string::npos)
      throw fields.Problem("the stem name " + Shown(stem) + " cannot be given to " +
                           Option("stems") + " and " + Option("mix"));
  const std::size_t stems = manifest.stems.size();
  manifest.layout.has_stems = out.empty() ? stems != 1 : out.size() > in.size();
  const std::int64_t gives = !manifest.layout.has_stems ? 1 : out.empty() ? -1 : out[1];
  if (gives > 0 && static_cast<std::size_t>(gives) != stems)
    throw fields.Problem("'stems' has " + std::to_string(stems) + " names, and the graph gives " +
                         std::to_string(gives));
  CheckLength(fields, manifest, in.back());
  return manifest;
}

}  // namespace stemsmith
