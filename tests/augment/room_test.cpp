// Reverb and codec: what they leave in place, and what they add.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "augment/convolve.h"
#include "tests/augment/audio_fixture.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

TEST(Convolver, EqualsTheSumOfProducts) {
  RandomStream random({1});
  for (const std::size_t taps : {1u, 2u, 100u, 300u}) {
    std::vector<float> response(taps), signal(1000);
    for (float& tap : response) tap = static_cast<float>(random.Uniform(-1, 1));
    for (float& sample : signal) sample = static_cast<float>(random.Uniform(-1, 1));
    std::vector<double> expected(signal.size());
    for (std::size_t i = 0; i < signal.size(); ++i)
      for (std::size_t k = 0; k < std::min(taps, i + 1); ++k)
        expected[i] += static_cast<double>(response[k]) * static_cast<double>(signal[i - k]);
    Convolver(response).Run(signal.data(), 1000);
    for (std::size_t i = 0; i < signal.size(); ++i)
      ASSERT_NEAR(signal[i], expected[i], 2e-5) << taps << " taps, frame " << i;
  }
}

// The response of one room, both channels.
Audio& Impulse(Audio& audio, const std::string& options, std::uint64_t seed = 1) {
  audio.block.channel(0, 0)[0] = audio.block.channel(0, 1)[0] = 1.0f;
  audio.Apply(ChainOf("name: reverb, per_stem_probability: 1, " + options), seed);
  return audio;
}

TEST(Reverb, KeepsTheDirectSoundAndWaitsForThePreDelay) {
  Audio audio(1, 2, 44100);
  Impulse(audio, "pre_delay_ms: [20, 20]");
  for (int c = 0; c < 2; ++c) {
    EXPECT_NEAR(audio.block.channel(0, c)[0], 1.0f, 1e-5);
    for (int i = 1; i < 882; ++i) ASSERT_NEAR(audio.block.channel(0, c)[i], 0.0f, 1e-5);
    EXPECT_GT(std::abs(audio.block.channel(0, c)[890]), 1e-5);
  }
  // A room of its own in each channel.
  EXPECT_NE(audio.block.channel(0, 0)[1000], audio.block.channel(0, 1)[1000]);
}

TEST(Reverb, HasTheEnergyAsked) {
  for (const double wet_db : {-20.0, -6.0}) {
    Audio audio(1, 2, 66150);
    Impulse(audio, "wet_db: [" + std::to_string(wet_db) + ", " + std::to_string(wet_db) + "]");
    double energy = 0.0;
    for (std::int64_t i = 1; i < 66150; ++i)
      energy += std::pow(static_cast<double>(audio.block.channel(0, 0)[i]), 2);
    EXPECT_NEAR(10 * std::log10(energy), wet_db, 0.05);
  }
}

TEST(Reverb, DiesDownInTheTimeAsked) {
  for (const double rt60 : {0.3, 1.0}) {
    Audio audio(1, 2, 66150);
    Impulse(audio, "rt60_seconds: [" + std::to_string(rt60) + ", " + std::to_string(rt60) + "]");
    // Schroeder: the energy still to come, from after the early reflections on. It falls by 20 dB
    // in a third of the time.
    const std::int64_t begin = 4000;
    std::vector<double> left(66151, 0.0);
    for (std::int64_t i = 66149; i >= 0; --i)
      left[static_cast<std::size_t>(i)] =
          left[static_cast<std::size_t>(i + 1)] +
          std::pow(static_cast<double>(audio.block.channel(0, 0)[i]), 2);
    std::int64_t end = begin;
    while (left[static_cast<std::size_t>(end)] > 0.01 * left[begin]) ++end;
    EXPECT_NEAR(3.0 * static_cast<double>(end - begin) / 44100, rt60, 0.05 * rt60);
  }
}

TEST(Reverb, OfASegmentIsTheBeginningOfTheReverbOfALongerOne) {
  Audio longer(1, 2, 60000), shorter(1, 2, 9000);
  longer.AddNoise(0, 0.5);
  for (int c = 0; c < 2; ++c)
    std::copy_n(longer.block.channel(0, c), 9000, shorter.block.channel(0, c));
  const AugmentChain chain = ChainOf("name: reverb, per_stem_probability: 1");
  longer.Apply(chain);
  shorter.Apply(chain);
  for (int c = 0; c < 2; ++c)
    for (int i = 0; i < 9000; ++i)
      ASSERT_NEAR(longer.block.channel(0, c)[i], shorter.block.channel(0, c)[i], 1e-5);
}

// Where the correlation of two signals is greatest, within ± reach frames.
int Delay(const std::vector<float>& before, const float* after, int reach) {
  int best = 0;
  double highest = -1e9;
  for (int delay = -reach; delay <= reach; ++delay) {
    double sum = 0.0;
    for (int i = reach; i < static_cast<int>(before.size()) - reach; ++i)
      sum += static_cast<double>(before[static_cast<std::size_t>(i)] * after[i + delay]);
    if (sum > highest) highest = sum, best = delay;
  }
  return best;
}

