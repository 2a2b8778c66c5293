#include "train/excerpts.h"

#include <algorithm>
#include <cmath>

#include "separate/stem_stream.h"
#include "train/mix_reader.h"

namespace stemsmith {
namespace {

// The second from which on `seconds` of the song hold the most, by levels [all, stems] in dB: a
// stem's silence counts as -60 dB, so that many stems matter more than loud ones.
std::int64_t LiveliestSecond(const std::vector<float>& levels, std::size_t stems,
                             std::int64_t seconds) {
  const auto all = static_cast<std::int64_t>(levels.size() / stems);
  std::vector<double> sums = {0.0};  // of the seconds before
  for (std::int64_t t = 0; t < all; ++t) {
    double sum = sums.back();
    for (std::size_t s = 0; s < stems; ++s)
      sum += std::max(-60.0f, levels[static_cast<std::size_t>(t) * stems + s]) + 60.0;
    sums.push_back(sum);
  }
  std::int64_t best = 0;
  const auto held = [&](std::int64_t t) {
    return sums[static_cast<std::size_t>(t + seconds)] - sums[static_cast<std::size_t>(t)];
  };
  for (std::int64_t t = 1; t + seconds <= all; ++t)
    if (held(t) > held(best) + 1e-9) best = t;
  return best;
}

}  // namespace

ExcerptSource::ExcerptSource(const CacheReader& cache, const ExcerptOptions& options)
    : cache_(cache), options_(options) {
  if (cache.spectrogram()) return;
  const int rate = cache.sample_rate_hz();
  const auto frames = static_cast<std::int64_t>(std::llround(options.seconds * rate));
  for (const std::size_t track : cache.TracksOf(options.split)) {
    if (static_cast<std::int64_t>(places_.size()) == options.songs) break;
    const std::int64_t length = cache.tracks()[track].frames;
    Place place{track, 0, std::min(frames, length)};
    if (length > frames) {
      const std::int64_t second =
          LiveliestSecond(cache.ReadLevels(track), cache.stems().size(),
                          static_cast<std::int64_t>(std::ceil(options.seconds)));
      place.start = std::min(second * rate, length - frames);
    }
    places_.push_back(place);
  }
}

ExcerptSet ExcerptSource::Separate(Runtime& runtime, std::int64_t step) const {
  ExcerptSet set;
  set.step = step;
  set.sample_rate_hz = cache_.sample_rate_hz();
  set.stems = cache_.stems();
  const int channels = cache_.channels();
  for (const Place& place : places_) {
    Excerpt excerpt;
    excerpt.song = cache_.tracks()[place.track].name;
    excerpt.start_seconds = static_cast<double>(place.start) / set.sample_rate_hz;
    const auto frames = static_cast<std::size_t>(place.frames);
    const std::size_t size = static_cast<std::size_t>(channels) * frames;
    std::vector<float> targets(set.stems.size() * size);
    cache_.ReadStems(place.track, place.start, place.frames, targets.data());
    excerpt.mixture = SumStems(targets, channels, frames);
    for (std::size_t s = 0; s < set.stems.size(); ++s) {
      excerpt.targets.emplace_back(channels, frames);
      std::copy_n(targets.begin() + static_cast<std::ptrdiff_t>(s * size), size,
                  excerpt.targets.back().samples().begin());
    }
    StemStreamOptions options;
    options.stems = set.stems;
    options.refuse_not_finite = false;
    options.input_name = excerpt.song;
    StemStream stream(runtime,
                      std::make_unique<MixReader>(cache_, place.track, place.start, place.frames),
                      options);
    excerpt.estimates = ReadAllStems(stream);
    set.songs.push_back(std::move(excerpt));
  }
  return set;
}

}  // namespace stemsmith
