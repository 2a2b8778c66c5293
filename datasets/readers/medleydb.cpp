// Reader `medleydb`: MedleyDB, a folder per song with its stems, and a YAML file that describes
// them and may lie elsewhere. The format is that of github.com/marl/medleydb
// (medleydb/multitrack.py, medleydb/data/Metadata). docs/datasets.md shows the tree.
#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "core/option.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] =
    "expected ROOT/<song>/ or ROOT/Audio/<song>/ with <song>_MIX.wav and "
    "<song>_STEMS/<song>_STEM_NN.wav";
constexpr char kMetadata[] = "_METADATA.yaml";
constexpr char kAgain[] = "copy or download the song again";

bool IsSong(const fs::path& folder) {
  const std::string name = folder.filename().string();
  return IsFolder(folder / (name + "_STEMS")) || IsFile(folder / (name + "_MIX.wav")) ||
         IsFile(folder / (name + kMetadata));
}

// Where it is said to lie; else in the song's folder, beside it, or in ROOT/Metadata.
fs::path MetadataFile(const ReaderOptions& options, const fs::path& song) {
  const std::string name = song.filename().string() + kMetadata;
  std::vector<fs::path> places = {song, song.parent_path(), options.root / "Metadata"};
  if (!options.metadata.empty()) places = {options.metadata};
  for (const fs::path& place : places) {
    if (IsFile(place / name)) return place / name;
  }
  throw Error::Input(name + " is missing", places.front().string(),
                     "give the folder of the metadata with " + Option("metadata") +
                         ": medleydb/data/Metadata of the repository marl/medleydb");
}

// The name under `key`, which must stay in the song's folder.
std::string FileName(const Config& metadata, const std::string& key) {
  const std::string name = metadata.RequiredString(key);
  CheckIsFileName(name, metadata.Where(key));
  return name;
}

// A stem in which several instruments play has an attribute for each.
void AddStem(const fs::path& folder, const std::string& name, const Config& stem, Track& track) {
  SourceStem source;
  source.name = name;
  source.path = folder / FileName(stem, "filename");
  for (const SourceStem& other : track.sources) {
    if (other.path != source.path) continue;
    throw Error::Input("the stems " + other.name + " and " + name + " are one file, " +
                           source.path.filename().string(),
                       stem.Where("filename"), "correct the metadata");
  }
  if (!IsFile(source.path)) {
    throw Error::Input("the audio of stem " + name + " is missing: " + source.path.string(),
                       stem.Where("filename"), kAgain);
  }
  if (stem.Has("instrument")) {
    for (const std::string& instrument : stem.Strings("instrument"))
      source.attributes.emplace_back("instrument", instrument);
  }
  if (const std::string component = stem.String("component", ""); !component.empty())
    source.attributes.emplace_back("component", component);
  track.sources.push_back(std::move(source));
}

// The recordings in <song>_RAW, which were processed and summed to the stems, are not read.
void ReadMetadata(const ReaderOptions& options, const fs::path& song, Track& track,
                  fs::path& stem_folder) {
  const fs::path file = MetadataFile(options, song);
  const Config metadata = Config::Parse(ReadFile(file), file.string());
  if (!metadata.IsMap()) throw Error::Input("the metadata are no map of keys", file.string());
  stem_folder = song / FileName(metadata, "stem_dir");
  const fs::path mixture = song / FileName(metadata, "mix_filename");
  if (IsFile(mixture)) track.mixture = mixture;
  const Config stems = metadata.Value("stems");
  if (!stems.IsMap()) throw Error::Input("'stems' is no map of stems", stems.Where());
  for (const std::string& key : stems.Keys()) AddStem(stem_folder, key, stems.Child(key), track);
  if (track.sources.empty()) throw Error::Input("the metadata list no stem", file.string());
}

Track TrackOf(const ReaderOptions& options, const SplitFolder& folder, ScanNotes& notes) {
  Track track;
  SetName(folder.path.filename().string(), track);
  track.split = folder.split;
  track.mastered = true;
  fs::path stem_folder;
  try {
    ReadMetadata(options, folder.path, track, stem_folder);
  } catch (const Error& error) {
    if (track.problem) return track;
    track.problem = Error::Input(error.problem(), error.where(),
                                 error.advice().empty() ? kAgain : error.advice());
  }
  if (track.problem) return track;
  NoteOtherFiles(folder.path, track, notes);
  NoteOtherFiles(stem_folder, track, notes);
  return track;
}

}  // namespace

std::vector<Track> ScanMedleyDb(const ReaderOptions& options, ScanNotes& notes) {
  RequireFolder(options.root);
  if (!options.metadata.empty()) RequireFolder(options.metadata);
  std::vector<Track> tracks;
  for (const SplitFolder& song : SongFolders(options.root, IsSong, notes)) {
    tracks.push_back(TrackOf(options, song, notes));
  }
  if (tracks.empty()) throw NothingFound("no songs found", options.root, kExpected, notes);
  AssignSplits(options, tracks, notes);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
