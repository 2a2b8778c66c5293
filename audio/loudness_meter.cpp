#include "audio/loudness_meter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/vector_clones.h"
#include "core/vector_types.h"

namespace stemsmith {
namespace {

constexpr int kLowestRateHz = 4000;
constexpr double kOffset = -0.691, kGateLufs = -70.0;  // of BS.1770

// Four channels side by side.
constexpr std::size_t kLanes = 4;
using Lanes = Vector<double, kLanes>;

// The K weighting of BS.1770: a shelf for the head, then a high pass, as analogue prototypes that
// give the standard's coefficients at 48 kHz (as libebur128 and others derive them).
struct Weighting {
  explicit Weighting(double rate) {
    {
      const double k = std::tan(std::numbers::pi * 1681.974450955533 / rate);
      const double q = 0.7071752369554196, high = std::pow(10.0, 3.999843853973347 / 20.0);
      const double band = std::pow(high, 0.4996667741545416), a0 = 1.0 + k / q + k * k;
      b0 = (high + band * k / q + k * k) / a0;
      const double b1 = 2.0 * (k * k - high) / a0, b2 = (high - band * k / q + k * k) / a0;
      a1 = 2.0 * (k * k - 1.0) / a0, a2 = (1.0 - k / q + k * k) / a0;
      c1 = b1 - a1 * b0, c2 = b2 - a2 * b0;
    }
    const double k = std::tan(std::numbers::pi * 38.13547087602444 / rate);
    const double q = 0.5003270373238773, a0 = 1.0 + k / q + k * k;
    h1 = 2.0 * (k * k - 1.0) / a0, h2 = (1.0 - k / q + k * k) / a0;
    d1 = -2.0 - h1, d2 = 1.0 - h2;
  }
  double b0, a1, a2, c1, c2;  // the shelf
  double h1, h2, d1, d2;      // the high pass, whose b is 1, -2, 1
};

struct State {
  Lanes s1 = {}, s2 = {}, h1 = {}, h2 = {}, sum = {};
};
static_assert(alignof(State) == sizeof(Lanes));

// BS.1770's weights of the channels: those behind the listener count 1.5 dB more, the LFE nothing.
double ChannelWeight(int channel, int channels) {
  if (channels == 4) return channel >= 2 ? 1.41 : 1.0;
  if (channels == 5) return channel >= 3 ? 1.41 : 1.0;
  if (channels < 6) return 1.0;
  if (channel == 3 || channel > 5) return 0.0;
  return channel >= 4 ? 1.41 : 1.0;
}

// kStates at once: while one waits for its last sample, the others use the time.
template <int kStates>
[[gnu::always_inline]] inline void Filter(const Weighting& k, const float* in, std::size_t step,
                                          std::size_t frames, State* states) {
  State now[kStates];
  std::copy_n(states, kStates, now);
  for (std::size_t t = 0; t < frames; ++t, in += step) {
    for (int i = 0; i < kStates; ++i) {
      State& s = now[i];
      const float* four = in + kLanes * i;
      const Lanes x = {four[0], four[1], four[2], four[3]};
      const Lanes y = k.b0 * x + s.s1, first = s.s1;
      s.s1 = (k.c1 * x + s.s2) - k.a1 * first;
      s.s2 = k.c2 * x - k.a2 * first;
      const Lanes z = y + s.h1, high = s.h1;
      s.h1 = (k.d1 * y + s.h2) - k.h1 * high;
      s.h2 = k.d2 * y - k.h2 * high;
      s.sum += z * z;
    }
  }
  std::copy_n(now, kStates, states);
}

STEMSMITH_VECTOR_CLONES void FilterFour(const Weighting& k, const float* in, std::size_t step,
                                        std::size_t frames, State* state) {
  Filter<1>(k, in, step, frames, state);
}

STEMSMITH_VECTOR_CLONES void FilterEight(const Weighting& k, const float* in, std::size_t step,
                                         std::size_t frames, State* states) {
  Filter<2>(k, in, step, frames, states);
}

}  // namespace

struct LoudnessMeter::Impl {
  Impl(int stems, int channels, int rate)
      : stems(stems),
        channels(channels),
        step_frames((rate + 5) / 10),
        weighting(rate),
        states((static_cast<std::size_t>(stems * channels) + kLanes - 1) / kLanes),
        energies(static_cast<std::size_t>(stems)) {}
  void EndStep();

