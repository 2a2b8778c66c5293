#include "datasets/loader/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "core/error.h"
#include "datasets/loader/batch_pool.h"
#include "datasets/loader/sample_maker.h"

namespace stemsmith {
namespace {

void CheckRange(const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return;
  throw Error::Usage(std::string(name) + " is " + std::to_string(value), "loader options",
                     "give a number from " + std::to_string(low) + " to " + std::to_string(high));
}

void CheckOptions(const LoaderOptions& options) {
  constexpr std::int64_t kMany = std::int64_t{1} << 40;
  CheckRange("segment_frames", options.segment_frames, 1, kMany);
  CheckRange("grid_frames", options.grid_frames, 1, options.segment_frames);
  CheckRange("context_frames", options.context_frames, 0, kMany);
  if (options.segment_frames % options.grid_frames != 0) {
    throw Error::Usage("segment_frames is " + std::to_string(options.segment_frames),
                       "loader options",
                       "give a multiple of grid_frames, " + std::to_string(options.grid_frames));
  }
  CheckRange("batch_size", options.batch_size, 1, 65536);
  CheckRange("batches_per_step", options.batches_per_step, 1, 65536);
  CheckRange("samples_per_epoch", options.samples_per_epoch, 0, kMany);
  CheckRange("threads", options.threads, 1, 1024);
  CheckRange("prefetch_batches", options.prefetch_batches, 1, 65536);
  CheckRange("world_size", options.world_size, 1, 65536);
  CheckRange("rank", options.rank, 0, options.world_size - 1);
  CheckRange("memory_mb", options.memory_mb, 0, std::int64_t{1} << 30);
  if (!(options.min_rms_db >= kAnyLevelDb && options.min_rms_db <= 0)) {
    throw Error::Usage("min_rms_db is " + std::to_string(options.min_rms_db), "loader options",
                       "give a level from -120 (any) to 0");
  }
}

int PrefetchBatches(const LoaderOptions& options, const SampleMaker& maker) {
  if (options.memory_mb == 0) return options.prefetch_batches;
  const std::int64_t batch_bytes = maker.shape().bytes();
  const std::int64_t rest =
      (options.memory_mb << 20) - maker.table_bytes() - options.threads * maker.thread_bytes();
  const std::int64_t held_by_caller = 1;
  const std::int64_t fitting = rest / batch_bytes - held_by_caller;
  if (rest < 0 || fitting < 1) {
    const std::int64_t least =
        (options.memory_mb << 20) - rest + (1 + held_by_caller) * batch_bytes;
    throw Error::Usage(
        "memory_mb of " + std::to_string(options.memory_mb) + " does not hold two batches",
        "loader options",
        "give at least " + std::to_string((least + (1 << 20) - 1) >> 20) +
            ", or make the batch or the segment smaller");
  }
  return static_cast<int>(std::min<std::int64_t>(options.prefetch_batches, fitting));
}

}  // namespace

struct Loader::Impl {
 public:
  Impl(const CacheReader& cache, AugmentChain augment, const LoaderOptions& options)
      : options_((CheckOptions(options), options)),
        maker_(cache, std::move(augment), options),
        sampler_(maker_.sampler()),
        shape_(maker_.shape()),
        prefetch_batches_(PrefetchBatches(options, maker_)),
        pool_(std::make_shared<BatchPool>(shape_)) {
    try {
      for (int i = 0; i < options_.threads; ++i) workers_.emplace_back([this] { Work(); });
    } catch (const std::system_error&) {
      Stop();
      throw Error::Input("the system starts no more threads", "loader options",
                         "lower the number of loader threads");
    }
  }

  ~Impl() {
    Stop();
    jobs_.clear();
    pool_->Close();
  }

  std::shared_ptr<const Batch> Next() {
    Job job;
    {
      std::unique_lock lock(mutex_);
      const auto ready = [this] { return !jobs_.empty() && jobs_.front().done == shape_.batch; };
      if (!ready()) {
        const auto begin = std::chrono::steady_clock::now();
        caller_cv_.wait(lock, ready);
        waited_ += std::chrono::steady_clock::now() - begin;
      }
      job = std::move(jobs_.front());
      jobs_.pop_front();
      next_ = After(next_);
    }
    workers_cv_.notify_all();
    if (job.error) std::rethrow_exception(std::move(job.error));
    return std::move(job.batch);
  }

  LoaderPosition position() const {
    const std::lock_guard lock(mutex_);
    return next_;
  }

  void Seek(const LoaderPosition& position) {
    if (position.batch < 0 || position.batch >= sampler_.batches_per_epoch())
      throw Error::Input("the sample stream has no batch " + std::to_string(position.batch),
                         "loader position",
                         "an epoch has " + std::to_string(sampler_.batches_per_epoch()) +
                             " batches: was the dataset or the batch size changed?");
    {
      std::unique_lock lock(mutex_);
      // Samples in work are let finish first, so that the bound on memory holds here too.
      paused_ = true;
      caller_cv_.wait(lock, [this] { return busy_ == 0; });
      jobs_.clear();
      next_ = ahead_ = position;
      paused_ = false;
    }
    workers_cv_.notify_all();
  }

