#include "evaluate/compare/compare.h"

#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include "core/current_error.h"
#include "core/files.h"
#include "core/for_each_song.h"
#include "core/json_fields.h"
#include "core/option.h"
#include "core/text.h"
#include "evaluate/compare/compared_method.h"
#include "evaluate/compare/kept_results.h"
#include "evaluate/report/report.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// Another number for other figures of the same estimates, or more of them in files.
constexpr int kResultVersion = 2;

// LibTorch's threads are one for each thread of ours, so that figures do not depend on how many
// there are.
class OneTorchThread {
 public:
  OneTorchThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~OneTorchThread() { at::set_num_threads(before_); }
  OneTorchThread(const OneTorchThread&) = delete;
  OneTorchThread& operator=(const OneTorchThread&) = delete;

 private:
  const int before_;
};

class Comparison {
 public:
  Comparison(const CompareChoices& choices, const CompareOptions& options)
      : choices_(choices), options_(options), host_(options.host) {}
  CompareResult Run();

 private:
  struct Method {
    std::string name, fingerprint;
    std::unique_ptr<ComparedMethod> work;
    std::vector<std::string> stems;  // that it and the songs have
    std::atomic<int> left{0};        // pieces of work
  };
  struct Work {
    Method* method;
    const ComparedSong* song;
    std::string fingerprint;
    std::optional<SongEvaluation> result;
    std::optional<Error> error;
  };

  void MakeSongs(const SongPlan& plan);
  void FindKept();
  void OpenMethod(Method& method);
  void Measure(Work& work);
  void DoWork(Work& work);
  void Write();
  void WriteReport(const nlohmann::json& times);
  fs::path StemsOf(const Work& work) const {
    return options_.out / "stems" / work.method->name / work.song->name;
  }
  SongFiles FilesOf(const Work& work, const std::vector<std::string>& stems) const;
  fs::path FileOf(const char* folder, const Work& work) const {
    return options_.out / folder / work.method->name / (work.song->name + ".json");
  }

  const CompareChoices& choices_;
  const CompareOptions& options_;
  const Host& host_;
  std::vector<ComparedSong> songs_;
  std::vector<std::unique_ptr<Method>> methods_;
  std::vector<Work> work_;  // by methods, so that few models are open at once
  CompareResult result_;
};

void Comparison::MakeSongs(const SongPlan& plan) {
  std::vector<std::optional<ComparedSong>> made(plan.songs.size());
  std::vector<std::optional<Error>> errors(plan.songs.size());
  Progress progress(host_, {"songs", static_cast<std::int64_t>(plan.songs.size()), "songs"});
  std::mutex mutex;
  std::int64_t done = 0;
  const int signal = ForEachSong(
      plan.songs.size(), options_.threads, host_, [&](std::size_t i, const StopQuestion& stop) {
        const std::string& name = plan.songs[i].track.name;
        try {
          made[i] = MakeComparedSong(plan, plan.songs[i], options_.out / "songs" / name,
                                     options_.out, host_);
        } catch (...) {
          if (stop()) return;
          errors[i] = WithoutConcealing(CurrentError(name));
        }
        const std::lock_guard guard(mutex);
        progress.Update(++done, name);
      });
  progress.Finish();
  if (signal != 0)
    throw Error::Stopped(signal, "stopped while the songs were read",
                         "run the command again to continue");
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (made[i]) songs_.push_back(std::move(*made[i]));
    if (!errors[i]) continue;
    result_.failures.push_back({"", plan.songs[i].track.name, *errors[i]});
    Tell(host_.error, plan.songs[i].track.name + ": " + errors[i]->text());
  }
  if (songs_.empty())
    throw Error::Input("no song can be used", choices_.songs.reader.root.string(),
                       "see the errors above");
}

void Comparison::FindKept() {
  const EvaluationOptions& evaluation = choices_.evaluation;
  const nlohmann::json settings = {kResultVersion, evaluation.window_seconds,
                                   evaluation.hop_seconds, evaluation.filters_per_window,
                                   evaluation.song_metrics};
  for (const auto& method : methods_) {
    for (const ComparedSong& song : songs_) {
      Work work{.method = method.get(), .song = &song};
      work.fingerprint =
          HexHash(HashBytes(nlohmann::json({method->fingerprint, song.content, settings}).dump()));
      work.result = ReadResult(FileOf("results", work), work.fingerprint);
      if (work.result && options_.keep_stems &&
          !std::all_of(work.result->stems.begin(), work.result->stems.end(),
                       [&](const std::string& stem) {
                         return IsWhole(StemsOf(work) / (stem + ".wav"), song);
                       }))
        work.result.reset();
      if (work.result) ++result_.kept;
      if (!work.result) ++method->left;
      work_.push_back(std::move(work));
    }
  }
}

