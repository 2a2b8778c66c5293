// Exponential moving averages of the weights, over steps and over epochs: they take out the noise
// of single steps. Each is validated beside the weights of the step; the best of all is what is
// kept as best and exported. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "models/checkpoint.h"

namespace stemsmith {

class WeightAverage {
 public:
  // Starts as a copy of the model's state. The model must outlive it, on the device where it is.
  WeightAverage(std::string name, double decay, const SeparationModel& model);

  const std::string& name() const { return name_; }  // "batch_0.999"
  // A copy of the model's state before the first update.
  const NamedTensors& state() const { return state_; }
  std::int64_t updates() const { return updates_; }

  // average ← average + w · (weight − average) with w = (1 − decay) / (1 − decayⁿ) at update number
  // n: the mean of all weights so far, those of k updates ago weighted by decayᵏ. The random start
  // has no part in it. Buffers (running statistics) are averaged as weights are, counts are copied.
  void Update();
  // Goes on from a state; by name. Throws Error (`where` names the file) for missing or differently
  // shaped tensors.
  void Load(const NamedTensors& state, std::int64_t updates, const std::string& where);

 private:
  std::string name_;
  double decay_;
  std::int64_t updates_ = 0;
  NamedTensors state_;
  // The same tensors in the order of the model's: of floating point, and the rest.
  std::vector<torch::Tensor> weights_, averages_, counts_, count_copies_;
};

// All averages of a run.
class WeightAverages {
 public:
  // `config` is the `ema` node: `batch` and `epoch`, lists of decays. Throws Error for decays
  // outside of (0, 1) and for one that stands twice.
  WeightAverages(const Config& config, const SeparationModel& model);

  bool empty() const { return averages_.empty(); }
  void AfterStep() { Update(steps_); }
  void AfterEpoch() { Update(epochs_); }
  // Those with an update.
  std::vector<const WeightAverage*> Updated() const;

  // "NAME.WEIGHT" of all averages, the live tensors; and their numbers of updates by name.
  NamedTensors State() const;
  std::map<std::string, std::int64_t> Updates() const;
  // Takes what State() and Updates() gave. Averages that are not in it stay what they are; their
  // names are returned. Throws Error as WeightAverage::Load.
  std::vector<std::string> Load(const NamedTensors& state,
                                const std::map<std::string, std::int64_t>& updates,
                                const std::string& where);

 private:
  using List = std::vector<WeightAverage*>;
  static void Update(const List& list) {
    for (WeightAverage* average : list) average->Update();
  }
  std::vector<std::unique_ptr<WeightAverage>> averages_;
  List steps_, epochs_;
};

// "batch_0.999": how records and checkpoints call an average.
std::string AverageName(const std::string& kind, double decay);

// A copy of the tensors that does not change with the model.
NamedTensors CloneTensors(const NamedTensors& tensors);

}  // namespace stemsmith
