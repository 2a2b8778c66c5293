#include "train/excerpts.h"

#include <algorithm>
#include <cmath>

#include "separate/overlap_add.h"

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

AudioBuffer BufferOf(const torch::Tensor& audio) {  // [C, T] on the CPU
  AudioBuffer buffer(static_cast<int>(audio.size(0)), static_cast<std::size_t>(audio.size(1)));
  const torch::Tensor plain = audio.contiguous();
  std::copy_n(plain.data_ptr<float>(), plain.numel(), buffer.samples().begin());
  return buffer;
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

ExcerptSet ExcerptSource::Separate(SeparationModel& model, const torch::Device& device,
                                   std::int64_t step) const {
  torch::NoGradGuard no_grad;
  const bool was_training = model.is_training();
  model.eval();
  ExcerptSet set;
  set.step = step;
  set.sample_rate_hz = cache_.sample_rate_hz();
  set.stems = cache_.stems();
  const auto stems = static_cast<std::int64_t>(set.stems.size());
  const std::int64_t channels = cache_.channels();
  for (const Place& place : places_) {
    torch::Tensor targets = torch::empty({stems, channels, place.frames});
    cache_.ReadStems(place.track, place.start, place.frames, targets.data_ptr<float>());
    Excerpt excerpt;
    excerpt.song = cache_.tracks()[place.track].name;
    excerpt.start_seconds = static_cast<double>(place.start) / set.sample_rate_hz;
    excerpt.mixture = BufferOf(targets.sum(0));

    AudioBuffer joined(static_cast<int>(stems * channels), static_cast<std::size_t>(place.frames));
    std::size_t done = 0;
    OverlapAddOptions overlap;
    overlap.segment_frames = static_cast<std::size_t>(options_.segment_frames);
    overlap.channels_in = static_cast<int>(channels);
    overlap.channels_out = joined.channels();
    OverlapAdd separate(
        overlap,
        [&](const AudioBuffer& in, std::size_t, AudioBuffer& out) {
          const torch::Tensor mix =
              torch::from_blob(const_cast<float*>(in.samples().data()),
                               {1, channels, static_cast<std::int64_t>(in.frames())});
          const torch::Tensor estimates =
              model.forward(mix.to(device)).to(torch::kCPU, torch::kFloat32).contiguous();
          std::copy_n(estimates.data_ptr<float>(), estimates.numel(), out.samples().begin());
        },
        [&](const AudioBuffer& out) {
          for (int c = 0; c < out.channels(); ++c)
            std::copy_n(out.channel(c), out.frames(), joined.channel(c) + done);
          done += out.frames();
        });
    separate.Push(excerpt.mixture);
    separate.Finish();
    const torch::Tensor estimates =
        torch::from_blob(joined.samples().data(), {stems, channels, place.frames});
    for (std::int64_t s = 0; s < stems; ++s) {
      excerpt.targets.push_back(BufferOf(targets[s]));
      excerpt.estimates.push_back(BufferOf(estimates[s]));
    }
    set.songs.push_back(std::move(excerpt));
  }
  if (was_training) model.train();
  return set;
}

}  // namespace stemsmith
