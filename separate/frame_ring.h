// Planar audio from one thread to another without a lock: one writes, one reads, neither waits and
// nothing is allocated after construction.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace stemsmith {

class FrameRing {
 public:
  FrameRing(int channels, std::size_t frames)
      : frames_(frames), samples_(static_cast<std::size_t>(channels), std::vector<float>(frames)) {}

  int channels() const { return static_cast<int>(samples_.size()); }

  // For the writer: how many frames there is room for, at least.
  std::size_t Room() const {
    return frames_ - static_cast<std::size_t>(written_.load(std::memory_order_relaxed) -
                                              read_.load(std::memory_order_acquire));
  }
  // Appends frames [begin, begin + count) of each channel, `count` ≤ Room(); without `in`, silence.
  void Write(const float* const* in, std::size_t begin, std::size_t count) {
    const std::uint64_t at = written_.load(std::memory_order_relaxed);
    Span(at, count, [&](std::size_t c, std::size_t place, std::size_t done, std::size_t size) {
      float* to = samples_[c].data() + place;
      if (in != nullptr) {
        std::copy_n(in[c] + begin + done, size, to);
      } else {
        std::fill_n(to, size, 0.0f);
      }
    });
    written_.store(at + count, std::memory_order_release);
  }

  // For the reader: frames that wait, at least, and how many were read or passed over before them.
  std::size_t Waiting() const {
    return static_cast<std::size_t>(written_.load(std::memory_order_acquire) -
                                    read_.load(std::memory_order_relaxed));
  }
  std::uint64_t Position() const { return read_.load(std::memory_order_relaxed); }
  // Takes `count` ≤ Waiting() frames to [begin, begin + count) of each channel. Channels whose
  // pointer is null are passed over, all of them without `out`.
  void Read(float* const* out, std::size_t begin, std::size_t count) {
    const std::uint64_t at = read_.load(std::memory_order_relaxed);
    Span(at, count, [&](std::size_t c, std::size_t place, std::size_t done, std::size_t size) {
      if (out == nullptr || out[c] == nullptr) return;
      std::copy_n(samples_[c].data() + place, size, out[c] + begin + done);
    });
    read_.store(at + count, std::memory_order_release);
  }

 private:
  // The one or two runs of memory that `count` frames from number `at` on lie in, of each channel.
  template <typename Work>
  void Span(std::uint64_t at, std::size_t count, Work&& work) {
    const std::size_t place = static_cast<std::size_t>(at % frames_);
    const std::size_t first = std::min(count, frames_ - place);
    for (std::size_t c = 0; c < samples_.size(); ++c) {
      if (first > 0) work(c, place, 0, first);
      if (first < count) work(c, 0, first, count - first);
    }
  }

  std::size_t frames_;
  std::vector<std::vector<float>> samples_;
  // Numbers of frames since the start, each moved by one side; apart, so that the sides do not take
  // a cache line from each other.
  alignas(64) std::atomic<std::uint64_t> written_{0};
  alignas(64) std::atomic<std::uint64_t> read_{0};
};

}  // namespace stemsmith
