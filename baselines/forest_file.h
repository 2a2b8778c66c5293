// The file of a fitted forest: docs/baselines.md describes it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "baselines/forest_options.h"
#include "baselines/forest_trees.h"

namespace stemsmith {

struct ForestFile {
  std::vector<std::string> stems;
  int sample_rate_hz = 0;
  ForestOptions options;
  std::vector<std::string> songs;               // that it learnt from
  std::vector<std::vector<std::string>> trees;  // of each stem, as the library writes them
};

// Throws Error.
void WriteForest(const ForestFile& forest, const std::filesystem::path& path);
// Throws Error for a file that is no forest, a damaged one and one of a newer version.
ForestFile ReadForest(const std::filesystem::path& path);

// Both load the module; throw Error where it is missing.
GrowTreesFunction LoadGrowTrees();
ReadTreesFunction LoadReadTrees();

}  // namespace stemsmith
