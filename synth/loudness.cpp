#include "synth/loudness.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace stemsmith::synth {
namespace {

struct Biquad {
  double b0, b1, b2, a1, a2;
  double z1 = 0, z2 = 0;
  double operator()(double x) {  // transposed direct form II
    const double y = b0 * x + z1;
    z1 = b1 * x - a1 * y + z2;
    z2 = b2 * x - a2 * y;
    return y;
  }
};

// The standard gives the two filters of the K-weighting for 48 kHz; these are the analogue filters
// behind them, carried over to any rate by the bilinear transform.
Biquad HeadFilter(double rate) {
  const double f0 = 1681.974450955533, gain_db = 3.999843853973347, q = 0.7071752369554196;
  const double k = std::tan(std::numbers::pi * f0 / rate);
  const double vh = std::pow(10.0, gain_db / 20.0), vb = std::pow(vh, 0.4996667741545416);
  const double a0 = 1 + k / q + k * k;
  return {(vh + vb * k / q + k * k) / a0, 2 * (k * k - vh) / a0, (vh - vb * k / q + k * k) / a0,
          2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0};
}

Biquad HighPass(double rate) {
  const double f0 = 38.13547087602444, q = 0.5003270373238773;
  const double k = std::tan(std::numbers::pi * f0 / rate);
  const double a0 = 1 + k / q + k * k;
  return {1, -2, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0};
}

double Lufs(double power) { return -0.691 + 10 * std::log10(power); }

// The mean power of the blocks louder than the gate; 0 where there is none.
double GatedPower(const std::vector<double>& blocks, double gate_lufs) {
  double sum = 0;
  std::size_t count = 0;
  for (const double power : blocks) {
    if (power <= 0 || Lufs(power) <= gate_lufs) continue;
    sum += power;
    ++count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

}  // namespace

double IntegratedLoudness(std::span<const float> samples, int sample_rate_hz) {
  // Blocks of 400 ms that begin every 100 ms.
  const auto hop = static_cast<std::size_t>(sample_rate_hz / 10);
  Biquad head = HeadFilter(sample_rate_hz), high_pass = HighPass(sample_rate_hz);
  std::vector<double> tenths;  // energies of 100 ms
  for (std::size_t at = 0; at + hop <= samples.size(); at += hop) {
    double energy = 0;
    for (std::size_t i = at; i < at + hop; ++i) {
      const double y = high_pass(head(samples[i]));
      energy += y * y;
    }
    tenths.push_back(energy);
  }
  std::vector<double> blocks;
  for (std::size_t i = 3; i < tenths.size(); ++i)
    blocks.push_back((tenths[i - 3] + tenths[i - 2] + tenths[i - 1] + tenths[i]) /
                     static_cast<double>(4 * hop));
  const double audible = GatedPower(blocks, -70);
  if (audible <= 0) return -std::numeric_limits<double>::infinity();
  return Lufs(GatedPower(blocks, std::max(-70.0, Lufs(audible) - 10)));
}

}  // namespace stemsmith::synth
