// A model at hand as a Runtime: what goes through StemStream goes through it as through a file that
// was exported of it.
#pragma once

#include <memory>
#include <string>

#include "models/separation_model.h"
#include "separate/manifest.h"
#include "separate/runtime.h"

namespace stemsmith {

// Puts a model into eval mode, and back into the mode it was in. Some models take other lengths
// while they train.
class EvalMode {
 public:
  explicit EvalMode(SeparationModel& model) : model_(model), was_training_(model.is_training()) {
    model.eval();
  }
  ~EvalMode() {
    if (was_training_) model_.train();
  }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  SeparationModel& model_;
  const bool was_training_;
};

class ModelRuntime : public Runtime {
 public:
  // `model` lies on `device` and must outlive this; it runs in eval mode, in float32 and without
  // gradients, as its weights are at the moment. `manifest` is what ManifestFor made of it.
  ModelRuntime(SeparationModel& model, Manifest manifest, const torch::Device& device)
      : model_(model), manifest_(std::move(manifest)), device_(device) {}

  const Manifest& manifest() const override { return manifest_; }
  std::string description() const override { return "the model itself, " + device_.str(); }
  int segments_at_once() const override { return device_.is_cuda() ? kSegmentsOnGpu : 1; }
  void Run(const float* mix, std::int64_t batch, std::int64_t frames, float* estimates) override;

 private:
  SeparationModel& model_;
  const Manifest manifest_;
  const torch::Device device_;
};

}  // namespace stemsmith
