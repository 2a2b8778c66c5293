#include "picture/picture_axis.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/text.h"

namespace stemsmith {

double NiceStep(double range, int most) {
  const double rough = range / std::max(most, 1);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * (1 - 1e-9)) return factor * power;
  }
  return 10.0 * power;
}

std::string TickLabel(double value, double step) {
  const double magnitude = std::max(std::abs(value), step);
  if (magnitude >= 1e7 || magnitude < 1e-5) return Formatted("%.3g", value);
  if (step >= 1000.0) return value == 0.0 ? "0" : Formatted("%gk", value / 1000.0);
  const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 8);
  return Formatted("%.*f", decimals, value);
}

double NiceTimeStep(double seconds, int most) {
  for (const double step : {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0,
                            120.0, 300.0, 600.0, 1800.0}) {
    if (seconds / step <= most) return step;
  }
  return NiceStep(seconds, most);
}

std::vector<AxisMark> FrequencyMarks(int sample_rate_hz) {
  const double low = LowestShownHz(sample_rate_hz), high = HighestShownHz(sample_rate_hz);
  std::vector<AxisMark> marks;
  for (const double hertz : {100.0, 1000.0, 10000.0}) {
    if (hertz < low || hertz > high) continue;
    marks.push_back(
        {std::log(hertz / low) / std::log(high / low),
         hertz < 1000 ? Formatted("%.0f Hz", hertz) : Formatted("%.0f kHz", hertz / 1000)});
  }
  return marks;
}

std::vector<AxisMark> TimeMarks(double seconds) {
  const double step = NiceTimeStep(seconds, 5);
  std::vector<AxisMark> marks;
  for (int i = 0; i * step <= seconds * (1 + 1e-9); ++i)
    marks.push_back({std::min(1.0, i * step / seconds), TickLabel(i * step, step) + " s"});
  return marks;
}

double LowestShownHz(int sample_rate_hz) { return std::min(40.0, sample_rate_hz / 8.0); }
double HighestShownHz(int sample_rate_hz) { return std::min(20000.0, sample_rate_hz / 2.0); }

// Nine samples of the perceptually uniform map "magma", black through magenta to cream; linear
// between them.
Colour Magma(double level) {
  constexpr std::array<Colour, 9> kSamples = {{{0, 0, 4},
                                               {28, 16, 68},
                                               {79, 18, 123},
                                               {129, 37, 129},
                                               {181, 54, 122},
                                               {229, 80, 100},
                                               {251, 135, 97},
                                               {254, 194, 135},
                                               {252, 253, 191}}};
  const double position = std::clamp(level, 0.0, 1.0) * (kSamples.size() - 1);
  const auto i = std::min(static_cast<std::size_t>(position), kSamples.size() - 2);
  const double share = position - static_cast<double>(i);
  const auto mix = [share](int a, int b) {
    return static_cast<std::uint8_t>(std::lround(a + share * (b - a)));
  };
  return {mix(kSamples[i].red, kSamples[i + 1].red), mix(kSamples[i].green, kSamples[i + 1].green),
          mix(kSamples[i].blue, kSamples[i + 1].blue)};
}

std::vector<float> MonoMix(const AudioBuffer& audio) {
  std::vector<float> mono(audio.frames(), 0.0f);
  for (int c = 0; c < audio.channels(); ++c) {
    for (std::size_t t = 0; t < mono.size(); ++t) mono[t] += audio.channel(c)[t];
  }
  for (float& sample : mono) sample /= static_cast<float>(std::max(audio.channels(), 1));
  return mono;
}

}  // namespace stemsmith
