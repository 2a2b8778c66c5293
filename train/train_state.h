// Where a training run stands: all of it that is not tensors. Lies as JSON in the checkpoint's
// training_state.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "datasets/loader.h"

namespace stemsmith {

struct TrainState {
  static constexpr int kVersion = 1;

  std::int64_t step = 0;    // optimiser steps done
  LoaderPosition position;  // of the batch that comes next
  double seconds = 0.0;     // trained so far, validations included, over all resumptions
  double loss_sum = 0.0;    // of the steps since the last record in metrics.jsonl
  std::int64_t loss_count = 0;
  nlohmann::json validation;  // the latest figures with their "step"; null before the first
  nlohmann::json best;        // those of the best checkpoint
  std::string config;         // the resolved configuration
  std::string cache_fingerprint;
  int threads = 0;  // compute threads: another number rounds differently
  std::string device;
  int ranks = 1;  // processes that train together

  nlohmann::json ToJson() const;
  // Throws Error (`where` names the file) for states of a newer version and for damaged ones.
  static TrainState FromJson(const nlohmann::json& json, const std::string& where);
};

}  // namespace stemsmith
