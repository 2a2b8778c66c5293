#include "separate/inputs.h"

#include <algorithm>
#include <set>

#include "audio/decode.h"
#include "core/current_error.h"
#include "core/file_content.h"
#include "core/text.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

// The same for all ways of writing a path, links resolved; also for paths that do not exist yet.
fs::path Canonical(const fs::path& path) {
  std::error_code error;
  fs::path result = fs::weakly_canonical(fs::absolute(path), error);
  if (error) result = fs::absolute(path).lexically_normal();
  return result.has_filename() ? result : result.parent_path();
}

// "song.mp3" → "song", "song.stem.mp4" → "song". Never a name that would lead out of the output
// folder.
std::string NameOf(const fs::path& file) {
  fs::path name = file.stem();
  if (name.extension() == ".stem") name = name.stem();
  if (name.empty() || name == "." || name == "..") return "_";
  return name.string();
}

bool IsMixture(const fs::path& file) {
  const std::string name = LowerCase(NameOf(file));
  return name == "mixture" || name == "mix";
}

class Collector {
 public:
  explicit Collector(const fs::path& output) : output_(output), output_real_(Canonical(output)) {}

  void AddInput(const fs::path& input) {
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (fs::is_directory(status)) {
      AddFolderInput(input);
    } else {
      try {
        CheckSongIsThere(input);
      } catch (const Error& error) {
        result_.problems.push_back(error);
        return;
      }
      const fs::path real = Canonical(input);
      AddSong(input, IsMixture(real) && real.has_parent_path() ? NameOfFolder(real.parent_path())
                                                               : NameOf(input));
    }
  }

  InputSongs Take() { return std::move(result_); }

 private:
  static std::string NameOfFolder(const fs::path& folder) {
    const std::string name = folder.filename().string();
    return name.empty() ? "_" : name;
  }

  void AddFolderInput(const fs::path& input) {
    const fs::path real = Canonical(input);
    if (real == output_real_) {
      throw Error::Usage("the output folder is also an input folder", output_.string(),
                         "choose another one with -o, or stems would be taken for songs");
    }
    const std::size_t before = result_.songs.size() + duplicates_ + result_.problems.size();
    visited_.clear();
    Walk(input, real, {});
    if (result_.songs.size() + duplicates_ + result_.problems.size() == before) {
      try {
        CheckContent(input, FileUse::kSeparateSong);
        throw Error::Input("no audio files in this folder", input.string(), "check the path");
      } catch (const Error& error) {
        result_.problems.push_back(error);
      }
    }
  }

  // `below` is the path from the input folder to this one.
  void Walk(const fs::path& folder, const fs::path& top, const fs::path& below) {
    const fs::path real = Canonical(folder);
    if (real == output_real_ || !visited_.insert(real).second) return;
    std::error_code error;
    std::vector<fs::path> files, folders;
    for (auto entry = fs::directory_iterator(folder, error);
         !error && entry != fs::directory_iterator(); entry.increment(error)) {
      const fs::path path = entry->path();
      if (path.filename().string().starts_with('.')) continue;
      std::error_code ignored;
      if (entry->is_directory(ignored)) {
        folders.push_back(path);
      } else if (HasAudioExtension(path)) {
        files.push_back(path);
      }
    }
    if (error) {
      result_.problems.push_back(SystemError(error, "cannot read the folder", folder.string()));
      return;
    }
    std::sort(files.begin(), files.end());
    std::sort(folders.begin(), folders.end());
    const bool is_song_folder = std::any_of(files.begin(), files.end(), IsMixture);
    for (const fs::path& file : files) {
      if (!is_song_folder) {
        AddSong(file, below / NameOf(file));
      } else if (IsMixture(file)) {
        AddSong(file, below.empty() ? fs::path(NameOfFolder(top)) : below);
      }
    }
    for (const fs::path& child : folders) Walk(child, top, below / child.filename());
  }

  void AddSong(const fs::path& file, const fs::path& wanted) {
    const fs::path real = Canonical(file);
    if (!files_.insert(real).second) {
      ++duplicates_;
      return;
    }
    fs::path track = wanted;
    for (int number = 2; !tracks_.insert(track.string()).second; ++number) {
      track = wanted;
      track += "-";
      track += std::to_string(number);
    }
    if (track != wanted) {
      result_.notes.push_back(file.string() + " becomes '" + track.string() +
                              "': another input is named '" + wanted.string() + "'");
    }
    const fs::path folder = output_ / track;
    if (Canonical(folder) == real.parent_path()) {
      throw Error::Usage("the stems would land among the files beside the song", folder.string(),
                         "choose another output folder with -o");
    }
    result_.songs.push_back({file, folder, track.string()});
  }

  const fs::path output_, output_real_;
  InputSongs result_;
  std::set<fs::path> files_, visited_;
  std::set<std::string> tracks_;
  std::size_t duplicates_ = 0;
};

}  // namespace

void CheckSongIsThere(const fs::path& input) {
  CheckContent(input, FileUse::kSeparateSong);
  std::error_code code;
  if (!fs::exists(input, code))
    throw Error::Input("no such file or folder", input.string(), "check the path");
}

InputSongs CollectSongs(const std::vector<fs::path>& inputs, const fs::path& output) {
  Collector collector(output);
  for (const fs::path& input : inputs) collector.AddInput(input);
  return collector.Take();
}

}  // namespace stemsmith
