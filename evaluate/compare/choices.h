// What `stemsmith compare` is asked for: songs, methods and figures (docs/compare.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "datasets/prepare/options.h"
#include "datasets/readers/track.h"
#include "evaluate/report/content.h"
#include "evaluate/songs/evaluation.h"

namespace stemsmith {

// The method that is always there: what the others gain is counted from it.
inline constexpr char kFloorMethod[] = "mixture";
// Songs of every split.
inline constexpr char kAllSplits[] = "all";

struct SongChoice {
  std::string layout;  // row of the reader table
  ReaderOptions reader;
  std::filesystem::path recipe;  // empty: every source stem is a target
  std::string split;
  int sample_rate_hz = 44100, channels = 2;  // of all stems
  TrimOptions trim;
  std::optional<std::uint64_t>
      seed;  // draws where excerpts begin; without it they lie in the middle
};

// Either a model or a baseline.
struct MethodChoice {
  std::string name;                // names a folder; unique
  std::filesystem::path model;     // a model file, a run or a checkpoint
  std::filesystem::path manifest;  // as RuntimeOptions::manifest_file
  double overlap = -1;             // as StemStreamOptions::overlap
  std::string baseline;            // row of the table of classical methods
  Config settings;                 // of it
};

struct CompareChoices {
  SongChoice songs;
  std::vector<MethodChoice> methods;  // kFloorMethod is one of them
  EvaluationOptions evaluation;
  ExcerptChoice excerpts;  // in the report
};

// Throws Error with file and line: unknown keys, methods and metrics, values out of range.
CompareChoices ReadCompareChoices(const Config& config);
// The keys of `songs` that say which dataset it is, from `layout` to `channels`; `split` stays
// empty.
SongChoice ReadDataset(const Config& config);
// All else, where the configuration has no `songs`: the songs' other keys lie in `config` itself.
// `methods` come before those of `config`, `dataset.split` is the default of its key. Who calls it
// asks CheckAllRead().
CompareChoices ReadCompareChoices(const Config& config, SongChoice dataset,
                                  std::vector<MethodChoice> methods);
// Throws Error at `where` for names that can be no folder's, or that one of `before` has.
void CheckMethodName(const MethodChoice& method, const std::vector<MethodChoice>& before,
                     const std::string& where);

}  // namespace stemsmith
