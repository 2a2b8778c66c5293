#include <algorithm>
#include <map>
#include <tuple>

#include "core/error.h"
#include "core/file_content.h"
#include "core/names.h"
#include "core/option.h"
#include "core/text.h"
#include "datasets/readers/readers.h"

namespace stemsmith {

const std::vector<ReaderRow>& ReaderTable() {
  static const std::vector<ReaderRow> table = {
      {"folders", "ROOT/[train|valid|test/]<song>/<stem>.<any audio format>", ScanFolders},
      {"musdb18", "ROOT/{train,test}/<song>.stem.mp4", ScanMusdb18},
      {"musdb18hq", "ROOT/{train,test}/<song>/{mixture,drums,bass,other,vocals}.wav",
       ScanMusdb18Hq},
      {"slakh", "ROOT/{train,validation,test}/TrackNNNNN/{metadata.yaml,mix.flac,stems/SNN.flac}",
       ScanSlakh},
      {"moisesdb", "ROOT/[<provider>/]<id>/{data.json,<stem>/<id>.wav}", ScanMoisesDb},
      {"medleydb",
       "ROOT/[Audio/]<song>/{<song>_MIX.wav,<song>_STEMS/<song>_STEM_NN.wav}; "
       "<song>_METADATA.yaml there or elsewhere",
       ScanMedleyDb, true},
      {"stem_pools", "ROOT/[train|valid|test/]<stem>/<take>.<any audio format>", ScanStemPools},
      {"csv", "ROOT is a table: a column of files per stem, a row per song", ScanCsv},
  };
  return table;
}

std::vector<Track> ScanDataset(const std::string& kind, const ReaderOptions& options,
                               std::vector<UnusedThings>* notes) {
  CheckContent(options.root, FileUse::kDatasetRoot);
  ScanNotes unused(DatasetFolder(options));
  const ReaderRow& row = FindRow(ReaderTable(), kind, "kind of dataset", "");
  if (!options.metadata.empty() && !row.takes_metadata) {
    throw Error::Usage("the layout " + kind + " has no metadata apart from its audio",
                       options.metadata.string(), "leave out " + Option("metadata"));
  }
  std::vector<Track> tracks = row.scan(options, unused);
  if (notes != nullptr) *notes = unused.List();
  return tracks;
}

bool IsMixtureName(const std::string& name) {
  const std::string lower = LowerCase(name);
  return lower == "mixture" || lower == "mix";
}

void SortAndMarkDuplicates(std::vector<Track>& tracks) {
  std::stable_sort(tracks.begin(), tracks.end(), [](const Track& a, const Track& b) {
    return std::tie(a.split, a.name) < std::tie(b.split, b.name);
  });
  std::map<std::string, std::string> split_of;
  for (Track& track : tracks) {
    const auto [first, is_new] = split_of.emplace(track.name, track.split);
    if (is_new || track.problem) continue;
    track.problem =
        Error::Input("two songs are called \"" + track.name + "\"",
                     first->second == track.split
                         ? "both are in the split " + track.split
                         : "one is in the split " + first->second + ", one in " + track.split,
                     "give one of them another name");
  }
}

}  // namespace stemsmith
