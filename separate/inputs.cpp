#include "separate/inputs.h"

#include <glob.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "audio/decode.h"
#include "core/current_error.h"
#include "core/file_content.h"
#include "core/option.h"
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

std::vector<fs::path> Glob(const std::string& pattern) {
  glob_t found{};
  std::vector<fs::path> paths;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  return paths;
}

std::string Literal(const std::string& path) {
  std::string pattern;
  for (const char letter : path) {
    if (IsPattern({letter}) || letter == '\\') pattern += '\\';
    pattern += letter;
  }
  return pattern;
}

// Sorted, each once. What glob(3) lacks is `**`: the folder before it, and all below.
std::vector<fs::path> Matches(const std::string& pattern) {
  constexpr std::string_view kAnyFolders = "**/";
  const std::size_t at = pattern.find(kAnyFolders);
  if (at == pattern.npos || (at > 0 && pattern[at - 1] != '/')) return Glob(pattern);
  const std::string rest = pattern.substr(at + kAnyFolders.size());
  std::set<fs::path> found;
  const auto search = [&](const fs::path& folder) {
    for (fs::path& match : Matches(Literal((folder / "").string()) + rest)) found.insert(match);
  };
  for (const fs::path& top : Glob(at == 0 ? "./" : pattern.substr(0, at))) {
    std::error_code error;
    search(top);
    for (auto entry = fs::recursive_directory_iterator(top, error);
         !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
      const bool hidden = entry->path().filename().string().starts_with('.');
      if (hidden) entry.disable_recursion_pending();
      std::error_code ignored;
      if (!hidden && entry->is_directory(ignored)) search(entry->path());
    }
  }
  return {found.begin(), found.end()};
}

class Collector {
 public:
  Collector(const fs::path& output, const FileNames& names)
      : output_(output), output_real_(Canonical(output)) {
    result_.names = names;
  }

  void AddInput(const fs::path& input) {
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (!fs::exists(status) && IsPattern(input.string())) {
      const std::vector<fs::path> matches = Matches(input.string());
      for (const fs::path& match : matches) AddInput(match);
      if (matches.empty())
        result_.problems.push_back(
            Error::Input("no file or folder matches this", input.string(), "check the path"));
    } else if (fs::is_directory(status)) {
      AddFolderInput(input);
    } else {
      try {
        CheckSongIsThere(input);
      } catch (const Error& error) {
        result_.problems.push_back(error);
        return;
      }
      const fs::path real = Canonical(input);
      Add(input, IsMixture(real) && real.has_parent_path() ? NameOfFolder(real.parent_path())
                                                               : NameOf(input));
    }
  }

  void AddSong(const InputSong& song) {
    fs::path track = song.track;
    // Of any stem: what differs between the names of songs.
    const auto place = [&] { return result_.names.Of(track.string(), song.parent, "*"); };
    for (int number = 2; !places_.emplace(place(), song.shown).second; ++number) {
      if (!result_.names.Has("track"))
        throw Error::Usage(places_.at(place()) + " and " + song.shown + " would get the same files",
                           Option("name", result_.names.text()), "add {track}");
      track = song.track;
      track += "-" + std::to_string(number);
    }
    if (track != song.track) {
      result_.notes.push_back(song.shown + " becomes '" + track.string() +
                              "': another input is named '" + song.track + "'");
    }
    const fs::path folder = (output_ / place()).parent_path();
    if (!result_.names.NamesFilesByTrack() &&
        Canonical(folder) == Canonical(song.file).parent_path()) {
      throw Error::Usage("the stems would land among the files beside the song", folder.string(),
                         "choose another output folder with -o");
    }
    result_.songs.push_back({song.file, track.string(), song.parent, song.shown});
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
        Add(file, below / NameOf(file));
      } else if (IsMixture(file)) {
        Add(file, below.empty() ? fs::path(NameOfFolder(top)) : below);
      }
    }
    for (const fs::path& child : folders) Walk(child, top, below / child.filename());
  }

  void Add(const fs::path& file, const fs::path& track) {
    const fs::path real = Canonical(file);
    if (files_.insert(real).second)
      AddSong({file, track.string(), NameOfFolder(real.parent_path()), file.string()});
    else
      ++duplicates_;
  }

  const fs::path output_, output_real_;
  InputSongs result_;
  std::set<fs::path> files_, visited_;
  std::map<std::string, std::string> places_;  // taken, and by which song
  std::size_t duplicates_ = 0;
};

}  // namespace

void CheckSongIsThere(const fs::path& input) {
  CheckContent(input, FileUse::kSeparateSong);
  std::error_code code;
  if (!fs::exists(input, code))
    throw Error::Input("no such file or folder", input.string(), "check the path");
}

bool IsPattern(const std::string& word) { return word.find_first_of("*?[") != word.npos; }

InputSongs CollectSongs(const std::vector<fs::path>& inputs, const fs::path& output,
                        const FileNames& names, const std::vector<InputSong>& more) {
  Collector collector(output, names);
  for (const fs::path& input : inputs) collector.AddInput(input);
  for (const InputSong& song : more) collector.AddSong(song);
  return collector.Take();
}

}  // namespace stemsmith