// So that a model that is none is known before long work.
void Comparison::OpenMethod(Method& method) {
  method.work->Open();
  const std::vector<std::string>&has = method.work->stems(), &targets = result_.stems;
  for (const std::string& stem : targets)
    if (std::find(has.begin(), has.end(), stem) != has.end()) method.stems.push_back(stem);
  if (method.stems.empty())
    throw Error::Usage("the method '" + method.name + "' has none of the songs' stems",
                       JoinNames(has),
                       "the songs have " + JoinNames(targets) + "; a recipe makes others of them");
  if (method.stems.size() < std::max(has.size(), targets.size()))
    host_.Warn(method.name + " has the stems " + JoinNames(has) + ", the songs have " +
               JoinNames(targets) + ": only " + JoinNames(method.stems) + " can be measured");
}

void Comparison::Measure(Work& work) {
  const fs::path folder = StemsOf(work);
  const auto begin = std::chrono::steady_clock::now();
  work.method->work->Separate(*work.song, work.method->stems, folder, options_.out, host_);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  const SongFiles files = FilesOf(work, work.method->stems);
  SongEvaluation evaluation;
  {
    StemFiles pair(files);
    evaluation =
        EvaluateSong(pair, pair.sample_rate_hz(), files.name, files.stems, choices_.evaluation);
  }
  if (!options_.keep_stems) {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    fs::remove(folder.parent_path(), ignored);  // where it is empty
    fs::remove(folder.parent_path().parent_path(), ignored);
  }
  const nlohmann::json time = {{"seconds", seconds.count()},
                               {"song_seconds", work.song->seconds()}};
  WriteFileAtomically(FileOf("times", work), time.dump() + "\n");
  WriteResult(FileOf("results", work), work.fingerprint, work.method->name, evaluation);
  // As it will be read again: what is no number is NaN.
  work.result = ReadResult(FileOf("results", work), work.fingerprint);
}

SongFiles Comparison::FilesOf(const Work& work, const std::vector<std::string>& stems) const {
  SongFiles files{.name = work.song->name, .stems = stems};
  for (const std::string& stem : stems) {
    files.references.push_back({work.song->folder / (stem + ".wav"), {}});
    files.estimates.push_back({StemsOf(work) / (stem + ".wav"), {}});
  }
  return files;
}

void Comparison::DoWork(Work& work) {
  try {
    Measure(work);
  } catch (...) {
    const Error error = WithoutConcealing(CurrentError(work.song->name));
    if (!error.stopped_by_signal()) {
      work.error = error;
      Tell(host_.error, work.method->name + ", " + work.song->name + ": " + error.text());
    }
  }
  if (--work.method->left == 0) work.method->work->Close();
}

void Comparison::Write() {
  for (const auto& method : methods_) {
    MethodEvaluations& evaluations = result_.methods.emplace_back();
    evaluations.name = method->name;
  }
  nlohmann::json times = nlohmann::json::object();
  for (Work& work : work_) {
    auto of_method = std::find_if(
        result_.methods.begin(), result_.methods.end(),
        [&](const MethodEvaluations& method) { return method.name == work.method->name; });
    if (work.error) result_.failures.push_back({work.method->name, work.song->name, *work.error});
    if (!work.result) continue;
    of_method->songs.push_back(*work.result);
    std::error_code code;
    if (!fs::is_regular_file(FileOf("times", work), code)) continue;
    const nlohmann::json time = ParseJson(ReadFile(FileOf("times", work)));
    const double seconds = time.is_object() ? time.value("seconds", 0.0) : 0.0;
    if (seconds > 0)
      times[work.method->name][work.song->name] = {
          {"seconds", seconds}, {"times_real_time", work.song->seconds() / seconds}};
  }
  SortByMeanSdr(result_.methods);
  std::vector<std::string> names;
  for (const ComparedSong& song : songs_) names.push_back(song.name);
  result_.summary = CompareSummary(result_.methods, result_.stems, result_.failures);
  WriteFileAtomically(options_.out / "results.csv", CompareCsv(result_.methods, names));
  WriteFileAtomically(options_.out / "results.json", result_.summary.dump(2) + "\n");
  WriteFileAtomically(options_.out / "times.json", times.dump(2) + "\n");
  if (HasEvaluationReport()) WriteReport(times);
}

