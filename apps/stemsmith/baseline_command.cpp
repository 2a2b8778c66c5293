// stemsmith baseline: stems by classical methods, to compare models with.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "apps/separate_songs.h"
#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/fit_forest.h"
#include "baselines/references.h"
#include "baselines/registry.h"
#include "core/config_library.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/text.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  bool list = false;
  std::string name;
  std::vector<fs::path> inputs;
  fs::path config, references, fit, model;
  std::vector<std::string> settings;
  SongsArguments songs;
};

void PrintTable(OutputMode mode) {
  std::string text;
  nlohmann::json rows = nlohmann::json::array();
  for (const BaselineRow& row : BaselineTable()) {
    const std::string name = row.name;
    const std::vector<std::string> stems =
        row.needs_fit ? std::vector<std::string>() : MakeBaseline(row, Config())->stems();
    text += name + std::string(name.size() < 20 ? 20 - name.size() : 1, ' ') + row.summary + "\n" +
            std::string(20, ' ') +
            (row.needs_fit ? "the stems of the songs it was fitted to" : JoinNames(stems)) +
            (row.whole_song ? "; looks at the whole song" : "; a stream") +
            (row.needs_references ? "; needs the true stems (--references)" : "") +
            (row.needs_fit ? "; must be fitted (--fit), then separates with --model" : "") + "\n" +
            std::string(20, ' ') + row.paper + "\n";
    rows.push_back({{"name", row.name},
                    {"summary", row.summary},
                    {"paper", row.paper},
                    {"stems", stems},
                    {"whole_song", row.whole_song},
                    {"needs_references", row.needs_references},
                    {"needs_fit", row.needs_fit},
                    {"settings", "baselines/" + name}});
  }
  PrintResult(mode, text + "`stemsmith config baselines/NAME` shows the settings of one.",
              {{"baselines", rows}});
}

void CheckReferences(const BaselineRow& row, const fs::path& references) {
  if (row.needs_references && references.empty())
    throw Error::Usage(std::string("'") + row.name + "' needs the true stems of the songs", "",
                       "give --references DIR, which holds DIR/TRACK/STEM.wav");
  if (!row.needs_references && !references.empty())
    throw Error::Usage(std::string("'") + row.name + "' uses no references", "--references",
                       "leave it out");
  std::error_code code;
  if (!references.empty() && !fs::is_directory(references, code))
    throw Error::Usage("the folder of references is no folder", references.string(),
                       "give a folder that holds TRACK/STEM.wav");
}

// The settings of the method, changed as the command line says.
Config SettingsOf(const Arguments& arguments) {
  const fs::path file = arguments.config.empty()
                            ? FindConfig("baselines/" + arguments.name + ".yaml")
                            : FindConfig(arguments.config.string());
  std::vector<std::string> changes = arguments.settings;
  if (!arguments.model.empty())
    changes.push_back("model=" + nlohmann::json(arguments.model.string()).dump());
  return Config::Load(file, changes);
}

void CheckFitting(const CLI::App& app, const BaselineRow& row, const Arguments& arguments) {
  for (const char* option : {"--fit", "--model"})
    if (app.count(option) > 0 && !row.needs_fit)
      throw Error::Usage(std::string("'") + row.name + "' is not fitted to songs", option,
                         "leave it out");
  if (arguments.fit.empty()) return;
  if (!arguments.inputs.empty() || !arguments.model.empty())
    throw Error::Usage("--fit makes a forest and separates no songs", "--fit",
                       "stemsmith baseline forest --fit CACHE.h5 --out FILE");
  const std::set<std::string> of_fitting = {"NAME",  "--fit",  "--out",  "--config",
                                            "--set", "--json", "--quiet"};
  for (const CLI::Option* option : app.get_options())
    if (option->count() > 0 && !of_fitting.contains(option->get_name()))
      throw Error::Usage("--fit writes no stems", option->get_name(), "leave it out");
  if (app.count("--out") == 0)
    throw Error::Usage("--fit needs the file that the forest goes to", "--fit", "give --out FILE");
}

