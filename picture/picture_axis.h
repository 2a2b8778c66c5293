// Axes, scales and colours of pictures. Private to core/.
#pragma once

#include <string>
#include <vector>

#include "audio/audio.h"
#include "picture/picture_font.h"

namespace stemsmith {

// The step of 1, 2 or 5 times a power of ten that divides `range` into at most `most` parts. range
// > 0.
double NiceStep(double range, int most);
// As many decimals as the step needs; thousands as "20k" where all would be long.
std::string TickLabel(double value, double step);
// Seconds between ticks of a time axis (1, 2, 5, 10, 15, 30, 60 …) for at most `most` parts.
double NiceTimeStep(double seconds, int most);

// What stands beside an axis: `place` in [0, 1] from its low end, and words.
struct AxisMark {
  double place = 0.0;
  std::string label;
};
// The few that small spectrograms have: 100 Hz, 1 kHz, 10 kHz of what is shown; and seconds.
std::vector<AxisMark> FrequencyMarks(int sample_rate_hz);
std::vector<AxisMark> TimeMarks(double seconds);
inline constexpr Colour kPaper{255, 255, 255}, kMuted{96, 102, 115}, kTick{150, 156, 168};

// Of spectrograms: how much of the range below the loudest point is seen, the range of frequencies
// for a sample rate, the colour of a level in [0, 1] and the mean of a signal's channels.
inline constexpr double kSpectrogramRangeDb = 80.0;
double LowestShownHz(int sample_rate_hz);
double HighestShownHz(int sample_rate_hz);
Colour Magma(double level);
std::vector<float> MonoMix(const AudioBuffer& audio);

}  // namespace stemsmith