  int stems, channels;
  std::size_t step_frames, filled = 0;
  Weighting weighting;
  std::vector<State> states;                  // by four columns
  std::vector<std::vector<double>> energies;  // per stem, of each 100 ms
  std::vector<float> padded;                  // the last columns where they are not four
};

LoudnessMeter::LoudnessMeter(int stems, int channels, int sample_rate_hz) {
  if (sample_rate_hz >= kLowestRateHz)
    impl_ = std::make_unique<Impl>(stems, channels, sample_rate_hz);
}

LoudnessMeter::~LoudnessMeter() = default;

void LoudnessMeter::Impl::EndStep() {
  std::size_t column = 0;
  for (std::vector<double>& energy : energies) {
    double sum = 0;
    for (int c = 0; c < channels; ++c, ++column)
      sum += ChannelWeight(c, channels) * states[column / kLanes].sum[column % kLanes];
    energy.push_back(sum);
  }
  for (State& state : states) state.sum = Lanes{};
  filled = 0;
}

void LoudnessMeter::Add(const float* interleaved, std::size_t frames) {
  if (!impl_) return;
  Impl& impl = *impl_;
  const auto columns = static_cast<std::size_t>(impl.stems * impl.channels);
  while (frames > 0) {
    const std::size_t count = std::min(frames, impl.step_frames - impl.filled);
    std::size_t column = 0;
    for (; column + 2 * kLanes <= columns; column += 2 * kLanes)
      FilterEight(impl.weighting, interleaved + column, columns, count,
                  &impl.states[column / kLanes]);
    for (; column < columns; column += kLanes) {
      const float* in = interleaved + column;
      std::size_t step = columns;
      if (column + kLanes > columns) {
        impl.padded.assign(kLanes * count, 0.0f);
        for (std::size_t t = 0; t < count; ++t)
          std::copy_n(in + t * columns, columns - column, &impl.padded[kLanes * t]);
        in = impl.padded.data();
        step = kLanes;
      }
      FilterFour(impl.weighting, in, step, count, &impl.states[column / kLanes]);
    }
    interleaved += count * columns;
    frames -= count;
    impl.filled += count;
    if (impl.filled == impl.step_frames) impl.EndStep();
  }
}

std::vector<double> LoudnessMeter::Measure(double silent) const {
  std::vector<double> loudness;
  if (!impl_) return loudness;
  const auto lufs = [](double energy) { return kOffset + 10.0 * std::log10(energy); };
  for (const std::vector<double>& steps : impl_->energies) {
    // Blocks of 400 ms, one every 100 ms.
    std::vector<double> blocks;
    for (std::size_t i = 3; i < steps.size(); ++i) {
      const double energy = (steps[i - 3] + steps[i - 2] + steps[i - 1] + steps[i]) /
                            (4.0 * static_cast<double>(impl_->step_frames));
      if (energy > 0 && lufs(energy) >= kGateLufs) blocks.push_back(energy);
    }
    const auto mean_from = [&](double least) {
      double sum = 0;
      std::size_t count = 0;
      for (const double block : blocks)
        if (block >= least) sum += block, ++count;
      return count == 0 ? 0.0 : sum / static_cast<double>(count);
    };
    const double gated = mean_from(0.1 * mean_from(0.0));  // 10 dB below the ungated mean
    loudness.push_back(gated > 0 ? lufs(gated) : silent);
  }
  return loudness;
}

double IntegratedLoudness(std::span<const float> samples, int sample_rate_hz) {
  LoudnessMeter meter(/*stems=*/1, /*channels=*/1, sample_rate_hz);
  meter.Add(samples.data(), samples.size());
  return meter.Measure(-std::numeric_limits<double>::infinity()).at(0);
}

}  // namespace stemsmith
