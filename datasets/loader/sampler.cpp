#include "datasets/loader/sampler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <utility>

namespace stemsmith {
namespace {

// What the streams of one (seed, epoch, …) are for.
enum Purpose : std::uint64_t { kOrder, kPlace, kAugment, kRetry, kTurn, kEpoch };

// Steps that a track has only begun count: a segment may end in silence.
TrackTable InSteps(const TrackTable& tracks, std::int64_t step) {
  std::vector<std::int64_t> steps;
  for (std::size_t i = 0; i < tracks.size(); ++i)
    steps.push_back((tracks.frames(i) + step - 1) / step);
  return TrackTable(std::move(steps), tracks.sample_rate_hz());
}

}  // namespace

std::uint64_t PermutedIndex(std::uint64_t index, std::uint64_t size, const RandomStream& key) {
  assert(index < size);
  // The network permutes 2 · half_bits bits: the smallest such range that holds the size, less than
  // four times as large, so that few rounds of feeding in again are needed.
  const int half_bits = std::max(1, (static_cast<int>(std::bit_width(size - 1)) + 1) / 2);
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  std::array<std::uint64_t, 6> keys;
  RandomStream draws = key;
  for (std::uint64_t& round : keys) round = draws.Bits();
  do {
    std::uint64_t left = index >> half_bits, right = index & mask;
    for (const std::uint64_t round : keys)
      left = std::exchange(right, left ^ (MixBits(right ^ round) & mask));
    index = left << half_bits | right;
  } while (index >= size);
  return index;
}

Sampler::Sampler(TrackTable tracks, const SamplerOptions& options)
    : tracks_(std::move(tracks)),
      grid_(InSteps(tracks_, options.grid_frames)),
      segment_steps_(options.segment_frames / options.grid_frames),
      options_(options) {
  assert(tracks_.total_frames() > 0 && options.segment_frames > 0 && options.batch_size > 0);
  assert(options.grid_frames > 0 && options.segment_frames % options.grid_frames == 0);
  assert(options.rank >= 0 && options.rank < options.world_size);
  const std::int64_t wanted = options.samples_per_epoch > 0 ? options.samples_per_epoch
                                                            : grid_.total_frames() / segment_steps_;
  const std::int64_t batch = options.batch_size * options.world_size;
  batches_ = std::max<std::int64_t>(1, wanted / (batch * options.batches_per_step)) *
             options.batches_per_step;
  samples_ = batches_ * batch;
}

ReadPlan::Piece Sampler::Draw(std::uint64_t epoch, std::int64_t index,
                              std::uint64_t attempt) const {
  assert(index >= 0 && index < samples_);
  if (attempt > 0) {
    RandomStream place = SampleStream(epoch, index, attempt).Fork(kPlace);
    return InFrames(grid_.Draw(segment_steps_, place));
  }
  const RandomStream order = RandomStream({options_.seed, epoch}).Fork(kOrder);
  const auto stretch = static_cast<__int128>(PermutedIndex(
      static_cast<std::uint64_t>(index), static_cast<std::uint64_t>(samples_), order));
  const std::int64_t total = grid_.total_frames();
  const auto begin = static_cast<std::int64_t>(stretch * total / samples_);
  const auto end = static_cast<std::int64_t>((stretch + 1) * total / samples_);
  RandomStream place = SampleStream(epoch, index, attempt).Fork(kPlace);
  // More samples than steps leave stretches empty; their begin still lies in the audio.
  const auto length = static_cast<std::uint64_t>(std::max<std::int64_t>(1, end - begin));
  return InFrames(grid_.At(begin + static_cast<std::int64_t>(place.Below(length)), segment_steps_));
}

ReadPlan::Piece Sampler::InFrames(ReadPlan::Piece steps) const {
  steps.start_frame = steps.start_frame * options_.grid_frames - options_.context_frames;
  return steps;
}

RandomStream Sampler::AugmentStream(std::uint64_t epoch, std::int64_t index,
                                    std::uint64_t attempt) const {
  return SampleStream(epoch, index, attempt).Fork(kAugment);
}

RandomStream Sampler::EpochStream(std::uint64_t epoch) const {
  return RandomStream({options_.seed, epoch}).Fork(kEpoch);
}

std::int64_t Sampler::Turn(std::uint64_t epoch, std::int64_t index, std::int64_t kinds) const {
  const RandomStream order = RandomStream({options_.seed, epoch}).Fork(kTurn);
  return static_cast<std::int64_t>(PermutedIndex(static_cast<std::uint64_t>(index),
                                                 static_cast<std::uint64_t>(samples_), order)) %
         kinds;
}

RandomStream Sampler::SampleStream(std::uint64_t epoch, std::int64_t index,
                                   std::uint64_t attempt) const {
  const RandomStream sample({options_.seed, epoch, static_cast<std::uint64_t>(index)});
  return attempt == 0 ? sample : sample.Fork(kRetry).Fork(attempt);
}

}  // namespace stemsmith
