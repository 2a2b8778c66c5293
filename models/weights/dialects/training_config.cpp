#include "models/weights/dialects/training_config.h"

#include "models/weights/dialects/json_options.h"

namespace stemsmith {

ModelPlan PlanOfTraining(const Config& config, const Config& data, const std::string& stems_key,
                         const ModelPlan& fallback) {
  ModelPlan plan = fallback;
  const std::string name = config.RequiredString("model");
  plan.model = {{"name", name}};
  plan.model.update(JsonOptions(config.Child(name)));
  plan.places = OptionPlaces(config.Child(name));
  plan.setting.stems = data.Strings(stems_key);
  plan.setting.sample_rate_hz = static_cast<int>(data.IntegerIn("samplerate", 44100, 1000, 768000));
  plan.setting.channels = static_cast<int>(data.IntegerIn("channels", 2, 1, 64));
  plan.song_normalization = SongNormalization::kMeanStd;
  plan.tail = Tail::kContext;
  return plan;
}

double TrainedSeconds(const Config& data) { return data.NumberIn("segment", 11, 0, 3600); }

}  // namespace stemsmith
