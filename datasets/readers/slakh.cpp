// Reader `slakh`: SLAKH2100, a folder per song with FLAC stems and their metadata. The format is
// that of github.com/ethman/slakh-utils (README.md, splits/). docs/datasets.md shows the tree.
#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "core/files.h"
#include "core/option.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] =
    "expected ROOT/{train,validation,test}/TrackNNNNN/metadata.yaml, with mix.flac and "
    "stems/SNN.flac beside it, or the songs in ROOT itself";
constexpr std::string_view kPrefix = "Track";
constexpr char kOmitted[] =
    "omitted";  // where SLAKH's own script puts songs that `redux` leaves out
constexpr char kOriginal[] = "original";
constexpr char kDrumProgram[] = "128";
// The last songs of the original training and validation parts.
constexpr long kLastOfTraining = 1500, kLastOfValidation = 1875;

bool IsSong(const std::string& name) {
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() && name.size() < 16 &&
         std::all_of(name.begin() + kPrefix.size(), name.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

std::string OriginalSplit(const std::string& name) {
  const long number = std::atol(name.c_str() + kPrefix.size());
  return number <= kLastOfTraining ? "train" : number <= kLastOfValidation ? "valid" : "test";
}

// FLAC as published, or wav as SLAKH's own converter writes.
fs::path AudioFile(const fs::path& without_ending) {
  for (const char* ending : {".flac", ".wav"}) {
    fs::path file = without_ending;
    file += ending;
    if (IsFile(file)) return file;
  }
  return {};
}

// What recipes choose by. Of an instrument only what the metadata say: what nobody asks for may be
// missing.
void AddAttributes(const Config& stem, SourceStem& source) {
  const auto add = [&](const char* key, const char* attribute) {
    if (stem.Has(key)) source.attributes.emplace_back(attribute, stem.String(key, ""));
  };
  const bool is_drum = stem.Bool("is_drum", stem.String("program_num", "") == kDrumProgram);
  add("inst_class", "inst_class");
  add("program_num", "program");
  source.attributes.emplace_back("is_drum", is_drum ? "true" : "false");
  add("plugin_name", "plugin");
  add("integrated_loudness", "integrated_loudness");
}

void AddStem(const fs::path& folder, const std::string& name, const Config& stem, Track& track) {
  if (!stem.Bool("audio_rendered", true)) return;  // in the metadata alone: there is no audio
  SourceStem source;
  source.name = name;
  if (name.find('/') == name.npos) source.path = AudioFile(folder / name);
  if (source.path.empty()) {
    if (!stem.Has("audio_rendered")) return;
    throw Error::Input(
        "the audio of stem " + name + " is missing: " + (folder / name).string() + ".flac",
        stem.Where("audio_rendered"),
        "copy or download the song again; metadata.yaml says that it was rendered");
  }
  AddAttributes(stem, source);
  track.sources.push_back(std::move(source));
}

// `audio_dir` says where the stems lay when the data set was made, which is not always here.
void ReadMetadata(const fs::path& song, Track& track) {
  const fs::path file = song / "metadata.yaml";
  if (!IsFile(file)) {
    throw Error::Input("metadata.yaml is missing", song.string(),
                       "copy or download the song again");
  }
  const Config metadata = Config::Parse(ReadFile(file), file.string());
  if (!metadata.IsMap()) throw Error::Input("metadata.yaml is no map of keys", file.string());
  const Config stems = metadata.Value("stems");
  if (!stems.IsMap()) throw Error::Input("'stems' is no map of stems", stems.Where());
  for (const std::string& name : stems.Keys()) {
    AddStem(song / "stems", name, stems.Child(name), track);
  }
  if (track.sources.empty()) {
    throw Error::Input("metadata.yaml lists no stem with audio", file.string(),
                       "copy or download the song again");
  }
}

void NoteUnused(const fs::path& song, const Track& track, ScanNotes& notes) {
  if (track.problem || !IsFolder(song / "stems")) return;
  NoteOtherFiles(song / "stems", track, notes);
}

Track TrackOf(const fs::path& folder, const std::string& split, ScanNotes& notes) {
  Track track;
  track.name = folder.filename().string();
  track.split = split;
  track.mixture = AudioFile(folder / "mix");
  try {
    ReadMetadata(folder, track);
  } catch (const Error& error) {
    track.problem =
        Error::Input(error.problem(), error.where(),
                     error.advice().empty() ? "copy or download the song again" : error.advice());
  }
  NoteUnused(folder, track, notes);
  return track;
}

// SLAKH's split files (redux.json, splits_v2.json): what to do with each song of the original
// split: {"Track00049": {"action": "omit", "source_split": "train"}, "Track00003": {"action":
// "move", "source_split": "train", "destination_split": "test"}, "Track00001": {"action": null}}.
void ApplyActions(const Config& list, std::vector<Track>& tracks, ScanNotes& notes) {
  std::erase_if(tracks, [&](Track& track) {
    if (!list.Has(track.name)) {
      notes.AddName(Unused::kUnlistedSongs, track.name);
      return true;
    }
    const Config entry = list.Child(track.name);
    const std::string action = entry.Has("action") ? entry.RequiredString("action") : "";
    if (action == "omit") return true;
    if (action == "move") {
      const std::string word = entry.RequiredString("destination_split");
      track.split = SplitOf(word);
      if (track.split.empty()) {
        throw Error::Usage("\"" + word + "\" is no split", entry.Where("destination_split"),
                           "the splits are train, validation and test");
      }
    } else if (!action.empty()) {
      throw Error::Usage("unknown action \"" + action + "\"", entry.Where("action"),
                         "the actions are move, omit and null");
    } else if (track.split == kOmitted) {
      track.split = OriginalSplit(track.name);
    }
    return false;
  });
  if (tracks.empty()) throw Error::Input("the list leaves no song", list.Where());
}

bool HoldsActions(const Config& list) {
  const std::vector<std::string> keys = list.IsMap() ? list.Keys() : std::vector<std::string>{};
  return !keys.empty() && std::all_of(keys.begin(), keys.end(), IsSong);
}

void AssignSlakhSplits(const ReaderOptions& options, std::vector<Track>& tracks, ScanNotes& notes) {
  if (options.splits.empty()) {
    std::erase_if(tracks, [&](const Track& track) {
      if (track.split != kOmitted) return false;
      notes.AddName(Unused::kOmittedSongs, track.name);
      return true;
    });
    AssignSplits(options, tracks, notes);
    return;
  }
  const bool original = options.splits == kOriginal;
  if (!original) {
    const Config list = Config::Parse(ReadFile(options.splits), options.splits.string());
    if (!HoldsActions(list)) {
      AssignSplits(options, tracks, notes);
      return;
    }
    ApplyActions(list, tracks, notes);
  } else {
    for (Track& track : tracks) track.split = OriginalSplit(track.name);
  }
  if (options.valid_fraction > 0) {
    throw Error::Usage("a share for validation contradicts the list of splits",
                       options.splits.string(), "leave out " + Option("valid-fraction"));
  }
}

}  // namespace

std::vector<Track> ScanSlakh(const ReaderOptions& options, ScanNotes& notes) {
  RequireFolder(options.root);
  std::vector<Track> tracks;
  std::vector<SplitFolder> folders = AllSplitFolders(options.root);
  if (IsFolder(options.root / kOmitted)) folders.push_back({options.root / kOmitted, kOmitted});
  for (const SplitFolder& folder : folders) {
    for (const fs::path& song : Entries(folder.path)) {
      if (!IsFolder(song)) {
        if (IsAudioFile(song)) notes.Add(Unused::kLooseAudio, song);
      } else if (IsSong(song.filename().string())) {
        tracks.push_back(TrackOf(song, folder.split, notes));
      } else {
        NoteFoldersWithAudio(Unused::kDeeperFolders, song, notes);
      }
    }
  }
  // Songs may lie in ROOT itself.
  for (const fs::path& song : Entries(options.root)) {
    if (IsSong(song.filename().string()) && IsFolder(song)) {
      folders.push_back({song, ""});
      tracks.push_back(TrackOf(song, "train", notes));
    }
  }
  NoteBesideSplits(options.root, folders, notes);
  const bool any = std::any_of(tracks.begin(), tracks.end(),
                               [](const Track& track) { return track.split != kOmitted; });
  if (!any) throw NothingFound("no songs found", options.root, kExpected, notes);
  AssignSlakhSplits(options, tracks, notes);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
