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
Track TrackOf(const fs::path& folder, const std::string& split, ScanNotes& notes) {
  Track track;
  SetName(folder.filename().string(), track);
  track.split = split == "train" && IsMusdbValidationSong(track.name) ? "valid" : split;
  std::vector<fs::path> used;
  const auto file_of = [&](const std::string& stem) {
    const fs::path file = folder / (stem + ".wav");
    if (!IsFile(file)) return fs::path();
    return used.emplace_back(file);
  };
  track.mixture = file_of("mixture");
  for (const char* stem : kStems) {
    const fs::path file = file_of(stem);
    if (!file.empty()) {
      track.sources.push_back({stem, file, kDefaultStream, {}});
    } else if (!track.problem) {
      track.problem = Error::Input(
          std::string("the file ") + stem + ".wav is missing", folder.string(),
          "copy or download the song again; the kind folders reads any stems and formats");
    }
  }
  for (const fs::path& file : Entries(folder)) {
    if (!IsAudioFile(file)) {
      NoteUnknownFile(file, notes);
    } else if (std::find(used.begin(), used.end(), file) == used.end()) {
      notes.Add(Unused::kOtherAudio, file);
    }
  }
  NoteInnerFolders(folder, notes);
  return track;
}

bool HoldsFiles(const fs::path& folder) {
  const std::vector<fs::path> inside = Entries(folder);
  return std::any_of(inside.begin(), inside.end(), IsAudioFile);
}

}  // namespace

std::vector<Track> ScanMusdb18Hq(const ReaderOptions& options, ScanNotes& notes) {
  RequireFolder(options.root);
  std::vector<Track> tracks;
  bool has_stem_files = false;
  const std::vector<SplitFolder> splits = AllSplitFolders(options.root);
  for (const SplitFolder& split : splits) {
    for (const fs::path& entry : Entries(split.path)) {
      if (!IsFolder(entry)) {
        has_stem_files |= IsStemFile(entry);
        if (IsAudioFile(entry)) notes.Add(Unused::kLooseAudio, entry);
      } else if (HoldsFiles(entry)) {
        tracks.push_back(TrackOf(entry, split.split, notes));
      } else {
        NoteFoldersWithAudio(Unused::kDeeperFolders, entry, notes);
      }
    }
  }
  NoteBesideSplits(options.root, splits, notes);
  if (tracks.empty()) {
    throw NothingFound(
        "no songs found", options.root,
        std::string(kExpected) + (has_stem_files ? "; .stem.mp4 files are musdb18" : ""), notes);
  }
  AssignSplits(options, tracks, notes);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
