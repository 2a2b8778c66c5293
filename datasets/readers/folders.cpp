// Reader `folders`: a folder per song, an audio file per stem. docs/datasets.md shows the tree.
#include <algorithm>

#include "audio/decode.h"
#include "core/error.h"
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
void ScanSongs(const fs::path& folder, const std::string& split, std::vector<Track>& tracks,
               ScanNotes& notes) {
  for (const fs::path& song : Entries(folder)) {
    if (!IsFolder(song)) {
      if (IsAudioFile(song)) notes.Add(Unused::kLooseAudio, song);
      continue;
    }
    Track track;
    SetName(song.filename().string(), track);
    track.split = split;
    bool is_song = false;
    try {
      const std::vector<fs::path> files = Entries(song);
      is_song = std::any_of(files.begin(), files.end(), IsAudioFile);
      for (const fs::path& file : files) {
        if (!is_song) break;
        if (IsAudioFile(file)) {
          AddSource(file, track);
        } else {
          NoteUnknownFile(file, notes);
        }
      }
      if (is_song) {
        NoteInnerFolders(song, notes);
      } else {
        NoteFoldersWithAudio(Unused::kDeeperFolders, song, notes);
      }
    } catch (const Error& error) {
      track.problem = error;
    }
    if (is_song || track.problem) tracks.push_back(std::move(track));
  }
}

}  // namespace

std::vector<Track> ScanFolders(const ReaderOptions& options, ScanNotes& notes) {
  RequireFolder(options.root);
  std::vector<Track> tracks;
  const std::vector<SplitFolder> splits = SplitFolders(options.root);
  for (const SplitFolder& split : splits) ScanSongs(split.path, split.split, tracks, notes);
  if (!tracks.empty()) {
    NoteBesideSplits(options.root, splits, notes);
  } else {  // folders without songs are no splits
    notes.Clear();
    ScanSongs(options.root, "train", tracks, notes);
  }
  if (tracks.empty()) throw NothingFound("no songs found", options.root, kExpected, notes);
  AssignSplits(options, tracks, notes);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
