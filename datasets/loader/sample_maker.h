// Makes the samples of the loader's batches: plans where each stem is read from, reads, augments,
// sums the mixture. Fill() may be called by many threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "augment/augment.h"
#include "datasets/cache/cache.h"
#include "datasets/loader/batch_pool.h"
#include "datasets/loader/options.h"
#include "datasets/loader/sampler.h"
#include "datasets/loader/sounding.h"

namespace stemsmith {

class SampleMaker {
 public:
  // As the Loader. `options` are within their ranges.
  SampleMaker(const CacheReader& cache, AugmentChain augment, const LoaderOptions& options);

  const Sampler& sampler() const { return sampler_; }
  const BatchShape& shape() const { return shape_; }
  // Memory that does not depend on batches and threads, once all tracks were read.
  std::int64_t table_bytes() const;
  // Memory of each thread besides what augmentations take.
  std::int64_t thread_bytes() const { return cache_.thread_bytes(); }
  // Writes sample `slot` of the batch at `position`. Throws what reading and augmentations throw.
  void Fill(Batch& batch, const LoaderPosition& position, std::int64_t slot) const;
  // Draws given up so far because their audio is damaged.
  std::int64_t skipped_draws() const { return skipped_draws_; }

 private:
  struct Planned {
    ReadPlan plan;
    RandomStream random;
    std::uint64_t attempt = 0;
  };
  // The first attempt from `attempt` on that sounds as the options ask; of too many, the best.
  Planned Plan(const EpochSamples& epoch, std::uint64_t epoch_number, std::int64_t index,
               std::uint64_t attempt) const;
  // Reads all stems of the plan with these changes, one per stem (or none at all), and writes their
  // sum to `mix` [C, plan.frames] where it is not null.
  void Read(const ReadPlan& plan, std::span<const StemChange> changes, const StemBlock& block,
            float* mix) const;
  // The sample: augmented stems [S, C, T] and their sum [C, T].
  void Make(const Planned& planned, float* stems, float* mix) const;
  void ReportDamage(const DamagedAudio& damage) const;

  const CacheReader& cache_;
  const AugmentChain augment_;
  const LoaderOptions options_;
  const std::vector<std::size_t> numbers_;  // of the split's tracks in the cache
  const Sampler sampler_;
  const BatchShape shape_;
  const std::int64_t sample_frames_;                // of audio
  const std::unique_ptr<const Sounding> sounding_;  // null where levels do not matter

  mutable std::atomic<std::int64_t> skipped_draws_ = 0;
  mutable std::mutex reported_mutex_;
  mutable std::set<std::string> reported_;  // places of damage
};

}  // namespace stemsmith