// Formats that this build has.
std::vector<std::string> Formats() {
#ifdef STEMSMITH_HAS_LIBAV
  return {"mp3", "aac"};
#else
  return {"mp3"};
#endif
}

AugmentChain CodecOf(const std::string& format, int kbps) {
  const std::string rate = std::to_string(kbps);
  return ChainOf("name: codec, per_stem_probability: 1, formats: [" + format +
                 "], bitrate_kbps: [" + rate + ", " + rate + "]");
}

TEST(Codec, KeepsTimeAndMostOfTheSound) {
  for (const std::string& format : Formats()) {
    for (const int rate : {44100, 48000, 22050}) {
      for (const int channels : {1, 2, 3}) {
        SCOPED_TRACE(format + " " + std::to_string(rate) + " " + std::to_string(channels));
        Audio audio(1, channels, 20000, rate);
        // Noise below 2 kHz: what codecs keep.
        audio.AddNoise(0, 0.5);
        audio.Apply(
            ChainOf("name: filter, per_stem_probability: 1, low_pass_share: 1, order: 8, "
                    "low_pass_hz: [2000, 2000]"));
        const std::vector<float> before = audio.samples;
        audio.Apply(CodecOf(format, 128));
        EXPECT_NE(audio.samples, before);
        for (int c = 0; c < channels; ++c) {
          const std::vector<float> was(before.begin() + c * 20000,
                                       before.begin() + (c + 1) * 20000);
          EXPECT_EQ(Delay(was, audio.block.channel(0, c), 40), 0);
          double error = 0.0, power = 0.0;
          for (std::size_t i = 0; i < was.size(); ++i) {
            error += std::pow(static_cast<double>(was[i] - audio.block.channel(0, c)[i]), 2);
            power += std::pow(static_cast<double>(was[i]), 2);
          }
          EXPECT_GT(10 * std::log10(power / error), 10);
        }
      }
    }
  }
}

// The first and the last frames come back too, also of stems shorter than a frame of the codec.
TEST(Codec, KeepsTheEnds) {
  for (const std::string& format : Formats()) {
    for (const std::int64_t frames : {100, 1024, 5000}) {
      Audio audio(1, 2, frames);
      audio.AddSine(0, 1000, 0.5);
      const std::vector<float> before = audio.samples;
      audio.Apply(CodecOf(format, 192));
      double error = 0.0, power = 0.0;
      for (std::int64_t i = 0; i < frames; ++i) {
        if (i >= 50 && i < frames - 50) continue;
        error += std::pow(static_cast<double>(audio.samples[i] - before[i]), 2);
        power += std::pow(static_cast<double>(before[i]), 2);
      }
      EXPECT_GT(power, 10 * error) << format << ' ' << frames;
    }
  }
}

TEST(Codec, TakesOffTheHeightsAtLowRates) {
  const auto left_at_15_khz = [](const std::string& format, int kbps) {
    Audio audio(1, 2, 44100);
    audio.AddNoise(0, 0.5);
    const double before = audio.Amplitude(0, 0, 15000, 0);
    audio.Apply(CodecOf(format, kbps));
    return Decibel(audio.Amplitude(0, 0, 15000, 0) / before);
  };
  for (const std::string& format : Formats()) {
    EXPECT_LT(left_at_15_khz(format, 48), -20) << format;
    EXPECT_GT(left_at_15_khz(format, 320), -3) << format;
  }
}

#ifdef STEMSMITH_HAS_LIBAV
TEST(Codec, DrawsTheFormatForEachStem) {
  const auto through = [](const std::string& options, std::uint64_t seed) {
    Audio audio(1, 2, 4000);
    audio.AddNoise(0, 0.5);
    audio.Apply(ChainOf("name: codec, per_stem_probability: 1, bitrate_kbps: [96, 96]" + options),
                seed);
    return audio.samples;
  };
  const auto mp3 = through(", formats: [mp3]", 1), aac = through(", formats: [aac]", 1);
  int as_mp3 = 0, as_aac = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const auto drawn = through("", seed);
    as_mp3 += drawn == mp3;
    as_aac += drawn == aac;
  }
  EXPECT_EQ(as_mp3 + as_aac, 40);
  EXPECT_GT(as_mp3, 10);
  EXPECT_GT(as_aac, 10);
}
#endif

TEST(Codec, SaysWhichSampleRateMp3Lacks) {
  Audio audio(1, 1, 1000, 96000);
  EXPECT_THAT(testing::MessageOf([&] { audio.Apply(CodecOf("mp3", 128)); }),
              ::testing::HasSubstr("96000 Hz"));
}

}  // namespace
}  // namespace stemsmith
