#include "synth/singer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace stemsmith::synth {
namespace {

Syllable Sung(double start, double length, int key, Vowel vowel,
              Consonant consonant = Consonant::kNone) {
  Syllable syllable;
  syllable.start_seconds = start;
  syllable.length_seconds = length;
  syllable.key = key;
  syllable.vowel = syllable.end_vowel = vowel;
  syllable.consonant = consonant;
  syllable.starts_phrase = syllable.ends_phrase = true;
  return syllable;
}

std::vector<float> Render(const SungLine& line, double seconds) {
  std::vector<float> out(static_cast<std::size_t>(seconds * kSampleRateHz));
  RenderSungLine(line, 0, kSampleRateHz, RandomStream({1}), out);
  return out;
}

double Rms(const std::vector<float>& audio, double from, double to) {
  double sum = 0;
  const auto a = static_cast<std::size_t>(from * kSampleRateHz);
  const auto b = static_cast<std::size_t>(to * kSampleRateHz);
  for (std::size_t t = a; t < b; ++t) sum += static_cast<double>(audio[t]) * audio[t];
  return std::sqrt(sum / static_cast<double>(b - a));
}

// Energy at one frequency over a stretch (Goertzel), a little widened by a window.
double At(const std::vector<float>& audio, double hz, double from, double to) {
  double re = 0, im = 0;
  const auto a = static_cast<std::size_t>(from * kSampleRateHz);
  const auto b = static_cast<std::size_t>(to * kSampleRateHz);
  for (std::size_t t = a; t < b; ++t) {
    const double window = std::sin(std::numbers::pi * static_cast<double>(t - a) / (b - a));
    const double angle = 2 * std::numbers::pi * hz * static_cast<double>(t) / kSampleRateHz;
    re += window * audio[t] * std::cos(angle);
    im += window * audio[t] * std::sin(angle);
  }
  return re * re + im * im;
}

TEST(Singer, SingsTheNoteThatIsWritten) {
  SungLine line;
  line.singer.vibrato_cents = 0;
  line.syllables = {Sung(0.1, 1.0, 57, Vowel::kA), Sung(1.4, 1.0, 64, Vowel::kO)};
  const auto audio = Render(line, 2.6);
  const double a = 220.0, e = 440.0 * std::exp2((64 - 69) / 12.0);
  EXPECT_GT(At(audio, a, 0.4, 1.0), 20 * At(audio, e, 0.4, 1.0));
  EXPECT_GT(At(audio, e, 1.7, 2.3), 20 * At(audio, a, 1.7, 2.3));
}

TEST(Singer, IsSilentBetweenPhrases) {
  SungLine line;
  line.syllables = {Sung(0.5, 0.5, 60, Vowel::kE), Sung(2.0, 0.5, 60, Vowel::kE)};
  const auto audio = Render(line, 3.0);
  EXPECT_GT(Rms(audio, 0.6, 0.9), 0.01);
  EXPECT_LT(Rms(audio, 0.0, 0.4), 1e-6);
  EXPECT_LT(Rms(audio, 1.5, 1.9), 1e-4);
  EXPECT_GT(Rms(audio, 2.1, 2.4), 0.01);
}

TEST(Singer, VowelsDifferInTheirFormants) {
  SungLine line;
  line.singer.vibrato_cents = 0;
  line.syllables = {Sung(0.1, 1.0, 45, Vowel::kI), Sung(1.4, 1.0, 45, Vowel::kA)};
  const auto audio = Render(line, 2.6);
  // 110 Hz: the 20th harmonic lies at the second formant of "i", the 10th at that of "a".
  const double i_ratio = At(audio, 2200, 0.4, 1.0) / At(audio, 1100, 0.4, 1.0);
  const double a_ratio = At(audio, 2200, 1.7, 2.3) / At(audio, 1100, 1.7, 2.3);
  EXPECT_GT(i_ratio, 10 * a_ratio);
}

TEST(Singer, FricativesAreNoiseAheadOfTheVowel) {
  SungLine line;
  line.singer.consonant_level = 0.2;
  line.syllables = {Sung(0.5, 0.6, 50, Vowel::kU, Consonant::kFricative)};
  const auto audio = Render(line, 1.3);
  double onset = 0, vowel = 0;  // sign changes a second: noise crosses zero more often
  for (std::size_t t = static_cast<std::size_t>(0.44 * kSampleRateHz); t < 0.48 * kSampleRateHz;
       ++t)
    onset += audio[t] * audio[t - 1] < 0 ? 1 / 0.04 : 0;
  for (std::size_t t = static_cast<std::size_t>(0.7 * kSampleRateHz); t < 0.9 * kSampleRateHz; ++t)
    vowel += audio[t] * audio[t - 1] < 0 ? 1 / 0.2 : 0;
  EXPECT_GT(onset, 3 * vowel);
}

TEST(Singer, StaysFiniteAndBoundedAtExtremes) {
  for (const int key : {24, 48, 72, 90}) {
    SungLine line;
    line.singer.tract_scale = 1.3;
    line.singer.vibrato_cents = 100;
    for (int i = 0; i < 8; ++i)
      line.syllables.push_back(Sung(0.05 + 0.12 * i, 0.12, key, static_cast<Vowel>(i % kVowels),
                                    static_cast<Consonant>(i % kConsonants)));
    for (const float sample : Render(line, 1.2)) {
      ASSERT_TRUE(std::isfinite(sample));
      ASSERT_LT(std::abs(sample), 30.0f);  // stems are brought to a level later
    }
  }
}

}  // namespace
}  // namespace stemsmith::synth
