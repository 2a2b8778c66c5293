// The user's models, by name: $XDG_DATA_HOME/stemsmith/models/NAME (~/.local/share without that
// setting) holds model.onnx or model.ts and entry.json, which says where it is from.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/host.h"

namespace stemsmith {

struct StoredModel {
  std::string name;
  std::filesystem::path file;  // model.onnx or model.ts
  nlohmann::json entry;        // what entry.json says: stems, licence, …
};

// Throws Error::Usage where there is no home to hold it.
std::filesystem::path ModelsFolder();
// The folder in which models are made before they appear there, and where downloads go on.
std::filesystem::path ModelWorkFolder(const std::string& name);

// By name. Folders that are no models are passed over, with a warning of those that are damaged
// ones.
std::vector<StoredModel> StoredModels(const Listener& warn = {});
// Nothing where there is none of that name, or a damaged one.
std::optional<StoredModel> FindStoredModel(const std::string& name);
// What is wrong with the model ("entry.json is missing"); "" where it is whole, or not there.
std::string DamageOfStoredModel(const std::string& name);

// What entry.json is given, with the format's version.
void WriteEntry(const std::filesystem::path& file, nlohmann::json entry);

}  // namespace stemsmith
