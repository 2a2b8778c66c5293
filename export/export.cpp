#include "export/export.h"

#include <malloc.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/version.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <numbers>
#include <optional>
#include <set>
#include <utility>

#include "audio/decode.h"
#include "audio/planar_reader.h"
#include "audio/read_fully.h"
#include "core/checksum.h"
#include "core/current_error.h"
#include "core/error.h"
#include "core/files.h"
#include "core/names.h"
#include "core/option.h"
#include "core/text.h"
#include "export/lowering.h"
#include "export/onnx/model_writer.h"
#include "export/trace.h"
#include "export/weight_precision.h"
#include "models/manifest_for.h"
#include "models/model_runtime.h"
#include "separate/runtime.h"
#include "separate/stem_stream.h"
#include "separate/torch_device.h"
#include "stemsmith_version.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// Where files are written, by their names.
struct Files {
  std::string model, data;  // names: model.int8.onnx, model.int8.onnx.data
  std::function<fs::path(const std::string& name)> add;
};

struct Format {
  const char* name;
  const char* ending;
  double tolerance;
  // Writes `file` and what belongs to it.
  void (*write)(const Trace& trace, const Manifest& manifest, const Files& files,
                const ExportOptions& options, const std::string& where);
};

// Takes what LibTorch writes and remembers the first failure, of which LibTorch must not know: its
// archive writer would throw from a destructor.
class ArchiveFile {
 public:
  explicit ArchiveFile(const fs::path& path) : file_(std::fopen(path.c_str(), "wb")) {
    if (file_ == nullptr) failure_ = errno;
  }
  ~ArchiveFile() {
    if (file_ != nullptr) std::fclose(file_);
  }
  ArchiveFile(const ArchiveFile&) = delete;
  ArchiveFile& operator=(const ArchiveFile&) = delete;

  std::size_t Write(const void* bytes, std::size_t count) noexcept {
    if (failure_ == 0 && std::fwrite(bytes, 1, count, file_) != count) failure_ = errno;
    return count;
  }
  // The system's reason of the first failure, or 0.
  int Close() {
    std::FILE* file = std::exchange(file_, nullptr);
    if (file != nullptr && std::fclose(file) != 0 && failure_ == 0) failure_ = errno;
    return failure_;
  }

 private:
  std::FILE* file_;
  int failure_ = 0;
};

void WriteTorchScript(const Trace& trace, const Manifest& manifest, const Files& files,
                      const ExportOptions&, const std::string& where) {
  const torch::jit::ExtraFilesMap extra = {{kManifestExtraFile, manifest.ToJson().dump()}};
  const fs::path path = files.add(files.model);
  ArchiveFile file(path);
  try {
    torch::jit::ExportModule(
        trace.module,
        [&file](const void* bytes, std::size_t count) { return file.Write(bytes, count); }, extra);
  } catch (const c10::Error& error) {
    throw LibTorchError("LibTorch cannot write the model", error.what(), where);
  }
  errno = file.Close();
  if (errno != 0) throw Error::System("cannot write", path.string());
  AppendChecksumToArchive(path, kTorchScriptChecksum);
}

void WriteOnnx(const Trace& trace, const Manifest& manifest, const Files& files,
               const ExportOptions& options, const std::string& where) {
  OnnxGraph graph = LowerToOnnx(trace, where);
  const WeightPrecision& precision = FindWeightPrecision(options.precision);
  if (precision.apply != nullptr && precision.apply(graph) == 0)
    throw Error::Usage("the model has no weights that become smaller as " + options.precision,
                       where, "leave out " + Option("precision") + ", or take another");
  Manifest own = manifest;
  if (ConstantBytes(graph) > std::min(options.onnx_inline_bytes, kLargestInlineBytes)) {
    // Added first, so that it is there when the model gets its name.
    const OnnxDataFile data = WriteExternalData(graph, files.add(files.data));
    own.external_data = {
        {"file", files.data}, {"bytes", data.bytes}, {"id", data.id}, {"xxh3", data.xxh3}};
  }
  WriteOnnxModel(std::move(graph),
                 {STEMSMITH_VERSION, {{kManifestMetadataKey, own.ToJson().dump()}}},
                 files.add(files.model), where);
}

