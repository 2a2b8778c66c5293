// Throughput of the training loop since the last reset. One thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace stemsmith {

class Meter {
 public:
  // `waited` is the loader's seconds_waited().
  void Reset(double waited) {
    start_ = std::chrono::steady_clock::now();
    waited_ = waited;
    samples_ = 0;
  }
  void Add(std::int64_t samples) { samples_ += samples; }
  // Leaves out time that was not spent on training steps.
  void Exclude(double seconds) {
    start_ += std::chrono::duration_cast<std::chrono::steady_clock::duration>(
        std::chrono::duration<double>(seconds));
  }
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  double samples_per_second() const {
    return static_cast<double>(samples_) / std::max(1e-9, seconds());
  }
  // The share of the time in which training waited for data.
  double wait_share(double waited) const {
    return std::clamp((waited - waited_) / std::max(1e-9, seconds()), 0.0, 1.0);
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double waited_ = 0.0;
  std::int64_t samples_ = 0;
};

}  // namespace stemsmith
