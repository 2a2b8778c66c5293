// What is wanted of a song: which files, and how.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "separate/stem_mix.h"

namespace stemsmith {

struct JobRequest {
  StemChoice choice;
  int shifts = 0;

  // With keys stems, preset, two_stems, mixes, shifts; others are left out. Throws Error::Usage.
  static JobRequest FromJson(const nlohmann::json& json);
  nlohmann::json ToJson() const;  // the same text for equal requests
  // The files that this model makes of it. Throws Error::Usage where it cannot.
  std::vector<std::string> Files(const std::vector<std::string>& model_stems) const;
  // As options of `separate`.
  std::vector<std::string> Options() const;
};

inline constexpr int kMostShifts = 20;

}  // namespace stemsmith
