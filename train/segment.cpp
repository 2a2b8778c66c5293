#include "train/segment.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace stemsmith {

std::int64_t ChooseSegmentFrames(const CacheReader& cache, const SeparationModel& model,
                                 const TrainOptions& options, const Config& config) {
  const std::vector<std::size_t> tracks = cache.TracksOf("train");
  if (tracks.empty()) {
    throw Error::Input("the cache holds no songs of the split 'train'", options.cache.string(),
                       "prepare it from a dataset that has a train folder");
  }
  const int rate = cache.sample_rate_hz();
  std::int64_t longest = 0;
  std::string longest_name;
  for (const std::size_t track : tracks) {
    if (cache.tracks()[track].frames <= longest) continue;
    longest = cache.tracks()[track].frames;
    longest_name = cache.tracks()[track].name;
  }

  const std::int64_t wanted =
      std::max<std::int64_t>(1, std::llround(options.segment_seconds * rate));
  const LengthRule rule = model.taken_lengths();
  std::int64_t frames = rule.Nearest(wanted);
  if (frames > longest && rule.HasShorter(frames)) frames = rule.Shorter(frames);
  if (wanted > longest || frames > longest) {
    throw Error::Usage("the segment (" + SecondsText(std::max(wanted, frames), rate) +
                           ") is longer than every training song (the longest is '" + longest_name +
                           "', " + SecondsText(longest, rate) + ")",
                       config.Child("dataset").Where("segment_seconds"),
                       "make dataset.segment_seconds smaller");
  }

  if (options.samples_per_epoch == 0) {
    std::int64_t segments = 0;
    for (const std::size_t track : tracks)
      segments += (cache.tracks()[track].frames + frames - 1) / frames;
    if (options.samples_per_step() > segments) {
      throw Error::Usage(StepText(options) + " is larger than the dataset (" +
                             std::to_string(segments) + " segments of " +
                             SecondsText(frames, rate) + ")",
                         config.Child("train").Where("batch_size"),
                         "make the batch or the segment smaller, or set dataset.samples_per_epoch");
    }
  }
  return frames;
}

}  // namespace stemsmith
