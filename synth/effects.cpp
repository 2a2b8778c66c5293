#include "synth/effects.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/decibel.h"

namespace stemsmith::synth {
namespace {

// Keeps filters out of the range where arithmetic on tiny numbers is slow.
constexpr float kTiny = 1e-18f;

}  // namespace

void AddReverb(AudioBuffer& audio, int sample_rate_hz, const ReverbOptions& options) {
  // Four delay lines of mutually prime lengths, mixed by a Householder reflection (Jot and Chaigne
  // 1991: feedback delay networks).
  constexpr int kLines = 4;
  constexpr std::array<int, kLines> kDelays44100{1447, 1787, 2131, 2539};
  std::array<std::vector<float>, kLines> lines;
  std::array<std::size_t, kLines> positions{};
  std::array<float, kLines> feedback{}, lowpass{};
  for (int i = 0; i < kLines; ++i) {
    const auto delay = static_cast<std::size_t>(kDelays44100[i] * (sample_rate_hz / 44100.0));
    lines[i].assign(delay, 0.0f);
    feedback[i] = static_cast<float>(
        std::pow(10.0, -3.0 * static_cast<double>(delay) / (options.seconds * sample_rate_hz)));
  }
  const auto damping = static_cast<float>(0.75 * options.damping);
  const auto wet = static_cast<float>(GainFromDb(options.wet_db));
  const auto side = static_cast<float>(wet * options.width);
  float* left = audio.channel(0);
  float* right = audio.channel(1);
  for (std::size_t t = 0; t < audio.frames(); ++t) {
    std::array<float, kLines> out;
    float sum = 0;
    for (int i = 0; i < kLines; ++i) {
      out[i] = lines[i][positions[i]];
      lowpass[i] = out[i] + damping * (lowpass[i] - out[i]) + kTiny;
      sum += lowpass[i];
    }
    const float reflected = 0.5f * sum;
    const float in = 0.5f * (left[t] + right[t]);
    for (int i = 0; i < kLines; ++i) {
      lines[i][positions[i]] = in + feedback[i] * (lowpass[i] - reflected);
      if (++positions[i] == lines[i].size()) positions[i] = 0;
    }
    const float mid = 0.5f * wet * (out[0] - out[1] + out[2] - out[3]);
    const float wide = 0.5f * side * (out[0] + out[1] - out[2] - out[3]);
    left[t] += mid + wide;
    right[t] += mid - wide;
  }
}

void Equalize(AudioBuffer& audio, int sample_rate_hz, double low_shelf_db, double high_shelf_db) {
  const auto coefficient = [&](double hz) {
    return static_cast<float>(1.0 - std::exp(-2.0 * std::numbers::pi * hz / sample_rate_hz));
  };
  const float low = coefficient(250.0), high = coefficient(3000.0), dc = coefficient(20.0);
  const auto low_gain = static_cast<float>(GainFromDb(low_shelf_db) - 1.0);
  const auto high_gain = static_cast<float>(GainFromDb(high_shelf_db) - 1.0);
  for (int c = 0; c < audio.channels(); ++c) {
    float* samples = audio.channel(c);
    float low_state = 0, high_state = 0, dc_state = 0;
    for (std::size_t t = 0; t < audio.frames(); ++t) {
      dc_state += dc * (samples[t] - dc_state) + kTiny;
      const float x = samples[t] - dc_state;
      low_state += low * (x - low_state) + kTiny;
      high_state += high * (x - high_state) + kTiny;
      samples[t] = x + low_gain * low_state + high_gain * (x - high_state);
    }
  }
}

void LimitSoftly(AudioBuffer& audio, double threshold) {
  const auto limit = static_cast<float>(threshold);
  for (float& sample : audio.samples()) {
    const float size = std::abs(sample);
    if (size <= limit) continue;
    const float over = (size - limit) / limit;
    sample = std::copysign(limit * (1.0f + over / (1.0f + over)), sample);
  }
}

void LimitWidth(AudioBuffer& audio, double side_to_mid_db) {
  float* left = audio.channel(0);
  float* right = audio.channel(1);
  double mid_energy = 0, side_energy = 0;
  for (std::size_t t = 0; t < audio.frames(); ++t) {
    const double mid = left[t] + right[t], side = left[t] - right[t];
    mid_energy += mid * mid;
    side_energy += side * side;
  }
  const double allowed = mid_energy * PowerFromDb(side_to_mid_db);
  if (side_energy <= allowed) return;
  const auto gain = static_cast<float>(std::sqrt(allowed / side_energy));
  for (std::size_t t = 0; t < audio.frames(); ++t) {
    const float mid = 0.5f * (left[t] + right[t]), side = 0.5f * gain * (left[t] - right[t]);
    left[t] = mid + side;
    right[t] = mid - side;
  }
}

void FadeEnds(AudioBuffer& audio, int sample_rate_hz, double in_seconds, double out_seconds) {
  const auto frames_of = [&](double seconds) {
    return std::min(audio.frames(), static_cast<std::size_t>(seconds * sample_rate_hz));
  };
  const std::size_t in = frames_of(in_seconds), out = frames_of(out_seconds);
  for (int c = 0; c < audio.channels(); ++c) {
    float* samples = audio.channel(c);
    for (std::size_t t = 0; t < in; ++t) samples[t] *= static_cast<float>(t) / in;
    for (std::size_t t = 0; t < out; ++t)
      samples[audio.frames() - 1 - t] *= static_cast<float>(t) / out;
  }
}

double Rms(const AudioBuffer& audio) {
  double sum = 0;
  for (const float sample : audio.samples()) sum += static_cast<double>(sample) * sample;
  return audio.empty() ? 0 : std::sqrt(sum / static_cast<double>(audio.samples().size()));
}

}  // namespace stemsmith::synth
