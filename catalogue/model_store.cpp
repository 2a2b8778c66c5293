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

// What lies in a folder of models.
struct Found {
  StoredModel model;
  std::string damage;  // "": whole, or no model at all
  bool IsWhole() const { return damage.empty() && !model.file.empty(); }
};

// Why `file` cannot be used; "" where it can.
std::string DamageOf(const fs::path& file) {
  std::error_code code;
  const std::string name = file.filename().string(), kind = KindOfFile(file);
  if (!kind.empty()) return name + " is a " + kind;
  if (!fs::exists(file, code)) return name + " is missing";
  return fs::file_size(file, code) == 0 && !code ? name + " is empty" : "";
}

Found Look(const fs::path& folder) {
  std::error_code code;
  Found found{{folder.filename().string(), {}, nullptr}, ""};
  const fs::path entry = folder / "entry.json", onnx = folder / "model.onnx",
                 torch_script = folder / "model.ts";
  const bool has_torch_script = fs::exists(torch_script, code);
  if (!fs::exists(onnx, code) && !has_torch_script && !fs::exists(entry, code)) return found;
  found.model.file = fs::exists(onnx, code) || !has_torch_script ? onnx : torch_script;
  found.damage = DamageOf(found.model.file);
  if (found.damage.empty()) found.damage = DamageOf(entry);
  if (!found.damage.empty()) return found;
  try {
    found.model.entry = ParseJson(ReadFile(entry));
    if (!found.model.entry.is_object()) found.damage = "entry.json is no JSON object";
  } catch (const Error&) {
    found.damage = "entry.json cannot be read";
  }
  return found;
}

// Of a name that can be one of a model here, whether there is one or not.
Found LookFor(const std::string& name) {
  if (UserDataFolder().empty() || name.empty() || name.find('/') != std::string::npos ||
      name.starts_with("."))
    return {};
  return Look(ModelsFolder() / name);
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
    Found found = Look(entry.path());
    if (found.IsWhole()) models.push_back(std::move(found.model));
    if (!found.damage.empty())
      Tell(warn, "the model '" + found.model.name + "' is damaged (" + found.damage +
                     ") and passed over: " + entry.path().string());
  }
  std::sort(models.begin(), models.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return models;
}

std::optional<StoredModel> FindStoredModel(const std::string& name) {
  Found found = LookFor(name);
  if (!found.IsWhole()) return std::nullopt;
  return std::move(found.model);
}

std::string DamageOfStoredModel(const std::string& name) { return LookFor(name).damage; }

void WriteEntry(const fs::path& file, json entry) {
  entry["version"] = kEntryVersion;
  WriteFileAtomically(file, entry.dump(2) + "\n");
}

}  // namespace stemsmith
