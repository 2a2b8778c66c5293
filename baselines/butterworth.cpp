#include "baselines/butterworth.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>
#include <utility>

namespace stemsmith {

std::vector<FilterSection> Butterworth(PassBand pass, int order, double corner_hz, double rate_hz) {
  const double k = std::tan(std::numbers::pi * corner_hz / rate_hz);
  const double sign = pass == PassBand::kLow ? 1 : -1;
  std::vector<FilterSection> sections;
  if (order % 2 == 1) {
    const double scale = 1 / (1 + k), b = (pass == PassBand::kLow ? k : 1) * scale;
    sections.push_back({b, sign * b, 0, (k - 1) * scale, 0});
  }
  for (int pair = 0; pair < order / 2; ++pair) {
    const double damping = 2 * std::sin(std::numbers::pi * (2 * pair + 1) / (2 * order));
    const double scale = 1 / (1 + damping * k + k * k);
    const double b = (pass == PassBand::kLow ? k * k : 1) * scale;
    sections.push_back(
        {b, sign * 2 * b, b, 2 * (k * k - 1) * scale, (1 - damping * k + k * k) * scale});
  }
  return sections;
}

SectionFilter::SectionFilter(std::vector<FilterSection> sections)
    : sections_(std::move(sections)), states_(sections_.size()) {}

double SectionFilter::Next(double sample) {
  for (std::size_t i = 0; i < sections_.size(); ++i) {
    const FilterSection& section = sections_[i];
    State& state = states_[i];
    const double out = section.b0 * sample + state.first;
    state.first = section.b1 * sample - section.a1 * out + state.second;
    state.second = section.b2 * sample - section.a2 * out;
    sample = out;
  }
  return sample;
}

void SectionFilter::Run(double* samples, std::size_t count) {
  for (std::size_t t = 0; t < count; ++t) samples[t] = Next(samples[t]);
}

void SectionFilter::RunBackward(double* samples, std::size_t count) {
  for (std::size_t t = count; t-- > 0;) samples[t] = Next(samples[t]);
}

void SectionFilter::Reset() { std::fill(states_.begin(), states_.end(), State{}); }

std::size_t SectionFilter::SettlingFrames() const {
  double largest = 0;  // distance of a pole from the centre: what is left after a frame
  for (const FilterSection& section : sections_) {
    const std::complex<double> root =
        std::sqrt(std::complex<double>(section.a1 * section.a1 - 4 * section.a2));
    largest = std::max(
        {largest, std::abs((-section.a1 + root) / 2.0), std::abs((-section.a1 - root) / 2.0)});
  }
  if (largest <= 0) return 2;
  return 2 + static_cast<std::size_t>(std::ceil(std::log(1e-9) / std::log(largest)));
}

}  // namespace stemsmith
