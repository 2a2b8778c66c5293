// Files that a configuration names.
#include <algorithm>

#include "core/config.h"
#include "core/config_node.h"
#include "core/error.h"
#include "core/text.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

// The folder of the file in `place`, "my/run.yaml:12"; "" where it is no file.
fs::path FolderOfPlace(const std::string& place) {
  const fs::path file = place.substr(0, place.rfind(':'));
  std::error_code code;
  return fs::is_regular_file(file, code) ? fs::absolute(file).parent_path() : fs::path();
}

// Where a file that is named `given` at `place` may lie, the likelier first.
std::vector<fs::path> Candidates(const fs::path& given, const std::string& place) {
  const fs::path folder = FolderOfPlace(place);
  if (given.empty() || given.is_absolute() || folder.empty()) return {given};
  std::error_code code;
  const fs::path here = fs::current_path(code);
  if (fs::equivalent(folder, here, code)) return {given};
  const fs::path below = fs::weakly_canonical(folder, code).lexically_relative(here);
  if (!below.empty() && *below.begin() != "..") return {given, folder / given};
  return {folder / given, given};
}

bool IsThere(const fs::path& path) {
  std::error_code code;
  return fs::exists(path, code);
}

}  // namespace

fs::path Config::Path(const std::string& key) const {
  const fs::path given = RequiredString(key);
  const std::vector<fs::path> candidates = Candidates(given, node_->Find(key)->place);
  const auto found = std::find_if(candidates.begin(), candidates.end(), IsThere);
  return found == candidates.end() ? given : *found;
}

void Config::CheckPath(const std::string& key) const {
  const std::vector<fs::path> candidates = Candidates(RequiredString(key), node_->Find(key)->place);
  if (candidates.size() == 1 || std::any_of(candidates.begin(), candidates.end(), IsThere)) return;
  throw Error::Input(
      "'" + key + "' names a file that is not there: looked for " +
          JoinNames(candidates, " and ", [](const fs::path& path) { return path.string(); }),
      Where(key),
      "check the path; relative ones begin at the configuration or at the current folder");
}

}  // namespace stemsmith
