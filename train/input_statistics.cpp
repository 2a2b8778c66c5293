#include "train/input_statistics.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace stemsmith {
namespace {

// More change the statistics little and cost about 30 ms each.
constexpr std::int64_t kMostSegments = 128;

}  // namespace

void ShowTrainingSongs(const CacheReader& cache, std::int64_t segment_frames,
                       const torch::Device& device, SeparationModel& model) {
  if (cache.spectrogram()) return;
  std::vector<std::pair<std::size_t, std::int64_t>> all;  // track and first frame
  for (const std::size_t track : cache.TracksOf("train")) {
    // Whole segments, or a song that is shorter than one.
    const std::int64_t whole = cache.tracks()[track].frames / segment_frames;
    for (std::int64_t i = 0; i < std::max<std::int64_t>(1, whole); ++i)
      all.emplace_back(track, i * segment_frames);
  }
  const auto total = static_cast<std::int64_t>(all.size());
  const std::int64_t wanted = std::min(kMostSegments, total);
  std::int64_t next = 0;
  model.UseStatistics([&]() -> torch::Tensor {
    if (next == wanted) return {};
    const auto& [track, start] = all[static_cast<std::size_t>(next++ * total / wanted)];
    const torch::Tensor stems = torch::empty(
        {static_cast<std::int64_t>(cache.stems().size()), cache.channels(), segment_frames});
    cache.ReadStems(track, start, segment_frames, stems.data_ptr<float>());
    return stems.sum(0).to(device);
  });
}

}  // namespace stemsmith