int Fit(const Arguments& arguments) {
  const Config settings = SettingsOf(arguments);
  CatchInterrupts();
  FitForestToCache(arguments.fit, settings, arguments.songs.output,
                   TerminalHost(arguments.songs.mode));
  PrintResult(arguments.songs.mode, "the forest is in " + arguments.songs.output,
              {{"forest", arguments.songs.output}});
  PrintNext(arguments.songs.mode, {"stemsmith", "baseline", arguments.name, "SONG", "-o", "stems",
                                   "--model", arguments.songs.output});
  return 0;
}

int Run(const CLI::App& app, const Arguments& arguments) {
  const BaselineRow& row = FindBaseline(arguments.name);
  CheckFitting(app, row, arguments);
  if (!arguments.fit.empty()) return Fit(arguments);
  CheckReferences(row, arguments.references);
  const auto baseline = MakeBaseline(row, SettingsOf(arguments));
  CatchInterrupts();
  const InputSongs list = SongsOf(arguments.inputs, arguments.songs, arguments.name);
  std::map<fs::path, std::string> tracks;
  for (const InputSong& song : list.songs) tracks[song.file] = song.track;
  const auto open = [&](std::unique_ptr<AudioReader> song, const fs::path& path) {
    BaselineInput input;
    if (row.needs_references)
      input.references =
          OpenReferences(arguments.references / tracks.at(path), baseline->stems(), song->info());
    input.song = std::move(song);
    input.file = path;
    input.host = TerminalHost(arguments.songs.mode);
    return baseline->Open(std::move(input));
  };
  const SeparatorOptions options = SeparatorOptionsOf(app, arguments.songs);
  const auto another = [&] {
    return std::make_shared<Separator>(baseline->stems(), open, options);
  };
  std::vector<fs::path> references;  // which no stem may replace
  for (const InputSong& song : list.songs) {
    std::error_code code;
    for (const auto& file : fs::directory_iterator(arguments.references / song.track, code))
      if (row.needs_references) references.push_back(file.path());
  }
  return SeparateSongs(*another(), another, list, references, arguments.name, arguments.songs);
}

}  // namespace

void AddBaselineCommand(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("baseline", "Separate songs by classical methods, without a model");
  command->add_flag("--list", arguments->list, "The methods, with their stems and papers");
  command->add_option("NAME", arguments->name, "A method of --list");
  command->add_option("SONG", arguments->inputs, "Songs, and folders with songs")
      ->type_name("SONG…");
  AddStemOptions(*command, arguments->songs);
  command->add_option("--config", arguments->config,
                      "Settings of the method as YAML (default: configs/baselines/NAME.yaml)");
  command->add_option("--set", arguments->settings, "Changes: --set iterations=50 …")
      ->allow_extra_args(false);
  command
      ->add_option("--references", arguments->references,
                   "For methods that are shown the true stems: they lie in DIR/TRACK/STEM.wav")
      ->type_name("DIR");
  command
      ->add_option("--fit", arguments->fit,
                   "For methods that learn: fits to the training songs of a cache; -o names the "
                   "file that is written")
      ->type_name("CACHE");
  command
      ->add_option("--model", arguments->model,
                   "For methods that learn: the file that --fit wrote (the setting `model`)")
      ->type_name("FILE");
  AddDecodeOptions(*command, arguments->songs);
  AddOutputFlags(*command, arguments->songs.mode);
  command->footer(kStemsFooter);
  command->callback([arguments, command] {
    if (arguments->list) return PrintTable(arguments->songs.mode);
    if (arguments->name.empty())
      throw Error::Usage("no method is named", "", "stemsmith baseline --list shows them");
    if (const int status = Run(*command, *arguments); status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace stemsmith
