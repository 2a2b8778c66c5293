#include "evaluate/compare/compared_method.h"

#include <mutex>

#include "baselines/references.h"
#include "baselines/registry.h"
#include "core/checksum.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/files.h"
#include "models/checkpoint.h"
#include "models/manifest_for.h"
#include "models/model_runtime.h"
#include "separate/model_files.h"
#include "separate/torch_device.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// A model that serves one thread at a time.
struct OpenModel {
  std::shared_ptr<SeparationModel> model;  // of a checkpoint; null for model files
  std::unique_ptr<Runtime> runtime;
};

class ModelMethod : public ComparedMethod {
 public:
  ModelMethod(const MethodChoice& choice, const Device& device)
      : device_(device), manifest_(choice.manifest), overlap_(choice.overlap) {
    const FileContent content = ContentOf(choice.model);
    is_checkpoint_ = content == FileContent::kRun || content == FileContent::kCheckpoint ||
                     content == FileContent::kCheckpoints;
    if (is_checkpoint_ && !manifest_.empty())
      throw Error::Usage("`manifest` describes an .onnx file of another program, not a checkpoint",
                         choice.model.string(), "leave it out");
    if (!is_checkpoint_) CheckContent(choice.model, FileUse::kSeparateModel);
    file_ = is_checkpoint_ ? ResolveCheckpoint(choice.model) : ResolveModel(choice.model, device);
  }

  std::string Fingerprint() const override {
    const ModelFiles files =
        is_checkpoint_ ? ModelFiles{.model = file_} : FilesOfModel(file_, manifest_);
    return nlohmann::json({"model", HashOfFiles(files.All()), overlap_, device_.Name()}).dump();
  }
  void Open() override {
    auto model = Take();
    stems_ = model->runtime->info().stems;
    Give(std::move(model));
  }
  void Close() override {
    const std::lock_guard guard(mutex_);
    free_.clear();
  }
  const std::vector<std::string>& stems() const override { return stems_; }

 protected:
  void Run(const ComparedSong& song, const SeparatorOptions& options, const fs::path& folder,
           const Separator::Observer& observer, const Host&) override {
    auto model = Take();
    SeparatorOptions with_overlap = options;
    with_overlap.stream.overlap = overlap_;
    Separator(*model->runtime, with_overlap)
        .SeparateFile(song.folder / "mixture.wav", folder, observer);
    Give(std::move(model));
  }

 private:
  std::unique_ptr<OpenModel> Take() {
    {
      const std::lock_guard guard(mutex_);
      if (!free_.empty()) {
        auto model = std::move(free_.back());
        free_.pop_back();
        return model;
      }
    }
    auto open = std::make_unique<OpenModel>();
    if (!is_checkpoint_) {
      RuntimeOptions options;
      options.device = device_;
      options.threads = 1;
      options.manifest_file = manifest_;
      open->runtime = Runtime::Open(file_, options);
      return open;
    }
    const Checkpoint checkpoint = LoadCheckpoint(file_);
    const torch::Device device = TorchDevice(device_);
    open->model = ModelFromCheckpoint(checkpoint);
    Manifest manifest = ManifestFor(checkpoint, *open->model, 0, file_.string());
    open->model->to(device);
    open->runtime = std::make_unique<ModelRuntime>(*open->model, std::move(manifest), device);
    return open;
  }
  void Give(std::unique_ptr<OpenModel> model) {
    const std::lock_guard guard(mutex_);
    free_.push_back(std::move(model));
  }

  const Device device_;
  const fs::path manifest_;
  const double overlap_;
  bool is_checkpoint_ = false;
  fs::path file_;
  std::vector<std::string> stems_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<OpenModel>> free_;
};

class BaselineMethod : public ComparedMethod {
 public:
  BaselineMethod(const MethodChoice& choice, const std::vector<std::string>& targets)
      : row_(FindBaseline(choice.baseline)) {
    Config settings = choice.settings;
    baseline_ = MakeBaseline(row_, settings);
    // Dump() knows what was asked for: methods that ask for their stems get those of the songs.
    if (!settings.Has("stems") && Config::Parse(settings.Dump(), "").Has("stems")) {
      const std::string given = settings.Keys().empty() ? "" : settings.Dump(false);
      settings = Config::Parse("stems: " + nlohmann::json(targets).dump() + "\n" + given, "");
      baseline_ = MakeBaseline(row_, settings);
    }
    settings_ = settings.Dump();
  }

  std::string Fingerprint() const override {
    nlohmann::json all = {"baseline", row_.name, settings_};
    for (const fs::path& file : baseline_->files()) all.push_back(HexHash(HashContent(file)));
    return all.dump();
  }
  void Open() override {}
  void Close() override {}
  const std::vector<std::string>& stems() const override { return baseline_->stems(); }

 protected:
  void Run(const ComparedSong& song, const SeparatorOptions& options, const fs::path& folder,
           const Separator::Observer& observer, const Host& host) override {
    const auto open = [&](std::unique_ptr<AudioReader> input, const fs::path& file) {
      BaselineInput in;
      if (row_.needs_references)
        in.references = OpenReferences(song.folder, baseline_->stems(), input->info());
      in.song = std::move(input);
      in.file = file;
      in.host.stop = host.stop;
      return baseline_->Open(std::move(in));
    };
    Separator(baseline_->stems(), open, options)
        .SeparateFile(song.folder / "mixture.wav", folder, observer);
  }

 private:
  const BaselineRow& row_;
  std::unique_ptr<Baseline> baseline_;
  std::string settings_;
};

}  // namespace

void ComparedMethod::Separate(const ComparedSong& song, const std::vector<std::string>& stems,
                              const fs::path& folder, const fs::path& out, const Host& host) {
  SeparatorOptions options;
  options.files.stems = stems;
  options.encoding.sample_format = SampleFormat::kFloat32;
  options.growing_in = out;
  Run(
      song, options, folder, [&](std::int64_t, std::int64_t, int) { StopIfAsked(host); }, host);
}

std::unique_ptr<ComparedMethod> MakeComparedMethod(const MethodChoice& choice,
                                                   const std::vector<std::string>& targets,
                                                   const Device& device) {
  if (choice.baseline.empty()) return std::make_unique<ModelMethod>(choice, device);
  return std::make_unique<BaselineMethod>(choice, targets);
}

}  // namespace stemsmith
