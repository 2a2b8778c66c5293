// An exponential moving average of the weights: validated, kept as best and exported instead of the
// weights of one step, whose noise it takes out. One thread at a time.
#pragma once

#include "models/checkpoint.h"

namespace stemsmith {

class WeightAverage {
 public:
  // Starts as a copy of the model's state.
  WeightAverage(const SeparationModel& model, double decay);
  // average ← decay · average + (1 − decay) · weight; buffers (running statistics) are copied. The
  // decay rises as (1 + n) / (10 + n) first, so that the random start is soon forgotten; `step`
  // counts from 0.
  void Update(const SeparationModel& model, std::int64_t step);
  const NamedTensors& state() const { return state_; }
  void Load(const NamedTensors& state, const std::string& where);

 private:
  double decay_;
  NamedTensors state_;
};

// A copy of the tensors that does not change with the model.
NamedTensors CloneTensors(const NamedTensors& tensors);

}  // namespace stemsmith
