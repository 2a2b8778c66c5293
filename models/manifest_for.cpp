#include "models/manifest_for.h"

#include <cmath>

#include "core/error.h"
#include "core/option.h"

namespace stemsmith {
namespace {

// Of our own training, or of the files that weights were imported from.
nlohmann::json TrainingSummary(const Checkpoint& checkpoint) {
  const nlohmann::json& state = checkpoint.training_state;
  nlohmann::json summary;
  if (!checkpoint.source.is_null()) summary["source"] = checkpoint.source;
  if (!state.is_object()) return summary;
  for (const char* key : {"step", "seconds", "best"}) {
    if (state.contains(key)) summary[key] = state[key];
  }
  return summary;
}

}  // namespace

Manifest ManifestFor(const Checkpoint& checkpoint, const SeparationModel& model,
                     double segment_seconds, const std::string& where) {
  constexpr double kLongestSegmentSeconds = 3600;
  if (!(segment_seconds >= 0 && segment_seconds <= kLongestSegmentSeconds)) {
    throw Error::Usage("the segment must be between 0 and 3600 seconds", Option("segment-seconds"),
                       "leave it out to use the length trained with");
  }
  const std::string name = Config::Parse(checkpoint.model_config, where).RequiredString("name");
  const std::int64_t wanted =
      segment_seconds > 0 ? std::llround(segment_seconds * checkpoint.setting.sample_rate_hz)
                          : checkpoint.segment_frames;
  Manifest manifest;
  manifest.model_name = name;
  manifest.stems = checkpoint.setting.stems;
  manifest.sample_rate_hz = checkpoint.setting.sample_rate_hz;
  manifest.channels = checkpoint.setting.channels;
  manifest.length = model.length_rule();
  if (checkpoint.tail == Tail::kContext && model.fills_with_context()) {
    manifest.kept_frames = model.taken_lengths().Nearest(wanted);
    manifest.segment_frames = manifest.length.AtLeast(manifest.kept_frames);
  } else {
    manifest.segment_frames = manifest.length.Nearest(wanted);
  }
  manifest.song_normalization = checkpoint.song_normalization;
  manifest.tail = checkpoint.tail;
  manifest.stft = model.stft();
  manifest.training = TrainingSummary(checkpoint);
  return manifest;
}

}  // namespace stemsmith
