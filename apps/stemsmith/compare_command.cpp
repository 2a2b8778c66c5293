// stemsmith compare: methods beside each other on the same songs.
#include <algorithm>
#include <cmath>
#include <set>

#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/work.h"
#include "core/config_library.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "evaluate/compare/compare.h"

namespace stemsmith {
namespace {

struct CompareArguments {
  std::string config;
  std::vector<std::string> settings;
  bool no_stems = false;
  CompareOptions options;
  OutputMode mode = OutputMode::kAuto;
};

void Run(CompareArguments& arguments) {
  CatchInterrupts();
  CompareOptions& options = arguments.options;
  options.keep_stems = !arguments.no_stems;
  const CompareChoices choices =
      ReadCompareChoices(Config::Load(FindConfig(arguments.config), arguments.settings));
  RequireAllCompared(options, RunCompare(choices, options, {arguments.mode}));
}

}  // namespace

CompareResult RunCompare(const CompareChoices& choices, CompareOptions options,
                         const WorkOutput& output) {
  options.host = TerminalHost(output.mode);
  CompareResult result = CompareMethods(choices, options);
  // Songs with figures, and what was noticed of the others.
  std::size_t songs = 0;
  std::set<std::string> notes;
  for (const MethodEvaluations& method : result.methods) {
    std::size_t with_figures = 0;
    for (const SongEvaluation& song : method.songs) {
      const auto& sdr = song.figures.at("SDR");
      if (std::any_of(sdr.begin(), sdr.end(), [](double db) { return std::isfinite(db); }))
        ++with_figures;
      for (const std::string& note : song.notes)
        if (note.starts_with("the reference")) notes.insert(song.song + ": " + note);
    }
    songs = std::max(songs, with_figures);
  }
  for (const std::string& note : notes)
    options.host.Warn(note + "; leave the stem out by a recipe");
  nlohmann::json summary = result.summary;
  if (!result.report.empty()) summary["report"] = result.report.string();
  PrintResult(output.mode,
              CompareTable(result.methods, result.stems) + "\nmean SDR over " +
                  std::to_string(songs) + (songs == 1 ? " song" : " songs") + " in dB (BSS eval " +
                  (choices.evaluation.filters_per_window ? "3" : "4") +
                  ", medians over windows); in brackets: more than the mixture\n" +
                  CompareFootnotes(result.methods) + (options.out / "results.csv").string() +
                  ", results.json, times.json: " + "results made: " + std::to_string(result.made) +
                  ", kept: " + std::to_string(result.kept) +
                  (result.report.empty() ? "" : "\nreport: " + result.report.string()),
              summary);
  return result;
}

void RequireAllCompared(const CompareOptions& options, const CompareResult& result) {
  if (result.failures.empty()) return;
  throw Error::Input(
      std::to_string(result.failures.size()) + (result.failures.size() == 1 ? " part" : " parts") +
          " of the comparison failed",
      options.out.string(), "the table is of the others; fix these and run the command again");
}

void AddCompareCommand(CLI::App& app) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App& command = *app.add_subcommand(
      "compare", "Separate songs by models and classical methods, and compare the figures");
  command
      .add_option("CONFIG", arguments->config,
                  "Songs and methods as YAML; compare/demo is one to begin with "
                  "(`stemsmith config compare/demo`)")
      ->required();
  command
      .add_option("--out", arguments->options.out,
                  "Folder for results, times and stems; what is done there is kept")
      ->required()
      ->check(IsNotEmpty);
  command.add_option("--set", arguments->settings, "Changes: --set songs.excerpt_seconds=10 …")
      ->allow_extra_args(false);
  command.add_flag("--no-stems", arguments->no_stems, "Keep the figures only, not the estimates");
  AddNumber(command, "--threads", arguments->options.threads, Range<int>{0, 1024},
            "Separations side by side; 0: one per core");
  AddDevice(command, arguments->options.device, "Where models compute");
  AddOutputFlags(command, arguments->mode);
  command.callback([arguments] { Run(*arguments); });
}

}  // namespace stemsmith
