// `stemsmith doctor`: what of a dataset must be fixed before hours of training. docs/doctor.md
// says what is looked for and what to do about it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/host.h"
#include "datasets/doctor/finding.h"
#include "datasets/readers/track.h"

namespace stemsmith {

struct DoctorOptions {
  std::string kind = "folders";  // row of the reader table
  ReaderOptions reader;          // where the songs lie
  std::filesystem::path recipe;  // empty: every source stem is a target
  DoctorLimits limits;
  int threads = 0;  // songs examined side by side; 0: one per core
  Host host;
};

struct TargetAudio {
  std::string name;
  struct Share {
    std::size_t songs = 0;  // that have sources for it
    double hours = 0, sounding_hours = 0;
  };
  std::map<std::string, Share> splits;
};

struct DoctorResult {
  std::vector<Finding> findings;             // errors first, then by song
  std::map<std::string, std::size_t> songs;  // per split
  double hours = 0;                          // of songs
  std::map<int, std::size_t> sample_rates;   // Hz → songs
  std::vector<TargetAudio> targets;          // in the recipe's order
  int interrupted = 0;  // the signal that stopped it: the rest is then of the songs seen so far

  std::size_t errors() const;
  std::size_t remarks() const { return findings.size() - errors(); }
};

// Decodes every file once, as streams. Memory: a block per source and thread, and 300 KB per hour
// of songs. The findings do not depend on the number of threads. Throws Error when nothing can be
// examined: no songs, unknown kind, recipe wrong.
DoctorResult ExamineDataset(const DoctorOptions& options);

}  // namespace stemsmith
