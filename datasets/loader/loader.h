// The streaming loader: worker threads fill batches of augmented segments, in order, a bounded
// number ahead.
//
// Sample number i of epoch e is a function of (seed, e, i) and the cache alone, so any number of
// threads gives the same batches. Next() is called by one thread. An exception of a worker reaches
// the caller of Next().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "augment/augment.h"
#include "datasets/cache/cache.h"

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
};

// Pooled: handing a Batch back (its destruction) makes its buffers free for a later one. May
// outlive the loader.
struct Batch {
  std::int64_t batch = 0, stems = 0, channels = 0;
  std::int64_t frames = 0;        // T: segment_frames + 2 · context_frames
  std::vector<float> mix;         // [B, C, T] = sum of stems over S
  std::vector<float> stem_audio;  // [B, S, C, T]
  // From a cache of spectrograms both hold magnitudes: `channels` is C · F, `frames` is N =
  // segment_frames / hop, and the mixture's are not the sum of the stems'.
  std::uint64_t epoch = 0;
  std::int64_t index = 0;           // number of the batch in its epoch
  std::vector<std::string> tracks;  // B names: the song that the first stem comes from
};

// A place in the sample stream; what a checkpoint keeps.
struct LoaderPosition {
  std::uint64_t epoch = 0;
  std::int64_t batch = 0;
  bool operator==(const LoaderPosition&) const = default;
};

class Loader {
 public:
  // `cache` must outlive the loader. Throws Error when the split holds no track, or none as long as
  // a segment, and for options out of range. A cache of spectrograms takes no augmentation, and its
  // hop and n_fft / 2 for grid_frames and context_frames.
  Loader(const CacheReader& cache, AugmentChain augment, const LoaderOptions& options);
  // Waits for the samples in work, no longer.
  ~Loader();
  std::int64_t batches_per_epoch() const;
  // The next batch; runs on into the next epoch without end. When a sample of it could not be made,
  // throws what its worker threw (of several: the first in the batch) in the batch's place; the
  // call after goes on behind it.
  std::shared_ptr<const Batch> Next();
  // The position of the batch that Next() gives next.
  LoaderPosition position() const;
  // Goes on from there; discards what was prefetched. Throws Error for a batch that the epoch does
  // not have.
  void Seek(const LoaderPosition& position);
  // Seconds that Next() has waited so far.
  double seconds_waited() const;
  // Draws so far that were given up because their audio is damaged (OnBadDraw::kSkip).
  std::int64_t skipped_draws() const;
  // What prefetch_batches came to.
  int prefetch_batches() const;
  // Batches in memory: in work, ready, free for reuse, and held by callers. Never more than
  // prefetch_batches() plus the most that callers have held at one time.
  std::int64_t live_batches() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stemsmith
