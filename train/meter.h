// Throughput of the training loop since the last reset. One thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace stemsmith {

class Meter {
 public:
  // `waited` is the loader's seconds_waited(), `computed` the seconds spent in forward, backward
  // and optimiser.
  void Reset(double waited, double computed = 0.0) {
    start_ = std::chrono::steady_clock::now();
    left_out_ = 0.0;
    waited_ = waited;
    computed_ = computed;
    samples_ = 0;
  }
  void Add(std::int64_t samples) { samples_ += samples; }
  // Leaves so many of the last seconds out.
  void Leave(double seconds) { left_out_ += seconds; }
  double seconds() const {
    const auto passed = std::chrono::steady_clock::now() - start_;
    return std::chrono::duration<double>(passed).count() - left_out_;
  }
  double samples_per_second() const {
    return static_cast<double>(samples_) / std::max(1e-9, seconds());
  }
  // The share of the time in which training waited for data.
  double wait_share(double waited) const {
    return std::clamp((waited - waited_) / std::max(1e-9, seconds()), 0.0, 1.0);
  }
  // The share in which it neither waited nor computed.
  double other_share(double waited, double computed) const {
    const double other = seconds() - (waited - waited_) - (computed - computed_);
    return std::clamp(other / std::max(1e-9, seconds()), 0.0, 1.0);
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double left_out_ = 0.0;
  double waited_ = 0.0, computed_ = 0.0;
  std::int64_t samples_ = 0;
};

// Adds the time of its scope to a sum.
class TimedScope {
 public:
  explicit TimedScope(double& seconds) : seconds_(seconds) {}
  ~TimedScope() { seconds_ += meter_.seconds(); }
  TimedScope(const TimedScope&) = delete;
  TimedScope& operator=(const TimedScope&) = delete;

 private:
  double& seconds_;
  Meter meter_;
};

}  // namespace stemsmith
