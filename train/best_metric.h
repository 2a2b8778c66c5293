// What makes one validation better than another: `validate.metric`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/config.h"

namespace stemsmith {

class BestMetric {
 public:
  // `config` is the `validate` node. The metric is "loss" (the lowest is the best), "sdr" (the
  // highest mean over the stems), "song_sdr" or "song_nsdr" (the same of whole songs), or one
  // stem's, "sdr.vocals". Without audio (a cache of
  // spectrograms) only the loss is known, and "sdr" means that. Throws Error for unknown metrics
  // and stems (with the nearest one).
  BestMetric(const Config& config, const std::vector<std::string>& stems, bool audio);

  // Whether these figures tell of the metric at all: of whole songs not every validation does.
  bool Judges(const nlohmann::json& figures) const;
  // `figures` and `best` as ValidationFigures::ToJson gives them, with "songs" where whole songs
  // were judged. Where the metric has no value (a stem that is silent in all songs), the loss
  // decides; null is worse than any. What cannot be judged is never better.
  bool IsBetter(const nlohmann::json& figures, const nlohmann::json& best) const;
  // The same by the segments alone, which every validation is on.
  bool IsBetterOnSegments(const nlohmann::json& figures, const nlohmann::json& best) const;
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  nlohmann::json::json_pointer place_;     // of the metric in the figures; empty for the loss
  nlohmann::json::json_pointer segments_;  // of the same on segments
  bool of_songs_ = false;
};

}  // namespace stemsmith
