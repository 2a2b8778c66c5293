// Integrated loudness after ITU-R BS.1770-4, of one channel. Thread-safe.
#pragma once

#include <span>

namespace stemsmith::synth {

// In LUFS; -infinity where no 400 ms block is above the absolute gate of -70 LUFS (silence, or less
// than 400 ms of audio).
double IntegratedLoudness(std::span<const float> samples, int sample_rate_hz);

}  // namespace stemsmith::synth
