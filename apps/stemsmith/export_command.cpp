// stemsmith export: a run or a checkpoint → model.ts and model.onnx, or packages for Python.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/work.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/interrupt.h"
#include "core/names.h"
#include "core/option.h"
#include "core/pending_files.h"
#include "core/text.h"
#include "export/export.h"
#include "export/weight_precision.h"
#include "models/checkpoint.h"
#include "models/weights/package.h"
#include "separate/runtime.h"
#include "separate/torch_device.h"

namespace stemsmith {
namespace {

struct ExportArguments {
  std::filesystem::path source;
  ExportOptions options;
  std::string name;  // of packages; empty: from the source
  std::optional<std::uint64_t> onnx_inline_mib;
  OutputMode mode = OutputMode::kAuto;
};

std::string Summary(const ExportResult& result) {
  const Manifest& manifest = result.manifest;
  std::string text =
      Formatted("%s: %.2f million parameters, segment %.2f s (%lld frames)\n",
                manifest.model_name.c_str(), static_cast<double>(result.parameters) / 1e6,
                static_cast<double>(manifest.segment_frames) / manifest.sample_rate_hz,
                static_cast<long long>(manifest.segment_frames));
  for (const ExportedFile& file : result.files) {
    const std::string error =
        file.precision == "float32"
            ? Formatted("largest error %.1e of the peak (allowed %.0e)", file.largest_error,
                        file.tolerance)
            : Formatted("%s: the stems are the model's to %.1f dB (required %.0f)",
                        file.precision.c_str(), file.snr_db, kLowestSnrDb);
    text += file.path.string() + "  " + FormatBytes(static_cast<double>(file.bytes)) + ", " +
            error + '\n';
    if (file.data_path.empty()) continue;
    text += file.data_path.string() + "  " + FormatBytes(static_cast<double>(file.data_bytes)) +
            " of weights: keep it beside " + file.path.filename().string() + '\n';
  }
  return text + "checked with batches of " + JoinNames(result.checked_batches, " and ") + ", " +
         JoinNames(result.checked_frames, " and ") + " frames";
}

nlohmann::json Fields(const ExportResult& result) {
  nlohmann::json files = nlohmann::json::array();
  for (const ExportedFile& file : result.files) {
    nlohmann::json entry = {{"format", file.format},
                            {"path", file.path.string()},
                            {"bytes", file.bytes},
                            {"largest_error", file.largest_error},
                            {"tolerance", file.tolerance},
                            {"precision", file.precision}};
    if (std::isfinite(file.snr_db)) entry["snr_db"] = file.snr_db;
    if (!file.data_path.empty()) {
      entry["data_path"] = file.data_path.string();
      entry["data_bytes"] = file.data_bytes;
    }
    files.push_back(std::move(entry));
  }
  return {{"parameters", result.parameters},
          {"checked_batches", result.checked_batches},
          {"checked_frames", result.checked_frames},
          {"files", files},
          {"manifest", result.manifest.ToJson()}};
}

// What a format is written as.
enum class Output {
  kModelFile,  // of separate, checked
  kPackage,    // of Demucs: weights with the model's class, for Python
  kAdapters,
};
struct FormatRow {
  const char* name;
  Output output;
};
constexpr FormatRow kFormats[] = {{"torchscript", Output::kModelFile},
                                  {"onnx", Output::kModelFile},
                                  {"th", Output::kPackage},
                                  {"safetensors", Output::kPackage},
                                  {"lora", Output::kAdapters}};

// Options that mean something for these formats alone.
struct OptionRow {
  const char* name;
  std::vector<std::string> formats;
};
const std::vector<OptionRow>& OptionTable() {
  static const std::vector<OptionRow> table = {
      {"precision", {"torchscript", "onnx"}},
      {"check-song", {"torchscript", "onnx"}},
      {"stems", {"torchscript", "onnx"}},
      {"segment-seconds", {"torchscript", "onnx"}},
      {"device", {"torchscript", "onnx"}},
      {"onnx-inline-mib", {"onnx"}},
      {"name", {"th", "safetensors"}},
  };
  return table;
}

// Throws Error::Usage for a format that there is not, and for options that mean nothing for any of
// those asked for.
void CheckFormats(const CLI::App& command, const std::vector<std::string>& given) {
  for (const std::string& name : given) FindRow(kFormats, name, "format", Option("format"));
  const std::vector<std::string> formats =
      given.empty() ? std::vector<std::string>{"torchscript", "onnx"} : given;
  for (const OptionRow& row : OptionTable()) {
    if (command.count("--" + std::string(row.name)) == 0) continue;
    if (std::find_first_of(formats.begin(), formats.end(), row.formats.begin(),
                           row.formats.end()) != formats.end())
      continue;
    throw Error::Usage("this option means nothing for " +
                           Option("format", JoinNames(formats, ",")),
                       Option(row.name),
                       "leave it out, or add " + JoinNames(row.formats, " or ") +
                           " to the formats");
  }
}

// The checkpoint's or its run's name, as far as Python takes it.
std::string PackageName(const std::filesystem::path& source,
                        const std::filesystem::path& checkpoint) {
  std::filesystem::path whole = std::filesystem::canonical(checkpoint);
  if (std::filesystem::is_directory(source) && whole.parent_path().filename() == "checkpoints")
    whole = whole.parent_path().parent_path();
  std::string name = whole.stem().string();
  for (char& c : name)
    if (c == '-' || c == '.' || c == ' ') c = '_';
  return name;
}

void WritePackages(const ExportArguments& arguments, const Checkpoint& checkpoint,
                   const std::filesystem::path& path, const std::vector<std::string>& formats) {
  const std::string name =
      arguments.name.empty() ? PackageName(arguments.source, path) : arguments.name;
  for (const std::string& format : formats) {
    const auto files =
        WritePackage(checkpoint, path.string(), {arguments.options.out, name, format});
    std::string text;
    nlohmann::json list = nlohmann::json::array();
    for (const auto& file : files) {
      if (!text.empty()) text += '\n';
      text += file.string();
      list.push_back({{"format", format}, {"path", file.string()}});
    }
    PrintResult(arguments.mode, text, {{"name", name}, {"files", list}});
  }
}

// The adapters of a run with `lora:`, without their model.
void WriteAdapters(const ExportArguments& arguments, const std::filesystem::path& checkpoint) {
  const std::filesystem::path file = arguments.options.out / "lora.safetensors";
  CheckAreNoSources({file}, {checkpoint});
  PendingFolder files(arguments.options.out);
  SaveAdapters(files.Add(file.filename()), LoadCheckpoint(checkpoint, {}, AdapterUse::kApart),
               checkpoint.string());
  files.Commit();
  PrintResult(arguments.mode, file.string(), {{"format", "lora"}, {"path", file.string()}});
}

void Run(const ExportArguments& arguments) {
  CatchInterrupts();
  TorchDevice(arguments.options.device);  // before any other use of LibTorch
  CheckContent(arguments.source, FileUse::kStartWeights);
  ExportOptions options = arguments.options;
  if (arguments.onnx_inline_mib) options.onnx_inline_bytes = *arguments.onnx_inline_mib << 20;
  std::vector<std::string> packages;
  bool adapters = false;
  for (const FormatRow& row : kFormats) {
    if (row.output == Output::kModelFile || std::erase(options.formats, row.name) == 0) continue;
    if (row.output == Output::kPackage) packages.emplace_back(row.name);
    if (row.output == Output::kAdapters) adapters = true;
  }
  const std::filesystem::path path = ResolveCheckpoint(arguments.source);
  Checkpoint checkpoint = LoadCheckpoint(path, TerminalHost(arguments.mode).warn);
  if (!packages.empty()) WritePackages(arguments, checkpoint, path, packages);
  if (adapters) WriteAdapters(arguments, path);
  if (!options.formats.empty() || (packages.empty() && !adapters))
    RunExport(std::move(checkpoint), path, options, {arguments.mode});
}

}  // namespace

ExportResult RunExport(Checkpoint checkpoint, const std::filesystem::path& path,
                       ExportOptions options, const WorkOutput& output) {
  options.host = TerminalHost(output.mode);
  ExportResult result = ExportCheckpoint(std::move(checkpoint), path.string(), options);
  PrintResult(output.mode, Summary(result), Fields(result));
  if (!output.alone) return result;
  // ONNX Runtime starts faster than LibTorch.
  std::filesystem::path model;
  for (const ExportedFile& file : result.files)
    if (model.empty() || file.format == "onnx") model = file.path;
  if (ResolveModel(options.out) == model) model = options.out;
  PrintNext(output.mode, {"separate", model.string(), "song.mp3", "-o", "my_stems"});
  return result;
}

void AddExportCommand(CLI::App& app) {
  auto arguments = std::make_shared<ExportArguments>();
  ExportOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "export",
      "Write a model as TorchScript and ONNX, and check both; or as a package for Python");
  command
      ->add_option("source", arguments->source,
                   "Run folder, checkpoint, or folder that `import` wrote")
      ->required();
  command->add_option("--out", options.out, "Folder for the files")->required();
  AddNames(*command, "--format", options.formats,
           "Which files: torchscript, onnx, th, safetensors (these two: packages for Python's "
           "demucs), lora (the adapters of a run with `lora:`); default: torchscript,onnx")
      ->allow_extra_args(false);  // the word behind it is the source
  command
      ->add_option("--precision", options.precision,
                   "How weights are stored in .onnx files: " +
                       JoinNames(WeightPrecisionTable(), ", ",
                                 [](const WeightPrecision& row) {
                                   return std::string(row.name) + " (" + row.summary + ")";
                                 }) +
                       "; others than float32 become model.PRECISION.onnx")
      ->check([](const std::string& name) {
        FindWeightPrecision(name);  // throws what is wrong
        return std::string();
      })
      ->capture_default_str()
      ->type_name("PRECISION");
  command
      ->add_option("--check-song", options.check_song,
                   "A song of which half a minute is part of the check of the files")
      ->check(IsNotEmpty)
      ->type_name("SONG");
  AddNames(*command, "--stems", options.stems,
           "Which stems the files give; others are not computed (default: all)")
      ->allow_extra_args(false);
  AddNumber(*command, "--segment-seconds", options.segment_seconds, {0.001, 3600},
            "Length the model is used with; the nearest it takes is chosen (default: as trained)");
  command->add_option("--name", arguments->name,
                      "What Python calls the package (default: the source's name)");
  AddNumber(*command, "--onnx-inline-mib", arguments->onnx_inline_mib, {0, 2032},
            "More weights than this (MiB) lie in model.onnx.data beside model.onnx "
            "(default: as much as an .onnx file can hold, 2032)");
  AddDevice(*command, options.device, "Where the files are checked");
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments, command] {
    CheckFormats(*command, arguments->options.formats);
    Run(*arguments);
  });
}

}  // namespace stemsmith
