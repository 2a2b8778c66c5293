// What is asked of the loader.
#pragma once

#include <cstdint>
#include <string>

#include "core/host.h"

namespace stemsmith {

// What becomes of a sample whose audio is damaged in the cache.
enum class OnBadDraw {
  kFail,  // Next() throws
  kSkip,  // the sample is drawn again; each damaged place is warned of once
};

// min_rms_db that asks for nothing, and what a stem has to reach for balance_stems with it.
inline constexpr double kAnyLevelDb = -120.0, kBalancedLevelDb = -60.0;

struct LoaderOptions {
  std::string split = "train";
  std::int64_t segment_frames = 6 * 44100;  // T
  // Segments start at multiples of it, the hop of a spectrogram; it divides segment_frames.
  std::int64_t grid_frames = 1;
  // A sample holds so much more on both sides of its segment: what windows at its ends look at.
  std::int64_t context_frames = 0;
  int batch_size = 8;  // B, per rank
  // Batches that a step of training takes: epochs are whole steps, so that these hold the samples
  // that batches of batch_size · batches_per_step would.
  int batches_per_step = 1;
  // Over all ranks, cut down to whole steps, not fewer than one step per rank.
  // 0: the split's length / segment length.
  std::int64_t samples_per_epoch = 0;
  std::uint64_t seed = 42;
  int threads = 2;
  int prefetch_batches = 4;  // batches ready or in work; bounds the memory
  // Above 0: as few of them as make all memory of the loader fit into so many MiB, with one batch
  // held by the caller and all tracks of the cache read. Not counted is what augmentations take.
  std::int64_t memory_mb = 0;
  int rank = 0, world_size = 1;  // rank r takes the samples with index % world_size == r
  // Samples are drawn again, a bounded number of times, until each stem has this level (dB relative
  // to full scale) over the segment. Stems that do not reach it over their whole song are excused.
  double min_rms_db = kAnyLevelDb;
  // Instead of all stems, one of them has to sound: another one from sample to sample, all equally
  // often.
  bool balance_stems = false;
  OnBadDraw on_bad_draw = OnBadDraw::kFail;
  Listener warn;  // of samples that were skipped
};

}  // namespace stemsmith
