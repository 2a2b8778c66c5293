#include "train/mix_reader.h"

#include <algorithm>

namespace stemsmith {

MixReader::MixReader(const CacheReader& cache, std::size_t track, std::int64_t start,
                     std::int64_t frames)
    : cache_(cache), track_(track), start_(start) {
  info_.sample_rate_hz = cache.sample_rate_hz();
  info_.channels = cache.channels();
  info_.frames = info_.expected_frames = frames;
  info_.format = "cache";
}

std::size_t MixReader::Read(float* out, std::size_t frames) {
  const std::int64_t count = std::min(static_cast<std::int64_t>(frames), info_.frames - given_);
  if (count <= 0) return 0;
  const auto size = static_cast<std::size_t>(count);
  stems_.resize(cache_.stems().size() * static_cast<std::size_t>(info_.channels) * size);
  cache_.ReadStems(track_, start_ + given_, count, stems_.data());
  const AudioBuffer mix = SumStems(stems_, info_.channels, size);
  Interleave(mix.channel(0), info_.channels, size, out);
  given_ += count;
  return size;
}

AudioBuffer SumStems(const std::vector<float>& stems, int channels, std::size_t frames) {
  AudioBuffer mix(channels, frames);
  const std::size_t size = mix.samples().size();
  for (std::size_t i = 0; i < stems.size(); ++i) mix.samples()[i % size] += stems[i];
  return mix;
}

}  // namespace stemsmith
