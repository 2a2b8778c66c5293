// Puts a model into the user's folder of models, where `separate NAME` finds it.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "catalogue/catalogue.h"
#include "models/checkpoint.h"
#include "separate/runtime.h"

namespace stemsmith {

// `file`, else the file that STEMSMITH_CATALOGUE names, else the shipped one.
Catalogue ChooseCatalogue(const std::filesystem::path& file);

// The model `name` alone, for one process at a time; its folder of unfinished work, which ends with
// this when Done() was said or nothing lies in it.
class ModelWork {
 public:
  // Throws Error::Usage where the name is none, or another process works on it.
  explicit ModelWork(const std::string& name);
  ~ModelWork();
  ModelWork(const ModelWork&) = delete;
  ModelWork& operator=(const ModelWork&) = delete;
  const std::filesystem::path& folder() const { return folder_; }
  void Done() { done_ = true; }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<class FolderLock> lock_;
  bool done_ = false;
};

// Exports the checkpoint as ONNX into the folder of `name`, with entry.json: what `entry` holds,
// and what the model says of itself. Where the model is there already it is replaced. Throws Error,
// of a file that cannot be written with its final name. With `keep`,
// checkpoint.safetensors lies beside it, to train on from. Gives entry.json's content.
nlohmann::json StoreCheckpoint(const std::string& name, Checkpoint checkpoint,
                               const std::string& where, nlohmann::json entry, bool keep,
                               const Host& host);
// The same for an exported model, which is copied with the weights beside it, and for an ONNX model
// of another program, with what describes it: `manifest`, as RuntimeOptions::manifest_file.
nlohmann::json StoreModelFile(const std::string& name, const std::filesystem::path& model,
                              const std::filesystem::path& manifest, nlohmann::json entry,
                              const Host& host);

}  // namespace stemsmith
