// stemsmith import: weights of other programs → checkpoints of ours.
#include <iostream>
#include <memory>
#include <set>
#include <string>

#include "apps/checked_options.h"
#include "apps/output.h"
#include "apps/stemsmith/commands.h"
#include "core/config_library.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/text.h"
#include "models/weights/import.h"

namespace stemsmith {
namespace {

struct ImportArguments {
  std::vector<std::filesystem::path> files;
  std::filesystem::path out;
  std::string config;  // as FindConfig takes it
  ImportOptions options;
  OutputMode output = OutputMode::kAuto;
};

// "955717e8-8726e21a.th" → "955717e8": the checksum is of the file, not of the model.
std::string ImportedName(const std::filesystem::path& file) {
  std::string name = (file.has_filename() ? file : file.parent_path()).stem().string();
  const std::size_t hyphen = name.rfind('-');
  if (hyphen != std::string::npos && hyphen > 0 && name.size() - hyphen == 9 &&
      name.find_first_not_of("0123456789abcdef", hyphen + 1) == std::string::npos)
    name.resize(hyphen);
  return name;
}

std::string ImportSummary(const std::filesystem::path& file, const std::filesystem::path& target,
                          const ImportedModel& imported, std::int64_t parameters,
                          const std::string& model) {
  const ModelSetting& setting = imported.checkpoint.setting;
  std::string text =
      file.string() + " -> " + target.string() + "\n" +
      Formatted("  %s, %.2f million parameters, %d Hz, %d channels, segment %.2f s, stems ",
                model.c_str(), static_cast<double>(parameters) / 1e6, setting.sample_rate_hz,
                setting.channels,
                static_cast<double>(imported.checkpoint.segment_frames) / setting.sample_rate_hz) +
      JoinNames(setting.stems);
  if (imported.kept < imported.wanted)
    text += "\n  kept " + std::to_string(imported.kept) + " of " + std::to_string(imported.wanted) +
            " tensors";
  for (const std::string& note : imported.notes) text += "\n  " + note;
  return text;
}

std::filesystem::path TargetOf(const ImportArguments& arguments,
                               const std::filesystem::path& file) {
  return arguments.out / (ImportedName(file) + ".safetensors");
}

void CheckTargets(const ImportArguments& arguments) {
  std::vector<std::filesystem::path> targets, sources = arguments.files;
  if (!arguments.options.config.empty()) sources.push_back(arguments.options.config);
  if (!arguments.options.lora.empty()) sources.push_back(arguments.options.lora);
  for (const auto& file : arguments.files) {
    targets.push_back(TargetOf(arguments, file));
    CheckTarget(targets.back());
    std::error_code none;  // the files of folders; of others there are none
    for (const auto& entry : std::filesystem::directory_iterator(file, none))
      sources.push_back(entry.path());
  }
  CheckAreNoSources(targets, sources);
}

void ImportOne(const ImportArguments& arguments, const std::filesystem::path& file,
               std::set<std::filesystem::path>& written) {
  StopIfInterrupted("the import was interrupted");
  CheckContent(file, FileUse::kImportFile);
  const ImportedModel imported = ImportWeights(file, arguments.options);
  const Checkpoint& checkpoint = imported.checkpoint;
  const std::filesystem::path target = TargetOf(arguments, file);
  if (!written.insert(target).second)
    throw Error::Input("two files lead to " + target.string(), file.string(),
                       "import them into different folders");
  StopIfInterrupted("the import was interrupted");
  SaveCheckpoint(target, checkpoint);
  std::int64_t values = 0;
  for (const auto& [name, tensor] : checkpoint.weights) values += tensor.numel();
  const std::string model =
      Config::Parse(checkpoint.model_config, target.string()).RequiredString("name");
  PrintResult(arguments.output, ImportSummary(file, target, imported, values, model),
              {{"file", file.string()},
               {"checkpoint", target.string()},
               {"model", model},
               {"model_config", checkpoint.model_config},
               {"values", values},
               {"stems", checkpoint.setting.stems},
               {"sample_rate_hz", checkpoint.setting.sample_rate_hz},
               {"channels", checkpoint.setting.channels},
               {"segment_frames", checkpoint.segment_frames},
               {"source", checkpoint.source},
               {"tensors", imported.wanted},
               {"tensors_kept", imported.kept},
               {"notes", imported.notes}});
}

void RunImport(const ImportArguments& arguments) {
  CatchInterrupts();
  CheckTargets(arguments);
  const ResultFolder folder(arguments.out);
  std::set<std::filesystem::path> written;
  if (arguments.files.size() == 1) return ImportOne(arguments, arguments.files[0], written);
  std::size_t failed = 0;
  for (const auto& file : arguments.files) {
    try {
      ImportOne(arguments, file, written);
    } catch (const Error& error) {
      if (error.stopped_by_signal()) throw;
      WriteError(error);
      ++failed;
    }
  }
  if (failed > 0)
    throw Error::Input(std::to_string(failed) + " of " + std::to_string(arguments.files.size()) +
                           " files were not imported",
                       "", "");
}

}  // namespace

void AddImportCommand(CLI::App& app) {
  auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command = app.add_subcommand(
      "import", "Turn weights of other programs (Demucs, MSST, plain PyTorch) into checkpoints");
  command
      ->add_option("files", arguments->files,
                   "Packages and checkpoints (.th, .pt, .pth, .ckpt, .safetensors), bags (.yaml), "
                   "folders of Open-Unmix")
      ->required();
  command->add_option("--out", arguments->out, "Folder for NAME.safetensors")->required();
  command->add_option("--config", arguments->config,
                      "The model that the weights belong to, where the file does not say, or the "
                      "model to fill with what fits: a YAML file, or the name of a configuration "
                      "that `stemsmith config` lists");
  command->add_option("--prefix", arguments->options.prefix,
                      "Take the tensors whose names begin so, \"ema_model.\" (default: those that "
                      "fit the model)");
  command->add_flag("--partial", arguments->options.partial,
                    "Keep the tensors that fit the model; the others stay as initialised");
  command->add_option("--lora", arguments->options.lora,
                      "Adapters to merge into the weights: a file of lora_A and lora_B (MSST), or "
                      "a folder of PEFT");
  AddNumber(*command, "--lora-alpha", arguments->options.lora_alpha, {0, 1e6},
             "What the adapters are scaled with, over their rank (default: as the folder of PEFT "
             "or lora.lora_alpha of the configuration says)");
  command->add_option("--licence", arguments->options.licence,
                      "The licence of the weights, in words: kept in the checkpoint and in model "
                      "files made from it");
  AddOutputFlags(*command, arguments->output);
  command->callback([arguments] {
    if (!arguments->config.empty()) arguments->options.config = FindConfig(arguments->config);
    RunImport(*arguments);
  });
}

}  // namespace stemsmith
