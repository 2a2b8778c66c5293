// What the augmentations of tone and dynamics do, against formulae.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/augment/audio_fixture.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

// The gain in dB that a chain gives to a sine, transients left out.
double GainAt(const std::string& item, double frequency_hz, std::uint64_t seed = 1) {
  Audio audio(1, 1, 44100);
  audio.AddSine(0, frequency_hz, 0.1);
  audio.Apply(ChainOf(item), seed);
  return Decibel(audio.Amplitude(0, 0, frequency_hz, 22050) / 0.1);
}

TEST(Eq, OfOneBandIsAPeakOfItsGain) {
  const std::string peak =
      "name: eq, per_stem_probability: 1, bands: 1, gain_db: [6, 6], frequency_hz: [1000, 1000], "
      "q: [1, 1]";
  EXPECT_NEAR(GainAt(peak, 1000), 6.0, 0.1);
  EXPECT_NEAR(GainAt(peak, 30), 0.0, 0.1);
  EXPECT_NEAR(GainAt(peak, 18000), 0.0, 0.1);
}

TEST(Eq, HasShelvesAtBothEnds) {
  const std::string shelves =
      "name: eq, per_stem_probability: 1, bands: 2, gain_db: [-9, -9], frequency_hz: [1000, 1000], "
      "q: [0.7071, 0.7071]";
  // Both shelves turn at 1 kHz, where each gives half of its gain.
  EXPECT_NEAR(GainAt(shelves, 30), -9.0, 0.1);
  EXPECT_NEAR(GainAt(shelves, 18000), -9.0, 0.1);
  EXPECT_NEAR(GainAt(shelves, 1000), -9.0, 0.1);
}

TEST(Eq, SpreadsItsBandsOverTheRange) {
  // Boosts only: the average gain at the ends of the range is a shelf's.
  const std::string eq = "name: eq, per_stem_probability: 1, gain_db: [6, 6], q: [1, 1]";
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    EXPECT_NEAR(GainAt(eq, 25, seed), 6.0, 2.0);
    EXPECT_NEAR(GainAt(eq, 20000, seed), 6.0, 2.0);
  }
}

TEST(Filter, LowPassIsButterworth) {
  for (const int order : {2, 4}) {
    const std::string filter =
        "name: filter, per_stem_probability: 1, low_pass_share: 1, low_pass_hz: [1000, 1000], "
        "order: " +
        std::to_string(order);
    EXPECT_NEAR(GainAt(filter, 1000), -3.01, 0.05) << order;
    EXPECT_NEAR(GainAt(filter, 50), 0.0, 0.05) << order;
    // 6 dB per octave for each order. The bilinear transform bends the frequencies:
    // |H|² = 1 / (1 + (tan(π f / rate) / tan(π fc / rate))^(2 order)).
    const double bent =
        std::tan(std::numbers::pi * 4000 / 44100) / std::tan(std::numbers::pi * 1000 / 44100);
    EXPECT_NEAR(GainAt(filter, 4000), -10 * std::log10(1 + std::pow(bent, 2 * order)), 0.05);
  }
}

TEST(Filter, HighPassIsButterworth) {
  const std::string filter =
      "name: filter, per_stem_probability: 1, low_pass_share: 0, high_pass_hz: [1000, 1000]";
  EXPECT_NEAR(GainAt(filter, 1000), -3.01, 0.05);
  EXPECT_NEAR(GainAt(filter, 250), -24.1, 0.2);
  EXPECT_NEAR(GainAt(filter, 15000), 0.0, 0.05);
}

TEST(Filter, ChoosesBetweenBothKinds) {
  const AugmentChain chain = ChainOf("name: filter, per_stem_probability: 1");
  int low = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Audio audio(1, 1, 512);
    std::fill(audio.samples.begin(), audio.samples.end(), 0.5f);
    audio.Apply(chain, seed);
    low += audio.samples.back() > 0.45f;  // a low pass lets the constant through
  }
  EXPECT_NEAR(low, 50, 20);
}

TEST(Filter, RefusesOddOrders) { EXPECT_THROW(ChainOf("name: filter, order: 3"), Error); }

TEST(Drive, BendsByTanhAndKeepsThePeak) {
  Audio audio(1, 2, 101);
  for (std::int64_t i = 0; i < 202; ++i)
    audio.samples[static_cast<std::size_t>(i)] = static_cast<float>(i % 101 - 50) / 100.0f;
  const std::vector<float> before = audio.samples;
  audio.Apply(ChainOf("name: drive, per_stem_probability: 1, drive_db: [12, 12]"));
  const double drive = std::pow(10.0, 12.0 / 20.0);
  for (std::size_t i = 0; i < before.size(); ++i)
    EXPECT_NEAR(audio.samples[i],
                0.5 * std::tanh(drive * static_cast<double>(before[i]) / 0.5) / std::tanh(drive),
                1e-6);
  EXPECT_FLOAT_EQ(*std::max_element(audio.samples.begin(), audio.samples.end()), 0.5f);
}