void Comparison::WriteReport(const nlohmann::json& times) {
  EvaluationReport report;
  report.title = "Comparison of " + std::to_string(result_.methods.size()) + " methods";
  report.stems = result_.stems;
  report.floor = kFloorMethod;
  report.differences = result_.summary["differences"];
  report.options = choices_.evaluation;
  report.excerpts = choices_.excerpts;
  for (const CompareFailure& failure : result_.failures)
    report.failures.push_back((failure.method.empty() ? "" : failure.method + ", ") + failure.song +
                              ": " + ShowOptions(failure.error.text(), OptionStyle::kName));
  for (const MethodEvaluations& evaluations : result_.methods) {
    ReportedMethod& method = report.methods.emplace_back();
    method.name = evaluations.name;
    method.songs = evaluations.songs;
    double seconds = 0, of_songs = 0;
    if (times.contains(method.name)) {
      for (const auto& [song, time] : times[method.name].items()) {
        seconds += time["seconds"].get<double>();
        of_songs += time["seconds"].get<double>() * time["times_real_time"].get<double>();
      }
    }
    if (seconds > 0) method.times_real_time = of_songs / seconds;
    for (const Work& work : work_)
      if (options_.keep_stems && work.result && work.method->name == method.name)
        method.files[work.song->name] = FilesOf(work, work.result->stems);
  }
  result_.report = options_.report.empty() ? options_.out / "report.html" : options_.report;
  WriteEvaluationReport(result_.report, report);
}

// What is read and what is written must lie apart: songs in DIR would be those of the next run.
void CheckLiesApart(const fs::path& out, const fs::path& dataset) {
  const bool within = LiesIn(out, dataset);
  if (!within && !LiesIn(dataset, out)) return;
  throw Error::Usage(
      within ? "the results would lie within the folder of the songs, " + dataset.string()
             : "the folder of the songs, " + dataset.string() + ", lies within that of the results",
      out.string(), "give " + Option("out") + " a folder beside the songs");
}

CompareResult Comparison::Run() {
  const OneTorchThread one;
  CheckLiesApart(options_.out, DatasetFolder(choices_.songs.reader));
  EnsureWritableFolder(options_.out);
  const FolderLock lock(options_.out, "another comparison works in this folder",
                        "wait for it, or give another folder");
  SongPlan plan = PlanSongs(choices_.songs, host_);
  result_.stems = plan.stems;
  result_.failures = plan.failures;
  for (const MethodChoice& choice : choices_.methods) {
    auto method = std::make_unique<Method>();
    method->name = choice.name;
    method->work = MakeComparedMethod(choice, plan.stems, options_.device);
    method->fingerprint = method->work->Fingerprint();
    methods_.push_back(std::move(method));
  }
  MakeSongs(plan);
  FindKept();
  std::vector<Work*> open;
  for (Work& work : work_)
    if (!work.result) open.push_back(&work);
  for (const auto& method : methods_)
    if (method->left > 0) OpenMethod(*method);

  Progress progress(host_, {"compare", static_cast<std::int64_t>(work_.size()), "separations"});
  std::mutex mutex;
  std::int64_t done = static_cast<std::int64_t>(result_.kept);
  progress.Update(done);
  const int signal =
      ForEachSong(open.size(), options_.threads, host_, [&](std::size_t i, const StopQuestion&) {
        DoWork(*open[i]);
        const std::lock_guard guard(mutex);
        if (open[i]->result) ++result_.made;
        progress.Update(++done, open[i]->method->name + ", " + open[i]->song->name);
      });
  progress.Finish();
  if (signal != 0) {
    throw Error::Stopped(signal,
                         "stopped: " + std::to_string(result_.made + result_.kept) + " of " +
                             std::to_string(work_.size()) + " results are there and are kept",
                         "run the command again to continue");
  }
  if (result_.made + result_.kept == 0)
    throw Error::Input("no method could separate a song", options_.out.string(),
                       "see the errors above");
  Write();
  return std::move(result_);
}

}  // namespace

CompareResult CompareMethods(const CompareChoices& choices, const CompareOptions& options) {
  return Comparison(choices, options).Run();
}

}  // namespace stemsmith
