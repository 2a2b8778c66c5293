#include "catalogue/model_store.h"

#include <algorithm>

#include "catalogue/local_copies.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json_fields.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kEntryVersion = 1;

fs::path UserDataFolder() { return UserFolder("XDG_DATA_HOME", ".local/share"); }

fs::path DataFolder() {
  const fs::path data = UserDataFolder();
  if (data.empty())
    throw Error::Usage("there is no folder for models: neither XDG_DATA_HOME nor HOME is set", "",
                       "set one of them, or name a model file");
  return data / "stemsmith";
}

// Null where the folder holds no model.
std::optional<StoredModel> ReadStored(const fs::path& folder, const Listener& warn) {
  std::error_code code;
  StoredModel model{folder.filename().string(), {}, nullptr};
  for (const char* name : {"model.onnx", "model.ts"})
    if (model.file.empty() && fs::is_regular_file(folder / name, code)) model.file = folder / name;
  const fs::path entry = folder / "entry.json";
  if (model.file.empty() || !fs::is_regular_file(entry, code)) return std::nullopt;
  model.entry = ParseJson(ReadFile(entry));
  if (model.entry.is_object()) return model;
  Tell(warn, entry.string() + " is no JSON object: the model '" + model.name + "' is passed over");
  return std::nullopt;
}

}  // namespace

fs::path ModelsFolder() { return DataFolder() / "models"; }
fs::path ModelWorkFolder(const std::string& name) { return DataFolder() / "downloads" / name; }

std::vector<StoredModel> StoredModels(const Listener& warn) {
  std::vector<StoredModel> models;
  if (UserDataFolder().empty()) return models;  // nobody's: there are none
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(ModelsFolder(), code)) {
    if (entry.path().filename().string().starts_with(".")) continue;
    if (auto model = ReadStored(entry.path(), warn)) models.push_back(std::move(*model));
  }
  std::sort(models.begin(), models.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return models;
}

std::optional<StoredModel> FindStoredModel(const std::string& name) {
  return UserDataFolder().empty() || name.empty() || name.find('/') != std::string::npos ||
                 name.starts_with(".")
             ? std::nullopt
             : ReadStored(ModelsFolder() / name, {});
}

void WriteEntry(const fs::path& file, json entry) {
  entry["version"] = kEntryVersion;
  WriteFileAtomically(file, entry.dump(2) + "\n");
}

}  // namespace stemsmith
