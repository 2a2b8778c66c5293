// Reader `folders`: a folder per song, an audio file per stem. docs/datasets.md shows the tree.
#include <algorithm>

#include "core/decode.h"
#include "core/error.h"
#include "core/progress.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] =
    "expected ROOT/<song>/<stem>.<wav, flac, mp3 …>, or the songs in ROOT/train, ROOT/valid and "
    "ROOT/test";

void AddSource(const fs::path& file, Track& track) {
  bool changed = false;
  const std::string name = AsUtf8(file.stem().string(), &changed);
  if (changed && !track.problem) {
    track.problem = Error::Input("the file name is not UTF-8 text", name,
                                 "rename it; the song is \"" + track.name + "\"");
  }
  if (IsMixtureName(name)) {
    track.mixture = file;
    return;
  }
  for (const SourceStem& other : track.sources) {
    if (other.name == name && !track.problem) {
      track.problem = Error::Input("two files for the stem \"" + name + "\" of song \"" +
                                       track.name + "\": " + other.path.filename().string() +
                                       " and " + file.filename().string(),
                                   file.parent_path().string(), "keep one of them");
    }
  }
  track.sources.push_back({name, file, kDefaultStream, {}});
}

// The songs in one folder. Folders without any audio file are not songs.
void ScanSongs(const fs::path& folder, const std::string& split, std::vector<Track>& tracks) {
  for (const fs::path& song : Entries(folder)) {
    if (!IsFolder(song)) continue;
    Track track;
    SetName(song.filename().string(), track);
    track.split = split;
    try {
      for (const fs::path& file : Entries(song)) {
        if (IsAudioFile(file)) AddSource(file, track);
      }
    } catch (const Error& error) {
      track.problem = error;
    }
    if (!track.sources.empty() || !track.mixture.empty() || track.problem) {
      tracks.push_back(std::move(track));
    }
  }
}

}  // namespace

std::vector<Track> ScanFolders(const ReaderOptions& options) {
  RequireFolder(options.root);
  const char* const kSplits[] = {"train", "valid", "test"};
  std::vector<Track> tracks;
  bool has_splits = false;
  for (const char* split : kSplits) {
    if (!IsFolder(options.root / split)) continue;
    // A song called "test" has audio files in it; a split has folders.
    const std::vector<fs::path> inside = Entries(options.root / split);
    if (std::any_of(inside.begin(), inside.end(), IsAudioFile)) continue;
    has_splits = true;
    ScanSongs(options.root / split, split, tracks);
  }
  if (has_splits) {
    std::vector<Track> beside;
    ScanSongs(options.root, "", beside);
    for (const Track& track : beside) {
      Warn("the song \"" + track.name + "\" lies beside the splits of " + options.root.string() +
           " and is passed over; move it into train, valid or test");
    }
  } else {
    ScanSongs(options.root, "train", tracks);
  }
  if (tracks.empty()) {
    throw Error::Input("no songs found", options.root.string(), kExpected);
  }
  AssignSplits(options, tracks);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
