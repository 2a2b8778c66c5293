// Reader `musdb18`: a .stem.mp4 (or .stem.m4a) per song with five audio streams. docs/datasets.md
// shows the tree.
#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "core/error.h"
#include "core/text.h"
#include "datasets/readers/readers.h"
#include "datasets/readers/stem_streams.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] = "expected ROOT/train/<song>.stem.mp4 and ROOT/test/<song>.stem.mp4";
constexpr std::string_view kEndings[] = {".stem.mp4", ".stem.m4a"};  // of one length
// As the `musdb` package names them (configs/mus.yaml, version 0.4).
constexpr std::array kValidationSongs = {
    "ANiMAL - Rockshow",
    "Actions - One Minute Smile",
    "Alexander Ross - Goodbye Bolero",
    "Clara Berry And Wooldog - Waltz For My Victims",
    "Fergessen - Nos Palpitants",
    "James May - On The Line",
    "Johnny Lokke - Promises & Lies",
    "Leaf - Summerghost",
    "Meaxic - Take A Step",
    "Patrick Talbot - A Reason To Leave",
    "Skelpolu - Human Mistakes",
    "Traffic Experiment - Sirens",
    "Triviul - Angelsaint",
    "Young Griffo - Pennies",
};

Track TrackOf(const fs::path& file, const std::string& split) {
  Track track;
  std::string name = file.filename().string();
  name.resize(name.size() - kEndings[0].size());
  SetName(name, track);
  track.split = split == "train" && IsMusdbValidationSong(track.name) ? "valid" : split;
  if (!IsFile(file) && !track.problem) {
    track.problem = Error::Input("not a file, or a link that leads nowhere", file.string(),
                                 "copy or download the file again");
  }
  try {
    const StemStreams streams = StreamsOf(file);
    for (const StemStreams::Stem& named : streams.stems) {
      SourceStem stem{named.name, file, named.stream, {}};
      stem.file_streams = streams.count;
      track.sources.push_back(std::move(stem));
    }
    if (streams.mixture >= 0) {
      track.mixture = file;
      track.mixture_stream = streams.mixture;
    }
  } catch (const Error& error) {
    if (!track.problem) track.problem = error;
  }
  return track;
}

}  // namespace

bool IsMusdbValidationSong(const std::string& name) {
  return std::find(kValidationSongs.begin(), kValidationSongs.end(), name) !=
         kValidationSongs.end();
}

bool IsStemFile(const fs::path& path) {
  const std::string name = LowerCase(path.filename().string());
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

std::vector<Track> ScanMusdb18(const ReaderOptions& options, ScanNotes& notes) {
  RequireFolder(options.root);
  std::vector<Track> tracks;
  bool has_folders = false;
  const std::vector<SplitFolder> splits = AllSplitFolders(options.root);
  for (const SplitFolder& split : splits) {
    for (const fs::path& entry : Entries(split.path)) {
      if (IsStemFile(entry)) {
        tracks.push_back(TrackOf(entry, split.split));
      } else if (IsFolder(entry)) {
        has_folders = true;
        NoteFoldersWithAudio(Unused::kDeeperFolders, entry, notes);
      } else if (IsAudioFile(entry)) {
        notes.Add(Unused::kOtherAudio, entry);
      } else {
        NoteUnknownFile(entry, notes);
      }
    }
  }
  NoteBesideSplits(options.root, splits, notes);
  if (tracks.empty()) {
    throw NothingFound(
        "no songs found", options.root,
        std::string(kExpected) + (has_folders ? "; folders of wav files are musdb18hq" : ""),
        notes);
  }
  AssignSplits(options, tracks, notes);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
