// stemsmith run: from a dataset to trained models, model files and a comparison, step by step.
#include <algorithm>
#include <chrono>
#include <set>

#include "apps/checked_options.h"
#include "apps/output.h"
#include "apps/stemsmith/commands.h"
#include "apps/stemsmith/fit_forest.h"
#include "apps/stemsmith/run_choices.h"
#include "apps/stemsmith/flow_state.h"
#include "apps/stemsmith/work.h"
#include "core/checksum.h"
#include "core/config_library.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/option.h"
#include "core/pending_files.h"
#include "core/text.h"
#include "datasets/cache/cache.h"
#include "datasets/doctor/doctor.h"
#include "datasets/prepare/prepare.h"
#include "evaluate/compare/compare.h"
#include "export/export.h"
#include "separate/torch_device.h"
#include "train/launcher.h"
#include "train/options.h"
#include "train/run_folder.h"
#include "train/trainer.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

struct RunArguments {
  std::string config;
  std::vector<std::string> settings;
  fs::path out;
  Device device;
  int threads = 0;
  OutputMode mode = OutputMode::kAuto;
};

// Size and time of a file, as far as it is there.
nlohmann::json StateOfFile(const fs::path& path) {
  std::error_code code;
  const auto size = fs::file_size(path, code);
  if (code) return {path.string()};
  return {path.string(), size, fs::last_write_time(path, code).time_since_epoch().count()};
}

