#include "catalogue/local_copies.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

std::string Setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The first of them that is set, as a folder.
fs::path FolderOf(std::initializer_list<std::pair<const char*, const char*>> settings,
                  const fs::path& otherwise) {
  for (const auto& [name, below] : settings)
    if (const std::string value = Setting(name); !value.empty()) return fs::path(value) / below;
  return otherwise;
}

}  // namespace

fs::path UserFolder(const char* name, const char* fallback) {
  const fs::path named = Setting(name);
  if (named.is_absolute()) return named;
  const fs::path home = Setting("HOME");
  return home.is_absolute() ? home / fallback : fs::path();
}

void WarnOfRelativeFolders(std::initializer_list<const char*> names, const Listener& warn) {
  for (const char* name : names)
    if (const fs::path folder = Setting(name); !folder.empty() && folder.is_relative())
      Tell(warn, std::string(name) + " is passed over, because '" + folder.string() +
                     "' is no absolute path");
}

std::vector<fs::path> LocalCopies(const std::string& address) {
  std::vector<fs::path> found;
  const fs::path cache = UserFolder("XDG_CACHE_HOME", ".cache");
  const std::string name = address.substr(address.rfind('/') + 1);
  std::error_code code;
  const auto take = [&](const fs::path& file) {
    if (fs::is_regular_file(file, code)) found.push_back(file);
  };
  take(FolderOf({{"TORCH_HOME", "hub"}}, cache / "torch/hub") / "checkpoints" / name);

  constexpr std::string_view kHub = "https://huggingface.co/";
  const auto resolve = address.find("/resolve/");
  if (!address.starts_with(kHub) || resolve == std::string::npos) return found;
  std::string repository = address.substr(kHub.size(), resolve - kHub.size());
  const auto slash = repository.find('/');
  if (slash == std::string::npos) return found;
  repository.replace(slash, 1, "--");
  const fs::path hub =
      FolderOf({{"HF_HUB_CACHE", ""}, {"HF_HOME", "hub"}}, cache / "huggingface/hub");
  std::vector<fs::path> snapshots;
  for (const auto& entry :
       fs::directory_iterator(hub / ("models--" + repository) / "snapshots", code))
    snapshots.push_back(entry.path() / name);
  std::sort(snapshots.begin(), snapshots.end());
  for (const fs::path& file : snapshots) take(file);
  return found;
}

}  // namespace stemsmith