  std::int64_t batches_per_epoch() const { return sampler_.batches_per_epoch(); }

  double seconds_waited() const {
    const std::lock_guard lock(mutex_);
    return std::chrono::duration<double>(waited_).count();
  }

  std::int64_t live_batches() const { return pool_->live(); }
  std::int64_t skipped_draws() const { return maker_.skipped_draws(); }
  int prefetch_batches() const { return prefetch_batches_; }

 private:
  // A batch in work. Its samples are claimed one by one, so that all workers fill one batch
  // together.
  struct Job {
    std::shared_ptr<Batch> batch;
    LoaderPosition position;
    std::int64_t claimed = 0, done = 0;  // samples
    std::exception_ptr error;            // of the first sample that failed
    std::int64_t error_slot = 0;
  };

  LoaderPosition After(const LoaderPosition& position) const {
    if (position.batch + 1 < sampler_.batches_per_epoch())
      return {position.epoch, position.batch + 1};
    return {position.epoch + 1, 0};
  }

  // Only the job opened last can have samples to claim: the next one is opened when these are gone.
  bool CanClaim() const {
    return !paused_ && !jobs_.empty() && jobs_.back().claimed < shape_.batch;
  }
  bool CanOpen() const {
    return !paused_ && !opening_ && static_cast<int>(jobs_.size()) < prefetch_batches_;
  }

  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      workers_cv_.wait(lock, [this] { return stop_ || CanClaim() || CanOpen(); });
      if (stop_) return;
      ++busy_;
      if (CanClaim())
        FillOne(lock);
      else
        OpenOne(lock);
      // The caller waits for its batch, or (in Seek) for the last busy worker.
      if (--busy_ == 0 || jobs_.front().done == shape_.batch) caller_cv_.notify_all();
    }
  }

  // Both are called and return with the lock held, and let go of it meanwhile. Jobs stay where they
  // are in the deque until their samples are done.
  void FillOne(std::unique_lock<std::mutex>& lock) {
    Job& job = jobs_.back();
    const std::int64_t slot = job.claimed++;
    lock.unlock();
    std::exception_ptr error;
    try {
      maker_.Fill(*job.batch, job.position, slot);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error && (!job.error || slot < job.error_slot)) {
      job.error = std::move(error);
      job.error_slot = slot;
    }
    ++job.done;
  }

  void OpenOne(std::unique_lock<std::mutex>& lock) {
    opening_ = true;
    Job job{.position = std::exchange(ahead_, After(ahead_))};
    lock.unlock();
    try {
      job.batch = pool_->Take();
      job.batch->epoch = job.position.epoch;
      job.batch->index = job.position.batch;
    } catch (...) {
      job.error = MemoryError();
      job.claimed = job.done = shape_.batch;
    }
    lock.lock();
    opening_ = false;
    jobs_.push_back(std::move(job));
    workers_cv_.notify_all();
  }

  std::exception_ptr MemoryError() const {
    return std::make_exception_ptr(
        Error::Input("no memory for a batch of " + std::to_string(shape_.bytes() >> 20) + " MiB",
                     "loader", "lower the batch size, the segment length, or prefetch_batches"));
  }

  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    workers_cv_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

  const LoaderOptions options_;
  const SampleMaker maker_;
  const Sampler& sampler_;
  const BatchShape& shape_;
  const int prefetch_batches_;
  const std::shared_ptr<BatchPool> pool_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable workers_cv_, caller_cv_;
  std::deque<Job> jobs_;         // in order; the front is what Next() gives
  LoaderPosition next_, ahead_;  // what Next() gives; what is opened next
  int busy_ = 0;                 // workers that work without the lock
  bool opening_ = false;         // one of them makes a job
  bool paused_ = false, stop_ = false;
  std::chrono::steady_clock::duration waited_{};
  std::vector<std::thread> workers_;
};

Loader::Loader(const CacheReader& cache, AugmentChain augment, const LoaderOptions& options)
    : impl_(std::make_unique<Impl>(cache, std::move(augment), options)) {}
Loader::~Loader() = default;
std::int64_t Loader::batches_per_epoch() const { return impl_->batches_per_epoch(); }
std::shared_ptr<const Batch> Loader::Next() { return impl_->Next(); }
LoaderPosition Loader::position() const { return impl_->position(); }
void Loader::Seek(const LoaderPosition& position) { impl_->Seek(position); }
double Loader::seconds_waited() const { return impl_->seconds_waited(); }
std::int64_t Loader::live_batches() const { return impl_->live_batches(); }
std::int64_t Loader::skipped_draws() const { return impl_->skipped_draws(); }
int Loader::prefetch_batches() const { return impl_->prefetch_batches(); }

}  // namespace stemsmith
