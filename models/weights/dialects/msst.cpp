// Music-Source-Separation-Training (MSST): configurations have the data under `training`, stems
// among them as `instruments`. Its weights are plain state dicts.
#include "models/weights/dialects/training_config.h"

namespace stemsmith {
namespace {

bool SpeaksMsst(const Config& config) {
  return !config.Value("model").IsMap() && config.Has("training");
}

ModelPlan PlanOfMsstConfig(const Config& config, const ModelPlan& fallback) {
  const Config data = config.Child("training");
  ModelPlan plan = PlanOfTraining(config, data, "instruments", fallback);
  plan.model.erase("num_subbands");  // of its own variant of HTDemucs; 1 is the original
  plan.SetSegment(TrainedSeconds(data));
  return plan;
}

}  // namespace

Dialect MsstDialect() {
  return {.program = "MSST", .speaks = &SpeaksMsst, .plan_of_config = &PlanOfMsstConfig};
}

}  // namespace stemsmith
