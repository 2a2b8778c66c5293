// Integrated loudness after ITU-R BS.1770-4 of stems that are given as a stream. Memory grows by a
// number per stem and 100 ms. One thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace stemsmith {

class LoudnessMeter {
 public:
  // Rates below 4 kHz, for which the standard's filters make no sense, are not measured.
  LoudnessMeter(int stems, int channels, int sample_rate_hz);
  ~LoudnessMeter();
  LoudnessMeter(const LoudnessMeter&) = delete;
  LoudnessMeter& operator=(const LoudnessMeter&) = delete;

  // Frames of all stems, interleaved [T, S · C].
  void Add(const float* interleaved, std::size_t frames);
  // LUFS of each stem; `silent` where nothing is above the standard's gate of -70 LUFS, and where
  // there are less than 400 ms. Empty where nothing is measured.
  std::vector<double> Measure(double silent) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The same of one channel, at a rate of at least 4 kHz; -infinity for silence.
double IntegratedLoudness(std::span<const float> samples, int sample_rate_hz);

}  // namespace stemsmith
