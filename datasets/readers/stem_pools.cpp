// Reader `stem_pools`: takes that have nothing to do with each other, a folder per stem.
// docs/datasets.md shows the tree.
//
// Takes are lined up to songs: song k has the k-th take of every pool, in an order that the hash of
// the takes' names gives; a pool with fewer takes than the largest starts over. So every song has
// every stem, and a remix of such songs draws each stem from its own pool, uniform in time.
#include <algorithm>
#include <cstdio>
#include <map>
#include <tuple>

#include "core/decode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
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

Pools ScanPools(const fs::path& folder, std::uint64_t seed) {
  Pools pools;
  for (const fs::path& entry : Entries(folder)) {
    if (!IsFolder(entry)) continue;
    bool changed = false;
    const std::string stem = AsUtf8(entry.filename().string(), &changed);
    std::vector<Take> takes;
    for (const fs::path& file : Entries(entry)) {
      if (!HasAudioExtension(file)) continue;
      const std::string name = stem + "/" + file.filename().string();
      takes.push_back({file, MixBits(HashBytes(name, seed))});
    }
    if (takes.empty()) continue;
    if (changed) {
      throw Error::Input("the folder's name is not UTF-8 text", entry.string(), "rename it");
    }
    if (IsMixtureName(stem)) {
      throw Error::Input("a stem cannot be called \"" + stem + "\"", entry.string(),
                         "unrelated takes have no mixture; rename or remove the folder");
    }
    std::sort(takes.begin(), takes.end(), [](const Take& a, const Take& b) {
      return std::tie(a.order, a.file) < std::tie(b.order, b.file);
    });
    pools.emplace(stem, std::move(takes));
  }
  return pools;
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
                         "add takes, lower --valid-fraction, or sort them into ROOT/train and "
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
    char number[32];
    std::snprintf(number, sizeof number, " %05zu", k + 1);
    Track track;
    track.name = split + number;
    track.split = split;
    track.unrelated_takes = true;
    for (const auto& [stem, takes] : pools) {
      const fs::path& file = takes[k % takes.size()].file;
      if (!IsFile(file) && !track.problem) {
        track.problem = Error::Input("not a file, or a link that leads nowhere", file.string(),
                                     "mend or remove it");
      }
      track.sources.push_back({stem, file, kDefaultStream, {}});
    }
    tracks.push_back(std::move(track));
  }
}

}  // namespace

std::vector<Track> ScanStemPools(const ReaderOptions& options) {
  RequireFolder(options.root);
  if (!options.splits.empty()) {
    throw Error::Usage("takes of stem pools have no songs to list", "--splits",
                       "sort them into ROOT/train, ROOT/valid and ROOT/test");
  }
  std::vector<Track> tracks;
  bool has_valid = false;
  Pools train;
  for (const char* split : {"train", "valid", "test"}) {
    if (!IsFolder(options.root / split)) continue;
    Pools pools = ScanPools(options.root / split, options.seed);
    if (pools.empty()) continue;  // a pool may be called "test": it then holds takes
    if (std::string_view(split) == "train") {
      train = std::move(pools);
      continue;
    }
    has_valid |= std::string_view(split) == "valid";
    LineUp(pools, split, tracks);
  }
  if (train.empty() && tracks.empty()) train = ScanPools(options.root, options.seed);
  if (options.valid_fraction > 0) {
    if (has_valid) {
      throw Error::Usage("a share for validation contradicts the folder valid",
                         (options.root / "valid").string(), "leave out --valid-fraction");
    }
    if (!train.empty()) LineUp(SplitOffTakes(train, options.valid_fraction), "valid", tracks);
  }
  LineUp(train, "train", tracks);
  if (tracks.empty()) throw Error::Input("no takes found", options.root.string(), kExpected);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
