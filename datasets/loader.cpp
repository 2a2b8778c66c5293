#include "datasets/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "core/error.h"
#include "datasets/batch_pool.h"
#include "datasets/sampler.h"

namespace stemsmith {
namespace {

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

std::string Seconds(std::int64_t frames, int sample_rate_hz) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f s", static_cast<double>(frames) / sample_rate_hz);
  return text;
}

void CheckRange(const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return;
  throw Error::Usage(std::string(name) + " is " + std::to_string(value), "loader options",
                     "give a number from " + std::to_string(low) + " to " + std::to_string(high));
}

void CheckOptions(const LoaderOptions& options) {
  constexpr std::int64_t kMany = std::int64_t{1} << 40;
  CheckRange("segment_frames", options.segment_frames, 1, kMany);
  CheckRange("batch_size", options.batch_size, 1, 65536);
  CheckRange("samples_per_epoch", options.samples_per_epoch, 0, kMany);
  CheckRange("threads", options.threads, 1, 1024);
  CheckRange("prefetch_batches", options.prefetch_batches, 1, 65536);
  CheckRange("world_size", options.world_size, 1, 65536);
  CheckRange("rank", options.rank, 0, options.world_size - 1);
}

TrackTable TableOf(const CacheReader& cache, const std::vector<std::size_t>& numbers,
                   const LoaderOptions& options) {
  const std::string where = "split " + Quoted(options.split) + " of the cache";
  if (numbers.empty()) {
    std::vector<std::string> splits;
    for (const CachedTrack& track : cache.tracks())
      if (std::find(splits.begin(), splits.end(), track.split) == splits.end())
        splits.push_back(track.split);
    std::string advice = "the cache is empty: prepare it again from a dataset with songs";
    for (std::size_t i = 0; i < splits.size(); ++i)
      advice = (i == 0 ? "the cache has " : advice + ", ") + Quoted(splits[i]);
    throw Error::Input("there is no track to draw from", where, advice);
  }
  std::vector<std::int64_t> frames;
  for (const std::size_t number : numbers) frames.push_back(cache.tracks()[number].frames);
  TrackTable table(std::move(frames), cache.sample_rate_hz());
  if (table.longest_frames() < options.segment_frames)
    throw Error::Input("no track is as long as a segment of " +
                           Seconds(options.segment_frames, cache.sample_rate_hz()),
                       where,
                       "the longest has " +
                           Seconds(table.longest_frames(), cache.sample_rate_hz()) +
                           ": shorten the segment");
  return table;
}

SamplerOptions SamplerOptionsOf(const LoaderOptions& options) {
  return {.segment_frames = options.segment_frames,
          .batch_size = options.batch_size,
          .samples_per_epoch = options.samples_per_epoch,
          .seed = options.seed,
          .rank = options.rank,
          .world_size = options.world_size};
}

// [S, count] → sum over S, always in the order of the stems; in pieces that stay in the processor's
// cache.
void SumStems(const float* stems, std::int64_t stem_count, std::int64_t count, float* mix) {
  constexpr std::int64_t kPiece = 4096;
  for (std::int64_t begin = 0; begin < count; begin += kPiece) {
    const std::int64_t length = std::min(kPiece, count - begin);
    float* out = mix + begin;
    std::copy_n(stems + begin, length, out);
    for (std::int64_t s = 1; s < stem_count; ++s) {
      const float* in = stems + s * count + begin;
      for (std::int64_t i = 0; i < length; ++i) out[i] += in[i];
    }
  }
}

}  // namespace

struct Loader::Impl {
 public:
  Impl(const CacheReader& cache, AugmentChain augment, const LoaderOptions& options)
      : cache_(cache),
        augment_(std::move(augment)),
        options_((CheckOptions(options), options)),
        numbers_(cache.TracksOf(options.split)),
        sampler_(TableOf(cache, numbers_, options), SamplerOptionsOf(options)),
        shape_{.batch = options.batch_size,
               .stems = static_cast<std::int64_t>(cache.stems().size()),
               .channels = cache.channels(),
               .frames = options.segment_frames},
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
    return !paused_ && !opening_ && static_cast<int>(jobs_.size()) < options_.prefetch_batches;
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
      FillSample(*job.batch, job.position, slot);
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
    const std::int64_t bytes = 4 * shape_.batch * (shape_.mix_size() + shape_.stems_size());
    return std::make_exception_ptr(
        Error::Input("no memory for a batch of " + std::to_string(bytes >> 20) + " MiB", "loader",
                     "lower the batch size, the segment length, or prefetch_batches"));
  }

  void FillSample(Batch& batch, const LoaderPosition& position, std::int64_t slot) const {
    const std::int64_t index = sampler_.IndexOf(position.batch, slot);
    const RandomStream random = sampler_.AugmentStream(position.epoch, index);
    ReadPlan plan;
    plan.frames = shape_.frames;
    plan.stems.assign(static_cast<std::size_t>(shape_.stems), sampler_.Draw(position.epoch, index));
    augment_.Plan(plan, sampler_.tracks(), random);

    float* stems = batch.stem_audio.data() + slot * shape_.stems_size();
    Read(plan, stems);
    StemBlock block{.data = stems,
                    .stems = static_cast<int>(shape_.stems),
                    .channels = static_cast<int>(shape_.channels),
                    .frames = shape_.frames,
                    .sample_rate_hz = cache_.sample_rate_hz()};
    augment_.Apply(block, random);
    SumStems(stems, shape_.stems, shape_.mix_size(), batch.mix.data() + slot * shape_.mix_size());
    batch.tracks[static_cast<std::size_t>(slot)] =
        cache_.tracks()[numbers_[plan.stems.front().track]].name;
  }

  void Read(const ReadPlan& plan, float* out) const {
    const ReadPlan::Piece& first = plan.stems.front();
    const bool together = std::all_of(plan.stems.begin(), plan.stems.end(),
                                      [&](const ReadPlan::Piece& piece) { return piece == first; });
    if (together) {
      cache_.ReadStems(numbers_[first.track], first.start_frame, plan.frames, out);
      return;
    }
    for (std::size_t s = 0; s < plan.stems.size(); ++s)
      cache_.ReadStem(numbers_[plan.stems[s].track], s, plan.stems[s].start_frame, plan.frames,
                      out + static_cast<std::int64_t>(s) * shape_.mix_size());
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

  const CacheReader& cache_;
  const AugmentChain augment_;
  const LoaderOptions options_;
  const std::vector<std::size_t> numbers_;  // of the split's tracks in the cache
  const Sampler sampler_;
  const BatchShape shape_;
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

}  // namespace stemsmith
