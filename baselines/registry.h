// The table of classical methods: a file and a row each, with settings in
// configs/baselines/NAME.yaml.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "baselines/baseline.h"
#include "core/config.h"

namespace stemsmith {

struct BaselineRow {
  const char* name;
  const char* summary;
  const char* paper;
  // Looks at all of a song before it gives the first frame (songs that are too long for that: at
  // overlapping parts, baselines/parted_song.h); false: a stream in constant memory.
  bool whole_song;
  // Is shown the true stems: how good a method of its kind can be at best.
  bool needs_references;
  // Must be fitted to songs before (baselines/forest_fit.h): without the setting `model` there is
  // none, and its stems are those of the songs.
  bool needs_fit;
  // Reads the settings; throws Error with file and line for a value out of range.
  std::unique_ptr<Baseline> (*make)(const Config& settings);
};

const std::vector<BaselineRow>& BaselineTable();
// The row of a name; throws Error::Usage with the nearest.
const BaselineRow& FindBaseline(const std::string& name);
// Throws Error for settings that nobody knows, too.
std::unique_ptr<Baseline> MakeBaseline(const BaselineRow& row, const Config& settings);

}  // namespace stemsmith
