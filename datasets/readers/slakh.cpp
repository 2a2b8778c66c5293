// Reader `slakh`: SLAKH2100, a folder per song with FLAC stems and their metadata. The format is
// that of github.com/ethman/slakh-utils (README.md, splits/). docs/datasets.md shows the tree.
#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "core/files.h"
#include "core/progress.h"
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

void AddStem(const fs::path& folder, const std::string& name, const Config& stem, Track& track) {
  stem.Value("audio_rendered");
  if (!stem.Bool("audio_rendered", true)) return;  // in the metadata alone: there is no audio
  SourceStem source;
  source.name = name;
  stem.Value("program_num");
  stem.Value("is_drum");
  source.attributes = {{"inst_class", stem.RequiredString("inst_class")},
                       {"program", std::to_string(stem.Integer("program_num", 0))},
                       {"is_drum", stem.Bool("is_drum", false) ? "true" : "false"}};
  if (stem.Has("plugin_name")) {
    source.attributes.emplace_back("plugin", stem.String("plugin_name", ""));
  }
  if (stem.Has("integrated_loudness")) {
    source.attributes.emplace_back("integrated_loudness", stem.String("integrated_loudness", ""));
  }
  if (name.find('/') == name.npos) source.path = AudioFile(folder / name);
  if (source.path.empty()) {
    throw Error::Input(
        "the audio of stem " + name + " is missing: " + (folder / name).string() + ".flac",
        stem.Where("audio_rendered"),
        "copy or download the song anew; metadata.yaml says that it was rendered");
  }
  track.sources.push_back(std::move(source));
}

void ReadMetadata(const fs::path& song, Track& track) {
  const fs::path file = song / "metadata.yaml";
  if (!IsFile(file)) {
    throw Error::Input("metadata.yaml is missing", song.string(), "copy or download the song anew");
  }
  const Config metadata = Config::Parse(ReadFile(file), file.string());
  if (!metadata.IsMap()) throw Error::Input("metadata.yaml is no map of keys", file.string());
  const Config stems = metadata.Value("stems");
  if (!stems.IsMap()) throw Error::Input("'stems' is no map of stems", stems.Where());
  const std::string audio_dir = metadata.String("audio_dir", "stems");
  if (audio_dir.empty() || audio_dir.find('/') != audio_dir.npos || audio_dir == "..") {
    throw Error::Input("'audio_dir' must name a folder", metadata.Where("audio_dir"));
  }
  for (const std::string& name : stems.Keys()) {
    AddStem(song / audio_dir, name, stems.Child(name), track);
  }
  if (track.sources.empty()) {
    throw Error::Input("metadata.yaml lists no stem with audio", file.string(),
                       "copy or download the song anew");
  }
}

Track TrackOf(const fs::path& folder, const std::string& split) {
  Track track;
  track.name = folder.filename().string();
  track.split = split;
  track.mixture = AudioFile(folder / "mix");
  try {
    ReadMetadata(folder, track);
  } catch (const Error& error) {
    track.problem =
        Error::Input(error.problem(), error.where(),
                     error.advice().empty() ? "copy or download the song anew" : error.advice());
  }
  return track;
}

// SLAKH's split files (redux.json, splits_v2.json): what to do with each song of the original
// split: {"Track00049": {"action": "omit", "source_split": "train"}, "Track00003": {"action":
// "move", "source_split": "train", "destination_split": "test"}, "Track00001": {"action": null}}.
void ApplyActions(const Config& list, std::vector<Track>& tracks) {
  std::size_t unnamed = 0;
  std::erase_if(tracks, [&](Track& track) {
    if (!list.Has(track.name)) {
      ++unnamed;
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
  if (unnamed > 0) {
    Warn(std::to_string(unnamed) + " songs that " + list.Where() +
         " does not name are passed over");
  }
  if (tracks.empty()) throw Error::Input("the list leaves no song", list.Where());
}

bool HoldsActions(const Config& list) {
  const std::vector<std::string> keys = list.IsMap() ? list.Keys() : std::vector<std::string>{};
  return !keys.empty() && std::all_of(keys.begin(), keys.end(), IsSong);
}

void AssignSlakhSplits(const ReaderOptions& options, std::vector<Track>& tracks) {
  if (options.splits.empty()) {
    std::erase_if(tracks, [](const Track& track) { return track.split == kOmitted; });
    AssignSplits(options, tracks);
    return;
  }
  const bool original = options.splits == kOriginal;
  if (!original) {
    const Config list = Config::Parse(ReadFile(options.splits), options.splits.string());
    if (!HoldsActions(list)) {
      AssignSplits(options, tracks);
      return;
    }
    ApplyActions(list, tracks);
  } else {
    for (Track& track : tracks) track.split = OriginalSplit(track.name);
  }
  if (options.valid_fraction > 0) {
    throw Error::Usage("a share for validation contradicts the list of splits",
                       options.splits.string(), "leave out --valid-fraction");
  }
}

}  // namespace

std::vector<Track> ScanSlakh(const ReaderOptions& options) {
  RequireFolder(options.root);
  std::vector<Track> tracks;
  const auto scan = [&](const fs::path& folder, const std::string& split) {
    if (!IsFolder(folder)) return;
    for (const fs::path& song : Entries(folder)) {
      if (IsSong(song.filename().string()) && IsFolder(song)) {
        tracks.push_back(TrackOf(song, split));
      }
    }
  };
  scan(options.root / "train", "train");
  scan(options.root / "validation", "valid");
  scan(options.root / "test", "test");
  scan(options.root / kOmitted, kOmitted);
  scan(options.root, "train");
  const bool any = std::any_of(tracks.begin(), tracks.end(),
                               [](const Track& track) { return track.split != kOmitted; });
  if (!any) throw Error::Input("no songs found", options.root.string(), kExpected);
  AssignSlakhSplits(options, tracks);
  SortAndMarkDuplicates(tracks);
  return tracks;
}

}  // namespace stemsmith
