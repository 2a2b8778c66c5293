// stemsmith evaluate: figures of separated songs against their references.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/names.h"
#include "core/option.h"
#include "core/text.h"
#include "datasets/readers/readers.h"
#include "evaluate/report/report.h"
#include "evaluate/song_metric.h"
#include "evaluate/songs/evaluation.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// By which a constant delay is looked for.
constexpr double kMostDelaySeconds = 0.1;
// Below this the sums of both sides have nothing to do with each other.
constexpr double kUnlike = 0.1;

struct EvaluateArguments {
  fs::path references, estimates, out, csv, report;
  EvaluationOptions options;
  int version = 4;
  bool align = false;
  OutputMode mode = OutputMode::kAuto;
};

std::vector<SourceStem> StemsIn(const fs::path& folder) {
  std::vector<SourceStem> stems;
  for (const fs::path& path : Entries(folder)) {
    if (!IsFile(path) || !IsAudioFile(path) || IsMixtureName(path.stem().string())) continue;
    SourceStem& stem = stems.emplace_back();
    stem.name = path.stem().string();
    stem.path = path;
  }
  return stems;
}

// The songs of a folder: one, where stems lie in it, or those that the reader `folders` finds.
std::vector<Track> SongsIn(const fs::path& root) {
  RequireFolder(root);
  if (std::vector<SourceStem> stems = StemsIn(root); !stems.empty()) {
    Track track;
    track.name = fs::weakly_canonical(root).filename().string();
    track.sources = std::move(stems);
    return {track};
  }
  ReaderOptions options;
  options.root = root;
  return ScanDataset("folders", options);
}

// The stems that both sides have. Throws Error where an estimate is missing.
SongFiles PairUp(const Track& reference, const Track& estimate, const Host& host) {
  SongFiles files;
  files.name = reference.name;
  std::vector<std::string> missing;
  for (const SourceStem& stem : reference.sources) {
    const auto found =
        std::find_if(estimate.sources.begin(), estimate.sources.end(),
                     [&](const SourceStem& other) { return other.name == stem.name; });
    if (found == estimate.sources.end()) {
      missing.push_back(stem.name);
      continue;
    }
    files.stems.push_back(stem.name);
    files.references.push_back({stem.path, {.stream = stem.stream, .language = stem.language}});
    files.estimates.push_back(
        {found->path, {.stream = found->stream, .language = found->language}});
  }
  for (const SourceStem& stem : estimate.sources) {
    if (std::find(files.stems.begin(), files.stems.end(), stem.name) == files.stems.end())
      host.Warn(stem.path.string() + ": there is no reference of that name: it is left out");
  }
  if (!missing.empty()) {
    throw Error::Input("there is no estimate of " + JoinNames(missing), reference.name,
                       "BSS eval needs one of each reference (" +
                           JoinNames(reference.sources, ", ", &SourceStem::name) + ")");
  }
  return files;
}

// `align`: how the files had to be read.
SongEvaluation Evaluate(const SongFiles& files, const EvaluateArguments& arguments,
                        const Host& host, AlignOptions& align) {
  align.align = arguments.align;
  auto song = std::make_unique<StemFiles>(files, align);
  double likeness = 0;
  const std::int64_t delay = FindDelay(
      *song, static_cast<std::int64_t>(kMostDelaySeconds * song->sample_rate_hz()), &likeness);
  std::vector<std::string> notes;
  if (delay != 0) {
    const std::string text = Formatted(
        "the estimates come %lld frames (%.1f ms) too %s", static_cast<long long>(std::abs(delay)),
        1000.0 * static_cast<double>(std::abs(delay)) / song->sample_rate_hz(),
        delay > 0 ? "late" : "early");
    if (arguments.align) align.delay_frames = delay;
    notes.push_back(text + (arguments.align ? "; they were moved" : "; --align moves them"));
  } else if (likeness < kUnlike) {
    notes.push_back(
        "the sum of the estimates has nothing of the sum of the references: is it "
        "another song?");
  }
  if (align.delay_frames != 0) song = std::make_unique<StemFiles>(files, align);
  notes.insert(notes.end(), song->changes().begin(), song->changes().end());
  SongEvaluation result =
      EvaluateSong(*song, song->sample_rate_hz(), files.name, files.stems, arguments.options);
  result.notes.insert(result.notes.begin(), notes.begin(), notes.end());
  for (const std::string& note : result.notes) host.Warn(files.name + ": " + note);
  return result;
}

// Nothing that is written may replace what is measured, or the other file.
void CheckOutputs(const EvaluateArguments& arguments, const std::vector<Track>& references,
                  const std::vector<Track>& estimates) {
  std::vector<fs::path> targets, sources;
  for (const auto* side : {&references, &estimates})
    for (const Track& track : *side)
      for (const SourceStem& stem : track.sources) sources.push_back(stem.path);
  if (!arguments.csv.empty()) targets.push_back(arguments.csv);
  if (!arguments.report.empty()) targets.push_back(arguments.report);
  if (!arguments.out.empty()) {
    for (const Track& track : references)
      targets.push_back(arguments.out / "test" / (track.name + ".json"));
    targets.push_back(arguments.out / "summary.json");
  }
  CheckAreNoSources(targets, sources);
  std::set<fs::path> names;
  for (const fs::path& target : targets) {
    if (!names.insert(fs::weakly_canonical(target)).second)
      throw Error::Usage("two files to write have one name", target.string(),
                         "give --csv, --report and --out names of their own");
  }
}

