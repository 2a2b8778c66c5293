#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "datasets/cache/track.h"
#include "tests/datasets/prepare/prepare_fixture.h"

namespace stemsmith {
namespace {

namespace prepare_trim_tests {

using namespace prepare_fixture;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kRate = 44100;
constexpr std::size_t kGuard = 2205;  // 50 ms

class PrepareTrimTest : public PrepareTest {
 protected:
  PrepareOptions Trimming(double silence_db, double min_seconds = 1.0) {
    PrepareOptions options = Options();
    options.trim.silence_db = silence_db;
    options.trim.min_silence_seconds = min_seconds;
    return options;
  }
  PrepareOptions Excerpt(double seconds) {
    PrepareOptions options = Options();
    options.trim.excerpt_seconds = seconds;
    return options;
  }
  // Frames [from, to) of planar audio.
  static std::vector<float> Part(const AudioBuffer& audio, std::size_t from, std::size_t to) {
    std::vector<float> part;
    for (int c = 0; c < audio.channels(); ++c) {
      part.insert(part.end(), audio.channel(c) + from, audio.channel(c) + to);
    }
    return part;
  }
  static void Silence(AudioBuffer& audio, std::size_t from, std::size_t to) {
    for (int c = 0; c < audio.channels(); ++c)
      std::fill(audio.channel(c) + from, audio.channel(c) + to, 0.0f);
  }
  std::int64_t Frames() { return CacheReader(out_ / "cache.h5").tracks()[0].frames; }
};

TEST_F(PrepareTrimTest, CutsWhereEveryStemIsSilentAndKeepsThemTogether) {
  const std::size_t frames = 8 * kRate;
  AudioBuffer drums = Noise(1, frames), bass = Noise(2, frames);
  Silence(drums, 0, 5 * kRate);         // 0–3: drums alone are silent; 3–5: both
  Silence(bass, 3 * kRate, 8 * kRate);  // 5–8: bass alone
  Write("s/drums.wav", drums);
  Write("s/bass.wav", bass);
  const PrepareOptions options = Trimming(-60);
  EXPECT_EQ(PrepareCache(options).made, 1u);
  const std::size_t cut_from = 3 * kRate + kGuard, cut_to = 5 * kRate - kGuard;
  for (const auto& [stem, audio] : {std::pair{"drums", &drums}, {"bass", &bass}}) {
    const std::vector<float> got = Stem("s", stem);
    const std::size_t length = got.size() / 2;
    ASSERT_EQ(length, frames - (cut_to - cut_from));
    for (int c = 0; c < 2; ++c) {
      for (std::size_t t = 0; t < length; ++t) {
        ASSERT_EQ(got[c * length + t],
                  audio->channel(c)[t < cut_from ? t : t + (cut_to - cut_from)])
            << stem << " frame " << t;
      }
    }
  }
  // The levels per second are those of what is stored.
  EXPECT_EQ(CacheReader(out_ / "cache.h5").ReadLevels(0).size(), 2u * 7);
  EXPECT_THAT(ReadCacheIndex(out_ / "cache.h5").command, HasSubstr("--trim-silence -60"));
}

TEST_F(PrepareTrimTest, OtherSettingsRedoTheSongsAndTheSameKeepThem) {
  AudioBuffer audio = Noise(1, 4 * kRate);
  Silence(audio, kRate, 3 * kRate);
  Write("s/a.wav", audio);
  EXPECT_EQ(Prepare().made, 1u);
  EXPECT_EQ(Frames(), 4 * kRate);
  EXPECT_EQ(PrepareCache(Trimming(-60)).made, 1u);
  EXPECT_EQ(PrepareCache(Trimming(-60)).kept, 1u);
  EXPECT_EQ(Frames(), 2 * kRate + 2 * std::int64_t{kGuard});
  EXPECT_EQ(PrepareCache(Trimming(-50)).made, 1u);
  EXPECT_EQ(PrepareCache(Trimming(-50, 2.5)).made, 1u);
  EXPECT_EQ(Frames(), 4 * kRate);
  EXPECT_EQ(PrepareCache(Excerpt(0.5)).made, 1u);
  EXPECT_EQ(PrepareCache(Excerpt(0.25)).made, 1u);
  EXPECT_EQ(PrepareCache(Excerpt(0.25)).kept, 1u);
  EXPECT_EQ(Prepare().made, 1u);
}

TEST_F(PrepareTrimTest, SaysThatNothingIsLeftOfASilentSong) {
  WriteSong("good", 1);
  Write("s/drums.wav", AudioBuffer(2, 3 * kRate));
  Write("s/bass.wav", AudioBuffer(2, 3 * kRate));
  const PrepareResult result = PrepareCache(Trimming(-80));
  EXPECT_EQ(result.made, 1u);
  ASSERT_EQ(result.failures.size(), 1u);
  EXPECT_THAT(result.failures[0].error.what(),
              AllOf(HasSubstr("silent throughout"), HasSubstr("song \"s\"")));
}

TEST_F(PrepareTrimTest, TakesTheMiddleAndKeepsShorterSongsWhole) {
  const AudioBuffer audio = Noise(1, 100'001), brief = Noise(2, 20'000), exact = Noise(3, 22'050);
  Write("long/a.wav", audio);
  Write("short/a.wav", brief);
  Write("exact/a.wav", exact);
  const PrepareResult result = PrepareCache(Excerpt(0.5));
  EXPECT_EQ(result.made, 3u);
  EXPECT_EQ(result.shorter, 1u);
  EXPECT_EQ(Stem("long", "a"), Part(audio, 38'975, 61'025));
  EXPECT_EQ(Stem("short", "a"), Samples(brief));
  EXPECT_EQ(Stem("exact", "a"), Samples(exact));
  EXPECT_EQ(PrepareCache(Excerpt(0.5)).shorter, 1u);  // also of songs that are kept
}

TEST_F(PrepareTrimTest, TakesTheMiddleOfWhatTrimmingLeaves) {
  AudioBuffer audio = Noise(1, 6 * kRate);
  Silence(audio, 0, 4 * kRate);
  Write("s/a.wav", audio);
  PrepareOptions options = Trimming(-60);
  options.trim.excerpt_seconds = 1;
  PrepareCache(options);
  const std::size_t left = 2 * kRate + kGuard, begin = 4 * kRate - kGuard + (left - kRate) / 2;
  EXPECT_EQ(Stem("s", "a"), Part(audio, begin, begin + kRate));
}

// Sums beyond full scale are decoded once more: of the excerpt alone, and after trimming.
TEST_F(PrepareTrimTest, LoudSumsGetTheStepOfTheirOwnExcerpt) {
  const std::size_t frames = 5 * kRate;
  AudioBuffer loud = Noise(1, frames, 2, 0.6f);
  loud.channel(0)[10] = 0.99f;  // outside of the excerpt
  Write("s/a.wav", loud);
  Write("s/b.wav", loud);
  WriteFileAtomically(out_ / "recipe.yaml", "stems: {all: rest}");
  PrepareOptions options = Excerpt(2);
  options.recipe = out_ / "recipe.yaml";
  PrepareCache(options);
  const double scale = ReadTrackLayout(out_ / "cache.h5.d/s.h5").scale;
  EXPECT_NEAR(scale * 32767, 1.2, 1e-3);
  const std::vector<float> sum = Stem("s", "all");
  const auto want = Part(loud, 3 * kRate / 2, 7 * kRate / 2);
  ASSERT_EQ(sum.size(), want.size());
  for (std::size_t i = 0; i < sum.size(); ++i) ASSERT_NEAR(sum[i], 2 * want[i], scale);
}

// A source that is damaged behind the excerpt is damaged all the same.
TEST_F(PrepareTrimTest, ExcerptsHideNoDamage) {
  WriteSong("good", 1);
  WriteSong("s", 2);
  const std::string bytes = ReadFile(root_ / "s/bass.wav");
  WriteFileAtomically(root_ / "s/bass.wav", bytes.substr(0, bytes.size() - 4000));
  EXPECT_EQ(PrepareCache(Excerpt(0.1)).failures.size(), 1u);
}

}  // namespace prepare_trim_tests
}  // namespace
}  // namespace stemsmith
