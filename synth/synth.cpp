#include "synth/synth.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <vector>

#include "core/current_error.h"
#include "core/error.h"
#include "core/files.h"
#include "core/for_each_song.h"
#include "core/json_fields.h"
#include "core/option.h"
#include "core/text.h"
#include "core/threads.h"
#include "synth/composer.h"
#include "synth/fluid.h"
#include "synth/layouts.h"

namespace stemsmith::synth {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

// Raised whenever the same settings give other songs than before.
constexpr int kSongsVersion = 1;
constexpr char kStateFile[] = "synth.json";
constexpr double kShortest = 5, kLongest = 1800;
constexpr int kMostSongs = 100000;

void CheckOptions(const SynthOptions& options) {
  if (options.songs < 1 || options.songs > kMostSongs) {
    throw Error::Usage("cannot make " + std::to_string(options.songs) + " songs", Option("songs"),
                       "give a number from 1 to " + std::to_string(kMostSongs));
  }
  if (!(options.seconds >= kShortest && options.seconds <= kLongest)) {
    throw Error::Usage(Formatted("cannot make songs of %g seconds", options.seconds),
                       Option("seconds"), "give a length from 5 to 1800 seconds");
  }
  if ((options.valid_songs < 0) != (options.test_songs < 0)) {
    throw Error::Usage("only one of two splits is given",
                       Option("valid-songs") + ", " + Option("test-songs"),
                       "give both, or neither for about 70, 15 and 15 percent");
  }
  if (options.threads < 0)
    throw Error::Usage("a negative number of threads", Option("threads"), "0 stands for all cores");
}

// What decides the content of the songs; their number does not.
json SettingsOf(const SynthOptions& options, const fs::path& sound_font) {
  return {{"songs_version", kSongsVersion},
          {"seed", options.seed},
          {"seconds", options.seconds},
          {"layout", options.layout},
          {"valid_songs", std::max(-1, options.valid_songs)},
          {"test_songs", std::max(-1, options.test_songs)},
          {"fluidsynth", FluidSynthVersion()},
          {"sound_font", sound_font.filename().string()},
          {"sound_font_hash", HexHash(HashFile(sound_font))}};
}

// Null where the folder has none.
json ReadState(const fs::path& out) {
  const fs::path path = out / kStateFile;
  if (!fs::exists(path)) return nullptr;
  json state = ParseJson(ReadFile(path));
  bool valid = state.is_object() && state.contains("settings") && state["settings"].is_object() &&
               state.contains("songs") && state["songs"].is_array();
  if (valid) {
    for (const auto& song : state["songs"])
      valid &= song.is_object() && song.contains("name") && song["name"].is_string() &&
               song.contains("split") && song["split"].is_string();
    valid &= state["settings"].contains("layout") && state["settings"]["layout"].is_string();
  }
  if (!valid) {
    throw Error::Input("this file does not describe demo songs", path.string(),
                       "choose another folder, or remove the file");
  }
  return state;
}

std::string FirstDifference(const json& before, const json& now) {
  for (const auto& [key, value] : now.items()) {
    if (!before.contains(key)) return key;
    if (before[key] != value) return key + " was " + before[key].dump() + ", is " + value.dump();
  }
  return "";
}

// What any layout puts into its folder.
bool HoldsSongs(const fs::path& out) {
  std::error_code ignored;
  for (const char* name :
       {"train", "valid", "validation", "test", "songs", "drums", "bass", "other", "vocals"}) {
    if (fs::is_directory(out / name, ignored) && !fs::is_empty(out / name, ignored)) return true;
  }
  for (const LayoutRow& layout : LayoutTable())
    if (layout.list != nullptr && fs::exists(out / layout.list_name, ignored)) return true;
  return false;
}

// Removes a file or folder, if it is there.
void Remove(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw SystemError(error, "cannot remove", path.string());
}

// Only what the state file lists, and only names that stay inside the folder.
void RemoveSongs(const fs::path& out, const json& state) {
  const LayoutRow& layout = FindLayout(state["settings"]["layout"].get<std::string>());
  for (const auto& song : state["songs"]) {
    const auto name = song["name"].get<std::string>();
    const auto split = song["split"].get<std::string>();
    const bool safe = name.starts_with("song_") && name.find('/') == std::string::npos &&
                      (split == "train" || split == "valid" || split == "test");
    if (!safe) continue;
    for (const fs::path& place : layout.places(out, split, name)) Remove(place);
  }
  if (layout.list != nullptr) Remove(out / layout.list_name);
}

json DescribeSong(const Song& song, const std::string& split) {
  return {{"name", song.name},   {"split", split},
          {"key", song.key},     {"mode", song.mode},
          {"style", song.style}, {"tempo_bpm", std::round(song.tempo_bpm * 100) / 100}};
}

// Renders under temporary names, then renames: a song is there whole or not at all.
void MakeSong(const LayoutRow& layout, const std::vector<fs::path>& places,
              const SongOrder& order) {
  std::vector<fs::path> temporaries;
  std::vector<std::pair<fs::path, fs::path>> moves;
  std::error_code error;
  for (const fs::path& place : places) {
    fs::create_directories(place.parent_path(), error);
    if (error) {
      throw Error::Input("cannot create the folder: " + error.message(),
                         place.parent_path().string(), "choose a folder that this user may write");
    }
    temporaries.push_back(TemporaryBeside(place));
    moves.emplace_back(temporaries.back(), place);
  }
  try {
    layout.write(temporaries, order);
    // A song that has lost one of its places may still have a folder in another.
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (fs::is_directory(temporaries[i], error) && fs::is_directory(places[i], error))
        Remove(places[i]);
    }
    MoveIntoPlace(moves);
  } catch (...) {
    for (const fs::path& temporary : temporaries) fs::remove_all(temporary, error);
    throw;
  }
}

