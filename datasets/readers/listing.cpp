// What lies in the folders of a dataset.
#include <algorithm>

#include "audio/decode.h"
#include "core/current_error.h"
#include "core/error.h"
#include "datasets/readers/readers.h"

namespace stemsmith {

namespace fs = std::filesystem;

std::vector<fs::path> Entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!it->path().filename().string().starts_with('.')) entries.push_back(it->path());
  }
  if (error) throw SystemError(error, "cannot list the folder", folder.string());
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool IsFolder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool IsFile(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool IsAudioFile(const fs::path& path) { return HasAudioExtension(path) && IsFile(path); }

void SetName(const std::string& bytes, Track& track) {
  bool changed = false;
  track.name = AsUtf8(bytes, &changed);
  if (changed && !track.problem) {
    track.problem = Error::Input("the song's name is not UTF-8 text", track.name, "rename it");
  }
  const bool fits = std::none_of(bytes.begin(), bytes.end(), [](char c) {
    return c == '/' || static_cast<unsigned char>(c) < 0x20;
  });
  if ((!fits || bytes == ".") && !track.problem) {
    track.problem = Error::Input("the song's name is no name for a file", track.name,
                                 "rename it without slashes and control characters");
  }
}

void CheckIsFileName(const std::string& name, const std::string& where) {
  if (!name.empty() && name != "." && name != ".." && name.find_first_of("/\\") == name.npos) {
    return;
  }
  throw Error::Input("\"" + name + "\" is not the name of a file in the song's folder", where,
                     "copy or download the metadata again");
}

void RequireFolder(const std::filesystem::path& root) {
  std::error_code error;
  if (std::filesystem::is_directory(root, error)) return;
  throw Error::Input(std::filesystem::exists(root, error) ? "not a folder" : "no such folder",
                     root.string(), "give the folder that holds the songs");
}

fs::path DatasetFolder(const ReaderOptions& options) {
  if (!IsFile(options.root)) return options.root;
  const fs::path folder = options.root.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

}  // namespace stemsmith
