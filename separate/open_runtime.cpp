// Runtime::Open, which stands above the runtimes that it chooses from.
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <vector>

#include "core/checksum.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/files.h"
#include "core/host.h"
#include "core/module.h"
#include "core/option.h"
#include "core/text.h"
#include "core/threads.h"
#include "separate/engine_rule.h"
#include "separate/manifest.h"
#include "separate/manifest_file.h"
#include "separate/onnx_file.h"
#include "separate/onnx_part.h"
#include "separate/onnx_runtime.h"
#include "separate/openvino_runtime.h"
#include "separate/runtime.h"
#include "separate/spectrum_runtime.h"
#include "separate/torchscript_module.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr char kDamagedAdvice[] = "copy or export it again";
constexpr char kAdvice[] = "give a model.ts or model.onnx written by `stemsmith export`";

constexpr char kExportInt8[] =
    "make one of the run or checkpoint: stemsmith export RUN --out DIR --precision int8";

// The files of smaller weights in a folder of exports, model.int8.onnx or so.
std::vector<fs::path> SmallerModels(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code code;
  for (auto entry = fs::directory_iterator(folder, code);
       !code && entry != fs::directory_iterator(); entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("model.") && name.ends_with(".onnx") && name != "model.onnx" &&
        entry->is_regular_file(code))
      found.push_back(entry->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The beginning of the file: enough to tell an archive from text from everything else.
std::string ReadHead(const fs::path& path, const RuntimeOptions& options) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    throw Error::Input("the model file does not exist", path.string(), "check the path");
  }
  if (fs::is_directory(status)) {
    if (options.precision == Precision::kInt8)
      throw Error::Input("a folder without model.int8.onnx", path.string(), kExportInt8);
    if (ResolveModel(path) != path)
      throw Error::Input("a folder without the file that " + std::string(NameOf(options.engine)) +
                             " runs",
                         path.string(), "export the model in both formats, or leave " +
                                            Option("engine") + " out");
    if (const std::vector<fs::path> smaller = SmallerModels(path); !smaller.empty())
      throw Error::Input("several models of smaller weights lie in this folder", path.string(),
                         "name one of them: " + JoinNames(smaller, ", ", [](const fs::path& file) {
                           return file.filename().string();
                         }));
    throw Error::Input(
        "a folder without model.onnx or model.ts", path.string(),
        "make them of a run or a checkpoint: stemsmith export " + path.string() + " --out DIR");
  }
  CheckIsFile(path);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw Error::System("cannot open the model file", path.string(), "check its permissions");
  std::string head(512, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(in.gcount()));
  if (head.empty()) throw Error::Input("the model file is empty", path.string(), kAdvice);
  return head;
}

std::unique_ptr<Runtime> OpenTorchScript(const fs::path& path, const RuntimeOptions& options) {
  void* symbol = LoadModuleSymbol("torchscript", kOpenTorchScriptSymbol, "a TorchScript model");
  return reinterpret_cast<OpenTorchScriptFunction*>(symbol)(path, options);
}

// Throws Error::Usage where the engine or the precision and the kind of the file do not go
// together.
void CheckFits(const RuntimeOptions& options, bool is_torchscript, const fs::path& path) {
  const Engine engine = options.engine;
  const Precision precision = options.precision;
  if (is_torchscript) {
    if (!options.manifest_file.empty())
      throw Error::Usage("a TorchScript model holds its manifest itself", path.string(),
                         "leave " + Option("manifest") + " out");
    if (engine != Engine::kAuto && engine != Engine::kTorchScript)
      throw Error::Usage(std::string("a TorchScript model, which ") + NameOf(engine) +
                             " does not run",
                         path.string(),
                         "give the model.onnx of the same export, or use " +
                             Option("engine", NameOf(Engine::kTorchScript)));
    if (precision != Precision::kFloat32)
      throw Error::Usage(std::string("TorchScript models run in float32, not in ") +
                             NameOf(precision),
                         path.string(), "give the .onnx file of the same export");
    return;
  }
  if (engine == Engine::kTorchScript)
    throw Error::Usage("an ONNX model, which torchscript does not run", path.string(),
                       "give the model.ts of the same export, or leave " + Option("engine") +
                           " out");
  if (precision == Precision::kBfloat16) {
    if (engine == Engine::kOnnxRuntime)
      throw Error::Usage("ONNX Runtime does not compute in bfloat16", Option("precision"),
                         "use " + Option("engine", NameOf(Engine::kOpenVino)));
    if (const std::string problem = Bfloat16Problem(ThisCpu()); !problem.empty())
      throw Error::Usage(problem, Option("precision"),
                         "use " + Option("precision", NameOf(Precision::kFloat32)));
  }
  if ((engine == Engine::kOpenVino || precision == Precision::kBfloat16) &&
      options.device.kind == Device::Kind::kCuda)
    throw Error::Usage("OpenVINO computes on the CPU, not on " + options.device.Name(),
                       Option("device"), "use " + Option("device", "cpu"));
}

Manifest ManifestOf(const fs::path& path, const fs::path& manifest_file) {
  const std::optional<Manifest> own = ReadOnnxManifest(path);
  if (!own) return ReadManifestFile(manifest_file, path, ReadGraphTypes(path));
  if (!manifest_file.empty())
    throw Error::Usage("this model holds its manifest itself", path.string(),
                       "leave " + Option("manifest") + " out");
  return *own;
}

