#include "datasets/doctor/meter.h"

#include <algorithm>
#include <cmath>

#include "core/decibel.h"
#include "datasets/cache/track_format.h"

namespace stemsmith {
namespace {

// Clipped samples of a run differ by no more than this: a limiter may leave the last bit of 16
// free, and float audio that merely exceeds full scale is not flat.
constexpr float kFlat = 1e-4f;

}  // namespace

WindowMeter::WindowMeter(int channels, int sample_rate_hz, const DoctorLimits& limits)
    : channels_(channels),
      sample_rate_hz_(sample_rate_hz),
      window_frames_(std::max<std::size_t>(
          1, static_cast<std::size_t>(std::lround(limits.window_seconds * sample_rate_hz)))),
      silence_power_(PowerFromDb(limits.silence_db)) {}

void WindowMeter::Add(const float* samples, std::size_t frames) {
  const auto channels = static_cast<std::size_t>(channels_);
  while (frames > 0) {
    const std::size_t count = std::min(frames, window_frames_ - filled_);
    double energy = 0;
    for (std::size_t i = 0; i < count * channels; ++i) {
      energy += static_cast<double>(samples[i]) * samples[i];
    }
    energy_ += energy;
    filled_ += count;
    samples += count * channels;
    frames -= count;
    if (filled_ == window_frames_) CloseWindow();
  }
}

void WindowMeter::CloseWindow() {
  const double power = energy_ / static_cast<double>(filled_ * static_cast<std::size_t>(channels_));
  loudest_power_ = std::max(loudest_power_, power);
  if (power > silence_power_) sounding_frames_ += static_cast<std::int64_t>(filled_);
  energy_ = 0;
  filled_ = 0;
}

void WindowMeter::Finish() {
  if (filled_ > 0) CloseWindow();
}

double WindowMeter::sounding_seconds() const {
  return static_cast<double>(sounding_frames_) / sample_rate_hz_;
}

double WindowMeter::loudest_db() const { return PowerToDb(loudest_power_, kLowestRmsDb); }

StemMeter::StemMeter(int channels, int sample_rate_hz, const DoctorLimits& limits)
    : sample_rate_hz_(sample_rate_hz),
      limits_(limits),
      windows_(channels, sample_rate_hz, limits),
      channels_(static_cast<std::size_t>(channels)) {}

void StemMeter::Add(const float* samples, std::size_t frames) {
  windows_.Add(samples, frames);
  const auto full_scale = static_cast<float>(limits_.clip_level);
  const std::size_t channels = channels_.size();
  for (std::size_t c = 0; c < channels; ++c) {
    Channel state = channels_[c];
    for (std::size_t t = 0; t < frames; ++t) {
      const float x = samples[t * channels + c];
      state.sum += x;
      if (std::abs(x) < full_scale) [[likely]] {
        state.run = 0;
        continue;
      }
      state.run = state.run > 0 && std::abs(x - state.last) <= kFlat ? state.run + 1 : 1;
      state.last = x;
      if (state.run == limits_.clip_run) {
        if (clipped_runs_ == 0) {
          first_clip_seconds_ =
              static_cast<double>(frames_ + static_cast<std::int64_t>(t)) / sample_rate_hz_;
        }
        ++clipped_runs_;
        clipped_samples_ += limits_.clip_run;
      } else if (state.run > limits_.clip_run) {
        ++clipped_samples_;
      }
    }
    channels_[c] = state;
  }
  frames_ += static_cast<std::int64_t>(frames);
}

double StemMeter::dc_offset() const {
  double largest = 0;
  for (const Channel& channel : channels_) {
    const double mean = channel.sum / static_cast<double>(std::max<std::int64_t>(frames_, 1));
    if (std::abs(mean) > std::abs(largest)) largest = mean;
  }
  return largest;
}

double StemMeter::clipped_share() const {
  const double samples = static_cast<double>(frames_) * static_cast<double>(channels_.size());
  return samples > 0 ? static_cast<double>(clipped_samples_) / samples : 0;
}

}  // namespace stemsmith