TEST(Drive, DoesNotDependOnTheLevel) {
  Audio loud(1, 1, 1000), quiet(1, 1, 1000);
  loud.AddSine(0, 441, 0.8);
  quiet.AddSine(0, 441, 0.008);
  const AugmentChain chain = ChainOf("name: drive, per_stem_probability: 1");
  loud.Apply(chain);
  quiet.Apply(chain);
  for (std::size_t i = 0; i < 1000; ++i) EXPECT_NEAR(loud.samples[i], 100 * quiet.samples[i], 1e-5);
}

// A constant of `level_db` after compression has settled, in dB.
double Compressed(double level_db, const std::string& more = "") {
  Audio audio(1, 2, 44100);
  std::fill(audio.samples.begin(), audio.samples.end(),
            static_cast<float>(std::pow(10.0, level_db / 20.0)));
  audio.Apply(
      ChainOf("name: compression, per_stem_probability: 1, threshold_db: [-20, -20], "
              "ratio: [4, 4], knee_db: 6, attack_ms: [5, 5], keep_level: false" +
              more));
  return Decibel(static_cast<double>(audio.samples.back()));
}

TEST(Compression, FollowsItsCurve) {
  EXPECT_NEAR(Compressed(-40), -40, 0.01);
  EXPECT_NEAR(Compressed(-23), -23, 0.01);  // the knee begins
  // In the middle of the knee: (6/2)² / (2·6) · (1 - 1/4) dB below.
  EXPECT_NEAR(Compressed(-20), -20 - 0.75 * 0.75, 0.01);
  EXPECT_NEAR(Compressed(-17), -20 + 3 / 4.0, 0.01);  // the knee ends
  EXPECT_NEAR(Compressed(-4), -20 + 16 / 4.0, 0.01);
}

TEST(Compression, SettlesInItsAttackTime) {
  Audio audio(1, 1, 44100);
  std::fill(audio.samples.begin(), audio.samples.end(), 1.0f);
  audio.Apply(
      ChainOf("name: compression, per_stem_probability: 1, threshold_db: [-20, -20], "
              "ratio: [2, 2], knee_db: 0, attack_ms: [100, 100], keep_level: false"));
  // 10 dB in the end; all but 1/e of it after 100 ms.
  EXPECT_NEAR(Decibel(static_cast<double>(audio.samples[4409])), -10 * (1 - std::exp(-1)), 0.01);
  EXPECT_NEAR(Decibel(static_cast<double>(audio.samples.back())), -10, 0.01);
}

TEST(Compression, EvensOutAndKeepsTheLoudness) {
  Audio audio(1, 2, 88200);
  audio.AddSine(0, 441, 1.0);
  for (int c = 0; c < 2; ++c)  // a quiet first half
    for (std::int64_t i = 0; i < 44100; ++i) audio.block.channel(0, c)[i] *= 0.03f;
  const double before = audio.Rms(0, 0);
  audio.Apply(ChainOf("name: compression, per_stem_probability: 1"));
  EXPECT_NEAR(audio.Rms(0, 0), before, 1e-4 * before);
  double quiet = 0.0, loud = 0.0;
  for (std::int64_t i = 22050; i < 44100; ++i) {
    quiet = std::max(quiet, std::abs(static_cast<double>(audio.block.channel(0, 1)[i])));
    loud = std::max(loud, std::abs(static_cast<double>(audio.block.channel(0, 1)[i + 44100])));
  }
  EXPECT_GT(Decibel(quiet / loud), Decibel(0.03) + 5);
}

TEST(Noise, HasItsLevelAndAFlatSpectrum) {
  Audio audio(1, 2, 44100);
  audio.samples[0] = 1e-6f;  // not silent
  audio.Apply(ChainOf("name: noise, per_stem_probability: 1, level_db: [-40, -40]"));
  for (int c = 0; c < 2; ++c) EXPECT_NEAR(Decibel(audio.Rms(0, c)), -40, 0.1);
  double sum = 0.0, neighbours = 0.0;
  for (std::size_t i = 1; i < 44100; ++i) {
    sum += static_cast<double>(audio.samples[i]);
    neighbours += static_cast<double>(audio.samples[i] * audio.samples[i - 1]);
  }
  EXPECT_NEAR(sum / 44100, 0.0, 3e-4);  // six deviations of a mean of 44100
  EXPECT_NEAR(neighbours / 44100 / 1e-4, 0.0, 0.03);
  // Channels differ.
  EXPECT_NE(audio.block.channel(0, 0)[5], audio.block.channel(0, 1)[5]);
}

