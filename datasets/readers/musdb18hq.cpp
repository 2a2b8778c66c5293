// Reader `musdb18hq`: a folder per song with five wav files. docs/datasets.md shows the tree.
#include <algorithm>

#include "core/error.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] =
    "expected ROOT/train/<song>/{mixture,drums,bass,other,vocals}.wav and the same in ROOT/test";
constexpr const char* kStems[] = {"drums", "bass", "other", "vocals"};

// Other files in the folder (sums that some tools leave there) are not stems.
Track TrackOf(const fs::path& folder, const std::string& split) {
  Track track;
  SetName(folder.filename().string(), track);
  track.split = split == "train" && IsMusdbValidationSong(track.name) ? "valid" : split;
  if (IsFile(folder / "mixture.wav")) track.mixture = folder / "mixture.wav";
  for (const char* stem : kStems) {
    const fs::path file = folder / (std::string(stem) + ".wav");
    if (IsFile(file)) {
      track.sources.push_back({stem, file, kDefaultStream, {}});
    } else if (!track.problem) {
      track.problem = Error::Input(std::string("the file ") + stem + ".wav is missing",
                                   folder.string(), "copy or download the song anew");
    }
  }
  return track;
}

bool HoldsFiles(const fs::path& folder) {
  const std::vector<fs::path> inside = Entries(folder);
  return std::any_of(inside.begin(), inside.end(), IsAudioFile);
}

}  // namespace

std::vector<Track> ScanMusdb18Hq(const ReaderOptions& options) {
  RequireFolder(options.root);
  std::vector<Track> tracks;
  bool has_stem_files = false;
  for (const char* split : {"train", "valid", "test"}) {
    if (!IsFolder(options.root / split)) continue;
    for (const fs::path& entry : Entries(options.root / split)) {
      if (IsFolder(entry) && HoldsFiles(entry)) tracks.push_back(TrackOf(entry, split));
      has_stem_files |= entry.filename().string().ends_with(".stem.mp4");
    }
  }
  if (tracks.empty()) {
    throw Error::Input(
        "no songs found", options.root.string(),
        std::string(kExpected) + (has_stem_files ? "; .stem.mp4 files are musdb18" : ""));
  }
  AssignSplits(options, tracks);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