// Weights of an earlier export that the new model.onnx does not need.
void RemoveFormerData(const fs::path& path) {
  if (!KindOfFile(path).empty()) return;
  std::ifstream in(path, std::ios::binary);
  std::string head(sizeof(kExternalDataMagic) - 1, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  std::error_code ignored;
  if (in && head == kExternalDataMagic) fs::remove(path, ignored);
}

constexpr Format kFormats[] = {
    {"torchscript", ".ts", kTorchScriptTolerance, WriteTorchScript},
    {"onnx", ".onnx", kOnnxTolerance, WriteOnnx},
};

void StopWhenAsked(const Host& host) {
  if (const int signal = host.StopSignal(); signal != 0)
    throw Error::Stopped(signal, "the export was interrupted", "no file was written");
}

// One song for the check, which goes through a model as so many segments of so many frames at once.
struct Probe {
  std::int64_t batch = 1, frames = 1;
  AudioBuffer mix;                 // [C, B · T]
  std::vector<AudioBuffer> stems;  // by the model itself
};

// Tones and noise that no trace has seen.
AudioBuffer ProbeMix(std::int64_t batch, std::int64_t channels, std::int64_t frames) {
  auto generator =
      at::detail::createCPUGenerator(static_cast<std::uint64_t>(1000 + 10 * batch + channels));
  const torch::Tensor frequency = 0.002 + 0.05 * torch::rand({batch, channels, 1}, generator);
  const torch::Tensor time = torch::arange(frames, torch::kFloat32);
  const torch::Tensor segments =
      0.4 * torch::sin(2 * std::numbers::pi * frequency * time) +
      0.1 * torch::randn({batch, channels, frames}, generator);  // [B, C, T]
  AudioBuffer mix(static_cast<int>(channels), static_cast<std::size_t>(batch * frames));
  torch::from_blob(mix.samples().data(), {channels, batch, frames}).copy_(segments.transpose(0, 1));
  return mix;
}

std::vector<AudioBuffer> SeparateProbe(Runtime& runtime, const Probe& probe) {
  StemStreamOptions options;
  options.overlap = 0;  // so that nothing hides behind a neighbour
  options.segment_frames = probe.frames;
  options.batch = static_cast<int>(probe.batch);
  options.refuse_not_finite = false;  // its errors speak of songs
  std::vector<const float*> channels;
  for (int c = 0; c < probe.mix.channels(); ++c) channels.push_back(probe.mix.channel(c));
  StemStream stream(
      runtime,
      std::make_unique<PlanarReader>(channels.data(), probe.mix.channels(), probe.mix.frames(),
                                     runtime.manifest().sample_rate_hz),
      options);
  return ReadAllStems(stream);
}

// Up to half a minute from the middle of a song, as the model takes it.
AudioBuffer SongPart(const fs::path& song, const Manifest& manifest) {
  constexpr std::int64_t kSeconds = 30;
  const auto reader =
      ConvertAudio(OpenAudio(song, {}), manifest.sample_rate_hz, manifest.channels);
  const std::int64_t most = kSeconds * manifest.sample_rate_hz;
  const std::int64_t all = std::max(reader->info().frames, reader->info().expected_frames);
  std::vector<float> part(static_cast<std::size_t>(most * manifest.channels));
  for (std::int64_t before = std::max<std::int64_t>(0, (all - most) / 2); before > 0;) {
    const std::size_t count = reader->Read(
        part.data(), static_cast<std::size_t>(std::min<std::int64_t>(before, most)));
    if (count == 0) break;
    before -= static_cast<std::int64_t>(count);
  }
  const std::size_t frames = ReadFully(*reader, part.data(), static_cast<std::size_t>(most));
  if (frames == 0)
    throw Error::Input("holds no audio", song.string(), "give a song of some seconds");
  AudioBuffer mix(manifest.channels, frames);
  Deinterleave(part.data(), manifest.channels, frames, mix.samples().data());
  return mix;
}

std::vector<Probe> MakeProbes(SeparationModel& model, const Manifest& manifest,
                              const ExportResult& plan, const ExportOptions& options,
                              const std::string& where) {
  ModelRuntime runtime(model, manifest, TorchDevice(options.device));
  std::vector<Probe> probes;
  const auto add = [&](Probe probe) {
    StopWhenAsked(options.host);
    probe.stems = SeparateProbe(runtime, probe);
    for (const AudioBuffer& stem : probe.stems) {
      const auto finite = [](float sample) { return std::isfinite(sample); };
      if (std::all_of(stem.samples().begin(), stem.samples().end(), finite)) continue;
      throw Error::Input("the model's result is not a number", where,
                         "its weights are damaged or training diverged; use another checkpoint");
    }
    probes.push_back(std::move(probe));
  };
  // Large batches of the shortest length only, as models of minutes per segment exist. The segment
  // comes last, as the SNR is that of the last probe.
  const std::vector<std::int64_t>& lengths = plan.checked_frames;
  for (auto frames = lengths.rbegin(); frames != lengths.rend(); ++frames)
    for (const std::int64_t batch : plan.checked_batches)
      if (batch == 1 || frames == lengths.rbegin())
        add({batch, *frames, ProbeMix(batch, manifest.channels, *frames), {}});
  if (!options.check_song.empty())
    add({1, manifest.segment_frames, SongPart(options.check_song, manifest), {}});
  return probes;
}

struct Deviation {
  double largest = 0;  // of all probes, as a share of the peak
  double snr_db = 0;   // of the last probe
};

// With a place to optimise the model in: without one ONNX Runtime takes minutes to open graphs of
// tens of thousands of nodes.
std::unique_ptr<Runtime> OpenWritten(const fs::path& path, const Device& device) {
  const Engine engine = path.extension() == ".ts" ? Engine::kTorchScript : Engine::kOnnxRuntime;
  const fs::path optimized = path.parent_path() / "optimized";
  std::unique_ptr<Runtime> runtime =
      Runtime::Open(path, {.device = device, .engine = engine, .cache_folder = optimized});
  std::error_code ignored;
  fs::remove_all(optimized, ignored);  // what is open stays mapped
  return runtime;
}

// Gives what was freed back to the system, as the next library allocates as much by its own ways.
void ReturnFreedMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

Deviation DeviationOf(const fs::path& path, const std::vector<Probe>& probes,
                      const ExportOptions& options) {
  const std::unique_ptr<Runtime> runtime = OpenWritten(path, options.device);
  ReturnFreedMemory();
  Deviation result;
  for (const Probe& probe : probes) {
    StopWhenAsked(options.host);
    const std::vector<AudioBuffer> stems = SeparateProbe(*runtime, probe);
    double peak = 0, error = 0, signal = 0, noise = 0;
    for (std::size_t s = 0; s < stems.size(); ++s) {
      for (std::size_t i = 0; i < stems[s].samples().size(); ++i) {
        const double own = probe.stems[s].samples()[i], difference = stems[s].samples()[i] - own;
        if (!std::isfinite(difference)) return {INFINITY, -INFINITY};
        peak = std::max(peak, std::abs(own));
        error = std::max(error, std::abs(difference));
        signal += own * own;
        noise += difference * difference;
      }
    }
    // Silence is compared with the input's peak, which is near 1.
    result.largest = std::max(result.largest, error / (peak > 0 ? peak : 1.0));
    result.snr_db = noise > 0 ? 10 * std::log10(signal / noise) : INFINITY;
  }
  return result;
}

// The length behind the shortest, of which some layer may see one step alone: then a norm over few
// elements blows rounding up, and a dimension of 1 is taken for one to repeat.
std::int64_t SecondShortest(const LengthRule& rule) {
  return rule.AtLeast(1) + rule.multiple_frames;
}

// Lengths to check with: the segment, and where time is dynamic one about an eighth as long.
std::vector<std::int64_t> CheckedLengths(const Manifest& manifest) {
  const LengthRule& rule = manifest.length;
  if (!rule.dynamic) return {manifest.segment_frames};
  std::int64_t other =
      rule.AtLeast(std::max((manifest.segment_frames + 7) / 8, SecondShortest(rule)));
  if (other == manifest.segment_frames) other += rule.multiple_frames;
  return {manifest.segment_frames, other};
}

// Lengths to trace with: where time is dynamic two short ones, which take little time and memory.
// The second is so much longer that every layer sees more steps. Two more where long ones are cut.
std::vector<std::int64_t> TracedLengths(const SeparationModel& model, const Manifest& manifest) {
  const LengthRule& rule = manifest.length;
  if (!rule.dynamic) return {manifest.segment_frames};
  const std::int64_t first = rule.AtLeast(std::max(
      {manifest.segment_frames / 32, SecondShortest(rule), model.widest_step_frames()}));
  std::vector<std::int64_t> lengths = {first, rule.AtLeast(2 * first)};
  if (const std::int64_t uncut = model.longest_uncut_frames(); uncut > 0) {
    lengths.push_back(rule.AtLeast(std::max(SecondShortest(rule), model.widest_step_frames())));
    lengths.push_back(rule.AtLeast(uncut + model.widest_step_frames()));
  }
  return lengths;
}

bool IsWhole(const ExportOptions& options) {
  return FindWeightPrecision(options.precision).apply == nullptr;
}

// The rows of the formats that are asked for, each once.
std::vector<const Format*> FormatsOf(const ExportOptions& options) {
  const bool is_whole = IsWhole(options);
  std::vector<std::string> names = options.formats;
  if (names.empty() && is_whole) names.emplace_back("torchscript");
  if (names.empty() || options.formats.empty()) names.emplace_back("onnx");
  std::vector<const Format*> formats;
  for (const std::string& name : names) {
    const Format* format = &FindRow(kFormats, name, "format", Option("format"));
    if (!is_whole && name != "onnx")
      throw Error::Usage("only .onnx files have weights as " + options.precision,
                         Option("precision"), "leave out " + Option("format", name));
    if (std::find(formats.begin(), formats.end(), format) == formats.end())
      formats.push_back(format);
  }
  return formats;
}

std::string NameOf(const Format& format, const ExportOptions& options) {
  return "model" + FindWeightPrecision(options.precision).suffix + format.ending;
}

// Writes one file. With smaller weights it is written twice: first to find out the SNR that its
// manifest tells, in which alone the two differ.
ExportedFile Write(const Format& format, const Trace& trace, Manifest manifest,
                   const std::vector<Probe>& probes, PendingFolder& pending,
                   const ExportOptions& options, const std::string& where) {
  const std::string name = NameOf(format, options);
  const Files files{name, name + ".data", [&](const std::string& file) { return pending.Add(file); }};
  ExportedFile file{.format = format.name,
                    .path = options.out / name,
                    .tolerance = format.tolerance,
                    .precision = options.precision};
  if (!IsWhole(options)) {
    manifest.precision = options.precision;
    const fs::path folder = pending.folder() / "measured";
    fs::create_directory(folder);
    format.write(trace, manifest,
                 {files.model, files.data, [&](const std::string& part) { return folder / part; }},
                 options, where);
    const Deviation deviation = DeviationOf(folder / name, probes, options);
    fs::remove_all(folder);
    if (!(deviation.snr_db >= kLowestSnrDb))
      throw Error::Input("with weights as " + options.precision + " the stems have an SNR of " +
                             Formatted("%.1f", deviation.snr_db) + " dB, at least " +
                             Formatted("%.0f", kLowestSnrDb) + " dB are required",
                         where,
                         "no file was written; use float32, or float16 for a smaller file");
    file.largest_error = deviation.largest;
    file.snr_db = deviation.snr_db;
    manifest.precisions = {
        {options.precision,
         {{"snr_db", std::round(10 * deviation.snr_db) / 10},
          {"measured_on", options.check_song.empty() ? "tones and noise" : "a song"}}}};
  }
  format.write(trace, manifest, files, options, where);
  file.bytes = fs::file_size(pending.folder() / name);
  if (fs::exists(pending.folder() / files.data)) {
    file.data_path = options.out / files.data;
    file.data_bytes = fs::file_size(pending.folder() / files.data);
  }
  return file;
}

// Compares a written file with the model; one of smaller weights was compared already.
void Check(ExportedFile& file, const std::vector<Probe>& probes, const PendingFolder& pending,
           const ExportOptions& options, const std::string& where) {
  const std::string name = file.path.filename().string();
  const fs::path written = pending.folder() / name;
  if (!IsWhole(options)) {
    OpenWritten(written, options.device);
    return;
  }
  const Deviation deviation = DeviationOf(written, probes, options);
  file.largest_error = deviation.largest;
  file.snr_db = deviation.snr_db;
  if (file.largest_error > file.tolerance) {
    throw Error::Input(name + " differs from the model by " +
                           Formatted("%.1e", file.largest_error) + " of the peak, allowed are " +
                           Formatted("%.1e", file.tolerance),
                       where,
                       "no file was written; export the other format with " + Option("format"));
  }
}

// Leaves the model and the manifest only these stems.
void UseStems(SeparationModel& model, Manifest& manifest, const std::vector<std::string>& names) {
  std::set<std::int64_t> places;  // in the model's order
  for (const std::string& name : names) {
    places.insert(static_cast<std::int64_t>(
        RequireName(name, manifest.stems, "the model has no stem '" + name + "'", Option("stems"))));
  }
  if (places.empty()) return;
  model.UseStems({places.begin(), places.end()});
  std::vector<std::string> kept;
  for (const std::int64_t place : places)
    kept.push_back(manifest.stems[static_cast<std::size_t>(place)]);
  manifest.stems = std::move(kept);
}

}  // namespace

