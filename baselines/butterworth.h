// Butterworth filters as sections of second order (Butterworth 1930, "On the Theory of Filter
// Amplifiers"; bilinear transform with prewarped corner, as scipy.signal.butter).
#pragma once

#include <cstddef>
#include <vector>

namespace stemsmith {

// y[t] = b0 x[t] + b1 x[t-1] + b2 x[t-2] - a1 y[t-1] - a2 y[t-2]
struct FilterSection {
  double b0, b1, b2, a1, a2;
};

enum class PassBand { kLow, kHigh };

// -3 dB at `corner_hz`, which lies between 0 and half the rate; `order` from 1.
std::vector<FilterSection> Butterworth(PassBand pass, int order, double corner_hz, double rate_hz);

// Sections one after another over one channel, at rest at first; transposed direct form II in
// double. A plain value: a copy continues where the original is.
class SectionFilter {
 public:
  explicit SectionFilter(std::vector<FilterSection> sections);
  // In place; backward begins with the last sample.
  void Run(double* samples, std::size_t count);
  void RunBackward(double* samples, std::size_t count);
  void Reset();
  // Frames after which what sounded before has died away to 1e-9 of its level.
  std::size_t SettlingFrames() const;

 private:
  struct State {
    double first = 0, second = 0;
  };
  double Next(double sample);
  std::vector<FilterSection> sections_;
  std::vector<State> states_;
};

}  // namespace stemsmith
