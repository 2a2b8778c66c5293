#include "datasets/cache/index_files.h"

#include "core/error.h"
#include "datasets/cache/fingerprint.h"

namespace stemsmith {

namespace fs = std::filesystem;

std::string PrepareAdvice(const CacheIndex& index) {
  return index.command.empty() ? "build the cache again" : "run again: " + index.command;
}

void CheckTrackFiles(const CacheIndex& index, const fs::path& path) {
  const auto file_of = [&](std::size_t track) {
    return path.parent_path() / index.tracks[track].file;
  };
  std::error_code none;
  const auto folder = index.tracks.empty() ? path : file_of(0).parent_path();
  if (!fs::exists(folder, none))
    throw Error::Input(
        "the folder with the songs of this cache is not beside it: " + folder.filename().string(),
        path.string(),
        "a cache is a file and a folder: move " + folder.filename().string() +
            " here too, or move the file back");
  for (std::size_t i = 0; i < index.tracks.size(); ++i) {
    std::error_code error;
    const std::uintmax_t bytes = fs::file_size(file_of(i), error);
    if (error)
      throw Error::Input("a track of the cache is missing", file_of(i).string(),
                         PrepareAdvice(index));
    if (bytes != index.tracks[i].bytes) {
      throw Error::Input("a track of the cache is cut off or was replaced (" +
                             std::to_string(bytes) + " bytes instead of " +
                             std::to_string(index.tracks[i].bytes) + ")",
                         file_of(i).string(), PrepareAdvice(index));
    }
  }
}

void CheckSources(const CacheIndex& index, const fs::path& path, const Listener& warn) {
  std::error_code ignored;
  if (index.root.empty() || !fs::is_directory(index.root, ignored)) return;
  std::size_t touched = 0;
  for (const TrackRecord& track : index.tracks) {
    for (const SourceFile& source : track.sources) {
      const SourceState state = CompareSource(index.root, source);
      if (state == SourceState::kChanged) {
        throw Error::Input("the cache is stale: \"" + source.path + "\" of song \"" + track.name +
                               "\" changed after it was prepared",
                           path.string(), PrepareAdvice(index));
      }
      touched += state == SourceState::kTouched;
    }
  }
  if (touched > 0) {
    Tell(warn, std::to_string(touched) + " source files of " + path.string() +
                   " have new times but the same content; " + PrepareAdvice(index) +
                   " (it only updates the times, and opening the cache is fast again)");
  }
}

}  // namespace stemsmith