// A hash of the model with all its weights, by which compiled models are found; empty: nothing is
// kept.
std::string ContentOf(const fs::path& path, const Manifest& manifest, ChecksumState checksum,
                      const RuntimeOptions& options) {
  if (options.cache_folder.empty()) return "";
  // The manifest, which is part of the content, holds a hash of the other file.
  const bool knows_all = manifest.external_data.is_object()
                             ? manifest.external_data.contains("xxh3")
                             : options.manifest_file.empty() || ReadWeightFiles(path).empty();
  if (!knows_all) return "";
  if (checksum == ChecksumState::kNone) return HexHash(HashContent(path));
  std::string field(kOnnxChecksum.Unfilled().size(), '\0');  // it has just been compared
  std::ifstream(path, std::ios::binary)
      .read(field.data(), static_cast<std::streamsize>(field.size()));
  return field.substr(kOnnxChecksum.mark.size());
}

std::unique_ptr<Runtime> OpenOnnx(const fs::path& path, ChecksumState checksum,
                                  const RuntimeOptions& options) {
  Manifest manifest = ManifestOf(path, options.manifest_file);
  const bool is_int8 = manifest.precision == NameOf(Precision::kInt8);
  if (is_int8 && options.precision == Precision::kBfloat16)
    throw Error::Usage("this model's weights have 8 bits, and do not run in bfloat16",
                       path.string(), "give the model.onnx of the same export");
  if (!is_int8 && options.precision == Precision::kInt8)
    throw Error::Usage("this model's weights do not have 8 bits", path.string(),
                       options.manifest_file.empty()
                           ? kExportInt8
                           : "leave out " + Option("precision") +
                                 ": models of other programs run with the weights that they have");
  CheckExternalData(path, manifest);
  const Precision precision = is_int8 ? Precision::kInt8 : options.precision;
  Engine engine = options.engine;
  if (engine == Engine::kAuto) {
    engine = ChooseEngine(manifest.model_name, precision).engine;
    // The table is of CPUs; a GPU that ONNX Runtime can use is faster.
    if (precision != Precision::kBfloat16 &&
        OnnxRuntimeDevice(options.device, path).kind == Device::Kind::kCuda)
      engine = Engine::kOnnxRuntime;
  }
  OnnxPart part{manifest.stems, {}};
  // OpenVINO finds weights in another file only for a model that is a file, too.
  const bool one_file = options.manifest_file.empty() && !manifest.external_data.is_object();
  if (engine != Engine::kOpenVino || one_file) part = FindOnnxPart(path, manifest, options);
  const std::string content = ContentOf(path, manifest, checksum, options);
  const auto open = [&](Manifest graph) {
    return engine == Engine::kOpenVino
               ? OpenOpenVinoRuntime(path, std::move(graph), std::move(part), content, options)
               : OpenOnnxRuntime(path, std::move(graph), std::move(part), content, options);
  };
  if (!manifest.spectrum) return open(std::move(manifest));
  Manifest graph = GraphOfSpectra(manifest);
  return OverSpectra(open(std::move(graph)), std::move(manifest));
}

}  // namespace

fs::path ResolveModel(const fs::path& folder_or_file, const Device& device, Engine engine,
                      Precision precision) {
  std::vector<const char*> names = {"model.onnx", "model.ts"};
  if (precision == Precision::kInt8) {
    names = {"model.int8.onnx"};
  } else if (engine == Engine::kTorchScript) {
    names = {"model.ts"};
  } else if (engine != Engine::kAuto || precision == Precision::kBfloat16) {
    names = {"model.onnx"};
  } else if (device.kind == Device::Kind::kCuda) {
    std::swap(names[0], names[1]);
  }
  std::error_code code;
  for (const char* name : names)
    if (fs::is_regular_file(folder_or_file / name, code)) return folder_or_file / name;
  // Smaller weights are chosen by name or option, or by being all that there is.
  if (precision != Precision::kInt8 && !fs::is_regular_file(folder_or_file / "model.onnx", code) &&
      !fs::is_regular_file(folder_or_file / "model.ts", code))
    if (const std::vector<fs::path> smaller = SmallerModels(folder_or_file); smaller.size() == 1)
      return smaller[0];
  return folder_or_file;
}

std::unique_ptr<Runtime> Runtime::Open(const fs::path& given,
                                       const RuntimeOptions& given_options) {
  RuntimeOptions options = given_options;
  ComputeThreads(options.threads);  // refuses what makes no sense
  const fs::path path = ResolveModel(given, options.device, options.engine, options.precision);
  CheckContent(path, FileUse::kSeparateModel);
  const std::string head = ReadHead(path, options);
  const bool archive = head.starts_with("PK\x03\x04");
  CheckFits(options, archive, path);
  // Before anything is made of the content.
  const ChecksumState checksum =
      CheckChecksum(path, archive ? kTorchScriptChecksum : kOnnxChecksum, kDamagedAdvice);
  if (!archive && options.manifest_file.empty()) options.manifest_file = ManifestBeside(path);
  std::unique_ptr<Runtime> runtime =
      archive ? OpenTorchScript(path, options) : OpenOnnx(path, checksum, options);
  // It has a manifest of its own, so it is one of ours.
  if (checksum == ChecksumState::kNone && options.manifest_file.empty())
    Tell(options.warn, NoteOnNoChecksum(path, "export the model again"));
  return runtime;
}

}  // namespace stemsmith
