#include "datasets/loader/batch_pool.h"

#include <sys/mman.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace stemsmith {
namespace {

// Zeros, in huge pages where the system gives them: batches are written from end to end, and every
// fresh small page costs a walk through the page tables.
void Allocate(std::vector<float>& audio, std::int64_t count) {
  audio.reserve(static_cast<std::size_t>(count));
  constexpr std::uintptr_t kHugePage = std::uintptr_t{2} << 20;
  const auto begin = reinterpret_cast<std::uintptr_t>(audio.data());
  const auto end = begin + static_cast<std::uintptr_t>(count) * sizeof(float);
  const auto first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const auto last = end / kHugePage * kHugePage;
  // Whether it is done is the system's choice.
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  audio.resize(static_cast<std::size_t>(count));
}

}  // namespace

std::shared_ptr<Batch> BatchPool::Take() {
  std::unique_ptr<Batch> batch;
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      batch = std::move(free_.back());
      free_.pop_back();
    } else {
      free_.reserve(static_cast<std::size_t>(live_ + 1));  // so that PutBack cannot fail
      ++live_;
    }
  }
  if (batch == nullptr) {
    try {
      batch = Make();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      --live_;
      throw;
    }
  }
  return {batch.release(), [pool = shared_from_this()](Batch* b) { pool->PutBack(b); }};
}

void BatchPool::Close() {
  std::vector<std::unique_ptr<Batch>> unused;
  const std::lock_guard lock(mutex_);
  closed_ = true;
  live_ -= static_cast<std::int64_t>(free_.size());
  unused.swap(free_);
}

std::int64_t BatchPool::live() const {
  const std::lock_guard lock(mutex_);
  return live_;
}

std::unique_ptr<Batch> BatchPool::Make() const {
  auto batch = std::make_unique<Batch>();
  batch->batch = shape_.batch;
  batch->stems = shape_.stems;
  batch->channels = shape_.channels;
  batch->frames = shape_.frames;
  Allocate(batch->mix, shape_.batch * shape_.mix_size());
  Allocate(batch->stem_audio, shape_.batch * shape_.stems_size());
  batch->tracks.resize(static_cast<std::size_t>(shape_.batch));
  return batch;
}

void BatchPool::PutBack(Batch* handed_back) {
  std::unique_ptr<Batch> batch(handed_back);
  const std::lock_guard lock(mutex_);
  if (closed_) {
    --live_;
    return;
  }
  free_.push_back(std::move(batch));
}

}  // namespace stemsmith