int ThreadCount(const SynthOptions& options) {
  const int threads = options.threads > 0 ? options.threads : Processors();
  // A song in the making holds about 64 bytes a frame; long songs take turns.
  constexpr double kMemoryBytes = 2e9;
  const double song_bytes = options.seconds * kSampleRateHz * 64;
  return std::min(threads, std::max(1, static_cast<int>(kMemoryBytes / song_bytes)));
}

}  // namespace

std::string SplitOf(int index, const SynthOptions& options) {
  if (options.valid_songs >= 0 && options.test_songs >= 0) {
    if (index < options.test_songs) return "test";
    return index < options.test_songs + options.valid_songs ? "valid" : "train";
  }
  switch (index % 20) {
    case 1:
    case 8:
    case 14:
      return "valid";
    case 2:
    case 9:
    case 15:
      return "test";
    default:
      return "train";
  }
}

SynthResult MakeSongs(const SynthOptions& options) {
  CheckOptions(options);
  const LayoutRow& layout = FindLayout(options.layout);
  const fs::path sound_font = FindSoundFont(options.sound_font);
  CheckSoundFont(sound_font);
  CheckAreNoSources({options.out / kStateFile}, {sound_font});
  EnsureWritableFolder(options.out);
  const FolderLock lock(options.out, "another process is making songs in this folder",
                        "wait for it or choose another folder");
  // Songs that were under way in folders that this call may not write into.
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(options.out, ignored))
    RemoveLeftovers(entry.path());

  const json settings = SettingsOf(options, sound_font);
  json state = ReadState(options.out);
  const std::string advice = "choose another folder, or replace the songs with " + Option("force");
  if (state.is_null() && HoldsSongs(options.out) && !options.force)
    throw Error::Input("the folder holds songs that are not ours", options.out.string(),
                       "choose another folder, or add to it with " + Option("force"));
  if (!state.is_null() && state["settings"] != settings) {
    if (!options.force) {
      throw Error::Input("the folder holds songs made with other settings (" +
                             FirstDifference(state["settings"], settings) + ")",
                         options.out.string(), advice);
    }
    RemoveSongs(options.out, state);
    state = nullptr;
  }

  SynthResult result;
  std::vector<int> missing;
  std::set<std::string> names;
  json songs = json::array();
  const auto exists = [&](const std::string& split, const std::string& name) {
    std::error_code ignored;
    const auto places = layout.places(options.out, split, name);
    return std::all_of(places.begin(), places.end(),
                       [&](const fs::path& place) { return fs::exists(place, ignored); });
  };
  for (int i = 0; i < options.songs; ++i) {
    const Song song = ComposeSong(options.seed, i, options.seconds);
    const std::string split = SplitOf(i, options);
    songs.push_back(DescribeSong(song, split));
    names.insert(song.name);
    if (exists(split, song.name))
      ++result.kept;
    else
      missing.push_back(i);
  }
  // Songs of an earlier call that made more stay, and stay listed.
  int beyond = 0;
  if (!state.is_null()) {
    for (const auto& song : state["songs"]) {
      const auto name = song["name"].get<std::string>();
      if (names.contains(name) || !exists(song["split"].get<std::string>(), name)) continue;
      songs.push_back(song);
      ++beyond;
    }
  }
  if (beyond > 0)
    options.host.Warn(options.out.string() + " keeps " + std::to_string(beyond) +
                      " more songs of earlier calls");
  WriteFileAtomically(options.out / kStateFile,
                      json{{"settings", settings}, {"songs", songs}}.dump(1) + "\n");

  Progress progress(options.host, {"synth", options.songs, "songs"});
  std::mutex mutex;
  const auto make = [&](std::size_t i, const StopQuestion&) {
    const Song song = ComposeSong(options.seed, missing[i], options.seconds);
    const std::string split = SplitOf(song.index, options);
    MakeSong(layout, layout.places(options.out, split, song.name),
             {song, options.seed, sound_font});
    const std::lock_guard lock(mutex);
    ++result.rendered;
    progress.Update(result.kept + result.rendered, song.name,
                    {{"song", song.name}, {"split", split}});
  };
  const int signal = ForEachSong(missing.size(), ThreadCount(options), options.host, make);
  progress.Finish();
  if (layout.list != nullptr) {
    std::vector<ListedSong> finished;
    for (const auto& song : songs) {
      ListedSong listed{song["name"].get<std::string>(), song["split"].get<std::string>()};
      if (exists(listed.split, listed.name)) finished.push_back(std::move(listed));
    }
    WriteFileAtomically(options.out / layout.list_name, layout.list(finished));
  }
  if (result.kept + result.rendered < options.songs) result.signal = signal;
  return result;
}

}  // namespace stemsmith::synth
