// A song as a reader finds it: named source stems and the files they come from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "audio/decode.h"
#include "core/config.h"
#include "core/error.h"
#include "datasets/readers/scan_notes.h"

namespace stemsmith {

struct SourceStem {
  std::string name;  // "drums", "S03", …
  std::filesystem::path path;
  int stream = kDefaultStream;  // audio stream in the file (stem.mp4)
  // What a recipe may select by, as the dataset describes it (docs/datasets.md): SLAKH inst_class,
  // program, is_drum and plugin, MoisesDB stem and instrument, MedleyDB instrument (one for each
  // instrument that plays) and component; empty elsewhere.
  std::vector<std::pair<std::string, std::string>> attributes;
  int file_streams = 0;  // audio streams that the file must have; 0: any number
  std::string language;  // of the stream, where that is the default (DecodeOptions::language)

  // The first value of an attribute, null where the source has none of that name.
  const std::string* Attribute(const std::string& key) const {
    for (const auto& [known, value] : attributes) {
      if (known == key) return &value;
    }
    return nullptr;
  }
};

struct Track {
  std::string name;   // unique among tracks without a problem, fit for a file name, UTF-8
  std::string split;  // "train", "valid", "test"
  std::vector<SourceStem> sources;
  std::filesystem::path mixture;  // empty where there is none
  int mixture_stream = kDefaultStream;
  std::string mixture_language;  // as SourceStem::language
  // The sources have nothing to do with each other (stem_pools): they may differ in length, and
  // shorter ones start over until the longest has ended.
  bool unrelated_takes = false;
  // Sources are as long as they are (MoisesDB): however short one is, silence follows its end.
  bool lengths_vary = false;
  // The recorded mixture has been mastered (MedleyDB): the sources need not add up to it.
  bool mastered = false;
  // Why this song cannot be used. The others can: who prepares the dataset reports it and goes on.
  std::optional<Error> problem;
};

struct ReaderOptions {
  std::filesystem::path root;  // a folder, or for csv a file
  // Share of the songs for validation, where the dataset has no split of its own: a song belongs to
  // it when the hash of its name and the seed is below the share, so that new songs do not move old
  // ones.
  double valid_fraction = 0.0;
  std::uint64_t seed = 0;
  // A file that says which song belongs to which split, instead of the folders (docs/datasets.md);
  // for slakh also the word "original". Empty: none.
  std::filesystem::path splits;
  // Where the metadata of the songs lie, of layouts where they may lie apart from the audio
  // (ReaderRow::takes_metadata). Empty: beside the audio.
  std::filesystem::path metadata;
};

// One row of the table in readers/registry.cpp; scan lists tracks without decoding, sorted by split
// and name. Throws Error when the folder holds no song, saying what it looked for.
struct ReaderRow {
  const char* name;
  const char* summary;
  std::vector<Track> (*scan)(const ReaderOptions& options, ScanNotes& notes);
  bool takes_metadata = false;  // ReaderOptions::metadata; for others it is an error
};
const std::vector<ReaderRow>& ReaderTable();
// The folder that the paths of a dataset are remembered relative to.
std::filesystem::path DatasetFolder(const ReaderOptions& options);
// Throws Error (nearest name) for unknown kinds. What is not used goes into `notes`.
std::vector<Track> ScanDataset(const std::string& kind, const ReaderOptions& options,
                               std::vector<UnusedThings>* notes = nullptr);

}  // namespace stemsmith
