#include "core/config_library.h"

#include <algorithm>
#include <sstream>
#include <tuple>

#include "core/error.h"
#include "core/files.h"
#include "core/names.h"
#include "core/text.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

fs::path ShippedFolder() {
  std::error_code code;
  const fs::path folder = fs::canonical(ProgramFolder() / "../share/stemsmith/configs", code);
  return code ? fs::path() : folder;
}

bool IsYaml(const fs::path& path) {
  return path.extension() == ".yaml" || path.extension() == ".yml";
}

bool IsThere(const fs::path& path) {
  std::error_code code;
  return fs::exists(path, code);
}

// The folder that names of this kind are first looked for in.
fs::path FolderOf(ConfigKind kind) { return kind == ConfigKind::kRecipe ? "recipes" : ""; }

// Empty where there is none.
fs::path ShippedFile(const std::string& given, ConfigKind kind) {
  const fs::path root = ShippedFolder();
  if (root.empty() || given.empty() || fs::path(given).is_absolute()) return {};
  const std::string file = IsYaml(given) ? given : given + ".yaml";
  for (const fs::path& folder : {FolderOf(kind), fs::path()}) {
    fs::path path = (root / folder / file).lexically_normal();
    // Not out of the folder, by "..".
    if (path.string().starts_with(root.string()) && KindOfFile(path).empty() && IsThere(path))
      return path;
  }
  return {};
}

std::vector<std::string> NamesOf(ConfigKind kind) {
  const std::string folder = kind == ConfigKind::kRecipe ? "recipes/" : "";
  std::vector<std::string> names;
  for (const ShippedConfig& config : ShippedConfigs())
    if (config.name.starts_with(folder)) names.push_back(config.name.substr(folder.size()));
  return names;
}

Error NotFound(const std::string& given, ConfigKind kind, const fs::path& path,
               const std::string& wanted_by) {
  const std::string what =
      std::string(kind == ConfigKind::kRecipe ? "no recipe" : "no configuration") + " '" + given +
      "'";
  fs::path stem = given;
  if (IsYaml(stem)) stem.replace_extension();
  const std::string advice =
      DidYouMean(stem.filename().string(), NamesOf(kind), "`stemsmith config` lists those shipped");
  if (wanted_by.empty())
    return Error::Input("no such file, and " + what + " is shipped", path.string(), advice);
  const fs::path shipped = ShippedFolder();
  return Error::Usage(given + " is neither a file (" + path.string() + ") nor shipped" +
                          (shipped.empty() ? "" : " (in " + shipped.string() + ")"),
                      wanted_by, advice);
}

std::string SummaryOf(const fs::path& file) {
  std::istringstream lines(ReadFile(file));
  std::string text;
  for (std::string line; std::getline(lines, line) && line.starts_with('#');)
    text += line.substr(std::min<std::size_t>(1, line.size()));
  text.erase(0, text.find_first_not_of(' '));
  std::size_t end = 0;
  do {
    end = text.find(". ", end + 1);
  } while (end != std::string::npos && end >= 2 && text.compare(end - 2, 3, "al.") == 0);
  if (end == std::string::npos) end = text.size() - (text.ends_with('.') ? 1 : 0);
  return text.substr(0, end);
}

}  // namespace

fs::path FindConfig(const std::string& given, ConfigKind kind, const fs::path& beside,
                    const std::string& wanted_by) {
  const fs::path path = beside / given, shipped = ShippedFile(given, kind);
  const bool is_path = given.find('/') != std::string::npos || IsYaml(given);
  std::error_code code;  // a folder without a slash is a run, say, and no configuration
  const bool there = is_path || shipped.empty() ? IsThere(path) : fs::is_regular_file(path, code);
  if (is_path && there) return path;
  if (shipped.empty()) {
    if (there) return path;
    throw NotFound(given, kind, path, wanted_by);
  }
  if (there && !is_path)
    throw Error::Usage(
        "'" + given + "' is a file here and a name of what is shipped",
        wanted_by.empty() ? path.string() : wanted_by,
        "write ./" + given + " for the file, " + given + ".yaml for the shipped one");
  return shipped;
}

std::vector<ShippedConfig> ShippedConfigs() {
  std::vector<ShippedConfig> configs;
  const fs::path root = ShippedFolder();
  std::error_code code;
  for (auto entry = fs::recursive_directory_iterator(root, code);
       !code && entry != fs::recursive_directory_iterator(); entry.increment(code)) {
    // The catalogue tells of models, and configures nothing.
    if (!IsYaml(entry->path()) || entry->path().filename() == "catalogue.yaml") continue;
    fs::path name = entry->path().lexically_relative(root);
    configs.push_back({name.replace_extension().string(), SummaryOf(entry->path())});
  }
  std::sort(configs.begin(), configs.end(), [](const auto& a, const auto& b) {
    const bool a_below = a.name.find('/') != std::string::npos;
    const bool b_below = b.name.find('/') != std::string::npos;
    return std::tie(a_below, a.name) < std::tie(b_below, b.name);
  });
  return configs;
}

}  // namespace stemsmith