int RunEvaluate(EvaluateArguments arguments) {
  CatchInterrupts();
  const Host host = TerminalHost(arguments.mode);
  arguments.options.filters_per_window = arguments.version == 3;
  arguments.options.song_metrics = ChosenSongMetrics(arguments.options.song_metrics, "--metrics");

  std::optional<ResultFolder> folder;
  if (!arguments.out.empty()) folder.emplace(arguments.out / "test");
  if (!arguments.csv.empty()) CheckTarget(arguments.csv);
  if (!arguments.report.empty()) {
    RequireEvaluationReport(arguments.report);
    CheckTarget(arguments.report);
  }

  const std::vector<Track> references = SongsIn(arguments.references);
  const std::vector<Track> estimates = SongsIn(arguments.estimates);
  CheckOutputs(arguments, references, estimates);
  std::vector<std::optional<SongEvaluation>> results(references.size());
  ReportedMethod reported{.name = "estimates"};
  EvaluationReport report;
  int failed = 0;
  Progress progress(host, {"evaluate", static_cast<std::int64_t>(references.size()), "songs"});
  std::int64_t done = 0;
  for (std::size_t i = 0; i < references.size(); ++i) {
    const Track& reference = references[i];
    if (const int signal = host.StopSignal(); signal != 0)
      throw Error::Stopped(signal, "stopped after " + std::to_string(done) + " songs");
    try {
      if (reference.problem) throw *reference.problem;
      auto estimate = std::find_if(estimates.begin(), estimates.end(), [&](const Track& track) {
        return track.name == reference.name;
      });
      if (references.size() == 1 && estimates.size() == 1) estimate = estimates.begin();
      if (estimate == estimates.end())
        throw Error::Input("there are no estimates of this song", reference.name,
                           "name their folder like that of the references");
      if (estimate->problem) throw *estimate->problem;
      const SongFiles files = PairUp(reference, *estimate, host);
      AlignOptions align;
      results[i] = Evaluate(files, arguments, host, align);
      reported.files[files.name] = files;
      reported.align[files.name] = align;
    } catch (const Error& error) {
      ++failed;
      const std::string text = WithoutConcealing(error).text();
      report.failures.push_back(ShowOptions(text, OptionStyle::kFlag));
      Tell(host.error, text);
    }
    progress.Update(++done, reference.name);
  }
  progress.Finish();
  for (const Track& estimate : estimates) {
    if (references.size() == 1 && estimates.size() == 1) break;
    if (std::none_of(references.begin(), references.end(),
                     [&](const Track& track) { return track.name == estimate.name; }))
      host.Warn(estimate.name + ": there are no references of this song: it is left out");
  }
  std::vector<SongEvaluation> songs;
  for (auto& result : results)
    if (result) songs.push_back(std::move(*result));
  if (songs.empty()) throw Error::Input("no song could be evaluated", arguments.estimates.string());

  const nlohmann::json summary = EvaluationSummary(songs);
  if (!arguments.out.empty()) {
    for (const SongEvaluation& song : songs)
      WriteFileAtomically(arguments.out / "test" / (song.song + ".json"), MusevalJson(song));
    WriteFileAtomically(arguments.out / "summary.json", summary.dump(2) + "\n");
  }
  if (!arguments.csv.empty()) WriteFileAtomically(arguments.csv, EvaluationCsv(songs));
  if (!arguments.report.empty()) {
    report.title = "Figures of " + fs::weakly_canonical(arguments.estimates).filename().string();
    report.options = arguments.options;
    for (const SongEvaluation& song : songs)
      for (const std::string& stem : song.stems)
        if (std::find(report.stems.begin(), report.stems.end(), stem) == report.stems.end())
          report.stems.push_back(stem);
    reported.songs = songs;
    report.methods.push_back(std::move(reported));
    WriteEvaluationReport(arguments.report, report);
  }
  const std::string count = std::to_string(songs.size()) + (songs.size() == 1 ? " song" : " songs");
  PrintResult(arguments.mode,
              EvaluationTable(songs) + "\nmedians over " + count +
                  "; SDR, ISR, SIR, SAR (BSS eval " + std::to_string(arguments.version) +
                  ", dB) are medians over windows",
              summary);
  return failed > 0 ? 1 : 0;
}

}  // namespace

void AddEvaluateCommand(CLI::App& app) {
  auto arguments = std::make_shared<EvaluateArguments>();
  CLI::App& command = *app.add_subcommand(
      "evaluate", "Measure separated songs against their references (BSS eval and others)");
  command
      .add_option("--references", arguments->references,
                  "Folder of songs, or of the stems of one song: [test/]SONG/STEM.wav")
      ->required();
  command
      .add_option("--estimates", arguments->estimates,
                  "Folder with the separated stems under the same names, as separate writes them")
      ->required();
  command.add_option("--out", arguments->out,
                     "Folder for summary.json and test/SONG.json in the form of museval");
  command.add_option("--report", arguments->report,
                     "Page to write, which needs no network: charts, tables, excerpts to hear");
  command.add_option("--csv", arguments->csv, "Table to write: song, stem, metric, value");
  AddNames(command, "--metrics", arguments->options.song_metrics,
           "Figures of whole songs beside BSS eval, with commas between, or all: " +
               JoinNames(SongMetricTable(), ", ", &SongMetricRow::name));
  AddNumber(command, "--bss-eval", arguments->version, Range<int>{3, 4},
            "Version: 4 takes the same filters for a whole song, 3 new ones for each window");
  AddNumber(command, "--window", arguments->options.window_seconds, Range<double>{0, 3600},
            "Window of BSS eval in seconds; 0: the whole song");
  AddNumber(command, "--hop", arguments->options.hop_seconds, Range<double>{0.01, 3600},
            "Seconds from one window to the next");
  command.add_flag("--align", arguments->align,
                   "Give estimates the rate, channels and length of their references, and remove a "
                   "constant delay");
  AddOutputFlags(command, arguments->mode);
  command.callback([arguments] {
    if (const int status = RunEvaluate(*arguments); status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace stemsmith
