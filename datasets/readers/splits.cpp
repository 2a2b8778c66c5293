// Which song belongs to which split, where the dataset does not say it or the user says otherwise.
#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/names.h"
#include "core/option.h"
#include "core/random.h"
#include "core/text.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

constexpr char kListForm[] = "a list reads {train: [song, …], valid: [song, …], test: [song, …]}";

struct Place {
  std::string split, where;
};

// Song → split. Throws Error with file and line.
std::map<std::string, Place> ReadList(const std::filesystem::path& path) {
  const Config list = Config::Parse(ReadFile(path), path.string());
  if (!list.IsMap()) throw Error::Usage("not a list of splits", path.string(), kListForm);
  std::map<std::string, Place> places;
  for (const std::string& key : list.Keys()) {
    const std::string split = SplitOf(key);
    if (split.empty()) {
      throw Error::Usage("\"" + key + "\" is no split", list.Where(key), kListForm);
    }
    for (const Config& item : list.List(key)) {
      const std::string song = item.AsString();
      const auto [first, is_new] = places.emplace(song, Place{split, item.Where()});
      if (is_new) continue;
      throw Error::Usage("the song \"" + song + "\" is named twice",
                         first->second.where + " and " + item.Where(), "keep one of them");
    }
  }
  return places;
}

void ApplyList(const std::filesystem::path& path, std::vector<Track>& tracks, ScanNotes& notes) {
  const std::map<std::string, Place> places = ReadList(path);
  std::set<std::string> names;
  std::erase_if(tracks, [&](Track& track) {
    names.insert(track.name);
    const auto place = places.find(track.name);
    if (place == places.end()) {
      notes.AddName(Unused::kUnlistedSongs, track.name);
      return true;
    }
    track.split = place->second.split;
    return false;
  });
  for (const auto& [song, place] : places) {
    if (names.contains(song)) continue;
    throw Error::Input("the list names the song \"" + song + "\", which is not there", place.where,
                       DidYouMean(song, names, "take it out of the list"));
  }
  if (tracks.empty()) {
    throw Error::Input("the list names no song", path.string(), kListForm);
  }
}

}  // namespace

std::string SplitOf(const std::string& word) {
  static const std::map<std::string, std::string> splits = {
      {"train", "train"}, {"training", "train"}, {"tr", "train"},          {"valid", "valid"},
      {"val", "valid"},   {"cv", "valid"},       {"validation", "valid"},  {"dev", "valid"},
      {"devel", "valid"}, {"test", "test"},      {"development", "valid"}, {"testing", "test"},
      {"tt", "test"},     {"eval", "test"},      {"evaluation", "test"},
  };
  std::string plain = LowerCase(word);
  std::erase_if(plain, [](char c) { return c == ' ' || c == '_' || c == '-'; });
  if (plain.ends_with("set")) plain.resize(plain.size() - 3);  // "Test Set"
  const auto split = splits.find(plain);
  return split == splits.end() ? "" : split->second;
}

void AssignSplits(const ReaderOptions& options, std::vector<Track>& tracks, ScanNotes& notes) {
  const bool has_valid = std::any_of(tracks.begin(), tracks.end(),
                                     [](const Track& track) { return track.split == "valid"; });
  if (options.valid_fraction > 0 && (has_valid || !options.splits.empty())) {
    throw Error::Usage(has_valid
                           ? "a share for validation contradicts the dataset's own songs for it"
                           : "a share for validation contradicts the list of splits",
                       options.root.string(), "leave out " + Option("valid-fraction"));
  }
  if (!options.splits.empty()) {
    ApplyList(options.splits, tracks, notes);
  } else {
    SplitOffValidation(options, tracks);
  }
}

void SplitOffValidation(const ReaderOptions& options, std::vector<Track>& tracks) {
  if (options.valid_fraction <= 0) return;
  Track* lowest = nullptr;
  std::uint64_t lowest_hash = 0;
  std::size_t songs = 0, moved = 0;
  for (Track& track : tracks) {
    if (track.split != "train") continue;
    const std::uint64_t hash = MixBits(HashBytes(track.name, options.seed));
    if (lowest == nullptr || hash < lowest_hash) lowest = &track, lowest_hash = hash;
    ++songs;
    if (static_cast<double>(hash) * 0x1.0p-64 >= options.valid_fraction) continue;
    track.split = "valid";
    ++moved;
  }
  if (moved == 0 && songs > 1) lowest->split = "valid";
}

}  // namespace stemsmith
