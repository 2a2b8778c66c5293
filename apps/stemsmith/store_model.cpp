#include "apps/stemsmith/store_model.h"

#include <cstdlib>
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

// Appears with all its files at once, or takes the place of an older one.
class NewModel {
 public:
  explicit NewModel(const std::string& name)
      : target_((fs::create_directories(ModelsFolder()), ModelsFolder() / name)),
        folder_(target_, ModelsFolder()) {}
  fs::path Add(const std::string& file) {
    std::error_code code;
    if (fs::is_directory(target_ / file, code)) fs::remove(target_ / file, code);  // an empty one
    return folder_.Add(file);
  }
  const fs::path& folder() const { return folder_.folder(); }
  void Commit(const json& entry) {
    WriteEntry(folder_.Add("entry.json"), entry);
    folder_.Commit();
  }

 private:
  fs::path target_;
  PendingFolder folder_;
};

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

// Of an older model of this name, in another format: it would be taken instead.
void RemoveOthers(const std::string& name, const std::vector<std::string>& kept) {
  std::error_code code;
  for (const char* file :
       {"model.onnx", "model.onnx.data", "model.float16.onnx.data", "model.int8.onnx.data",
        "model.json", "model.ts", "checkpoint.safetensors"})
    if (std::find(kept.begin(), kept.end(), file) == kept.end())
      fs::remove(ModelsFolder() / name / file, code);
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
    std::vector<std::string> kept = {"model.onnx"};
    made.Add("model.onnx");
    const ExportResult result =
        ExportCheckpoint(keep ? checkpoint : std::move(checkpoint), where, options);
    AddModelInfo(result.manifest, entry);
    entry["largest_error"] = result.files.front().largest_error;
    if (!result.files.front().data_path.empty()) {
      kept.push_back("model.onnx.data");
      made.Add(kept.back());
    }
    if (keep) {
      kept.push_back("checkpoint.safetensors");
      SaveCheckpoint(made.Add(kept.back()), checkpoint);
    }
    made.Commit(entry);
    RemoveOthers(name, kept);
    return entry;
  });
}

json StoreModelFile(const std::string& name, const fs::path& model, const fs::path& manifest,
                    json entry, const Host& host) {
  const fs::path file = ResolveModel(model);
  const auto runtime = Runtime::Open(
      file, {.device = Device::Kind::kCpu, .manifest_file = manifest, .warn = host.warn});
  const ModelFiles files = FilesOfModel(file, manifest);
  AddModelInfo(runtime->info(), entry);
  return WithFinalNames(name, [&] {
    NewModel made(name);
    const bool onnx = runtime->engine() != Engine::kTorchScript;
    std::vector<std::string> kept;
    const auto copy = [&](const fs::path& from, const std::string& to) {
      kept.push_back(to);
      CopyFile(from, made.Add(to));
    };
    copy(file, onnx ? "model.onnx" : "model.ts");
    // The graph names the files of its weights.
    for (const fs::path& weights : files.weights) {
      if (weights.parent_path() != file.parent_path())
        throw Error::Input("weights of this model lie in another folder, " + weights.string(),
                           file.string(), "write the model again with all of its files in one");
      copy(weights, weights.filename());
    }
    if (!files.manifest.empty()) copy(files.manifest, "model.json");
    made.Commit(entry);
    RemoveOthers(name, kept);
    return entry;
  });
}

}  // namespace stemsmith
