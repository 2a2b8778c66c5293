// Reader `stem_pools`: takes that have nothing to do with each other, a folder per stem.
// docs/datasets.md shows the tree.
//
// Takes are lined up to songs: song k has the k-th take of every pool, in an order that the hash of
// the takes' names gives; a pool with fewer takes than the largest starts over. So every song has
// every stem, and a remix of such songs draws each stem from its own pool, uniform in time.
#include <algorithm>
#include <map>
#include <tuple>

#include "audio/decode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/option.h"
#include "core/random.h"
#include "core/text.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] =
    "expected ROOT/<stem>/<take>.<wav, flac, mp3 …>, or the stems in ROOT/train, ROOT/valid and "
    "ROOT/test";

struct Take {
  fs::path file;
  std::uint64_t order = 0;
};
using Pools = std::map<std::string, std::vector<Take>>;  // by stem

void AddPools(const fs::path& folder, std::uint64_t seed, Pools& pools, ScanNotes& notes) {
  for (const fs::path& entry : Entries(folder)) {
    if (!IsFolder(entry)) {
      if (IsAudioFile(entry)) notes.Add(Unused::kLooseAudio, entry);
      continue;
    }
    bool changed = false;
    const std::string stem = AsUtf8(entry.filename().string(), &changed);
    std::vector<Take> takes;
    for (const fs::path& file : Entries(entry)) {
      if (!HasAudioExtension(file)) {
        NoteUnknownFile(file, notes);
        continue;
      }
      const std::string name = stem + "/" + file.filename().string();
      takes.push_back({file, MixBits(HashBytes(name, seed))});
    }
    if (takes.empty()) {
      NoteFoldersWithAudio(Unused::kDeeperFolders, entry, notes);
      continue;
    }
    NoteInnerFolders(entry, notes);
    if (changed) {
      throw Error::Input("the folder's name is not UTF-8 text", entry.string(), "rename it");
    }
    if (IsMixtureName(stem)) {
      throw Error::Input("a stem cannot be called \"" + stem + "\"", entry.string(),
                         "unrelated takes have no mixture; rename or remove the folder");
    }
    // Two folders may mean one split, such as `valid` and `val`.
    std::vector<Take>& all = pools[stem];
    all.insert(all.end(), takes.begin(), takes.end());
    std::sort(all.begin(), all.end(), [](const Take& a, const Take& b) {
      return std::tie(a.order, a.file) < std::tie(b.order, b.file);
    });
  }
}

// Takes of every pool by the hash of their names, at least one where there are two or more, so that
// no take is heard in training and in validation.
Pools SplitOffTakes(Pools& pools, double fraction) {
  Pools valid;
  for (auto& [stem, takes] : pools) {
    const auto is_valid = [&](const Take& take) {
      return static_cast<double>(take.order) * 0x1.0p-64 < fraction;
    };
    std::size_t count = std::count_if(takes.begin(), takes.end(), is_valid);
    count = std::clamp<std::size_t>(count, 1, takes.size());
    if (takes.size() < 2 || count == takes.size()) {
      throw Error::Input("the stem \"" + stem +
                             "\" has too few takes for both training and "
                             "validation",
                         takes.front().file.parent_path().string(),
                         "add takes, lower " + Option("valid-fraction") +
                             ", or sort them into ROOT/train and "
                             "ROOT/valid");
    }
    // In the order of the hash those below the share come first.
    valid[stem].assign(takes.begin(), takes.begin() + static_cast<std::ptrdiff_t>(count));
    takes.erase(takes.begin(), takes.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return valid;
}

void LineUp(const Pools& pools, const std::string& split, std::vector<Track>& tracks) {
  std::size_t songs = 0;
  for (const auto& [stem, takes] : pools) songs = std::max(songs, takes.size());
  for (std::size_t k = 0; k < songs; ++k) {
    Track track;
    track.name = split + Formatted(" %05zu", k + 1);
    track.split = split;
    track.unrelated_takes = true;
    for (const auto& [stem, takes] : pools) {
      const fs::path& file = takes[k % takes.size()].file;
      if (!IsFile(file) && !track.problem) {
        track.problem = Error::Input("not a file, or a link that leads nowhere", file.string(),
                                     "fix or remove it");
      }
      track.sources.push_back({stem, file, kDefaultStream, {}});
    }
    tracks.push_back(std::move(track));
  }
}

}  // namespace

std::vector<Track> ScanStemPools(const ReaderOptions& options, ScanNotes& notes) {
  RequireFolder(options.root);
  if (!options.splits.empty()) {
    throw Error::Usage("takes of stem pools have no songs to list", Option("splits"),
                       "sort them into ROOT/train, ROOT/valid and ROOT/test");
  }
  std::vector<Track> tracks;
  std::map<std::string, Pools> of_split;
  fs::path valid_folder;
  const std::vector<SplitFolder> splits = SplitFolders(options.root);
  for (const SplitFolder& split : splits) {
    Pools& pools = of_split[split.split];
    AddPools(split.path, options.seed, pools, notes);
    if (split.split == "valid" && !pools.empty()) valid_folder = split.path;
  }
  const bool has_splits = std::any_of(of_split.begin(), of_split.end(),
                                      [](const auto& split) { return !split.second.empty(); });
  Pools& train = of_split["train"];
  if (has_splits) {
    NoteBesideSplits(options.root, splits, notes);
  } else {
    notes.Clear();
    AddPools(options.root, options.seed, train, notes);
  }
  LineUp(of_split["valid"], "valid", tracks);
  LineUp(of_split["test"], "test", tracks);
  if (options.valid_fraction > 0) {
    if (!valid_folder.empty()) {
      throw Error::Usage("a share for validation contradicts the folder for it",
                         valid_folder.string(), "leave out " + Option("valid-fraction"));
    }
    if (!train.empty()) LineUp(SplitOffTakes(train, options.valid_fraction), "valid", tracks);
  }
  LineUp(train, "train", tracks);
  if (tracks.empty()) throw NothingFound("no takes found", options.root, kExpected, notes);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