TEST(Noise, LeavesSilentStemsSilent) {
  Audio audio(2, 1, 1000);
  audio.AddNoise(1, 0.1);
  audio.Apply(ChainOf("name: noise, per_stem_probability: 1"));
  EXPECT_EQ(audio.Rms(0, 0), 0.0);
  EXPECT_GT(audio.Rms(1, 0), 0.0);
}

TEST(Width, AtZeroIsMonoAndAtTwoDoublesTheSide) {
  for (const int factor : {0, 1, 2}) {
    Audio audio(1, 2, 1);
    audio.samples = {0.5f, 0.1f};
    audio.block.data = audio.samples.data();
    audio.Apply(ChainOf("name: width, per_stem_probability: 1, side: [" + std::to_string(factor) +
                        ", " + std::to_string(factor) + "]"));
    EXPECT_NEAR(audio.samples[0], 0.3 + 0.2 * factor, 1e-6);
    EXPECT_NEAR(audio.samples[1], 0.3 - 0.2 * factor, 1e-6);
  }
}

TEST(Width, LeavesMonoAlone) {
  Audio audio(1, 1, 100);
  audio.AddNoise(0, 0.5);
  const std::vector<float> before = audio.samples;
  audio.Apply(ChainOf("name: width, per_stem_probability: 1"));
  EXPECT_EQ(audio.samples, before);
}

TEST(PerStem, TreatsStemsWithTheirChanceEachFromAStreamOfItsOwn) {
  const AugmentChain all = ChainOf("name: noise, per_stem_probability: 1");
  const AugmentChain some = ChainOf("name: noise, per_stem_probability: 0.3");
  int treated = 0;
  for (std::uint64_t seed = 0; seed < 250; ++seed) {
    Audio one(4, 1, 8), two(4, 1, 8);
    for (Audio* audio : {&one, &two}) std::fill_n(audio->samples.begin(), 32, 0.5f);
    one.Apply(all, seed);
    two.Apply(some, seed);
    for (int s = 0; s < 4; ++s) {
      if (two.block.channel(s, 0)[0] == 0.5f) continue;
      ++treated;
      // What a treated stem gets does not depend on whether the others are treated.
      EXPECT_EQ(two.block.channel(s, 0)[0], one.block.channel(s, 0)[0]);
    }
  }
  EXPECT_NEAR(treated, 300, 60);
}

TEST(Ranges, ThatAreNoneAreRefusedByName) {
  for (const char* item :
       {"name: eq, gain_db: [3, -3]", "name: filter, low_pass_hz: [0, 100]",
        "name: reverb, rt60_seconds: [1]", "name: compression, ratio: [0.5, 2]",
        "name: drive, drive_db: [.nan, 3]", "name: codec, bitrate_kbps: [64, 1000]",
        "name: codec, formats: [ogg]", "name: codec, formats: []",
        "name: noise, level_db: [-50, 10]", "name: width, side: [-1, 1]", "name: mixup, gain_db: 3",
        "name: stem_dropout, per_stem_probability: 2", "name: remix_batch, group_size: 1",
        "name: gain, factor: [-1, 1]", "name: gain, factor: [0, 1], range_db: [0, 1]"}) {
    const std::string text = item;
    const std::string key = text.substr(text.find(", ") + 2);
    EXPECT_THAT(testing::MessageOf([&] { ChainOf(item); }, ExitCode::kWrongUse),
                ::testing::HasSubstr(key.substr(0, key.find(':'))))
        << item;
  }
}

TEST(Gain, DrawsFactorsUniformlyWhereAsked) {
  const AugmentChain chain = ChainOf("name: gain, factor: [0.25, 1.25]");
  double sum = 0.0, lowest = 9.0, highest = 0.0;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Audio audio(4, 1, 1);
    std::fill(audio.samples.begin(), audio.samples.end(), 1.0f);
    audio.Apply(chain, seed);
    for (const float factor : audio.samples) {
      sum += static_cast<double>(factor);
      lowest = std::min(lowest, static_cast<double>(factor));
      highest = std::max(highest, static_cast<double>(factor));
    }
  }
  EXPECT_NEAR(sum / 2000, 0.75, 0.03);
  EXPECT_GE(lowest, 0.25);
  EXPECT_LT(lowest, 0.27);
  EXPECT_LE(highest, 1.25);
  EXPECT_GT(highest, 1.23);
}

}  // namespace
}  // namespace stemsmith