ExportResult ExportModel(std::shared_ptr<SeparationModel> model, const Manifest& manifest,
                         const std::string& where, const ExportOptions& options) {
  const std::vector<const Format*> formats = FormatsOf(options);
  for (const Format* format : formats) {
    const fs::path target = options.out / NameOf(*format, options);
    CheckTarget(target);
    CheckAreNoSources({target, target.string() + ".data"}, {where});
  }
  PendingFolder pending(options.out);

  const torch::NoGradGuard no_grad;
  ExportResult result{manifest, 0, {1, 3}, CheckedLengths(manifest), {}};
  for (const torch::Tensor& parameter : model->parameters()) {
    result.parameters += parameter.numel();
  }
  Progress progress(options.host, {.label = "export",
                                   .total = static_cast<std::int64_t>(2 + 2 * formats.size()),
                                   .unit = "steps"});
  std::int64_t done = 0;
  progress.Update(done++, "tracing");
  std::optional<Trace> trace = TraceForward(
      *model,
      [&](const torch::Tensor& mix) {
        StopWhenAsked(options.host);
        return model->forward(mix);
      },
      GuardExamples(manifest.channels, TracedLengths(*model, manifest)), where);
  StopWhenAsked(options.host);
  progress.Update(done++, "separating what is checked");
  model->to(TorchDevice(options.device));
  const std::vector<Probe> probes = MakeProbes(*model, manifest, result, options, where);
  model.reset();
  ReturnFreedMemory();
  for (const Format* format : formats) {
    StopWhenAsked(options.host);
    progress.Update(done++, "writing " + NameOf(*format, options));
    result.files.push_back(Write(*format, *trace, manifest, probes, pending, options, where));
  }
  trace.reset();  // with the weights, which the runtime holds as well
  ReturnFreedMemory();
  for (ExportedFile& file : result.files) {
    progress.Update(done++, "checking " + file.path.filename().string());
    Check(file, probes, pending, options, where);
  }
  StopWhenAsked(options.host);
  pending.Commit();
  for (const ExportedFile& file : result.files)
    if (file.data_path.empty()) RemoveFormerData(file.path.string() + ".data");
  progress.Finish();
  return result;
}

ExportResult ExportCheckpoint(Checkpoint checkpoint, const std::string& where,
                              const ExportOptions& options) {
  std::shared_ptr<SeparationModel> model = ModelFromCheckpoint(checkpoint);
  Manifest manifest = ManifestFor(checkpoint, *model, options.segment_seconds, where);
  UseStems(*model, manifest, options.stems);
  checkpoint = {};  // the model has the weights
  manifest.versions = {
      {"stemsmith", STEMSMITH_VERSION}, {"libtorch", TORCH_VERSION}, {"opset", kOnnxOpset}};
  return ExportModel(std::move(model), manifest, where, options);
}

}  // namespace stemsmith
