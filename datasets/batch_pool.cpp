#include "datasets/batch_pool.h"

#include <utility>

namespace stemsmith {

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
  batch->mix.resize(static_cast<std::size_t>(shape_.batch * shape_.mix_size()));
  batch->stem_audio.resize(static_cast<std::size_t>(shape_.batch * shape_.stems_size()));
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
