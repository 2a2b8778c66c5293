// Reader `musdb18`: a .stem.mp4 per song with five audio streams. docs/datasets.md shows the tree.
#include <algorithm>
#include <array>
#include <string_view>

#include "core/error.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] = "expected ROOT/train/<song>.stem.mp4 and ROOT/test/<song>.stem.mp4";
constexpr std::string_view kEnding = ".stem.mp4";
// The order of the streams in each file.
constexpr std::array kStreams = {"mixture", "drums", "bass", "other", "vocals"};

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
  name.resize(name.size() - kEnding.size());
  SetName(name, track);
  track.split = split == "train" && IsMusdbValidationSong(track.name) ? "valid" : split;
  if (!IsFile(file) && !track.problem) {
    track.problem = Error::Input("not a file, or a link that leads nowhere", file.string(),
                                 "copy or download the file anew");
  }
  for (std::size_t stream = 1; stream < kStreams.size(); ++stream) {
    SourceStem stem{kStreams[stream], file, static_cast<int>(stream), {}};
    stem.file_streams = kStreams.size();
    track.sources.push_back(std::move(stem));
  }
  track.mixture = file;
  track.mixture_stream = 0;
  return track;
}

}  // namespace

bool IsMusdbValidationSong(const std::string& name) {
  return std::find(kValidationSongs.begin(), kValidationSongs.end(), name) !=
         kValidationSongs.end();
}

std::vector<Track> ScanMusdb18(const ReaderOptions& options) {
  RequireFolder(options.root);
  std::vector<Track> tracks;
  bool has_folders = false;
  for (const char* split : {"train", "valid", "test"}) {
    if (!IsFolder(options.root / split)) continue;
    for (const fs::path& file : Entries(options.root / split)) {
      if (file.filename().string().ends_with(kEnding)) tracks.push_back(TrackOf(file, split));
      has_folders |= IsFolder(file);
    }
  }
  if (tracks.empty()) {
    throw Error::Input(
        "no songs found", options.root.string(),
        std::string(kExpected) + (has_folders ? "; folders of wav files are musdb18hq" : ""));
  }
  AssignSplits(options, tracks);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
