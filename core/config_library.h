// Configurations that come with stemsmith, found by their names from any folder:
// PREFIX/share/stemsmith/configs, beside the folder of the running program. In a build folder that
// is a link to the sources.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace stemsmith {

// A training configuration or what one extends: "demo_unet", "augment/standard"; and recipes.
enum class ConfigKind { kTraining, kRecipe };

// The file that `given` means. What has a slash, or ends with .yaml or .yml, is a path, first below
// `beside` (empty: the current folder), and, where nothing is there, a shipped file. Any other word
// is the name of a shipped one; where there is no such name, a path. `wanted_by` names the file and
// line that `given` stands in, if any. Throws Error, which says what was looked for where: nothing
// found; a word that is both a name and a file.
std::filesystem::path FindConfig(const std::string& given, ConfigKind kind = ConfigKind::kTraining,
                                 const std::filesystem::path& beside = {},
                                 const std::string& wanted_by = "");

struct ShippedConfig {
  std::string name;     // as FindConfig takes it: "demo_unet", "recipes/musdb4"
  std::string summary;  // the first sentence of its first comment
};
// By name; those of the top folder first.
std::vector<ShippedConfig> ShippedConfigs();

// The configuration with all that it extends, as text to edit: a line per key, with the comments
// that its files have at their heads and behind keys, and a few words on usual keys without any.
std::string ConfigToEdit(const std::filesystem::path& file);

}  // namespace stemsmith
