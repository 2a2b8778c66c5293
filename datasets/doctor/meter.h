// Level meters of the doctor: fed with blocks as a file is decoded, memory bounded. A meter belongs
// to one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/doctor/finding.h"

namespace stemsmith {

// Levels in windows of DoctorLimits::window_seconds, all channels together.
class WindowMeter {
 public:
  WindowMeter(int channels, int sample_rate_hz, const DoctorLimits& limits);
  // Interleaved [T, C].
  void Add(const float* samples, std::size_t frames);
  // Counts the last window, which may be shorter. Once, at the end.
  void Finish();
  // Time in windows louder than DoctorLimits::silence_db.
  double sounding_seconds() const;
  // kLowestRmsDb where nothing but zeros came.
  double loudest_db() const;

 private:
  void CloseWindow();

  int channels_, sample_rate_hz_;
  std::size_t window_frames_, filled_ = 0;
  double silence_power_, energy_ = 0, loudest_power_ = 0;
  std::int64_t sounding_frames_ = 0;
};

// What is measured of a whole file at its own rate.
class StemMeter {
 public:
  StemMeter(int channels, int sample_rate_hz, const DoctorLimits& limits);
  void Add(const float* samples, std::size_t frames);
  void Finish() { windows_.Finish(); }

  std::int64_t frames() const { return frames_; }
  double seconds() const { return static_cast<double>(frames_) / sample_rate_hz_; }
  const WindowMeter& windows() const { return windows_; }
  // The mean of the channel where it is farthest from 0.
  double dc_offset() const;
  // Runs of DoctorLimits::clip_run or more full-scale samples, and what they hold.
  std::int64_t clipped_runs() const { return clipped_runs_; }
  double clipped_share() const;  // of all samples
  double first_clip_seconds() const { return first_clip_seconds_; }

 private:
  struct Channel {
    double sum = 0;
    float last = 0;
    int run = 0;  // samples at full scale up to now
  };
  int sample_rate_hz_;
  DoctorLimits limits_;
  WindowMeter windows_;
  std::vector<Channel> channels_;
  std::int64_t frames_ = 0, clipped_runs_ = 0, clipped_samples_ = 0;
  double first_clip_seconds_ = 0;
};

}  // namespace stemsmith
