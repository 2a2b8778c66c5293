// Cuts silence out of a stream of stems. What may turn out to be long enough to be cut is held
// back, so memory is bound by the shortest silence that is cut. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace stemsmith {

// Kept of a silence next to what sounds, on either side.
inline constexpr double kSilenceGuardSeconds = 0.05;

struct SilenceTrimmerOptions {
  int stems = 1;     // S
  int channels = 2;  // C, of each
  // A frame is silent where no sample of a stem, nor of the sum of the stems, reaches this level.
  double threshold_db = -60.0;
  // Silences of at least so many frames are cut, but for the guards; more than two guards.
  std::int64_t min_silence_frames = 44100;
  std::int64_t guard_frames = 2205;
};

class SilenceTrimmer {
 public:
  explicit SilenceTrimmer(const SilenceTrimmerOptions& options);

  // Takes frames, interleaved [T, S · C], and gives those that are now known to stay (maybe none):
  // [T', S · C], valid until the next call.
  const std::vector<float>& Push(const float* interleaved, std::size_t frames);
  // The rest, at the end.
  const std::vector<float>& Finish();

 private:
  bool Sounds(const float* frame) const;
  void HoldSilent(const float* frame);
  void EndSilence();
  bool cuts() const { return silence_ >= options_.min_silence_frames; }

  const SilenceTrimmerOptions options_;
  const std::size_t columns_;
  const float threshold_;
  bool started_ = false;      // something sounded before
  std::int64_t silence_ = 0;  // frames of the silence that goes on
  std::vector<float> held_;   // of it: what is neither given nor known to be cut
  std::vector<float> given_;
};

}  // namespace stemsmith
