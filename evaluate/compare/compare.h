// `stemsmith compare`: songs through methods, and figures of what comes out (docs/compare.md).
//
// DIR/songs/SONG/        the songs (compared_songs.h)
// DIR/stems/METHOD/SONG/ the estimates as STEM.wav
// DIR/results/METHOD/SONG.json, DIR/times/METHOD/SONG.json   what is kept between runs
// DIR/results.csv, results.json (compare_summary.h), times.json, report.html
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/host.h"
#include "evaluate/compare/choices.h"
#include "evaluate/compare/compare_summary.h"

namespace stemsmith {

struct CompareOptions {
  std::filesystem::path out;     // DIR
  std::filesystem::path report;  // the page; empty: DIR/report.html
  bool keep_stems = true;        // false: estimates are removed once they are measured
  int threads = 0;               // separations side by side; 0: one per processor
  Device device;                 // of models
  Host host;
};

struct CompareResult {
  std::vector<std::string> stems;          // the songs' targets
  std::vector<MethodEvaluations> methods;  // as SortByMeanSdr leaves them
  std::vector<CompareFailure> failures;    // told to the host, too; the others are complete
  nlohmann::json summary;                  // what results.json holds
  std::filesystem::path report;            // empty where this build has no reports
  std::size_t made = 0, kept = 0;          // results
};

// The figures are the same for any number of threads. A result counts as long as the method, the
// song and the settings of the figures are the same; what was interrupted continues. Throws Error
// where nothing can be compared, and Error::Stopped where the host asks to stop.
CompareResult CompareMethods(const CompareChoices& choices, const CompareOptions& options);

}  // namespace stemsmith
