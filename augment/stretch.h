// What the module libstemsmith_rubberband.so gives to pitch_tempo. Plain data, so that nothing of
// Rubber Band is seen outside of the module.
#pragma once

#include <cstdint>

namespace stemsmith {

struct StretchRequest {
  int sample_rate_hz = 44100;
  int channels = 0;          // of all stems together: they share one time map and so stay in step
  double time_ratio = 1.0;   // length of the result / length of the input
  double pitch_scale = 1.0;  // frequencies are multiplied by it
  const float* const* in = nullptr;
  std::int64_t frames_in = 0;  // > 0
  float* const* out = nullptr;
  std::int64_t frames_out = 0;  // filled up with silence, or cut off
};

// The symbol `stemsmith_stretch`. Thread-safe. Throws std::bad_alloc.
using StretchFunction = void (*)(const StretchRequest& request);

}  // namespace stemsmith
