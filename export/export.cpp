#include "export/export.h"

#include <torch/csrc/jit/serialization/export.h>
#include <torch/version.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <numbers>
#include <utility>

#include "audio/planar_reader.h"
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
#include "models/manifest_for.h"
#include "models/model_runtime.h"
#include "separate/runtime.h"
#include "separate/stem_stream.h"
#include "separate/torch_device.h"
#include "stemsmith_version.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

struct Format {
  const char* name;
  const char* file;
  double tolerance;
  // Writes `file` and what belongs to it.
  void (*write)(const Trace& trace, const Manifest& manifest, PendingFolder& files,
                const ExportOptions& options, const std::string& where);
};

constexpr char kTorchScriptFile[] = "model.ts", kOnnxFile[] = "model.onnx";
constexpr char kOnnxDataFile[] = "model.onnx.data";

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

void WriteTorchScript(const Trace& trace, const Manifest& manifest, PendingFolder& files,
                      const ExportOptions&, const std::string& where) {
  const torch::jit::ExtraFilesMap extra = {{kManifestExtraFile, manifest.ToJson().dump()}};
  const fs::path path = files.Add(kTorchScriptFile);
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

void WriteOnnx(const Trace& trace, const Manifest& manifest, PendingFolder& files,
               const ExportOptions& options, const std::string& where) {
  OnnxGraph graph = LowerToOnnx(trace, where);
  Manifest own = manifest;
  if (ConstantBytes(graph) > std::min(options.onnx_inline_bytes, kLargestInlineBytes)) {
    // Added first, so that it is there when the model gets its name.
    const OnnxDataFile data = WriteExternalData(graph, files.Add(kOnnxDataFile));
    own.external_data = {
        {"file", kOnnxDataFile}, {"bytes", data.bytes}, {"id", data.id}, {"xxh3", data.xxh3}};
  }
  WriteOnnxModel(std::move(graph),
                 {STEMSMITH_VERSION, {{kManifestMetadataKey, own.ToJson().dump()}}},
                 files.Add(kOnnxFile), where);
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
    {"torchscript", kTorchScriptFile, kTorchScriptTolerance, WriteTorchScript},
    {"onnx", kOnnxFile, kOnnxTolerance, WriteOnnx},
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

std::vector<Probe> MakeProbes(SeparationModel& model, const Manifest& manifest,
                              const ExportResult& plan, const torch::Device& device,
                              const std::string& where) {
  ModelRuntime runtime(model, manifest, device);
  std::vector<Probe> probes;
  for (const std::int64_t frames : plan.checked_frames) {
    for (const std::int64_t batch : plan.checked_batches) {
      Probe probe{batch, frames, ProbeMix(batch, manifest.channels, frames), {}};
      probe.stems = SeparateProbe(runtime, probe);
      for (const AudioBuffer& stem : probe.stems) {
        const auto finite = [](float sample) { return std::isfinite(sample); };
        if (std::all_of(stem.samples().begin(), stem.samples().end(), finite)) continue;
        throw Error::Input("the model's result is not a number", where,
                           "its weights are damaged or training diverged; use another checkpoint");
      }
      probes.push_back(std::move(probe));
    }
  }
  return probes;
}

double LargestError(const fs::path& path, const std::vector<Probe>& probes, const Device& device) {
  const Engine engine = path.extension() == ".ts" ? Engine::kTorchScript : Engine::kOnnxRuntime;
  const std::unique_ptr<Runtime> runtime =
      Runtime::Open(path, {.device = device, .engine = engine});
  double largest = 0;
  for (const Probe& probe : probes) {
    const std::vector<AudioBuffer> stems = SeparateProbe(*runtime, probe);
    double peak = 0, error = 0;
    for (std::size_t s = 0; s < stems.size(); ++s) {
      for (std::size_t i = 0; i < stems[s].samples().size(); ++i) {
        const double own = probe.stems[s].samples()[i], difference = stems[s].samples()[i] - own;
        if (!std::isfinite(difference)) return INFINITY;
        peak = std::max(peak, std::abs(own));
        error = std::max(error, std::abs(difference));
      }
    }
    // Silence is compared with the input's peak, which is near 1.
    largest = std::max(largest, error / (peak > 0 ? peak : 1.0));
  }
  return largest;
}

// Lengths to trace and to check with: the segment, and where time is dynamic one about half as
// long.
std::vector<std::int64_t> Lengths(const Manifest& manifest) {
  if (!manifest.length.dynamic) return {manifest.segment_frames};
  std::int64_t other = manifest.length.AtLeast((manifest.segment_frames + 1) / 2);
  if (other == manifest.segment_frames) other += manifest.length.multiple_frames;
  return {manifest.segment_frames, other};
}

}  // namespace

ExportResult ExportModel(const std::shared_ptr<SeparationModel>& model, const Manifest& manifest,
                         const std::string& where, const ExportOptions& options) {
  std::vector<const Format*> formats;
  for (const std::string& name : options.formats) {
    const Format* format = &FindRow(kFormats, name, "format", Option("format"));
    if (std::find(formats.begin(), formats.end(), format) == formats.end()) {
      formats.push_back(format);
    }
  }
  if (formats.empty())
    throw Error::Usage("no format is given", Option("format"), "use torchscript,onnx");
  for (const Format* format : formats) {
    CheckTarget(options.out / format->file);
    CheckAreNoSources({options.out / format->file, options.out / kOnnxDataFile}, {where});
  }
  PendingFolder pending(options.out);

  const torch::NoGradGuard no_grad;
  const std::vector<std::int64_t> lengths = Lengths(manifest);
  ExportResult result{manifest, 0, {1, 3}, lengths, {}};
  for (const torch::Tensor& parameter : model->parameters()) {
    result.parameters += parameter.numel();
  }
  Progress progress(options.host, {.label = "export",
                                   .total = static_cast<std::int64_t>(1 + 2 * formats.size()),
                                   .unit = "steps"});
  std::int64_t done = 0;
  progress.Update(done++, "tracing");
  const Trace trace = TraceForward(
      *model, [&](const torch::Tensor& mix) { return model->forward(mix); },
      GuardExamples(manifest.channels, lengths), where);

  for (const Format* format : formats) {
    StopWhenAsked(options.host);
    progress.Update(done++, std::string("writing ") + format->file);
    format->write(trace, manifest, pending, options, where);
  }
  const torch::Device device = TorchDevice(options.device);
  model->to(device);
  const std::vector<Probe> probes = MakeProbes(*model, manifest, result, device, where);
  for (std::size_t i = 0; i < formats.size(); ++i) {
    StopWhenAsked(options.host);
    progress.Update(done++, std::string("checking ") + formats[i]->file);
    const fs::path written = pending.folder() / formats[i]->file;
    ExportedFile file{formats[i]->name, options.out / formats[i]->file, fs::file_size(written),
                      LargestError(written, probes, options.device), formats[i]->tolerance};
    if (file.format == "onnx" && fs::exists(pending.folder() / kOnnxDataFile)) {
      file.data_path = options.out / kOnnxDataFile;
      file.data_bytes = fs::file_size(pending.folder() / kOnnxDataFile);
    }
    if (file.largest_error > file.tolerance) {
      throw Error::Input(std::string(formats[i]->file) + " differs from the model by " +
                             Formatted("%.1e", file.largest_error) + " of the peak, allowed are " +
                             Formatted("%.1e", file.tolerance),
                         where,
                         "no file was written; export the other format with " + Option("format"));
    }
    result.files.push_back(std::move(file));
  }
  StopWhenAsked(options.host);
  pending.Commit();
  for (const ExportedFile& file : result.files) {
    if (file.format == "onnx" && file.data_path.empty())
      RemoveFormerData(options.out / kOnnxDataFile);
  }
  progress.Finish();
  return result;
}

ExportResult ExportCheckpoint(const Checkpoint& checkpoint, const std::string& where,
                              const ExportOptions& options) {
  const std::shared_ptr<SeparationModel> model = ModelFromCheckpoint(checkpoint);
  Manifest manifest = ManifestFor(checkpoint, *model, options.segment_seconds, where);
  manifest.versions = {
      {"stemsmith", STEMSMITH_VERSION}, {"libtorch", TORCH_VERSION}, {"opset", kOnnxOpset}};
  return ExportModel(model, manifest, where, options);
}

}  // namespace stemsmith
