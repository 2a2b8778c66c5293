#include "apps/stemsmith/store_model.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <set>
#include <utility>

#include "catalogue/catalogue_file.h"
#include "catalogue/model_store.h"
#include "core/copy_file.h"
#include "core/error.h"
#include "core/files.h"
#include "export/export.h"
#include "separate/manifest.h"
#include "separate/model_files.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

void AddModelInfo(const ModelInfo& info, json& entry) {
  entry["architecture"] = info.model_name;
  entry["stems"] = info.stems;
  entry["sample_rate_hz"] = info.sample_rate_hz;
  entry["channels"] = info.channels;
}

constexpr char kEntryFile[] = "entry.json", kManifestFile[] = "model.json";
constexpr const char* kModelFiles[] = {"model.onnx", "model.ts"};

// Of an older model of this name: another format would be taken instead of a new one.
std::set<fs::path> FilesThere(const fs::path& folder) {
  std::set<fs::path> files = {folder / "checkpoint.safetensors", folder / kManifestFile};
  std::error_code code;
  for (const char* name : kModelFiles) {
    files.insert(folder / name);
    try {
      if (!fs::exists(folder / name, code)) continue;
      for (const fs::path& file : FilesOfModel(folder / name).All())
        if (file.parent_path() == folder) files.insert(file);
    } catch (const Error&) {  // a damaged one
    }
  }
  return files;
}

// Appears with all its files at once, or takes the place of an older one and all of its files.
class NewModel {
 public:
  explicit NewModel(const std::string& name)
      : target_((fs::create_directories(ModelsFolder()), ModelsFolder() / name)),
        others_(FilesThere(target_)),
        folder_(target_, ModelsFolder()) {}
  fs::path Add(const std::string& file) {
    std::error_code code;
    if (fs::is_directory(target_ / file, code)) fs::remove(target_ / file, code);  // an empty one
    others_.erase(target_ / file);
    return folder_.Add(file);
  }
  const fs::path& folder() const { return folder_.folder(); }
  void Commit(const json& entry) {
    WriteEntry(Add(kEntryFile), entry);
    folder_.Commit();
    std::error_code code;
    for (const fs::path& file : others_) fs::remove(file, code);
  }

 private:
  fs::path target_;
  std::set<fs::path> others_;
  PendingFolder folder_;
};

// Weights beside a model keep their name, by which the graph finds them.
void CheckWeights(const fs::path& weights, const fs::path& model) {
  const std::string name = weights.filename().string();
  if (weights.parent_path() != model.parent_path())
    throw Error::Input("weights of this model lie in another folder, " + weights.string(),
                       model.string(), "write the model again with all of its files in one");
  if (name == kEntryFile || name == kManifestFile ||
      std::find(std::begin(kModelFiles), std::end(kModelFiles), name) != std::end(kModelFiles))
    throw Error::Input("weights of this model are called " + name + ", as a file of ours is",
                       model.string(), "write the model again with its weights in another file");
}

// Files are made beside the model's folder: an error names the place where they were to be.
template <typename Work>
json WithFinalNames(const std::string& name, Work work) {
  try {
    return work();
  } catch (const Error& error) {
    const fs::path where = error.where();
    if (where.parent_path() != ModelsFolder()) throw;
    throw Error(error.code(), error.problem(), ModelsFolder() / name / where.filename(),
                error.advice());
  }
}

}  // namespace

Catalogue ChooseCatalogue(const fs::path& file) {
  if (!file.empty()) return ReadCatalogue(file);
  const char* named = std::getenv("STEMSMITH_CATALOGUE");
  if (named != nullptr && *named != '\0') return ReadCatalogue(named);
  return ShippedCatalogue();
}

ModelWork::ModelWork(const std::string& name) : folder_(ModelWorkFolder(name)) {
  CheckModelName(name, "");
  do {  // the process before may remove the folder as it ends
    lock_.reset();
    EnsureWritableFolder(folder_);
    lock_ = std::make_unique<FolderLock>(
        folder_, "another process works on the model '" + name + "'", "wait until it has ended");
  } while (!lock_->StillThere());
}

ModelWork::~ModelWork() {
  std::error_code code;
  if (done_) {
    fs::remove_all(folder_, code);
  } else {
    fs::remove(folder_, code);  // an empty one
  }
}

json StoreCheckpoint(const std::string& name, Checkpoint checkpoint,
                     const std::string& where, json entry, bool keep, const Host& host) {
  return WithFinalNames(name, [&] {
    NewModel made(name);
    ExportOptions options;
    options.out = made.folder();
    options.formats = {"onnx"};
    options.host = host;
    made.Add("model.onnx");
    const ExportResult result =
        ExportCheckpoint(keep ? checkpoint : std::move(checkpoint), where, options);
    AddModelInfo(result.manifest, entry);
    entry["largest_error"] = result.files.front().largest_error;
    if (!result.files.front().data_path.empty()) made.Add("model.onnx.data");
    if (keep) SaveCheckpoint(made.Add("checkpoint.safetensors"), checkpoint);
    made.Commit(entry);
    return entry;
  });
}

json StoreModelFile(const std::string& name, const fs::path& model, const fs::path& manifest,
                    json entry, const Host& host) {
  const fs::path file = ResolveModel(model);
  const auto runtime = Runtime::Open(
      file, {.device = Device::Kind::kCpu, .manifest_file = manifest, .warn = host.warn});
  const ModelFiles files = FilesOfModel(file, manifest);
  for (const fs::path& weights : files.weights) CheckWeights(weights, file);
  AddModelInfo(runtime->info(), entry);
  return WithFinalNames(name, [&] {
    NewModel made(name);
    const bool onnx = runtime->engine() != Engine::kTorchScript;
    CopyFile(file, made.Add(onnx ? "model.onnx" : "model.ts"));
    for (const fs::path& weights : files.weights)
      CopyFile(weights, made.Add(weights.filename().string()));
    if (!files.manifest.empty()) CopyFile(files.manifest, made.Add(kManifestFile));
    made.Commit(entry);
    return entry;
  });
}

}  // namespace stemsmith