// Of all that the doctor looks at.
std::string FingerprintOf(const SongChoice& dataset, const std::vector<Track>& tracks) {
  const ReaderOptions& reader = dataset.reader;
  nlohmann::json all = {
      dataset.layout, fs::absolute(reader.root).string(), reader.valid_fraction,
      reader.seed,    StateOfFile(reader.splits),         StateOfFile(dataset.recipe)};
  for (const Track& track : tracks) {
    nlohmann::json song = {track.name, track.split, StateOfFile(track.mixture)};
    for (const SourceStem& source : track.sources)
      song.push_back({source.name, source.stream, StateOfFile(source.path)});
    all.push_back(std::move(song));
  }
  return HexHash(HashBytes(all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
}

class WholeFlow {
 public:
  explicit WholeFlow(const RunArguments& arguments)
      : arguments_(arguments),
        host_(TerminalHost(arguments.mode)),
        output_{arguments.mode, /*alone=*/false},
        choices_(ReadRunChoices(Config::Load(FindConfig(arguments.config), arguments.settings))),
        cache_(arguments.out / "cache.h5") {}
  void Run();

 private:
  // Says that a step begins, and what became of it. `work` gives false where all was done before.
  void Step(const std::string& name, const std::function<bool()>& work);
  void FindSongs();
  bool Examine();
  bool Prepare();
  bool TrainOne(const RunModel& model);
  // The run of other settings makes room; gives its new name.
  static fs::path PutAside(const fs::path& run);
  bool ExportOne(const RunModel& model);
  bool FitOne(const RunModel& model);
  bool Compare();
  fs::path RunOf(const RunModel& model) const { return arguments_.out / "runs" / model.name; }
  fs::path ModelOf(const RunModel& model) const { return arguments_.out / "models" / model.name; }

  const RunArguments& arguments_;
  const Host host_;
  const WorkOutput output_;
  const RunChoices choices_;
  const fs::path cache_;
  std::optional<FlowState> state_;
  std::vector<Track> tracks_;
  CompareChoices compare_;
  CompareResult compared_;
  std::size_t step_ = 0, steps_ = 0;
  nlohmann::json done_ = nlohmann::json::array();
};

void WholeFlow::Step(const std::string& name, const std::function<bool()>& work) {
  if (const int signal = host_.StopSignal(); signal != 0)
    throw Error::Stopped(signal, "stopped before the step '" + name + "'",
                         "run the command again to continue");
  const std::string place = std::to_string(++step_) + "/" + std::to_string(steps_);
  nlohmann::json line = {{"step", name}, {"number", step_}, {"of", steps_}};
  const auto show = [&](const std::string& text, const char* state) {
    line["state"] = state;
    if (arguments_.mode == OutputMode::kAuto) WriteError("[" + place + "] " + name + text);
    PrintEvent(arguments_.mode, "step", line);
  };
  show("", "begins");
  const auto begin = std::chrono::steady_clock::now();
  const bool worked = work();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  line["seconds"] = seconds.count();
  if (worked)
    show(": " + FormatDuration(seconds.count()), "done");
  else
    show(": nothing to do, it is as it was", "fresh");
  done_.push_back(line);
}

void WholeFlow::FindSongs() {
  const SongChoice& dataset = choices_.dataset;
  if (LiesIn(arguments_.out, dataset.reader.root))
    throw Error::Usage(
        "what is made would lie within the folder of the songs, " + dataset.reader.root.string(),
        arguments_.out.string(), "give " + Option("out") + " a folder outside of it");
  tracks_ = ScanDataset(dataset.layout, dataset.reader);
  std::set<std::string> splits;
  for (const Track& track : tracks_) splits.insert(track.split);
  compare_ = CompareChoicesOf(choices_, arguments_.out / "models", {splits.begin(), splits.end()});
  const std::string& split = compare_.songs.split;
  if (split != kAllSplits && !splits.contains(split))
    throw Error::Usage("no song is there to compare the models on (split " + split + ")",
                       dataset.reader.root.string(),
                       "put some songs into a folder `test`, list them in songs.splits, or keep "
                       "some for validation with songs.valid_fraction: 0.1 (docs/datasets.md)");
  if (split == "valid")
    host_.Warn(
        "no songs are for testing: models are compared on those for validation, by which "
        "their checkpoints are chosen");
  if (split == "train" || split == kAllSplits)
    host_.Warn("models are compared on songs that they were trained on (split " + split + ")");
}

bool WholeFlow::Examine() {
  const std::string fingerprint = FingerprintOf(choices_.dataset, tracks_);
  const nlohmann::json before = state_->Of("doctor");
  // Faults that were let pass are looked at again where they no longer are.
  if (before.is_object() && before.value("files", "") == fingerprint &&
      (before.value("errors", std::size_t{0}) == 0 || choices_.doctor == DoctorRule::kWarn))
    return false;
  DoctorOptions options;
  options.kind = choices_.dataset.layout;
  options.reader = choices_.dataset.reader;
  options.recipe = choices_.dataset.recipe;
  options.threads = arguments_.threads;
  const DoctorResult result = RunDoctor(options, /*all=*/false, output_);
  if (result.interrupted != 0) throw CLI::RuntimeError(128 + result.interrupted);
  if (result.errors() > 0) {
    const std::string count = std::to_string(result.errors()) +
                              (result.errors() == 1 ? " fault" : " faults") + " of the dataset";
    if (choices_.doctor == DoctorRule::kStop)
      throw Error::Input(count + " must be fixed before training",
                         choices_.dataset.reader.root.string(),
                         "`stemsmith doctor " + choices_.dataset.layout + " " +
                             choices_.dataset.reader.root.string() +
                             "` names them; with `doctor: warn` songs that cannot be used are left "
                             "out");
    host_.Warn(count + " are not fixed");
  }
  state_->Remember("doctor", {{"files", fingerprint}, {"errors", result.errors()}});
  return true;
}

bool WholeFlow::Prepare() {
  PrepareOptions options;
  options.kind = choices_.dataset.layout;
  options.reader = choices_.dataset.reader;
  options.recipe = choices_.dataset.recipe;
  options.out = cache_;
  options.sample_rate_hz = choices_.dataset.sample_rate_hz;
  options.channels = choices_.dataset.channels;
  options.threads = arguments_.threads;
  const PrepareResult result = RunPrepare(options, output_);
  if (result.interrupted != 0) throw CLI::RuntimeError(128 + result.interrupted);
  if (choices_.doctor != DoctorRule::kWarn || !result.wrote_index) RequireAllSongs(options, result);
  return result.made + result.removed + result.failures.size() > 0;
}

fs::path WholeFlow::PutAside(const fs::path& run) {
  fs::path aside;
  for (int number = 1; aside.empty() || fs::exists(aside); ++number)
    aside = run.string() + "." + std::to_string(number);
  std::error_code code;
  fs::rename(run, aside, code);
  if (code) throw Error::Write("the earlier run cannot be put aside", run.string());
  return aside;
}

bool WholeFlow::TrainOne(const RunModel& model) {
  const std::string step = "train " + model.name, config = TrainingOf(model).Dump(false);
  const std::string songs = CacheReader(cache_, host_.warn).fingerprint();
  const nlohmann::json before = state_->Of(step);
  TrainRequest request;
  request.run = RunOf(model);
  fs::path aside;
  request.resume = RunFolder(request.run).HoldsRun();
  if (request.resume && before.is_object()) {
    std::vector<std::string> changes;
    const std::string config_before = before.value("config", "");
    for (const ConfigChange& change : ConfigChanges(config_before, config, config))
      changes.push_back(change.Text());
    if (before.value("songs", "") != songs) changes.emplace_back("the songs of the cache");
    if (changes.empty() && before.value("finished", false) && config_before == config) return false;
    if (!changes.empty()) {
      aside = PutAside(request.run);
      request.resume = false;
      // Once it trains: what cannot begin changes nothing.
      request.after_step = [this, changes, aside](std::int64_t done) {
        if (done == 1)
          host_.Warn("trained from scratch, because it is not as it was: " + JoinNames(changes) +
                     "; the earlier run is kept as " + aside.string());
      };
    }
  }
  nlohmann::json now = {{"config", config}, {"songs", songs}, {"finished", false}};
  state_->Remember(step, now);
  request.device = arguments_.device;
  request.threads = arguments_.threads;
  TrainResult result;
  try {
    result = RunTrain(TrainingOf(model, cache_), request, output_);
  } catch (...) {
    // What could not even begin takes nobody's place.
    if (!aside.empty() && !RunFolder(request.run).HoldsRun()) {
      std::error_code code;
      fs::remove_all(request.run, code);
      fs::rename(aside, request.run, code);
      if (!code) state_->Remember(step, before);
    }
    throw;
  }
  if (result.signal != 0) throw CLI::RuntimeError(128 + result.signal);
  const std::int64_t steps = ReadTrainOptions(TrainingOf(model, cache_)).steps;
  if (steps > 0 && result.step > steps)
    host_.Warn("the run has done " + std::to_string(result.step) + " steps before, more than the " +
               std::to_string(steps) + " of train.steps: it stays as it is");
  now["finished"] = true;
  state_->Remember(step, now);
  return true;
}

bool WholeFlow::ExportOne(const RunModel& model) {
  const std::string step = "export " + model.name;
  const fs::path checkpoint = ResolveCheckpoint(RunOf(model));
  const nlohmann::json key = {HexHash(HashContent(checkpoint)), model.formats},
                       before = state_->Of(step);
  const fs::path folder = ModelOf(model);
  const nlohmann::json files_before = before.is_object()
                                          ? before.value("files", nlohmann::json::object())
                                          : nlohmann::json::object();
  const auto is_same = [&](const auto& file) {
    std::error_code code;
    const fs::path path = folder / file.key();
    return fs::is_regular_file(path, code) && HexHash(HashContent(path)) == file.value();
  };
  const auto known = files_before.items();
  if (!files_before.empty() && before.value("key", nlohmann::json()) == key &&
      std::all_of(known.begin(), known.end(), is_same))
    return false;
  ExportOptions options;
  options.out = folder;
  options.formats = model.formats;
  options.device = arguments_.device;
  const ExportResult result =
      RunExport(LoadCheckpoint(checkpoint, host_.warn), checkpoint, options, output_);
  nlohmann::json files = nlohmann::json::object();
  for (const ExportedFile& file : result.files)
    for (const fs::path& path : {file.path, file.data_path})
      if (!path.empty()) files[path.filename().string()] = HexHash(HashContent(path));
  // Those of the earlier model that this one has not replaced.
  std::error_code ignored;
  for (const auto& [name, hash] : files_before.items())
    if (!files.contains(name)) fs::remove(folder / fs::path(name).filename(), ignored);
  state_->Remember(step, {{"key", key}, {"files", files}});
  return true;
}

bool WholeFlow::FitOne(const RunModel& model) {
  const std::string step = "fit " + model.name;
  const fs::path file = ModelOf(model) / kFittedFile;
  nlohmann::json now = {{"method", model.fit},
                        {"settings", model.settings.Dump(false)},
                        {"songs", CacheReader(cache_, host_.warn).fingerprint()}};
  const auto remember = [&] { now["file"] = HexHash(HashContent(file)); };
  std::error_code code;
  if (fs::is_regular_file(file, code)) {
    remember();
    if (state_->Of(step) == now) return false;
  }
  FitForestToCache(cache_, model.settings, file, host_);
  remember();
  state_->Remember(step, now);
  return true;
}

bool WholeFlow::Compare() {
  CompareOptions options;
  options.out = arguments_.out / "comparison";
  options.report = arguments_.out / "report.html";
  options.threads = arguments_.threads;
  options.device = arguments_.device;
  compared_ = RunCompare(compare_, options, output_);
  // Songs that cannot be used were left out of the cache, too.
  const bool songs_alone =
      std::all_of(compared_.failures.begin(), compared_.failures.end(),
                  [](const CompareFailure& failure) { return failure.method.empty(); });
  if (choices_.doctor != DoctorRule::kWarn || !songs_alone) RequireAllCompared(options, compared_);
  return compared_.made > 0;
}

void WholeFlow::Run() {
  const fs::path& out = arguments_.out;
  steps_ = (choices_.doctor == DoctorRule::kOff ? 0 : 1) + 2;
  for (const RunModel& model : choices_.models) {
    steps_ += model.fit.empty() ? 2 : 1;
    // So that faults are known before long work.
    if (model.fit.empty()) ReadTrainOptions(TrainingOf(model, cache_));
  }
  FindSongs();
  EnsureWritableFolder(out);
  const FolderLock lock(out, "another `stemsmith run` works in this folder",
                        "wait for it, or give another folder");
  state_.emplace(out / "run.json");
  if (choices_.doctor != DoctorRule::kOff) Step("doctor", [&] { return Examine(); });
  Step("prepare", [&] { return Prepare(); });
  for (const RunModel& model : choices_.models) {
    if (!model.fit.empty()) {
      Step("fit " + model.name, [&] { return FitOne(model); });
      continue;
    }
    Step("train " + model.name, [&] { return TrainOne(model); });
    Step("export " + model.name, [&] { return ExportOne(model); });
  }
  Step("compare", [&] { return Compare(); });

  nlohmann::json models = nlohmann::json::object();
  std::vector<std::string> trained;
  for (const RunModel& model : choices_.models) {
    models[model.name] = {{"files", ModelOf(model).string()}};
    if (!model.fit.empty()) continue;
    models[model.name]["run"] = RunOf(model).string();
    trained.push_back(ModelOf(model).string());
  }
  PrintResult(arguments_.mode, trained.empty() ? "" : "models: " + JoinNames(trained),
              {{"steps", done_}, {"models", models}, {"report", compared_.report.string()}});
  if (!trained.empty())
    PrintNext(arguments_.mode, {"separate", trained.front(), "song.mp3", "-o", "my_stems"});
}

void RunRun(const RunArguments& arguments) {
  if (ReadLaunch().world_size > 1)
    throw Error::Usage("`stemsmith run` works in one process", "",
                       "use `stemsmith train` with ranks (docs/guides/distributed.md)");
  CatchInterrupts();
  TorchDevice(arguments.device);  // before any other use of LibTorch
  WholeFlow(arguments).Run();
}

}  // namespace

void AddRunCommand(CLI::App& app) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App& command = *app.add_subcommand(
      "run",
      "The whole way: check and prepare songs, train models, export them, and compare them on "
      "songs that they were not trained on");
  command
      .add_option("CONFIG", arguments->config,
                  "Songs, models and methods as YAML (docs/guides/own-stems.md); run/own_stems is "
                  "one to begin with (`stemsmith config run/own_stems`)")
      ->required();
  command
      .add_option("--out", arguments->out,
                  "Folder for all that is made; a step whose result there is fresh is skipped")
      ->required()
      ->check(IsNotEmpty);
  command.add_option("--set", arguments->settings, "Changes: --set models.0.train=htdemucs …")
      ->allow_extra_args(false);
  AddDevice(command, arguments->device, "Where models compute");
  AddNumber(command, "--threads", arguments->threads, {0, 1024},
            "Compute threads, and songs side by side; 0: one per core")
      ->capture_default_str();
  AddOutputFlags(command, arguments->mode);
  command.callback([arguments] { RunRun(*arguments); });
}

}  // namespace stemsmith
