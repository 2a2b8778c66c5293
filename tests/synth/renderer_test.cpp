#include "synth/renderer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "audio/stft.h"
#include "core/error.h"
#include "core/files.h"
#include "synth/composer.h"
#include "synth/fluid.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::synth {
namespace {

std::uint64_t Hash(const std::vector<std::int16_t>& samples) {
  return HashBytes({reinterpret_cast<const char*>(samples.data()), samples.size() * 2});
}

double RmsDb(const std::vector<std::int16_t>& samples) {
  double sum = 0;
  for (const int sample : samples) sum += static_cast<double>(sample) * sample;
  return 10 * std::log10(sum / static_cast<double>(samples.size()) / (32768.0 * 32768.0) + 1e-20);
}

// Share of the energy below and above a frequency.
double ShareBelow(const std::vector<std::int16_t>& samples, double hz) {
  std::vector<float> mono(samples.size() / 2);
  for (std::size_t t = 0; t < mono.size(); ++t)
    mono[t] = (samples[2 * t] + samples[2 * t + 1]) / 65536.0f;
  const Stft stft({4096, 1024});
  const auto spectrum = stft.Forward(mono);
  double below = 0, all = 0;
  for (std::size_t i = 0; i < spectrum.size(); ++i) {
    const double energy = std::norm(spectrum[i]);
    all += energy;
    if (static_cast<double>(i % stft.bins()) * kSampleRateHz / 4096 < hz) below += energy;
  }
  return below / all;
}

class RendererTest : public ::testing::Test {
 protected:
  void SetUp() override {
    font_ = FindSoundFont({});
    CheckSoundFont(font_);
  }
  std::filesystem::path font_;
};

TEST_F(RendererTest, SameSongGivesTheSameSamples) {
  for (const int index : {0, 5}) {
    const Song song = ComposeSong(1, index, 6);
    const RenderedSong once = RenderSong(song, font_), again = RenderSong(song, font_);
    EXPECT_EQ(Hash(once.mixture), Hash(again.mixture));
    for (std::size_t s = 0; s < once.stems.size(); ++s)
      EXPECT_EQ(Hash(once.stems[s]), Hash(again.stems[s])) << kStemNames[s];
  }
}

TEST_F(RendererTest, OtherSeedsGiveOtherSamples) {
  const RenderedSong one = RenderSong(ComposeSong(1, 0, 5), font_);
  const RenderedSong two = RenderSong(ComposeSong(2, 0, 5), font_);
  EXPECT_EQ(one.mixture.size(), two.mixture.size());
  for (std::size_t s = 0; s < one.stems.size(); ++s)
    EXPECT_NE(Hash(one.stems[s]), Hash(two.stems[s])) << kStemNames[s];
}

TEST_F(RendererTest, LengthIsExact) {
  const RenderedSong song = RenderSong(ComposeSong(1, 3, 5.123), font_);
  EXPECT_EQ(song.frames, 225924u);  // round(5.123 · 44100)
  EXPECT_EQ(song.mixture.size(), 2 * song.frames);
}

TEST_F(RendererTest, StemsSumToTheMixtureAndNothingClips) {
  for (int index = 0; index < 4; ++index) {
    const RenderedSong song = RenderSong(ComposeSong(21, index, 6), font_);
    int peak = 0;
    for (std::size_t i = 0; i < song.mixture.size(); ++i) {
      int sum = 0;
      for (const auto& stem : song.stems) {
        sum += stem[i];
        peak = std::max(peak, std::abs(static_cast<int>(stem[i])));
      }
      ASSERT_EQ(sum, song.mixture[i]) << "sample " << i;
      peak = std::max(peak, std::abs(sum));
    }
    EXPECT_LT(peak, 32000);
    EXPECT_GT(peak, 18000);  // and the range is used
  }
}

TEST_F(RendererTest, StemsAreHeardBalancedAndFreeOfDc) {
  for (int index = 0; index < 6; ++index) {
    const Song composed = ComposeSong(33, index, 6);
    const RenderedSong song = RenderSong(composed, font_);
    double quietest = 0, loudest = -100;
    for (std::size_t s = 0; s < song.stems.size(); ++s) {
      const double level = RmsDb(song.stems[s]);
      EXPECT_GT(level, -45) << composed.name << ' ' << kStemNames[s];
      quietest = std::min(quietest, level);
      loudest = std::max(loudest, level);
      double mean = 0;
      for (const int sample : song.stems[s]) mean += sample;
      EXPECT_LT(std::abs(mean / static_cast<double>(song.stems[s].size())), 33) << kStemNames[s];
    }
    EXPECT_LT(loudest - quietest, 9) << composed.name;
  }
}

TEST_F(RendererTest, BassLiesLowAndDrumsReachHigh) {
  for (int index = 0; index < 5; ++index) {
    const Song composed = ComposeSong(44, index, 6);
    const RenderedSong song = RenderSong(composed, font_);
    EXPECT_GT(ShareBelow(song.stems[kBass], 400), 0.7) << composed.name;
    EXPECT_LT(ShareBelow(song.stems[kDrums], 2000), 0.999) << composed.name;
    EXPECT_GT(ShareBelow(song.stems[kDrums], 20000), 0.9) << composed.name;
    EXPECT_GT(1 - ShareBelow(song.stems[kVocals], 200), 0.4) << composed.name;
  }
}

TEST_F(RendererTest, StaysStereoAndSurvivesMono) {
  for (int index = 0; index < 4; ++index) {
    const RenderedSong song = RenderSong(ComposeSong(55, index, 6), font_);
    for (std::size_t s = 0; s < song.stems.size(); ++s) {
      double mid = 0, side = 0;
      for (std::size_t t = 0; t < song.frames; ++t) {
        const double l = song.stems[s][2 * t], r = song.stems[s][2 * t + 1];
        mid += (l + r) * (l + r);
        side += (l - r) * (l - r);
      }
      EXPECT_GT(side, 0) << kStemNames[s];
      EXPECT_LT(side, 0.6 * mid) << kStemNames[s];
    }
  }
}

TEST(SoundFont, IsNamedWhenItIsMissing) {
  const Error error = testing::ErrorOf([] { FindSoundFont("/nowhere/font.sf2"); });
  EXPECT_EQ(error.where(), "/nowhere/font.sf2");
  EXPECT_NE(error.advice().find("timgm6mb-soundfont"), std::string::npos);
}

TEST(SoundFont, ThatIsNoneIsRefused) {
  const testing::TemporaryFolder folder;
  const std::string whole = ReadFile(FindSoundFont({}));
  for (const std::string& bytes : {std::string(), std::string("RIFF but no more"),
                                   whole.substr(0, whole.size() / 2), whole.substr(0, 10)}) {
    WriteFileAtomically(folder / "font.sf2", bytes);
    ::testing::internal::CaptureStderr();
    EXPECT_THROW(CheckSoundFont(folder / "font.sf2"), Error);
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  }
  EXPECT_THROW(CheckSoundFont(folder.path()), Error);
}

}  // namespace
}  // namespace stemsmith::synth
