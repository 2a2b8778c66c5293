// stemsmith train: a configuration and a cache → a run folder with checkpoints.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "apps/checked_options.h"
#include "apps/output.h"
#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/work.h"
#include "core/config.h"
#include "core/config_library.h"
#include "core/file_content.h"
#include "core/interrupt.h"
#include "core/pending_files.h"
#include "core/text.h"
#include "train/launcher.h"
#include "train/trainer.h"

namespace stemsmith {
namespace {

struct TrainArguments {
  std::string config;
  std::vector<std::string> settings;
  TrainRequest request;
  OutputMode mode = OutputMode::kAuto;
};

std::string Decibel(const nlohmann::json& value) {
  if (!value.is_number()) return "–";
  return Formatted("%.2f", value.get<double>());
}

// What the best checkpoint was chosen by, as far as it is known.
std::string Figure(const nlohmann::json& best) {
  const nlohmann::json loss = best.value("loss", nlohmann::json());
  if (!best.value("sdr_db", nlohmann::json()).empty())
    return ": validation SDR " + Decibel(best.value("mean_sdr_db", nlohmann::json())) + " dB";
  if (!loss.is_number()) return "";
  return Formatted(": validation loss %.5f", loss.get<double>());
}

// One line per stem of the best checkpoint.
std::string Summary(const TrainResult& result) {
  std::string text = "trained " + std::to_string(result.step) + " steps in " +
                     FormatDuration(result.seconds) + "\n";
  if (result.best.is_object()) {
    text += "best at step " + std::to_string(result.best["step"].get<std::int64_t>()) +
            Figure(result.best) + "\n";
    const nlohmann::json stems = result.best.value("sdr_db", nlohmann::json());
    const nlohmann::json mixture = result.best.value("mixture_sdr_db", nlohmann::json());
    for (const auto& [stem, value] : stems.items()) {
      text +=
          "  " + stem + " " + Decibel(value) + " dB (mixture " +
          Decibel(mixture.is_object() ? mixture.value(stem, nlohmann::json()) : nlohmann::json()) +
          ")\n";
    }
  }
  if (result.skipped_draws > 0) {
    text += "passed over " + std::to_string(result.skipped_draws) +
            " draws of damaged audio: prepare the cache again\n";
  }
  return text + result.checkpoint.string();
}

void Run(const TrainArguments& arguments) {
  const std::filesystem::path file = FindConfig(arguments.config);
  CheckContent(file, FileUse::kTrainConfig);
  const Config config = Config::Load(file, arguments.settings);
  // A run that goes on has it from there.
  if (!arguments.request.resume) CheckAreNoSources({arguments.request.run / "config.yaml"}, {file});
  CatchInterrupts();
  const TrainResult result = RunTrain(config, arguments.request, {arguments.mode});
  if (result.signal != 0) throw CLI::RuntimeError(128 + result.signal);
}

// `--set a=1 CONFIG`: the word without '=' is no setting.
void TakeConfigFromSettings(TrainArguments& arguments) {
  if (!arguments.config.empty()) return;
  const auto found = std::find_if(arguments.settings.begin(), arguments.settings.end(),
                                  [](const std::string& word) { return !Holds(word, "="); });
  if (found == arguments.settings.end()) return;
  arguments.config = *found;
  arguments.settings.erase(found);
}

}  // namespace

TrainResult RunTrain(const Config& config, TrainRequest request, const WorkOutput& output) {
  request.host = TerminalHost(output.mode);
  request.launch = ReadLaunch();
  TrainResult result = Train(config, request);
  if (request.launch.rank > 0) return result;  // rank 0 says how it went
  const nlohmann::json fields = {{"step", result.step},
                                 {"seconds", result.seconds},
                                 {"skipped_draws", result.skipped_draws},
                                 {"stopped_by", NameOf(result.end)},
                                 {"interrupted", result.signal != 0},
                                 {"validation", result.validation},
                                 {"best", result.best},
                                 {"checkpoint", result.checkpoint.string()}};
  if (result.signal != 0) {
    PrintResult(output.mode,
                "stopped at step " + std::to_string(result.step) + "; continue " +
                    (output.alone ? "with --resume" : "by running the command again"),
                fields);
    return result;
  }
  PrintResult(output.mode, Summary(result), fields);
  const std::filesystem::path &run = request.run, report = run / "report.html";
  if (output.mode == OutputMode::kAuto && std::filesystem::exists(report))
    WriteOutput("report: " + report.string() + '\n');
  if (output.alone)
    PrintNext(output.mode,
              {"stemsmith", "export", run.string(), "--out", (run / "export").string()});
  return result;
}

void AddTrainCommand(CLI::App& app) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command = app.add_subcommand("train", "Train a model into a run folder");
  command->add_option(
      "config", arguments->config,
      "Training configuration: a YAML file (docs/training.md), or the name of one that "
      "`stemsmith config` lists");
  command->add_option("--run", arguments->request.run, "Run folder")->required();
  command->add_option("--set", arguments->settings,
                      "Changes to the configuration: train.steps=500 augment.0.probability=1 …");
  CLI::Option* resume = command->add_flag("--resume", arguments->request.resume,
                                          "Continue from the run's last checkpoint");
  command
      ->add_flag("--accept-changes,--override", arguments->request.accept_changes,
                 "Continue although the configuration or the cache is not the run's")
      ->needs(resume);
  AddDevice(*command, arguments->request.device, "Where to compute");
  AddNumber(*command, "--threads", arguments->request.threads, {0, 4096},
            "Compute threads; 0: one per core, shared with other ranks. The results' last bits "
            "depend on it")
      ->capture_default_str();
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] {
    TakeConfigFromSettings(*arguments);
    if (arguments->config.empty()) throw CLI::RequiredError("config");
    Run(*arguments);
  });
}

}  // namespace stemsmith
