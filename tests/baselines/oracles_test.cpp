// Methods that are shown the true stems.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "audio/encode.h"
#include "baselines/references.h"
#include "core/error.h"
#include "tests/baselines/baseline_songs.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using testing::Energy;
using ::testing::HasSubstr;
using testing::LargestDifference;
using testing::Noise;
using testing::Separated;
using testing::Sine;
using testing::Sum;

constexpr int kRate = 44100;
constexpr std::size_t kFrames = 2 * kRate;

AudioBuffer Difference(AudioBuffer a, const AudioBuffer& b) {
  for (std::size_t i = 0; i < a.samples().size(); ++i) a.samples()[i] -= b.samples()[i];
  return a;
}

double ErrorShare(const AudioBuffer& reference, const AudioBuffer& estimate) {
  return Energy(Difference(estimate, reference)) / Energy(reference);
}

class EveryOracle : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryOracle, PartsWhatLiesInOtherBins) {
  const AudioBuffer a = Sine(2, kFrames, 440, kRate), b = Sine(2, kFrames, 2000, kRate);
  const auto stems = Separated(GetParam(), "{stems: [a, b]}", Sum(a, b), kRate, {a, b});
  EXPECT_LT(ErrorShare(a, stems[0]), 1e-4);
  EXPECT_LT(ErrorShare(b, stems[1]), 1e-4);
}

TEST_P(EveryOracle, GivesNothingToASilentStem) {
  const AudioBuffer a = Noise(2, kFrames), silence(2, kFrames);
  const auto stems = Separated(GetParam(), "{stems: [a, b]}", a, kRate, {a, silence});
  EXPECT_LT(LargestDifference(stems[0], a), 1e-5);
  EXPECT_LT(LargestDifference(stems[1], silence), 1e-5);
}

TEST_P(EveryOracle, RefusesReferencesOfAnotherSong) {
  const AudioBuffer song = Noise(2, kFrames), other = Noise(2, kFrames, 5);
  AudioBuffer shifted(2, kFrames);
  for (int c = 0; c < 2; ++c) std::copy_n(song.channel(c), kFrames - 50, shifted.channel(c) + 50);
  for (const AudioBuffer& reference : {other, shifted}) {
    const Error error =
        testing::ErrorOf([&] { Separated(GetParam(), "{stems: [a]}", song, kRate, {reference}); });
    EXPECT_THAT(error.what(), HasSubstr("nothing in common with the song"));
  }
}

// Some of the song's stems are enough, however quiet; what was made louder is warned of.
TEST_P(EveryOracle, KnowsReferencesThatAreInTheSong) {
  const AudioBuffer a = Noise(2, kFrames, 1, 0.01), rest = Noise(2, kFrames, 2);
  AudioBuffer loud = a;
  for (float& sample : loud.samples()) sample *= 2;
  for (const auto& [reference, warnings] : {std::pair{a, 0}, {loud, 1}}) {
    const auto baseline = MakeBaseline(FindBaseline(GetParam()), Config::Parse("stems: [a]", ""));
    int warned = 0;
    BaselineInput input;
    input.song = std::make_unique<testing::SongReader>(Sum(a, rest), kRate);
    input.references.push_back(std::make_unique<testing::SongReader>(reference, kRate));
    input.host.warn = [&](const std::string&) { ++warned; };
    EXPECT_EQ(ReadAllStems(*baseline->Open(std::move(input)))[0].frames(), kFrames);
    EXPECT_EQ(warned, warnings);
  }
}

TEST_P(EveryOracle, RefusesReferencesOfOtherLengths) {
  const AudioBuffer song = Noise(2, kFrames), shorter = Noise(2, kFrames / 2);
  for (const auto& references :
       {std::vector<AudioBuffer>{shorter, shorter}, std::vector<AudioBuffer>{song, shorter}}) {
    const Error error = testing::ErrorOf(
        [&] { Separated(GetParam(), "{stems: [a, b]}", song, kRate, references); });
    EXPECT_THAT(error.what(), HasSubstr("references"));
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryOracle,
                         ::testing::Values("ideal_binary_mask", "ideal_ratio_mask",
                                           "ideal_wiener"));

// Two noises in the same bins, one on each side: only directions part them.
TEST(IdealWiener, PartsByDirection) {
  AudioBuffer left = Noise(2, kFrames, 1), right = Noise(2, kFrames, 2);
  std::fill_n(left.channel(1), kFrames, 0.0f);
  std::copy_n(right.channel(0), kFrames, right.channel(1));
  const AudioBuffer song = Sum(left, right);
  const auto wiener = Separated("ideal_wiener", "{stems: [a, b]}", song, kRate, {left, right});
  const auto ratio = Separated("ideal_ratio_mask", "{stems: [a, b]}", song, kRate, {left, right});
  EXPECT_LT(ErrorShare(right, wiener[1]), 0.01);
  EXPECT_GT(ErrorShare(right, ratio[1]), 0.05);
}

// With one channel it is a mask by powers.
TEST(IdealWiener, OfMonoIsARatioMaskOfPowers) {
  const AudioBuffer a = Noise(1, kFrames, 1), b = Noise(1, kFrames, 2);
  const auto wiener = Separated("ideal_wiener", "{stems: [a, b]}", Sum(a, b), kRate, {a, b});
  const auto ratio =
      Separated("ideal_ratio_mask", "{stems: [a, b], mask_power: 2}", Sum(a, b), kRate, {a, b});
  EXPECT_LT(LargestDifference(wiener[0], ratio[0]), 1e-5);
}

class References : public ::testing::Test {
 protected:
  void Write(const std::string& name, int channels, std::size_t frames, int rate) {
    WriteAudio(folder_ / name, Noise(channels, frames), rate);
  }
  std::string Says(const std::vector<std::string>& stems) {
    AudioInfo song;
    song.channels = 2;
    song.sample_rate_hz = 8000;
    song.frames = 1000;
    return testing::MessageOf([&] { OpenReferences(folder_.path(), stems, song); },
                              ExitCode::kInputFailed);
  }
  testing::TemporaryFolder folder_;
};

TEST_F(References, AreCheckedAgainstTheSong) {
  Write("good.wav", 2, 1000, 8000);
  Write("mono.wav", 1, 1000, 8000);
  Write("fast.wav", 2, 1000, 16000);
  Write("long.wav", 2, 1001, 8000);
  EXPECT_THAT(Says({"good", "none"}), HasSubstr("no reference for the stem 'none'"));
  EXPECT_THAT(Says({"mono"}), HasSubstr("number of channels than the song: 1, not 2"));
  EXPECT_THAT(Says({"fast"}), HasSubstr("sample rate (Hz) than the song: 16000, not 8000"));
  EXPECT_THAT(Says({"long"}), HasSubstr("length (frames) than the song: 1001, not 1000"));
  Write("good.flac", 2, 1000, 8000);
  EXPECT_THAT(Says({"good"}), HasSubstr("is there twice"));
}

}  // namespace
}  // namespace stemsmith
