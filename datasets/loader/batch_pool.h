// Batches that go back and forth between the loader and its callers. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "datasets/loader/batch.h"

namespace stemsmith {

struct BatchShape {
  std::int64_t batch = 0, stems = 0, channels = 0, frames = 0;
  std::int64_t mix_size() const { return channels * frames; }            // of one sample
  std::int64_t stems_size() const { return stems * channels * frames; }  // of one sample
  std::int64_t bytes() const {                                           // of a batch
    return static_cast<std::int64_t>(sizeof(float)) * batch * (mix_size() + stems_size());
  }
};

// Lives in a shared_ptr: batches that were handed out keep it alive, so they may come back when the
// loader is gone.
class BatchPool : public std::enable_shared_from_this<BatchPool> {
 public:
  explicit BatchPool(const BatchShape& shape) : shape_(shape) {}
  // A free batch, or a new one; its destruction hands it back. Throws std::bad_alloc,
  // std::length_error.
  std::shared_ptr<Batch> Take();
  // Nothing is reused from now on: free batches are released, others when they come back.
  void Close();
  // Batches in memory, handed out or free.
  std::int64_t live() const;

 private:
  std::unique_ptr<Batch> Make() const;
  void PutBack(Batch* handed_back);

  const BatchShape shape_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Batch>> free_;
  std::int64_t live_ = 0;
  bool closed_ = false;
};

}  // namespace stemsmith
