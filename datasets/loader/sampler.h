// Which segment is sample number i of epoch e: uniform in time over the tracks, and a function of
// (seed, e, i) and the tracks alone.
//
// An epoch of N samples cuts the tracks, laid end to end, into N equal stretches, visits these in
// random order, and takes a random point of each. Every epoch so hears every part of the data about
// once, at other starts. Immutable, shared by threads.
#pragma once

#include <cstdint>

#include "augment/augment.h"
#include "core/random.h"

namespace stemsmith {

struct SamplerOptions {
  std::int64_t segment_frames = 6 * 44100;
  std::int64_t grid_frames = 1;       // segments start at multiples of it; divides segment_frames
  std::int64_t context_frames = 0;    // what a sample holds more on both sides of its segment
  std::int64_t batch_size = 8;        // B, per rank
  std::int64_t batches_per_step = 1;  // an epoch is a multiple of so many batches
  // N before it is cut down to whole steps of all ranks; 0: total length / segment length. Not
  // fewer than one step per rank.
  std::int64_t samples_per_epoch = 0;
  std::uint64_t seed = 42;
  int rank = 0, world_size = 1;  // rank r has the samples with index % world_size == r
};

class Sampler {
 public:
  // `tracks` must hold audio; options are positive, 0 ≤ rank < world_size.
  Sampler(TrackTable tracks, const SamplerOptions& options);

  const TrackTable& tracks() const { return tracks_; }
  // N, over all ranks: batches_per_epoch · batch_size · world_size.
  std::int64_t samples_per_epoch() const { return samples_; }
  std::int64_t batches_per_epoch() const { return batches_; }
  // Index in the epoch of a place in a batch of this rank. The k-th batches of all ranks together
  // are the k-th batch of a single rank with batch_size · world_size.
  std::int64_t IndexOf(std::int64_t batch, std::int64_t slot) const {
    return (batch * options_.batch_size + slot) * options_.world_size + options_.rank;
  }

  // Where a sample is read from, index in [0, N): context_frames before its segment. Attempt 0 is
  // the segment of the stretch; any later one, for when that does not do, is a segment from
  // anywhere, uniform in time.
  ReadPlan::Piece Draw(std::uint64_t epoch, std::int64_t index, std::uint64_t attempt = 0) const;
  // The stream that the sample's augmentation draws from; independent of the segment's.
  RandomStream AugmentStream(std::uint64_t epoch, std::int64_t index,
                             std::uint64_t attempt = 0) const;
  // A stream that all samples of an epoch have in common.
  RandomStream EpochStream(std::uint64_t epoch) const;
  // One of `kinds` for each sample: all of them equally often in an epoch (± 1), in random order.
  std::int64_t Turn(std::uint64_t epoch, std::int64_t index, std::int64_t kinds) const;

 private:
  RandomStream SampleStream(std::uint64_t epoch, std::int64_t index, std::uint64_t attempt) const;
  ReadPlan::Piece InFrames(ReadPlan::Piece steps) const;

  TrackTable tracks_;
  TrackTable grid_;  // the tracks in steps of the grid
  std::int64_t segment_steps_ = 0;
  SamplerOptions options_;
  std::int64_t samples_ = 0, batches_ = 0;
};

// The image of `index` under a permutation of 0 … size-1 that `key` chooses: a Feistel network
// whose results beyond the size are fed in again. No table, so that any place of any epoch costs
// the same.
std::uint64_t PermutedIndex(std::uint64_t index, std::uint64_t size, const RandomStream& key);

}  // namespace stemsmith
