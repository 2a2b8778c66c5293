// The streaming loader: worker threads fill batches of augmented segments, in order, a bounded
// number ahead.
//
// Sample number i of epoch e is a function of (seed, e, i) and the cache alone, so any number of
// threads gives the same batches. Next() is called by one thread. An exception of a worker reaches
// the caller of Next().
#pragma once

#include <cstdint>
#include <memory>

#include "augment/augment.h"
#include "datasets/cache/cache.h"
#include "datasets/loader/batch.h"
#include "datasets/loader/options.h"

namespace stemsmith {

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
