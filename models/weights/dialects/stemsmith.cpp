// Our own words, for weights that come without any: `model: {name: …}`, `stems`, `sample_rate_hz`,
// `channels`, `segment_seconds`. What is missing is taken from what is known without.
#include "models/weights/dialects/dialect.h"
#include "models/weights/dialects/json_options.h"

namespace stemsmith {
namespace {

constexpr double kSegmentSeconds = 6;  // where nothing says how long

bool SpeaksStemsmith(const Config& config) {
  return config.Has("model") && config.Value("model").IsMap() &&
         config.Child("model").Has("name") && !config.Child("training").Has("instruments");
}

ModelPlan PlanOfStemsmithConfig(const Config& config, const ModelPlan& fallback) {
  ModelPlan plan = fallback;
  plan.model = WithSeenSizes(JsonOptions(config.Value("model")), fallback, config.Where(),
                             plan.notes);
  plan.places = OptionPlaces(config.Value("model"));
  plan.setting.stems = config.Strings("stems", fallback.setting.stems);
  plan.setting.sample_rate_hz = static_cast<int>(
      config.IntegerIn("sample_rate_hz", fallback.setting.sample_rate_hz, 1000, 768000));
  const int channels =
      fallback.seen.channels > 0 ? fallback.seen.channels : fallback.setting.channels;
  plan.setting.channels = static_cast<int>(config.IntegerIn("channels", channels, 1, 64));
  const double seconds = config.NumberIn("segment_seconds", 0, 0, 3600);
  plan.SetSegment(fallback.segment_frames == 0 && seconds == 0 ? kSegmentSeconds : seconds);
  return plan;
}

}  // namespace

Dialect StemsmithDialect() {
  return {
      .program = "stemsmith", .speaks = &SpeaksStemsmith, .plan_of_config = &PlanOfStemsmithConfig};
}

}  // namespace stemsmith
